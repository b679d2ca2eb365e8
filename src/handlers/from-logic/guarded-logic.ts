/**
 * XState logic that outlives its failures: what a step throws leaves it in the snapshot of before, and a child that has failed is
 * lost alone. `logicRunner.ts` runs it.
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

type State = Snapshot<unknown>;
type Scope = ActorScope<State, EventObject>;

/** What a parent is told of a child that has failed. */
interface ChildFailed extends EventObject {
  readonly actorId: string;
  readonly error?: unknown;
}

/** @param input what the logic gets as its input */
export type GuardedLogic<I> = ActorLogic<State, EventObject, I>;

export class LogicGuard<I> {
  readonly #logic: AnyActorLogic;
  readonly #onFailed: (error: unknown) => void;
  /** As the logic has it within a step: what it puts off waits for the success of that step. */
  #scope: Scope | undefined;
  /** What the step under way has put off: to start, to stop and to tell other actors, and its delays. */
  #effects: (() => void)[] = [];

  /** @param onFailed told of what a step, or a child that nobody looks after, has thrown */
  constructor(logic: AnyActorLogic, onFailed: (error: unknown) => void) {
    this.#logic = logic;
    this.#onFailed = onFailed;
  }

  getInitialSnapshot(scope: Scope, input: I): State {
    this.#scope = { ...scope, defer: (effect) => void this.#effects.push(effect) };
    return this.#logic.getInitialSnapshot(scope, input);
  }

  /** One that has failed at its start leaves the actors that it has invoked running. */
  endChildren(snapshot: State): void {
    for (const child of childrenOf(snapshot))
      if (isLive(child)) this.#scope?.stopChild(child);
      else endChildrenOf(child);
  }

  step(snapshot: State, event: EventObject, scope: Scope): State {
    const lost = isChildFailed(event) ? event : undefined;
    const next = this.#try(snapshot, event, scope, lost);
    if (next !== undefined) {
      if (this.#effects.length > 0)
        for (const effect of this.#effects.splice(0)) scope.defer(() => this.#attempt(effect));
      return next;
    }
    this.#drop(snapshot, scope);
    return lost === undefined ? snapshot : without(snapshot, lost.actorId);
  }

  /** @returns `undefined` if it has failed */
  #try(snapshot: State, event: EventObject, scope: Scope, lost: ChildFailed | undefined): State | undefined {
    let error: unknown;
    try {
      if (lost !== undefined) endOrphans(snapshot, lost);
      if (lost === undefined || isExpected(snapshot, lost)) {
        const next: State = this.#logic.transition(snapshot, event, this.#scope ?? scope);
        // As that of a promise which was rejected.
        if (next.status !== "error") return next;
        error = next.error;
      } else error = lost.error;
    } catch (thrown) {
      error = thrown;
    }
    this.#onFailed(error);
    return undefined;
  }

  #attempt(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.#onFailed(error);
    }
  }

  /**
   * The step has failed, and what it put off is not done. An actor that it has made is never started; one with a `systemId` has
   * that already, and gives it back only if it is started and stopped.
   */
  #drop(snapshot: State, { self, system, stopChild }: Scope): void {
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

/** Whether the logic deals with it. A machine that does not would stop all its other children. */
function isExpected(snapshot: State, event: ChildFailed): boolean {
  return !isMachineSnapshot(snapshot) || snapshot.machine.getTransitionData(snapshot, event).length > 0;
}

/** The machine forgets the child, unless another one has its id by now. */
function without(snapshot: State, id: string): State {
  if (!isMachineSnapshot(snapshot) || !hasFailed(snapshot.children[id])) return snapshot;
  const { [id]: _lost, ...children } = snapshot.children;
  return Object.assign({}, snapshot, { children });
}

/** XState lets the children of an actor go on that has thrown: nobody could stop them any more. */
function endOrphans(snapshot: State, { actorId }: ChildFailed): void {
  for (const child of childrenOf(snapshot)) if (child.id === actorId && hasFailed(child)) endChildrenOf(child);
}

function endChildrenOf(parent: AnyActorRef): void {
  for (const child of childrenOf(parent.getSnapshot()))
    if (isLive(child)) child.send({ type: "xstate.stop" });
    else endChildrenOf(child);
}

function childrenOf(snapshot: unknown): AnyActorRef[] {
  const children: unknown = isRecord(snapshot) ? snapshot.children : undefined;
  return isRecord(children) ? Object.values(children).filter(isActorRef) : [];
}

function isLive(actor: AnyActorRef): boolean {
  return actor.getSnapshot().status === "active";
}

function hasFailed(actor: AnyActorRef | undefined): boolean {
  return actor?.getSnapshot().status === "error";
}

function isActorRef(value: unknown): value is AnyActorRef {
  return isRecord(value) && typeof value.getSnapshot === "function";
}
