/** What plain HTTP and upgrades ask of SockJS, before anything else answers a request. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "../api/rejection.js";
import type { Admission } from "../transport/transport.js";

/** What an upgrade is to SockJS: turned down, or asked about with the route's path in place of its own. */
export type UpgradePlan =
  | { readonly url: string; readonly refusal: Refusal }
  | {
      readonly url: string;
      readonly kind: "framed" | "raw";
      /** What the admission becomes: with SockJS's frames between the wire and the connection. */
      wrap(admission: Admission): Admission;
      /**
       * Shakes hands in place of the usual one, for a protocol before RFC 6455; such a request is not checked. Accepts or
       * forsakes, in its own time.
       */
      readonly shake?: (request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission) => void;
    };

/** SockJS as plain HTTP and upgrades meet it, before anything else answers them. */
export interface SockJsEndpoints {
  /** Whether a plain request of this path is for SockJS to answer. */
  has(path: string): boolean;
  /** Answers a request below the path of a SockJS route. @returns `false` if it is none */
  answer(request: IncomingMessage, response: ServerResponse): boolean;
  /** The same after the files, for what a host has mounted at a path. @returns `false` if it is the host's */
  answerMounted(request: IncomingMessage, response: ServerResponse): boolean;
  /** Answers what nobody else has answered, where a SockJS route has every path. @returns `false` if none has */
  greet(request: IncomingMessage, response: ServerResponse): boolean;
  /** `undefined` for an upgrade that is not SockJS's. */
  upgrade(request: IncomingMessage): UpgradePlan | undefined;
  /** Whether an upgrade of this path is SockJS's. */
  takes(path: string): boolean;
  /** The path as it may be shown: without the secret of a session. */
  shownPath(path: string): string;
}
