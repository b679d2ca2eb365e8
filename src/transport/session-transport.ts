/**
 * The layer of the subprotocol `sendall.1`, between a transport and the connection: writes the welcome and signs of life, keeps control
 * frames from the connection, and escapes messages that look like control frames. The gate makes a layer for each peer that has offered
 * sessions; plain peers have none. The layer ends with the transport.
 */
import type { BrokenControlFrame } from "../api/close-codes.js";
import type { ConnectionId, TransportName } from "../api/connection.js";
import { Alarm, type Clock, type Timer } from "../runtime/clock.js";
import type { Frame } from "./frame.js";
import { ALIVE_FRAME, escapeFrames, isEscaped, isMarked, readControl, welcomeFrame } from "./session-frames.js";
import type { Transport, TransportListener } from "./transport.js";

/** What a layer needs of its route. */
export interface SessionParts {
  readonly clock: Clock;
  /** The option `heartbeat`. */
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | false;
}

/** At most one answer a second: a client asks when its machine wakes up, and a peer that goes on asking costs no more. */
const ANSWER_EVERY_MS = 1_000;

/** The layer is itself the alarm for the next sign of life. */
export class SessionTransport extends Alarm implements Transport, TransportListener {
  readonly #parts: SessionParts;
  readonly #transport: Transport;
  #listener: TransportListener | undefined;
  /** The peer has closed or broken the protocol: nothing more is read of the peer. */
  #hasConcluded = false;
  /** When the last frame was written, or the transport had taken what was written. Unused without a heartbeat. */
  #writtenAt = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** The peer has asked for a sign of life: the answer waits for the end of the second or for the drain. */
  #isAnswerDue = false;
  #answerTimer: Timer | undefined;

  /** Writes the welcome. The caller MUST call `setListener` in the same stack. */
  constructor(transport: Transport, parts: SessionParts) {
    super();
    const { clock, heartbeat } = parts;
    this.#parts = parts;
    this.#transport = transport;
    this.#writeControl(welcomeFrame(heartbeat === false ? 0 : heartbeat.intervalMs + heartbeat.timeoutMs));
    if (heartbeat !== false) clock.after(heartbeat.intervalMs, this);
  }

  setListener(listener: TransportListener): void {
    this.#listener = listener;
  }

  // Transport: called by the connection.

  get name(): TransportName {
    return this.#transport.name;
  }
  get heartbeat(): Transport["heartbeat"] {
    return this.#transport.heartbeat;
  }
  get hasPings(): boolean {
    return this.#transport.hasPings !== false;
  }
  get isTextOnly(): boolean {
    return this.#transport.isTextOnly === true;
  }
  get isOpen(): boolean {
    return this.#transport.isOpen;
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
    const isWritten = this.#transport.write(escapeFrames(frames));
    if (isWritten) this.#noteWritten();
    return isWritten;
  }

  ping(data: Buffer): void {
    this.#transport.ping(data);
  }

  pong(data: Buffer): void {
    this.#transport.pong(data);
  }

  close(code: number, reason: string): void {
    this.#stopTimers();
    this.#transport.close(code, reason);
  }

  terminate(): void {
    this.#stopTimers();
    this.#transport.terminate();
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  // TransportListener: called by the transport.

  get id(): ConnectionId {
    return this.#listener?.id ?? ("" as ConnectionId);
  }

  message(data: string | Buffer, bytes: number): void {
    if (this.#hasConcluded) return;
    if (typeof data !== "string" || !isMarked(data)) this.#listener?.message(data, bytes);
    else if (isEscaped(data)) this.#listener?.message(data.slice(1), bytes - 1);
    else this.#receiveControl(data);
  }

  pinged(data: Buffer): void {
    if (!this.#hasConcluded) this.#listener?.pinged(data);
  }

  ponged(data: Buffer): void {
    if (!this.#hasConcluded) this.#listener?.ponged(data);
  }

  drained(): void {
    this.#noteWritten();
    // Ahead of the messages that wait: the peer has waited for the answer to decide whether the socket lives.
    if (this.#isAnswerDue && this.#answerTimer === undefined) this.#answer();
    this.#listener?.drained();
  }

  flooded(): void {
    if (!this.#hasConcluded) this.#listener?.flooded();
  }

  failed(error: Error): void {
    this.#listener?.failed(error);
  }

  concluded(code: number, reason: string, isFault: boolean): void {
    if (this.#hasConcluded) return;
    this.#hasConcluded = true;
    this.#stopTimers();
    this.#listener?.concluded(code, reason, isFault);
  }

  onTransportClosed(code: number, reason: string): void {
    this.#stopTimers();
    this.#listener?.onTransportClosed(code, reason);
  }

  /** After our close frame the peer's frames have no meaning any more. */
  #receiveControl(text: string): void {
    if (!this.isOpen) return;
    this.#transport.countUnqueued?.();
    const read = readControl(text);
    if (read === "ask") this.#onAsked();
    else if (read !== "ignored") this.#fail(read);
  }

  #onAsked(): void {
    if (this.#isAnswerDue) return;
    this.#isAnswerDue = true;
    const { clock } = this.#parts;
    const waitMs = this.#answeredAt + ANSWER_EVERY_MS - clock.now();
    if (waitMs <= 0) this.#answer();
    else this.#answerTimer = clock.after(waitMs, () => this.#answer());
  }

  /** Called again on drain if the transport has to wait. */
  #answer(): void {
    this.#answerTimer = undefined;
    if (this.#transport.mustWait()) return;
    this.#isAnswerDue = false;
    this.#answeredAt = this.#parts.clock.now();
    this.#writeControl(ALIVE_FRAME);
  }

  /** Rings when the last frame may be `intervalMs` old. */
  ring(): void {
    const { clock, heartbeat } = this.#parts;
    if (heartbeat === false) return;
    const { intervalMs } = heartbeat;
    const waitMs = this.#writtenAt + intervalMs - clock.now();
    if (waitMs > 0) {
      clock.after(waitMs, this);
      return;
    }
    clock.after(intervalMs, this);
    // Bytes are under way to a peer that a transport waits for.
    if (!this.#transport.mustWait()) this.#writeControl(ALIVE_FRAME);
  }

  #writeControl(frame: Frame): void {
    if (this.#transport.write([frame])) this.#noteWritten();
  }

  #noteWritten(): void {
    if (this.#parts.heartbeat !== false) this.#writtenAt = this.#parts.clock.now();
  }

  /** No sign of life follows a close frame, or goes to a peer that has closed. */
  #stopTimers(): void {
    this.cancel();
    this.#answerTimer?.cancel();
    this.#answerTimer = undefined;
    this.#isAnswerDue = false;
  }

  #fail(error: BrokenControlFrame): void {
    this.concluded(error.closing.code, error.closing.reason, true);
    this.failed(error);
  }
}
