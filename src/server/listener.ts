/** The contract of the ways into a server. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Gate } from "../admission/gate.js";
import type { Address } from "../http/listen.js";

/** Where connections come in: the network, or memory. One for each server. */
export interface Listener {
  /** Where it is now; meaningful once it is open. */
  readonly address: Address;
  /** Rejects with `LISTEN_FAILED`; nothing is left listening then. */
  open(gate: Gate): Promise<void>;
  /** Lets nobody in any more; resolves when the address is free again. */
  close(): Promise<void>;
  /** The server has come to rest: lets go of a host, and of all that is still under way. */
  detach?(): void;
  /** Plain HTTP, for a host that mounts us. */
  readonly middleware?: (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
}
