/**
 * The life of a SockJS session over HTTP, as a machine: connecting, open (with a response to write to, or waiting for one),
 * closing, closed. `http-session.ts` tells it what happens and does what it says; all sessions of a server have one parent.
 */
import { type ActorLogic, type AnyActorRef, createActor, type Snapshot, setup } from "xstate";
import type { Admission } from "../../transport/transport.js";
import type { Stream } from "./receiver.js";

/** What a session is told; `attach` brings a response that its client has asked for. */
export type SessionEvent =
  | { readonly type: "admitted"; readonly admission: Admission }
  | { readonly type: "attach"; readonly stream: Stream }
  /** This side has ended the response. */
  | { readonly type: "detached" }
  /** The program has closed it. */
  | { readonly type: "close" }
  /** The network has ended the response, or this side has cut it. */
  | { readonly type: "lost" }
  /** Nobody came in time. */
  | { readonly type: "expired" };

/** What the machine has done. */
export interface SessionLife {
  /** The first frame, then the connection: whatever its handler sends comes after it. */
  greet(admission: Admission): void;
  /** Goes on with this response. */
  take(stream: Stream): void;
  /** There is another one, or the session is at its end: the newcomer hears which. */
  rejectReceiver(stream: Stream): void;
  /** Heartbeats, from now on. */
  beatLater(): void;
  /** `expired`, unless somebody comes in time. */
  expireLater(): void;
  /** Ends either wait. */
  endWait(): void;
  /** It is cut off, and whoever asks again hears so. */
  interrupt(): void;
  /** The connection hears of the end at once, if it has not. */
  cutOff(): void;
  /** Nothing is left of it. */
  end(): void;
  /** Its machine has failed, by a fault of ours. */
  crash(): void;
}

const machine = setup({
  types: { events: {} as SessionEvent, context: {} as { life: SessionLife }, input: {} as { life: SessionLife } },
  actions: {
    greet: ({ context: { life }, event }) => {
      if (event.type === "admitted") life.greet(event.admission);
    },
    take: ({ context: { life }, event }) => {
      if (event.type === "attach") life.take(event.stream);
    },
    turnAway: ({ context: { life }, event }) => {
      if (event.type === "attach") life.rejectReceiver(event.stream);
    },
    beat: ({ context: { life } }) => life.beatLater(),
    expire: ({ context: { life } }) => life.expireLater(),
    endWait: ({ context: { life } }) => life.endWait(),
    interrupt: ({ context: { life } }) => life.interrupt(),
    cutOff: ({ context: { life } }) => life.cutOff(),
    end: ({ context: { life } }) => life.end(),
  },
}).createMachine({
  id: "session",
  // Copied: XState takes what a class has away from a context.
  context: ({ input: { life } }) => ({ life }),
  initial: "connecting",
  states: {
    connecting: {
      on: { attach: { actions: "turnAway" }, admitted: { target: "open", actions: "greet" }, lost: "closed" },
    },
    open: {
      initial: "attached",
      states: {
        attached: {
          entry: "beat",
          exit: "endWait",
          on: { attach: { actions: "turnAway" }, detached: "waiting" },
        },
        waiting: {
          entry: "expire",
          exit: "endWait",
          on: { attach: { target: "attached", actions: "take" }, expired: "#session.closed" },
        },
      },
      on: { close: "closing", lost: { target: "closing", actions: "interrupt" } },
    },
    // Whoever asks again hears of the end, each time for as long again.
    closing: {
      entry: "expire",
      exit: "endWait",
      on: {
        attach: { target: "closing", reenter: true, actions: "turnAway" },
        lost: { actions: "cutOff" },
        expired: "closed",
      },
    },
    closed: { type: "final", entry: "end" },
  },
});

/** The actor of a server under which its sessions live. */
export type SessionParent = AnyActorRef;

type FamilyEvent = { readonly type: "end" };
type FamilyInput = { readonly onEnd: (id: string, error: unknown) => void };
type FamilySnapshot = Snapshot<undefined> & { readonly context: FamilyInput };
type FamilyLogic = ActorLogic<FamilySnapshot, FamilyEvent, FamilyInput>;

const ENDED = /^xstate\.(?:done|error)\.actor\.(.*)$/;

/** Written by hand: a machine copies its list of children for each of them, and one that fails would take it along. */
const family: FamilyLogic = {
  getInitialSnapshot: (_scope, input) => ({ status: "active", output: undefined, error: undefined, context: input }),
  getPersistedSnapshot: (snapshot) => snapshot,
  transition(snapshot, event) {
    if (event.type === "end") return { ...snapshot, status: "done", output: undefined, error: undefined };
    const type: string = event.type;
    if (type === "xstate.stop") return { ...snapshot, status: "stopped", output: undefined, error: undefined };
    const [, id] = ENDED.exec(type) ?? [];
    if (id !== undefined) snapshot.context.onEnd(id, "error" in event ? event.error : undefined);
    return snapshot;
  },
};

/** The parent of all sessions of a server: with them in `server.actor.system`. */
export class SessionSupervisor {
  readonly #actor: AnyActorRef;
  readonly #onCrash: (error: unknown) => void;
  readonly #sessions = new Map<string, { readonly life: SessionLife; readonly send: (event: SessionEvent) => void }>();
  #count = 0;

  /** @param onCrash a session has thrown, which is a fault of ours: it alone has ended */
  constructor(parent: SessionParent, onCrash: (error: unknown) => void) {
    this.#onCrash = onCrash;
    const onEnd = (id: string, error: unknown): void => {
      const session = this.#sessions.get(id);
      this.#sessions.delete(id);
      if (error !== undefined && session !== undefined) this.crashed(session.life, error);
    };
    this.#actor = createActor(family, { parent, id: "sockjs", input: { onEnd } });
    this.#actor.start();
  }

  /** Starts the machine of a session. @returns what tells it an event */
  spawn(life: SessionLife): (event: SessionEvent) => void {
    const id = `session:${++this.#count}`;
    const actor = createActor(machine, { parent: this.#actor, id, input: { life } });
    const send = (event: SessionEvent): void => {
      // A response may end after its session.
      if (actor.getSnapshot().status === "active") actor.send(event);
    };
    this.#sessions.set(id, { life, send });
    actor.start();
    return send;
  }

  /** Something of a session has failed beside its machine. */
  crashed(life: SessionLife, error: unknown): void {
    life.crash();
    this.#onCrash(error);
  }

  /** The server has come to rest: what waits for a last request is given up. */
  end(): void {
    for (const { send } of [...this.#sessions.values()]) {
      send({ type: "lost" });
      send({ type: "expired" });
    }
    this.#actor.send({ type: "end" });
  }
}
