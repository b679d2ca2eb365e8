/** The outcome of an accepted upgrade attempt: facts of the request and the slot, which the gate hands to the route for a connection. */
import type { Place } from "./connection-limits.js";
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
  /** What `authorize` returned; of no use for a connection that is resumed. */
  readonly data: unknown;
  /** The path of the request without the query, in the spelling of browsers: the same for every spelling of a decoded path. */
  readonly decodedPath: string;
  /** Absent for a plain peer, that is, without the subprotocol of sessions. */
  readonly session: AcceptedSession | undefined;
  /**
   * `false` where only `verify` has agreed. If the session has ended meanwhile, the route MUST cut the transport: nothing has let the
   * peer in as a newcomer. The client comes back and is authorized.
   */
  readonly mayBeFresh: boolean;
  /**
   * Takes the slot of a fresh connection; MUST be called for each connection that begins, and only then: a resumed connection keeps its
   * own slot. A slot that was acquired and is not taken within `accept` is free again. Where the session has ended since the gate looked,
   * the slot counts although the server may be full.
   */
  takePlace(): Place;
}
