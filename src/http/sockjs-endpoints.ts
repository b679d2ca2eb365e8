/** The contract between HTTP and SockJS: plain requests and upgrades are offered to SockJS before any other code answers. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "../api/rejection.js";
import type { Admission } from "../transport/transport.js";

/** How SockJS treats an upgrade: refused, or passed to the gate with the route's path as `url`. */
export type UpgradePlan =
  | { readonly url: string; readonly refusal: Refusal }
  | {
      readonly url: string;
      readonly kind: "framed" | "raw";
      /** Puts SockJS frames between the transport and the connection, if the kind is `"framed"`. */
      wrap(admission: Admission): Admission;
      /**
       * Replaces the WebSocket handshake, for a protocol older than RFC 6455; the request is then not checked. Accepts or cancels the
       * admission, at once or later.
       */
      readonly shake?: (request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission) => void;
    };

/** The SockJS endpoints of a server. */
export interface SockJsEndpoints {
  /** Whether SockJS answers plain requests for this path. */
  has(path: string): boolean;
  /** Answers a request below the path of a SockJS route. @returns `false` for any other request */
  answer(request: IncomingMessage, response: ServerResponse): boolean;
  /** Answers a request that a host has mounted at a path, after the files. @returns `false` if the host should answer */
  answerMounted(request: IncomingMessage, response: ServerResponse): boolean;
  /** Answers with the greeting of a fallback SockJS route, if nothing else answers. @returns `false` without such a route */
  greet(request: IncomingMessage, response: ServerResponse): boolean;
  /** Plans an upgrade; `undefined` if the upgrade is not for SockJS. */
  upgrade(request: IncomingMessage): UpgradePlan | undefined;
  /** Whether upgrades of this path are for SockJS. */
  takes(path: string): boolean;
  /** The path for logs and access entries: without the session id, which is a secret. */
  shownPath(path: string): string;
}
