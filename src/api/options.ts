/**
 * The options of Sendall as users write them, with type, meaning, unit and default. `options/server-options.ts` has the same defaults as
 * values, with the checks; tests compare the values with the defaults in the comments and in the tables of docs/reference/options.md.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TlsOptions } from "node:tls";
import type { Logger } from "../runtime/logger.js";
import type { Authorize, UpgradeRequest } from "./authorize.js";
import type { BudgetOptions } from "./budget.js";
import type { ClusterAdapter } from "./cluster-adapter.js";
import type { Connection, ConnectionData, ConnectionId, Params } from "./connection.js";
import type { HistoryOptions } from "./history.js";
import type { PresenceOptions } from "./presence.js";
import type { Rejection } from "./rejection.js";

/** How much may wait for the handler. */
export interface MailboxOptions {
  /** The number of waiting messages of a connection at which its socket is paused. Default 64. */
  readonly highWaterEvents: number;
  /**
   * The number of waiting messages at which a paused socket is resumed, below `highWaterEvents`. Default 16. The default follows
   * `highWaterEvents`: a quarter, rounded down.
   */
  readonly lowWaterEvents: number;
  /**
   * The number of waiting bytes of a connection at which its socket is paused. Each message counts 128 bytes more than its own length,
   * for the memory of the event. A connection with compression that, while paused, still brings more than four times `maxBytes`, and
   * more than 256 KiB, is closed with 1008: the last read may inflate to a thousand times its length. Default 1 MiB.
   */
  readonly maxBytes: number;
  /** The number of waiting `info` events at which `tell` returns `false`. Default 10,000. */
  readonly maxInfo: number;
}

/** How much may wait for a peer. */
export interface OutboxOptions {
  /** The number of waiting bytes at which the slow-consumer policy applies to the next message. Default 1 MiB. */
  readonly maxBufferedBytes: number;
  /**
   * `"close"` closes the connection with 1013, `"dropOldest"` leaves out the oldest waiting messages, `"dropNewest"` the new message.
   * Default `"close"`.
   */
  readonly slowConsumer: "close" | "dropOldest" | "dropNewest";
}

/** How dead peers are found. */
export interface HeartbeatOptions {
  /** The time of silence after which a peer gets a ping. Default 25,000 ms. */
  readonly intervalMs: number;
  /** The time without an answer after which a peer is cut. Default 20,000 ms. */
  readonly timeoutMs: number;
}

/** What happens when the handler fails. */
export interface SuperviseOptions {
  /** `"resume"` keeps the state from before the event, `"restart"` calls `init` again. Default `"resume"`. */
  readonly strategy: "resume" | "restart";
  /**
   * More failures than this within `periodMs` close the connection that caused them, or the route if the handler itself did. Invalid
   * messages of a protocol count as failures of their connection. Default 3.
   */
  readonly intensity: number;
  /**
   * The period in which failures are counted. The time that failing events take does not count: events that hang until
   * `handlerTimeoutMs` are too many after the same number as events that throw at once. Default 5,000 ms.
   */
  readonly periodMs: number;
  /** Whether `stats().failures` keeps the data of the event. Default `true`. */
  readonly keepData: boolean;
}

/** How long and how much a route keeps for connections whose socket is lost. */
export interface ResumeOptions<D = ConnectionData, P = Params> {
  /** How long a connection may be without a socket. Default 120,000 ms. */
  readonly graceMs: number;
  /**
   * The number of bytes of messages kept for one connection (frame headers included); judged at the next message, so that a message of any
   * size is kept alone. While the connection is away, `outbox.slowConsumer` decides what happens beyond. Default 1 MiB.
   */
  readonly maxBytes: number;
  /** The number of connections of the route that may be away; beyond, the connection that is away longest ends. Default 10,000. */
  readonly maxAway: number;
  /** The bytes kept for all connections of the route that are away; beyond, the connection away longest ends. Default 256 MiB. */
  readonly maxAwayBytes: number;
  /**
   * Decides, in place of `authorize`, whether a request may take up a session again. `false`: the session stays away, and the newcomer is
   * let in by `authorize` as anybody. A throw, or another value, is answered with 500, a decision that takes longer than
   * `handshakeTimeoutMs` with 503, and `reject(…)` with the given status; the session then stays away. Default: `authorize` is asked again.
   *
   * What `authorize` returns then is thrown away; a refusal ends the session.
   */
  // The type of a method: connections with other data stay assignable.
  readonly verify: {
    verify(
      request: UpgradeRequest<P>,
      connection: Connection<D, P>,
    ): boolean | Rejection | Promise<boolean | Rejection>;
  }["verify"];
}

/** How a route speaks SockJS beside plain WebSocket. */
export interface SockJsOptions {
  /** Whether sessions may run over WebSocket: at `/{server}/{session}/websocket`, and raw at `/websocket`. Default `true`. */
  readonly websocket: boolean;
  /** The interval at which a session's client gets an `h` frame, and over WebSocket a ping. Default 25,000 ms. */
  readonly heartbeatIntervalMs: number;
  /** The time after which a session without a poll has ended. Default 5,000 ms. */
  readonly disconnectDelayMs: number;
  /** The number of bytes after which a streaming response is ended; the client then asks for the next response. Default 131,072. */
  readonly responseLimitBytes: number;
  /** Sets the cookie `JSESSIONID`, by which load balancers keep a session at the same server. Default `false`. */
  readonly cookieNeeded: boolean;
  /** Also takes WebSockets of the draft hixie-76, with text only. Default `false`. */
  readonly legacy: boolean;
  /**
   * The client for iframe transports, of the very version that the pages use. Default
   * `"https://cdn.jsdelivr.net/npm/sockjs-client@1.6.1/dist/sockjs.min.js"`.
   */
  readonly clientUrl: string;
}

/** A request or upgrade that was answered, for `onAccess`. */
export interface AccessEntry {
  /** Whether the peer asked for a page (`"request"`) or for a connection (`"upgrade"`). */
  readonly type: "request" | "upgrade";
  /** When the request came: milliseconds since 1970, with a fraction. */
  readonly at: number;
  /** How long the answer took, in milliseconds. */
  readonly durationMs: number;
  /** The method; empty for bytes that made no request, as is `path`. */
  readonly method: string;
  /** The path without the query, which may hold secrets. */
  readonly path: string;
  /** The HTTP status: 101 for an upgrade, 499 for a peer that left before its turn came. */
  readonly status: number;
  /** The peer's address, or the address that a trusted proxy names. */
  readonly remoteAddress: string;
  /** The connection, new or taken up again (an upgrade with 101); absent where the peer gets a close frame alone. */
  readonly connection?: ConnectionId;
  /** Why the peer was refused (an upgrade, or bytes that made no request). */
  readonly reason?: string;
}

/** The options that a route may have of its own; at the top of `serve`, the same options are the defaults of every route. */
export interface SharedOptions<D = ConnectionData, P = Params> {
  /**
   * Decides which peers are let in, before the upgrade: returns the value of `connection.data` (or a promise of the value), or
   * `reject(…)`, which may be thrown as well. Any other throw is answered with 500, a decision that takes longer than
   * `handshakeTimeoutMs` with 503. Default: everybody is let in. In front of `perConnection`, `fromLogic`, `channels` or `handler` of a
   * protocol, give the parameter a type, `(request: UpgradeRequest) => …`: only then does the compiler know the result's type in time.
   */
  readonly authorize?: Authorize<D, P>;
  /**
   * Which pages may connect: `"same"` (the Origin header's host and port are the Host header's, or both are loopback), a list
   * of origins as browsers send them (`"https://example.com"`, `"capacitor://localhost"`), or `"any"`. Programs that send no Origin pass.
   * Default `"same"`.
   */
  readonly origins?: "same" | "any" | readonly string[];
  /**
   * Subprotocols on offer, in order of preference (RFC 6455 section 1.9). The names of sessions (`sendall.1`) are `BAD_OPTION`: the server
   * answers offers of sessions by itself. Default none.
   */
  readonly protocols?: readonly string[];
  /** The time limit of `authorize`, and of the wait of `whenFull`; at the server, also of the head of each request. Default 10,000 ms. */
  readonly handshakeTimeoutMs?: number;
  /** The number of milliseconds without a message after which a connection is closed with 1000 "idle". Default `false`. */
  readonly idleTimeoutMs?: number | false;
  /** The size limit of a message, in bytes, uncompressed: a longer message closes its connection with 1009. Default 1 MiB. */
  readonly maxPayloadBytes?: number;
  /**
   * A message in more fragments (RFC 6455 section 5.4) closes its connection with 1008. Until the last fragment has come, each fragment
   * takes up to 1 KiB of memory besides its bytes, so no value stands for "no limit". Default 16,384.
   */
  readonly maxFragments?: number;
  /** How much may wait for the handler. Omitted keys have their defaults. */
  readonly mailbox?: Partial<MailboxOptions>;
  /** How much each client may ask of the handler. Omitted keys have their defaults, and without a limit there is no budget. */
  readonly budget?: Partial<BudgetOptions<NoInfer<D>, P>>;
  /** How much may wait for a peer. Omitted keys have their defaults. */
  readonly outbox?: Partial<OutboxOptions>;
  /** The number of rooms beyond which `join` returns `false`. Default 100. */
  readonly maxRoomsPerConnection?: number;
  /**
   * How dead peers are found (RFC 6455 section 5.5.2); `false` turns the heartbeat off. Omitted keys have their defaults. SockJS
   * has a heartbeat of its own, `sockjs.heartbeatIntervalMs`.
   */
  readonly heartbeat?: Partial<HeartbeatOptions> | false;
  /** The time after which an unfinished event is a failure, and the next event starts. Default 30,000 ms. */
  readonly handlerTimeoutMs?: number;
  /**
   * permessage-deflate (RFC 7692) in both directions; messages of 1 KiB and more are compressed, once for every recipient. Limits
   * count uncompressed bytes. Default `false`.
   */
  readonly compression?: boolean;
  /**
   * `"serial"`: a single event at a time. `"connection"`: a single event of each connection at a time, different connections side by side
   * (functions, and handlers of a protocol without `init`). Default `"serial"`.
   */
  readonly concurrency?: "serial" | "connection";
  /** What happens when the handler fails. Omitted keys have their defaults. */
  readonly supervise?: Partial<SuperviseOptions>;
  /**
   * Keeps sessions: a connection of `sendall/client` outlives its socket, and what was missed is sent after. Omitted keys have their
   * defaults. Default `false`.
   */
  readonly resume?: Partial<ResumeOptions<NoInfer<D>, P>> | boolean;
  /** Who is in a room, over all nodes: `bus.present`, and news of each room. Omitted keys have their defaults. Default `false`. */
  readonly presence?: Partial<PresenceOptions<NoInfer<D>, P>> | boolean;
  /**
   * Keeps messages of rooms for newcomers, reloads and restarts: `bus.sendall(data, { room, keep: true })` keeps a message, and
   * `connection.follow(room, { last: 50 })` joins the room and sends what was kept. Omitted keys have their defaults. Default `false`.
   */
  readonly history?: Partial<HistoryOptions> | boolean;
  /** Speaks SockJS too, below the route's path (under `attach`: by `server.middleware`). Default `false`. */
  readonly sockjs?: Partial<SockJsOptions> | boolean;
}

/** The options of a server, without `handler` and `routes`. */
export interface ServerOptions<D = ConnectionData> extends SharedOptions<D> {
  /** The name or address to listen on, without a scheme or port. Default `"127.0.0.1"`. */
  readonly host?: string;
  /** The port to listen on; 0 picks a free one. Default 8080. */
  readonly port?: number;
  /** How many connections may wait to be accepted by the operating system. Default: Node's 511. */
  readonly backlog?: number;
  /**
   * A folder to serve over HTTP on the same port: the files as they are at the time, except hidden files and links that lead out of the
   * folder. A peer that takes nothing of a file for two minutes is cut. Default none.
   */
  readonly static?: string;
  /**
   * The path at which pages import the client, such as `"/sendall/client.js"`: `sendall/client` as a single module, compressed,
   * and minified if the path ends in `.min.js`; browsers ask for a newer version at each use (`ETag`). In the same folder of the URL pages find
   * `sendall/protocol`, as `protocol.js`; a client whose own file name is `protocol.js` stands alone. Both come before `sockjs`, `static` and `onRequest`; upgrades of the
   * same paths go to the routes. Under `attach`: served by `server.middleware`. Default none.
   */
  readonly client?: string;
  /** Serves `wss://` with the given key, certificate and so on, as Node's `tls.createServer` takes them. Default none. */
  readonly tls?: TlsOptions;
  /**
   * Further connections are refused with 503; 0 is no limit. With `resume`, the connection that is away longest ends first. Default 0.
   */
  readonly maxConnections?: number;
  /** Further connections from the same address are refused with 503; 0 is no limit. Default 0. */
  readonly maxConnectionsPerAddress?: number;
  /**
   * Upgrades a second that are let in to `authorize`, as many at once after a silence; 0 is no limit. Further upgrades are refused with 503
   * and `Retry-After: 1`. Sessions that are taken up again and SockJS sessions count. Default 0.
   */
  readonly upgradesPerSecond?: number;
  /** `"wait"`: peers beyond `maxConnections` wait for a place, at most `backlog` of them (511). Default `"reject"`. */
  readonly whenFull?: "reject" | "wait";
  /**
   * The number of proxies in front of the server: the same number of entries of `X-Forwarded-For`, from the right, is believed, likewise
   * of `-Proto` and `-Host`. `true` believes every entry. An address loses its port, and `::ffff:1.1.1.1` is `1.1.1.1`. Default `false`.
   */
  readonly trustProxy?: boolean | number;
  /**
   * Answers plain HTTP that nothing else answers, a single request of a connection at a time; a throw is answered with 500. A body that
   * `onRequest` reads has to end, or to bring 16 KiB, in every 30 s. Default: 426, or 404 where `static` has no such file.
   */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => unknown;
  /** Called for each request and upgrade after the answer. Default none. */
  readonly onAccess?: (entry: AccessEntry) => void;
  /**
   * How long a peer may take to answer a close frame before the peer is cut, and how long a peer's own close frame may wait until the
   * events before the frame are handled. At most 2,147,483,647 ms. Default 5,000 ms.
   */
  readonly closeTimeoutMs?: number;
  /**
   * Joins this server with others: `nats({ servers })`, `redis({ url })` or `workers()`. Messages reach the connections of
   * every server; each server has its own handler and state. Default none.
   */
  readonly cluster?: ClusterAdapter;
  /**
   * Any pino logger, or `false` for none; a throw of the logger costs a single line. Default: pino at `info`. Lines of the default logger
   * go to standard output, as JSON unless the environment says `SENDALL_LOG_FORMAT=pretty`, and are dropped and counted while nothing
   * reads them.
   */
  readonly logger?: Logger | false;
  /** Labels logs. Default `"sendall"`. */
  readonly name?: string;
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
