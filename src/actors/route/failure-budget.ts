/**
 * The failure budget of each connection or handler: more than `intensity` failures within `periodMs` exceed the budget.
 * `Supervision` spends from a budget at each failure; a budget lasts as long as the connection or handler.
 */

export interface Intensity {
  readonly intensity: number;
  readonly periodMs: number;
}

/** When an event failed, and how long the event delayed the events behind. */
export interface FailedAt {
  readonly now: number;
  /** How long the failed event was under way. */
  readonly tookMs: number;
  /** Stands for the serial sequence to which the failed event belongs. */
  readonly sequence: object;
}

/**
 * The period leaves out the time taken by failing events, since nothing else of the sequence could fail meanwhile: a message that
 * hangs until `handlerTimeoutMs`, which is longer than the period, counts as much as a message that throws at once.
 */
export class FailureBudget<K extends object> {
  readonly #limits: Intensity;
  readonly #times = new WeakMap<K, number[]>();
  /** How much time failing events have taken, by sequence. */
  readonly #lostMs = new WeakMap<object, number>();

  constructor(limits: Intensity) {
    this.#limits = limits;
  }

  /** @returns whether the budget is exceeded */
  spend(culprit: K, { now, tookMs, sequence }: FailedAt): boolean {
    const lostMs = (this.#lostMs.get(sequence) ?? 0) + tookMs;
    this.#lostMs.set(sequence, lostMs);
    const at = now - lostMs;
    const recent = (this.#times.get(culprit) ?? []).filter((earlier) => at - earlier < this.#limits.periodMs);
    recent.push(at);
    this.#times.set(culprit, recent);
    return recent.length > this.#limits.intensity;
  }
}
