/**
 * A running server: the verbs and statistics of every route, the gate, the start and the shutdown. Built by `create-server.ts`;
 * ends when `close` has resolved.
 */

import { countAll, mergeRefused, sumStats } from "../actors/route/counters.js";
import type { UnfinishedEvent } from "../actors/route/observer.js";
import type { Route } from "../actors/route/route.js";
import { Gate } from "../admission/gate.js";
import type { Bus } from "../api/bus.js";
import type { CloseReason } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import type { CloseOptions } from "../api/options.js";
import type { Snapshot, SnapshotOptions } from "../api/snapshot.js";
import type { Stats } from "../api/stats.js";
import type { Relay } from "../cluster/relay.js";
import { normalPath } from "../options/route-path.js";
import type { ServerSettings } from "../options/server-options.js";
import type { Clock } from "../runtime/clock.js";
import type { Diagnostics } from "../runtime/diagnostics.js";
import type { Logger } from "../runtime/logger.js";
import { watchLeaks } from "../runtime/unhandled-rejections.js";
import { terminateFarewells } from "../transport/farewell.js";
import { AllRoutesBus } from "./all-routes.js";
import { readCloseOptions } from "./close-options.js";
import type { ServerEnvironment } from "./environment.js";
import type { HistoryStores } from "./history-stores.js";
import type { Listener } from "./listener.js";
import type { Server, ServerEnd } from "./server.js";
import type { ServerActor } from "./server-actor.js";
import { shutDownRoutes } from "./shutdown.js";
import { readTop, Snapshots } from "./snapshots.js";

/** The parts of a server. */
export interface LiveServerParts {
  readonly routes: readonly [Route, ...Route[]];
  readonly settings: ServerSettings;
  readonly environment: ServerEnvironment;
  readonly actor: ServerActor;
  readonly log: Logger;
  readonly diagnostics: Diagnostics;
  /** The link to a cluster. */
  readonly relay: Relay | undefined;
  readonly stores: HistoryStores;
}

/** A server as seen inside the package: has `start`, and more for tests to read. */
export class LiveServer extends AllRoutesBus implements Server {
  readonly actor: ServerActor;
  readonly closed: Promise<ServerEnd>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #settings: ServerSettings;
  readonly #listener: Listener;
  readonly #routes: readonly Route[];
  readonly #relay: Relay | undefined;
  readonly #stores: HistoryStores;
  readonly #gate: Gate;
  readonly #snapshots: Snapshots;
  #unwatchLeaks: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #end: ServerEnd = { reason: "close" };
  #resolveClosed: (end: ServerEnd) => void = () => {};

  constructor({ routes, settings, environment, actor, log, diagnostics, relay, stores }: LiveServerParts) {
    const [first, ...others] = routes;
    super([first.bus, ...others.map((route) => route.bus)]);
    this.actor = actor;
    this.#clock = environment.clock;
    this.#log = log;
    this.#settings = settings;
    this.#listener = environment.createListener(settings, log, environment.clock, actor);
    this.#routes = routes;
    this.#relay = relay;
    this.#stores = stores;
    this.#gate = new Gate({
      routes,
      settings,
      clock: environment.clock,
      log,
      diagnostics,
      otherNodes: relay?.sessions,
    });
    this.#snapshots = new Snapshots({ routes, clock: environment.clock, cluster: relay && (() => relay.stats()) });
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get url(): string {
    const { host, port, isSecure } = this.#listener.address;
    return `${isSecure ? "wss" : "ws"}://${host.includes(":") ? `[${host}]` : host}:${port}/`;
  }

  get paths(): readonly string[] {
    return this.#routes.map((route) => route.path);
  }

  get port(): number {
    return this.#listener.address.port;
  }

  readonly middleware: Server["middleware"] = (request, response, next) => {
    if (this.#listener.middleware === undefined) next();
    else this.#listener.middleware(request, response, next);
  };

  get isReady(): boolean {
    return this.#closing === undefined && this.#relay?.isUp !== false;
  }

  /** Rejects with whatever `init` throws, `LISTEN_FAILED`, `HISTORY_UNAVAILABLE` or `CLUSTER_UNAVAILABLE`; nothing is left behind then. */
  async start(): Promise<void> {
    this.#unwatchLeaks = watchLeaks();
    try {
      await this.#relay?.open();
      await this.#stores.open();
      for (const route of this.#routes) await route.start();
      await this.#listener.open(this.#gate);
    } catch (error) {
      for (const route of this.#routes) await route.shutdown.stop();
      await this.#stores.close();
      await this.#relay?.close();
      this.#unwatchLeaks();
      this.actor.send({ type: "close" });
      this.actor.send({ type: "closed" });
      throw error;
    }
    this.actor.send({ type: "listening" });
    // Attached to a host that does not listen yet: it has no address to tell.
    if (this.#listener.address.host === "") this.#log.info({ paths: this.paths }, "attached");
    else this.#log.info({ url: this.url }, "listening");
  }

  async snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    return this.#snapshots.take(readTop(options));
  }

  stats(): Stats {
    const total = sumStats(this.#routes.map((route) => route.stats()));
    const cluster = this.#relay && { cluster: this.#relay.stats() };
    const unrouted = this.#gate.unroutedRefusals;
    const refusedBy = mergeRefused([...total.refusedBy, ...unrouted]);
    return { ...total, refused: total.refused + countAll(unrouted), refusedBy, ...cluster };
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
    // Set before anything happens: code told of the closing may call `close` again.
    this.#closing = new Promise((resolve, reject) => {
      begin = () => void this.#shutDown(reason).then(resolve, reject);
    });
    begin();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Unfinished work: events of handlers, pending calls of `bus.sleep` and of stores of history that wait for the clock, and clients with a pending `authorize`. */
  underWay(): { readonly events: readonly UnfinishedEvent[]; readonly sleepers: number; readonly undecided: number } {
    const events: UnfinishedEvent[] = [];
    let sleepers = this.#stores.alarms;
    for (const route of this.#routes) {
      if (route.isUnderWay) events.push(...route.underWay);
      sleepers += route.bus.sleepers;
    }
    return { undecided: this.#gate.undecided, events, sleepers };
  }

  /** A route has ended. The end of the last route closes the server. */
  routeEnded(error: unknown): void {
    if (error === undefined) this.#log.info({}, "a route is closed: its handler has ended");
    else this.#log.error({ err: error }, "a route is closed: its handler failed too often");
    if (this.#routes.every((route) => route.hasEnded)) this.fail(error);
  }

  fail(error: unknown): void {
    if (this.#closing === undefined) this.#end = { reason: "handler", error };
    this.close();
  }

  /**
   * Ends as a process ends that is killed: nobody is told, no handler gets another event, and what is under way never ends. What the server
   * holds of the present process is released.
   */
  terminate(): void {
    for (const route of this.#routes) route.handler.hold();
    void this.#relay?.close(true);
    void this.#stores.close();
    this.#unwatchLeaks?.();
  }

  async #shutDown(reason: CloseReason & { readonly drainMs: number }): Promise<void> {
    this.#gate.close();
    this.#log.info({ ...reason }, "closing");
    this.actor.send({ type: "close" });
    const free = this.#listener.close();
    await shutDownRoutes(this.#routes, this.#clock, { ...reason, closeTimeoutMs: this.#settings.closeTimeoutMs });
    await this.#stores.close();
    await this.#relay?.close();
    terminateFarewells(this.#clock);
    this.#listener.detach?.();
    await free;
    this.#snapshots.stop();
    this.#unwatchLeaks?.();
    this.actor.send({ type: "closed" });
    this.#resolveClosed(this.#end);
  }
}
