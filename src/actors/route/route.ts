/**
 * One route: its handler and its connections, with the mailbox, registry and bus between them. Puts the parts together,
 * charges failures to whoever caused them, and stops in steps that the server calls in turn.
 */
import type { AnyActorRef } from "xstate";
import type { AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import type { GatedRoute } from "../../admission/gate.js";
import { type CloseReason, HANDLER_FAILED, NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionId } from "../../api/connection.js";
import type { Failure, Stats } from "../../api/stats.js";
import type { Outlet } from "../../cluster/outlet.js";
import { cutText, keepThrown } from "../../log/excerpt.js";
import type { RouteSettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { show } from "../../runtime/show.js";
import type { Turn } from "../../runtime/turn.js";
import { type LeakKind, type LeakOwner, runFor } from "../../runtime/unhandled-rejections.js";
import { encodeFrame } from "../../transport/frame.js";
import type { Transport, TransportListener } from "../../transport/transport.js";
import { LiveConnection } from "../connection/connection.js";
import type { HeartbeatSettings } from "../connection/heartbeat.js";
import type { Inspection } from "../inspection/inspection.js";
import { Supervisor } from "../inspection/supervisor.js";
import { RouteBus } from "./bus.js";
import { Counters } from "./counters.js";
import { FailureBudget } from "./failure-budget.js";
import { HandlerActor } from "./handler.js";
import { type ConnectionQueue, Mailbox, SerialGroup } from "./mailbox.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { HandlerObserver } from "./observer.js";
import { Registry } from "./registry.js";
import { Restart } from "./restart.js";
import type { Runner, Target } from "./runner.js";
import type { RunnerHost } from "./runner-host.js";

/** What a connection uses of its route. */
export interface RouteParts {
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  readonly mailbox: Mailbox;
  readonly registry: Registry<LiveConnection>;
  readonly counters: Counters;
  readonly bus: RouteBus;
  readonly supervisor: Supervisor;
  readonly inspection: Inspection;
  readonly hearsPings: boolean;
  readonly heartbeat: HeartbeatSettings | undefined;
  /** Something was posted into the mailbox. */
  readonly wake: () => void;
  /** The handler has leaked a rejection or an exception, in an event of this connection. */
  readonly leaked: (error: unknown, kind: LeakKind, connection: Connection | undefined) => void;
  /** A lane for the events of a connection. */
  lane(connection: LiveConnection): ConnectionQueue;
  /** The connection is no target and no member any more; if it was our side that closed, what waits from it is discarded. */
  unregister(connection: LiveConnection, lane: ConnectionQueue, isDiscarded: boolean): void;
  /** Tells the lane's owner once what waits in the lane by now has been handled. */
  catchUp(lane: ConnectionQueue): void;
  /** The events of the connection are handled; calls `done` once what the runner has made of them is, too. */
  caughtUp(connection: LiveConnection, done: () => void): void;
  /** Its `closed` has been handled. */
  onClosedHandled(connection: LiveConnection): void;
}

export interface RouteInput {
  readonly path: string;
  readonly settings: RouteSettings;
  readonly createRunner: (host: RunnerHost) => Runner;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  /** The way to the same route on other nodes, if there are any. */
  readonly outlet: Outlet | undefined;
  readonly parent: AnyActorRef;
  readonly inspection: Inspection;
  /** The route is closed: its handler has failed too often, or without an error has come to its end. */
  readonly onEnded: (error: unknown) => void;
  readonly observer: HandlerObserver | undefined;
}

const MAX_KEPT_BYTES = 1_024;

export class Route implements RouteParts, GatedRoute, Target {
  readonly path: string;
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  readonly mailbox: Mailbox;
  readonly registry: Registry<LiveConnection>;
  readonly counters: Counters = new Counters();
  readonly bus: RouteBus;
  readonly supervisor: Supervisor;
  readonly handler: HandlerActor;
  readonly runner: Runner;
  readonly inspection: Inspection;
  readonly leakOwner: LeakOwner;
  readonly heartbeat: HeartbeatSettings | undefined;
  readonly #input: RouteInput;
  readonly #charges: FailureBudget<object>;
  /** Those that are in the registry no more, and whose `closed` has not been handled. */
  readonly #leaving = new Set<LiveConnection>();
  #hasStarted = false;
  readonly #restart: Restart;
  #isClosing = false;
  #hasEnded = false;
  #rest: (() => void) | undefined;

  constructor(input: RouteInput) {
    const { path, settings, clock, turn, log } = input;
    this.#input = input;
    this.path = path;
    this.settings = settings;
    this.clock = clock;
    this.turn = turn;
    this.log = log;
    this.newId = input.newId;
    this.inspection = input.inspection;
    this.leakOwner = {
      clock,
      connection: undefined,
      leaked: (error, kind) => this.leaked(error, kind, undefined, this),
    };
    this.inspection.beforeFirst(() => {
      for (const connection of this.#present()) connection.appear();
    });
    if (settings.heartbeat !== false) this.heartbeat = { ...settings.heartbeat, maxPauseMs: settings.handlerTimeoutMs };
    this.#charges = new FailureBudget(settings.supervise);
    this.supervisor = new Supervisor(input.parent, `route:${path}`, (actorId, error) => this.#crashed(actorId, error));
    this.mailbox = new Mailbox(settings.mailbox);
    const { outlet } = input;
    this.registry = new Registry<LiveConnection>(outlet?.populated);
    const { registry, counters, mailbox } = this;
    this.bus = new RouteBus({
      clock,
      registry,
      mailbox,
      common: mailbox.common,
      counters,
      log,
      encode: encodeFrame,
      wake: this.wake,
      tellsEach: () => this.runner.tellsEach === true,
      stats: () => this.stats(),
      outlet,
    });
    this.runner = input.createRunner({
      name: `handler:${path}`,
      bus: this.bus,
      mailbox,
      counters,
      settings,
      clock,
      log,
      newId: input.newId,
      outlet,
      encode: encodeFrame,
      wake: this.wake,
      run: (code) => runFor(this.leakOwner, code),
      leaked: this.leaked,
      onConnectionLeft: (lane) => this.handler.onConnectionLeft(lane),
      catchUp: (lane) => this.catchUp(lane),
      failed: (error, what, connection, target = this, tookMs = 0) => {
        this.#note(error, what, connection?.id);
        this.#charge(error, target, connection, tookMs);
        if (connection === undefined) this.#restartIfAsked(target);
      },
      end: (error) => this.#end(error),
    });
    this.#restart = new Restart({
      clock,
      timeoutMs: settings.handlerTimeoutMs,
      init: () => this.#init(),
      onEnded: () => this.handler.release(),
      onFailed: (error, tookMs) => this.#initFailed(error, tookMs),
    });
    this.handler = new HandlerActor({
      target: this,
      mailbox,
      turn,
      clock,
      log,
      supervisor: this.supervisor,
      concurrency: this.concurrency,
      timeoutMs: settings.handlerTimeoutMs,
      observer: input.observer,
      onFailure: (error, event, target, tookMs) => this.#failed(error, event, target, tookMs),
      onIdle: () => this.#rest?.(),
    });
  }

  /** What the handler has not finished, by name. */
  get underWay(): string[] {
    const events = this.handler.pending.map(nameOf);
    return this.#restart.isUnderWay ? [...events, '"init"'] : events;
  }

  /** Nobody is let in any more: its handler has failed too often, or has come to its end. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get hearsPings(): boolean {
    return this.runner.hearsPings;
  }

  /** Runs the handler's `init`; what it throws rejects. */
  async start(): Promise<void> {
    await this.#init();
    this.#hasStarted = true;
    this.handler.release();
  }

  /** A connection that the gate has let in. */
  accept(wire: Transport, entry: AcceptedUpgrade): TransportListener {
    const connection = new LiveConnection(this, entry, wire);
    this.registry.add(connection);
    connection.open();
    const { id: connectionId, path, remoteAddress } = connection;
    this.log.info({ connection: connectionId, path, remoteAddress }, "connection opened");
    return connection;
  }

  readonly wake = (): void => {
    this.turn.wake(this.handler);
  };

  readonly leaked = (error: unknown, kind: LeakKind, connection: Connection | undefined, target?: Target): void => {
    this.#note(error, kind, connection?.id);
    // One that has ended cannot be charged, and it was a peer's event, not the handler's own.
    if (connection !== undefined || target !== undefined) this.#charge(error, target ?? this, connection);
  };

  lane(connection: LiveConnection): ConnectionQueue {
    return this.mailbox.lane(connection, this.concurrency === "connection" ? new SerialGroup() : undefined);
  }

  unregister(connection: LiveConnection, lane: ConnectionQueue, isDiscarded: boolean): void {
    this.registry.remove(connection, connection.rooms);
    this.#leaving.add(connection);
    if (isDiscarded) this.mailbox.discard(lane);
    this.runner.onConnectionLeft?.(connection, isDiscarded);
    this.handler.onConnectionLeft(lane);
  }

  catchUp(lane: ConnectionQueue): void {
    this.handler.catchUp(lane);
  }

  caughtUp(connection: LiveConnection, done: () => void): void {
    if (this.runner.caughtUp === undefined) done();
    else this.runner.caughtUp(connection, done);
  }

  /** Every connection whose `closed` has not been handled. */
  #present(): LiveConnection[] {
    return [...this.registry.all(), ...this.#leaving];
  }

  onClosedHandled(connection: LiveConnection): void {
    this.#leaving.delete(connection);
  }

  stats(): Stats {
    const { counters, registry, mailbox } = this;
    return {
      connections: registry.size,
      rooms: registry.roomCount + (this.runner.roomCount?.() ?? 0),
      paused: mailbox.paused,
      received: { ...counters.received },
      sent: { ...counters.sent },
      dropped: counters.dropped,
      deadLetters: counters.deadLetters,
      refused: counters.refused,
      slowConsumers: counters.slowConsumers,
      failures: [...counters.failures],
    };
  }

  /** First step of stopping: what has reached the mailbox by now is accepted, nothing after it. */
  stopReceiving(): void {
    this.#isClosing = true;
    for (const connection of this.#present()) connection.stopReceiving();
  }

  /** Second step: resolves when the handler has finished its mailbox. */
  finished(): Promise<void> {
    return this.#until(() => !this.handler.isBusy);
  }

  /** Third step: each connection is sent what waits for it, then a close frame. Yields after each. */
  *closeAll({ code, reason }: CloseReason): Generator<void> {
    this.handler.timeOutPending();
    this.#restart.end();
    for (const connection of this.#present()) {
      connection.close(code, reason);
      yield;
    }
  }

  /** Fourth step: resolves when every `closed` has been handled. */
  emptied(): Promise<void> {
    return this.#until(() => this.registry.size + this.#leaving.size === 0 && !this.handler.isBusy);
  }

  /** Whoever has not answered is cut, and the handler is not waited for any more: it is still told of every end. */
  terminateAll(): void {
    this.handler.skipWaiting();
    for (const connection of this.#present()) connection.terminate();
  }

  /** Last step: ends timers, the handler and the actors. */
  async stop(): Promise<void> {
    this.handler.stop();
    this.bus.end();
    try {
      if (this.#hasStarted) await runFor(this.leakOwner, () => this.runner.stop());
    } catch (error) {
      this.#note(error, "stop");
    }
    for (const connection of this.#present()) connection.onClosedHandled();
    this.supervisor.release([this.handler.actor]);
  }

  #until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#rest = () => {
        if (!isSo()) return;
        this.#rest = undefined;
        resolve();
      };
      this.#rest();
    });
  }

  get concurrency(): "serial" | "connection" {
    return this.settings.concurrency === "connection" ? "connection" : this.runner.concurrency;
  }

  #failed(error: unknown, event: MailboxEvent, target: Target, tookMs: number): void {
    const { connection } = event;
    this.#note(error, event.type, connection?.id, event);
    if (connection !== undefined && target.runner.failed?.(connection)) return;
    this.#charge(error, target, connection, tookMs);
    this.#restartIfAsked(target);
  }

  #restartIfAsked(target: Target): void {
    if (this.settings.supervise.strategy === "restart" && !this.#isClosing) target.restart();
  }

  /** The connection that has caused too many failures is closed, or the target if there is no connection. */
  #charge(error: unknown, target: Target, connection: Connection | undefined, tookMs = 0): void {
    const whom = connection ?? target;
    const line = target.concurrency === "serial" ? target : whom;
    const isTooMuch = this.#charges.spend(whom, { now: this.clock.now(), tookMs, line });
    if (isTooMuch && connection !== undefined) connection.close(HANDLER_FAILED.code, HANDLER_FAILED.reason);
    else if (isTooMuch) target.fail(error);
  }

  /** What it leaves behind (an interval, say) and leaks a rejection later is charged to the handler. */
  async #init(): Promise<void> {
    await runFor(this.leakOwner, () => this.runner.init());
  }

  /** Connections stay, and events wait for it, at most `handlerTimeoutMs`. */
  restart(): void {
    if (this.#hasEnded) return;
    this.handler.hold();
    this.#restart.begin();
  }

  #initFailed(error: unknown, tookMs: number): void {
    this.#note(error, "init");
    this.#charge(error, this, undefined, tookMs);
    if (!this.#isClosing) this.restart();
  }

  /** The handler itself is broken: the route is closed, others go on. */
  fail(error: unknown): void {
    this.#end(error ?? new Error("the handler failed"));
  }

  /** Without an error the handler has come to its end, as a machine does in a final state. */
  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { code, reason } = error === undefined ? NORMAL : HANDLER_FAILED;
    for (const connection of this.#present()) connection.close(code, reason);
    // If it was held for an `init` that never came right: the goodbyes are still said, with the state of before.
    this.#restart.end();
    this.#input.onEnded(error);
  }

  #crashed(actorId: string, error: unknown): void {
    this.log.error({ err: error, actor: actorId }, "an actor failed");
    if (actorId === this.handler.actor.id) this.fail(error);
    const id = actorId.slice(actorId.indexOf(":") + 1);
    const leaving = [...this.#leaving].find((connection) => connection.id === id);
    (this.registry.find(id) ?? leaving)?.crash();
  }

  #note(error: unknown, what: string, connection?: ConnectionId, event?: MailboxEvent): void {
    this.log.error({ err: error, event: what, connection }, "handler failed");
    const data =
      event !== undefined && "data" in event && this.settings.supervise.keepData ? { data: cut(event.data) } : {};
    const kept = { error: keepThrown(error), ...(connection && { connection }), ...data };
    const failure: Failure = { at: this.clock.now(), event: what, ...kept };
    this.counters.addFailure(failure);
    this.#input.observer?.failed(failure, error);
  }
}

function nameOf({ type, connection }: MailboxEvent): string {
  return connection === undefined ? `"${type}" event` : `"${type}" event of ${connection.id}`;
}

/** A copy, so that a whole message is not kept for its beginning. */
function cut(data: unknown): unknown {
  if (Buffer.isBuffer(data)) return Buffer.from(data.subarray(0, MAX_KEPT_BYTES));
  return cutText(typeof data === "string" ? data : show(data), MAX_KEPT_BYTES);
}
