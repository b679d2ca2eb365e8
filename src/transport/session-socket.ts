/**
 * A socket that speaks the subprotocol `sendall.1`: writes the welcome, acknowledgements and signs of life, keeps control frames from the
 * session, and escapes messages that look like control frames. `SessionTransport` makes a `SessionSocket` for each socket; the object ends
 * with the socket, which a newer socket of the session may take over before.
 */
import { BrokenControlFrame, type CloseReason, TooLarge } from "../api/close-codes.js";
import type { ConnectionId } from "../api/connection.js";
import { Alarm, type Clock, type Timer } from "../runtime/clock.js";
import { Farewell } from "./farewell.js";
import type { Frame } from "./frame.js";
import { type FrameList, frameListOf } from "./frame-list.js";
import type { AcknowledgementRange } from "./kept-frames.js";
import {
  ALIVE_FRAME,
  acknowledgementFrame,
  isEscaped,
  isMarked,
  readControl,
  type SentWelcome,
  welcomeFrame,
} from "./session-frames.js";
import type { Transport, TransportListener } from "./transport.js";

/** What a socket needs of its route. */
export interface SessionSocketParts {
  readonly clock: Clock;
  readonly settings: {
    readonly closeTimeoutMs: number;
    readonly maxPayloadBytes: number;
    readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | false;
  };
}

function outOfRange(number: number, { from, to }: AcknowledgementRange): BrokenControlFrame {
  return new BrokenControlFrame(`acknowledgement: expected a number from ${from} to ${to}, got ${number}`);
}

/** The session of a socket. */
export interface SessionSocketOwner {
  readonly id: ConnectionId;
  /** The number of the last message of the peer's that has reached the mailbox; 0 where nothing is acknowledged. */
  readonly received: number;
  /** The peer has sent a frame, over any socket. */
  hasHeard: boolean;
  /** The peer has sent a control frame of sessions. */
  onControl(): void;
  onMessage(data: string | Buffer, bytes: number): void;
  /** @returns what an acknowledgement may say, if the peer cannot have taken in the message, or has said more before */
  onAcknowledged(number: number): AcknowledgementRange | undefined;
  onPinged(data: Buffer): void;
  onPonged(data: Buffer): void;
  onDrained(): void;
  onFlooded(): void;
  onFailed(error: Error): void;
  onConcluded(code: number, reason: string, isFault: boolean): void;
  onSocketClosed(code: number, reason: string): void;
}

/** At most one answer a second: a client asks when its machine wakes up, and a peer that goes on asking costs no more. */
const ANSWER_EVERY_MS = 1_000;

/** What a peer has sent is acknowledged after this many messages or bytes, or this long after the first of them. */
const ACKNOWLEDGE_AFTER = { messages: 64, bytes: 65_536, ms: 5_000 };

/** The socket is itself the alarm for the next sign of life. */
export class SessionSocket extends Alarm implements TransportListener {
  readonly transport: Transport;
  readonly #parts: SessionSocketParts;
  /** Absent once a newer socket has taken over. */
  #owner: SessionSocketOwner | undefined;
  #farewell: Farewell | undefined;
  /** The peer has closed or broken the protocol: nothing more is read of the peer. */
  #hasConcluded = false;
  /** When the last frame was written, or the transport had taken what was written. Unused without a heartbeat. */
  #writtenAt = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** The peer has asked for a sign of life: the answer waits for the end of the second or for the drain. */
  #isAnswerDue = false;
  #answerTimer: Timer | undefined;
  /** The last number acknowledged to the peer, and the bytes of the messages since. */
  #acknowledged = 0;
  #unacknowledgedBytes = 0;
  /** The acknowledgement waits for the drain. */
  #isAcknowledgementDue = false;
  #acknowledgementTimer: Timer | undefined;

  constructor(transport: Transport, parts: SessionSocketParts, owner: SessionSocketOwner) {
    super();
    this.transport = transport;
    this.#parts = parts;
    this.#owner = owner;
  }

  get id(): ConnectionId {
    return this.#owner?.id ?? this.#farewell?.id ?? ("" as ConnectionId);
  }

  /** Writes the first frame of the socket. */
  welcome(welcome: Omit<SentWelcome, "heartbeatMs">): void {
    const { clock, settings } = this.#parts;
    const { heartbeat } = settings;
    this.#acknowledged = welcome.received;
    const heartbeatMs = heartbeat === false ? 0 : heartbeat.intervalMs + heartbeat.timeoutMs;
    this.#writeControl(welcomeFrame({ ...welcome, heartbeatMs }));
    if (heartbeat !== false) clock.after(heartbeat.intervalMs, this);
  }

  mustWait(): boolean {
    return this.transport.mustWait();
  }

  write(frames: readonly Frame[]): boolean {
    return this.writeList(frameListOf(frames));
  }

  writeList({ escaped }: FrameList): boolean {
    const isWritten = this.transport.write(escaped);
    if (isWritten) this.#noteWritten();
    return isWritten;
  }

  /** What has reached the mailbox is acknowledged first: a client would take the rest for uncertain. */
  close(code: number, reason: string): void {
    this.#acknowledge();
    this.#stopTimers();
    this.transport.close(code, reason);
  }

  terminate(): void {
    this.#stopTimers();
    this.transport.terminate();
  }

  /** The session goes on without this socket: nothing of the socket is taken from now on, not even what has arrived unread. */
  dismiss(reason: CloseReason): void {
    const id = this.id;
    this.#owner = undefined;
    this.#stopTimers();
    const { clock, settings } = this.#parts;
    this.#farewell = new Farewell(this.transport, reason, { clock, closeTimeoutMs: settings.closeTimeoutMs }, id);
  }

  /** A message of the peer has reached the mailbox. */
  onTaken(bytes: number): void {
    const owner = this.#owner;
    if (owner === undefined || this.#hasConcluded) return;
    this.#unacknowledgedBytes += bytes;
    const count = owner.received - this.#acknowledged;
    if (count >= ACKNOWLEDGE_AFTER.messages || this.#unacknowledgedBytes >= ACKNOWLEDGE_AFTER.bytes)
      this.#acknowledge();
    else this.#acknowledgementTimer ??= this.#parts.clock.after(ACKNOWLEDGE_AFTER.ms, () => this.#acknowledge());
  }

  // TransportListener: called by the transport.

  message(data: string | Buffer, bytes: number): void {
    const owner = this.#owner;
    if (owner === undefined || this.#hasConcluded) return;
    owner.hasHeard = true;
    if (typeof data !== "string" || !isMarked(data)) this.#take(data, bytes, owner);
    else if (isEscaped(data)) this.#take(data.slice(1), bytes - 1, owner);
    else this.#receiveControl(data, owner);
  }

  pinged(data: Buffer): void {
    const owner = this.#owner;
    if (owner === undefined || this.#hasConcluded) return;
    owner.hasHeard = true;
    owner.onPinged(data);
  }

  ponged(data: Buffer): void {
    const owner = this.#owner;
    if (owner === undefined || this.#hasConcluded) return;
    owner.hasHeard = true;
    owner.onPonged(data);
  }

  drained(): void {
    this.#noteWritten();
    // Ahead of the messages that wait: the peer has waited for the answer to decide whether the socket lives.
    if (this.#isAcknowledgementDue) this.#acknowledge();
    if (this.#isAnswerDue && this.#answerTimer === undefined) this.#answer();
    this.#owner?.onDrained();
  }

  flooded(): void {
    if (!this.#hasConcluded) this.#owner?.onFlooded();
  }

  failed(error: Error): void {
    this.#owner?.onFailed(error);
  }

  concluded(code: number, reason: string, isFault: boolean): void {
    if (this.#hasConcluded) return;
    this.#hasConcluded = true;
    this.#stopTimers();
    this.#owner?.onConcluded(code, reason, isFault);
  }

  onTransportClosed(code: number, reason: string): void {
    this.#stopTimers();
    this.#farewell?.onTransportClosed();
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.onSocketClosed(code, reason);
  }

  /** The transport lets frames through that are longer than a message may be: control frames, and messages with their escape. */
  #take(data: string | Buffer, bytes: number, owner: SessionSocketOwner): void {
    if (bytes <= this.#parts.settings.maxPayloadBytes) owner.onMessage(data, bytes);
    else this.#fail(new TooLarge("Max payload size exceeded"));
  }

  /** After our close frame the peer's frames have no meaning any more. */
  #receiveControl(text: string, owner: SessionSocketOwner): void {
    if (!this.transport.isOpen) return;
    this.transport.countUnqueued?.();
    owner.onControl();
    const read = readControl(text);
    if (read === "ask") this.#onAsked();
    else if (typeof read === "number") {
      const range = owner.onAcknowledged(read);
      if (range !== undefined) this.#fail(outOfRange(read, range));
    } else if (read !== "ignored") this.#fail(read);
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
    if (this.transport.mustWait()) return;
    this.#isAnswerDue = false;
    this.#answeredAt = this.#parts.clock.now();
    if (!this.#acknowledge()) this.#writeControl(ALIVE_FRAME);
  }

  /** Called again on drain if the transport has to wait. @returns `false` if everything is acknowledged already */
  #acknowledge(): boolean {
    this.#acknowledgementTimer?.cancel();
    this.#acknowledgementTimer = undefined;
    const { received = 0 } = this.#owner ?? {};
    if (received <= this.#acknowledged) return false;
    this.#isAcknowledgementDue = this.transport.mustWait();
    if (this.#isAcknowledgementDue) return true;
    this.#acknowledged = received;
    this.#unacknowledgedBytes = 0;
    this.#writeControl(acknowledgementFrame(received));
    return true;
  }

  /** Rings when the last frame may be `intervalMs` old. */
  ring(): void {
    const { clock, settings } = this.#parts;
    if (settings.heartbeat === false) return;
    const { intervalMs } = settings.heartbeat;
    const waitMs = this.#writtenAt + intervalMs - clock.now();
    if (waitMs > 0) {
      clock.after(waitMs, this);
      return;
    }
    clock.after(intervalMs, this);
    // Bytes are under way to a peer that a transport waits for.
    if (!this.transport.mustWait()) this.#writeControl(ALIVE_FRAME);
  }

  #writeControl(frame: Frame): void {
    if (this.transport.write([frame])) this.#noteWritten();
  }

  #noteWritten(): void {
    if (this.#parts.settings.heartbeat !== false) this.#writtenAt = this.#parts.clock.now();
  }

  /** No sign of life follows a close frame, or goes to a peer that has closed. */
  #stopTimers(): void {
    this.cancel();
    this.#answerTimer?.cancel();
    this.#answerTimer = undefined;
    this.#isAnswerDue = false;
    this.#acknowledgementTimer?.cancel();
    this.#acknowledgementTimer = undefined;
    this.#isAcknowledgementDue = false;
  }

  #fail(error: BrokenControlFrame | TooLarge): void {
    this.concluded(error.closing.code, error.closing.reason, true);
    this.failed(error);
  }
}
