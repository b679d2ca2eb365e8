/**
 * The supervisor of a server's SockJS sessions over HTTP: the parent actor of every session machine, so the sessions are visible in
 * `server.actor.system`. A session that fails ends without the others. Stops when the server has closed its last connection.
 */
import { type ActorLogic, type AnyActorRef, createActor, type Snapshot } from "xstate";
import { SlotMap } from "../../runtime/slot-map.js";
import { createSessionActor, type SessionActions, type SessionEvent } from "./session-machine.js";

/** The actor of the server, under which the supervisor runs. */
export type SessionParent = AnyActorRef;

type SupervisorEvent = { readonly type: "end" };
type SupervisorInput = { readonly onEnd: (id: string, error: unknown) => void };
type SupervisorSnapshot = Snapshot<undefined> & { readonly context: SupervisorInput };
type SupervisorLogic = ActorLogic<SupervisorSnapshot, SupervisorEvent, SupervisorInput>;

const CHILD_ENDED = /^xstate\.(?:done|error)\.actor\.(.*)$/;

/** Custom actor logic: a machine would copy the list of children at every change, and would fail with a failing child. */
const supervisorLogic: SupervisorLogic = {
  getInitialSnapshot: (_scope, input) => ({ status: "active", output: undefined, error: undefined, context: input }),
  getPersistedSnapshot: (snapshot) => snapshot,
  transition(snapshot, event) {
    if (event.type === "end") return { ...snapshot, status: "done", output: undefined, error: undefined };
    const type: string = event.type;
    if (type === "xstate.stop") return { ...snapshot, status: "stopped", output: undefined, error: undefined };
    const [, id] = CHILD_ENDED.exec(type) ?? [];
    if (id !== undefined) snapshot.context.onEnd(id, "error" in event ? event.error : undefined);
    return snapshot;
  },
};

interface SupervisedSession {
  readonly actions: SessionActions;
  readonly send: (event: SessionEvent) => void;
}

export class SessionSupervisor {
  readonly #actor: AnyActorRef;
  readonly #onSessionFailed: (error: unknown) => void;
  readonly #sessions = new SlotMap<string, SupervisedSession>();
  #count = 0;

  /** @param onSessionFailed called after a session has thrown, which is a bug in Sendall; only that session has ended */
  constructor(parent: SessionParent, onSessionFailed: (error: unknown) => void) {
    this.#onSessionFailed = onSessionFailed;
    const onEnd = (id: string, error: unknown): void => {
      const session = this.#sessions.get(id);
      this.#sessions.delete(id);
      if (error !== undefined && session !== undefined) this.failSession(session.actions, error);
    };
    this.#actor = createActor(supervisorLogic, { parent, id: "sockjs", input: { onEnd } });
    this.#actor.start();
  }

  /** Starts the machine of a session. @returns the function that sends events to the machine */
  spawn(actions: SessionActions): (event: SessionEvent) => void {
    const id = `session:${++this.#count}`;
    const actor = createSessionActor(this.#actor, id, actions);
    const send = (event: SessionEvent): void => {
      // A response may end after the machine.
      if (actor.getSnapshot().status === "active") actor.send(event);
    };
    this.#sessions.set(id, { actions, send });
    actor.start();
    return send;
  }

  /** Ends a session after an error, in the machine or outside. */
  failSession(actions: SessionActions, error: unknown): void {
    actions.stop();
    this.#onSessionFailed(error);
  }

  /** Ends the sessions between two polls or after a close, then the actor. */
  stop(): void {
    for (const { send } of [...this.#sessions.values()]) {
      send({ type: "lost" });
      send({ type: "expired" });
    }
    this.#actor.send({ type: "end" });
  }
}
