// The page of the loop: opens and closes a socket by hand, and shows what went through it.
import { $, addLine, createSocket } from "./page.js";

const log = $("log");

const socket = createSocket({
  stays: false,
  onOpen() {
    addLine(log, "The connection is open", "note");
    show(true);
    $("text").focus();
  },
  onMessage: (text) => addLine(log, text),
  onClose({ code, reason }) {
    addLine(log, `The connection is closed: ${code} ${reason}`, "note");
    show(false);
  },
});

function show(isOpen) {
  $("connect").disabled = isOpen;
  $("disconnect").disabled = !isOpen;
  $("send").disabled = !isOpen;
}

$("connect").addEventListener("click", () => {
  $("connect").disabled = true;
  socket.open();
});

$("disconnect").addEventListener("click", () => socket.close());

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.send($("text").value)) addLine(log, $("text").value, "own");
});
