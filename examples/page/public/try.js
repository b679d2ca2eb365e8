// The page of the examples that have no page of their own: one socket at the page's address, with the page's query.
import { $, addLine, createSocket, socketAddress } from "./page.js";

const { protocol, search } = window.location;
const log = $("log");

const socket = createSocket({
  onOpen() {
    addLine(log, "The connection is open", "note");
    $("send").disabled = false;
  },
  onMessage: (data) => addLine(log, typeof data === "string" ? data : describeBytes(data)),
  onClose({ code, reason, wasOpen }) {
    if (wasOpen) addLine(log, `The connection is closed: ${code} ${reason}`, "note");
    $("send").disabled = true;
  },
});

function describeBytes(buffer) {
  const bytes = new Uint8Array(buffer);
  return `${bytes.length} bytes: ${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ")}`;
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.send($("text").value)) addLine(log, $("text").value, "own");
  $("text").select();
});

// The certificate of an example is signed by nobody, so a client in a shell has to be told not to ask.
const trust = protocol === "https:" ? "--insecure " : "";
// A shell would split an address at its "&".
const address = search === "" ? socketAddress() : `"${socketAddress(search)}"`;
$("command").textContent = `npx sendall connect ${trust}${address}`;

socket.open(search);
