/**
 * SockJS as the network meets it: finds the route whose SockJS a path is, for plain requests and for upgrades. The composition
 * root makes one for each server and puts it before everything else that answers HTTP.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { CommonHeaders, readPath } from "../admission/request-head.js";
import { EVERY_PATH } from "../admission/router.js";
import type { SockJsOptions } from "../api/options.js";
import type { Refusal } from "../api/rejection.js";
import { isMounted, wholeUrl } from "../http/mount.js";
import type { SockJsEndpoints, UpgradePlan } from "../http/sockjs-endpoints.js";
import { hasParams } from "../options/route-path.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { overshootMessages } from "../transport/paused-bytes.js";
import type { Admission } from "../transport/transport.js";
import { PlainAsking, routeUrl } from "./http/asking.js";
import { cacheable } from "./http/headers.js";
import { answerRow, answerText, NOT_FOUND, rows } from "./http/rows.js";
import { type ServiceParts, type ServiceSettings, type SockJsRequest, SockJsRoute } from "./http/service.js";
import { type SessionParent, SessionSupervisor } from "./http/session.js";
import { Batch } from "./protocol/frames.js";
import { isHixie, shakeHixie } from "./protocol/hixie.js";
import type { Place } from "./protocol/paths.js";
import { SocketSession } from "./socket-session.js";

/** A route, as the composition root knows it. */
interface RouteLike {
  /** `undefined` is every path. */
  readonly path: string | undefined;
  readonly settings: ServiceSettings & { readonly sockjs: SockJsOptions | false };
}

export interface FrontParts {
  readonly routes: readonly RouteLike[];
  readonly gate: ServiceParts["gate"];
  readonly clock: Clock;
  readonly log: Logger;
  readonly trustProxy: boolean | number;
  /** The actor under which sessions live. */
  readonly parent: SessionParent;
}

/** Where a path leads, and whose it is. */
interface Found {
  readonly service: SockJsRoute;
  readonly place: Place;
}

type PlannedUpgrade = Extract<UpgradePlan, { kind: unknown }>;

/** What a peer that answers no ping is given where the route's `heartbeat` does not say. */
const PING_TIMEOUT_MS = 20_000;

export class SockJsRouter implements SockJsEndpoints {
  readonly #parts: ServiceParts;
  readonly #services: readonly SockJsRoute[];
  readonly #common = new CommonHeaders();
  readonly #log: Logger;
  /** Sockets that are let in and whose handshake of hixie-76 is not through. */
  readonly #unproven = new Set<Duplex>();
  #hasWarned = false;

  private constructor(parts: ServiceParts, services: readonly SockJsRoute[], log: Logger) {
    this.#parts = parts;
    this.#log = log;
    this.#services = services;
  }

  /** @returns `undefined` if no route speaks SockJS */
  static create({ routes, parent, log, ...others }: FrontParts): SockJsRouter | undefined {
    if (routes.every(({ settings }) => settings.sockjs === false)) return undefined;
    const family = new SessionSupervisor(parent, (error) => log.error({ err: error }, "a session failed"));
    const parts: ServiceParts = { ...others, family, batch: new Batch() };
    const services = [...routes]
      .sort((a, b) => rank(a.path, b.path))
      .flatMap(({ path = EVERY_PATH, settings }) =>
        settings.sockjs === false ? [] : [new SockJsRoute(path, settings.sockjs, settings, parts)],
      );
    return new SockJsRouter(parts, services, log);
  }

  has(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const found = this.#find(readPath(wholeUrl(request)));
    if (found === undefined) return false;
    const { row } = found.place;
    // What may be a file's, or the program's own, they answer first.
    if (found.service.isShared && row === "greeting") return false;
    // Below a mount point the files have their place, and the host its pages.
    if (isMounted(request) && (row === undefined || row === "greeting")) return false;
    const exchange = this.#exchange(request, response, found);
    if (row !== undefined) answerRow(row, exchange);
    else answerText(response, 404, NOT_FOUND);
    return true;
  }

  greet(request: IncomingMessage, response: ServerResponse): boolean {
    const path = readPath(request.url ?? "/");
    const service = this.#services.find(({ isShared }) => isShared);
    const isIts = service?.isEverywhere ? !this.#parts.gate.hasRoute(path) : path === "/";
    if (service === undefined || request.method !== "GET" || !isIts) return false;
    answerRow(
      "greeting",
      this.#exchange(request, response, { service, place: { base: path, row: "greeting", sessionId: "" } }),
    );
    return true;
  }

  answerMounted(request: IncomingMessage, response: ServerResponse): boolean {
    if (!isMounted(request)) return false;
    const found = this.#find(readPath(wholeUrl(request)));
    if (found?.place.row === "greeting" && !found.service.isShared) {
      answerRow("greeting", this.#exchange(request, response, found));
      return true;
    }
    const problem = this.#misplaced(request);
    if (problem === undefined) return false;
    if (!this.#hasWarned) this.#log.warn({}, problem);
    this.#hasWarned = true;
    answerText(response, 404, `${problem}\n`);
    return true;
  }

  /** What to say of a request that would be SockJS's if routes were found by what the host has left of its path. */
  #misplaced(request: IncomingMessage): string | undefined {
    const [path, whole] = [readPath(request.url ?? "/"), readPath(wholeUrl(request))];
    const { row, base = "" } = this.#find(path)?.place ?? {};
    if (row === undefined || row === "greeting" || !whole.endsWith(path)) return undefined;
    const right = whole.slice(0, whole.length - path.length) + (base === "/" ? "" : base);
    return `SockJS is mounted where no route is: upgrades come with their whole path, so that the route "${base}" has to be "${right}"`;
  }

  takes(path: string): boolean {
    return this.#findUpgrade(path) !== undefined;
  }

  shownPath(path: string): string {
    const { base = "", row, sessionId } = this.#find(path)?.place ?? {};
    return sessionId === undefined || sessionId === "" ? path : `${base === "/" ? "" : base}/${row}`;
  }

  upgrade(request: IncomingMessage): UpgradePlan | undefined {
    const found = this.#findUpgrade(readPath(request.url ?? "/"));
    if (found === undefined) return undefined;
    const url = routeUrl(request.url ?? "/", found.place.base);
    const refusal = this.#refusal(request, found);
    if (refusal !== undefined) return { url, refusal };
    if (found.place.row === "raw") return { url, kind: "raw", wrap: asItIs };
    const { service } = found;
    const wrap = (admission: Admission): Admission => this.#frame(admission, service);
    return { url, kind: "framed", wrap, ...(service.options.legacy && isHixie(request) && this.#shaking(service)) };
  }

  /** The server is closing: a handshake that ended after its routes have closed would bring a connection that nobody closes. */
  close(): void {
    for (const socket of this.#unproven) socket.destroy();
  }

  /** The server has come to rest. */
  end(): void {
    this.#parts.family.end();
  }

  #find(path: string): Found | undefined {
    const all = this.#services.flatMap((service) => {
      const place = service.locate(path);
      return place === undefined ? [] : [{ service, place }];
    });
    const owners = all.filter(({ service }) => !service.isShared);
    const found = owners.find(({ place }) => place.row !== undefined) ?? owners[0] ?? all[0];
    if (found === undefined || (found.place.row === undefined && found.service.isShared)) return undefined;
    // Another route has this path for itself.
    return found.place.row !== "greeting" && this.#parts.gate.hasRoute(path) ? undefined : found;
  }

  /** The path of the route itself is plain WebSocket's. */
  #findUpgrade(path: string): Found | undefined {
    const found = this.#find(path);
    return found?.place.row === "greeting" ? undefined : found;
  }

  #exchange(request: IncomingMessage, response: ServerResponse, { service, place }: Found): SockJsRequest {
    const { clock, trustProxy } = this.#parts;
    const asking = new PlainAsking(request, response, {
      base: place.base,
      at: clock.now(),
      common: this.#common,
      trustProxy,
    });
    return { request, response, asking, service, place };
  }

  /** Why an upgrade is none that SockJS can make. */
  #refusal({ method = "" }: IncomingMessage, { service, place: { row } }: Found): Refusal | undefined {
    if (row === undefined) return { status: 404, body: NOT_FOUND };
    const isSocket = row === "raw" || row === "websocket";
    if (isSocket && !service.options.websocket)
      return { status: 404, body: NOT_FOUND, headers: cacheable(this.#parts.clock.now()) };
    if (isSocket && method === "GET") return undefined;
    return { status: 405, body: "", headers: { Allow: rows[row].methods.join(", "), "Content-Type": "" } };
  }

  #shaking({ settings }: SockJsRoute): Pick<PlannedUpgrade, "shake"> {
    const parts = { clock: this.#parts.clock, timeoutMs: settings.handshakeTimeoutMs, unproven: this.#unproven };
    return {
      shake: (request, socket, head, admission) => shakeHixie(request, socket, head, { ...parts, admission }),
    };
  }

  #frame(admission: Admission, { options, settings }: SockJsRoute): Admission {
    const { clock, batch } = this.#parts;
    const { timeoutMs = PING_TIMEOUT_MS } = settings.heartbeat || {};
    const { heartbeatIntervalMs } = options;
    const maxWaiting = overshootMessages(admission.maxPausedBytes);
    return {
      ...admission,
      accept: (wire) => {
        const session = new SocketSession(wire, { clock, batch, heartbeatIntervalMs, timeoutMs, maxWaiting });
        session.begin(admission.accept(session));
        return session;
      },
    };
  }
}

function asItIs(admission: Admission): Admission {
  return admission;
}

/** The longest path first, and one without parameters before one that has some, as the router chooses. */
function rank(a: string = "", b: string = ""): number {
  return b.split("/").length - a.split("/").length || Number(hasParams(a)) - Number(hasParams(b));
}
