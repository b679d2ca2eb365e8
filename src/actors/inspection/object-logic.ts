/**
 * XState actors whose state is an object of ours: each event is handed to its `receive`. A hand-written logic costs a
 * fraction of a machine, which counts where there are two actors for each socket.
 */
import type { ActorLogic, ActorRefFrom, EventObject, Snapshot } from "xstate";

export interface Receiving<E extends EventObject> {
  receive(event: E): void;
}

export type ObjectSnapshot<R> = Snapshot<undefined> & { readonly context: R };
export type ObjectLogic<R extends Receiving<E>, E extends EventObject> = ActorLogic<ObjectSnapshot<R>, E, R>;
export type ObjectActor<R extends Receiving<E>, E extends EventObject> = ActorRefFrom<ObjectLogic<R, E>>;

/** Ends the actor: what its object has thrown, for supervision. */
export interface Crashed {
  readonly type: "crashed";
  readonly error: unknown;
}

/**
 * An object that has an actor where one can be seen or has to be supervised: from the moment somebody inspects the server's
 * actors, and when it has thrown. An actor of XState is 1.4 kB, and each connection has two of these objects: 10,000 silent
 * ones take 29 MB less without.
 */
export interface Latent<E extends EventObject> extends Receiving<E | Crashed> {
  readonly actor: { send(event: E | Crashed): void } | undefined;
  /** Makes its actor. */
  appear(): { send(event: E | Crashed): void };
}

/** Hands an event to its actor, or does what the actor would do. */
export function deliver<E extends EventObject>(to: Latent<E>, event: E): void {
  if (to.actor !== undefined) {
    to.actor.send(event);
    return;
  }
  try {
    to.receive(event);
  } catch (error) {
    to.appear().send({ type: "crashed", error });
  }
}

/** The logic for objects of one class; the object itself is the actor's input and, for `inspect`, its context. */
export function objectLogic<R extends Receiving<E>, E extends EventObject>(): ObjectLogic<R, E> {
  return {
    getInitialSnapshot: (_scope, receiving) => ({
      status: "active",
      output: undefined,
      error: undefined,
      context: receiving,
    }),
    getPersistedSnapshot: (snapshot) => snapshot,
    transition(snapshot, event) {
      const type: string = event.type;
      // XState's own: `stop` ends us, others (of children that ended) are no concern of these actors.
      if (type.startsWith("xstate."))
        return type === "xstate.stop"
          ? { ...snapshot, status: "stopped", output: undefined, error: undefined }
          : snapshot;
      snapshot.context.receive(event);
      return snapshot;
    },
  };
}
