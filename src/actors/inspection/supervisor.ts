/**
 * The parent of a route's actors (handler, receivers, senders). It is written by hand because a machine copies its list of
 * children at each spawn; its children's ends reach it as XState's events, and each concerns one connection alone.
 */
import {
  type ActorLogic,
  type ActorRefFrom,
  type AnyActorRef,
  createActor,
  type EventObject,
  type Snapshot,
} from "xstate";
import type { ObjectActor, ObjectLogic, Receiving } from "./object-logic.js";

type SupervisorEvent = { readonly type: "release"; readonly children: readonly AnyActorRef[] };
type SupervisorInput = { readonly onCrash: (actorId: string, error: unknown) => void };
type SupervisorSnapshot = Snapshot<undefined> & { readonly context: SupervisorInput };
type SupervisorLogic = ActorLogic<SupervisorSnapshot, SupervisorEvent, SupervisorInput>;

const CRASHED = "xstate.error.actor.";

const logic: SupervisorLogic = {
  getInitialSnapshot: (_scope, input) => ({ status: "active", output: undefined, error: undefined, context: input }),
  getPersistedSnapshot: (snapshot) => snapshot,
  transition(snapshot, event, scope) {
    const type: string = event.type;
    if (event.type === "release") for (const child of event.children) scope.stopChild(child);
    else if (type.startsWith(CRASHED))
      snapshot.context.onCrash(type.slice(CRASHED.length), "error" in event ? event.error : undefined);
    else if (type === "xstate.stop") return { ...snapshot, status: "stopped", output: undefined, error: undefined };
    return snapshot;
  },
};

export class Supervisor {
  readonly actor: ActorRefFrom<SupervisorLogic>;

  /** @param onCrash a child has thrown: an error of ours, since the user's code is guarded by the handler actor */
  constructor(parent: AnyActorRef, id: string, onCrash: SupervisorInput["onCrash"]) {
    this.actor = createActor(logic, { parent, id, input: { onCrash } });
    this.actor.start();
  }

  spawn<R extends Receiving<E>, E extends EventObject>(
    childLogic: ObjectLogic<R, E>,
    id: string,
    input: R,
  ): ObjectActor<R, E> {
    const child = createActor(childLogic, { parent: this.actor, id, input });
    child.start();
    return child;
  }

  /** Ends children: a parent written by hand does not do it by being stopped. */
  release(children: readonly AnyActorRef[]): void {
    this.actor.send({ type: "release", children });
  }
}
