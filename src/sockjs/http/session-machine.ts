/**
 * The state machine of a SockJS session over HTTP: connecting, open (with a receiver attached, or waiting for a receiver), closing,
 * closed. `HttpSession` sends the events and performs the actions. The machine stops in `closed`.
 */
import { type ActorRef, type AnyActorRef, createActor, type Snapshot, setup } from "xstate";
import type { Admission } from "../../transport/transport.js";
import type { ResponseReceiver } from "./response-receiver.js";

export type SessionEvent =
  | { readonly type: "admitted"; readonly admission: Admission }
  /** The client has requested frames. */
  | { readonly type: "attach"; readonly receiver: ResponseReceiver }
  /** This side has ended the response. */
  | { readonly type: "detached" }
  /** The program has closed the session. */
  | { readonly type: "close" }
  /** The network or this side has cut the response. */
  | { readonly type: "lost" }
  /** No receiver came within `disconnectDelayMs`. */
  | { readonly type: "expired" };

/** The actions of the machine. */
export interface SessionActions {
  /** Writes the open frame, then accepts the connection: frames from the handler come after the open frame. */
  open(admission: Admission): void;
  /** Continues with this receiver. */
  attachReceiver(receiver: ResponseReceiver): void;
  /** Answers a receiver with a close frame: another receiver is open, or the session is closing. */
  rejectReceiver(receiver: ResponseReceiver): void;
  /** Writes a heartbeat every `heartbeatIntervalMs`, until `stopTimer`. */
  startHeartbeats(): void;
  /** Sends `expired` after `disconnectDelayMs`, unless `stopTimer` comes first. */
  startDisconnectTimer(): void;
  /** Stops the heartbeats or the disconnect timer. */
  stopTimer(): void;
  /** Cuts the session; later receivers get `c[1002,"Connection interrupted"]`. */
  interrupt(): void;
  /** Cuts open responses, and tells the connection of the end if `onTransportClosed` is still due. */
  terminateReceivers(): void;
  /** Frees the session id, after `terminateReceivers`. */
  unregister(): void;
  /** Ends a session whose machine has thrown. */
  stop(): void;
}

interface SessionContext {
  readonly actions: SessionActions;
}

const machine = setup({
  types: { events: {} as SessionEvent, context: {} as SessionContext, input: {} as SessionContext },
  actions: {
    open: ({ context: { actions }, event }) => {
      if (event.type === "admitted") actions.open(event.admission);
    },
    attachReceiver: ({ context: { actions }, event }) => {
      if (event.type === "attach") actions.attachReceiver(event.receiver);
    },
    rejectReceiver: ({ context: { actions }, event }) => {
      if (event.type === "attach") actions.rejectReceiver(event.receiver);
    },
    startHeartbeats: ({ context: { actions } }) => actions.startHeartbeats(),
    startDisconnectTimer: ({ context: { actions } }) => actions.startDisconnectTimer(),
    stopTimer: ({ context: { actions } }) => actions.stopTimer(),
    interrupt: ({ context: { actions } }) => actions.interrupt(),
    terminateReceivers: ({ context: { actions } }) => actions.terminateReceivers(),
    unregister: ({ context: { actions } }) => actions.unregister(),
  },
}).createMachine({
  id: "session",
  // A copy of the input: XState strips the methods from a context that is a class instance.
  context: ({ input: { actions } }) => ({ actions }),
  initial: "connecting",
  states: {
    connecting: {
      on: { attach: { actions: "rejectReceiver" }, admitted: { target: "open", actions: "open" }, lost: "closed" },
    },
    open: {
      initial: "attached",
      states: {
        attached: {
          entry: "startHeartbeats",
          exit: "stopTimer",
          on: { attach: { actions: "rejectReceiver" }, detached: "waiting" },
        },
        waiting: {
          entry: "startDisconnectTimer",
          exit: "stopTimer",
          on: { attach: { target: "attached", actions: "attachReceiver" }, expired: "#session.closed" },
        },
      },
      on: { close: "closing", lost: { target: "closing", actions: "interrupt" } },
    },
    // Every receiver gets the close frame, and restarts the disconnect timer.
    closing: {
      entry: "startDisconnectTimer",
      exit: "stopTimer",
      on: {
        attach: { target: "closing", reenter: true, actions: "rejectReceiver" },
        lost: { actions: "terminateReceivers" },
        expired: "closed",
      },
    },
    closed: { type: "final", entry: "unregister" },
  },
});

export type SessionActor = ActorRef<Snapshot<unknown>, SessionEvent>;

/** Creates the machine of a session; the caller starts the actor. */
export function createSessionActor(parent: AnyActorRef, id: string, actions: SessionActions): SessionActor {
  return createActor(machine, { parent, id, input: { actions } });
}
