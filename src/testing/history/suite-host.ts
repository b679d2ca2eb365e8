/** The server of a store under test: a clock that the test moves, and turns that end soon, or when the test says so. One for each `open`. */
import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers";
import type { HistoryHost, HistoryLimits } from "../../api/history-store.js";
import { createLogger } from "../../log/log.js";
import { HandClock } from "../runtime/clock.js";

const AMPLE: HistoryLimits = { maxMessages: 5_000, maxBytes: 64 * 1_048_576, maxAgeMs: 3_600_000, maxRooms: 1_000 };

/** A clock that begins at a time of today, and that servers of a test share. */
export function createHandClock(now: number): HandClock {
  const clock = new HandClock((step) => setImmediate(step));
  clock.pass(Math.floor(now));
  return clock;
}

export class SuiteHost implements HistoryHost {
  readonly clock: HandClock;
  readonly log: HistoryHost["log"] = createLogger(false, "test");
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly maxRooms: number;
  /** What the store has reported as lost. */
  readonly losses: unknown[] = [];
  #steps: (() => void)[] = [];

  constructor(clock: HandClock, limits: Partial<HistoryLimits>) {
    this.clock = clock;
    this.maxMessages = limits.maxMessages ?? AMPLE.maxMessages;
    this.maxBytes = limits.maxBytes ?? AMPLE.maxBytes;
    this.maxAgeMs = limits.maxAgeMs ?? AMPLE.maxAgeMs;
    this.maxRooms = limits.maxRooms ?? AMPLE.maxRooms;
  }

  newEpoch(): string {
    return randomBytes(6).toString("hex");
  }

  atTurnEnd(step: () => void): void {
    this.#steps.push(step);
    if (this.#steps.length === 1) setImmediate(() => this.endTurn());
  }

  lost(_count: number, error: unknown): void {
    this.losses.push(error);
  }

  endTurn(): void {
    const steps = this.#steps;
    this.#steps = [];
    for (const step of steps) step();
  }
}
