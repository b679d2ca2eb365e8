/**
 * A SockJS session over a WebSocket: the layer between the WebSocket transport and the connection, which adds and removes SockJS
 * frames. No other request can join the session: the session id is ignored. The session ends with the socket.
 */

import { ABNORMAL, BrokenFraming, type CloseReason, SESSION_CLOSED } from "../api/close-codes.js";
import type { ConnectionId, TransportName } from "../api/connection.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Frame } from "../transport/frame.js";
import { encodeFrame } from "../transport/frame.js";
import type { Transport, TransportListener } from "../transport/transport.js";
import { InboundQueue } from "./inbound-queue.js";
import { closeFrame, HEARTBEAT, type MessageFrameEncoder, OPEN, parseWebSocketMessage } from "./protocol/frames.js";

const OPEN_FRAME = encodeFrame(OPEN);
const HEARTBEAT_FRAME = encodeFrame(HEARTBEAT);

export interface SocketSessionParts {
  readonly clock: Clock;
  readonly encoder: MessageFrameEncoder;
  /** The interval between heartbeat frames. A client that is silent for as long also gets a ping. */
  readonly heartbeatIntervalMs: number;
  /** The connection is terminated when a ping has no answer after this time. */
  readonly pingTimeoutMs: number;
  /** At most this many messages wait while the mailbox is full: a single frame can carry hundreds of thousands. */
  readonly maxWaitingMessages: number;
}

export class SocketSession implements Transport, TransportListener {
  readonly name: TransportName = "websocket";
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | false;
  readonly isTextOnly = true;
  readonly hasPings: boolean;
  readonly #transport: Transport;
  readonly #parts: SocketSessionParts;
  #listener: TransportListener | undefined;
  #inbound: InboundQueue | undefined;
  #timer: Timer;
  #isOpen = true;
  #closeReason: CloseReason | undefined;
  /** The client has closed the WebSocket or broken the framing: SockJS frames are no longer written. */
  #hasConcluded = false;

  /** Writes the open frame. The caller MUST call `setListener` in the same stack. */
  constructor(transport: Transport, parts: SocketSessionParts) {
    this.#transport = transport;
    this.#parts = parts;
    this.hasPings = transport.hasPings !== false;
    // `false` for hixie-76, which has no pings.
    this.heartbeat = this.hasPings && { intervalMs: parts.heartbeatIntervalMs, timeoutMs: parts.pingTimeoutMs };
    transport.write([OPEN_FRAME]);
    this.#timer = parts.clock.after(parts.heartbeatIntervalMs, this.#sendHeartbeat);
  }

  setListener(listener: TransportListener): void {
    this.#listener = listener;
    this.#inbound = new InboundQueue(listener);
  }

  // Transport: called by the connection.

  get isOpen(): boolean {
    return this.#isOpen && this.#transport.isOpen;
  }
  get bytesRead(): number {
    return this.#transport.bytesRead;
  }
  get untakenBytes(): number {
    return this.#transport.untakenBytes;
  }
  get isDelayed(): boolean {
    return this.#transport.isDelayed;
  }

  mustWait(): boolean {
    return this.#transport.mustWait();
  }

  write(frames: readonly Frame[]): boolean {
    return this.isOpen && this.#transport.write([this.#parts.encoder.encodeMessage(frames)]);
  }

  ping(data: Buffer): void {
    this.#transport.ping(data);
  }

  pong(data: Buffer): void {
    this.#transport.pong(data);
  }

  /** SockJS clients read the reason from the `c[…]` frame; the close frame of the WebSocket only ends the transport. */
  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.#isOpen = false;
    this.#timer.cancel();
    this.#inbound?.close();
    if (this.#hasConcluded) {
      if (this.#closeReason !== undefined) this.#closeReason = { code, reason };
      this.#transport.close(code, reason);
      return;
    }
    this.#closeReason = { code, reason };
    this.#transport.write([encodeFrame(closeFrame(this.#closeReason))]);
    this.#transport.close(SESSION_CLOSED.code, SESSION_CLOSED.reason);
  }

  terminate(): void {
    this.#isOpen = false;
    this.#transport.terminate();
  }

  pause(): void {
    this.#inbound?.pause();
    this.#transport.pause();
  }

  resume(): void {
    this.#inbound?.resume();
    this.#transport.resume();
  }

  // TransportListener: called by the WebSocket.

  get id(): ConnectionId {
    return this.#listener?.id ?? ("" as ConnectionId);
  }

  /** Reads binary messages as text. A message that is not valid SockJS ends the session. */
  message(data: string | Buffer): void {
    if (!this.isOpen || this.#hasConcluded) return;
    const parsed = parseWebSocketMessage(data.toString());
    if ("problem" in parsed) this.#failFraming(new BrokenFraming(parsed.problem));
    else if (
      this.#inbound !== undefined &&
      this.#inbound.waiting + parsed.messages.length > this.#parts.maxWaitingMessages
    )
      this.flooded();
    else this.#inbound?.push(parsed.messages);
  }

  pinged(data: Buffer): void {
    this.#listener?.pinged(data);
  }

  ponged(data: Buffer): void {
    this.#listener?.ponged(data);
  }

  drained(): void {
    this.#listener?.drained();
  }

  flooded(): void {
    this.#listener?.flooded();
  }

  failed(error: Error): void {
    this.#listener?.failed(error);
  }

  concluded(code: number, reason: string, isFault: boolean): void {
    if (this.#hasConcluded) return;
    this.#hasConcluded = true;
    this.#timer.cancel();
    // Earlier messages are delivered first.
    this.#inbound?.close();
    this.#listener?.concluded(code, reason, isFault);
  }

  /** After `close`, reports the code of the session, not the code of the peer's answer. */
  onTransportClosed(code: number, reason: string): void {
    this.#isOpen = false;
    this.#timer.cancel();
    this.#inbound?.close();
    const ending = code === ABNORMAL || this.#closeReason === undefined ? { code, reason } : this.#closeReason;
    this.#listener?.onTransportClosed(ending.code, ending.reason);
  }

  /**
   * A peer that breaks the framing probably cannot read SockJS frames. So no `c[…]` frame is written; the close frame of the
   * WebSocket carries the code and the reason, as in sockjs-node.
   */
  #failFraming(error: BrokenFraming): void {
    this.#closeReason = error.closing;
    this.concluded(error.closing.code, error.closing.reason, true);
    this.#listener?.failed(error);
  }

  readonly #sendHeartbeat = (): void => {
    this.#timer = this.#parts.clock.after(this.#parts.heartbeatIntervalMs, this.#sendHeartbeat);
    if (this.isOpen && !this.#transport.mustWait()) this.#transport.write([HEARTBEAT_FRAME]);
  };
}
