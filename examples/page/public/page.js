// What the pages of the examples share: a few DOM moves, and the connection's state in #state.

const MAX_LINES = 200;

export const $ = (id) => document.getElementById(id);

/** element("li", { class: "own" }, "text", child, …): what people wrote goes into a page as text, never as HTML. */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Adds a line to a log, which follows the newest line unless the reader has scrolled up. */
export function addLine(log, text, kind = "") {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(element("p", { class: `line ${kind}`, "data-testid": "line" }, text));
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

/** The address of a socket beside this page: "chat", "?name=Ann" or both. */
export function socketAddress(path = "") {
  const address = new URL(`./${path}`, window.location.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}

/** How a page shows the states of a client, as arguments of `showState`. */
export const STATES = {
  connecting: ["connecting", "Connecting…"],
  open: ["online", "Connected"],
  waiting: ["connecting", "Connection lost. Trying again…"],
  closing: ["offline", "Closing…"],
  closed: ["offline", "Not connected"],
};

let unfollow = () => {};

/**
 * Shows from now on how a client of `sendall/client` is, in place of the client before; `listener` is called with the status at
 * once and at every change.
 */
export function follow(client, listener = () => {}) {
  const show = (status) => {
    showState(...STATES[status.state]);
    listener(status);
  };
  unfollow();
  unfollow = client.subscribe(show);
  show(client.status);
}

/** Shows how the connection is: "offline", "connecting" or "online", and in words. */
export function showState(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}
