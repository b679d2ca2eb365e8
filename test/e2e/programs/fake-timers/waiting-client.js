/** A client that waits and is closed while a test runner has replaced the timers. The client must end all the same. */
import { connect } from "sendall/client";

/** A socket that fails when the program says so. */
class HandSocket {
  /** @type {HandSocket | undefined} */
  static last;
  binaryType = "";
  readyState = 0;
  bufferedAmount = 0;
  protocol = "";
  /** @type {Map<string, (event: object) => void>} */
  #listeners = new Map();

  constructor() {
    HandSocket.last = this;
  }
  send() {}
  close() {}
  /** @param {string} type @param {(event: any) => void} listener */
  addEventListener(type, listener) {
    this.#listeners.set(type, listener);
  }
  fail() {
    this.readyState = 3;
    for (const type of ["error", "close"]) this.#listeners.get(type)?.({ type });
  }
}

/** What a client tells that is closed while it waits, with whatever timers there are. */
export async function closeWhileWaiting() {
  /** @type {unknown[]} */
  const log = [];
  const client = connect("ws://127.0.0.1:1/", {
    WebSocket: HandSocket,
    onClose: ({ willRetry }) => log.push(willRetry),
  });
  client.subscribe(({ state }) => log.push(state));
  HandSocket.last?.fail();
  log.push(client.state);
  client.close();
  for (let i = 0; i < 10; i++) await Promise.resolve();
  return [...log, client.state];
}

export const EXPECTED = [true, "waiting", "closing", false, "closed", "closed"];
