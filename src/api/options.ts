/**
 * Every option as users write it: its type, meaning, unit and default. `options/server-options.ts` has the same defaults as values, with the
 * checks; the README's table is compared with those by a test.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TlsOptions } from "node:tls";
import type { Logger } from "../runtime/logger.js";
import type { Authorize, UpgradeRequest } from "./authorize.js";
import type { Bus } from "./bus.js";
import type { ClusterAdapter } from "./cluster-adapter.js";
import type { ConnectionData, ConnectionId, Params, ParamsOf } from "./connection.js";
import type { ServerEvent } from "./events.js";
import type { Handler, ShapedHandler, StatefulHandler } from "./handler.js";

/** How much may wait for the handler. */
export interface MailboxOptions {
  /** So many messages of one connection wait: its socket is paused. Default 64. */
  readonly highWaterEvents: number;
  /** So few are left: it is resumed. Default 16. */
  readonly lowWaterEvents: number;
  /**
   * So many bytes of one connection wait: its socket is paused. Each message counts 128 bytes beside its own, for the memory that its
   * event takes. A connection that has agreed on compression and brings more than four times as many while it is paused, and more than
   * 256 KiB, is closed with 1008: its last read may inflate to a thousand times its length. Default 1 MiB.
   */
  readonly maxBytes: number;
  /** So many `info` events wait: `tell` returns `false`. Default 10,000. */
  readonly maxInfo: number;
}

/** How much may wait for a peer. */
export interface OutboxOptions {
  /** At so many bytes the slow-consumer policy applies to the next message. Default 1 MiB. */
  readonly maxBufferedBytes: number;
  /**
   * `"close"` the connection with 1013, or leave out the `"dropOldest"` messages that wait, or the new one (`"dropNewest"`).
   * Default `"close"`.
   */
  readonly slowConsumer: "close" | "dropOldest" | "dropNewest";
}

/** How dead peers are found. */
export interface HeartbeatOptions {
  /** A peer that is silent for so long gets a ping. Default 25,000 ms. */
  readonly intervalMs: number;
  /** A peer that answers nothing for so long is given up. Default 20,000 ms. */
  readonly timeoutMs: number;
}

/** What happens when the handler fails. */
export interface SuperviseOptions {
  /** `"resume"` keeps the state of before the event, `"restart"` calls `init` again. Default `"resume"`. */
  readonly strategy: "resume" | "restart";
  /** More failures than this within `periodMs` close whoever caused them. Default 3. */
  readonly intensity: number;
  /**
   * The period in which failures are counted. The time that failing events take does not count: events that hang until
   * `handlerTimeoutMs` are too many after the same number as events that throw at once. Default 5,000 ms.
   */
  readonly periodMs: number;
  /** Whether `stats().failures` keeps the data of the event. Default `true`. */
  readonly keepData: boolean;
}

/** How a route speaks SockJS beside plain WebSocket. */
export interface SockJsOptions {
  /** Whether sessions may run over WebSocket: at `/{server}/{session}/websocket`, and raw at `/websocket`. Default `true`. */
  readonly websocket: boolean;
  /** So often a session's client gets an `h` frame, and over WebSocket a ping. Default 25,000 ms. */
  readonly heartbeatIntervalMs: number;
  /** A session that nobody polls for so long has ended. Default 5,000 ms. */
  readonly disconnectDelayMs: number;
  /** A streaming response that has carried so many bytes is ended, and the client asks for the next. Default 131,072. */
  readonly responseLimitBytes: number;
  /** Sets the cookie `JSESSIONID`, by which load balancers keep a session at one server. Default `false`. */
  readonly cookieNeeded: boolean;
  /** Also takes WebSockets of the draft hixie-76, with text only. Default `false`. */
  readonly legacy: boolean;
  /**
   * The client for iframe transports, of the very version that the pages use. Default
   * `"https://cdn.jsdelivr.net/npm/sockjs-client@1.6.1/dist/sockjs.min.js"`.
   */
  readonly clientUrl: string;
}

/** One request or upgrade that was answered, for `onAccess`. */
export interface AccessEntry {
  /** Whether it asked for a page or for a connection. */
  readonly type: "request" | "upgrade";
  /** When it came: milliseconds since 1970. */
  readonly at: number;
  /** How long the answer took, in milliseconds. */
  readonly durationMs: number;
  /** Empty for bytes that made no request; so is `path`. */
  readonly method: string;
  /** Without the query, which may hold secrets. */
  readonly path: string;
  /** The HTTP status: 101 for an upgrade, 499 for whoever left before its turn came. */
  readonly status: number;
  /** The peer's address, or what a trusted proxy says that it is. */
  readonly remoteAddress: string;
  /** Who came in (an upgrade with 101). */
  readonly connection?: ConnectionId;
  /** Why it was refused (an upgrade, or bytes that made no request). */
  readonly reason?: string;
}

/** The options that a route may have of its own; at the top of `serve` they are the defaults of all routes. */
export interface SharedOptions<D = ConnectionData, P = Params> {
  /**
   * Decides who is let in, before the upgrade: returns what becomes `connection.data` (or a promise of it), or `reject(…)`, which may
   * be thrown as well. Any other throw is answered with 500, one that takes longer than `handshakeTimeoutMs` with 503. Default: everybody is let in.
   * In front of `perConnection`, `fromLogic` or `channels` say what it gets, `(request: UpgradeRequest) => …`: only then does the
   * compiler know in time what it returns.
   */
  readonly authorize?: Authorize<D, P>;
  /**
   * Which pages may connect: `"same"` (the Origin header's host and port are the Host header's, or both are loopback), a list
   * of origins as browsers send them (`"https://example.com"`, `"capacitor://localhost"`), or `"any"`. Programs that send no Origin pass.
   * Default `"same"`.
   */
  readonly origins?: "same" | "any" | readonly string[];
  /** Subprotocols on offer, in order of preference (RFC 6455 section 1.9). Default none. */
  readonly protocols?: readonly string[];
  /** How long `authorize` may take, and the wait of `whenFull`; of the server, also the head of each request. Default 10,000 ms. */
  readonly handshakeTimeoutMs?: number;
  /** A connection that sends no message for so many milliseconds is closed with 1000 "idle". Default `false`. */
  readonly idleTimeoutMs?: number | false;
  /** A message of more bytes, uncompressed, closes its connection with 1009. Default 1 MiB. */
  readonly maxPayloadBytes?: number;
  /**
   * A message in more fragments (RFC 6455 section 5.4) closes its connection with 1008. Until its last fragment has come, each
   * takes up to 1 KiB of memory beside its bytes, so no value stands for "no limit". Default 16,384.
   */
  readonly maxFragments?: number;
  /** How much may wait for the handler. What it leaves out has its default. */
  readonly mailbox?: Partial<MailboxOptions>;
  /** How much may wait for a peer. What it leaves out has its default. */
  readonly outbox?: Partial<OutboxOptions>;
  /** Beyond so many `join` returns `false`. Default 100. */
  readonly maxRoomsPerConnection?: number;
  /**
   * How dead peers are found (RFC 6455 section 5.5.2); `false` turns it off. What it leaves out has its default. SockJS has its own,
   * `sockjs.heartbeatIntervalMs`.
   */
  readonly heartbeat?: Partial<HeartbeatOptions> | false;
  /** An event that is not finished by then is a failure, and the next one starts. Default 30,000 ms. */
  readonly handlerTimeoutMs?: number;
  /**
   * permessage-deflate (RFC 7692) in both directions; messages of 1 KiB and more are compressed, once for all recipients. Limits
   * count uncompressed bytes. Default `false`.
   */
  readonly compression?: boolean;
  /**
   * `"serial"`: one event at a time. `"connection"`: one for each connection, different connections side by side (function
   * handlers only). Default `"serial"`.
   */
  readonly concurrency?: "serial" | "connection";
  /** What happens when the handler fails. What it leaves out has its default. */
  readonly supervise?: Partial<SuperviseOptions>;
  /** Speaks SockJS too, below the route's path (under `attach`: by `server.middleware`). Default `false`. */
  readonly sockjs?: Partial<SockJsOptions> | boolean;
}

/** The options of one route. */
export interface RouteOptions<D = ConnectionData, S = unknown, P = Params> extends SharedOptions<D, P> {
  /** Handles the connections of this path. */
  readonly handler: Handler<D, S, P>;
}

/**
 * A route written out in `routes`; `route({…})` infers more. Its functions are declared as methods are, whose parameters the
 * compiler compares either way round: where it cannot infer the data of each route, it knows the params all the same.
 */
type InlineRoute<D, P> = Omit<SharedOptions, "authorize"> & {
  readonly authorize?: { method(request: UpgradeRequest<P>): ReturnType<Authorize<D, P>> }["method"];
  readonly handler: InlineHandler<unknown extends D ? ConnectionData : D, P>;
};
type InlineHandler<D, P> =
  | { method(event: ServerEvent<D, P>, bus: Bus<D, P>): unknown }["method"]
  | StatefulHandler<unknown, D, P>
  | ShapedHandler<D, P>;

/** Either one handler for every path, or handlers by path. */
export type Handling<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>> =
  | {
      /** Handles the connections of every path. */
      readonly handler: Handler<D, S>;
      readonly routes?: never;
    }
  | {
      /**
       * Handlers by path: `"/chat"`, or `"/room/:name"` with `connection.params.name`. Other paths are answered with 404. Segments
       * are compared decoded: `"/räume"` and `"/r%C3%A4ume"` are the same path, and `%2F` stays inside its segment. A path without
       * parameters comes first, then the others in their order. A route whose `authorize` looks at its request is written as
       * `route({…})`: the compiler infers more there.
       */
      readonly routes: { readonly [Path in keyof R]: InlineRoute<R[Path], ParamsOf<Path>> };
      readonly handler?: never;
    };

/** The options of `serve`: those below, and `handler` or `routes`. */
export type ServeOptions<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>> = ServerOptions<D> &
  Handling<D, S, R>;

/** The options of `attach`: the listener is the host's. */
export type AttachOptions<D = ConnectionData, S = unknown, R = Record<string, ConnectionData>> = Omit<
  ServerOptions<D>,
  "host" | "port" | "backlog" | "tls"
> &
  Handling<D, S, R>;

/** The options of a server, but for what it runs. */
export interface ServerOptions<D = ConnectionData> extends SharedOptions<D> {
  /** The name or address to listen on, without a scheme or port. Default `"127.0.0.1"`. */
  readonly host?: string;
  /** The port to listen on; 0 picks a free one. Default 8080. */
  readonly port?: number;
  /** How many connections may wait to be accepted by the operating system. Default: the system's. */
  readonly backlog?: number;
  /**
   * A folder to serve over HTTP on the same port: its files as they are at the time, but for hidden ones and for links that lead out of it. A
   * peer that takes nothing of a file for two minutes is cut. Default none.
   */
  readonly static?: string;
  /** Serves `wss://` with this key, certificate and so on, as Node's `tls.createServer` takes them. Default none. */
  readonly tls?: TlsOptions;
  /** More are refused with 503; 0 is no limit. Default 0. */
  readonly maxConnections?: number;
  /** More from one address are refused with 503; 0 is no limit. Default 0. */
  readonly maxConnectionsPerAddress?: number;
  /** `"wait"`: whom `maxConnections` leaves no place waits for one, at most `backlog` of them (511). Default `"reject"`. */
  readonly whenFull?: "reject" | "wait";
  /**
   * How many proxies stand in front: so many entries of `X-Forwarded-For` from the right are believed, likewise `-Proto` and
   * `-Host`. `true` believes all. An address loses its port, and `::ffff:1.1.1.1` is `1.1.1.1`. Default `false`.
   */
  readonly trustProxy?: boolean | number;
  /**
   * Plain HTTP that nothing else answers, one request of a connection at a time; a throw is answered with 500. A body that it reads
   * has to end, or to bring 16 KiB, in every 30 s. Default: 426, or 404 where `static` has no such file.
   */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
  /** Told of each request and upgrade once it is answered. Default none. */
  readonly onAccess?: (entry: AccessEntry) => void;
  /**
   * How long a peer may take to answer a close frame before it is cut, and how long its own may wait for the events that came before
   * it to be handled. At most 2,147,483,647 ms. Default 5,000 ms.
   */
  readonly closeTimeoutMs?: number;
  /**
   * Joins this server with others: `nats({ servers })`, `redis({ url })` or `workers()`. Messages reach the connections of all of them;
   * each has its own handler and state. Default none.
   */
  readonly cluster?: ClusterAdapter;
  /**
   * Any pino logger, or `false` for none; what it throws costs one line. Default: pino at `info`. Its lines go to standard output, and are
   * dropped and counted while nobody takes them.
   */
  readonly logger?: Logger | false;
  /** Labels logs. Default `"sendall"`. */
  readonly name?: string;
}

/**
 * Carries the types of one route: what `authorize` returns is `connection.data`, what `init` returns is the handler's state.
 * At run time it is its argument; `serve` checks it.
 */
export function route<D = ConnectionData, S = unknown, P = Params>(
  options: RouteOptions<D, S, P>,
): RouteOptions<D, S, P> {
  return options;
}

/** How a server is closed. */
export interface CloseOptions {
  /** How long the handler may take to finish what has arrived. Default 5,000 ms. */
  readonly drainMs?: number;
  /** The code of the close frames. Default 1001. */
  readonly code?: number;
  /** The reason of the close frames, cut at 123 bytes. Default `"going away"`. */
  readonly reason?: string;
}
