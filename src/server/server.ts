/** The public interface of a running server. */

import type { Bus, Verbs } from "../api/bus.js";
import type { ConnectionData } from "../api/connection.js";
import type { CloseOptions } from "../api/options.js";
import type { Snapshot, SnapshotOptions } from "../api/snapshot.js";
import type { Stats } from "../api/stats.js";
import type { Listener } from "./listener.js";
import type { ServerActor } from "./server-actor.js";

/** How a server ended. */
export interface ServerEnd {
  /**
   * `"close"`: the program called `close`. `"handler"`: the handlers of every route failed too often, or an actor of ours did.
   */
  readonly reason: "close" | "handler";
  /** What the handler threw (`"handler"`). */
  readonly error?: unknown;
}

/** A running server. The verbs reach the connections of every route. */
export interface Server<D = ConnectionData> extends Verbs<D>, AsyncDisposable {
  /** Where clients connect: `"ws://127.0.0.1:8080/"`. */
  readonly url: string;
  /** The port, also when the system chose it. */
  readonly port: number;
  /** The paths of the routes, as given in `routes`; `["*"]` for a single handler. */
  readonly paths: readonly string[];
  /** `true` until `close` is called or the last route has failed; with `cluster`, only while the link to the other nodes is up. */
  readonly isReady: boolean;
  /** Resolves when the server has ended; never rejects. */
  readonly closed: Promise<ServerEnd>;
  /**
   * The root of the actors, an XState machine: `subscribe` and `system.inspect` work. An observer that throws does no harm and is
   * still called; the observer's first failure is logged. Events caused by an inspector itself (by sending a message, say) are
   * not shown to the inspector.
   */
  readonly actor: ServerActor;
  /**
   * Our plain HTTP (`client`, `sockjs`, `static`, `onRequest`), for a host server to mount; requests for anything else go to `next`.
   * Mounted at a path, the middleware finds the client and SockJS by the whole path (`request.originalUrl`), as upgrades are found, and
   * files by the part of the path left by the host.
   */
  readonly middleware: NonNullable<Listener["middleware"]>;
  /**
   * What the server is doing: events that wait and events that keep handlers busy, rates and handler time per second, the connections with
   * most bytes waiting, events waiting and handler time, the largest rooms. Connections are looked at in slices of 1,000 a turn, so a call
   * holds up nothing else. Calls during a scan share the next scan. Without calls nothing is measured.
   *
   * With the test runtime, more than 1,000 connections need `settle` or `advance` before the promise resolves.
   *
   * @throws SendallError `BAD_OPTION`; as a rejection
   */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>;
  /** The numbers of every route together. */
  stats(): Stats;
  /**
   * A route by the path given in `routes`: the verbs and the numbers of the route.
   * @throws SendallError `BAD_OPTION` if there is no such route
   */
  route(path: string): Bus & { stats(): Stats };
  /**
   * Stops listening, lets the handler finish the events received so far, sends each connection the waiting messages and a close
   * frame, delivers every `closed`, and resolves when nothing is left. A second call returns the same promise.
   * @throws SendallError `BAD_OPTION`, `BAD_CLOSE_CODE`; as a rejection, and nothing is closed then
   */
  close(options?: CloseOptions): Promise<void>;
}
