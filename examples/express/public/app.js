// The page of the Express example: logs in by a request, then chats over the socket, which knows the name from the cookie.
import { $, addLine, createSocket } from "./page.js";

const socket = createSocket({
  onOpen: () => {
    $("send").disabled = false;
  },
  onMessage: (text) => addLine($("log"), text),
  onClose: () => {
    $("send").disabled = true;
    // A browser does not tell why a socket was refused, so the page asks whether the server still knows the cookie.
    enter();
  },
});

/** Connects with a cookie that the server knows; without, shows the login. */
async function enter() {
  const me = await fetch("me").catch(() => undefined);
  // The server is away: the socket tries again by itself.
  if (me === undefined) return;
  $("login").hidden = me.ok;
  $("chat").hidden = !me.ok;
  if (!me.ok) socket.close();
  else if (!socket.isWanted) socket.open("chat");
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
  if (socket.send($("text").value)) $("text").value = "";
});

enter();
