/** The outcome of an accepted upgrade attempt: facts of the request and the slot, which the gate hands to the route for a connection. */
import type { Release } from "./connection-limits.js";
import type { Head } from "./request-head.js";

export interface AcceptedUpgrade {
  /** The head of the request, with the address from trusted proxies applied. */
  readonly head: Head;
  /** The decoded path parameters by name. */
  readonly params: Readonly<Record<string, string>>;
  /** The chosen subprotocol, `""` if there is none. */
  readonly protocol: string;
  /** What `authorize` returned. */
  readonly data: unknown;
  /** Frees the connection's slot; MUST be called when the connection has ended. */
  readonly release: Release;
}
