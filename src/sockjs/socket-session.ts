/**
 * A SockJS session over a WebSocket: stands between the WebSocket's wire and the connection, and puts SockJS's frames around
 * messages. It has no id that anybody could share, and ends with its socket.
 */

import { ABNORMAL, BrokenFraming, type CloseReason, SESSION_CLOSED } from "../api/close-codes.js";
import type { ConnectionId, TransportName } from "../api/connection.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Frame } from "../transport/frame.js";
import { encodeFrame } from "../transport/frame.js";
import type { Transport, TransportListener } from "../transport/transport.js";
import { Inbox } from "./inbound-queue.js";
import { type Batch, closeFrame, HEARTBEAT, OPEN, readSocketMessage } from "./protocol/frames.js";

const OPEN_FRAME = encodeFrame(OPEN);
const HEARTBEAT_FRAME = encodeFrame(HEARTBEAT);

export interface SocketSessionParts {
  readonly clock: Clock;
  readonly batch: Batch;
  /** So often the client gets an `h`; one that was silent for so long gets a ping, too. */
  readonly heartbeatIntervalMs: number;
  /** Who does not answer that for so long is given up. */
  readonly timeoutMs: number;
  /** How many messages may wait for a full mailbox: one frame can bring hundreds of thousands. */
  readonly maxWaiting: number;
}

export class SocketSession implements Transport, TransportListener {
  readonly name: TransportName = "websocket";
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | false;
  readonly isTextOnly = true;
  readonly hasPings: boolean;
  readonly #wire: Transport;
  readonly #parts: SocketSessionParts;
  #peer: TransportListener | undefined;
  #inbox: Inbox | undefined;
  #timer: Timer;
  #isOpen = true;
  #closing: CloseReason | undefined;
  /** The client has closed the WebSocket or broken the framing, and has no ear for a frame of SockJS any more. */
  #hasConcluded = false;

  /** Opens the session; `begin` follows in the same stack. */
  constructor(wire: Transport, parts: SocketSessionParts) {
    this.#wire = wire;
    this.#parts = parts;
    this.hasPings = wire.hasPings !== false;
    // Without pings nobody could answer.
    this.heartbeat = this.hasPings && { intervalMs: parts.heartbeatIntervalMs, timeoutMs: parts.timeoutMs };
    wire.write([OPEN_FRAME]);
    this.#timer = parts.clock.after(parts.heartbeatIntervalMs, this.#beat);
  }

  begin(peer: TransportListener): void {
    this.#peer = peer;
    this.#inbox = new Inbox(peer);
  }

  // As the connection's wire.

  get isOpen(): boolean {
    return this.#isOpen && this.#wire.isOpen;
  }
  get bytesRead(): number {
    return this.#wire.bytesRead;
  }
  get untakenBytes(): number {
    return this.#wire.untakenBytes;
  }
  get isDelayed(): boolean {
    return this.#wire.isDelayed;
  }

  mustWait(): boolean {
    return this.#wire.mustWait();
  }

  write(frames: readonly Frame[]): boolean {
    return this.isOpen && this.#wire.write([this.#parts.batch.wireOf(frames)]);
  }

  ping(data: Buffer): void {
    this.#wire.ping(data);
  }

  pong(data: Buffer): void {
    this.#wire.pong(data);
  }

  /** The client reads the reason in SockJS's frame; the WebSocket's own says only that it is over. */
  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.#isOpen = false;
    this.#timer.cancel();
    this.#inbox?.end();
    if (this.#hasConcluded) {
      if (this.#closing !== undefined) this.#closing = { code, reason };
      this.#wire.close(code, reason);
      return;
    }
    this.#closing = { code, reason };
    this.#wire.write([encodeFrame(closeFrame(this.#closing))]);
    this.#wire.close(SESSION_CLOSED.code, SESSION_CLOSED.reason);
  }

  terminate(): void {
    this.#isOpen = false;
    this.#wire.terminate();
  }

  pause(): void {
    this.#inbox?.pause();
    this.#wire.pause();
  }

  resume(): void {
    this.#inbox?.resume();
    this.#wire.resume();
  }

  // As the WebSocket's peer.

  get id(): ConnectionId {
    return this.#peer?.id ?? ("" as ConnectionId);
  }

  /** Bytes are read as text. What is none of SockJS's messages ends the session. */
  message(data: string | Buffer): void {
    if (!this.isOpen || this.#hasConcluded) return;
    const read = readSocketMessage(data.toString());
    if ("problem" in read) this.#breakOff(new BrokenFraming(read.problem));
    else if (this.#inbox !== undefined && this.#inbox.waiting + read.messages.length > this.#parts.maxWaiting)
      this.flooded();
    else this.#inbox?.push(read.messages);
  }

  pinged(data: Buffer): void {
    this.#peer?.pinged(data);
  }

  ponged(data: Buffer): void {
    this.#peer?.ponged(data);
  }

  drained(): void {
    this.#peer?.drained();
  }

  flooded(): void {
    this.#peer?.flooded();
  }

  failed(error: Error): void {
    this.#peer?.failed(error);
  }

  concluded(code: number, reason: string, isFault: boolean): void {
    if (this.#hasConcluded) return;
    this.#hasConcluded = true;
    this.#timer.cancel();
    // The messages that came before are delivered before.
    this.#inbox?.end();
    this.#peer?.concluded(code, reason, isFault);
  }

  /** After our own close frame, the code of the peer's answer is no news. */
  onTransportClosed(code: number, reason: string): void {
    this.#isOpen = false;
    this.#timer.cancel();
    this.#inbox?.end();
    const ending = code === ABNORMAL || this.#closing === undefined ? { code, reason } : this.#closing;
    this.#peer?.onTransportClosed(ending.code, ending.reason);
  }

  /**
   * A peer that breaks SockJS's framing cannot be relied on to read more of SockJS: no `c[…]` frame goes out, and the WebSocket's
   * own close frame has the code and the reason, as in sockjs-node.
   */
  #breakOff(error: BrokenFraming): void {
    this.#closing = error.closing;
    this.concluded(error.closing.code, error.closing.reason, true);
    this.#peer?.failed(error);
  }

  readonly #beat = (): void => {
    this.#timer = this.#parts.clock.after(this.#parts.heartbeatIntervalMs, this.#beat);
    if (this.isOpen && !this.#wire.mustWait()) this.#wire.write([HEARTBEAT_FRAME]);
  };
}
