/** One route that speaks SockJS: its options, where its paths lead, and its sessions over HTTP, which no other route can reach. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Gate } from "../../admission/gate.js";
import type { Origins } from "../../admission/origin.js";
import { EVERY_PATH } from "../../admission/router.js";
import type { HeartbeatOptions, SockJsOptions } from "../../api/options.js";
import type { Clock } from "../../runtime/clock.js";
import type { Batch } from "../protocol/frames.js";
import { type Locate, locator, type Place } from "../protocol/paths.js";
import type { PlainAsking } from "./asking.js";
import { HttpSession } from "./http-session.js";
import { type IframePage, iframePage } from "./pages.js";
import type { SessionSupervisor } from "./session.js";
import type { Stream } from "./stream.js";

/** The settings of a route, as far as SockJS has to do with them. */
export interface ServiceSettings {
  readonly origins: Origins;
  readonly maxPayloadBytes: number;
  readonly mailbox: { readonly maxBytes: number };
  readonly heartbeat: HeartbeatOptions | false;
  readonly handshakeTimeoutMs: number;
}

/** What the services of a server share. */
export interface ServiceParts {
  readonly gate: Pick<Gate, "admit" | "hasRoute" | "refused">;
  readonly clock: Clock;
  readonly trustProxy: boolean | number;
  readonly batch: Batch;
  readonly family: SessionSupervisor;
}

/** One plain request below a service's path, with all that answering it takes. */
export interface SockJsRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly asking: PlainAsking;
  readonly service: SockJsRoute;
  readonly place: Place;
}

export class SockJsRoute {
  readonly options: SockJsOptions;
  readonly settings: ServiceSettings;
  readonly parts: ServiceParts;
  readonly locate: Locate;
  readonly page: IframePage;
  /** It has paths that others may answer: what it does not know is not its own. */
  readonly isShared: boolean;
  /** It has every path that no other route has. */
  readonly isEverywhere: boolean;
  readonly #sessions = new Map<string, HttpSession>();

  /** @param path as it stands in `routes` */
  constructor(path: string, options: SockJsOptions, settings: ServiceSettings, parts: ServiceParts) {
    this.options = options;
    this.settings = settings;
    this.parts = parts;
    this.locate = locator(path);
    this.page = iframePage(options.clientUrl);
    this.isEverywhere = path === EVERY_PATH;
    this.isShared = this.isEverywhere || path === "/";
  }

  find(place: Place): HttpSession | undefined {
    return this.#sessions.get(keyOf(place));
  }

  /** A session that is not let in yet: who asks for it meanwhile finds it taken. */
  create(place: Place, stream: Stream): HttpSession {
    const key = keyOf(place);
    const { clock, batch, family } = this.parts;
    const onEnd = (): void => {
      this.#sessions.delete(key);
    };
    const session = new HttpSession({ clock, batch, family, options: this.options, onEnd }, stream);
    this.#sessions.set(key, session);
    return session;
  }
}

/** Each base of a route with parts in its path has sessions of its own. A path has no line break. */
function keyOf({ base, sessionId }: Place): string {
  return `${base}\n${sessionId}`;
}
