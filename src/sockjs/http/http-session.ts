/**
 * A SockJS session over HTTP: the transport of a connection, which writes to the receiver that the client has open at the time. The
 * first request with a new session id creates the session; later requests find the session by the id. The machine in
 * `session-machine.ts` decides when the session opens, closes and expires; `onClosed` frees the id at the end.
 */

import { ABNORMAL, ANOTHER_OPEN, type CloseReason, INTERRUPTED } from "../../api/close-codes.js";
import type { TransportName } from "../../api/connection.js";
import type { SockJsOptions } from "../../api/options.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Frame } from "../../transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../transport/transport.js";
import { InboundQueue } from "../inbound-queue.js";
import { closeFrame, HEARTBEAT, type MessageFrameEncoder, OPEN } from "../protocol/frames.js";
import type { ReceiverListener, ResponseReceiver } from "./response-receiver.js";
import type { SessionActions, SessionEvent } from "./session-machine.js";
import type { SessionSupervisor } from "./session-supervisor.js";

export interface HttpSessionParts {
  readonly clock: Clock;
  readonly encoder: MessageFrameEncoder;
  readonly options: Pick<SockJsOptions, "heartbeatIntervalMs" | "disconnectDelayMs">;
  readonly supervisor: SessionSupervisor;
  /** Called at the end of the session: the id is free again. */
  readonly onClosed: () => void;
}

export class HttpSession implements Transport, ReceiverListener, SessionActions {
  readonly name: TransportName;
  /** A session detects a dead client without pings: the receiver is lost, or the client stops polling. */
  readonly heartbeat = false;
  readonly hasPings = false;
  readonly isTextOnly = true;
  /** Node flushes a response only after the current code has run. */
  readonly isDelayed = true;
  bytesRead = 0;
  readonly #parts: HttpSessionParts;
  readonly #sendEvent: (event: SessionEvent) => void;
  #listener: TransportListener | undefined;
  #inbound: InboundQueue | undefined;
  /** The response that the client has open. */
  #receiver: ResponseReceiver | undefined;
  /** The ended receiver, until the system has taken every byte. Writing waits meanwhile: the client may have stopped reading. */
  #flushingReceiver: ResponseReceiver | undefined;
  #timer: Timer | undefined;
  #isOpen = false;
  /** Set when the program closes the session, or when the session is interrupted. */
  #closeReason: CloseReason | undefined;
  /** The end of the chain of send requests, which are read in sequence. */
  #lastSend: Promise<void> = Promise.resolve();

  constructor(parts: HttpSessionParts, receiver: ResponseReceiver) {
    this.#parts = parts;
    this.name = receiver.format.transport;
    this.#receiver = receiver;
    receiver.setListener(this);
    this.#sendEvent = parts.supervisor.spawn(this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether send requests are read: after a close by the program, only to be dropped; after an interruption, not at all. */
  get acceptsSends(): boolean {
    return this.#isOpen || (this.#closeReason !== undefined && this.#closeReason !== INTERRUPTED);
  }

  get untakenBytes(): number {
    return (this.#receiver?.untakenBytes ?? 0) + (this.#flushingReceiver?.untakenBytes ?? 0);
  }

  admitted(admission: Admission): void {
    this.#sendEvent({ type: "admitted", admission });
  }

  /** The gate has refused the session: the session ends without a connection, and the caller answers the response. */
  refused(): void {
    this.#receiver = undefined;
    this.#sendEvent({ type: "lost" });
  }

  /** Called when the client requests frames: the machine attaches or rejects the receiver. */
  offerReceiver(receiver: ResponseReceiver): void {
    this.#sendEvent({ type: "attach", receiver });
  }

  /** Runs `read` after the earlier send requests are answered: while the mailbox is full, no further body is read (contract 5). */
  queueSend(read: () => Promise<void>): void {
    this.#lastSend = this.#lastSend
      .then(read)
      .catch((error: unknown) => this.#parts.supervisor.failSession(this, error));
  }

  /** Delivers the messages of a send request. @param done called after the last message */
  deliver(messages: readonly string[], bytes: number, done: () => void): void {
    this.bytesRead += bytes;
    if (this.#isOpen && this.#inbound !== undefined) this.#inbound.push(messages, done);
    else done();
  }

  // Transport: called by the connection.

  mustWait(): boolean {
    return this.#flushingReceiver !== undefined || this.#receiver === undefined || this.#receiver.mustWait();
  }

  write(frames: readonly Frame[]): boolean {
    if (!this.#isOpen || this.#receiver === undefined) return false;
    this.#writeFrame(this.#receiver, this.#parts.encoder.encodeText(frames));
    return true;
  }

  ping(): void {}
  pong(): void {}

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#closeReason = { code, reason };
    this.#inbound?.close();
    const receiver = this.#receiver;
    if (receiver !== undefined) {
      receiver.write(closeFrame(this.#closeReason));
      this.#detach(receiver);
      receiver.end();
    }
    this.#sendEvent({ type: "close" });
  }

  terminate(): void {
    this.#isOpen = false;
    this.#parts.clock.soon(() => this.#sendEvent({ type: "lost" }));
  }

  pause(): void {
    this.#inbound?.pause();
  }

  resume(): void {
    this.#inbound?.resume();
  }

  setResting(isResting: boolean): void {
    this.#inbound?.setResting(isResting);
  }

  // ReceiverListener: called by the receivers.

  onReceiverDrained(): void {
    this.#listener?.drained();
  }

  onReceiverFinished(receiver: ResponseReceiver): void {
    if (receiver !== this.#flushingReceiver) return;
    this.#flushingReceiver = undefined;
    if (this.#closeReason === undefined) this.onReceiverDrained();
    else this.#notifyClosed(this.#closeReason);
  }

  onReceiverLost(receiver: ResponseReceiver): void {
    if (receiver === this.#receiver || receiver === this.#flushingReceiver) this.#sendEvent({ type: "lost" });
  }

  // SessionActions: called by the machine.

  open(admission: Admission): void {
    this.#isOpen = true;
    if (this.#receiver !== undefined) this.#writeFrame(this.#receiver, OPEN);
    this.#listener = admission.accept(this);
    this.#inbound = new InboundQueue(this.#listener);
  }

  attachReceiver(receiver: ResponseReceiver): void {
    receiver.setListener(this);
    this.#receiver = receiver;
    receiver.start();
    this.onReceiverDrained();
  }

  rejectReceiver(receiver: ResponseReceiver): void {
    receiver.write(closeFrame(this.#closeReason ?? ANOTHER_OPEN));
    receiver.end();
    const isAwaited =
      this.#closeReason !== undefined && this.#listener !== undefined && this.#flushingReceiver === undefined;
    if (!isAwaited) return;
    // The program closed the session between two polls: this receiver is the first to carry the close frame.
    this.#flushingReceiver = receiver;
    receiver.setListener(this);
  }

  startHeartbeats(): void {
    this.#startTimer(this.#parts.options.heartbeatIntervalMs, this.#sendHeartbeat);
  }

  startDisconnectTimer(): void {
    this.#startTimer(this.#parts.options.disconnectDelayMs, () => this.#sendEvent({ type: "expired" }));
  }

  stopTimer(): void {
    this.#timer?.cancel();
  }

  interrupt(): void {
    this.#closeReason = INTERRUPTED;
    this.terminateReceivers();
  }

  terminateReceivers(): void {
    this.#isOpen = false;
    const receivers = [this.#receiver, this.#flushingReceiver];
    this.#receiver = undefined;
    this.#flushingReceiver = undefined;
    for (const receiver of receivers) receiver?.terminate();
    this.#notifyClosed({ code: ABNORMAL, reason: "" });
  }

  unregister(): void {
    this.terminateReceivers();
    this.#parts.onClosed();
  }

  stop(): void {
    this.stopTimer();
    this.unregister();
  }

  readonly #sendHeartbeat = (): void => {
    this.startHeartbeats();
    if (this.#receiver !== undefined && !this.mustWait()) this.#writeFrame(this.#receiver, HEARTBEAT);
  };

  #startTimer(ms: number, onTimeout: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(ms, onTimeout);
  }

  #writeFrame(receiver: ResponseReceiver, frame: string): void {
    receiver.write(frame);
    if (receiver.isEnded) this.#detach(receiver);
  }

  /** Runs before the client can see the end of the response: the client's next request must not find the old receiver. */
  #detach(receiver: ResponseReceiver): void {
    this.#receiver = undefined;
    this.#flushingReceiver = receiver;
    this.#sendEvent({ type: "detached" });
  }

  /** Tells the connection of the end, at most once. */
  #notifyClosed({ code, reason }: CloseReason): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#inbound?.close();
    this.#listener = undefined;
    this.#inbound = undefined;
    listener.onTransportClosed(code, reason);
  }
}
