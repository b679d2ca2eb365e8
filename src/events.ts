/** The vocabulary that every room and every user speaks: connections, events, receipts, the bus. */
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

/** A connection has opened: the first event of each. */
export interface OpenEvent<D = ConnectionData, P = Params> {
  readonly type: "open";
  /** Who has come; a target and a member from now on. */
  readonly connection: Connection<D, P>;
}

/** A message has arrived. */
export interface MessageEvent<D = ConnectionData, P = Params> {
  readonly type: "message";
  /** Who has sent it. */
  readonly connection: Connection<D, P>;
  /** A string from a text frame, a Buffer from a binary one. The Buffer may be kept. */
  readonly data: string | Buffer;
  /** The string, or the bytes read as UTF-8. */
  readonly text: string;
}

/** A connection has ended: the last event of each. */
export interface ClosedEvent<D = ConnectionData, P = Params> {
  readonly type: "closed";
  /** Who has gone; its `rooms` and `data` are those of before. */
  readonly connection: Connection<D, P>;
  /** The code of the peer's close frame, else of the one we sent, else 1006 (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason beside that code, `""` if there was none. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Who ended it. */
  readonly by: ClosedBy;
}

/** The socket or the protocol failed; `closed` follows. */
export interface ErrorEvent<D = ConnectionData, P = Params> {
  readonly type: "error";
  /** Whose socket it is. */
  readonly connection: Connection<D, P>;
  /** What the socket or the protocol says. */
  readonly error: Error;
}

/** Something from the rest of the program (`tell`) or a timer (`after`). */
export interface InfoEvent<D = ConnectionData, P = Params> {
  readonly type: "info";
  /** What `tell` or `after` was given, as it is. */
  readonly data: unknown;
  /** Whom it is about, if it was addressed. */
  readonly connection?: Connection<D, P>;
}

/** A connection has been silent for as long as `connection.idle(ms)` asked. */
export interface IdleEvent<D = ConnectionData, P = Params> {
  readonly type: "idle";
  /** Who is silent. */
  readonly connection: Connection<D, P>;
}

/** What a handler gets; tell them apart by `type`. */
export type ServerEvent<D = ConnectionData, P = Params> =
  | OpenEvent<D, P>
  | MessageEvent<D, P>
  | ClosedEvent<D, P>
  | ErrorEvent<D, P>
  | InfoEvent<D, P>
  | IdleEvent<D, P>;

/** A control frame of the peer (RFC 6455 section 5.5), for the `ping` and `pong` of a `perConnection` handler; others never see it. */
export interface ControlEvent {
  readonly type: "ping" | "pong";
  readonly connection: Connection;
  readonly data: Buffer;
}

/** What waits in a mailbox. */
export type MailboxEvent = ServerEvent | ControlEvent;

export function isControl(event: MailboxEvent): event is ControlEvent {
  return event.type === "ping" || event.type === "pong";
}

/** What became of one message: `targeted = queued + dropped + dead`. */
export interface Receipt {
  /** For how many connections it was meant. */
  readonly targeted: number;
  /** How many outboxes took it. */
  readonly queued: number;
  /** How many slow consumers do not get it. */
  readonly dropped: number;
  /** How many of them have gone (a dead letter). */
  readonly dead: number;
  /**
   * With `cluster`: 1 if the message is also on its way to the other nodes, 0 if not (the link is down, or none of them is
   * meant). The other numbers speak of this node alone. Absent without `cluster`.
   */
  readonly forwarded?: 0 | 1;
}

/** Narrows a send to the members of a room, or of any of several (each gets the message once). */
export interface RoomOption {
  /** A room, or several, each named by 1 to 1,024 characters. Default: no room, but all connections. */
  readonly room?: string | readonly string[];
}

/** Ends an alarm that `bus.after` set; does nothing once it has rung. */
export type Cancel = () => void;

/**
 * Sending, rooms and alarms: the verbs that the bus and the server share. With `cluster`, `unicast`, `broadcast` and `sendall` reach the
 * connections of all nodes; everything else is about those of this node.
 */
export interface Verbs<D = ConnectionData, P = Params> {
  /**
   * Sends to one connection. One that has gone is no error: the receipt says `dead: 1`.
   * @throws SendallError `BAD_DATA` if it is neither a string nor bytes, or `to` neither a connection nor an id
   */
  unicast(data: Data, to: ConnectionRef): Receipt;
  /**
   * Sends to all but the source; to all, if the source has gone.
   * @throws SendallError `BAD_DATA`, `BAD_ROOM`
   */
  broadcast(data: Data, source: ConnectionRef, options?: RoomOption): Receipt;
  /**
   * Sends to all.
   * @throws SendallError `BAD_DATA`, `BAD_ROOM`
   */
  sendall(data: Data, options?: RoomOption): Receipt;
  /** As {@link Connection.join}. @throws SendallError `BAD_DATA`, `BAD_ROOM` */
  join(connection: ConnectionRef, room: string): boolean;
  /** As {@link Connection.leave}. @throws SendallError `BAD_DATA`, `BAD_ROOM` */
  leave(connection: ConnectionRef, room: string): boolean;
  /** The open members of a room, in order of joining; a copy. @throws SendallError `BAD_ROOM` */
  members(room: string): Connection<D, P>[];
  /** The names of all rooms; a copy. */
  rooms(): string[];
  /** All open connections, in order of opening; a copy. */
  connections(): Connection<D, P>[];
  /**
   * Posts an `info` event to the handler.
   * @param to whom it is about
   * @returns `false` if `mailbox.maxInfo` of them wait already, or the connection has gone
   * @throws SendallError `BAD_DATA` if `to` is neither a connection nor an id
   */
  tell(data: unknown, to?: ConnectionRef): boolean;
  /**
   * Posts an `info` event after `ms` milliseconds of the server's clock (virtual time in tests).
   * @param to whom it is about; nothing is posted if it has gone by then
   * @throws SendallError `BAD_DURATION`, `BAD_DATA`
   */
  after(ms: number, data: unknown, to?: ConnectionRef): Cancel;
  /**
   * Resolves after `ms` milliseconds of the server's clock (virtual time in tests); never, if the server closes before. In a
   * `perConnection` handler a sleep that is under way ends when its connection goes.
   * @throws SendallError `BAD_DURATION`
   */
  sleep(ms: number): Promise<void>;
  /** The server's clock: milliseconds since 1970. */
  now(): number;
}

/** What a handler sends with: its second argument. Works at any time, also after an `await`. */
export interface Bus<D = ConnectionData, P = Params> extends Verbs<D, P> {
  /** As {@link Connection.close}. @throws SendallError `BAD_DATA`, `BAD_CLOSE_CODE` */
  close(to: ConnectionRef, code?: number, reason?: string): boolean;
}

/** One failure of the handler, as {@link Stats.failures} lists it. */
export interface Failure {
  /** When: milliseconds since 1970. */
  readonly at: number;
  /**
   * The event's type (`"ping"` and `"pong"` among them), or `"init"`, `"stop"`, `"rejection"` for a promise that nothing
   * awaited, `"exception"` for a throw outside the event's own call (in a timer, say), `"loop"` and `"logic"` for what a loop or machine
   * has thrown between two events.
   */
  readonly event: string;
  /** Whose event it was. */
  readonly connection?: ConnectionId;
  /**
   * What was thrown, as a copy that keeps nothing else alive: an `Error` with its `name`, its `message` (cut to 1 KiB), its `stack` (cut
   * to 4 KiB) and its `code` if it has one, so of the classes of JavaScript itself or a `SendallError`, or else a plain
   * `Error`. A string is cut to 1 KiB; what is neither error nor primitive is told in words. The log has the error with its causes.
   */
  readonly error: unknown;
  /** The event's data, cut to 1 KiB; absent with `supervise.keepData: false`. */
  readonly data?: unknown;
}

/** What a server's link to its cluster does: only `"up"` carries messages, and only then is the server ready. */
export type LinkState = "connecting" | "subscribing" | "up" | "down" | "closed";

/** Numbers of a server's part in its cluster; totals since the start, unless they say otherwise. */
export interface ClusterStats {
  /** Names this node: what the ids of its connections begin with. */
  readonly node: string;
  /** The link to the engine, now. */
  readonly link: LinkState;
  /** Subjects that this node hears, confirmed by the engine, now: its own, and one for each route and room with members. */
  readonly subscriptions: number;
  /** Messages handed to the engine. */
  readonly published: number;
  /** Messages of other nodes taken in. */
  readonly received: number;
  /** Messages of this node that the link did not take, because it was down, or they were too large: no other node got them. */
  readonly unsent: number;
  /** Messages that other nodes have sent and that did not arrive, as gaps in their numbers show. */
  readonly missed: number;
  /** `unsent` and `missed` together. */
  readonly lost: number;
  /** Packets that were no good: of another version, from a stranger, garbage, or come a second time. */
  readonly rejected: number;
}

/** Numbers of a server, or of one route of it. */
export interface Stats {
  /** Open connections, now. */
  readonly connections: number;
  /** Rooms, now. */
  readonly rooms: number;
  /** Connections whose socket is paused because their mailbox is full, now. */
  readonly paused: number;
  /** Messages and their bytes taken from sockets since the start. */
  readonly received: { readonly messages: number; readonly bytes: number };
  /**
   * Messages and their bytes handed to sockets since the start (one per recipient), frames encoded (one per message), and
   * socket writes that carried messages.
   */
  readonly sent: {
    readonly messages: number;
    readonly bytes: number;
    readonly frames: number;
    readonly writes: number;
  };
  /** Messages that slow consumers did not get. */
  readonly dropped: number;
  /** Messages to connections that had gone. */
  readonly deadLetters: number;
  /** Upgrades refused. */
  readonly refused: number;
  /** How often a connection became a slow consumer. */
  readonly slowConsumers: number;
  /** The handler's last 100 failures, oldest first. */
  readonly failures: readonly Failure[];
  /** With `cluster`, of the server: its part in the cluster. */
  readonly cluster?: ClusterStats;
}

/** A message as the transports carry it: encoded once, shared by all that it goes to. */
export interface Frame {
  /** As the user gave it: the string, or a copy of the bytes. */
  readonly data: string | Buffer;
  /** The bytes on a WebSocket (RFC 6455 section 5.2). */
  readonly wire: Buffer;
  /** How many of them are the message itself. */
  readonly payloadBytes: number;
  /** The bytes for sockets that take permessage-deflate (RFC 7692), once one of them has needed it. */
  deflated?: Buffer;
}
