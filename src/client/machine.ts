/**
 * The state machine of a client: a pure function from a state and an event to the next state and what the client has to do. `client.ts`
 * steps the machine; a client's machine ends with `closed`. The machine decides when to dial, how long to wait, when the server counts as
 * silent and when to stop trying; bytes and the user's callbacks do not pass through the machine.
 *
 * ```
 *                    ┌─── after the delay, or hinted ──┐
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

/** The state of a client. */
export type ClientState = "connecting" | "open" | "waiting" | "closing" | "closed";

/** When and how often to connect again. */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: number;
  readonly attempts: number;
}

/** The states of a client's machine. */
export interface Machine {
  readonly state: ClientState;
  /** How many retries in a row the client has made without success. */
  readonly retries: number;
  /** Multiplies `limitMs`: doubled by a drop for silence, 1 again with a message. */
  readonly patience: number;
  /** How long the server of the present connection may be silent, in milliseconds; 0 for ever. */
  readonly limitMs: number;
  /** How many times in a row the client waits for a sign of life that it has asked for; 0 if it has not asked. */
  readonly waits: number;
}

/**
 * The events of the machine. For some, `step` takes more:
 *
 * - `upgraded`: the socket is open, but the welcome of the server has not come.
 * - `opened`: the connection is open. `limitMs` is the longest silence of the server, as the welcome announces; 0 for none.
 * - `heard`: a sign of life has come from the server; `isMessage` says whether it is a message.
 * - `ended`: the socket has ended. `isFinal`: another connection would end in the same way. `random` is from 0 up to but not including 1.
 * - `close`: the user closes the client.
 * - `hint`: the network or the page is back: a good moment to dial, and to find out whether an open connection lives.
 * - `phase`, `silence`: the alarm of the state rings, or the alarm for a silent server, `lateMs` after its time; negative if the clock
 *   was set back. `silentMs` is the time since anything came from the server.
 */
export type MachineEvent =
  | readonly [type: "upgraded" | "close" | "hint"]
  | readonly [type: "heard", isMessage: boolean]
  | readonly [type: "opened", limitMs: number]
  | readonly [type: "ended", isFinal: boolean, random: number]
  | readonly [type: "phase" | "silence", lateMs: number, silentMs: number];

/**
 * What the client has to do after a step. `act` is a method of the current socket; a `dial` MUST be followed by exactly one `ended`.
 * Each alarm replaces its predecessor. The alarm for a silent server ends with the state `open`, the other with the client.
 */
export interface Effect {
  readonly act?: "dial" | "ask" | "terminate" | "close";
  /** After how long the alarm of the state rings. */
  readonly phaseMs?: number;
  /** After how long the alarm for a silent server rings. */
  readonly silenceMs?: number;
}

export type Step = readonly [next: Machine, effect: Effect];

/** What changes of a machine, and what the client has to do; nothing, if absent. */
type Reaction = readonly [changes?: Partial<Machine>, effect?: Effect];

/** The longest time in which a Sendall server accepts a connection: 10 s each for the request, for a free place and for `authorize`. */
const CONNECT_MS = 30_000;
/** How long the welcome may take, which a Sendall server sends together with the response to the upgrade. */
const WELCOME_MS = 10_000;
/** How long the answer may take, to a close frame as a Sendall server waits for the answer, and to the question for a sign of life. */
const ANSWER_MS = 5_000;
/** Patience grows up to this limit, in milliseconds. */
const MAX_LIMIT_MS = 600_000;
/** An alarm that rings later says that the process was held up, and unread bytes may be waiting. */
const HELD_UP_MS = 1_000;
/** An alarm that rings later, or as much too early, says that the clock has jumped: the device has slept, or the clock was set. */
const JUMP_MS = 5_000;

/** The first state of a client, which dials at once. */
export const START: Step = [
  { state: "connecting", retries: 0, patience: 1, limitMs: 0, waits: 0 },
  { act: "dial", phaseMs: CONNECT_MS },
];

const ASK: Reaction = [{ waits: 1 }, { act: "ask", silenceMs: ANSWER_MS }];

/** After which silence the client drops the connection. */
function dueAfter({ limitMs, patience }: Pick<Machine, "limitMs" | "patience">): number {
  return Math.max(limitMs, Math.min(limitMs * patience, MAX_LIMIT_MS));
}

/** Waits for a part of the time, so that a jump of the clock is noticed early. @param leftMs of the time that `dueAfter` tells */
function listen(dueMs: number, leftMs = dueMs): Effect {
  return { silenceMs: Math.min(leftMs, Math.max(dueMs / 4, HELD_UP_MS), MAX_LIMIT_MS) };
}

function onSilence(machine: Machine, lateMs: number, silentMs: number): Reaction {
  const { waits, patience } = machine;
  const dueMs = dueAfter(machine);
  const isHeldUp = lateMs > HELD_UP_MS;
  // The answer may be among the unread bytes.
  if (waits === 1 && isHeldUp) return [{ waits: 2 }, { silenceMs: ANSWER_MS }];
  const isOver = silentMs >= dueMs;
  // The patience for the next connection: a long message over a slow line must arrive once.
  if (waits || (isOver && !isHeldUp)) return [{ patience: patience * 2 }, { act: "terminate" }];
  // Timers of a hidden page ring up to a minute late; a server that was heard shortly before needs no question.
  const hasJumped = lateMs < -JUMP_MS || (lateMs > JUMP_MS && silentMs >= dueMs * 0.75);
  return isOver || hasJumped ? ASK : [{}, listen(dueMs, dueMs - Math.max(silentMs, 0))];
}

function react(
  machine: Machine,
  backoff: Backoff | false,
  type: string,
  first: number | boolean | undefined,
  second: number,
): Reaction {
  const { state, retries, patience, waits } = machine;
  const ms = first as number;
  if (state === "closed") return [];
  if (type === "close") return [{ state: "closing" }, { act: "close", phaseMs: ANSWER_MS }];
  if (type === "ended") {
    if (state === "closing" || first || !backoff || retries >= backoff.attempts) return [{ state: "closed" }];
    const { minMs, maxMs, factor, jitter } = backoff;
    return [
      { state: "waiting", retries: retries + 1, waits: 0 },
      // A power beyond all numbers would make no wait (0) no number.
      { phaseMs: (minMs && Math.min(maxMs, minMs * factor ** retries)) * (1 - jitter * second) },
    ];
  }
  switch (`${state} ${type}`) {
    case "open silence":
      return onSilence(machine, ms, second);
    case "connecting upgraded":
      return [{}, { phaseMs: WELCOME_MS }];
    case "connecting opened":
      return [
        { state: "open", limitMs: ms },
        // No time without a backoff: no alarm.
        { phaseMs: (backoff as Backoff).minMs, ...(ms && listen(dueAfter({ limitMs: ms, patience }))) },
      ];
    case "connecting phase":
    case "closing phase":
      // The answer may be among the unread bytes.
      return [{}, ms > HELD_UP_MS ? { phaseMs: ANSWER_MS } : { act: "terminate" }];
    case "waiting phase":
    case "waiting hint":
      return [{ state: "connecting" }, START[1]];
    case "open hint":
      return machine.limitMs && !waits ? ASK : [];
    // Not at once on opening: a server that accepts each connection and closes it at once needs growing delays, like a silent server.
    case "open phase":
      return [{ retries: 0 }];
    case "open heard":
      return [{ waits: 0, ...(first && { retries: 0, patience: 1 }) }, waits ? listen(dueAfter(machine)) : {}];
    default:
      return [];
  }
}

/** The next state, and what the client has to do. @param backoff `false`: never connect again */
export function step(machine: Machine, backoff: Backoff | false, ...[type, first, second = 0]: MachineEvent): Step {
  const [changes, effect = {}] = react(machine, backoff, type, first, second);
  return [{ ...machine, ...changes }, effect];
}
