// The page of the Express example: logs in by a request, then chats over the socket, which knows the name from the cookie.
import { connect } from "/sendall/client.js";
import { $, addLine, follow } from "./page.js";

let client;

function open() {
  client = connect("chat", {
    onMessage: (text) => addLine($("log"), text),
    // A browser does not tell why a socket was refused, so the page asks whether the server still knows the cookie.
    onClose: ({ willRetry }) => willRetry && enter(),
  });
  follow(client, ({ state }) => {
    $("send").disabled = state !== "open";
  });
}

/** Connects with a cookie that the server knows; without, shows the login. */
async function enter() {
  const me = await fetch("me").catch(() => undefined);
  // The server is away: the client tries again by itself.
  if (me === undefined) return;
  $("login").hidden = me.ok;
  $("chat").hidden = !me.ok;
  if (me.ok) {
    if (client === undefined) open();
  } else {
    client?.close();
    client = undefined;
  }
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const query = new URLSearchParams({ name: $("name").value });
  try {
    const response = await fetch(`login?${query}`, { method: "POST" });
    $("answer").textContent = response.ok ? "" : await response.text();
    await enter();
  } catch {
    $("answer").textContent = "The server cannot be reached.";
  }
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (client.send($("text").value)) $("text").value = "";
});

enter();
