/**
 * Counts failures against the connection or handler that caused them: more than `intensity` within `periodMs` are too many (design,
 * supervision). The route asks at each failure.
 */

export interface Intensity {
  readonly intensity: number;
  readonly periodMs: number;
}

/** When an event failed, and what time it took from the events behind it. */
export interface FailedAt {
  readonly now: number;
  /** How long the failed event was under way. */
  readonly tookMs: number;
  /** Stands for the events that are handled one after another with the failed one. */
  readonly line: object;
}

/**
 * The period leaves out the time that failing events took, since nothing else of their line could fail meanwhile: a message that hangs
 * until `handlerTimeoutMs`, which is longer than the period, counts as much as a message that throws at once.
 */
export class FailureBudget<K extends object> {
  readonly #limits: Intensity;
  readonly #times = new WeakMap<K, number[]>();
  /** How much time failing events have taken, by line. */
  readonly #lostMs = new WeakMap<object, number>();

  constructor(limits: Intensity) {
    this.#limits = limits;
  }

  /** @returns whether that was one too many */
  spend(whom: K, { now, tookMs, line }: FailedAt): boolean {
    const lostMs = (this.#lostMs.get(line) ?? 0) + tookMs;
    this.#lostMs.set(line, lostMs);
    const at = now - lostMs;
    const recent = (this.#times.get(whom) ?? []).filter((earlier) => at - earlier < this.#limits.periodMs);
    recent.push(at);
    this.#times.set(whom, recent);
    return recent.length > this.#limits.intensity;
  }
}
