/**
 * A route with SockJS: the options, the path parser, the iframe page, and the sessions over HTTP, which belong to a single route.
 * Lives as long as the server.
 */

import type { Gate } from "../../admission/gate.js";
import type { Origins } from "../../admission/origin.js";
import { EVERY_PATH } from "../../admission/router.js";
import type { HeartbeatOptions, SockJsOptions } from "../../api/options.js";
import type { Clock } from "../../runtime/clock.js";
import { SlotMap } from "../../runtime/slot-map.js";
import type { MessageFrameEncoder } from "../protocol/frames.js";
import { type ParsePath, pathParser, type SockJsTarget } from "../protocol/paths.js";
import { HttpSession } from "./http-session.js";
import { type IframePage, iframePage } from "./pages.js";
import type { ResponseReceiver } from "./response-receiver.js";
import type { SessionSupervisor } from "./session-supervisor.js";

/** The settings of a route that SockJS uses. */
export interface SockJsRouteSettings {
  readonly origins: Origins;
  readonly maxPayloadBytes: number;
  readonly mailbox: { readonly maxBytes: number };
  readonly heartbeat: HeartbeatOptions | false;
  readonly handshakeTimeoutMs: number;
}

/** The parts shared by the SockJS routes of a server. */
export interface SockJsRouteParts {
  readonly gate: Pick<Gate, "admit" | "hasRoute" | "refused">;
  readonly clock: Clock;
  readonly trustProxy: boolean | number;
  readonly encoder: MessageFrameEncoder;
  readonly supervisor: SessionSupervisor;
}

export class SockJsRoute {
  readonly options: SockJsOptions;
  readonly settings: SockJsRouteSettings;
  readonly parts: SockJsRouteParts;
  readonly parsePath: ParsePath;
  readonly iframePage: IframePage;
  /** Files or the program may answer paths of the route: only known endpoints are SockJS. */
  readonly isShared: boolean;
  /** The route `"*"`, for every path without a route. */
  readonly isCatchAll: boolean;
  readonly #sessions = new SlotMap<string, HttpSession>();

  /** @param path as written in `routes` */
  constructor(path: string, options: SockJsOptions, settings: SockJsRouteSettings, parts: SockJsRouteParts) {
    this.options = options;
    this.settings = settings;
    this.parts = parts;
    this.parsePath = pathParser(path);
    this.iframePage = iframePage(options.clientUrl);
    this.isCatchAll = path === EVERY_PATH;
    this.isShared = this.isCatchAll || path === "/";
  }

  findSession(target: SockJsTarget): HttpSession | undefined {
    return this.#sessions.get(sessionKey(target));
  }

  /** Creates a session before the gate has decided: a second receiver for the id is rejected meanwhile. */
  createSession(target: SockJsTarget, receiver: ResponseReceiver): HttpSession {
    const key = sessionKey(target);
    const { clock, encoder, supervisor } = this.parts;
    const onClosed = (): void => {
      this.#sessions.delete(key);
    };
    const session = new HttpSession({ clock, encoder, supervisor, options: this.options, onClosed }, receiver);
    this.#sessions.set(key, session);
    return session;
  }
}

/** The base is part of the key: each base of a route with parameters has its own sessions. No path contains a line break. */
function sessionKey({ base, sessionId }: SockJsTarget): string {
  return `${base}\n${sessionId}`;
}
