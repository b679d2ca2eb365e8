/** Places for connections: `maxConnections`, `maxConnectionsPerAddress`, and who waits for one (`whenFull`). */
import type { Clock } from "../runtime/clock.js";

export interface SlotLimits {
  /** 0 is no limit; so is it in the next. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly whenFull: "reject" | "wait";
  /** How many may wait. */
  readonly maxWaiting: number;
  /** How long each may wait. */
  readonly waitMs: number;
}

/** A taken place: given back once, whoever does it first. */
export type Release = () => void;

/** Where there is no limit nothing is counted: that would be a closure for each connection. */
const UNCOUNTED: Release = () => {};

interface Waiting {
  readonly address: string;
  readonly decide: (release: Release | undefined) => void;
}

export class Slots {
  readonly #limits: SlotLimits;
  readonly #clock: Clock;
  readonly #perAddress = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #taken = 0;

  constructor(limits: SlotLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** @returns what gives the place back; `undefined` if there is none, and none has become free in time */
  take(address: string, signal: () => AbortSignal): Release | undefined | Promise<Release | undefined> {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits;
    if (maxConnections === 0 && maxConnectionsPerAddress === 0) return UNCOUNTED;
    if (this.#hasRoom(address)) return this.#occupy(address);
    const { whenFull, maxWaiting } = this.#limits;
    // One address may have its share of the places, not of the queue.
    if (whenFull === "reject" || !this.#hasShare(address) || this.#waiting.size >= maxWaiting) return undefined;
    return this.#wait(address, signal());
  }

  /** Nobody waits any longer: the server is closing. */
  close(): void {
    for (const waiting of [...this.#waiting]) waiting.decide(undefined);
  }

  #hasRoom(address: string): boolean {
    const { maxConnections } = this.#limits;
    if (maxConnections > 0 && this.#taken >= maxConnections) return false;
    return this.#hasShare(address);
  }

  #hasShare(address: string): boolean {
    const { maxConnectionsPerAddress } = this.#limits;
    return maxConnectionsPerAddress === 0 || (this.#perAddress.get(address) ?? 0) < maxConnectionsPerAddress;
  }

  #occupy(address: string): Release {
    this.#taken++;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#free(address);
    };
  }

  #free(address: string): void {
    this.#taken--;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom(waiting.address)) continue;
      waiting.decide(this.#occupy(waiting.address));
      return;
    }
  }

  #wait(address: string, signal: AbortSignal): Promise<Release | undefined> | undefined {
    if (signal.aborted) return undefined;
    return new Promise((resolve) => {
      const giveUp = (): void => decide(undefined);
      const decide = (release: Release | undefined): void => {
        timer.cancel();
        signal.removeEventListener("abort", giveUp);
        this.#waiting.delete(waiting);
        resolve(release);
      };
      const waiting: Waiting = { address, decide };
      const timer = this.#clock.after(this.#limits.waitMs, giveUp);
      signal.addEventListener("abort", giveUp);
      this.#waiting.add(waiting);
    });
  }
}
