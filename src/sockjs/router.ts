/**
 * The SockJS router: finds the SockJS route and endpoint for plain HTTP requests and for upgrades. The composition root creates a
 * router for each server with a SockJS route, and asks the router before files and `onRequest`. `terminateHandshakes` and `stop`
 * end the handshakes and the sessions when the server closes.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { CommonHeaders } from "../admission/common-headers.js";
import { readPath } from "../admission/request-head.js";
import { EVERY_PATH } from "../admission/router.js";
import type { SockJsOptions } from "../api/options.js";
import type { Refusal } from "../api/rejection.js";
import type { RequestHead } from "../http/handshake.js";
import { isMounted, wholeUrl } from "../http/mount.js";
import type { SockJsEndpoints, UpgradePlan } from "../http/sockjs-endpoints.js";
import { hasParams } from "../options/route-path.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { overshootMessages } from "../transport/paused-bytes.js";
import type { Admission } from "../transport/transport.js";
import { handshakeHixie, isHixie } from "./hixie/handshake.js";
import { answerText, NOT_FOUND } from "./http/answers.js";
import { answerEndpoint, endpoints } from "./http/endpoints.js";
import { cacheHeaders } from "./http/headers.js";
import { HttpAttempt, type SockJsRequest } from "./http/request.js";
import { SockJsRoute, type SockJsRouteParts, type SockJsRouteSettings } from "./http/route.js";
import { type SessionParent, SessionSupervisor } from "./http/session-supervisor.js";
import { MessageFrameEncoder } from "./protocol/frames.js";
import { routeUrl, type SockJsTarget } from "./protocol/paths.js";
import { SocketSession } from "./socket-session.js";

/** A route as the composition root passes it. */
interface RouteLike {
  /** `undefined` matches every path. */
  readonly path: string | undefined;
  readonly settings: SockJsRouteSettings & { readonly sockjs: SockJsOptions | false };
}

export interface SockJsRouterParts {
  readonly routes: readonly RouteLike[];
  readonly gate: SockJsRouteParts["gate"];
  readonly clock: Clock;
  readonly log: Logger;
  readonly trustProxy: boolean | number;
  /** The parent actor of the session supervisor. */
  readonly parent: SessionParent;
}

interface RouteMatch {
  readonly route: SockJsRoute;
  readonly target: SockJsTarget;
}

type PlannedUpgrade = Extract<UpgradePlan, { kind: unknown }>;

/** Default of `timeoutMs` for routes without `heartbeat`. */
const PING_TIMEOUT_MS = 20_000;

export class SockJsRouter implements SockJsEndpoints {
  readonly #parts: SockJsRouteParts;
  readonly #routes: readonly SockJsRoute[];
  readonly #common = new CommonHeaders();
  readonly #log: Logger;
  /** Admitted sockets in the middle of a hixie-76 handshake. */
  readonly #pendingHandshakes = new Set<Duplex>();
  #hasWarnedOfMount = false;

  private constructor(parts: SockJsRouteParts, routes: readonly SockJsRoute[], log: Logger) {
    this.#parts = parts;
    this.#log = log;
    this.#routes = routes;
  }

  /** @returns `undefined` if no route speaks SockJS */
  static create({ routes, parent, log, ...shared }: SockJsRouterParts): SockJsRouter | undefined {
    if (routes.every(({ settings }) => settings.sockjs === false)) return undefined;
    const supervisor = new SessionSupervisor(parent, (error) => log.error({ err: error }, "a session failed"));
    const parts: SockJsRouteParts = { ...shared, supervisor, encoder: new MessageFrameEncoder() };
    const sockJsRoutes = [...routes]
      .sort((a, b) => compareSpecificity(a.path, b.path))
      .flatMap(({ path = EVERY_PATH, settings }) =>
        settings.sockjs === false ? [] : [new SockJsRoute(path, settings.sockjs, settings, parts)],
      );
    return new SockJsRouter(parts, sockJsRoutes, log);
  }

  hasPath(path: string): boolean {
    return this.#match(path) !== undefined;
  }

  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const match = this.#match(readPath(wholeUrl(request)));
    if (match === undefined) return false;
    const { endpoint } = match.target;
    // Files and the program come first: `answerGreeting` runs after both.
    if (match.route.isShared && endpoint === "greeting") return false;
    // Below a mount point, files and pages of the host come first: `answerMounted` runs after the files.
    if (isMounted(request) && (endpoint === undefined || endpoint === "greeting")) return false;
    if (endpoint !== undefined) answerEndpoint(endpoint, this.#createRequest(request, response, match));
    else answerText(response, 404, NOT_FOUND);
    return true;
  }

  answerGreeting(request: IncomingMessage, response: ServerResponse): boolean {
    const path = readPath(request.url ?? "/");
    const route = this.#routes.find(({ isShared }) => isShared);
    const isOwnPath = route?.isCatchAll ? !this.#parts.gate.hasRoute(path) : path === "/";
    if (route === undefined || request.method !== "GET" || !isOwnPath) return false;
    const target: SockJsTarget = { base: path, endpoint: "greeting", sessionId: "" };
    answerEndpoint("greeting", this.#createRequest(request, response, { route, target }));
    return true;
  }

  answerMounted(request: IncomingMessage, response: ServerResponse): boolean {
    if (!isMounted(request)) return false;
    const match = this.#match(readPath(wholeUrl(request)));
    if (match?.target.endpoint === "greeting" && !match.route.isShared) {
      answerEndpoint("greeting", this.#createRequest(request, response, match));
      return true;
    }
    const problem = this.#describeWrongMount(request);
    if (problem === undefined) return false;
    if (!this.#hasWarnedOfMount) this.#log.warn({}, problem);
    this.#hasWarnedOfMount = true;
    answerText(response, 404, `${problem}\n`);
    return true;
  }

  /** @returns a warning when only the path below the mount point is a SockJS endpoint: routes match the whole path */
  #describeWrongMount(request: IncomingMessage): string | undefined {
    const [path, whole] = [readPath(request.url ?? "/"), readPath(wholeUrl(request))];
    const { endpoint, base = "" } = this.#match(path)?.target ?? {};
    if (endpoint === undefined || endpoint === "greeting" || !whole.endsWith(path)) return undefined;
    const right = whole.slice(0, whole.length - path.length) + (base === "/" ? "" : base);
    return `SockJS is mounted where no route is: upgrades come with their whole path, so that the route "${base}" has to be "${right}"`;
  }

  takesUpgrade(path: string): boolean {
    return this.#matchUpgrade(path) !== undefined;
  }

  shownPath(path: string): string {
    const { base = "", endpoint, sessionId } = this.#match(path)?.target ?? {};
    return sessionId === undefined || sessionId === "" ? path : `${base === "/" ? "" : base}/${endpoint}`;
  }

  planUpgrade(request: RequestHead): UpgradePlan | undefined {
    const match = this.#matchUpgrade(readPath(request.url ?? "/"));
    if (match === undefined) return undefined;
    const url = routeUrl(request.url ?? "/", match.target.base);
    const refusal = this.#refuseUpgrade(request, match);
    if (refusal !== undefined) return { url, refusal };
    if (match.target.endpoint === "raw") return { url, kind: "raw", wrap: unchanged };
    const { route } = match;
    const wrap = (admission: Admission): Admission => this.#wrapAdmission(admission, route);
    return { url, kind: "framed", wrap, ...(route.options.legacy && isHixie(request) && this.#hixieHandshake(route)) };
  }

  /** Cuts unfinished handshakes when the server closes: after the routes have closed, nothing would close a new connection. */
  terminateHandshakes(): void {
    for (const socket of this.#pendingHandshakes) socket.destroy();
  }

  /** Ends the remaining sessions after the last connection of the server. */
  stop(): void {
    this.#parts.supervisor.stop();
  }

  #match(path: string): RouteMatch | undefined {
    const matches = this.#routes.flatMap((route) => {
      const target = route.parsePath(path);
      return target === undefined ? [] : [{ route, target }];
    });
    const owners = matches.filter(({ route }) => !route.isShared);
    const match = owners.find(({ target }) => target.endpoint !== undefined) ?? owners[0] ?? matches[0];
    if (match === undefined || (match.target.endpoint === undefined && match.route.isShared)) return undefined;
    // A route's own path is not an endpoint of another route.
    return match.target.endpoint !== "greeting" && this.#parts.gate.hasRoute(path) ? undefined : match;
  }

  /** An upgrade at the path of the route itself is plain WebSocket, not SockJS. */
  #matchUpgrade(path: string): RouteMatch | undefined {
    const match = this.#match(path);
    return match?.target.endpoint === "greeting" ? undefined : match;
  }

  #createRequest(raw: IncomingMessage, response: ServerResponse, { route, target }: RouteMatch): SockJsRequest {
    const { clock, trustProxy } = this.#parts;
    const { base } = target;
    const attempt = new HttpAttempt(raw, response, { base, at: clock.now(), common: this.#common, trustProxy });
    return { raw, response, attempt, route, target };
  }

  /** @returns `undefined` for an upgrade to an enabled WebSocket endpoint */
  #refuseUpgrade({ method = "" }: RequestHead, { route, target: { endpoint } }: RouteMatch): Refusal | undefined {
    if (endpoint === undefined) return { status: 404, body: NOT_FOUND };
    const isSocket = endpoint === "raw" || endpoint === "websocket";
    if (isSocket && !route.options.websocket)
      return { status: 404, body: NOT_FOUND, headers: cacheHeaders(this.#parts.clock.now()) };
    if (isSocket && method === "GET") return undefined;
    return { status: 405, body: "", headers: { Allow: endpoints[endpoint].methods.join(", "), "Content-Type": "" } };
  }

  #hixieHandshake({ settings }: SockJsRoute): Pick<PlannedUpgrade, "handshake"> {
    const parts = {
      clock: this.#parts.clock,
      timeoutMs: settings.handshakeTimeoutMs,
      pending: this.#pendingHandshakes,
    };
    return {
      handshake: (request, socket, head, admission) => handshakeHixie(request, socket, head, { ...parts, admission }),
    };
  }

  #wrapAdmission(admission: Admission, { options, settings }: SockJsRoute): Admission {
    const { clock, encoder } = this.#parts;
    const { timeoutMs: pingTimeoutMs = PING_TIMEOUT_MS } = settings.heartbeat || {};
    const { heartbeatIntervalMs } = options;
    const maxWaitingMessages = overshootMessages(admission.maxPausedBytes);
    const parts = { clock, encoder, heartbeatIntervalMs, pingTimeoutMs, maxWaitingMessages };
    const { maxPayloadBytes, maxFragments, maxPausedBytes, compression, protocol } = admission;
    return {
      maxPayloadBytes,
      maxFragments,
      maxPausedBytes,
      compression,
      protocol,
      get isAccepted() {
        return admission.isAccepted;
      },
      cancel: () => admission.cancel(),
      accept: (transport) => {
        const session = new SocketSession(transport, parts);
        session.setListener(admission.accept(session));
        return session;
      },
    };
  }
}

function unchanged(admission: Admission): Admission {
  return admission;
}

/** Longest path first, and paths without parameters before paths with parameters, as in the router for upgrades. */
function compareSpecificity(a: string = "", b: string = ""): number {
  return b.split("/").length - a.split("/").length || Number(hasParams(a)) - Number(hasParams(b));
}
