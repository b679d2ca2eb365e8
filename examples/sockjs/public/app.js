// The page of the SockJS services: connects to one of the services by a transport, and shows what goes through.
import { $, addLine, showState, socketAddress } from "./page.js";

const AGAIN_MS = 1_000;
const log = $("log");

let socket;
let timer;
let isWanted = false;

function open() {
  showState("connecting", "Connecting…");
  const transport = $("transport").value;
  socket = new SockJS($("service").value, null, transport === "" ? {} : { transports: transport });
  socket.onopen = () => {
    showState("online", "Connected");
    addLine(log, `The connection is open, by ${socket.transport}`, "note");
    $("send").disabled = false;
  };
  socket.onmessage = ({ data }) => addLine(log, data);
  socket.onclose = ({ code, reason, wasClean }) => {
    if (!$("send").disabled) addLine(log, `The connection is closed: ${code} ${reason}`, "note");
    $("send").disabled = true;
    // A service that closes with a code of its own, as /close does, means it.
    if (wasClean && code >= 3000) want(false);
    if (isWanted) {
      showState("connecting", "Connection lost. Trying again…");
      timer = setTimeout(open, AGAIN_MS);
    } else showState("offline", "Not connected");
  };
}

function want(value) {
  isWanted = value;
  for (const id of ["connect", "service", "transport"]) $(id).disabled = isWanted;
  $("disconnect").disabled = !isWanted;
}

$("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  want(true);
  open();
});

$("disconnect").addEventListener("click", () => {
  want(false);
  clearTimeout(timer);
  // Between two attempts no event tells of the end.
  if (socket.readyState === SockJS.CLOSED) showState("offline", "Not connected");
  else socket.close();
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.send($("text").value);
  addLine(log, $("text").value, "own");
});

function showCommand() {
  $("command").textContent = `npx sendall connect ${socketAddress($("service").value)}`;
}

$("service").addEventListener("change", showCommand);
showCommand();
