/** What rooms of one floor hand each other through the composition root: small contracts, no logic. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { PeerCertificate } from "node:tls";
import type { Clock } from "./clock.js";
import type {
  Bus,
  ClosedBy,
  Connection,
  ConnectionData,
  ConnectionId,
  Data,
  Frame,
  Params,
  RequestFacts,
  ServerEvent,
  TransportName,
} from "./events.js";
import type { Refusal, Rejection } from "./reject.js";

/** What Sendall asks of a logger; every pino logger has it. Details are cut, so that a line has about 2 KB at most. */
export interface Logger {
  /** The least of the levels that are written: at `"debug"` each frame is logged, too. */
  readonly level: string;
  /** Each event and each frame. */
  debug(details: object, line: string): void;
  /** The server's life, connections opened and closed, upgrades refused. */
  info(details: object, line: string): void;
  /** Slow consumers, slow handlers, refused origins, connections lost. */
  warn(details: object, line: string): void;
  /** Failures of the handler. */
  error(details: object, line: string): void;
  /** A logger whose lines carry these bindings, too. */
  child(bindings: Record<string, unknown>): Logger;
}

/** The single handler function: gets every event of its route, one at a time. A promise is awaited; what it returns does not count. */
export type HandlerFunction<D = ConnectionData, P = Params> = (event: ServerEvent<D, P>, bus: Bus<D, P>) => unknown;

/** A handler with central state and no globals: each event gets the state and returns the next one. */
export interface StatefulHandler<S = unknown, D = ConnectionData, P = Params> {
  /** Makes the first state; called again after a failure under `supervise.strategy: "restart"`. */
  init(bus: Bus<D, P>): S | Promise<S>;
  /** Returns the next state; nothing keeps the present one. After a throw the state is the one of before the event. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement keeps its state
  handle(event: ServerEvent<D, P>, state: S, bus: Bus<D, P>): NoInfer<S> | void | Promise<NoInfer<S> | void>;
  /** Called once when the server closes, after the last event. */
  stop?(state: S, bus: Bus<D, P>): void | Promise<void>;
}

/** A handler made by `perConnection`, `fromLogic` or `channels`: what is in it is between it and the server. */
export abstract class ShapedHandler<D = ConnectionData, P = Params> {
  /** Carries the types; not there at run time. */
  declare readonly takes?: (event: ServerEvent<D, P>) => void;
}

/** What a route runs: a function for all events, an object that keeps a state, or what one of the makers of shapes has made. */
export type Handler<D = ConnectionData, S = unknown, P = Params> =
  | HandlerFunction<D, P>
  | StatefulHandler<S, D, P>
  | ShapedHandler<D, P>;

/** What `authorize` is asked about: a request to connect, before the upgrade. */
export interface UpgradeRequest<P = Params> extends RequestFacts<P> {
  /** The subprotocols that the peer offers, in its order. */
  readonly protocols: readonly string[];
  /** Aborted when the peer leaves before it is let in, or `handshakeTimeoutMs` is over. */
  readonly signal: AbortSignal;
  /** Node's request; `undefined` in the test runtime. */
  readonly raw: IncomingMessage | undefined;
}

/** Decides who is let in: returns what becomes `connection.data`, or `reject(…)`, which may be thrown as well. Any other throw is answered with 500. */
export type Authorize<D = ConnectionData, P = Params> = (
  request: UpgradeRequest<P>,
) => D | Rejection | Promise<D | Rejection>;

/** The facts of a request, as the transport read them before the upgrade. */
export interface Head {
  /** Path and query, as sent. */
  readonly url: string;
  /** Names and values in turn, one a line: kept in this form because few handlers ever read them. */
  readonly headers: string;
  /** The values that are missing there, one a line: of headers that differ, so that many requests can share the rest. */
  readonly ownValues?: string;
  /** Whether its cookies are left out; then their values are not in {@link ownValues} either. */
  readonly hasNoCookies?: boolean;
  readonly version: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly secure: boolean;
  /** The TLS certificate that the peer has shown. */
  readonly peerCertificate?: PeerCertificate;
}

/** The headers that decide who is let in, by lower-case name. */
export type AskedHeaders = {
  readonly [name in
    | "host"
    | "origin"
    | "referer"
    | "sec-fetch-site"
    | "sec-websocket-protocol"
    | "x-forwarded-for"
    | "x-forwarded-host"
    | "x-forwarded-proto"]?: string;
};

/** A request that is being decided, which may take a while. */
export interface Asking {
  /** When it came. */
  readonly at: number;
  readonly head: Head;
  readonly headers: AskedHeaders;
  readonly raw: IncomingMessage | undefined;
  /** Aborted when the peer leaves before the answer. Made when first asked for. */
  readonly signal: AbortSignal;
  /** It comes over SockJS: for a WebSocket with its frames or without, or as a plain request. Its head has the route's path. */
  readonly sockjs?: "framed" | "raw" | "request";
}

/** Our end of one peer's transport. */
export interface Wire {
  readonly transport: TransportName;
  /** How its dead peers are found, if not as the route's option says; `false`: it finds them itself. */
  readonly heartbeat?: { readonly intervalMs: number; readonly timeoutMs: number } | false;
  /** `false` if there are no pings in this transport. */
  readonly hasPings?: boolean;
  /** `true` if it cannot carry bytes, only text: they are dropped. */
  readonly isTextOnly?: boolean;
  /** `false` from the moment our close frame was sent, or the socket has gone. */
  readonly isOpen: boolean;
  /** Bytes that have come from the peer: a message that takes long to arrive is a sign of life, too. */
  readonly bytesRead: number;
  /** Bytes written that the peer's side has not taken. */
  readonly untakenBytes: number;
  /** Whether all that is written counts as untaken until the event loop has gone round, as TLS sockets have it. */
  readonly isDelayed: boolean;
  /** Whether writing has to wait for the socket; `Peer.drained` MUST be called when it need not any more. */
  mustWait(): boolean;
  /** One socket write for all frames, in order. The array is the wire's from then on. @returns `false` if it is not open */
  write(frames: readonly Frame[]): boolean;
  ping(data: Buffer): void;
  pong(data: Buffer): void;
  /**
   * Sends a close frame after all that was written; 1005 is one without a code. `Peer.gone` follows when the peer answers (or has
   * closed first), or the socket ends.
   */
  close(code: number, reason: string): void;
  /** Cuts the connection; `Peer.gone` MUST follow, not within this call. */
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** What a transport tells us of one peer. Calls after `gone` MUST NOT happen. */
export interface Peer {
  readonly id: ConnectionId;
  /** @param bytes how many there were on the wire */
  message(data: string | Buffer, bytes: number): void;
  /** Answered already, if it could be. The bytes of this and of a pong are the transport's again once this returns. */
  pinged(data: Buffer): void;
  ponged(data: Buffer): void;
  drained(): void;
  /** The wire is paused and still brings more than `maxPausedBytes`: called in place of `message`, and each time. */
  flooded(): void;
  failed(error: Error): void;
  /**
   * Nothing more is read of the peer: its close frame has come, or (`isFault`) bytes that break the protocol, which `failed` then tells of.
   * The wire stays open until this side answers by `Wire.close`, for which `code` and `reason` are meant.
   */
  concluded(code: number, reason: string, isFault: boolean): void;
  /** `code` is that of the peer's close frame, 1006 without one. */
  gone(code: number, reason: string): void;
}

/** An upgrade let in: it happens when the transport calls `accept`, at once or after the handshake. */
export interface Admission {
  readonly maxPayloadBytes: number;
  /** How many fragments a message may come in. */
  readonly maxFragments: number;
  /** How many bytes of messages a paused wire may still bring, out of what it had read. */
  readonly maxPausedBytes: number;
  /** Whether permessage-deflate (RFC 7692) is on offer. */
  readonly compression: boolean;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  /** MUST be called in the same stack in which the wire starts to deliver. */
  accept(wire: Wire): Peer;
  /** MUST be called instead if the peer has left: its place is free again. */
  forsake(): void;
}

/** What an entrance asks for each request to connect. */
export interface Gate {
  admit(asking: Asking): Admission | Refusal | Promise<Admission | Refusal>;
  /** Whether any route takes this path. */
  takes(path: string): boolean;
  /** Whether a route has this path for itself. */
  hasRoute(path: string): boolean;
  /** MUST be told of every refusal, the entrance's own too. */
  refused(asking: Asking, refusal: Refusal): void;
}

/** What an upgrade is to SockJS: turned down, or asked about with the route's path in place of its own. */
export type UpgradePlan =
  | { readonly url: string; readonly refusal: Refusal }
  | {
      readonly url: string;
      readonly kind: "framed" | "raw";
      /** What the admission becomes: with SockJS's frames between the wire and the connection. */
      wrap(admission: Admission): Admission;
      /**
       * Shakes hands in place of the usual one, for a protocol before RFC 6455; such a request is not checked. Accepts or
       * forsakes, in its own time.
       */
      readonly shake?: (request: IncomingMessage, socket: Duplex, head: Buffer, admission: Admission) => void;
    };

/** SockJS as plain HTTP and upgrades meet it, before anything else answers them. */
export interface SockJsFront {
  /** Whether a plain request of this path is for SockJS to answer. */
  has(path: string): boolean;
  /** Answers a request below the path of a SockJS route. @returns `false` if it is none */
  answer(request: IncomingMessage, response: ServerResponse): boolean;
  /** The same after the files, for what a host has mounted at a path. @returns `false` if it is the host's */
  answerMounted(request: IncomingMessage, response: ServerResponse): boolean;
  /** Answers what nobody else has answered, where a SockJS route has every path. @returns `false` if none has */
  greet(request: IncomingMessage, response: ServerResponse): boolean;
  /** `undefined` for an upgrade that is not SockJS's. */
  upgrade(request: IncomingMessage): UpgradePlan | undefined;
  /** Whether an upgrade of this path is SockJS's. */
  takes(path: string): boolean;
  /** The path as it may be shown: without the secret of a session. */
  shownPath(path: string): string;
}

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

/** Where connections come in: the network, or memory. One for each server. */
export interface Entrance {
  /** Where it is now; meaningful once it is open. */
  readonly address: Address;
  /** Rejects with `LISTEN_FAILED`; nothing is left listening then. */
  open(gate: Gate): Promise<void>;
  /** Lets nobody in any more; resolves when the address is free again. */
  close(): Promise<void>;
  /** The server has come to rest: lets go of a host, and of all that is still under way. */
  detach?(): void;
  /** Plain HTTP, for a host that mounts us. */
  readonly middleware?: (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
}

/** How a connection ended. */
export interface Ending {
  /** The code of the peer's close frame, else of the one we sent, else 1006 (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason that goes with the code. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Who ended it. */
  readonly by: ClosedBy;
}

/** What became of a message at one connection's outbox. */
export type Outcome = "queued" | "dropped" | "dead";

/** A connection as the bus sees it. */
export interface Member extends Connection {
  /** Open, and its `open` event has come to the handler: nobody gets a message before its `open` could greet it. */
  readonly isTarget: boolean;
  /** Takes a frame into the outbox. */
  offer(frame: Frame): Outcome;
  /** Posts an `info` event about it. */
  tell(data: unknown): boolean;
  /** Posts an `info` event that was meant for all: it counts as waiting for this connection alone. */
  forward(data: unknown): boolean;
  /** Sends a pong that no ping has asked for (RFC 6455 section 5.5.3). */
  pong(data?: Data): boolean;
  /** Its socket is read no more until `resume`, called as often. */
  pause(): void;
  resume(): void;
  /** Somebody has paused it: its silence is ours. */
  readonly isHeld: boolean;
  /** Messages of its peer wait for the handler: it is not silent. */
  readonly hasWaiting: boolean;
}

/** What arrives from the other nodes for one bus. */
export interface Inlet {
  /** To the members of any of the rooms, or to all; `except` is the id of the source. */
  deliver(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): void;
  /** Whether it has a connection of that id. */
  has(id: string): boolean;
  /** To one connection; a dead letter if that has gone. */
  deliverTo(frame: Frame, id: string): void;
}

/** The way from one bus to its like on the other nodes. */
export interface Outlet {
  /** MUST be called once, before anything is sent. */
  attach(inlet: Inlet): void;
  /** Whether the id names another node. */
  isElsewhere(id: string): boolean;
  /** To all, or to the members of any of the rooms. @returns 1 if the link is up and takes it */
  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1;
  /** To one connection elsewhere, of this bus or of any route. @returns 1 if the link is up and takes it */
  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1;
  /** MUST be told when the bus gets its first member, in a room or (`undefined`) at all, and when the last one has gone. */
  readonly populated: (room: string | undefined, hasMembers: boolean) => void;
  /** The way of a channel of that name. */
  within(name: string): Outlet;
}

/** What an adapter is told of the node that it serves, and tells it. */
export interface ClusterNode {
  /** Names the node: 12 hexadecimal digits, chosen anew for each server. */
  readonly id: string;
  /** The server's clock, for whatever the adapter times itself. */
  readonly clock: Clock;
  /** The server's log. */
  readonly log: Logger;
  /** A packet has arrived. The bytes are read before this returns. Never throws. */
  received(subject: string, packet: Uint8Array): void;
  /** The engine is reached and takes packets. */
  up(): void;
  /** The engine cannot be reached, or not any more. */
  down(error: unknown): void;
}

/**
 * Carries packets between the nodes of a cluster: what the option `cluster` of `serve` takes. `nats()`, `redis()` and `workers()`
 * make one; whoever writes another runs `testClusterAdapter` of `sendall/testing/cluster-adapter` on it.
 *
 * A packet is bytes, a subject a string of the characters `A`-`Z` `a`-`z` `0`-`9` `%` `@` `#` `_` `-` and `.`, at most 1,024 of them and
 * without empty parts between dots. The adapter looks into neither.
 */
export interface ClusterAdapter {
  /** Names the engine in errors and logs: `"nats"`. */
  readonly name: string;
  /** Whether `serve` resolves without the engine, and the link comes up once it is there. Default `false`. */
  readonly waitForLink?: boolean;
  /**
   * Makes a node's link; called once for each server, and one adapter MAY be asked by several servers.
   *
   * It MUST begin to connect, and MUST NOT call the node before it has returned (or its promise has resolved). It MUST throw or reject
   * if no link can ever come, with an error that says what to do.
   *
   * Once the engine takes packets and subscriptions the adapter MUST call `node.up()`; when that is no longer so, or a first attempt
   * has failed, `node.down(error)`; and it MUST go on trying, with growing or random pauses, until `close`. An engine that falls
   * silent without closing its connection MUST be noticed, too.
   */
  open(node: ClusterNode): ClusterLink | Promise<ClusterLink>;
}

/** One node's link to its engine. */
export interface ClusterLink {
  /** A packet of more bytes is never handed over. */
  readonly maxPacketBytes: number;
  /**
   * Hands a packet to the engine, for all nodes that subscribe to the subject. Called while the link is up only.
   *
   * The bytes are the adapter's from then on. It MUST NOT throw or wait. It MUST return `false`, and forget the packet, if it cannot be
   * written now: because the link has gone, or more bytes wait for the engine than the adapter is ready to hold. What one node publishes MUST
   * reach each subscriber in that order, over all subjects, at most once. Nothing that is published while the link is down may be
   * kept and sent later. The node's own packets MAY come back to it.
   */
  publish(subject: string, packet: Uint8Array): boolean;
  /** Ends a run of `publish`: what was handed over MUST now be on its way, with no other call to wait for. */
  flush(): void;
  /**
   * Asks for all packets on these subjects, to be handed to `node.received` in the order of their arrival.
   *
   * It MUST resolve when the engine has confirmed: what any node publishes from then on arrives. It MUST reject if the engine refuses,
   * or the link goes down before. Called again for the same subjects after each `node.up()`; what the engine's client has renewed by
   * itself MUST NOT be delivered twice.
   */
  subscribe(subjects: readonly string[]): Promise<void>;
  /** Ends subscriptions, also those that the engine's client has renewed by itself. It MUST NOT throw, also if there is none. */
  unsubscribe(subjects: readonly string[]): void;
  /**
   * Ends the link: what was published before is still sent if the link is up. It MUST resolve, leave no timer and no socket behind,
   * and call the node no more.
   */
  close(): Promise<void>;
}
