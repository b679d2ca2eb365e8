/** What tests write against: a runtime, and what its clients connect with. */
import type { ConnectionData } from "../../api/connection.js";
import type { ServeOptions } from "../../api/options.js";
import type { Server } from "../../server/server.js";
import type { TestClient } from "./client.js";
import type { RuntimeWebSocketClass } from "./whatwg.js";

/** The options of `serve` (those of the listener mean nothing here), and how failures of the handler are shown. */
export type TestRuntimeOptions<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>> = ServeOptions<
  D,
  S,
  R
> & {
  /**
   * `"throw"`: `settle`, `advance`, `connect` and `close` reject with the error of a handler that has failed since the last call;
   * its message then ends with the event and the connection. `close` rejects too if the handler has left a timer of Node running
   * that keeps the process alive (`TIMER_LEAKED`).
   * `"supervise"`: supervision deals with it, as in production. Default `"throw"`.
   */
  readonly failures?: "throw" | "supervise";
  /** Where the randomness that client code gets (`Symbol.for("sendall.clock")`) comes from: a whole number. Default 1. */
  readonly seed?: number;
};

/** What a test client asks with. */
export interface TestConnectOptions {
  /** The path that it asks for. Default `"/"`. */
  readonly path?: string;
  /** What goes behind the path, not yet encoded. Default none. */
  readonly query?: Readonly<Record<string, string>>;
  /** Headers of its request. Default: `host` alone. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The subprotocols on offer. Default none. */
  readonly protocols?: readonly string[];
  /** The address that it comes from. Default `"127.0.0.1"`. */
  readonly remoteAddress?: string;
  /** What error messages and traces call it, beside its id. Default: the id alone. */
  readonly name?: string;
  /**
   * How many milliseconds of virtual time each message takes, in each direction. Default 0. What is on its way for a time arrives
   * in `advance` alone: `settle` does not wait for it, and neither does `connect`.
   */
  readonly latencyMs?: number;
  /**
   * Called with each message, which is then kept nowhere: for clients that get millions, or answer by themselves. Default: messages
   * are kept in `received`.
   */
  readonly onMessage?: (data: string | Buffer) => void;
}

/** A server in a test. */
export interface TestRuntime<D = ConnectionData> extends AsyncDisposable {
  /** The whole server; started by the first call of anything below. */
  readonly server: Server<D>;
  /** The clients that are connected, in the order in which they were let in: those of `WebSocket` too. */
  readonly clients: readonly TestClient[];
  /**
   * The class of browsers, connected to this server, for client code under test: `connect(url, { WebSocket: runtime.WebSocket })`.
   * What it sends and receives is on its way until the runtime is settled. A refused upgrade is an `error`, then a `close` with
   * 1006. `clients` has the far end of each socket, to stall it or to make it fail.
   */
  readonly WebSocket: RuntimeWebSocketClass;
  /**
   * Resolves when the handler has handled `open` and what it sent has arrived.
   * @throws SendallError `REFUSED` with `status` and `body`; `BAD_OPTION`; `NOT_SETTLED`, and the handler's error, as `settle`
   */
  connect(options?: TestConnectOptions): Promise<TestClient>;
  /**
   * Resolves when everything sent has arrived and every handler is done, or waits for virtual time.
   * @throws SendallError `NOT_SETTLED` if a handler waits for anything else for more than a second; with `failures: "throw"`,
   * the error of a handler that has failed since the last call (`HANDLER_FAILED` if what it threw is no error)
   */
  settle(): Promise<void>;
  /**
   * Lets `ms` milliseconds of virtual time pass, alarm by alarm, each followed by what it leads to.
   * @throws SendallError `BAD_DURATION`; with `failures: "throw"`, the error of a handler that has failed since the last call
   */
  advance(ms: number): Promise<void>;
  /** Virtual time in milliseconds; 0 at first. */
  now(): number;
  /**
   * Closes the server, with as much virtual time as that takes.
   * @throws SendallError with `failures: "throw"`, the handler's error as `settle`, or `TIMER_LEAKED`
   */
  close(): Promise<void>;
}
