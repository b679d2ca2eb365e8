/**
 * One route: its handler and its connections, with the mailbox, registry and bus between them. Puts the parts together,
 * charges failures to whoever caused them, and stops in steps that the server calls in turn.
 */
import type { AnyActorRef } from "xstate";
import { RouteBus } from "../bus/bus.js";
import { Counters } from "../bus/counters.js";
import { Mailbox } from "../bus/mailbox.js";
import { Registry } from "../bus/registry.js";
import type { Turn } from "../bus/turn.js";
import type { Clock, Timer } from "../clock.js";
import { type CloseReason, HANDLER_FAILED } from "../closing.js";
import type { Logger, Member, Peer, Runner, Wire } from "../contracts.js";
import { SendallError, show } from "../errors.js";
import type { Connection, ConnectionId, Failure, ServerEvent, Stats } from "../events.js";
import type { Entry, GatedRoute } from "../http/gate.js";
import { runFor } from "../leaks.js";
import type { RouteSettings } from "../settings.js";
import { encodeFrame } from "../transport/frame.js";
import { Charges } from "./charges.js";
import { LiveConnection } from "./connection.js";
import { Handler } from "./handler.js";
import type { Inspection } from "./server.js";
import { Supervisor } from "./supervisor.js";

/** What a connection uses of its route. */
export interface RouteParts {
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  readonly mailbox: Mailbox;
  readonly registry: Registry<Member>;
  readonly counters: Counters;
  readonly bus: RouteBus;
  readonly supervisor: Supervisor;
  readonly inspection: Inspection;
  /** Something was posted into the mailbox. */
  readonly wake: () => void;
  /** The handler has leaked a rejection, in an event of this connection. */
  leaked(error: unknown, connection: LiveConnection | undefined): void;
  /** The connection is no target and no member any more. */
  forget(connection: LiveConnection): void;
  /** Its `closed` has been handled. */
  buried(connection: LiveConnection): void;
}

export interface RouteInput {
  readonly path: string;
  readonly settings: RouteSettings;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  readonly parent: AnyActorRef;
  readonly inspection: Inspection;
  /** The handler itself has failed too often; the route is closed. */
  readonly onFailed: (error: unknown) => void;
}

const MAX_KEPT_BYTES = 1_024;

export class Route implements RouteParts, GatedRoute {
  readonly path: string;
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  readonly mailbox: Mailbox;
  readonly registry: Registry<Member> = new Registry<Member>();
  readonly counters: Counters = new Counters();
  readonly bus: RouteBus;
  readonly supervisor: Supervisor;
  readonly handler: Handler;
  readonly inspection: Inspection;
  readonly #input: RouteInput;
  readonly #charges: Charges<object>;
  /** Every connection whose `closed` has not been handled. */
  readonly #present = new Set<LiveConnection>();
  #hasStarted = false;
  /** `init` runs again, for as long as this alarm is set: another one, or the end, makes its result count no more. */
  #restart: Timer | undefined;
  #isClosing = false;
  #hasFailed = false;
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
    this.#charges = new Charges(settings.supervise);
    this.supervisor = new Supervisor(input.parent, `route:${path}`, (actorId, error) => this.#crashed(actorId, error));
    this.mailbox = new Mailbox(settings.mailbox);
    const { registry, counters, mailbox } = this;
    this.bus = new RouteBus({
      clock,
      registry,
      mailbox,
      counters,
      log,
      encode: encodeFrame,
      wake: this.wake,
      stats: () => this.stats(),
    });
    this.handler = new Handler({
      runner: input.runner,
      bus: this.bus,
      mailbox,
      turn,
      clock,
      log,
      supervisor: this.supervisor,
      concurrency: settings.concurrency,
      timeoutMs: settings.handlerTimeoutMs,
      onFailure: (error, event) => this.#failed(error, event),
      onLeak: (error) => {
        this.#note(error, "rejection");
        this.#charge(error, undefined);
      },
      onIdle: () => this.#rest?.(),
    });
  }

  /** What the handler has not finished, by name. */
  get underWay(): string[] {
    const events = this.handler.pending.map(nameOf);
    return this.#restart === undefined ? events : [...events, '"init"'];
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Runs the handler's `init`; what it throws rejects. */
  async start(): Promise<void> {
    await this.#init();
    this.#hasStarted = true;
    this.handler.release();
  }

  /** A connection that the gate has let in. */
  accept(wire: Wire, entry: Entry): Peer {
    const connection = new LiveConnection(this, entry, wire);
    this.registry.add(connection);
    this.#present.add(connection);
    connection.open();
    const { id: connectionId, path, remoteAddress } = connection;
    this.log.info({ connection: connectionId, path, remoteAddress }, "connection opened");
    return connection;
  }

  readonly wake = (): void => {
    this.turn.wake(this.handler);
  };

  leaked(error: unknown, connection: LiveConnection | undefined): void {
    this.#note(error, "rejection", connection?.id);
    // One that has ended cannot be charged, and it was a peer's event, not the handler's own.
    if (connection !== undefined) this.#charge(error, connection);
  }

  forget(connection: LiveConnection): void {
    this.registry.remove(connection, connection.rooms);
  }

  buried(connection: LiveConnection): void {
    this.#present.delete(connection);
  }

  stats(): Stats {
    const { counters, registry, mailbox } = this;
    return {
      connections: registry.size,
      rooms: registry.roomCount,
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
  deafen(): void {
    this.#isClosing = true;
    for (const connection of this.#present) connection.deafen();
  }

  /** Second step: resolves when the handler has finished its mailbox. */
  finished(): Promise<void> {
    return this.#until(() => !this.handler.isBusy);
  }

  /** Third step: each connection is sent what waits for it, then a close frame. Yields after each. */
  *closeAll({ code, reason }: CloseReason): Generator<void> {
    this.handler.expire();
    this.#endRestart();
    for (const connection of [...this.#present]) {
      connection.close(code, reason);
      yield;
    }
  }

  /** Fourth step: resolves when every `closed` has been handled. */
  emptied(): Promise<void> {
    return this.#until(() => this.#present.size === 0 && !this.handler.isBusy);
  }

  /** Whoever has not answered is cut, and the handler is not waited for any more: it is still told of every end. */
  giveUp(): void {
    this.handler.hurry();
    for (const connection of [...this.#present]) connection.terminate();
  }

  /** Last step: ends timers, the handler and the actors. */
  async stop(): Promise<void> {
    this.handler.stop();
    this.bus.end();
    try {
      const { runner } = this.#input;
      if (this.#hasStarted) await runFor(this.handler, () => runner.stop(this.bus));
    } catch (error) {
      this.#note(error, "stop");
    }
    for (const connection of [...this.#present]) connection.bury();
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

  #failed(error: unknown, event: ServerEvent): void {
    this.#note(error, event.type, event.connection?.id, event);
    this.#charge(error, event.connection);
    if (this.settings.supervise.strategy === "restart" && !this.#hasFailed && !this.#isClosing) this.#initAgain();
  }

  /** Whoever has caused too many failures is closed: the connection, or with none the route. */
  #charge(error: unknown, connection: Connection | undefined): void {
    const isTooMuch = this.#charges.charge(connection ?? this, this.clock.now());
    if (isTooMuch && connection !== undefined) connection.close(HANDLER_FAILED.code, HANDLER_FAILED.reason);
    else if (isTooMuch) this.#fail(error);
  }

  /** What it leaves behind (an interval, say) and leaks a rejection later is charged to the handler. */
  async #init(): Promise<void> {
    const { runner } = this.#input;
    await runFor(this.handler, () => runner.init(this.bus));
  }

  /** Connections stay, and events wait for it, at most `handlerTimeoutMs`. */
  #initAgain(): void {
    this.handler.hold();
    const { handlerTimeoutMs } = this.settings;
    const ended = (error?: unknown): void => {
      if (this.#restart !== timer) return;
      this.#endRestart();
      if (error !== undefined) this.#initFailed(error);
    };
    const tooLate = new SendallError("HANDLER_TIMEOUT", `"init": it was not finished after ${handlerTimeoutMs} ms`);
    const timer = this.clock.after(handlerTimeoutMs, () => ended(tooLate));
    this.#restart = timer;
    this.#init().then(
      () => ended(),
      (error: unknown) => ended(error ?? new Error("init failed")),
    );
  }

  #endRestart(): void {
    if (this.#restart === undefined) return;
    this.#restart.cancel();
    this.#restart = undefined;
    this.handler.release();
  }

  #initFailed(error: unknown): void {
    this.#note(error, "init");
    if (this.#charges.charge(this, this.clock.now())) this.#fail(error);
    else if (!this.#hasFailed && !this.#isClosing) this.#initAgain();
  }

  /** The handler itself is broken: the route is closed, others go on. */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    for (const connection of [...this.#present]) connection.close(HANDLER_FAILED.code, HANDLER_FAILED.reason);
    // If it was held for an `init` that never came right: the goodbyes are still said, with the state of before.
    this.#endRestart();
    this.#input.onFailed(error);
  }

  #crashed(actorId: string, error: unknown): void {
    this.log.error({ err: error, actor: actorId }, "an actor failed");
    if (actorId === this.handler.actor.id) this.#fail(error);
    const id = actorId.slice(actorId.indexOf(":") + 1);
    for (const connection of this.#present) if (connection.id === id) connection.crash();
  }

  #note(error: unknown, what: string, connection?: ConnectionId, event?: ServerEvent): void {
    this.log.error({ err: error, event: what, connection }, "handler failed");
    const data =
      event !== undefined && "data" in event && this.settings.supervise.keepData ? { data: cut(event.data) } : {};
    const failure: Failure = { at: this.clock.now(), event: what, error, ...(connection && { connection }), ...data };
    this.counters.addFailure(failure);
  }
}

function nameOf({ type, connection }: ServerEvent): string {
  return connection === undefined ? `"${type}" event` : `"${type}" event of ${connection.id}`;
}

/** A copy, so that a whole message is not kept for its beginning. */
function cut(data: unknown): unknown {
  if (Buffer.isBuffer(data)) return Buffer.from(data.subarray(0, MAX_KEPT_BYTES));
  const text = typeof data === "string" ? data : show(data);
  // Cut at a character: the last one may be half there.
  return Buffer.from(text.slice(0, MAX_KEPT_BYTES))
    .toString("utf8", 0, MAX_KEPT_BYTES)
    .replace(/\ufffd$/, "");
}
