/**
 * The state machine of a client. `client.ts` starts an actor of the machine for each `connect`, as `client.actor`; the actor ends when
 * the client is closed. The machine decides when to dial, how long to wait and when to stop trying; bytes and the user's callbacks do
 * not pass through the machine.
 *
 * ```
 *                    ┌──────── after the delay ────────┐
 *                    ▼                                 │
 *   start ──▶ connecting ── failed, may retry ──▶ waiting
 *               │  │ │                             ▲   │
 *               │  │ └ opened ─▶ open ── lost, may ┘   │
 *               │  │              │ │    retry         │
 *               │  │ close()      │ │ close()          │ close()
 *               │  └──▶ closing ◀─┼─┴──────────────────┘
 *               │          │      │
 *        failed │          │ ended│ closed for good, or no retry left
 *      for good └───────▶ closed ◀┘
 * ```
 */
import { type ActorRef, assign, createActor, type Snapshot, setup } from "xstate";
import { NORMAL } from "../api/close-codes.js";

/** The state of a client. */
export type ClientState = "connecting" | "open" | "waiting" | "closing" | "closed";

/**
 * An event in the life of a client: the socket has opened (`opened`) or ended (`ended`), the first message of a connection has come
 * (`heard`), or the user closes the client (`close`).
 */
export type ClientEvent =
  | { readonly type: "opened" }
  | { readonly type: "heard" }
  | {
      readonly type: "ended";
      /** Whether another connection would end in the same way. */
      readonly isFinal: boolean;
    }
  | {
      readonly type: "close";
      /** The close code to send (RFC 6455 section 7.4). */
      readonly code: number;
      /** The reason to send, of 123 bytes at most. */
      readonly reason: string;
    };

/** The context of a client's machine. */
export interface ClientContext {
  /** How many retries in a row the client has made without success. */
  readonly retries: number;
  /** How long the client waits, or waited last, before it connects again, in milliseconds. */
  readonly delayMs: number;
}

/** The snapshot of a client's actor. */
export type ClientSnapshot = Snapshot<unknown> & {
  /** The state of the client. */
  readonly value: ClientState;
  /** The context of the machine. */
  readonly context: ClientContext;
};

/** The actor of a client. */
export type ClientActor = ActorRef<ClientSnapshot, ClientEvent>;

/** When and how often to connect again. */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: number;
  readonly attempts: number;
}

/** The source of a client's timers and random numbers. */
export interface ClientClock {
  setTimeout(ring: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  /** A random number from 0 up to but not including 1. */
  random(): number;
}

/**
 * The machine's control of the current socket. Each `dial` MUST be followed by exactly one `ended`; none of the three methods may send
 * an event to the machine before the method has returned.
 */
export interface SocketControl {
  dial(): void;
  /** Starts the close handshake, or cancels dialling. */
  close(code: number, reason: string): void;
  /** Cuts the socket, because the peer does not answer. */
  terminate(): void;
}

/** The dependencies of a machine. */
export interface MachineParts {
  readonly socket: SocketControl;
  readonly clock: ClientClock;
  /** `false`: never connect again. */
  readonly reconnect: Backoff | false;
}

/** The longest time in which a Sendall server accepts a connection: 10 s each for the request, for a free place and for `authorize`. */
const CONNECT_TIMEOUT_MS = 30_000;
/** The time that a Sendall server waits for the answer to its close frame. */
const CLOSE_TIMEOUT_MS = 5_000;

/** How long to wait after a number of failed retries, in milliseconds. */
function delayAfter(retries: number, { minMs, maxMs, factor, jitter }: Backoff, random: number): number {
  return Math.min(maxMs, minMs * factor ** retries) * (1 - jitter * random);
}

/** Makes and starts the machine of a client, which dials at once. */
export function startMachine({ socket, clock, reconnect }: MachineParts): ClientActor {
  const types = { context: {} as ClientContext, events: {} as ClientEvent };
  const retry = { target: "waiting", guard: "mayRetry", actions: "planRetry" } as const;
  const machine = setup({
    types,
    guards: {
      mayRetry: ({ context, event }) =>
        event.type === "ended" && !event.isFinal && reconnect !== false && context.retries < reconnect.attempts,
    },
    actions: {
      dial: () => socket.dial(),
      terminate: () => socket.terminate(),
      close: (_, { code, reason }: { code: number; reason: string }) => socket.close(code, reason),
      planRetry: assign(({ context: { retries } }) => ({
        retries: retries + 1,
        delayMs: reconnect === false ? 0 : delayAfter(retries, reconnect, clock.random()),
      })),
      // Not run on opening: a server that accepts each connection and closes it at once needs growing delays, like a silent server.
      resetRetries: assign({ retries: 0 }),
    },
    delays: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      closeTimeout: CLOSE_TIMEOUT_MS,
      backoff: ({ context }) => context.delayMs,
      stableAfter: reconnect === false ? 0 : reconnect.minMs,
    },
  }).createMachine({
    id: "client",
    context: { retries: 0, delayMs: 0 },
    initial: "connecting",
    states: {
      connecting: {
        entry: "dial",
        after: { connectTimeout: { actions: "terminate" } },
        on: { opened: "open", ended: [retry, "closed"], close: "closing" },
      },
      open: {
        after: { stableAfter: { actions: "resetRetries" } },
        on: { heard: { actions: "resetRetries" }, ended: [retry, "closed"], close: "closing" },
      },
      waiting: {
        after: { backoff: "connecting" },
        on: { close: "closing" },
      },
      closing: {
        entry: {
          type: "close",
          params: ({ event }) => (event.type === "close" ? event : NORMAL),
        },
        after: { closeTimeout: { actions: "terminate" } },
        on: { ended: "closed" },
      },
      closed: { type: "final" },
    },
  });
  return createActor(machine, { id: "client", clock }).start();
}
