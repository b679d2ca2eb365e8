// @ts-check
/** What a member acknowledges, in dialects that do: Sendall's sessions. */
import { clientFrame } from "./frame.js";

/** After so many messages a client acknowledges. */
const ACKNOWLEDGE_AFTER = 64;

export class Receipts {
  /** @type {import("./socket.js").RawSocket | undefined} */
  socket;
  #acknowledge;
  #messages = 0;
  #acknowledged = 0;

  /** @param {import("./dialects.js").Dialect} dialect */
  constructor({ acknowledge }) {
    this.#acknowledge = acknowledge;
  }

  /** @param {number} messages */
  add(messages) {
    if (this.#acknowledge === undefined) return;
    this.#messages += messages;
    if (this.#messages - this.#acknowledged < ACKNOWLEDGE_AFTER) return;
    this.#acknowledged = this.#messages;
    this.socket?.write(clientFrame(this.#acknowledge(this.#messages)));
  }
}
