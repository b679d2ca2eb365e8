/** The contract between `http/` and SockJS, about plain requests and upgrades. Implemented by the SockJS router, once per server. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "../api/rejection.js";
import type { Admission } from "../transport/transport.js";
import type { RequestHead } from "./handshake.js";

/** The decision about an upgrade: refused, or put to the gate. `url` has the route's path in place of the request's path. */
export type UpgradePlan =
  | { readonly url: string; readonly refusal: Refusal }
  | {
      readonly url: string;
      readonly kind: "framed" | "raw";
      /** @returns the admission to use: for `framed`, with a SockJS session between the transport and the connection */
      wrap(admission: Admission): Admission;
      /**
       * Replaces the RFC 6455 handshake, for a protocol before RFC 6455; the request is then not checked against RFC 6455. MUST
       * call `accept` or `cancel` of the admission, at once or later.
       */
      readonly handshake?: (request: RequestHead, socket: Duplex, head: Buffer, admission: Admission) => void;
    };

/** SockJS answers requests before files, middleware of the host and `onRequest`. */
export interface SockJsEndpoints {
  /** Whether SockJS answers a plain request with this path. */
  hasPath(path: string): boolean;
  /** Answers a request to a SockJS endpoint; called first. @returns `false` if SockJS does not answer */
  answer(request: IncomingMessage, response: ServerResponse): boolean;
  /** Answers a request below a mount point of the host; called after the files. @returns `false` if the host should answer */
  answerMounted(request: IncomingMessage, response: ServerResponse): boolean;
  /** Answers a GET with the greeting of a catch-all route or of the route `/`; called last. @returns `false` for other requests */
  answerGreeting(request: IncomingMessage, response: ServerResponse): boolean;
  /** @returns `undefined` for an upgrade that is not SockJS */
  planUpgrade(request: RequestHead): UpgradePlan | undefined;
  /** Whether an upgrade with this path is SockJS. */
  takesUpgrade(path: string): boolean;
  /** The path for logs and `onAccess`: without a session id, which is a secret. */
  shownPath(path: string): string;
}
