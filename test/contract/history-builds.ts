/** Builds of a store for the test of `testHistoryStore`: sound builds of each kind, and a build whose answers a fault can change. */
import type { HistoryHost, HistoryQuery, HistoryReading, HistoryStore, MessageToKeep, StoredMessage } from "sendall";
import { MemoryHistory } from "../../src/history/memory.js";

/** A store in memory that a fault overrides. */
export class Build implements HistoryStore {
  readonly inner = new MemoryHistory();

  open(host: HistoryHost): void {
    this.inner.open(host);
  }

  append(entry: MessageToKeep): string | undefined {
    return this.inner.append(entry);
  }

  read(room: string, query: HistoryQuery): HistoryReading | Promise<HistoryReading> {
    return this.inner.read(room, query);
  }

  trim(): void {
    this.inner.trim();
  }

  close(): void | Promise<void> {
    this.inner.close();
  }
}

/** Answers later, as a store behind a network. */
export class LateBuild extends Build {
  override async read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    const reading = super.read(room, query);
    await new Promise(setImmediate);
    return await reading;
  }
}

/** What outlives the stores of a name. */
export class Disk {
  readonly memory = new MemoryHistory();
  /** Rooms that a fault has lost. */
  readonly forgotten = new Set<string>();

  /** A store of this disk. */
  store(): HistoryStore {
    let isOpen = false;
    return {
      open: (host) => {
        isOpen = true;
        this.memory.open(host);
      },
      append: (entry) => (isOpen ? this.memory.append(entry) : undefined),
      read: (room, query) => this.memory.read(room, query),
      trim: () => this.memory.trim(),
      close: () => {
        isOpen = false;
      },
    };
  }
}

type Listener = (entry: StoredMessage) => void;

/** An engine that several nodes share, and that orders their messages. */
export class Engine {
  readonly #memory = new MemoryHistory();
  readonly #listeners = new Map<string, Set<Listener>>();

  node(): HistoryStore {
    let isOpen = false;
    return {
      open: (host) => {
        isOpen = true;
        this.#memory.open(host);
      },
      append: (entry) => {
        if (isOpen) this.publish(entry);
        return undefined;
      },
      read: async (room, query) => this.#memory.read(room, query),
      subscribe: async (room, onEntry) => this.subscribe(room, onEntry),
      trim: () => this.#memory.trim(),
      close: () => {
        isOpen = false;
      },
    };
  }

  publish(entry: MessageToKeep): void {
    const position = this.#memory.append(entry) ?? "";
    for (const listener of this.#listeners.get(entry.room) ?? [])
      setImmediate(() => this.deliver(listener, { ...entry, position }));
  }

  deliver(listener: Listener, entry: StoredMessage): void {
    if (this.#listeners.get(entry.room)?.has(listener)) listener(entry);
  }

  subscribe(room: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(room) ?? new Set();
    this.#listeners.set(room, listeners.add(listener));
    return () => listeners.delete(listener);
  }
}

/** One store for each name. */
export function perName<T>(make: () => T): (name: string) => T {
  const made = new Map<string, T>();
  return (name) => {
    const one = made.get(name) ?? make();
    made.set(name, one);
    return one;
  };
}
