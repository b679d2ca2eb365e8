/**
 * The store of history `jetstream()`, which several nodes share and which orders what the nodes keep: a stream for all rooms, and a subject for each room.
 * A server opens and closes the store.
 */
import type {
  HistoryHost,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
  StoredMessage,
} from "../../api/history-store.js";
import { loadJetStream } from "./jetstream-link.js";
import { JetStreamSession } from "./jetstream-session.js";
import { openNats } from "./nats-connection.js";
import { type NatsOptions, readNatsOptions } from "./nats-options.js";

const NAME = "jetstream";

class JetStreamHistory implements HistoryStore {
  readonly name = NAME;
  readonly #settings: ReturnType<typeof readNatsOptions>;
  #session: JetStreamSession | undefined;
  #isOpen = false;

  constructor(settings: ReturnType<typeof readNatsOptions>) {
    this.#settings = settings;
  }

  get isUp(): boolean {
    return this.#session?.takes ?? false;
  }

  async open(host: HistoryHost): Promise<void> {
    if (this.#isOpen)
      throw new Error("the store is in use by another server: each server takes a jetstream() of its own");
    this.#isOpen = true;
    try {
      const { prefix, waitForLink, given } = this.#settings;
      const dialer = await openNats(NAME, "history", given, "sendall history");
      const library = await loadJetStream();
      // The name of a stream has no dots, and no prefix has the sign that stands for a dot.
      const stream = `${prefix.replaceAll(".", "=")}-history`;
      const session = new JetStreamSession(host, prefix, { dialer, library, stream });
      this.#session = session;
      if (waitForLink) session.connectLater();
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

  /** The stream has an age of its own. */
  trim(): void {}

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#isOpen = false;
    await session?.close();
  }

  #opened(): JetStreamSession {
    if (this.#session === undefined) throw new Error("the store of history is closed");
    return this.#session;
  }
}

/**
 * Keeps messages in a stream of NATS JetStream, for all servers with the same `prefix`: `history: { store: jetstream({ servers: "nats://127.0.0.1:4222" }) }`.
 * Carries the messages too: members on all nodes get the kept messages of a room in one order, whatever `cluster` is. Needs the packages
 * `@nats-io/jetstream` and `@nats-io/transport-node`, and takes the connection options of the latter. `maxBytes` and `maxRooms` do not bound the
 * stream; `maxMessages` and `maxAgeMs` do, and so does what an administrator has set for the stream. Messages are about 1 KiB smaller than the
 * engine's `max_payload`.
 *
 * @throws SendallError `BAD_OPTION` if an option is invalid; `serve` rejects with `HISTORY_UNAVAILABLE` if the engine is not there, refuses, or has no
 * JetStream, unless `waitForLink` is `true`
 */
export function jetstream(options: NatsOptions): HistoryStore {
  return new JetStreamHistory(readNatsOptions(options));
}
