// The page of the loop: opens and closes a client by hand, and shows what went through it.
import { connect } from "/sendall/client.js";
import { $, addLine, follow } from "./page.js";

const log = $("log");

let client;
let isOpen = false;

$("connect").addEventListener("click", () => {
  client = connect("./", {
    onOpen() {
      isOpen = true;
      addLine(log, "The connection is open", "note");
      $("text").focus();
    },
    onMessage: (text) => addLine(log, text),
    // Called for an attempt that fails, too.
    onClose({ code, reason }) {
      if (isOpen) addLine(log, `The connection is closed: ${code} ${reason}`, "note");
      isOpen = false;
    },
  });
  // After a loss a client connects again by itself, until it is closed.
  follow(client, ({ state }) => {
    $("connect").disabled = state !== "closed";
    $("disconnect").disabled = state === "closing" || state === "closed";
    $("send").disabled = state !== "open";
  });
});

$("disconnect").addEventListener("click", () => client.close());

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (client.send($("text").value)) addLine(log, $("text").value, "own");
});
