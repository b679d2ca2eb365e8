/**
 * Connection limits: counts the connections of a server and of each address (`maxConnections`, `maxConnectionsPerAddress`), and keeps the
 * queue of attempts that wait for a free slot (`whenFull: "wait"`). The gate acquires a slot for each attempt.
 */
import type { Clock } from "../runtime/clock.js";
import type { AwaySession } from "./session-desk.js";

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

/** The slot of a connection among the connections of the server and of the address. */
export interface Place {
  /** Frees the slot; MUST be called when the connection has ended. Only the first call counts. */
  release(): void;
  /** Counts the slot for another address from now on, though the address may be at its limit: a connection has come back from there. */
  moveTo(address: string): void;
  /** The connection has lost its socket: a peer that waits goes on, and gets the slot of the connection away longest when let in. */
  onAway(): void;
}

/** Without limits nothing is counted, which saves an object per connection. */
const UNLIMITED: Place = { release: () => {}, moveTo: () => {}, onAway: () => {} };

/** An attempt that waits for a free slot. */
interface Waiter {
  readonly address: string;
  /** Ends the wait: with a slot, with room to be made, or without. */
  readonly settle: (answer: Place | Room | undefined) => void;
}

/** Stands for the slot of a connection that is away, and ends only for a peer that is let in. */
export type Room = "room";

/** The answer to an attempt that needs a slot; `undefined` if no slot is free, or none became free in time. */
type Answer<A> = A | undefined | Promise<A | undefined>;

/** Finds the connection that is away longest, of the whole server or of an address. */
export type OldestAway = (address: string | undefined) => AwaySession | undefined;

class CountedPlace implements Place {
  readonly #limits: ConnectionLimits;
  /** `undefined` once the slot is free. */
  #address: string | undefined;

  constructor(limits: ConnectionLimits, address: string) {
    this.#limits = limits;
    this.#address = address;
  }

  release(): void {
    const address = this.#address;
    if (address === undefined) return;
    this.#address = undefined;
    this.#limits.free(address);
  }

  moveTo(address: string): void {
    const before = this.#address;
    if (before === undefined || before === address) return;
    this.#address = address;
    this.#limits.move(before, address);
  }

  onAway(): void {
    if (this.#address !== undefined) this.#limits.onAway(this.#address);
  }
}

export class ConnectionLimits {
  readonly #settings: ConnectionLimitSettings;
  readonly #clock: Clock;
  readonly #oldestAway: OldestAway;
  readonly #countByAddress = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  #count = 0;

  constructor(settings: ConnectionLimitSettings, clock: Clock, oldestAway: OldestAway) {
    this.#settings = settings;
    this.#clock = clock;
    this.#oldestAway = oldestAway;
  }

  /**
   * Acquires a slot. When the server is full, or the address at its limit, the connection that is away longest ends, and its slot goes to
   * the attempt.
   *
   * @param signal asked for only if the attempt has to wait; its abort ends the wait
   */
  acquire(address: string, signal: () => AbortSignal): Answer<Place> {
    const free = this.occupyFree(address);
    if (free !== undefined) return free;
    const away = this.#awayFor(address);
    if (away !== undefined) {
      // Occupied first, so that the slot goes to no peer that waits.
      const place = this.occupy(address);
      away.makeRoom();
      return place;
    }
    const answer = this.#acquireLater(address, signal);
    return answer?.then((later) => (later === "room" ? this.acquire(address, signal) : later));
  }

  /**
   * Acquires a slot for an attempt that may still be refused: ends no connection.
   *
   * @param claims how many attempts are under way with `"room"`: at most `maxWaiting` may be
   * @returns `"room"` if a connection would end for the attempt; `acquire` then decides when the attempt is let in
   */
  reserve(address: string, signal: () => AbortSignal, claims: number): Answer<Place | Room> {
    const free = this.occupyFree(address);
    if (free !== undefined) return free;
    if (this.#awayFor(address) === undefined) return this.#acquireLater(address, signal);
    return claims < this.#settings.maxWaiting ? "room" : undefined;
  }

  /** Occupies a slot if one is free: ends no connection, and waits for none. */
  occupyFree(address: string): Place | undefined {
    return this.#isCounting && !this.#hasSlot(address) ? undefined : this.occupy(address);
  }

  /** Occupies a slot, also beyond the limits. */
  occupy(address: string): Place {
    if (!this.#isCounting) return UNLIMITED;
    this.#add(address, 1);
    return new CountedPlace(this, address);
  }

  /** Counts a slot no more; called by the slot. */
  free(address: string): void {
    this.#add(address, -1);
    this.#serveWaiters();
  }

  /** Counts a slot for another address; called by the slot. */
  move(from: string, to: string): void {
    this.#add(from, -1);
    this.#add(to, 1);
    this.#serveWaiters();
  }

  /** Lets the first waiting attempt go on that could have a slot of the address; called by the slot. */
  onAway(address: string): void {
    if (this.#waiters.size === 0) return;
    this.#add(address, -1);
    const first = [...this.#waiters].find((waiter) => this.#hasSlot(waiter.address));
    this.#add(address, 1);
    first?.settle("room");
  }

  /** Ends every wait without a slot. Called when the server closes. */
  cancelWaiters(): void {
    for (const waiter of [...this.#waiters]) waiter.settle(undefined);
  }

  get #isCounting(): boolean {
    const { maxConnections, maxConnectionsPerAddress } = this.#settings;
    return maxConnections > 0 || maxConnectionsPerAddress > 0;
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

  /** The connection that ends for an attempt from the address: at the address's own limit, a connection from there. */
  #awayFor(address: string): AwaySession | undefined {
    return this.#oldestAway(this.#isBelowAddressLimit(address) ? undefined : address);
  }

  #add(address: string, change: 1 | -1): void {
    this.#count += change;
    const count = (this.#countByAddress.get(address) ?? 0) + change;
    if (count === 0) this.#countByAddress.delete(address);
    else this.#countByAddress.set(address, count);
  }

  #serveWaiters(): void {
    for (const waiter of this.#waiters) if (this.#hasSlot(waiter.address)) waiter.settle(this.occupy(waiter.address));
  }

  #acquireLater(address: string, signal: () => AbortSignal): Promise<Place | Room | undefined> | undefined {
    const { whenFull, maxWaiting } = this.#settings;
    // An address at its own limit does not wait, since a single address could fill the queue.
    if (whenFull === "reject" || !this.#isBelowAddressLimit(address) || this.#waiters.size >= maxWaiting)
      return undefined;
    return this.#wait(address, signal());
  }

  #wait(address: string, signal: AbortSignal): Promise<Place | Room | undefined> | undefined {
    if (signal.aborted) return undefined;
    return new Promise((resolve) => {
      const cancel = (): void => settle(undefined);
      const settle = (answer: Place | Room | undefined): void => {
        timer.cancel();
        signal.removeEventListener("abort", cancel);
        this.#waiters.delete(waiter);
        resolve(answer);
      };
      const waiter: Waiter = { address, settle };
      const timer = this.#clock.after(this.#settings.waitMs, cancel);
      signal.addEventListener("abort", cancel);
      this.#waiters.add(waiter);
    });
  }
}
