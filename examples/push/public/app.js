// The page of the push example: it sends nothing over its socket, and shows what comes.
import { connect } from "/sendall/client.js";
import { $, addLine, element, follow } from "./page.js";

const prices = new Map();

const receive = {
  price({ item, cents }) {
    if (!prices.has(item)) {
      const value = element("dd", {});
      $("prices").append(element("div", {}, element("dt", {}, item), value));
      prices.set(item, value);
    }
    prices.get(item).textContent = (cents / 100).toFixed(2);
  },
  news({ text, at }) {
    const time = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    addLine($("log"), `${time}  ${text}`);
  },
};

const client = connect("./", {
  // All that is known comes again with each new connection.
  onOpen: () => $("log").replaceChildren(),
  onMessage(json) {
    const message = JSON.parse(json);
    receive[message.type]?.(message);
  },
});
follow(client);

$("push").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ text: $("text").value });
  const headers = { "Content-Type": "application/json" };
  try {
    const response = await fetch("push", { method: "POST", headers, body });
    $("answer").textContent = await response.text();
    if (response.ok) $("text").value = "";
  } catch {
    $("answer").textContent = "The server cannot be reached.";
  }
});
