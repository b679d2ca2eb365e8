// One socket that stays: it dials again whenever the connection is lost. app.js listens to it and knows no WebSocket.

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 10_000;
// A server that accepts and hangs up at once must not be dialled at the quick pace for ever.
const STABLE_MS = 5_000;

/**
 * Calls onState({ name: "connecting" | "online" | "waiting", retryAt }) at every change and onMessage(object) for each
 * message. `send` tells whether the message was handed to an open socket: nothing is kept for later.
 */
export function openSocket(url, { onState, onMessage }) {
  let socket;
  let timer;
  let failures = 0;

  function dial() {
    clearTimeout(timer);
    onState({ name: "connecting" });
    const dialled = new WebSocket(url);
    let openedAt = Number.POSITIVE_INFINITY;
    socket = dialled;
    timer = setTimeout(() => dialled.close(), CONNECT_TIMEOUT_MS);
    dialled.onopen = () => {
      clearTimeout(timer);
      openedAt = performance.now();
      onState({ name: "online" });
    };
    dialled.onmessage = (event) => onMessage(JSON.parse(event.data));
    dialled.onclose = () => {
      if (performance.now() - openedAt > STABLE_MS) failures = 0;
      wait();
    };
  }

  function wait() {
    clearTimeout(timer);
    // Jitter, so that a server that comes back is not met by everybody in the same instant.
    const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** failures) * (0.5 + Math.random() / 2);
    failures++;
    onState({ name: "waiting", retryAt: performance.now() + delay });
    timer = setTimeout(dial, delay);
  }

  /** Worth a try at once: the network is back, or the page is looked at again. */
  function hurry() {
    if (socket.readyState === WebSocket.CLOSED && document.visibilityState === "visible") dial();
  }

  window.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);
  dial();

  return {
    send(message) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message));
      return true;
    },
  };
}
