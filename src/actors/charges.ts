/** Counts failures against whoever caused them: more than `intensity` within `periodMs` are too many (design, supervision). */

export interface Intensity {
  readonly intensity: number;
  readonly periodMs: number;
}

export class Charges<K extends object> {
  readonly #limits: Intensity;
  readonly #times = new WeakMap<K, number[]>();

  constructor(limits: Intensity) {
    this.#limits = limits;
  }

  /** @returns whether that was one too many */
  charge(whom: K, now: number): boolean {
    const recent = (this.#times.get(whom) ?? []).filter((at) => now - at < this.#limits.periodMs);
    recent.push(now);
    this.#times.set(whom, recent);
    return recent.length > this.#limits.intensity;
  }
}
