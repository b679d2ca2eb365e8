/**
 * The contract of a server's listener: the network, the host of `attach`, or memory. Each server has a single listener, from
 * `open` to `close`.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Gate } from "../admission/gate.js";
import type { Address } from "../http/listen.js";

/** Brings connections to one server. */
export interface Listener {
  /** The current address; meaningful after `open`. */
  readonly address: Address;
  /** Rejects with `LISTEN_FAILED`; nothing is left listening then. */
  open(gate: Gate): Promise<void>;
  /** Accepts no more connections; resolves when the address is free again. */
  close(): Promise<void>;
  /** The server has stopped: detaches from the host, and cuts whatever is still under way. */
  detach?(): void;
  /** Plain HTTP, for a host to mount. */
  readonly middleware?: (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
}
