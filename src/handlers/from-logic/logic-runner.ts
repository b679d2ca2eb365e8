/**
 * Runs XState logic as a handler: `fromLogic` makes one of these for each route or channel. Each start of the logic has a system
 * of actors to itself, timed by the server's clock, so that a `systemId` belongs to one route; what the logic and its children
 * throw is kept from ending them, so that supervision decides.
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
import type { Systems } from "../maker.js";
import { type GuardedLogic, LogicGuard } from "./guarded-logic.js";
import type { LogicInput } from "./logic-input.js";

/** Ends the logic. No plain event: what the logic sends to its parent comes the same way, and is for nobody. */
class Release {
  readonly type = "release";
  readonly child: AnyActorRef;

  constructor(child: AnyActorRef) {
    this.child = child;
  }
}

/** The root of a system. An end or a failure of its child is no concern of it, as it would be of a machine. */
const rootLogic = fromTransition((state: undefined, event: EventObject, scope) => {
  if (event instanceof Release) scope.stopChild(event.child);
  return state;
}, undefined);

/** The logic from one start to its end. */
interface Life {
  readonly actor: AnyActorRef;
  readonly end: () => void;
}

export class LogicRunner implements Runner {
  readonly concurrency = "serial";
  readonly hearsPings = false;
  readonly #logic: AnyActorLogic;
  readonly #host: RunnerHost;
  readonly #systems: Systems;
  #life: Life | undefined;
  /** Failures are kept in `#failures`: the logic begins, ends or handles an event. */
  #isKeeping = false;
  #failures: unknown[] = [];

  constructor(logic: AnyActorLogic, host: RunnerHost, systems: Systems) {
    this.#logic = logic;
    this.#host = host;
    this.#systems = systems;
  }

  init(): void {
    // Those of the logic before: it has ended all the same, and a restart for them would not help.
    this.#noteAll(this.#end());
    const life = this.#begin();
    const failures = this.#failures.splice(0);
    if (failures.length > 0 && this.#host.settings.supervise.strategy === "restart") {
      life.end();
      throw failures[0];
    }
    this.#life = life;
    life.actor.subscribe({ error() {}, complete: () => this.#ended(life) });
    for (const error of failures) this.#host.failed(error, "logic");
  }

  readonly handle = (event: MailboxEvent): void => {
    if (isControl(event)) return;
    this.#isKeeping = true;
    try {
      this.#life?.actor.send(event);
    } finally {
      this.#isKeeping = false;
    }
    if (this.#failures.length === 0) return;
    // The event may have cost several children.
    const failures = this.#failures.splice(0);
    const last = failures.pop();
    for (const error of failures) this.#host.failed(error, "logic", event.connection);
    throw last;
  };

  stop(): void {
    const [error, ...others] = this.#end();
    this.#noteAll(others);
    if (error !== undefined) throw error;
  }

  #begin(): Life {
    const { bus, log, name, clock, run } = this.#host;
    // Alarms are the handler's own, whoever has set them.
    const root = createActor(rootLogic, { id: `logic of ${name}`, clock: createActorClock(clock, run) });
    const exclude = this.#systems.include(root);
    root.start();
    const guard = new LogicGuard<LogicInput>(this.#logic, (error) => this.#failed(error));
    const actor = createActor(this.#guarded(guard), {
      parent: root,
      id: name,
      input: { bus },
      logger: (...said: unknown[]) => log.info({ said: said.map(show) }, "the handler's logic says"),
    });
    const end = (): void => {
      root.send(new Release(actor));
      root.stop();
      exclude();
    };
    this.#isKeeping = true;
    try {
      actor.start();
    } finally {
      this.#isKeeping = false;
    }
    const { status, error } = actor.getSnapshot();
    if (status === "active") return { actor, end };
    guard.endChildren(actor.getSnapshot());
    end();
    this.#noteAll(this.#failures.splice(0));
    if (status === "error") throw error;
    throw new SendallError("BAD_HANDLER", "fromLogic: the logic has come to its end at its start");
  }

  /** @returns what it has thrown at its end */
  #end(): unknown[] {
    const life = this.#life;
    this.#life = undefined;
    this.#isKeeping = true;
    try {
      life?.end();
    } finally {
      this.#isKeeping = false;
    }
    return this.#failures.splice(0);
  }

  #guarded(guard: LogicGuard<LogicInput>): GuardedLogic<LogicInput> {
    const logic = this.#logic;
    return {
      transition: (snapshot, event, scope) =>
        this.#isKeeping || this.#isAPeers
          ? guard.step(snapshot, event, scope)
          : this.#host.run(() => guard.step(snapshot, event, scope)),
      getInitialSnapshot: (scope, input) => guard.getInitialSnapshot(scope, input),
      getPersistedSnapshot: (snapshot, options) => logic.getPersistedSnapshot(snapshot, options),
      start: (snapshot, scope) => logic.start?.(snapshot, scope),
    };
  }

  /** Whether what runs was set going by an event of a connection: a promise, say, that the logic has invoked for it. */
  get #isAPeers(): boolean {
    const owner = currentRunContext()?.owner;
    return owner?.connection !== undefined && owner.clock === this.#host.clock;
  }

  #failed(error: unknown): void {
    if (this.#isKeeping) this.#failures.push(error);
    else if (this.#isAPeers) this.#charge(error, this.#host.bus.find(currentRunContext()?.owner.connection ?? ""));
    else this.#host.failed(error, "logic");
  }

  /** Nobody is charged for a connection that has gone. */
  #charge(error: unknown, connection: Connection | undefined): void {
    if (connection === undefined) this.#noteAll([error]);
    else this.#host.failed(error, "logic", connection);
  }

  #noteAll(errors: readonly unknown[]): void {
    for (const error of errors) this.#host.leaked(error, "rejection", undefined);
  }

  /** Also told when it was stopped. */
  #ended(life: Life): void {
    if (life !== this.#life) return;
    // Of what still comes it can hear nothing.
    this.#life = undefined;
    const { status } = life.actor.getSnapshot();
    // XState tells the root of the end after this, and warns where it has stopped by then.
    queueMicrotask(life.end);
    if (status === "done") this.#host.end();
  }
}
