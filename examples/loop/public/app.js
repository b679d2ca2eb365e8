// The page of the loop: opens and closes a socket by hand, and shows what went through it.
import { $, addLine, createSocket } from "./page.js";

const log = $("log");

const socket = createSocket({
  onOpen() {
    addLine(log, "The connection is open", "note");
    $("send").disabled = false;
    $("text").focus();
  },
  onMessage: (text) => addLine(log, text),
  onClose({ code, reason, wasOpen }) {
    if (wasOpen) addLine(log, `The connection is closed: ${code} ${reason}`, "note");
    $("send").disabled = true;
  },
});

/** What the user wants; after a loss the socket dials again by itself. */
function want(isWanted) {
  $("connect").disabled = isWanted;
  $("disconnect").disabled = !isWanted;
}

$("connect").addEventListener("click", () => {
  want(true);
  socket.open();
});

$("disconnect").addEventListener("click", () => {
  want(false);
  socket.close();
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.send($("text").value)) addLine(log, $("text").value, "own");
});
