// The page of the examples that have no page of their own: one client at the page's address, with the page's query.
import { connect } from "/sendall/client.js";
import { $, addLine, follow, socketAddress } from "./page.js";

const { protocol, search } = window.location;
const log = $("log");

let client;
let isOpen = false;

function open() {
  client = connect(`./${search}`, {
    onOpen() {
      isOpen = true;
      addLine(log, "The connection is open", "note");
    },
    onMessage: (data) => addLine(log, typeof data === "string" ? data : describeBytes(data)),
    // Called for an attempt that fails, too.
    onClose({ code, reason }) {
      if (isOpen) addLine(log, `The connection is closed: ${code} ${reason}`, "note");
      isOpen = false;
    },
  });
  follow(client, ({ state }) => {
    // After some close codes, 1000 for one, a client stays away until its user wants otherwise.
    $("send").textContent = state === "closed" ? "Connect" : "Send";
    $("send").disabled = state !== "open" && state !== "closed";
  });
}

function describeBytes(bytes) {
  return `${bytes.length} bytes: ${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ")}`;
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (client.state === "closed") open();
  else if (client.send($("text").value)) addLine(log, $("text").value, "own");
  $("text").select();
});

// The certificate of an example is signed by nobody, so a client in a shell has to be told not to ask.
const trust = protocol === "https:" ? "--insecure " : "";
// A shell would split an address at its "&".
const address = search === "" ? socketAddress() : `"${socketAddress(search)}"`;
$("command").textContent = `npx sendall connect ${trust}${address}`;

open();
