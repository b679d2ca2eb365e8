/**
 * `fromLogic`: XState logic as a handler. It runs as an actor of the server's, timed by the server's clock; what it throws is
 * kept from ending it, so that supervision decides.
 */
import {
  type ActorLogic,
  type ActorRefFrom,
  type AnyActorLogic,
  type AnyActorRef,
  createActor,
  type EventFromLogic,
  type EventObject,
  fromTransition,
  type InputFrom,
  type Snapshot,
} from "xstate";
import type { Runner, RunnerHost } from "../bus/runner.js";
import { isRecord } from "../checks.js";
import type { ShapedHandler } from "../contracts.js";
import { SendallError, show } from "../errors.js";
import {
  type Bus,
  type Connection,
  type ConnectionData,
  isControl,
  type MailboxEvent,
  type Params,
  type ServerEvent,
} from "../events.js";
import { type LookAtItLast, type Never, RunnerMaker } from "./maker.js";

/** What the logic finds as its `input`. */
export interface LogicInput<D = ConnectionData, P = Params> {
  /** What the logic sends with. */
  readonly bus: Bus<D, P>;
}

/** What the logic's own event types say that connections carry. */
type DataOf<L extends AnyActorLogic> = [Extract<EventFromLogic<L>, { connection: unknown }>] extends [never]
  ? ConnectionData
  : Extract<EventFromLogic<L>, { connection: unknown }> extends { readonly connection: Connection<infer D, unknown> }
    ? D
    : ConnectionData;

/** The events of ours that are of the types that the logic knows. */
type Sendable<E extends { type: string }, D, P> = Extract<ServerEvent<D, P>, { type: E["type"] }>;

/** Refuses logic that could not take our events of its types, or asks for an input that it does not get. */
type Fits<L extends AnyActorLogic, D, P> = [EventFromLogic<L>, InputFrom<L>] extends [
  infer E extends { type: string },
  infer I,
]
  ? [Sendable<E, D, P>] extends [E]
    ? [LogicInput<D, P>] extends [I]
      ? unknown
      : { inputMustAccept: LogicInput<D, P> }
    : { eventsMustAccept: ServerEvent<D, P> }
  : unknown;

type GuardedLogic = ActorLogic<Snapshot<unknown>, EventObject, LogicInput>;

/** Ends the logic. No plain event: what the logic sends to its parent comes the same way, and is for nobody. */
class Release {
  readonly type = "release";
  readonly child: AnyActorRef;

  constructor(child: AnyActorRef) {
    this.child = child;
  }
}

/** The actor above it: an end or failure of its child is no concern of this one, as it would be of a machine. */
function createParent(id: string, parent: AnyActorRef): AnyActorRef {
  const logic = fromTransition((state: undefined, event: EventObject, scope) => {
    if (event instanceof Release) scope.stopChild(event.child);
    return state;
  }, undefined);
  return createActor(logic, { id, parent }).start();
}

/** What has failed at its start leaves the actors that it invoked running. */
function stopChildren(snapshot: Snapshot<unknown>, stop: (child: AnyActorRef) => void): void {
  const children: unknown = "children" in snapshot ? snapshot.children : undefined;
  if (isRecord(children)) for (const child of Object.values(children)) if (isActorRef(child)) stop(child);
}

function isActorRef(value: unknown): value is AnyActorRef {
  return isRecord(value) && typeof value.getSnapshot === "function";
}

class FromLogic<D, P> extends RunnerMaker<D, P> {
  readonly #logic: AnyActorLogic;

  constructor(logic: AnyActorLogic) {
    super();
    this.#logic = logic;
  }

  makeRunner(host: RunnerHost, root: AnyActorRef): Runner {
    return new LogicRunner(this.#logic, host, createParent(`logic of ${host.name}`, root));
  }
}

class LogicRunner implements Runner {
  readonly concurrency = "serial";
  readonly hearsPings = false;
  readonly #logic: AnyActorLogic;
  readonly #host: RunnerHost;
  readonly #parent: AnyActorRef;
  #actor: ActorRefFrom<GuardedLogic> | undefined;
  #stopChild: ((child: AnyActorRef) => void) | undefined;
  #isHandling = false;
  /** What the logic has thrown at the event that it is handling. */
  #thrown: { readonly error: unknown } | undefined;

  constructor(logic: AnyActorLogic, host: RunnerHost, parent: AnyActorRef) {
    this.#logic = logic;
    this.#host = host;
    this.#parent = parent;
  }

  init(): void {
    this.stop();
    const { bus, log, name } = this.#host;
    const actor = createActor(this.#guarded(), {
      parent: this.#parent,
      id: name,
      input: { bus },
      logger: (...said: unknown[]) => log.info({ said: said.map(show) }, "the handler's logic says"),
    });
    actor.start();
    const snapshot = actor.getSnapshot();
    const { status, error } = snapshot;
    if (status === "error") {
      stopChildren(snapshot, (child) => this.#stopChild?.(child));
      throw error;
    }
    if (status !== "active")
      throw new SendallError("BAD_HANDLER", "fromLogic: the logic has come to its end at its start");
    this.#actor = actor;
    actor.subscribe({ error() {}, complete: () => this.#ended(actor) });
  }

  readonly handle = (event: MailboxEvent): void => {
    if (isControl(event)) return;
    this.#isHandling = true;
    try {
      this.#actor?.send(event);
    } finally {
      this.#isHandling = false;
    }
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown !== undefined) throw thrown.error;
  };

  stop(): void {
    const actor = this.#actor;
    this.#actor = undefined;
    if (actor !== undefined) this.#parent.send(new Release(actor));
  }

  /** The logic, but for its failures: they leave it in the state of before, with its timers and children. */
  #guarded(): GuardedLogic {
    const logic = this.#logic;
    const step: GuardedLogic["transition"] = (snapshot, event, scope) => {
      try {
        const next: Snapshot<unknown> = logic.transition(snapshot, event, scope);
        // As a machine has it whose invoked actor has failed, and who does not deal with that.
        if (next.status !== "error") return next;
        this.#failed(next.error);
      } catch (error) {
        this.#failed(error);
      }
      return snapshot;
    };
    return {
      transition: (snapshot, event, scope) =>
        this.#isHandling ? step(snapshot, event, scope) : this.#host.run(() => step(snapshot, event, scope)),
      getInitialSnapshot: (scope, input) => {
        this.#stopChild = scope.stopChild;
        return logic.getInitialSnapshot(scope, input);
      },
      getPersistedSnapshot: (snapshot, options) => logic.getPersistedSnapshot(snapshot, options),
      start: (snapshot, scope) => logic.start?.(snapshot, scope),
    };
  }

  #failed(error: unknown): void {
    if (this.#isHandling) this.#thrown = { error };
    else this.#host.failed(error, "logic");
  }

  /** Also told when it was stopped. */
  #ended(actor: ActorRefFrom<GuardedLogic>): void {
    if (actor !== this.#actor) return;
    // Of what still comes it can hear nothing.
    this.#actor = undefined;
    if (actor.getSnapshot().status === "done") this.#host.end();
  }
}

/** @hidden */
export function fromLogic<D>(never: Never<D>): LookAtItLast<D>;
/**
 * XState logic as a handler: a machine, or what `fromTransition` or `fromCallback` has made. It gets the events as they are, and
 * `{ bus }` as its input. Its delays are timed by the server's clock; reaching a final state closes the route with 1000. After a
 * throw it is in the state of before the event; a state that it was about to leave then may have lost its delays and the actors
 * that it had invoked, as `"resume"` does not undo what was done (`supervise.strategy: "restart"` starts the logic afresh). An
 * async action that rejects is charged like any other failure, but cannot be awaited: invoke a promise instead.
 *
 * @throws SendallError `BAD_HANDLER` if it is no logic
 */
export function fromLogic<L extends AnyActorLogic, D = DataOf<L>, P = Params>(
  logic: L & Fits<L, D, P>,
): ShapedHandler<D, P>;
export function fromLogic(logic: unknown): unknown {
  if (!isLogic(logic))
    throw new SendallError(
      "BAD_HANDLER",
      `fromLogic: expected a machine, or the logic that fromTransition or fromCallback makes, got ${show(logic)}`,
    );
  return new FromLogic<ConnectionData, Params>(logic);
}

function isLogic(value: unknown): value is AnyActorLogic {
  return typeof value === "object" && value !== null && "transition" in value && typeof value.transition === "function";
}
