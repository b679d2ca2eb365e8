// The page of the Fastify example: hears the news over the socket at /news, and tells news by POST /say.
import { connect } from "/sendall/client.js";
import { $, addLine, follow } from "./page.js";

follow(connect("news", { onMessage: (text) => addLine($("log"), text) }));

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
