/**
 * The life of a client as a machine. `client.ts` starts one for each `connect`; `client.actor` is this actor. The machine
 * decides when to dial, how long to wait and when to give up; bytes and the user's callbacks pass beside it.
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

/** What a client is doing. */
export type ClientState = "connecting" | "open" | "waiting" | "closing" | "closed";

/**
 * What happens to a client: its socket is open (`opened`) or gone (`ended`), the first message of a connection has come (`heard`),
 * or the user closes it (`close`).
 */
export type ClientEvent =
  | { readonly type: "opened" }
  | { readonly type: "heard" }
  | {
      readonly type: "ended";
      /** Connecting again would end in the same way. */
      readonly isFinal: boolean;
    }
  | {
      readonly type: "close";
      /** The close code to send (RFC 6455 section 7.4). */
      readonly code: number;
      /** The reason to send, of 123 bytes at most. */
      readonly reason: string;
    };

/** What a client's machine remembers. */
export interface ClientContext {
  /** How many times in a row it has connected again, or tried to, without success. */
  readonly retries: number;
  /** How long it waits, or waited last, before it connects again, in milliseconds. */
  readonly delayMs: number;
}

/** The state of a client's actor. */
export type ClientSnapshot = Snapshot<unknown> & {
  /** What it is doing. */
  readonly value: ClientState;
  /** What it remembers. */
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

/** What a client takes its time and its chance from. */
export interface ClientClock {
  setTimeout(ring: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  /** From 0 up to, but without, 1. */
  random(): number;
}

/**
 * The machine's hand on the socket. Each `dial` MUST be followed by one `ended`; none of the three calls may answer with an
 * event before it has returned.
 */
export interface ClientLine {
  dial(): void;
  /** Starts the close handshake, or gives up dialling. */
  close(code: number, reason: string): void;
  /** Gives the socket up: its peer does not answer. */
  drop(): void;
}

/** What a machine needs to live. */
export interface ClientParts {
  readonly line: ClientLine;
  readonly clock: ClientClock;
  /** `false`: never connect again. */
  readonly reconnect: Backoff | false;
}

/** As long as a Sendall server may take to let somebody in: 10 s each for the request, for a free place and for `authorize`. */
const CONNECT_TIMEOUT_MS = 30_000;
/** As long as a Sendall server waits for the answer to its close frame. */
const CLOSE_TIMEOUT_MS = 5_000;

/** How long to wait after so many retries in vain. */
function delayAfter(retries: number, { minMs, maxMs, factor, jitter }: Backoff, random: number): number {
  return Math.min(maxMs, minMs * factor ** retries) * (1 - jitter * random);
}

/** Makes the machine of one client and starts it: it dials at once. */
export function startClient({ line, clock, reconnect }: ClientParts): ClientActor {
  const types = { context: {} as ClientContext, events: {} as ClientEvent };
  const retry = { target: "waiting", guard: "mayRetry", actions: "planRetry" } as const;
  const machine = setup({
    types,
    guards: {
      mayRetry: ({ context, event }) =>
        event.type === "ended" && !event.isFinal && reconnect !== false && context.retries < reconnect.attempts,
    },
    actions: {
      dial: () => line.dial(),
      drop: () => line.drop(),
      hangUp: (_, { code, reason }: { code: number; reason: string }) => line.close(code, reason),
      planRetry: assign(({ context: { retries } }) => ({
        retries: retries + 1,
        delayMs: reconnect === false ? 0 : delayAfter(retries, reconnect, clock.random()),
      })),
      // Not on opening: a server that lets everybody in and closes at once is to be spared as one that does not answer.
      forgetRetries: assign({ retries: 0 }),
    },
    delays: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      closeTimeout: CLOSE_TIMEOUT_MS,
      backoff: ({ context }) => context.delayMs,
      proof: reconnect === false ? 0 : reconnect.minMs,
    },
  }).createMachine({
    id: "client",
    context: { retries: 0, delayMs: 0 },
    initial: "connecting",
    states: {
      connecting: {
        entry: "dial",
        after: { connectTimeout: { actions: "drop" } },
        on: { opened: "open", ended: [retry, "closed"], close: "closing" },
      },
      open: {
        after: { proof: { actions: "forgetRetries" } },
        on: { heard: { actions: "forgetRetries" }, ended: [retry, "closed"], close: "closing" },
      },
      waiting: {
        after: { backoff: "connecting" },
        on: { close: "closing" },
      },
      closing: {
        entry: {
          type: "hangUp",
          params: ({ event }) => (event.type === "close" ? event : NORMAL),
        },
        after: { closeTimeout: { actions: "drop" } },
        on: { ended: "closed" },
      },
      closed: { type: "final" },
    },
  });
  return createActor(machine, { id: "client", clock }).start();
}
