/**
 * A SockJS session over HTTP: the wire of one connection, on whatever response its client has open at the time. The front makes
 * it at the first request of its id and finds it for the others; when it does what, its machine says (`session.ts`).
 */

import { ABNORMAL, ANOTHER_OPEN, type CloseReason, INTERRUPTED } from "../../api/close-codes.js";
import type { TransportName } from "../../api/connection.js";
import type { SockJsOptions } from "../../api/options.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Frame } from "../../transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../transport/transport.js";
import { Inbox } from "../inbound-queue.js";
import { type Batch, closeFrame, HEARTBEAT, OPEN } from "../protocol/frames.js";
import type { Stream, StreamOwner } from "./receiver.js";
import type { SessionEvent, SessionLife, SessionSupervisor } from "./session-machine.js";

/** What a session needs of its surroundings. */
export interface SessionParts {
  readonly clock: Clock;
  readonly batch: Batch;
  readonly options: Pick<SockJsOptions, "heartbeatIntervalMs" | "disconnectDelayMs">;
  readonly family: SessionSupervisor;
  /** Its id is free again. */
  readonly onEnd: () => void;
}

export class HttpSession implements Transport, StreamOwner, SessionLife {
  readonly name: TransportName;
  /** Its end is seen by its own means: a response that is lost, or none that comes. */
  readonly heartbeat = false;
  readonly hasPings = false;
  readonly isTextOnly = true;
  /** A response is written when the code that wrote has come to its end. */
  readonly isDelayed = true;
  bytesRead = 0;
  readonly #parts: SessionParts;
  readonly #send: (event: SessionEvent) => void;
  #peer: TransportListener | undefined;
  #inbox: Inbox | undefined;
  /** The response that its client has open. */
  #stream: Stream | undefined;
  /** The one before it, ended, while the system has not taken all of it: a client that does not read gets nothing more. */
  #ended: Stream | undefined;
  #timer: Timer | undefined;
  #isOpen = false;
  /** What the program has closed it with, or what became of it. */
  #closing: CloseReason | undefined;
  /** The last of its client's sends: they are read one after the other. */
  #sends: Promise<void> = Promise.resolve();

  constructor(parts: SessionParts, stream: Stream) {
    this.#parts = parts;
    this.name = stream.shape.transport;
    this.#stream = stream;
    stream.attach(this);
    this.#send = parts.family.spawn(this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether sends of its client are taken, be it to be dropped: not once its connection is lost. */
  get takesSends(): boolean {
    return this.#isOpen || (this.#closing !== undefined && this.#closing !== INTERRUPTED);
  }

  get untakenBytes(): number {
    return (this.#stream?.untakenBytes ?? 0) + (this.#ended?.untakenBytes ?? 0);
  }

  /** The gate has let it in. */
  admitted(admission: Admission): void {
    this.#send({ type: "admitted", admission });
  }

  /** The gate has not: nobody knows of it, and its response is for somebody else to answer. */
  refused(): void {
    this.#stream = undefined;
    this.#send({ type: "lost" });
  }

  /** Its client has asked for frames. */
  attach(stream: Stream): void {
    this.#send({ type: "attach", stream });
  }

  /** Runs `read` when the sends before it are answered: what a full mailbox holds back is not even read (contract 5). */
  queue(read: () => Promise<void>): void {
    this.#sends = this.#sends.then(read).catch((error: unknown) => this.#parts.family.crashed(this, error));
  }

  /** What its client has sent. @param done called when the connection has been told */
  deliver(messages: readonly string[], bytes: number, done: () => void): void {
    this.bytesRead += bytes;
    if (this.#isOpen && this.#inbox !== undefined) this.#inbox.push(messages, done);
    else done();
  }

  // What the connection asks of its wire.

  mustWait(): boolean {
    return this.#ended !== undefined || this.#stream === undefined || this.#stream.mustWait();
  }

  write(frames: readonly Frame[]): boolean {
    if (!this.#isOpen || this.#stream === undefined) return false;
    this.#write(this.#stream, this.#parts.batch.textOf(frames));
    return true;
  }

  ping(): void {}
  pong(): void {}

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#closing = { code, reason };
    this.#inbox?.end();
    const stream = this.#stream;
    if (stream !== undefined) {
      stream.send(closeFrame(this.#closing));
      this.#letGo(stream);
      stream.end();
    }
    this.#send({ type: "close" });
  }

  terminate(): void {
    this.#isOpen = false;
    this.#parts.clock.soon(() => this.#send({ type: "lost" }));
  }

  pause(): void {
    this.#inbox?.pause();
  }

  resume(): void {
    this.#inbox?.resume();
  }

  // What its responses tell.

  drained(): void {
    this.#peer?.drained();
  }

  finished(stream: Stream): void {
    if (stream !== this.#ended) return;
    this.#ended = undefined;
    if (this.#closing === undefined) this.drained();
    else this.#leave(this.#closing);
  }

  lost(stream: Stream): void {
    if (stream === this.#stream || stream === this.#ended) this.#send({ type: "lost" });
  }

  // What its machine does.

  greet(admission: Admission): void {
    this.#isOpen = true;
    if (this.#stream !== undefined) this.#write(this.#stream, OPEN);
    this.#peer = admission.accept(this);
    this.#inbox = new Inbox(this.#peer);
  }

  take(stream: Stream): void {
    stream.attach(this);
    this.#stream = stream;
    stream.begin();
    this.drained();
  }

  rejectReceiver(stream: Stream): void {
    stream.send(closeFrame(this.#closing ?? ANOTHER_OPEN));
    stream.end();
    const isFirst = this.#closing !== undefined && this.#peer !== undefined && this.#ended === undefined;
    if (!isFirst) return;
    // None was open when the end came.
    this.#ended = stream;
    stream.attach(this);
  }

  beatLater(): void {
    this.#after(this.#parts.options.heartbeatIntervalMs, this.#beat);
  }

  expireLater(): void {
    this.#after(this.#parts.options.disconnectDelayMs, () => this.#send({ type: "expired" }));
  }

  endWait(): void {
    this.#timer?.cancel();
  }

  interrupt(): void {
    this.#closing = INTERRUPTED;
    this.cutOff();
  }

  cutOff(): void {
    this.#isOpen = false;
    const streams = [this.#stream, this.#ended];
    this.#stream = undefined;
    this.#ended = undefined;
    for (const stream of streams) stream?.destroy();
    this.#leave({ code: ABNORMAL, reason: "" });
  }

  end(): void {
    this.cutOff();
    this.#parts.onEnd();
  }

  crash(): void {
    this.endWait();
    this.end();
  }

  readonly #beat = (): void => {
    this.beatLater();
    if (this.#stream !== undefined && !this.mustWait()) this.#write(this.#stream, HEARTBEAT);
  };

  #after(ms: number, ring: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(ms, ring);
  }

  #write(stream: Stream, frame: string): void {
    stream.send(frame);
    if (stream.isEnded) this.#letGo(stream);
  }

  /** Before the client can know of it: its next request must not find the old response. */
  #letGo(stream: Stream): void {
    this.#stream = undefined;
    this.#ended = stream;
    this.#send({ type: "detached" });
  }

  /** The connection hears of its end. */
  #leave({ code, reason }: CloseReason): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    this.#inbox?.end();
    this.#peer = undefined;
    this.#inbox = undefined;
    peer.onTransportClosed(code, reason);
  }
}
