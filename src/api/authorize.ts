/** The option `authorize`: decides on each request to connect. */

import type { IncomingMessage } from "node:http";
import type { ConnectionData, Params, RequestFacts } from "./connection.js";
import type { Rejection } from "./rejection.js";

/** What `authorize` is asked about: a request to connect, before the upgrade. */
export interface UpgradeRequest<P = Params> extends RequestFacts<P> {
  /** The subprotocols that the peer offers, in its order. */
  readonly protocols: readonly string[];
  /** Aborted when the peer leaves before it is let in, or `handshakeTimeoutMs` is over. */
  readonly signal: AbortSignal;
  /** Node's request; `undefined` in the test runtime. */
  readonly raw: IncomingMessage | undefined;
}

/** Decides who is let in: returns what becomes `connection.data`, or `reject(…)`, which may be thrown as well. Any other throw is answered with 500. */
export type Authorize<D = ConnectionData, P = Params> = (
  request: UpgradeRequest<P>,
) => D | Rejection | Promise<D | Rejection>;
