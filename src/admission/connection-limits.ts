/**
 * Connection limits: counts the connections of a server and of each address (`maxConnections`, `maxConnectionsPerAddress`), and keeps the
 * queue of attempts that wait for a free slot (`whenFull: "wait"`). The gate acquires a slot for each attempt.
 */
import type { Clock } from "../runtime/clock.js";

export interface ConnectionLimitSettings {
  /** 0 is no limit. */
  readonly maxConnections: number;
  /** 0 is no limit. */
  readonly maxConnectionsPerAddress: number;
  readonly whenFull: "reject" | "wait";
  /** How many attempts may wait. */
  readonly maxWaiting: number;
  /** How long each attempt may wait. */
  readonly waitMs: number;
}

/** Frees an acquired slot. Only the first call counts. */
export type Release = () => void;

/** Without limits nothing is counted, which saves a closure per connection. */
const UNLIMITED: Release = () => {};

/** An attempt that waits for a free slot. */
interface Waiter {
  readonly address: string;
  /** Ends the wait: with a slot, or without. */
  readonly settle: (release: Release | undefined) => void;
}

export class ConnectionLimits {
  readonly #settings: ConnectionLimitSettings;
  readonly #clock: Clock;
  readonly #countByAddress = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  #count = 0;

  constructor(settings: ConnectionLimitSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /**
   * @param signal asked for only if the attempt has to wait; its abort ends the wait
   * @returns what frees the slot; `undefined` if no slot is free, or none became free in time
   */
  acquire(address: string, signal: () => AbortSignal): Release | undefined | Promise<Release | undefined> {
    const { maxConnections, maxConnectionsPerAddress, whenFull, maxWaiting } = this.#settings;
    if (maxConnections === 0 && maxConnectionsPerAddress === 0) return UNLIMITED;
    if (this.#hasSlot(address)) return this.#occupy(address);
    // An address at its own limit does not wait, since a single address could fill the queue.
    if (whenFull === "reject" || !this.#isBelowAddressLimit(address) || this.#waiters.size >= maxWaiting)
      return undefined;
    return this.#wait(address, signal());
  }

  /** Ends every wait without a slot. Called when the server closes. */
  cancelWaiters(): void {
    for (const waiter of [...this.#waiters]) waiter.settle(undefined);
  }

  #hasSlot(address: string): boolean {
    const { maxConnections } = this.#settings;
    if (maxConnections > 0 && this.#count >= maxConnections) return false;
    return this.#isBelowAddressLimit(address);
  }

  #isBelowAddressLimit(address: string): boolean {
    const { maxConnectionsPerAddress } = this.#settings;
    return maxConnectionsPerAddress === 0 || (this.#countByAddress.get(address) ?? 0) < maxConnectionsPerAddress;
  }

  #occupy(address: string): Release {
    this.#count++;
    this.#countByAddress.set(address, (this.#countByAddress.get(address) ?? 0) + 1);
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#free(address);
    };
  }

  #free(address: string): void {
    this.#count--;
    const left = (this.#countByAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#countByAddress.delete(address);
    else this.#countByAddress.set(address, left);
    for (const waiter of this.#waiters) {
      if (!this.#hasSlot(waiter.address)) continue;
      waiter.settle(this.#occupy(waiter.address));
      return;
    }
  }

  #wait(address: string, signal: AbortSignal): Promise<Release | undefined> | undefined {
    if (signal.aborted) return undefined;
    return new Promise((resolve) => {
      const cancel = (): void => settle(undefined);
      const settle = (release: Release | undefined): void => {
        timer.cancel();
        signal.removeEventListener("abort", cancel);
        this.#waiters.delete(waiter);
        resolve(release);
      };
      const waiter: Waiter = { address, settle };
      const timer = this.#clock.after(this.#settings.waitMs, cancel);
      signal.addEventListener("abort", cancel);
      this.#waiters.add(waiter);
    });
  }
}
