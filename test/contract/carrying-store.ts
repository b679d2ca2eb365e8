/**
 * An engine in virtual time that orders and carries what is kept, as Redis and JetStream do, for several nodes: everything takes a while, and nothing
 * overtakes anything on one connection.
 */
import type { HistoryHost, HistoryQuery, HistoryReading, HistoryStore, MessageToKeep, StoredMessage } from "sendall";
import { positionOf, readPosition } from "../../src/history/position.js";

interface EngineRoom {
  entries: StoredMessage[];
  hasGone: boolean;
}

type Clock = HistoryHost["clock"];
type Step = () => void;

/** Runs steps after a while, in order. */
class Pipe {
  readonly #clock: Clock;
  readonly #delay: () => number;
  #freeAt = 0;

  constructor(clock: Clock, delay: () => number) {
    this.#clock = clock;
    this.#delay = delay;
  }

  push(step: Step): void {
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now() + this.#delay());
    this.#clock.after(this.#freeAt - this.#clock.now(), step);
  }
}

export class Engine {
  /** Every message in the order of the engine, also those that have gone. */
  readonly log: StoredMessage[] = [];
  readonly #subscribers = new Map<string, Set<(entry: StoredMessage) => void>>();
  #rooms = new Map<string, EngineRoom>();
  #epoch = 1;
  #number = 0;
  readonly #maxMessages: number;
  readonly #delay: () => number;

  constructor(maxMessages: number, delay: () => number) {
    this.#maxMessages = maxMessages;
    this.#delay = delay;
  }

  /** Everything is lost. */
  flush(): void {
    this.#epoch++;
    this.#rooms.clear();
  }

  append(entry: MessageToKeep): void {
    const stored = { ...entry, position: positionOf(`${this.#epoch}`, ++this.#number) };
    this.log.push(stored);
    const room = this.#room(entry.room);
    room.entries.push(stored);
    if (room.entries.length > this.#maxMessages) {
      room.entries.shift();
      room.hasGone = true;
    }
    for (const hear of this.#subscribers.get(entry.room) ?? []) hear(stored);
  }

  read(name: string, { after, last, limit }: HistoryQuery): HistoryReading {
    const { entries, hasGone } = this.#room(name);
    const start = positionOf(`${this.#epoch}`, 0);
    const position = entries.at(-1)?.position ?? start;
    if (after === undefined) {
      const count = Math.min(last ?? limit, limit);
      return { outcome: "complete", entries: count === 0 ? [] : entries.slice(-count), position };
    }
    if (readPosition(after)?.epoch !== `${this.#epoch}`) return { outcome: "unknown", entries: [], position };
    const index = entries.findIndex((entry) => entry.position === after);
    const isThere = index >= 0 || (after === start && !hasGone);
    const missing = entries.slice(index + 1);
    return isThere && missing.length <= limit
      ? { outcome: "complete", entries: missing, position }
      : { outcome: "gap", entries: [], position };
  }

  listen(room: string, hear: (entry: StoredMessage) => void): Step {
    const all = this.#subscribers.get(room) ?? new Set();
    this.#subscribers.set(room, all.add(hear));
    return () => void all.delete(hear);
  }

  /** @returns the store of one node */
  store(): CarryingStore {
    return new CarryingStore(this, this.#delay);
  }

  #room(name: string): EngineRoom {
    const room = this.#rooms.get(name) ?? { entries: [], hasGone: false };
    this.#rooms.set(name, room);
    return room;
  }
}

/** The end of one node: a connection that sends, and a connection that hears. */
export class CarryingStore implements HistoryStore {
  readonly name = "engine";
  isUp = true;
  readonly #engine: Engine;
  readonly #delay: () => number;
  #out: Pipe | undefined;
  #in: Pipe | undefined;

  constructor(engine: Engine, delay: () => number) {
    this.#engine = engine;
    this.#delay = delay;
  }

  open({ clock }: HistoryHost): void {
    this.#out = new Pipe(clock, this.#delay);
    this.#in = new Pipe(clock, this.#delay);
  }

  append(entry: MessageToKeep): undefined {
    this.#out?.push(() => this.#engine.append(entry));
    return undefined;
  }

  read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    return new Promise((resolve) => {
      this.#out?.push(() => {
        const reading = this.#engine.read(room, query);
        // Answers come over another connection than messages, so either may overtake.
        this.#answer(() => resolve(reading));
      });
    });
  }

  subscribe(room: string, onEntry: (entry: StoredMessage) => void): Promise<Step> {
    return new Promise((resolve) => {
      this.#out?.push(() => {
        const end = this.#engine.listen(room, (entry) => this.#in?.push(() => onEntry(entry)));
        this.#answer(() => resolve(end));
      });
    });
  }

  trim(): void {}

  close(): void {
    this.#out = undefined;
    this.#in = undefined;
  }

  #answer(step: Step): void {
    this.#out?.push(step);
  }
}
