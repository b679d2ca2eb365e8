/** What the stores of history in engines have in common: a session with the engine from `open` to `close`, for one server at a time. */
import type {
  HistoryHost,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
  StoredMessage,
} from "../../api/history-store.js";

/** A store from `open` to `close`. */
export interface HistorySession {
  /** Whether messages can be taken now. */
  readonly takes: boolean;
  /** Rejects if the first attempt fails. */
  connect(): Promise<void>;
  /** Goes on trying. */
  connectLater(): void;
  append(entry: MessageToKeep): void;
  read(room: string, query: HistoryQuery): Promise<HistoryReading>;
  subscribe(room: string, onEntry: (entry: StoredMessage) => void): Promise<() => void>;
  /** Absent if the engine lets go what is too old. */
  trim?(): Promise<void>;
  close(): Promise<void>;
}

export interface EngineHistoryParts {
  /** What makes the store, and names it. */
  readonly name: string;
  /** Whether the store opens before the engine is there. */
  readonly waitForLink: boolean;
  /** Makes a session, not yet connected. */
  readonly begin: (host: HistoryHost) => Promise<HistorySession>;
}

export class EngineHistory implements HistoryStore {
  readonly name: string;
  readonly #parts: EngineHistoryParts;
  #session: HistorySession | undefined;
  #isOpen = false;

  constructor(parts: EngineHistoryParts) {
    this.name = parts.name;
    this.#parts = parts;
  }

  get isUp(): boolean {
    return this.#session?.takes ?? false;
  }

  async open(host: HistoryHost): Promise<void> {
    if (this.#isOpen)
      throw new Error(`the store is in use by another server: each server takes a ${this.name}() of its own`);
    this.#isOpen = true;
    try {
      const session = await this.#parts.begin(host);
      this.#session = session;
      if (this.#parts.waitForLink) session.connectLater();
      else await session.connect();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  append(entry: MessageToKeep): undefined {
    this.#session?.append(entry);
  }

  async read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    return await this.#opened().read(room, query);
  }

  async subscribe(room: string, onEntry: (entry: StoredMessage) => void): Promise<() => void> {
    return await this.#opened().subscribe(room, onEntry);
  }

  async trim(): Promise<void> {
    await this.#session?.trim?.();
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#isOpen = false;
    await session?.close();
  }

  #opened(): HistorySession {
    if (this.#session === undefined) throw new Error("the store of history is closed");
    return this.#session;
  }
}
