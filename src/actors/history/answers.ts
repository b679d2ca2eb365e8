/**
 * The answers of a store: checked, since the store may be the program's own, and waited for if the store takes its time. A history has one `Answers`,
 * which ends with the history.
 */
import { SendallError } from "../../api/errors.js";
import type { HistoryReading, StoredMessage } from "../../api/history-store.js";
import { isRecord } from "../../options/kinds.js";
import type { Clock } from "../../runtime/clock.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { show } from "../../runtime/show.js";
import { messageOf } from "../../runtime/thrown.js";

export interface AnswersParts {
  readonly clock: Clock;
  /** A store that takes longer has failed. */
  readonly timeoutMs: number;
}

/** How the wait for an answer went; `undefined` if the answer is not wanted any more. */
type Awaited = HistoryReading | undefined;

export class Answers {
  readonly #parts: AnswersParts;
  readonly #giveUps = new Set<() => void>();
  #hasStopped = false;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  /** What `read` answers, or the promise of that. Throws, or rejects, `HISTORY_UNAVAILABLE`. */
  ask(read: () => unknown): HistoryReading | Promise<HistoryReading> {
    if (this.#hasStopped) throw closed();
    try {
      const reading = read();
      return isPromiseLike(reading) ? Promise.resolve(reading).then(checkReading) : checkReading(reading);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * Waits for an answer. Rejects with `HISTORY_UNAVAILABLE` if the store fails, or takes too long.
   *
   * @param onBegun gets a function that ends the wait
   */
  wait(reading: Promise<HistoryReading>, onBegun: (giveUp: () => void) => void = () => {}): Promise<Awaited> {
    const { clock, timeoutMs } = this.#parts;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        timer.cancel();
        this.#giveUps.delete(giveUp);
        settle();
      };
      const giveUp = (): void => end(() => resolve(undefined));
      const fail = (error: unknown): void => end(() => reject(unavailable(error)));
      const timer = clock.after(timeoutMs, () => fail(new Error(`the store did not answer within ${timeoutMs} ms`)));
      this.#giveUps.add(giveUp);
      onBegun(giveUp);
      reading.then((answer) => end(() => resolve(answer)), fail);
    });
  }

  /** Nothing is wanted any more, and the store is asked no more. */
  stop(): void {
    this.#hasStopped = true;
    for (const giveUp of this.#giveUps) giveUp();
  }
}

export function closed(): SendallError {
  return unavailable(new Error("the server has closed"));
}

function unavailable(cause: unknown): SendallError {
  if (cause instanceof SendallError && cause.code === "HISTORY_UNAVAILABLE") return cause;
  return new SendallError("HISTORY_UNAVAILABLE", `history: the store cannot be read: ${messageOf(cause)}`, { cause });
}

const OUTCOMES: ReadonlySet<unknown> = new Set<HistoryReading["outcome"]>(["complete", "gap", "unknown"]);

/** Throws if a store has answered with something else than a reading. */
function checkReading(reading: unknown): HistoryReading {
  if (!isRecord(reading)) throw new TypeError(`the store answered ${show(reading)}: expected a reading`);
  const { outcome, entries, position } = reading;
  if (!OUTCOMES.has(outcome))
    throw new TypeError(`the store answered outcome ${show(outcome)}: expected "complete", "gap" or "unknown"`);
  if (typeof position !== "string")
    throw new TypeError(`the store answered position ${show(position)}: expected a string`);
  if (!Array.isArray(entries) || !entries.every(isStored))
    throw new TypeError("the store answered entries that are no list of messages with bytes and positions");
  return reading as object as HistoryReading;
}

/** Whether a store has answered with a message, or handed over a message. */
export function isStored(entry: unknown): entry is StoredMessage {
  return isRecord(entry) && entry.bytes instanceof Uint8Array && typeof entry.position === "string";
}
