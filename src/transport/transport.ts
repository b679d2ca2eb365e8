/** The contract between a transport and a connection: our end of one peer. */
import type { ConnectionId, TransportName } from "../api/connection.js";
import type { Frame } from "./frame.js";

/** Our end of one peer's transport. */
export interface Transport {
  readonly name: TransportName;
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
export interface TransportListener {
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
  onTransportClosed(code: number, reason: string): void;
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
  accept(wire: Transport): TransportListener;
  /** MUST be called instead if the peer has left: its place is free again. */
  cancel(): void;
}
