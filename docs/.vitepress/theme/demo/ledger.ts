/** What became of the messages in one direction of one side. Each message has a number, and the ledger hears of each that is sent and each that arrives. */

export type Fate = "waits" | "arrived" | "lost" | "twice";

export interface Counts {
  readonly sent: number;
  /** Each message counts once, however often it has arrived. */
  readonly arrived: number;
  readonly lost: number;
  readonly twice: number;
  readonly waiting: number;
}

export class Ledger {
  readonly #fates = new Map<number, Fate>();
  readonly #arrivals: number[] = [];

  /** Every number that has arrived, in the order of arrival. */
  get arrivals(): readonly number[] {
    return this.#arrivals;
  }

  /** @param isOnItsWay `false` if there was no connection to take the message */
  sent(n: number, isOnItsWay: boolean): void {
    this.#fates.set(n, isOnItsWay ? "waits" : "lost");
  }

  arrived(n: number): void {
    this.#arrivals.push(n);
    this.#fates.set(n, this.#fates.get(n) === "arrived" ? "twice" : "arrived");
  }

  /** The connection has ended, or another has begun: nothing more of the earlier one can arrive. */
  startAfresh(): void {
    for (const [n, fate] of this.#fates) if (fate === "waits") this.#fates.set(n, "lost");
  }

  fateOf(n: number): Fate | undefined {
    return this.#fates.get(n);
  }

  counts(): Counts {
    const of = (...fates: Fate[]): number => [...this.#fates.values()].filter((fate) => fates.includes(fate)).length;
    return {
      sent: this.#fates.size,
      arrived: of("arrived", "twice"),
      lost: of("lost"),
      twice: of("twice"),
      waiting: of("waits"),
    };
  }
}
