/**
 * The stores of the routes with the option `history`: each store is opened once when the server starts, lets go what is too old from time to time,
 * and is closed after the last handler has stopped.
 */
import { randomBytes } from "node:crypto";
import type { RoomStore } from "../actors/history/room-store.js";
import { SendallError } from "../api/errors.js";
import type { HistoryHost, HistoryLimits, HistoryStore } from "../api/history-store.js";
import { roomIn, scopeOf } from "../cluster/subject.js";
import { MemoryHistory } from "../history/memory.js";
import type { HistorySettings, RouteSettings } from "../options/server-options.js";
import { Alarm, type Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { isPromiseLike, within } from "../runtime/promises.js";
import { messageOf } from "../runtime/thrown.js";
import type { Turn } from "../runtime/turn.js";
import { CountingClock } from "./counting-clock.js";

export interface HistoryStoresParts {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  /** Makes the name of the next epoch; random if missing. */
  readonly newEpoch?: (() => string) | undefined;
}

/** What is too old stays for at most a tenth of `maxAgeMs` longer, within these bounds. */
const SWEEPS_PER_AGE = 10;
const MIN_SWEEP_MS = 1_000;
const MAX_SWEEP_MS = 60_000;
/** The longest wait for a store to open, and to close. */
const OPEN_MS = 30_000;
const CLOSE_MS = 5_000;

const EPOCH_BYTES = 6;

function randomEpoch(): string {
  return randomBytes(EPOCH_BYTES).toString("hex");
}

/** A store in use. The alarm rings while there may be something to let go. */
class OpenStore extends Alarm {
  readonly store: HistoryStore;
  readonly #parts: HistoryStoresParts;
  readonly #limits: HistoryLimits;
  readonly #sweepMs: number;
  readonly #onLost: ((count: number) => void)[] = [];
  readonly #clock: CountingClock;
  #usedAt = 0;
  #isSweeping = false;
  #isOpen = false;

  constructor(store: HistoryStore, limits: HistoryLimits, parts: HistoryStoresParts) {
    super();
    this.store = store;
    this.#limits = limits;
    this.#parts = parts;
    this.#clock = new CountingClock(parts.clock);
    this.#sweepMs = Math.min(Math.max(Math.ceil(limits.maxAgeMs / SWEEPS_PER_AGE), MIN_SWEEP_MS), MAX_SWEEP_MS);
  }

  /** A server that is attached, and whose host does not listen, keeps no process alive. */
  override get isBackground(): boolean {
    return true;
  }

  /** How many alarms the store waits for. */
  get alarms(): number {
    return this.#clock.pending;
  }

  get #name(): string {
    return this.store.name ?? "store";
  }

  /** Rejects with `HISTORY_UNAVAILABLE`. */
  async open(): Promise<void> {
    try {
      const opening = this.store.open?.(this.#host());
      if (isPromiseLike(opening)) await this.#inTime(opening);
    } catch (cause) {
      if (cause instanceof SendallError) throw cause;
      const problem = `history: the ${this.#name} cannot be opened: ${messageOf(cause)}`;
      throw new SendallError("HISTORY_UNAVAILABLE", problem, { cause });
    }
    this.#isOpen = true;
    // A store may have kept messages from before.
    this.onUsed();
  }

  onUsed(): void {
    const { clock } = this.#parts;
    this.#usedAt = clock.now();
    if (this.#isSweeping || !this.#isOpen) return;
    this.#isSweeping = true;
    clock.after(this.#sweepMs, this);
  }

  watch(onLost: (count: number) => void): void {
    // A store that several routes share does not say whose messages are lost: the first route counts.
    if (this.#onLost.length === 0) this.#onLost.push(onLost);
  }

  ring(): void {
    this.#isSweeping = false;
    void this.#run("trimmed", () => this.store.trim());
    const { clock } = this.#parts;
    if (clock.now() - this.#usedAt > this.#limits.maxAgeMs) return;
    this.#isSweeping = true;
    clock.after(this.#sweepMs, this);
  }

  async close(): Promise<void> {
    this.cancel();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const closed = this.#run("closed", () => this.store.close());
    if (closed !== undefined) await within(this.#parts.clock, CLOSE_MS, closed);
  }

  /** Runs a call of the store that nobody waits for. A failure is logged. */
  #run(what: string, call: () => void | Promise<void>): Promise<void> | undefined {
    const { log } = this.#parts;
    const onFailed = (err: unknown): void =>
      log.error({ err }, `the history in the ${this.#name} could not be ${what}`);
    try {
      const called = call();
      return isPromiseLike(called) ? called.then(undefined, onFailed) : undefined;
    } catch (error) {
      onFailed(error);
      return undefined;
    }
  }

  #inTime(opening: PromiseLike<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const tooLate = new Error(`it did not answer within ${OPEN_MS} ms`);
      const opened = Promise.resolve(opening);
      const timer = this.#parts.clock.after(OPEN_MS, () => {
        reject(tooLate);
        // The server does not start, and a store that is open all the same would keep the process alive.
        opened.then(
          () => this.#run("closed", () => this.store.close()),
          () => {},
        );
      });
      opened.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  #host(): HistoryHost {
    const { log, turn, newEpoch = randomEpoch } = this.#parts;
    const { maxMessages, maxBytes, maxAgeMs, maxRooms } = this.#limits;
    return {
      maxMessages,
      maxBytes,
      maxAgeMs,
      maxRooms,
      clock: this.#clock,
      log,
      newEpoch,
      atTurnEnd: (step) => turn.flushFirst({ flush: step }),
      lost: (count, error) => {
        for (const onLost of this.#onLost) onLost(count);
        log.error({ err: error, messages: count }, `the ${this.#name} has lost messages of the history`);
      },
    };
  }
}

/** A store for the rooms of one route or channel. */
class ScopedStore implements RoomStore {
  readonly store: HistoryStore;
  readonly #opened: OpenStore;
  readonly #scope: string;

  constructor(opened: OpenStore, scope: string) {
    this.store = opened.store;
    this.#opened = opened;
    this.#scope = scope;
  }

  nameOf(room: string): string {
    return roomIn(this.#scope, room);
  }

  forget(room: string): void {
    if (this.store instanceof MemoryHistory) this.store.forget(this.nameOf(room));
  }

  onUsed(): void {
    this.#opened.onUsed();
  }

  watch(onLost: (count: number) => void): void {
    this.#opened.watch(onLost);
  }

  forChannel(name: string): RoomStore {
    return new ScopedStore(this.#opened, scopeOf(name, this.#scope));
  }
}

export class HistoryStores {
  readonly #parts: HistoryStoresParts;
  /** By the store of the option; the stores in memory are routes' own. */
  readonly #shared = new Map<HistoryStore, OpenStore>();
  readonly #all: OpenStore[] = [];

  constructor(parts: HistoryStoresParts) {
    this.#parts = parts;
  }

  /** @returns the store of a route; `undefined` without the option `history` */
  add(path: string, { history }: Pick<RouteSettings, "history">): RoomStore | undefined {
    if (history === false) return undefined;
    const known = history.store && this.#shared.get(history.store);
    return new ScopedStore(known ?? this.#add(history), scopeOf(path));
  }

  /** Opens every store, or none. Rejects with `HISTORY_UNAVAILABLE`. */
  async open(): Promise<void> {
    for (const store of this.#all) await store.open();
  }

  /** How many alarms the stores wait for. */
  get alarms(): number {
    return this.#all.reduce((sum, { alarms }) => sum + alarms, 0);
  }

  async close(): Promise<void> {
    if (this.#all.length === 0) return;
    // Readings that the end has cut short are rejected by now. What nobody awaits comes out in a step of its own, while the server still listens for that.
    await new Promise<void>((resolve) => this.#parts.clock.soon(resolve));
    await Promise.all(this.#all.map((store) => store.close()));
  }

  #add(history: HistorySettings): OpenStore {
    const opened = new OpenStore(history.store ?? new MemoryHistory(), history, this.#parts);
    this.#all.push(opened);
    if (history.store !== undefined) this.#shared.set(history.store, opened);
    return opened;
  }
}
