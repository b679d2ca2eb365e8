// The page of the channels: three panes, each a channel of one client. After a loss the channels subscribe again by themselves.
import { connect } from "/sendall/client.js";
import { addLine, follow } from "./page.js";

const client = connect("./");
const panes = Array.from(document.querySelectorAll("[data-channel]"), createPane);
for (const { subscribe } of panes) subscribe();
follow(client, () => {
  for (const { show } of panes) show();
});

function createPane(card) {
  const [log, toggle, form] = [".log", ".toggle", "form"].map((part) => card.querySelector(part));
  let channel;

  function show() {
    const isOpen = client.state === "open";
    toggle.textContent = channel ? "Unsubscribe" : "Subscribe";
    toggle.disabled = !isOpen;
    form.querySelector("button").disabled = !isOpen || channel === undefined;
  }

  function subscribe() {
    const subscribed = client.channel(card.dataset.channel, {
      onMessage: (text) => addLine(log, text),
      onError: (error) => addLine(log, error.message, "note"),
      onClose({ willRetry }) {
        if (willRetry || channel !== subscribed) return;
        addLine(log, "The channel was closed", "note");
        channel = undefined;
        show();
      },
    });
    channel = subscribed;
    show();
  }

  function unsubscribe() {
    channel.close();
    channel = undefined;
    addLine(log, "You unsubscribed", "note");
    show();
  }

  toggle.addEventListener("click", () => (channel ? unsubscribe() : subscribe()));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = form.elements.text.value;
    if (text === "" || !channel?.send(text)) return;
    addLine(log, text, "own");
    form.elements.text.value = "";
  });

  return { subscribe, show };
}
