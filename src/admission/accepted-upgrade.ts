/** An upgrade attempt that passed the gate, as the gate hands it to the route: everything that a connection needs from its request. */
import type { Release } from "./connection-limits.js";
import type { Head } from "./request-head.js";

export interface AcceptedUpgrade {
  /** The head of the request, with the address that trusted proxies report. */
  readonly head: Head;
  /** The parts of the path that the route names, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The chosen subprotocol, `""` if there is none. */
  readonly protocol: string;
  /** What `authorize` returned. */
  readonly data: unknown;
  /** Frees the connection's slot; MUST be called when the connection has ended. */
  readonly release: Release;
}
