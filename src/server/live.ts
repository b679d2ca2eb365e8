/** A running server: its verbs and numbers over all routes, its gate, its beginning and its end. `server.ts` builds it. */
import type { Route } from "../actors/route.js";
import type { ServerActor } from "../actors/server.js";
import { shutDownRoutes } from "../actors/shutdown.js";
import { sumStats } from "../bus/counters.js";
import { Everywhere } from "../bus/everywhere.js";
import type { Clock } from "../clock.js";
import type { CloseReason } from "../closing.js";
import type { Relay } from "../cluster/relay.js";
import type { Asking, Entrance, Gate, Logger } from "../contracts.js";
import { SendallError } from "../errors.js";
import type { Bus, ConnectionData, ConnectionId, Failure, Stats, Verbs } from "../events.js";
import { readPath } from "../head.js";
import { Admissions, type Entry } from "../http/gate.js";
import { believeProxies } from "../http/proxy.js";
import { tellAccess } from "../http/requests.js";
import { EVERY_PATH, Router } from "../http/router.js";
import { Slots } from "../http/slots.js";
import { optionOwner, ownedBy, watchLeaks } from "../leaks.js";
import type { CloseOptions } from "../options.js";
import { normalPath } from "../pattern.js";
import type { Refusal } from "../reject.js";
import { readCloseOptions, type ServerSettings } from "../settings.js";

/** How a server came to its end. */
export interface ServerEnd {
  /** `"close"`: somebody called `close`. `"handler"`: the handlers of all routes failed too often, or an actor of ours did. */
  readonly reason: "close" | "handler";
  /** What the handler threw (`"handler"`). */
  readonly error?: unknown;
}

/** A running server. Its verbs reach the connections of all routes. */
export interface Server<D = ConnectionData> extends Verbs<D>, AsyncDisposable {
  /** Where clients connect: `"ws://127.0.0.1:8080/"`. */
  readonly url: string;
  /** The port, also when the system chose it. */
  readonly port: number;
  /** `true` until `close` is called or the last route has failed; with `cluster`, only while the link to the other nodes is up. */
  readonly isReady: boolean;
  /** Resolves when the server has ended; never rejects. */
  readonly closed: Promise<ServerEnd>;
  /**
   * The root of the actors, an XState machine: `subscribe` and `system.inspect` work. An observer that throws harms nobody and goes on
   * being called; its first failure is logged. What an inspector causes itself (it sends a message, say) is not shown to it.
   */
  readonly actor: ServerActor;
  /**
   * Our plain HTTP (`sockjs`, `static`, `onRequest`), for a host server to mount; what is not ours goes to `next`. Mounted at a path, it
   * finds SockJS by the whole path (`request.originalUrl`), as upgrades are found, and files by what the host has left of it.
   */
  readonly middleware: NonNullable<Entrance["middleware"]>;
  /** Numbers of all routes together. */
  stats(): Stats;
  /**
   * One route by the path it has in `routes`: its verbs, and its numbers.
   * @throws SendallError `BAD_OPTION` if there is none
   */
  route(path: string): Bus & { stats(): Stats };
  /**
   * Stops listening, lets the handler finish what has arrived, sends everyone what waits for them and a close frame, delivers
   * every `closed`, and resolves when nothing is left. A second call returns the same promise.
   * @throws SendallError `BAD_OPTION`, `BAD_CLOSE_CODE`; as a rejection, and nothing is closed then
   */
  close(options?: CloseOptions): Promise<void>;
}

/** What a server stands in: the real world, or a test. */
export interface Surroundings {
  readonly clock: Clock;
  readonly newId: () => ConnectionId;
  /** Names a node of a cluster with 12 hexadecimal digits; without it they are random. */
  readonly newNode?: (() => string) | undefined;
  /** Told of each failure of a handler and of what was thrown, which nothing else keeps. */
  readonly onFailure?: (failure: Failure, thrown: unknown) => void;
  readonly createEntrance: (settings: ServerSettings, log: Logger, clock: Clock, actor: ServerActor) => Entrance;
}

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
export class LiveServer extends Everywhere implements Server {
  readonly actor: ServerActor;
  readonly closed: Promise<ServerEnd>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #settings: ServerSettings;
  readonly #entrance: Entrance;
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
    this.#entrance = surroundings.createEntrance(settings, log, surroundings.clock, actor);
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
      for (const route of this.#routes) await route.stop();
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
   * What handlers have not finished (types of events, or `init`), how many wait for the clock in `bus.sleep`, and for how many
   * clients `authorize` is under way.
   */
  underWay(): { readonly events: readonly string[]; readonly sleepers: number; readonly undecided: number } {
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

  #onAccepted({ head, askedAt, isPlain }: Entry, connection: ConnectionId): void {
    const onAccess = this.#onAccess;
    // A plain request is told of with its answer.
    if (onAccess === undefined || isPlain) return;
    const { remoteAddress } = head;
    const timing = { at: askedAt, durationMs: this.#clock.now() - askedAt };
    const entry = { method: "GET", path: readPath(head.url), status: 101, remoteAddress, connection };
    tellAccess(onAccess, { type: "upgrade", ...timing, ...entry }, this.#log);
  }

  #onRefused({ at, head, headers, raw, sockjs }: Asking, { status, body }: Refusal): void {
    const path = readPath(head.url);
    const { remoteAddress } = believeProxies(head, headers, this.#settings.trustProxy);
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
