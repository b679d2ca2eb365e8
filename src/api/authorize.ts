/** The option `authorize`: the user's decision on each request to connect. The admission gate calls it before the upgrade. */

import type { IncomingMessage } from "node:http";
import type { ConnectionData, Params, RequestFacts } from "./connection.js";
import type { Rejection } from "./rejection.js";

/** A request to connect, before the upgrade: the argument of `authorize`. */
export interface UpgradeRequest<P = Params> extends RequestFacts<P> {
  /** The subprotocols that the peer offers, in the peer's order; names of sessions (`sendall.1`) are in `raw` alone. */
  readonly protocols: readonly string[];
  /**
   * Aborted when the peer leaves, `handshakeTimeoutMs` is over, or the server closes, while the function runs: what it answers then counts
   * for nothing. Says nothing more once the function has answered. Then the upgrade may still fail, or the peer may take up a session that
   * it has: `open` does not always follow, so let expire what `authorize` reserves.
   */
  readonly signal: AbortSignal;
  /**
   * Node's request; `undefined` in the test runtime. Its `Sec-WebSocket-Protocol` may have the token of a session, which is as good as a
   * password: keep the header out of logs.
   */
  readonly raw: IncomingMessage | undefined;
}

/**
 * Decides which peers are let in: returns the value of `connection.data`, or `reject(…)`, which may be thrown as well. Any other throw
 * is answered with 500.
 */
export type Authorize<D = ConnectionData, P = Params> = (
  request: UpgradeRequest<P>,
) => D | Rejection | Promise<D | Rejection>;
