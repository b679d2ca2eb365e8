/**
 * A token bucket: fills at a steady rate up to a burst, and says how long a cost has to wait. The gate has a bucket for upgrades; a route
 * with a budget has up to three buckets for each connection or key. A bucket holds no timer.
 */

/**
 * Waits are whole microseconds, rounded down, and what is left of a microsecond is no wait: the third of three tokens a second comes at the full
 * second. Sums of fractions end a hair's breadth below the whole.
 */
const PER_MS = 1_000;
const HAIR = 0.001;

export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #level: number;
  #readAt: number;

  /** The bucket is full at first. @param burst how many tokens fit */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#level = burst;
    this.#readAt = now;
  }

  /** How long until the cost may be taken, in milliseconds; 0 for now. A cost beyond the burst waits for a full bucket, no longer. */
  waitMs(cost: number, now: number): number {
    return this.#msUntil(Math.min(cost, this.#burst), now);
  }

  /** How long until the bucket is full. */
  fullInMs(now: number): number {
    return this.#msUntil(this.#burst, now);
  }

  /** Takes the cost, with tokens or without: what is missing is a debt, which the next cost waits for. */
  take(cost: number, now: number): void {
    this.#fill(now);
    this.#level -= cost;
  }

  #msUntil(level: number, now: number): number {
    this.#fill(now);
    const waitMs = ((level - this.#level) / this.#perSecond) * 1_000;
    const micros = Math.floor(waitMs * PER_MS + HAIR);
    return micros > 1 ? micros / PER_MS : 0;
  }

  #fill(now: number): void {
    const passedMs = now - this.#readAt;
    if (passedMs <= 0) return;
    this.#readAt = now;
    this.#level = Math.min(this.#level + (passedMs * this.#perSecond) / 1_000, this.#burst);
  }
}
