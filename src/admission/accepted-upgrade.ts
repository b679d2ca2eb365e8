/** The outcome of an accepted upgrade attempt: facts of the request and the slot, which the gate hands to the route for a connection. */
import type { Release } from "./connection-limits.js";
import type { Head } from "./request-head.js";
import type { ResumeOffer } from "./session-offer.js";

/** What the gate knows of the session of an accepted upgrade. */
export interface AcceptedSession {
  /** The session to take up again; absent for a fresh session. */
  readonly resume: ResumeOffer | undefined;
  /**
   * Why the session is a fresh one if `resume` is absent or leads nowhere. `"elsewhere"`: another node of the cluster has the session and
   * has been told; `"refused"`: `verify` has returned `false`.
   */
  readonly why: "new" | "expired" | "elsewhere" | "refused";
}

export interface AcceptedUpgrade {
  /** The head of the request, with the address from trusted proxies applied. */
  readonly head: Head;
  /** The decoded path parameters by name. */
  readonly params: Readonly<Record<string, string>>;
  /** The chosen subprotocol, `""` if there is none. */
  readonly protocol: string;
  /** What `authorize` returned. */
  readonly data: unknown;
  /** The decoded path of the request, without the query. */
  readonly decodedPath: string;
  /** Absent for a plain peer, that is, without the subprotocol of sessions. */
  readonly session: AcceptedSession | undefined;
  /** Frees the connection's slot; MUST be called when the connection has ended. */
  readonly release: Release;
}
