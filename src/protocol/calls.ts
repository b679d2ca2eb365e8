/** The calls of a client, or of a channel of a client, until settled: each exactly once, by an answer, a loss, a timeout, an abort or the end. */
import { SendallError, type SendallErrorCode } from "../api/errors.js";
import { isPromiseLike } from "../runtime/promises.js";
import { type Checked, check, invalid } from "./check.js";
import { readMembers } from "./names.js";
import { refusalOf } from "./refusal.js";
import type { Schema } from "./standard-schema.js";
import { callText, IS_WORDY, refuseOption } from "./texts.js";
import type { Parts } from "./wire.js";

/** How a connection began (`why`), or ended; empty for a client that is closed. */
export interface LineEvent {
  readonly why?: string;
  readonly code?: number;
  readonly willRetry?: boolean;
}

/** What a client has for the calls of its own, and of its channels. */
export type Line = readonly [
  /** Called when a connection has opened, before what waits is sent, and when a connection has ended. */
  listeners: Set<(event: LineEvent) => void>,
  /** Whether the present session may go on. */
  isKept: () => unknown,
  /** Whether a call still waits for a socket. */
  waits: (call: object) => boolean,
  /** Takes a call that waits for a socket out of the queue; what a socket has taken goes on for nobody. */
  leave: (call: object) => unknown,
  timers: { setTimeout(ring: () => void, ms: number): unknown; clearTimeout(timer: unknown): void },
];

/** A call that waits: takes its answer, or hears that there will be none; without either, that a signal was aborted. */
type Call = (parts?: Parts, code?: SendallErrorCode) => void;

interface Calls {
  /** Throws for wrong options, and what `encode` throws. */
  make(
    name: string,
    output: Schema,
    encode: (id: number) => string,
    options: object | undefined,
    resolve: (answer: unknown) => void,
    reject: (reason: unknown) => void,
  ): void;
  onAnswer(parts: Parts): void;
  /** The client, or the channel, has ended. */
  end(): void;
}

/** The part of an `AbortSignal` that is used. */
interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The longest time of a timer, which counts in 32 bits. */
const MAX_MS = 0x7fffffff;

function readOptions(options: object): { readonly timeoutMs: number; readonly signal: Signal | undefined } {
  if (IS_WORDY && Object(options) !== options) refuseOption("options", "expected { timeoutMs, signal }");
  const { timeoutMs = 5_000, signal } = readMembers("", options, ["timeoutMs", "signal"]) as {
    timeoutMs?: number;
    signal?: Signal;
  };
  if (timeoutMs !== (timeoutMs & MAX_MS))
    refuseOption("timeoutMs", `expected a whole number of milliseconds from 0 to ${MAX_MS}`);
  if (IS_WORDY && signal !== undefined && typeof signal?.addEventListener !== "function")
    refuseOption("signal", "expected an AbortSignal");
  return { timeoutMs, signal };
}

/**
 * @param post hands a call over. `false` if not taken
 * @param isOver whether the client or channel has ended
 */
export function createCalls(
  bounds: object,
  post: (text: string, call: object) => boolean,
  isOver: () => boolean,
  [listeners, isKept, waits, leave, timers]: Line,
): Calls {
  const { maxPending = 256 } = readMembers("calls.", bounds, ["maxPending"]) as { maxPending?: number };
  if (!(maxPending >= 1 && Math.floor(maxPending) === maxPending))
    refuseOption("calls.maxPending", "expected a whole number from 1, or Infinity");
  const calls = new Map<unknown, Call>();
  /** Of the calls with a signal. A signal has a single listener, however many calls: Node warns of many. */
  const signals = new Map<number, Signal>();
  let last = 0;
  const lose = (code: SendallErrorCode, isAll?: boolean): void => {
    for (const call of calls.values()) if (isAll || !waits(call)) call(undefined, code);
  };
  const onLine = ({ why, code = 0, willRetry }: LineEvent): void => {
    // Codes 1005 and 1006: there was no close frame, or none with a code.
    if (why ? why !== "resumed" : willRetry ? !isKept() : !((code - 1_005) >> 1)) lose("CONNECTION_LOST");
    if (!(why || willRetry)) end();
  };
  const end = (): void => {
    listeners.delete(onLine);
    lose("CLOSED", true);
  };
  const onAbort = (): void => {
    for (const call of calls.values()) call();
  };
  listeners.add(onLine);
  return {
    end,
    onAnswer: (parts) => calls.get(parts[0])?.(parts),
    make(name, output, encode, options = {}, resolve, reject) {
      const { timeoutMs, signal } = readOptions(options);
      // Schemas may call and abort, too.
      const id = ++last;
      const text = encode(id);
      if (signal?.aborted) throw signal.reason;
      let isAnswered = false;
      const settle = <T>(act: (value: T) => void, value: T): void => {
        if (!calls.delete(id)) return;
        timers.clearTimeout(timer);
        signals.delete(id);
        if (signal && ![...signals.values()].includes(signal)) signal.removeEventListener("abort", onAbort);
        leave(call);
        act(value);
      };
      const fail = (code: SendallErrorCode, isSent = !waits(call)): void =>
        settle(reject, new SendallError(code, `${name}: ${callText(code, isSent)}`));
      const finish = (checked: Checked): void =>
        checked.issues ? settle(reject, invalid(name, checked, "CALL_FAILED")) : settle(resolve, checked.value);
      const call: Call = (parts, code) => {
        if (signal?.aborted) settle(reject, signal.reason);
        else if (isAnswered) return;
        else if (code) fail(code);
        else if (!parts) return;
        else if (parts.length > 2) settle(reject, refusalOf("CALL_REFUSED", name, parts[2]));
        else {
          isAnswered = true;
          const checked = check(output, parts[1]);
          if (isPromiseLike(checked)) checked.then(finish);
          else finish(checked);
        }
      };
      const timer = timers.setTimeout(() => fail("CALL_TIMEOUT"), timeoutMs);
      if (signal) signals.set(id, signal);
      signal?.addEventListener("abort", onAbort);
      // Before the call is handed over: the answer may come before `post` has returned.
      calls.set(id, call);
      if (calls.size > maxPending || !post(text, call)) fail(isOver() ? "CLOSED" : "TOO_MANY_CALLS", false);
    },
  };
}
