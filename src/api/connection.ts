/** What a handler knows of a connection, and does with it. */
import type { PeerCertificate } from "node:tls";

declare const connectionId: unique symbol;

/** Names one connection: unguessable, never reused. A plain string at run time; with `cluster` it begins with the name of its node. */
export type ConnectionId = string & { readonly [connectionId]: true };

/** What a connection carries for the program; `{}` unless the program says otherwise. */
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

/** How a connection came in: the names are those of SockJS clients, and `"memory"` is the test runtime. */
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

/** A connection, or its id: wherever one is asked for, the other will do. */
export type ConnectionRef = Connection<unknown> | ConnectionId | string;

/** Who ended a connection: the peer's close frame, our side, or neither (the socket was lost, or the peer fell silent). */
export type ClosedBy = "peer" | "server" | "lost";

/** The facts of a request to connect. */
export interface RequestFacts<P = Params> {
  /** The request's path, as sent, without the query. */
  readonly path: string;
  /** The decoded `:name` parts of the route. */
  readonly params: P;
  /** The request's query. */
  readonly query: URLSearchParams;
  /** The request's headers by lower-case name; repeated ones joined with `", "`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The request's cookies (RFC 6265), decoded. */
  readonly cookies: Readonly<Record<string, string>>;
  /** The `Origin` header; `undefined` from programs that are no browser. */
  readonly origin: string | undefined;
  /** The peer's address, or what a trusted proxy says that it is. */
  readonly remoteAddress: string;
  /** Whether the peer speaks TLS to us (or to a trusted proxy). */
  readonly secure: boolean;
}

/**
 * One peer. Its facts never change after the upgrade (but for `roundTripMs`, `bufferedAmount`, `isOpen` and `rooms`); its verbs
 * work from any code at any time and return `true` if they did something, `false` if not.
 */
export interface Connection<D = ConnectionData, P = Params> extends RequestFacts<P> {
  /** Unguessable and never reused. */
  readonly id: ConnectionId;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  /** The version of the WebSocket protocol, 13 (RFC 6455 section 4.1); 0 for SockJS without it, or before it. */
  readonly version: number;
  /** The peer's port, or that of the nearest proxy. */
  readonly remotePort: number;
  /** Our end's address. */
  readonly localAddress: string;
  /** The TLS certificate that the peer has shown (`tls.requestCert`). */
  readonly peerCertificate: PeerCertificate | undefined;
  /** How it came in. */
  readonly transport: TransportName;
  /** When it opened: milliseconds since 1970. */
  readonly openedAt: number;
  /** The last ping's round trip in milliseconds; `undefined` until the first pong. */
  readonly roundTripMs: number | undefined;
  /** Bytes on their way to the peer: the outbox plus what the socket has not taken (frame headers included). */
  readonly bufferedAmount: number;
  /** `false` from the moment its socket is gone or our side has closed it. */
  readonly isOpen: boolean;
  /** The rooms it is in; after the end, those it was in, until its `closed` event has been handled. */
  readonly rooms: ReadonlySet<string>;
  /** Aborted once the connection is gone. Made when first read. */
  readonly signal: AbortSignal;
  /** Whatever the program wants to keep with the connection: at first what `authorize` returned, `{}` without it. */
  data: D;

  /**
   * Sends one message.
   * @returns `false` if it was dropped, or the connection has gone
   * @throws SendallError `BAD_DATA` if it is neither a string nor bytes
   */
  send(data: Data): boolean;
  /**
   * Sends a ping (RFC 6455 section 5.5.2), of at most 125 bytes, after what was sent before; it overtakes only what waits for a
   * socket that must drain. `roundTripMs` tells when the pong has come.
   * @returns `false` also where the transport has none (SockJS over HTTP)
   * @throws SendallError `BAD_DATA` if it is longer, or neither a string nor bytes
   */
  ping(data?: Data): boolean;
  /**
   * Sends what waits, then a close frame (RFC 6455 section 5.5.1). A reason over 123 bytes is cut at a character.
   * @param code 1000 unless given; 1000-1003, 1007-1014 and 3000-4999 are accepted
   * @param reason `""` unless given
   * @throws SendallError `BAD_CLOSE_CODE` for any other code
   */
  close(code?: number, reason?: string): boolean;
  /** Cuts the socket at once; what waits to be sent is lost. */
  terminate(): boolean;
  /**
   * Joins a room, making it if need be.
   * @returns `false` if it is a member already, has gone, or is in `maxRoomsPerConnection` rooms
   * @throws SendallError `BAD_ROOM` if the name is no string, empty, or longer than 1,024 characters
   */
  join(room: string): boolean;
  /**
   * Leaves a room; a room without members ceases to exist.
   * @returns `false` if it is no member, or has gone
   * @throws SendallError `BAD_ROOM`
   */
  leave(room: string): boolean;
  /**
   * Asks for an `idle` event once it has sent no message for `ms` milliseconds; each message starts the wait anew (also after the
   * event), 0 ends it.
   * @throws SendallError `BAD_DURATION` if `ms` is below 0 or no number
   */
  idle(ms: number): boolean;
}
