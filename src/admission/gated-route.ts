/** A route as the gate sees the route; implemented by `actors/route/route.ts`. */
import type { Authorize } from "../api/authorize.js";
import type { ResumeOptions } from "../api/options.js";
import type { Transport, TransportListener } from "../transport/transport.js";
import type { AcceptedUpgrade } from "./accepted-upgrade.js";
import type { Origins } from "./origin.js";
import type { SessionDesk } from "./session-desk.js";

/** The option `resume.verify`. */
export type Verify = ResumeOptions["verify"];

export interface GatedRoute {
  /** The path from `routes`, or `*` for every path. */
  readonly path: string;
  /** `true` once the route accepts no connections any more. */
  readonly hasEnded: boolean;
  readonly settings: {
    readonly authorize: Authorize<unknown> | undefined;
    readonly origins: Origins;
    readonly protocols: readonly string[];
    readonly handshakeTimeoutMs: number;
    readonly maxPayloadBytes: number;
    readonly maxFragments: number;
    readonly mailbox: { readonly maxBytes: number };
    readonly compression: boolean;
    readonly resume: false | { readonly verify: Verify | undefined };
  };
  /** Absent without the option `resume`. */
  readonly sessions: SessionDesk | undefined;
  /** The gate counts the route's refusals here. */
  readonly counters: { countRefused(status: number): void };
  /**
   * Begins a connection, or resumes a connection of before (see {@link AcceptedUpgrade.takePlace}).
   *
   * @returns a listener without an id (`""`) for a peer that gets a close frame alone
   */
  accept(transport: Transport, accepted: AcceptedUpgrade): TransportListener;
}
