/**
 * What tests program against: a runtime, and the options of the runtime and of its clients. `live.ts` implements the runtime, which ends
 * with `close`.
 */
import type { ConnectionData } from "../../api/connection.js";
import type { ServeOptions } from "../../api/serve-options.js";
import type { Protocol } from "../../protocol/protocol.js";
import type { ProtocolSpec } from "../../protocol/spec.js";
import type { Server } from "../../server/server.js";
import type { TestClient } from "./client.js";
import type { AnyDialledClient } from "./dial.js";
import type { DialOptions } from "./dial-options.js";
import type { TypedTestClient } from "./typed-test-client.js";
import type { RuntimeWebSocketClass } from "./whatwg.js";

/** The options of `serve` (without effect: the options of the listener), and how a test learns of the handler's failures. */
export type TestRuntimeOptions<
  D = ConnectionData,
  S = unknown,
  R = Record<string, ConnectionData>,
  T = Record<string, unknown>,
> = ServeOptions<D, S, R, T> & {
  /**
   * `"throw"`: `settle`, `advance`, `connect` and `close` reject with the error of a handler that has failed since the last call;
   * the error's message then ends with the event and the connection. `close` also rejects if the handler has left a timer of Node running
   * that keeps the process alive (`TIMER_LEAKED`).
   * `"supervise"`: supervision handles the failure, as in production. Default `"throw"`.
   */
  readonly failures?: "throw" | "supervise";
  /** The seed of the randomness that client code gets (`Symbol.for("sendall.clock")`): a whole number. Default 1. */
  readonly seed?: number;
};

/** The request of a test client. */
export interface TestConnectOptions {
  /** The path of the request. Default `"/"`. */
  readonly path?: string;
  /** The query that follows the path, not yet encoded. Default none. */
  readonly query?: Readonly<Record<string, string>>;
  /** The request's headers. Default: `host` alone. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The subprotocols on offer. Default none. */
  readonly protocols?: readonly string[];
  /** The client's address. Default `"127.0.0.1"`. */
  readonly remoteAddress?: string;
  /** The client's name in error messages and traces, beside its id. Default: the id alone. */
  readonly name?: string;
  /**
   * How many milliseconds of virtual time each message takes, in each direction. Default 0. A delayed message arrives only
   * in `advance`: neither `settle` nor `connect` waits for its arrival.
   */
  readonly latencyMs?: number;
  /**
   * Called with each message, which is then kept nowhere: for clients that get millions of messages, or answer by themselves. Default:
   * messages are kept in `received`.
   */
  readonly onMessage?: (data: string | Buffer) => void;
}

/** The request of a test client that speaks a protocol. */
export interface TypedTestConnectOptions<S extends ProtocolSpec = ProtocolSpec> extends TestConnectOptions {
  /** What client and server say to each other: what `protocol` of `sendall/protocol` returns. Default: none, and a plain client. */
  readonly protocol: Protocol<S>;
}

/** A server in a test. */
export interface TestRuntime<D = ConnectionData> extends AsyncDisposable {
  /** The whole server; started by the first call of any method of the runtime. */
  readonly server: Server<D>;
  /** Whether `kill` was called, or the fault `"node gone"` of `explore` has hit the runtime. */
  readonly isKilled: boolean;
  /** The connected clients, in the order in which the server let each in; sockets of `WebSocket` and of `dial` are among them. */
  readonly clients: readonly TestClient[];
  /**
   * The `WebSocket` class of browsers, connected to this server, for client code under test: `connect(url, { WebSocket:
   * runtime.WebSocket })`. What a socket sends and receives is on its way until the runtime is settled. A refused upgrade is an `error`,
   * then a `close` with 1006. `clients` has the far end of each socket, to stall a socket or to make a socket fail.
   */
  readonly WebSocket: RuntimeWebSocketClass;
  /**
   * Resolves when the handler has handled `open` and everything that `open` sent has arrived.
   * @throws SendallError `REFUSED` with `status` and `body`; `BAD_OPTION`; `NOT_SETTLED`, and the handler's error, as `settle`
   */
  connect(options?: TestConnectOptions): Promise<TestClient>;
  /**
   * As `connect` without `protocol`, for a typed client: `send(name, payload)`, `call(name, payload)` and `next(name)`.
   * @throws SendallError `REFUSED` with `status` and `body`; `BAD_OPTION`; `INVALID_MESSAGE` if what `open` sends does not fit the protocol;
   * `NOT_SETTLED`, and the handler's error, as `settle`
   */
  connect<S extends ProtocolSpec>(options: TypedTestConnectOptions<S>): Promise<TypedTestClient<S>>;
  /**
   * Makes a client of `sendall/client` that connects to this server, as `connect(path, options)` does in a page, and connects again by
   * itself when virtual time passes. Returns at once; the connection is made when the runtime is settled. Timers and random numbers are the
   * runtime's. A refused upgrade is a failed attempt, as in browsers: the client gets `CONNECTION_FAILED` and tries again, while a client in Node would get
   * `REFUSED` and stay away after most statuses from 400 to 499. When the runtime closes, the client closes for good. With the option
   * `protocol` the client is typed.
   * @param path of the request. Default `"/"`
   * @throws SendallError `BAD_OPTION`
   */
  dial<S extends ProtocolSpec = never>(path?: string, options?: DialOptions<S>): AnyDialledClient<S>;
  /**
   * Resolves when everything sent has arrived and every handler is done, or waits for virtual time.
   * @throws SendallError `NOT_SETTLED` if a handler waits for anything else for more than a second; with `failures: "throw"`,
   * the error of a handler that has failed since the last call (`HANDLER_FAILED` if the handler threw a value that is no error)
   */
  settle(): Promise<void>;
  /**
   * Lets `ms` milliseconds of virtual time pass, alarm by alarm, each followed by everything that the alarm causes.
   * @throws SendallError `BAD_DURATION`; with `failures: "throw"`, the error of a handler that has failed since the last call
   */
  advance(ms: number): Promise<void>;
  /** Virtual time in milliseconds; 0 at first. Runtimes with the same `cluster` share the time. */
  now(): number;
  /**
   * Kills the server's process, as `kill -9` or a loss of power does: no handler gets another event, no alarm of the server rings, and nothing more
   * comes from the server. What the server has sent before arrives; then the sockets of the clients end without a close frame (1006). The other nodes
   * of a cluster are told nothing. Who connects from now on is `REFUSED`, what is under way (`server.close()`, a call of a client) never ends, and
   * `close` of the runtime ends the clients of `dial`. A second call does nothing.
   */
  kill(): void;
  /**
   * Closes the server, with as much virtual time as closing takes.
   * @throws SendallError with `failures: "throw"`, the handler's error as `settle`, or `TIMER_LEAKED`
   */
  close(): Promise<void>;
}
