/**
 * The contract between transports and connections. A transport is the server's end of a single peer; the connection listens to the
 * transport, from `Admission.accept` until `TransportListener.onTransportClosed`.
 */
import type { ConnectionId, TransportName } from "../api/connection.js";
import type { Frame } from "./frame.js";

/** The server's end of a single peer. */
export interface Transport {
  readonly name: TransportName;
  /** How dead peers are found, if not as the route's option says; `false`: the transport itself finds dead peers. */
  readonly heartbeat?: { readonly intervalMs: number; readonly timeoutMs: number } | false | undefined;
  /** `false` if the transport has no pings. */
  readonly hasPings?: boolean;
  /** `true` if the transport carries only text: binary messages are dropped. */
  readonly isTextOnly?: boolean;
  /** `false` from the moment the server's close frame was sent, or the socket has gone. */
  readonly isOpen: boolean;
  /** Bytes that have arrived from the peer: each part of a slow message is a sign of life, too. */
  readonly bytesRead: number;
  /** Bytes that were written and not yet taken by the peer's side. */
  readonly untakenBytes: number;
  /** Whether every written byte counts as untaken until the next round of the event loop, as with TLS sockets. */
  readonly isDelayed: boolean;
  /** Whether writing has to wait for the socket; `TransportListener.drained` MUST be called when the wait is over. */
  mustWait(): boolean;
  /** Writes the frames in order, in a single socket write. The array is the transport's from then on. @returns `false` if not open */
  write(frames: readonly Frame[]): boolean;
  ping(data: Buffer): void;
  pong(data: Buffer): void;
  /**
   * Sends a close frame after everything written before; 1005 stands for a close frame without a code. `onTransportClosed` follows when
   * the peer answers (or has closed first), or the socket ends.
   */
  close(code: number, reason: string): void;
  /** Cuts the connection; `onTransportClosed` MUST follow, but not within the call. */
  terminate(): void;
  pause(): void;
  resume(): void;
  /** The peer has to rest (option `budget`): an answer to what the peer has sent waits until the rest is over. */
  setResting?(isResting: boolean): void;
  /** Whether the socket is lost and the session lives on; `write` waits. Absent without sessions. */
  readonly isAway?: boolean;
  /** How many messages the peer has not acknowledged. Absent without sessions. */
  readonly unacknowledged?: number | undefined;
  /** Multiplies the time that the peer has to answer a ping: above 1 after sockets that were given up without any progress. */
  readonly patience?: number;
  /** A message for the peer was dropped ahead of `write`. */
  countDropped?(): void;
  /** Drops the oldest message kept for a peer that is away. @returns `false` if there is none, or the peer is not away */
  dropOldest?(): boolean;
  /** The peer is silent: gives up the socket if a session lives on. @returns `false` if the caller has to end the connection */
  giveUpSocket?(): boolean;
  /** Nothing that the peer sends is taken from now on. */
  stopReceiving?(): void;
  /** Our side has begun to close: no session lives on from now on. */
  startClosing?(code: number, reason: string): void;
  /** Counts a frame that crosses no mailbox: a peer that sends many in a row waits until the others have been read. */
  countUnqueued?(): void;
}

/** Receives what a transport reports of a single peer. Calls after `onTransportClosed` MUST NOT happen. */
export interface TransportListener {
  readonly id: ConnectionId;
  /** The peer has given a sign of life that is neither a message nor a ping or pong. */
  heard?(): void;
  /** @param bytes the length of the message on the wire */
  message(data: string | Buffer, bytes: number): void;
  /** A ping, which the transport has answered if possible. The bytes of a ping or pong are the transport's again after the call. */
  pinged(data: Buffer): void;
  ponged(data: Buffer): void;
  drained(): void;
  /** The paused transport has brought more than `maxPausedBytes`: called in place of `message`, each time. */
  flooded(): void;
  failed(error: Error): void;
  /**
   * Nothing more is read of the peer: a close frame has come, or (`isFault`) bytes that break the protocol, which `failed` then reports.
   * The transport stays open until the listener answers by `Transport.close`, for which `code` and `reason` are meant.
   */
  concluded(code: number, reason: string, isFault: boolean): void;
  /** The transport has ended. `code` is the code of the peer's close frame, 1006 without a close frame. */
  onTransportClosed(code: number, reason: string): void;
}

/**
 * An upgrade that the admission gate lets in; the connection begins when the transport calls `accept`, at once or after the handshake.
 */
export interface Admission {
  readonly maxPayloadBytes: number;
  /** The limit of the number of fragments of a message. */
  readonly maxFragments: number;
  /** The limit of the bytes of messages that a paused transport may still bring, out of what was already read. */
  readonly maxPausedBytes: number;
  /** Whether permessage-deflate (RFC 7692) is on offer. */
  readonly compression: boolean;
  /** The subprotocol that answers the handshake, `""` if none. With a session the name says so; the connection has the program's name. */
  readonly protocol: string;
  /** Whether `accept` was called. */
  readonly isAccepted: boolean;
  /** MUST be called in the same stack in which the transport starts to deliver. */
  accept(transport: Transport): TransportListener;
  /** MUST be called in place of `accept` if the peer has left: the place among the connections is free again. */
  cancel(): void;
}
