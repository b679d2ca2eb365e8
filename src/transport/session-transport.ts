/**
 * The transport of a connection whose peer speaks the subprotocol `sendall.1`. With a session (option `resume`) the transport outlives its
 * sockets: what was written is kept until the peer has acknowledged it, a lost socket leaves the connection away, and a newer socket goes
 * on where the last stopped. Without a session the transport ends with its only socket.
 */
import { ABNORMAL, type CloseReason, NO_CODE, protocolErrorCode, TAKEN_OVER } from "../api/close-codes.js";
import type { ConnectionId, TransportName } from "../api/connection.js";
import type { Frame } from "./frame.js";
import { frameListOf } from "./frame-list.js";
import type { AcknowledgementRange, Catchup, KeptFrames, PeerCount } from "./kept-frames.js";
import { writePaced } from "./paced-writing.js";
import type { SentWelcome } from "./session-frames.js";
import { SessionSocket, type SessionSocketOwner, type SessionSocketParts } from "./session-socket.js";
import type { Transport, TransportListener } from "./transport.js";

/** How a session goes on over a new socket. */
export interface Resumed extends Catchup {
  /** How many messages waited for the peer when the welcome was written. */
  readonly replayed: number;
}

/** What lives on between two sockets, and who is told. Absent where no session is kept. */
export interface Keeping {
  readonly token: string;
  readonly graceMs: number;
  readonly frames: KeptFrames;
  /** How many messages wait in the outbox. */
  readonly waiting: number;
  /** The socket is lost; the session lives on. */
  onAway(): void;
  /** The session goes on over a new socket, which has the welcome. `isBack`: the connection was away. */
  onSocketChanged(isBack: boolean, resumed: Resumed): void;
  /** The session has ended, and will not be taken up again: by our side with a close frame, or otherwise. */
  onEnded(closing: CloseReason | undefined): void;
  /** The client has had the close frame with which our side has ended the session. */
  onClosingAnswered(): void;
}

export class SessionTransport implements Transport, SessionSocketOwner {
  readonly name: TransportName;
  readonly heartbeat: Transport["heartbeat"];
  readonly hasPings: boolean;
  readonly isTextOnly: boolean;
  readonly isDelayed: boolean;
  readonly #parts: SessionSocketParts;
  /** Absent where no session is kept. */
  readonly #keeping: Keeping | undefined;
  /** Of `#keeping`, at hand for each write. */
  readonly #frames: KeptFrames | undefined;
  #listener: TransportListener | undefined;
  /** Absent while the connection is away, and after its end. */
  #socket: SessionSocket | undefined;
  received = 0;
  /** The peer has sent a frame, over any socket. */
  hasHeard = false;
  #isPaused = false;
  /** Nothing more is taken of the peer. */
  #isDeaf = false;
  /** The session cannot be taken up again. */
  #hasEnded: boolean;
  /** What the last socket was welcomed with, and whether that socket was lost by silence. */
  #receivedAtWelcome = 0;
  #wasSilent = false;
  /** How many times the heartbeat's `timeoutMs` a silent peer gets. */
  #patience = 1;

  constructor(transport: Transport, parts: SessionSocketParts, keeping: Keeping | undefined) {
    this.name = transport.name;
    this.heartbeat = transport.heartbeat;
    this.hasPings = transport.hasPings !== false;
    this.isTextOnly = transport.isTextOnly === true;
    this.isDelayed = transport.isDelayed;
    this.#parts = parts;
    this.#keeping = keeping;
    this.#frames = keeping?.frames;
    this.#hasEnded = keeping === undefined;
    this.#socket = new SessionSocket(transport, parts, this);
  }

  /** Writes the welcome of a fresh session. @returns the listener of the first socket */
  open(listener: TransportListener, why: SentWelcome["why"]): TransportListener {
    this.#listener = listener;
    const socket = this.#socket as SessionSocket;
    const { token = null, graceMs = 0 } = this.#keeping ?? {};
    socket.welcome({ session: token, resumed: false, why, received: 0, from: 0, replayed: 0, lost: 0, graceMs });
    return socket;
  }

  /**
   * Goes on over a new socket. An older socket that still lives is dismissed. The session MUST NOT have ended, and the count MUST be
   * possible.
   *
   * @returns the listener of the new socket
   */
  takeUp(transport: Transport, count: PeerCount, keeping: Keeping): TransportListener {
    const catchup = keeping.frames.resume(count);
    const resumed = { ...catchup, replayed: catchup.kept + keeping.waiting };
    const old = this.#socket;
    old?.dismiss(TAKEN_OVER);
    this.#adjustPatience();
    const socket = new SessionSocket(transport, this.#parts, this);
    this.#socket = socket;
    const { token, graceMs } = keeping;
    const { from, replayed, lost } = resumed;
    const why = lost > 0 ? "gap" : "resumed";
    socket.welcome({ session: token, resumed: true, why, received: this.received, from, replayed, lost, graceMs });
    if (this.#isPaused) transport.pause();
    keeping.onSocketChanged(old === undefined, resumed);
    this.onDrained();
    return socket;
  }

  // Transport: called by the connection.

  get isAway(): boolean {
    return this.#socket === undefined && !this.#hasEnded;
  }
  /** While the session lives, the connection is open, with a socket or without. */
  get isOpen(): boolean {
    return !this.#hasEnded || (this.#socket?.transport.isOpen ?? false);
  }
  get bytesRead(): number {
    return this.#socket?.transport.bytesRead ?? 0;
  }
  get untakenBytes(): number {
    if (this.#socket === undefined) return this.#frames?.bytes ?? 0;
    return (this.#frames?.backlogBytes ?? 0) + this.#socket.transport.untakenBytes;
  }
  get unacknowledged(): number | undefined {
    return this.#frames?.unacknowledged;
  }
  get patience(): number {
    return this.#patience;
  }

  mustWait(): boolean {
    const socket = this.#socket;
    if (socket === undefined || this.#frames?.hasBacklog) return true;
    // A socket that is about to end takes nothing more, and a newer socket may follow.
    if (!this.#hasEnded && !socket.transport.isOpen) return true;
    return socket.transport.mustWait();
  }

  write(frames: readonly Frame[]): boolean {
    const list = frameListOf(frames);
    this.#frames?.add(list);
    return this.#socket?.writeList(list) ?? false;
  }

  countDropped(): void {
    this.#frames?.countDropped();
  }

  dropOldest(): boolean {
    return this.isAway && (this.#frames?.dropOldest() ?? false);
  }

  ping(data: Buffer): void {
    this.#socket?.transport.ping(data);
  }

  pong(data: Buffer): void {
    this.#socket?.transport.pong(data);
  }

  startClosing(code: number, reason: string): void {
    this.#isDeaf = true;
    this.#end(code === ABNORMAL ? undefined : { code, reason });
  }

  close(code: number, reason: string): void {
    this.startClosing(code, reason);
    if (this.#socket === undefined) this.#onClosed(ABNORMAL, "");
    else this.#socket.close(code, reason);
  }

  terminate(): void {
    this.startClosing(ABNORMAL, "");
    if (this.#socket === undefined) this.#onClosed(ABNORMAL, "");
    else this.#socket.terminate();
  }

  giveUpSocket(): boolean {
    const socket = this.#socket;
    if (this.#hasEnded || socket === undefined) return false;
    this.#wasSilent = true;
    // The end of the socket makes the connection away.
    socket.terminate();
    return true;
  }

  stopReceiving(): void {
    this.#isDeaf = true;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket?.transport.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket?.transport.resume();
  }

  // SessionSocketOwner: called by the present socket.

  get id(): ConnectionId {
    return this.#listener?.id ?? ("" as ConnectionId);
  }

  onControl(): void {
    this.#listener?.heard?.();
  }

  onMessage(data: string | Buffer, bytes: number): void {
    if (this.#isDeaf) return;
    if (this.#keeping !== undefined) this.received++;
    this.#listener?.message(data, bytes);
    if (this.#keeping !== undefined) this.#socket?.onTaken(bytes);
  }

  onAcknowledged(number: number): AcknowledgementRange | undefined {
    return this.#frames?.acknowledge(number);
  }

  onPinged(data: Buffer): void {
    this.#listener?.pinged(data);
  }

  onPonged(data: Buffer): void {
    this.#listener?.ponged(data);
  }

  /** Missed messages come before all that waits in the outbox. */
  onDrained(): void {
    const socket = this.#socket;
    const frames = this.#frames;
    if (socket === undefined) return;
    if (frames === undefined || !frames.hasBacklog || writePaced(socket, frames)) this.#listener?.drained();
  }

  onFlooded(): void {
    this.#listener?.flooded();
  }

  onFailed(error: Error): void {
    if (protocolErrorCode(error) !== undefined) this.#end(undefined);
    // A socket that fails is like any lost socket while the session lives on.
    if (this.#hasEnded) this.#listener?.failed(error);
  }

  onConcluded(code: number, reason: string, isFault: boolean): void {
    const socket = this.#socket;
    if (!this.#hasEnded && code === NO_CODE && !isFault && socket !== undefined) {
      // The peer is away, as after a lost socket: only a code ends a session.
      socket.dismiss({ code: NO_CODE, reason: "" });
      this.#goAway();
      return;
    }
    this.#end(undefined);
    this.#listener?.concluded(code, reason, isFault);
  }

  onSocketClosed(code: number, reason: string): void {
    if (this.#hasEnded) this.#onClosed(code, reason);
    else this.#goAway();
  }

  #goAway(): void {
    this.#socket = undefined;
    this.#keeping?.onAway();
  }

  #end(closing: CloseReason | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#keeping?.onEnded(closing);
  }

  #onClosed(code: number, reason: string): void {
    if (code !== ABNORMAL) this.#keeping?.onClosingAnswered();
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onTransportClosed(code, reason);
    this.#socket = undefined;
    this.#frames?.clear();
  }

  /** A long message of the peer's that takes longer than the heartbeat allows must arrive once. */
  #adjustPatience(): void {
    if (this.received > this.#receivedAtWelcome) this.#patience = 1;
    else if (this.#wasSilent) this.#patience *= 2;
    this.#receivedAtWelcome = this.received;
    this.#wasSilent = false;
  }
}
