// The page of the channels: three panes over one socket. What goes over it:
//
//   sub,name   uns,name   msg,name,payload     from here
//   uns,name   msg,name,payload   err,name,text   from there; the payload may hold commas
import { addLine, createSocket } from "./page.js";

const panes = new Map();

const socket = createSocket({
  onOpen() {
    for (const pane of panes.values()) pane.subscribe();
  },
  onMessage(data) {
    const [verb, name, ...payload] = data.split(",");
    panes.get(name)?.receive[verb]?.(payload.join(","));
  },
  onClose() {
    for (const pane of panes.values()) pane.show(false, false);
  },
});

for (const card of document.querySelectorAll("[data-channel]")) panes.set(card.dataset.channel, createPane(card));
socket.open();

function createPane(card) {
  const name = card.dataset.channel;
  const [log, toggle, form] = [".log", ".toggle", "form"].map((part) => card.querySelector(part));
  const send = form.querySelector("button");
  let isSubscribed = false;

  /** `canToggle` is false while there is no socket. */
  function show(subscribed, canToggle = true) {
    isSubscribed = subscribed;
    toggle.textContent = subscribed ? "Unsubscribe" : "Subscribe";
    toggle.disabled = !canToggle;
    send.disabled = !subscribed;
  }

  function subscribe() {
    socket.send(`sub,${name}`);
    show(true);
  }

  toggle.addEventListener("click", () => {
    if (!isSubscribed) return subscribe();
    socket.send(`uns,${name}`);
    addLine(log, "You unsubscribed", "note");
    show(false);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = form.elements.text.value;
    if (text === "" || !isSubscribed) return;
    socket.send(`msg,${name},${text}`);
    addLine(log, text, "own");
    form.elements.text.value = "";
  });

  const receive = {
    msg: (text) => addLine(log, text),
    err: (text) => addLine(log, text, "note"),
    uns() {
      // It may have crossed an "uns" and a "sub" of ours, and the server have us as a subscriber again.
      if (isSubscribed) socket.send(`uns,${name}`);
      addLine(log, "The channel was closed", "note");
      show(false);
    },
  };

  return { subscribe, show, receive };
}
