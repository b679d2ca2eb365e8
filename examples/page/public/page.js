// What the pages of the examples share: a few DOM moves, and one socket whose state the page shows in #state.

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;
const MAX_LINES = 200;

export const $ = (id) => document.getElementById(id);

/** element("li", { class: "own" }, "text", child, …): what others wrote goes into a page as text, never as HTML. */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Adds a line to a log, which follows its newest line unless one has scrolled up to read. */
export function addLine(log, text, kind = "") {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(element("p", { class: `line ${kind}`, "data-testid": "line" }, text));
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

/**
 * A socket to the server that this page came from. It opens when `open(query)` is called. `stays`: it dials again whenever the
 * connection is lost, until `close()`. `send` tells whether it was open: nothing is kept for later.
 */
export function createSocket({ stays = true, onOpen = () => {}, onMessage = () => {}, onClose = () => {} }) {
  let socket;
  let timer;
  let address;
  let failures = 0;
  let isWanted = false;

  function open(query = "") {
    address = new URL(`./${query}`, window.location.href);
    address.protocol = address.protocol.replace("http", "ws");
    isWanted = true;
    dial();
  }

  function dial() {
    clearTimeout(timer);
    showState("connecting", "Connecting…");
    const dialled = new WebSocket(address);
    socket = dialled;
    // One that was given up for the next has nothing to say any more.
    const unlessGivenUp = (listener) => (event) => dialled === socket && listener(event);
    dialled.onopen = unlessGivenUp(() => {
      failures = 0;
      showState("online", "Connected");
      onOpen();
    });
    dialled.onmessage = unlessGivenUp(({ data }) => onMessage(data));
    dialled.onclose = unlessGivenUp(({ code, reason }) => {
      isWanted &&= stays;
      if (isWanted) wait();
      else showState("offline", "Not connected");
      onClose({ code, reason, isRetrying: isWanted });
    });
  }

  /** With jitter, so that a server that comes back is not met by everybody in the same instant. */
  function wait() {
    showState("connecting", "Connection lost. Trying again…");
    timer = setTimeout(dial, Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** failures++) * (0.5 + Math.random() / 2));
  }

  function close() {
    isWanted = false;
    clearTimeout(timer);
    if (socket.readyState === WebSocket.CLOSED) showState("offline", "Not connected");
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
    get isOpen() {
      return socket?.readyState === WebSocket.OPEN;
    },
  };
}

function showState(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}
