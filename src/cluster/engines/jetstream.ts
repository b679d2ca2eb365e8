/**
 * The store of history `jetstream()`, which several nodes share and which orders what the nodes keep: a stream for all rooms, and a subject for each room.
 * A server opens and closes the store.
 */
import type { HistoryStore } from "../../api/history-store.js";
import { EngineHistory } from "./engine-history.js";
import { loadJetStream } from "./jetstream-link.js";
import { JetStreamSession } from "./jetstream-session.js";
import { openNats } from "./nats-connection.js";
import { type NatsOptions, readNatsOptions } from "./nats-options.js";

const NAME = "jetstream";

/**
 * Keeps messages in a stream of NATS JetStream, for all servers with the same `prefix`: `history: { store: jetstream({ servers: "nats://127.0.0.1:4222" }) }`.
 * Carries the messages too: members on all nodes get the kept messages of a room in one order, whatever `cluster` is. Needs the packages
 * `@nats-io/jetstream` and `@nats-io/transport-node`, and takes the connection options of the latter. `maxBytes` and `maxRooms` do not bound the
 * stream; `maxMessages` and `maxAgeMs` do, and so does what an administrator has set for the stream. Messages are about 1 KiB smaller than the
 * engine's `max_payload`.
 *
 * @throws SendallError `BAD_OPTION` if an option is invalid; `serve` rejects with `HISTORY_UNAVAILABLE` if the engine is not there, refuses, or has no
 * JetStream, unless `waitForLink` is `true`
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { jetstream } from "sendall/nats";
 *
 * const server = await serve({
 *   port: 8080,
 *   history: { store: jetstream({ servers: "nats://127.0.0.1:4222", waitForLink: true }) },
 *   concurrency: "connection",
 *   async handler(event, bus) {
 *     if (event.type === "open") await event.connection.follow("lobby", { last: 50 });
 *     if (event.type === "message") bus.sendall(event.data, { room: "lobby", keep: true });
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export function jetstream(options: NatsOptions): HistoryStore {
  const { prefix, waitForLink, given } = readNatsOptions(options);
  return new EngineHistory({
    name: NAME,
    waitForLink,
    async begin(host) {
      const dialer = await openNats(NAME, "history", given, "sendall history");
      const library = await loadJetStream();
      // The name of a stream has no dots, and no prefix has the sign that stands for a dot.
      const stream = `${prefix.replaceAll(".", "=")}-history`;
      return new JetStreamSession(host, prefix, { dialer, library, stream });
    },
  });
}
