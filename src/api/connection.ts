/**
 * A connection as a handler sees it: facts, data and verbs. Connections of a route and subscriptions of `channels` implement the type;
 * either ends with its `closed` event.
 */
import type { PeerCertificate } from "node:tls";
import type { FollowFrom, FollowResult } from "./follow.js";
import type { Json } from "./json.js";

declare const connectionId: unique symbol;

/** Names one connection: unguessable, never reused. A plain string at run time; with `cluster` the id begins with the node's name. */
export type ConnectionId = string & { readonly [connectionId]: true };

/** The data that a connection carries for the program; `{}` unless the program says otherwise. */
export type ConnectionData = Record<string, unknown>;

/** The decoded `:name` parts of a route's path. */
export type Params = Readonly<Record<string, string>>;

/** The parts that a path names: `{ readonly room: string }` for `"/chat/:room"`. */
export type ParamsOf<Path> = Path extends `${infer Head}/${infer Tail}`
  ? PartOf<Head> & ParamsOf<Tail>
  : string extends Path
    ? Params
    : PartOf<Path>;

type PartOf<Segment> = Segment extends `:${infer Name}` ? { readonly [N in Name]: string } : Record<never, string>;

/** How a connection came in. SockJS transports have the names that SockJS clients use; `"memory"` is the test runtime. */
export type TransportName =
  | "websocket"
  | "xhr-streaming"
  | "eventsource"
  | "htmlfile"
  | "xhr-polling"
  | "jsonp-polling"
  | "memory";

/** A message to send: a string goes out as a text frame, bytes as a binary frame (RFC 6455 section 5.6). */
export type Data = string | Uint8Array | ArrayBuffer;

/** A connection, or its id: every call that takes a connection accepts either. */
export type ConnectionRef = Connection<unknown> | ConnectionId | string;

/** Which side ended a connection: the peer by a close frame, the server, or neither (the socket was lost, or the peer fell silent). */
export type ClosedBy = "peer" | "server" | "lost";

/** The facts of a request to connect. */
export interface RequestFacts<P = Params> {
  /** The request's path, as sent, without the query. */
  readonly path: string;
  /** The decoded `:name` parts of the route. */
  readonly params: P;
  /** The request's query. */
  readonly query: URLSearchParams;
  /** The request's headers by lower-case name; repeated headers are joined with `", "`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The request's cookies (RFC 6265), decoded. */
  readonly cookies: Readonly<Record<string, string>>;
  /** The `Origin` header; `undefined` from programs other than browsers. */
  readonly origin: string | undefined;
  /** The peer's address, or the address that a trusted proxy names. */
  readonly remoteAddress: string;
  /** Whether the peer speaks TLS to the server (or to a trusted proxy). */
  readonly secure: boolean;
}

/**
 * A single peer. The facts never change after the upgrade (except `roundTripMs`, `bufferedAmount`, `isOpen`, `isAway` and `rooms`), and
 * an assignment to a fact throws a `TypeError`: only `data` belongs to the program. With a session that is taken up again, `query`,
 * `headers`, `cookies`, `origin`, addresses, `secure` and `peerCertificate` are those of the newest request. The verbs work from any
 * code at any time; a verb returns `true` if it did something, `false` if not.
 */
export interface Connection<D = ConnectionData, P = Params, M = Data> extends RequestFacts<P> {
  /** Unguessable and never reused. */
  readonly id: ConnectionId;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  /** The version of the WebSocket protocol, 13 (RFC 6455 section 4.1); 0 for SockJS without it, or before it. */
  readonly version: number;
  /** The peer's port, or that of the nearest proxy. */
  readonly remotePort: number;
  /** The address of the server's end. */
  readonly localAddress: string;
  /** The TLS certificate that the peer has shown (`tls.requestCert`). */
  readonly peerCertificate: PeerCertificate | undefined;
  /** How the connection came in. */
  readonly transport: TransportName;
  /** When the connection opened: milliseconds since 1970, with a fraction. */
  readonly openedAt: number;
  /** The last ping's round trip in milliseconds; `undefined` until the first pong. */
  readonly roundTripMs: number | undefined;
  /**
   * Bytes on the way to the peer: the outbox plus the bytes that the socket has not taken (frame headers included); while the connection
   * is away, whatever is kept for the peer.
   */
  readonly bufferedAmount: number;
  /** `false` from the moment the socket is gone or the server has closed the connection; `true` while the connection is away. */
  readonly isOpen: boolean;
  /** Whether the socket is lost and the session lives on, for at most `resume.graceMs`. Always `false` without the option `resume`. */
  readonly isAway: boolean;
  /** The rooms of the connection; after the end, the rooms at the end, until the `closed` event has been handled. */
  readonly rooms: ReadonlySet<string>;
  /** Aborted once the connection is gone. Made when first read. */
  readonly signal: AbortSignal;
  /**
   * Anything that the program keeps with the connection: at first the value that `authorize` returned, `{}` without `authorize`. Values
   * are `unknown` in a route whose `authorize` takes an argument without a type: write the route as `route({…})`.
   */
  data: D;

  /**
   * Sends a message.
   * @returns `false` if the message was dropped, or the connection has gone
   * @throws SendallError `BAD_DATA` if `data` is neither a string nor bytes
   */
  send(data: M): boolean;
  /**
   * Sends a ping (RFC 6455 section 5.5.2), of at most 125 bytes, after what was sent before; a ping overtakes only messages that
   * wait for a socket that must drain. `roundTripMs` has the result once the pong has come.
   * @returns `false` also where the transport has no pings (SockJS over HTTP)
   * @throws SendallError `BAD_DATA` if `data` is longer, or neither a string nor bytes
   */
  ping(data?: Data): boolean;
  /**
   * Sends the waiting messages, then a close frame (RFC 6455 section 5.5.1). A reason of more than 123 bytes is cut at a character.
   * @param code 1000 unless given; 1000-1003, 1007-1014 and 3000-4999 are accepted
   * @param reason `""` unless given
   * @throws SendallError `BAD_CLOSE_CODE` for any other code
   */
  close(code?: number, reason?: string): boolean;
  /** Cuts the socket at once; messages that wait to be sent are lost. */
  terminate(): boolean;
  /**
   * Joins a room, and makes the room if need be.
   * @returns `false` if the connection is a member already, has gone, or is in `maxRoomsPerConnection` rooms
   * @throws SendallError `BAD_ROOM` if the name is not a string, empty, or longer than 1,024 characters
   */
  join(room: string): boolean;
  /**
   * Leaves a room; a room without members ceases to exist.
   * @returns `false` if the connection is no member, or has gone
   * @throws SendallError `BAD_ROOM`
   */
  leave(room: string): boolean;
  /**
   * Joins a room and sends what was kept there (option `history`), then what comes, without hole or double. What was kept is written as the socket
   * takes it, and never makes a slow consumer. While a store takes time to answer, what comes in the room waits; everything else goes on.
   * @param from `{ last: 50 }` for the newest messages, `{ after: position }` for those that a client has missed
   * @throws SendallError (rejects) `ALREADY_MEMBER` where `join` returns `false` for a member, `BAD_ROOM`, `NO_HISTORY`, `BAD_OPTION`;
   * `HISTORY_UNAVAILABLE` if the store fails: the connection is a member then, and gets what comes
   */
  follow(room: string, from: FollowFrom): Promise<FollowResult>;
  /**
   * Replaces what is told of the connection in all its rooms, now and at later joins (option `presence`).
   * @param info a value that JSON can carry, of at most `presence.maxInfoBytes`
   * @returns `true` if the info differs from the info of before; `false` also if the connection has gone
   * @throws SendallError `BAD_INFO` if `info` is not JSON or too long; `NO_PRESENCE` without the option `presence`
   */
  show(info: Json): boolean;
  /**
   * Asks for an `idle` event once the peer has sent no message for `ms` milliseconds. Each message starts the wait anew (also after the
   * event), and so does the return of a connection that was away; 0 ends the wait.
   * @throws SendallError `BAD_DURATION` if `ms` is below 0 or not a number
   */
  idle(ms: number): boolean;
}
