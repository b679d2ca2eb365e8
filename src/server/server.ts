/** A running server as programs see it. */

import type { Bus, Verbs } from "../api/bus.js";
import type { ConnectionData } from "../api/connection.js";
import type { CloseOptions } from "../api/options.js";
import type { Stats } from "../api/stats.js";
import type { Listener } from "./listener.js";
import type { ServerActor } from "./server-actor.js";

/** How a server came to its end. */
export interface ServerEnd {
  /** `"close"`: somebody called `close`. `"handler"`: the handlers of all routes failed too often, or an actor of ours did. */
  readonly reason: "close" | "handler";
  /** What the handler threw (`"handler"`). */
  readonly error?: unknown;
}

/** A running server. Its verbs reach the connections of all routes. */
export interface Server<D = ConnectionData> extends Verbs<D>, AsyncDisposable {
  /** Where clients connect: `"ws://127.0.0.1:8080/"`. */
  readonly url: string;
  /** The port, also when the system chose it. */
  readonly port: number;
  /** `true` until `close` is called or the last route has failed; with `cluster`, only while the link to the other nodes is up. */
  readonly isReady: boolean;
  /** Resolves when the server has ended; never rejects. */
  readonly closed: Promise<ServerEnd>;
  /**
   * The root of the actors, an XState machine: `subscribe` and `system.inspect` work. An observer that throws harms nobody and goes on
   * being called; its first failure is logged. What an inspector causes itself (it sends a message, say) is not shown to it.
   */
  readonly actor: ServerActor;
  /**
   * Our plain HTTP (`sockjs`, `static`, `onRequest`), for a host server to mount; what is not ours goes to `next`. Mounted at a path, it
   * finds SockJS by the whole path (`request.originalUrl`), as upgrades are found, and files by what the host has left of it.
   */
  readonly middleware: NonNullable<Listener["middleware"]>;
  /** Numbers of all routes together. */
  stats(): Stats;
  /**
   * One route by the path it has in `routes`: its verbs, and its numbers.
   * @throws SendallError `BAD_OPTION` if there is none
   */
  route(path: string): Bus & { stats(): Stats };
  /**
   * Stops listening, lets the handler finish what has arrived, sends everyone what waits for them and a close frame, delivers
   * every `closed`, and resolves when nothing is left. A second call returns the same promise.
   * @throws SendallError `BAD_OPTION`, `BAD_CLOSE_CODE`; as a rejection, and nothing is closed then
   */
  close(options?: CloseOptions): Promise<void>;
}
