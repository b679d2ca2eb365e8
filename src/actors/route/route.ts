/**
 * One route: a handler with connections. Puts the parts together (mailbox, population, bus, handler actor, supervision), and
 * accepts connections. The server creates the routes; `route-shutdown.ts` stops a route.
 */
import type { AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import type { GatedRoute } from "../../admission/gated-route.js";
import { HANDLER_FAILED, INVALID_MESSAGES, NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionId } from "../../api/connection.js";
import type { Stats } from "../../api/stats.js";
import type { RouteSettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { Turn } from "../../runtime/turn.js";
import { type LeakKind, type LeakOwner, runFor } from "../../runtime/unhandled-rejections.js";
import { encodeFrame } from "../../transport/frame.js";
import type { Transport, TransportListener } from "../../transport/transport.js";
import type { LiveConnection } from "../connection/connection.js";
import type { ConnectionParts } from "../connection/connection-parts.js";
import type { HeartbeatSettings } from "../connection/heartbeat.js";
import { openHistory } from "../history/open-history.js";
import { RouteMirror } from "../inspection/mirror.js";
import { openPresence } from "../presence/open-presence.js";
import type { Sessions } from "../session/sessions.js";
import { Acceptor, objectsOf } from "./acceptor.js";
import { type Budget, createBudget } from "./budget.js";
import { RouteBus } from "./bus.js";
import { type ConnectionQueue, type QueueOwner, SerialGroup } from "./connection-queue.js";
import { Counters } from "./counters.js";
import { HandlerActor } from "./handler.js";
import { Mailbox } from "./mailbox.js";
import { Metering } from "./metering.js";
import type { UnfinishedEvent } from "./observer.js";
import { Population } from "./population.js";
import { Restart } from "./restart.js";
import type { RouteInput } from "./route-input.js";
import { RouteShutdown } from "./route-shutdown.js";
import type { RouteTracing } from "./route-tracing.js";
import type { Runner, Target } from "./runner.js";
import type { RunnerHost } from "./runner-host.js";
import { Supervision } from "./supervision.js";

export class Route implements ConnectionParts<LiveConnection>, GatedRoute, Target {
  readonly path: string;
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  readonly mailbox: Mailbox;
  readonly metering: Metering;
  readonly tracing: RouteTracing;
  readonly budget: Budget | undefined;
  readonly population: Population<LiveConnection>;
  readonly counters: Counters = new Counters();
  readonly bus: RouteBus;
  readonly handler: HandlerActor;
  readonly runner: Runner;
  readonly mirror: RouteMirror;
  readonly hearsPings: boolean;
  readonly leakOwner: LeakOwner;
  readonly shutdown: RouteShutdown;
  readonly heartbeat: HeartbeatSettings | undefined;
  readonly #input: RouteInput;
  readonly sessions: Sessions | undefined;
  readonly #acceptor: Acceptor;
  readonly #supervision: Supervision;
  readonly #restart: Restart;
  #hasStarted = false;
  #hasEnded = false;

  constructor(input: RouteInput) {
    const { path, settings, clock, turn, log, remoteBus, observer } = input;
    const { counters } = this;
    this.#input = input;
    this.path = path;
    this.settings = settings;
    this.clock = clock;
    this.turn = turn;
    this.log = log;
    this.newId = input.newId;
    this.leakOwner = {
      clock,
      connection: undefined,
      leaked: (error, kind) => this.leaked(error, kind, undefined, this),
    };
    if (settings.heartbeat !== false) this.heartbeat = { ...settings.heartbeat, maxPauseMs: settings.handlerTimeoutMs };
    this.#supervision = new Supervision({ settings: settings.supervise, clock, log, counters, observer });
    this.#acceptor = new Acceptor(this, input.newToken);
    this.sessions = this.#acceptor.sessions;
    this.metering = new Metering(clock);
    this.tracing = input.tracing;
    this.mailbox = new Mailbox(settings.mailbox, this.metering);
    this.budget = createBudget(this, (error, id) => this.#supervision.record(error, "budget.key", id));
    this.population = new Population<LiveConnection>(remoteBus?.onOccupancyChanged);
    this.bus = this.#createBus();
    const host = this.#hostOfRunner();
    openPresence(host, this.population, this.mailbox.common);
    openHistory(host, this.population);
    this.runner = input.createRunner(host);
    this.hearsPings = this.runner.hearsPings;
    this.#restart = new Restart({
      clock,
      timeoutMs: settings.handlerTimeoutMs,
      init: this.#init,
      onEnded: () => this.handler.release(),
      onFailed: (error, tookMs) => this.#onInitFailed(error, tookMs),
    });
    this.mirror = new RouteMirror(input.inspection, `route:${path}`, () => objectsOf(this));
    this.handler = this.#createHandler();
    this.mailbox.consumer = this.handler;
    this.shutdown = new RouteShutdown({
      population: this.population,
      handler: this.handler,
      runner: this.runner,
      bus: this.bus,
      mirror: this.mirror,
      budget: this.budget,
      supervision: this.#supervision,
      restart: this.#restart,
      sessions: this.sessions,
      stopHandler: async () => {
        if (this.#hasStarted) await runFor(this.leakOwner, () => this.runner.stop());
      },
    });
  }

  /** Whether the handler has unfinished events. */
  get isUnderWay(): boolean {
    return this.handler.underWay.pending.size > 0 || this.#restart.isUnderWay;
  }

  /** The unfinished events of the handler. */
  get underWay(): UnfinishedEvent[] {
    const events = this.handler.pending.map(({ type, connection }) => ({ event: type, connection: connection?.id }));
    return this.#restart.isUnderWay ? [...events, { event: "init", connection: undefined }] : events;
  }

  /** The handler has failed too often, or has finished: no connection is accepted. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get concurrency(): "serial" | "connection" {
    return this.settings.concurrency === "connection" ? "connection" : this.runner.concurrency;
  }

  /** Runs the handler's `init`; rejects with whatever `init` throws. */
  async start(): Promise<void> {
    await this.#init();
    this.#hasStarted = true;
    this.handler.release();
  }

  accept(socket: Transport, accepted: AcceptedUpgrade): TransportListener {
    return this.#acceptor.accept(socket, accepted);
  }

  readonly leaked = (error: unknown, kind: LeakKind, connection: Connection | undefined, target?: Target): void => {
    this.#supervision.record(error, kind, connection?.id);
    // An ended connection cannot be charged, and the handler is not charged for a peer's event.
    if (connection !== undefined || target !== undefined) this.#supervision.spend(error, target ?? this, connection);
  };

  readonly onClosing = (connection: Connection, queue: ConnectionQueue, isDiscarded: boolean): void => {
    if (isDiscarded) this.counters.discarded += this.mailbox.discard(queue);
    this.runner.onConnectionLeft?.(connection, isDiscarded);
    this.handler.onConnectionLeft(queue);
  };

  readonly createQueue = (owner: QueueOwner): ConnectionQueue =>
    this.mailbox.createQueue(owner, this.concurrency === "connection" ? new SerialGroup() : undefined);

  readonly catchUp = (queue: ConnectionQueue): void => {
    this.handler.catchUp(queue);
  };

  readonly caughtUp = (connection: Connection, done: () => void): void => {
    if (this.runner.caughtUp === undefined) done();
    else this.runner.caughtUp(connection, done);
  };

  stats(): Stats {
    const { counters, population, mailbox } = this;
    return {
      connections: population.size,
      away: this.sessions?.away ?? 0,
      rooms: population.roomCount + (this.runner.roomCount?.() ?? 0),
      ...mailbox.gauges(),
      ...counters.totals(),
    };
  }

  /** Connections stay open, and events wait for `init`, for at most `handlerTimeoutMs`. */
  restart(): void {
    if (this.#hasEnded) return;
    this.handler.hold();
    this.#restart.begin();
  }

  /** The handler itself is broken: the route is closed, but the server goes on with the remaining routes. */
  fail(error: unknown): void {
    this.#end(error ?? new Error("the handler failed"));
  }

  /** The parts shared by the bus, the runner and the handler actor. */
  #shared() {
    const { clock, roomStore, level, log, remoteBus, tracing, turn } = this.#input;
    const { counters, mailbox } = this;
    return { clock, turn, counters, log, mailbox, level, remoteBus, roomStore, tracing, encode: encodeFrame };
  }

  #createBus(): RouteBus {
    return new RouteBus({
      ...this.#shared(),
      registry: this.population,
      common: this.mailbox.common,
      tellsEach: () => this.runner.tellsEach === true,
      stats: () => this.stats(),
    });
  }

  #hostOfRunner(): RunnerHost {
    return {
      ...this.#shared(),
      name: `handler:${this.path}`,
      bus: this.bus,
      settings: this.settings,
      newId: this.newId,
      run: (code) => runFor(this.leakOwner, code),
      leaked: this.leaked,
      onConnectionLeft: (queue) => this.handler.onConnectionLeft(queue),
      catchUp: this.catchUp,
      failed: (error, what, connection, target = this, tookMs = 0) => {
        this.#supervision.record(error, what, connection?.id);
        this.#supervision.spend(error, target, connection, tookMs);
        if (connection === undefined) this.#supervision.restartIfAsked(target);
      },
      noted: (error, what) => this.#supervision.record(error, what),
      invalid: (connection, target = this) => {
        this.counters.invalid++;
        this.#supervision.spend(undefined, target, connection, 0, INVALID_MESSAGES);
      },
      end: (error) => this.#end(error),
    };
  }

  #createHandler(): HandlerActor {
    return new HandlerActor({
      ...this.#shared(),
      target: this,
      mirror: this.mirror,
      metering: this.metering,
      concurrency: this.concurrency,
      timeoutMs: this.settings.handlerTimeoutMs,
      observer: this.#input.observer,
      onFailure: (error, event, target, tookMs) => this.#supervision.onEventFailed(error, event, target, tookMs),
      onCrash: (error) => this.#onHandlerCrashed(error),
    });
  }

  /** Runs `init` in the name of the handler: a rejection leaked later, by an interval for example, is charged to the handler. */
  readonly #init = async (): Promise<void> => runFor(this.leakOwner, () => this.runner.init());

  #onInitFailed(error: unknown, tookMs: number): void {
    this.#supervision.record(error, "init");
    this.#supervision.spend(error, this, undefined, tookMs);
    if (!this.#supervision.isClosing) this.restart();
  }

  #onHandlerCrashed(error: unknown): void {
    this.log.error({ err: error, actor: "handler" }, "an actor failed");
    this.mirror.crash(this.handler, error);
    this.fail(error);
  }

  /** Without an error the handler has finished, as a machine does in a final state. */
  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.sessions?.stop();
    const { code, reason } = error === undefined ? NORMAL : HANDLER_FAILED;
    for (const connection of this.population.present()) connection.close(code, reason);
    // If `init` still holds the handler, the `closed` events are handled with the state from before.
    this.#restart.stop();
    this.#input.onEnded(error);
  }
}
