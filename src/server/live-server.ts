/** A running server: its verbs and numbers over all routes, its gate, its beginning and its end. `server.ts` builds it. */

import { sumStats } from "../actors/route/counters.js";
import type { UnfinishedEvent } from "../actors/route/observer.js";
import type { Route } from "../actors/route/route.js";
import { Slots } from "../admission/connection-limits.js";
import { type AcceptedUpgrade, Admissions } from "../admission/gate.js";
import { applyTrustedProxies } from "../admission/proxy.js";
import { readPath } from "../admission/request-head.js";
import { EVERY_PATH, Router } from "../admission/router.js";
import type { Gate, UpgradeAttempt } from "../admission/upgrade-attempt.js";
import type { Bus } from "../api/bus.js";
import type { CloseReason } from "../api/close-codes.js";
import type { ConnectionId } from "../api/connection.js";
import { SendallError } from "../api/errors.js";
import type { CloseOptions } from "../api/options.js";
import type { Refusal } from "../api/rejection.js";
import type { Stats } from "../api/stats.js";
import type { Relay } from "../cluster/relay.js";
import { tellAccess } from "../http/requests.js";
import { normalPath } from "../options/route-path.js";
import type { ServerSettings } from "../options/server-options.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { optionOwner, ownedBy, watchLeaks } from "../runtime/unhandled-rejections.js";
import { AllRoutesBus } from "./all-routes.js";
import { readCloseOptions } from "./close-options.js";
import type { Listener } from "./listener.js";
import type { Server, ServerEnd } from "./server.js";
import type { ServerActor } from "./server-actor.js";
import { shutDownRoutes } from "./shutdown.js";
import type { Surroundings } from "./surroundings.js";

/** What a server is put together from. */
export interface LiveParts {
  readonly routes: readonly [Route, ...Route[]];
  readonly settings: ServerSettings;
  readonly surroundings: Surroundings;
  readonly actor: ServerActor;
  readonly log: Logger;
  /** Its part in a cluster. */
  readonly relay: Relay | undefined;
}

/** What the operating system takes for `backlog` where it is not given. */
const DEFAULT_BACKLOG = 511;

/** A server as its maker sees it: to be started, and looked into by tests. */
export class LiveServer extends AllRoutesBus implements Server {
  readonly actor: ServerActor;
  readonly closed: Promise<ServerEnd>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #settings: ServerSettings;
  readonly #entrance: Listener;
  readonly #routes: readonly Route[];
  readonly #relay: Relay | undefined;
  readonly #router = new Router<Route>();
  readonly #slots: Slots;
  readonly #admissions: Admissions;
  readonly #onAccess: ServerSettings["onAccess"];
  /** Refusals that concern no route. */
  #refused = 0;
  #unwatchLeaks: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #end: ServerEnd = { reason: "close" };
  #resolveClosed: (end: ServerEnd) => void = () => {};

  constructor({ routes, settings, surroundings, actor, log, relay }: LiveParts) {
    const [first, ...others] = routes;
    super([first.bus, ...others.map((route) => route.bus)]);
    this.actor = actor;
    this.#clock = surroundings.clock;
    this.#log = log;
    this.#settings = settings;
    this.#entrance = surroundings.createListener(settings, log, surroundings.clock, actor);
    this.#routes = routes;
    this.#relay = relay;
    for (const route of routes) this.#router.add(route.path, route);
    const { clock } = surroundings;
    const { trustProxy, backlog = DEFAULT_BACKLOG, handshakeTimeoutMs, onAccess } = settings;
    this.#onAccess = onAccess && ownedBy(optionOwner("onAccess", clock, log), onAccess);
    this.#slots = new Slots({ ...settings, maxWaiting: backlog, waitMs: handshakeTimeoutMs }, clock);
    this.#admissions = new Admissions({
      clock,
      log,
      slots: this.#slots,
      trustProxy,
      isOpen: () => this.#closing === undefined,
      match: (path) => this.#router.match(path),
      onAccepted: (entry, id) => this.#onAccepted(entry, id),
    });
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get url(): string {
    const { host, port, isSecure } = this.#entrance.address;
    return `${isSecure ? "wss" : "ws"}://${host.includes(":") ? `[${host}]` : host}:${port}/`;
  }

  get port(): number {
    return this.#entrance.address.port;
  }

  readonly middleware: Server["middleware"] = (request, response, next) => {
    if (this.#entrance.middleware === undefined) next();
    else this.#entrance.middleware(request, response, next);
  };

  get isReady(): boolean {
    return this.#closing === undefined && this.#relay?.isUp !== false;
  }

  /** Rejects with what `init` throws, `LISTEN_FAILED` or `CLUSTER_UNAVAILABLE`; nothing is left behind then. */
  async start(): Promise<void> {
    this.#unwatchLeaks = watchLeaks();
    try {
      await this.#relay?.open();
      for (const route of this.#routes) await route.start();
      await this.#entrance.open(this.#gate);
    } catch (error) {
      for (const route of this.#routes) await route.shutdown.stop();
      await this.#relay?.close();
      this.#unwatchLeaks();
      this.actor.send({ type: "close" });
      this.actor.send({ type: "closed" });
      throw error;
    }
    this.actor.send({ type: "listening" });
    this.#log.info({ url: this.url }, "listening");
  }

  stats(): Stats {
    const total = sumStats(this.#routes.map((route) => route.stats()));
    const cluster = this.#relay && { cluster: this.#relay.stats() };
    return { ...total, refused: total.refused + this.#refused, ...cluster };
  }

  route(path: string): Bus & { stats(): Stats } {
    const normal = normalPath(String(path));
    const route =
      this.#routes.find((one) => one.path === path) ?? this.#routes.find((one) => normalPath(one.path) === normal);
    if (route === undefined)
      throw new SendallError("BAD_OPTION", `routes["${path}"]: there is no such route`, {
        option: `routes["${path}"]`,
      });
    return route.bus;
  }

  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    let reason: ReturnType<typeof readCloseOptions>;
    try {
      reason = readCloseOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    let begin = (): void => {};
    // Set before anything happens: whoever is told of the closing may call this again.
    this.#closing = new Promise((resolve, reject) => {
      begin = () => void this.#shutDown(reason).then(resolve, reject);
    });
    begin();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * What handlers have not finished, how many wait for the clock in `bus.sleep`, and for how many
   * clients `authorize` is under way.
   */
  underWay(): { readonly events: readonly UnfinishedEvent[]; readonly sleepers: number; readonly undecided: number } {
    return {
      undecided: this.#admissions.undecided,
      events: this.#routes.flatMap((route) => route.underWay),
      sleepers: this.#routes.reduce((sum, route) => sum + route.bus.sleepers, 0),
    };
  }

  /** One route is closed; when it was the last one, so is the server. */
  routeEnded(error: unknown): void {
    if (error === undefined) this.#log.info({}, "a route is closed: its handler has come to its end");
    else this.#log.error({ err: error }, "a route is closed: its handler failed too often");
    if (this.#routes.every((route) => route.hasEnded)) this.fail(error);
  }

  fail(error: unknown): void {
    if (this.#closing === undefined) this.#end = { reason: "handler", error };
    this.close();
  }

  readonly #gate: Gate = {
    admit: (asking) => this.#admissions.admit(asking),
    takes: (path) => this.#router.match(path) !== undefined,
    hasRoute: (path) => (this.#router.match(path)?.route.path ?? EVERY_PATH) !== EVERY_PATH,
    refused: (asking, refusal) => this.#onRefused(asking, refusal),
  };

  #onAccepted({ head, askedAt, isPlain }: AcceptedUpgrade, connection: ConnectionId): void {
    const onAccess = this.#onAccess;
    // A plain request is told of with its answer.
    if (onAccess === undefined || isPlain) return;
    const { remoteAddress } = head;
    const timing = { at: askedAt, durationMs: this.#clock.now() - askedAt };
    const entry = { method: "GET", path: readPath(head.url), status: 101, remoteAddress, connection };
    tellAccess(onAccess, { type: "upgrade", ...timing, ...entry }, this.#log);
  }

  #onRefused({ at, head, headers, raw, sockjs }: UpgradeAttempt, { status, body }: Refusal): void {
    const path = readPath(head.url);
    const { remoteAddress } = applyTrustedProxies(head, headers, this.#settings.trustProxy);
    const route = this.#router.match(path)?.route;
    if (route === undefined) this.#refused++;
    else route.counters.refused++;
    const level = status === 403 ? "warn" : "info";
    const isPlain = sockjs === "request";
    this.#log[level]({ status, reason: body, path, remoteAddress }, isPlain ? "session refused" : "upgrade refused");
    const onAccess = this.#onAccess;
    const method = raw?.method ?? "GET";
    const entry = { at, durationMs: this.#clock.now() - at, method, path, status, remoteAddress, reason: body };
    if (onAccess !== undefined && !isPlain) tellAccess(onAccess, { type: "upgrade", ...entry }, this.#log);
  }

  async #shutDown(reason: CloseReason & { readonly drainMs: number }): Promise<void> {
    this.#log.info({ ...reason }, "closing");
    this.actor.send({ type: "close" });
    this.#slots.close();
    this.#admissions.close();
    const free = this.#entrance.close();
    await shutDownRoutes(this.#routes, this.#clock, { ...reason, closeTimeoutMs: this.#settings.closeTimeoutMs });
    await this.#relay?.close();
    this.#entrance.detach?.();
    await free;
    this.#unwatchLeaks?.();
    this.actor.send({ type: "closed" });
    this.#resolveClosed(this.#end);
  }
}
