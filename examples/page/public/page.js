// What the pages of the examples share: a few DOM moves, and one socket whose state the page shows in #state.

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;
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

/**
 * A socket to the server of this page. `open(path)` connects; a lost connection is dialled again until `close()`.
 * `send` returns whether the socket was open: nothing is kept for later.
 */
export function createSocket({ onOpen = () => {}, onMessage = () => {}, onClose = () => {} }) {
  let socket;
  let timer;
  let address;
  let failures = 0;
  let isWanted = false;

  function open(path) {
    address = socketAddress(path);
    isWanted = true;
    dial();
  }

  function dial() {
    clearTimeout(timer);
    showState("connecting", "Connecting…");
    const dialled = new WebSocket(address);
    dialled.binaryType = "arraybuffer";
    let wasOpen = false;
    socket = dialled;
    // A socket that was given up for the next has nothing to say any more.
    const unlessGivenUp = (listener) => (event) => dialled === socket && listener(event);
    dialled.onopen = unlessGivenUp(() => {
      failures = 0;
      wasOpen = true;
      showState("online", "Connected");
      onOpen();
    });
    dialled.onmessage = unlessGivenUp(({ data }) => onMessage(data));
    dialled.onclose = unlessGivenUp(({ code, reason }) => {
      if (isWanted) wait();
      else showState("offline", "Not connected");
      onClose({ code, reason, wasOpen });
    });
  }

  /** With jitter, so that not all pages meet a server that comes back in the same instant. */
  function wait() {
    showState("connecting", "Connection lost. Trying again…");
    timer = setTimeout(dial, Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** failures++) * (0.5 + Math.random() / 2));
  }

  function close() {
    isWanted = false;
    clearTimeout(timer);
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) showState("offline", "Not connected");
    else socket.close();
  }

  function send(text) {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(text);
    return true;
  }

  return {
    open,
    close,
    send,
    get isWanted() {
      return isWanted;
    },
    get isOpen() {
      return socket?.readyState === WebSocket.OPEN;
    },
  };
}

/** Shows how the connection is: "offline", "connecting" or "online", and in words. */
export function showState(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}
