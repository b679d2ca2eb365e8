/**
 * A guard around XState logic that keeps the logic alive through its failures: an exception in a step leaves the logic in the snapshot
 * from before the step, and a failed child is lost alone. `logic-runner.ts` makes a guard for each start of the logic.
 */
import {
  type ActorLogic,
  type ActorScope,
  type AnyActorLogic,
  type AnyActorRef,
  type EventObject,
  isMachineSnapshot,
  type Snapshot,
} from "xstate";
import { isRecord } from "../../options/kinds.js";

type LogicSnapshot = Snapshot<unknown>;
type LogicScope = ActorScope<LogicSnapshot, EventObject>;

/** XState's event to the parent of a failed child. */
interface ChildFailed extends EventObject {
  readonly actorId: string;
  readonly error?: unknown;
}

/** `I` is the type of the logic's input. */
export type GuardedLogic<I> = ActorLogic<LogicSnapshot, EventObject, I>;

export class LogicGuard<I> {
  readonly #logic: AnyActorLogic;
  readonly #onFailed: (error: unknown) => void;
  /** The scope that the logic gets for a step: deferred effects wait until the step has succeeded. */
  #scope: LogicScope | undefined;
  /** The deferred effects of the current step: starts and stops of actors, events to actors, and delays. */
  #effects: (() => void)[] = [];

  /** @param onFailed gets each error of a step, and of a child whose failure the logic does not handle */
  constructor(logic: AnyActorLogic, onFailed: (error: unknown) => void) {
    this.#logic = logic;
    this.#onFailed = onFailed;
  }

  getInitialSnapshot(scope: LogicScope, input: I): LogicSnapshot {
    this.#scope = { ...scope, defer: (effect) => void this.#effects.push(effect) };
    return this.#logic.getInitialSnapshot(scope, input);
  }

  /** Stops the invoked actors, which XState leaves running when the logic fails at its start. */
  stopChildren(snapshot: LogicSnapshot): void {
    for (const child of childrenOf(snapshot))
      if (isActive(child)) this.#scope?.stopChild(child);
      else stopChildrenOf(child);
  }

  step(snapshot: LogicSnapshot, event: EventObject, scope: LogicScope): LogicSnapshot {
    const lost = isChildFailed(event) ? event : undefined;
    const next = this.#transition(snapshot, event, scope, lost);
    if (next !== undefined) {
      if (this.#effects.length > 0)
        for (const effect of this.#effects.splice(0)) scope.defer(() => this.#runEffect(effect));
      return next;
    }
    this.#rollBack(snapshot, scope);
    return lost === undefined ? snapshot : withoutChild(snapshot, lost.actorId);
  }

  /** @returns `undefined` if the step has failed */
  #transition(
    snapshot: LogicSnapshot,
    event: EventObject,
    scope: LogicScope,
    lost: ChildFailed | undefined,
  ): LogicSnapshot | undefined {
    let error: unknown;
    try {
      if (lost !== undefined) stopOrphans(snapshot, lost);
      if (lost === undefined || handlesFailure(snapshot, lost)) {
        const next: LogicSnapshot = this.#logic.transition(snapshot, event, this.#scope ?? scope);
        // The logic of a promise, for example, has this status after a rejection.
        if (next.status !== "error") return next;
        error = next.error;
      } else error = lost.error;
    } catch (thrown) {
      error = thrown;
    }
    this.#onFailed(error);
    return undefined;
  }

  #runEffect(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.#onFailed(error);
    }
  }

  /**
   * Discards the deferred effects of a failed step. The step may have made an actor with a `systemId`. The system keeps the id until
   * the actor stops, and only a started actor can be stopped, so start and stop each new actor.
   */
  #rollBack(snapshot: LogicSnapshot, { self, system, stopChild }: LogicScope): void {
    if (this.#effects.length === 0) return;
    this.#effects = [];
    const kept = new Set(childrenOf(snapshot));
    for (const actor of Object.values(system.getAll())) {
      if (!isActorRef(actor) || actor._parent !== self || kept.has(actor)) continue;
      actor.start();
      stopChild(actor);
    }
  }
}

const CHILD_FAILED = "xstate.error.actor.";

function isChildFailed(event: EventObject): event is ChildFailed {
  return event.type.startsWith(CHILD_FAILED) && "actorId" in event && typeof event.actorId === "string";
}

/** Whether the logic handles the failure. A machine without a handler for the failure would stop its remaining children. */
function handlesFailure(snapshot: LogicSnapshot, event: ChildFailed): boolean {
  return !isMachineSnapshot(snapshot) || snapshot.machine.getTransitionData(snapshot, event).length > 0;
}

/** Removes the failed child from the snapshot, unless the id already belongs to a new child. */
function withoutChild(snapshot: LogicSnapshot, id: string): LogicSnapshot {
  if (!isMachineSnapshot(snapshot) || !hasFailed(snapshot.children[id])) return snapshot;
  const { [id]: _lost, ...children } = snapshot.children;
  return Object.assign({}, snapshot, { children });
}

/** Stops the children of a failed child: XState leaves such children running, without a parent that could stop them. */
function stopOrphans(snapshot: LogicSnapshot, { actorId }: ChildFailed): void {
  for (const child of childrenOf(snapshot)) if (child.id === actorId && hasFailed(child)) stopChildrenOf(child);
}

function stopChildrenOf(parent: AnyActorRef): void {
  for (const child of childrenOf(parent.getSnapshot()))
    if (isActive(child)) child.send({ type: "xstate.stop" });
    else stopChildrenOf(child);
}

function childrenOf(snapshot: unknown): AnyActorRef[] {
  const children: unknown = isRecord(snapshot) ? snapshot.children : undefined;
  return isRecord(children) ? Object.values(children).filter(isActorRef) : [];
}

function isActive(actor: AnyActorRef): boolean {
  return actor.getSnapshot().status === "active";
}

function hasFailed(actor: AnyActorRef | undefined): boolean {
  return actor?.getSnapshot().status === "error";
}

function isActorRef(value: unknown): value is AnyActorRef {
  return isRecord(value) && typeof value.getSnapshot === "function";
}
