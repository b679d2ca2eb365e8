/**
 * The runner of XState logic as a handler. `fromLogic` makes a runner for each route or channel, and the runner ends with the route or
 * channel. Each start of the logic gets a separate actor system, timed by the server's clock, so `systemId`s of different routes do not
 * collide. An exception ends neither the logic nor the remaining children: supervision decides.
 */
import { type AnyActorLogic, type AnyActorRef, createActor, type EventObject, fromTransition } from "xstate";
import { isControl, type MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Runner } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import type { Connection } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import { createActorClock } from "../../runtime/actor-clock.js";
import { show } from "../../runtime/show.js";
import { currentRunContext } from "../../runtime/unhandled-rejections.js";
import type { ActorSystems } from "../runner-factory.js";
import { type GuardedLogic, LogicGuard } from "./guarded-logic.js";
import type { LogicInput } from "./logic-input.js";

/** Tells the root to stop the logic. A class, so that no event which the logic sends to its parent can be mistaken for a `StopChild`. */
class StopChild {
  readonly type = "release";
  readonly child: AnyActorRef;

  constructor(child: AnyActorRef) {
    this.child = child;
  }
}

/** The root of an actor system. Unlike a machine, the root ignores the end and the failure of a child. */
const rootLogic = fromTransition((state: undefined, event: EventObject, scope) => {
  if (event instanceof StopChild) scope.stopChild(event.child);
  return state;
}, undefined);

/** The logic between a start and the matching end. */
interface LogicRun {
  readonly actor: AnyActorRef;
  readonly stop: () => void;
}

export class LogicRunner implements Runner {
  readonly concurrency = "serial";
  readonly hearsPings = false;
  readonly #logic: AnyActorLogic;
  readonly #host: RunnerHost;
  readonly #systems: ActorSystems;
  #current: LogicRun | undefined;
  /** The logic starts, stops or handles an event, and `#failures` collects the failures. */
  #isCollecting = false;
  #failures: unknown[] = [];

  constructor(logic: AnyActorLogic, host: RunnerHost, systems: ActorSystems) {
    this.#logic = logic;
    this.#host = host;
    this.#systems = systems;
  }

  init(): void {
    // Log the failures of the previous logic's stop, and nothing more: another restart would not help.
    this.#logAll(this.#stopCurrent());
    const started = this.#start();
    const failures = this.#failures.splice(0);
    if (failures.length > 0 && this.#host.settings.supervise.strategy === "restart") {
      started.stop();
      throw failures[0];
    }
    this.#current = started;
    started.actor.subscribe({ error() {}, complete: () => this.#onCompleted(started) });
    for (const error of failures) this.#host.failed(error, "logic");
  }

  readonly handle = (event: MailboxEvent): void => {
    if (isControl(event)) return;
    this.#isCollecting = true;
    try {
      this.#current?.actor.send(event);
    } finally {
      this.#isCollecting = false;
    }
    if (this.#failures.length === 0) return;
    // An event may fail several children.
    const failures = this.#failures.splice(0);
    const last = failures.pop();
    for (const error of failures)
      if (event.connection === undefined) this.#onFailed(error);
      else this.#host.failed(error, "logic", event.connection);
    throw last;
  };

  stop(): void {
    const [error, ...rest] = this.#stopCurrent();
    this.#logAll(rest);
    if (error !== undefined) throw error;
  }

  #start(): LogicRun {
    const { bus, log, name, clock, run } = this.#host;
    // Delays are the handler's own, even when the event of a connection has started the delay.
    const root = createActor(rootLogic, { id: `logic of ${name}`, clock: createActorClock(clock, run) });
    const exclude = this.#systems.include(root);
    root.start();
    const guard = new LogicGuard<LogicInput>(this.#logic, (error) => this.#onFailed(error));
    const actor = createActor(this.#guardedLogic(guard), {
      parent: root,
      id: name,
      input: { bus },
      logger: (...said: unknown[]) => log.info({ said: said.map(show) }, "the handler's logic has logged"),
    });
    const end = (): void => {
      root.send(new StopChild(actor));
      root.stop();
      exclude();
    };
    this.#isCollecting = true;
    try {
      actor.start();
    } finally {
      this.#isCollecting = false;
    }
    const { status, error } = actor.getSnapshot();
    if (status === "active") return { actor, stop: end };
    guard.stopChildren(actor.getSnapshot());
    end();
    this.#logAll(this.#failures.splice(0));
    if (status === "error") throw error;
    throw new SendallError("BAD_HANDLER", "fromLogic: the logic ended as soon as it started");
  }

  /** @returns the errors thrown while the logic stopped */
  #stopCurrent(): unknown[] {
    const current = this.#current;
    this.#current = undefined;
    this.#isCollecting = true;
    try {
      current?.stop();
    } finally {
      this.#isCollecting = false;
    }
    return this.#failures.splice(0);
  }

  #guardedLogic(guard: LogicGuard<LogicInput>): GuardedLogic<LogicInput> {
    const logic = this.#logic;
    return {
      transition: (snapshot, event, scope) =>
        this.#isCollecting || this.#isForConnection || this.#isUncharged
          ? guard.step(snapshot, event, scope)
          : this.#host.run(() => guard.step(snapshot, event, scope)),
      getInitialSnapshot: (scope, input) => guard.getInitialSnapshot(scope, input),
      getPersistedSnapshot: (snapshot, options) => logic.getPersistedSnapshot(snapshot, options),
      start: (snapshot, scope) => logic.start?.(snapshot, scope),
    };
  }

  /** Whether an event of a connection started the current code, for example a promise that the logic invoked for the event. */
  get #isForConnection(): boolean {
    const owner = currentRunContext()?.owner;
    return owner?.connection !== undefined && owner.clock === this.#host.clock;
  }

  /** Whether news of another node started the current code. */
  get #isUncharged(): boolean {
    return currentRunContext()?.owner.isUncharged === true;
  }

  #onFailed(error: unknown): void {
    if (this.#isCollecting) this.#failures.push(error);
    else if (this.#isUncharged) this.#host.noted(error, "logic");
    else if (this.#isForConnection)
      this.#spendFor(error, this.#host.bus.find(currentRunContext()?.owner.connection ?? ""));
    else this.#host.failed(error, "logic");
  }

  /** Charges the failure to the connection. If the connection has closed, the failure is only logged. */
  #spendFor(error: unknown, connection: Connection | undefined): void {
    if (connection === undefined) this.#logAll([error]);
    else this.#host.failed(error, "logic", connection);
  }

  #logAll(errors: readonly unknown[]): void {
    for (const error of errors) this.#host.leaked(error, "rejection", undefined);
  }

  /** Called after the logic's own end, and also after a stop by the runner, which the first check leaves out. */
  #onCompleted(completed: LogicRun): void {
    if (completed !== this.#current) return;
    // The logic cannot handle any further event.
    this.#current = undefined;
    const { status } = completed.actor.getSnapshot();
    // XState tells the root of the end after this call, and would log a warning if the root had stopped by then.
    queueMicrotask(completed.stop);
    if (status === "done") this.#host.end();
  }
}
