// The page of the Fastify example: hears the news over the socket at /news, and tells news by POST /say.
import { $, addLine, createSocket } from "./page.js";

const socket = createSocket({ onMessage: (text) => addLine($("log"), text) });
socket.open("news");

$("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const response = await fetch("say", { method: "POST", body: $("text").value });
    $("answer").textContent = `The receipt: ${await response.text()}`;
    if (response.ok) $("text").value = "";
  } catch {
    $("answer").textContent = "The server cannot be reached.";
  }
});
