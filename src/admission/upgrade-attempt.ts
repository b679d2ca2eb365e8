/**
 * A request to connect, before the gate has decided: an upgrade, or a plain request for a new SockJS session. An attempt ends with the
 * decision of the gate, or when the peer leaves.
 */
import type { IncomingMessage } from "node:http";
import type { Refusal } from "../api/rejection.js";
import type { AdmissionHeaders, Head } from "./request-head.js";
import type { SessionOffer } from "./session-offer.js";

/** The refusal of an attempt whose peer left before the decision: only the log and `onAccess` see the refusal. */
export const LEFT: Refusal = { status: 499, body: "the peer left before it was let in" };

export interface UpgradeAttempt {
  /** When the request came. */
  readonly at: number;
  /** The head of the request, before trusted proxies are applied. Here and in `headers` no name belongs to sessions. */
  readonly head: Head;
  readonly headers: AdmissionHeaders;
  /** The offer of sessions; absent where the request makes none. */
  readonly sessionOffer?: SessionOffer | undefined;
  /** The target of the request, as sent; absent where `head.url` is that target. */
  readonly target?: string | undefined;
  /** Node's request, for the program; `undefined` in the test runtime. */
  readonly raw: IncomingMessage | undefined;
  /** Aborted when the peer leaves before the decision. Created on first access. */
  readonly signal: AbortSignal;
  /**
   * How a SockJS client connects: by a WebSocket with SockJS frames or without, or by a plain request. The URL in `head` then has the
   * route's path. `undefined` for a plain WebSocket.
   */
  readonly sockjs?: "framed" | "raw" | "request";
}
