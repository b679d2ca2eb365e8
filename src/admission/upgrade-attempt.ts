/** A request to connect, from its arrival to the decision. */
import type { IncomingMessage } from "node:http";
import type { Refusal } from "../api/rejection.js";
import type { Admission } from "../transport/transport.js";
import type { AskedHeaders, Head } from "./request-head.js";

/** What becomes of an upgrade whose peer has gone before it was decided: nobody reads the answer, the log and `onAccess` do. */
export const LEFT: Refusal = { status: 499, body: "the peer left before it was let in" };

/** A request that is being decided, which may take a while. */
export interface UpgradeAttempt {
  /** When it came. */
  readonly at: number;
  readonly head: Head;
  readonly headers: AskedHeaders;
  readonly raw: IncomingMessage | undefined;
  /** Aborted when the peer leaves before the answer. Made when first asked for. */
  readonly signal: AbortSignal;
  /** It comes over SockJS: for a WebSocket with its frames or without, or as a plain request. Its head has the route's path. */
  readonly sockjs?: "framed" | "raw" | "request";
}

/** What an entrance asks for each request to connect. */
export interface Gate {
  admit(asking: UpgradeAttempt): Admission | Refusal | Promise<Admission | Refusal>;
  /** Whether any route takes this path. */
  takes(path: string): boolean;
  /** Whether a route has this path for itself. */
  hasRoute(path: string): boolean;
  /** MUST be told of every refusal, the entrance's own too. */
  refused(asking: UpgradeAttempt, refusal: Refusal): void;
}
