/**
 * How one connection ends: which side closed first and with what, the close frame that answers the peer's, the time limit, and the
 * `closed` event that follows (RFC 6455 section 7.1). Made at the first sign of an end; over when the transport has closed.
 */
import type { Release } from "../../admission/connection-limits.js";
import { ABNORMAL, type CloseReason, HANDLER_FAILED, protocolErrorCode } from "../../api/close-codes.js";
import type { ClosedBy, Connection } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { Transport } from "../../transport/transport.js";
import type { ConnectionQueue } from "../route/connection-queue.js";
import type { Mailbox } from "../route/mailbox.js";
import type { Liveness } from "./liveness.js";
import type { Receiver } from "./receiver.js";
import type { Sender } from "./sender.js";

export interface ConnectionEndParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly mailbox: Mailbox;
  readonly settings: { readonly closeTimeoutMs: number };
  /** Tells the queue's owner once what waits in the queue by now has been handled. */
  readonly catchUp: (queue: ConnectionQueue) => void;
}

/** What an end takes apart. */
export interface EndingConnection {
  readonly connection: Connection;
  readonly transport: Transport;
  readonly outbox: Sender;
  readonly receiver: Receiver;
  readonly liveness: Liveness;
  readonly queue: ConnectionQueue;
  /** Takes the connection out of its route. @param isDiscarded whether what still waits of the connection is thrown away */
  readonly unregister: (isDiscarded: boolean) => void;
  readonly abortSignal: () => void;
  readonly releasePlace: Release;
}

export class ConnectionEnd {
  readonly #parts: ConnectionEndParts;
  readonly #ending: EndingConnection;
  #closedWith: (CloseReason & { readonly by: ClosedBy }) | undefined;
  /** The close frame that is to answer the peer's, or the peer's broken bytes, once what came before is handled. */
  #answer: CloseReason | undefined;
  #deadline: Timer | undefined;
  /** The socket or the protocol has failed. */
  #hasFailed = false;
  #isTerminated = false;
  #hasTransportClosed = false;

  constructor(parts: ConnectionEndParts, ending: EndingConnection) {
    this.#parts = parts;
    this.#ending = ending;
  }

  /** Our side closes: what waits is sent, then a close frame. @returns `false` if the connection is closed already */
  close(code: number, reason: string): boolean {
    if (!this.#begin(code, reason, "server")) return false;
    this.#sendClose(code, reason);
    return true;
  }

  /** @returns `false` if the socket has gone or was cut before */
  terminate(): boolean {
    if (this.#hasTransportClosed || this.#isTerminated) return false;
    this.#terminateAs("server");
    this.#isTerminated = true;
    return true;
  }

  /** The peer gives no sign of life. */
  onDead(): void {
    this.#terminateAs("lost");
  }

  /** A half of the connection has thrown, a fault of ours: the end does without the sender, which may be that half. */
  crash(half: "receiver" | "sender", error: unknown): void {
    const { connection, transport } = this.#ending;
    this.#parts.log.error({ err: error, actor: `${half}:${connection.id}` }, "an actor failed");
    const { code, reason } = HANDLER_FAILED;
    if (!this.#begin(code, reason, "server")) return;
    this.#awaitClose();
    transport.close(code, reason);
    transport.resume();
  }

  /** The socket or the protocol has failed. */
  onTransportFailed(error: Error): void {
    const code = protocolErrorCode(error);
    this.#hasFailed = true;
    // A fault that the transport does not conclude with.
    if (code !== undefined) this.#closedWith ??= { code, reason: "", by: "server" };
  }

  /**
   * The peer has closed, or broken the protocol. What came before is handled first and the replies are written (contract 11), for
   * `closeTimeoutMs` at most; then our close frame answers.
   */
  onConcluded(code: number, reason: string, isFault: boolean): void {
    const { connection, liveness, queue, transport } = this.#ending;
    liveness.stop();
    // Our own close frame is on its way, and is the answer.
    if (!connection.isOpen) return;
    this.#answer = { code, reason };
    this.#closedWith = { code, reason, by: isFault ? "server" : "peer" };
    this.#time(() => {
      // The transport can no longer answer: the peer has ended its half, and takes nothing of what was sent before.
      if (!connection.isOpen) transport.terminate();
      this.answer();
    });
    this.#parts.catchUp(queue);
  }

  /** What came before the peer's close frame is handled: our own answers. */
  answer(): void {
    const { connection, outbox, unregister } = this.#ending;
    const answer = this.#answer;
    if (answer === undefined || !connection.isOpen) return;
    outbox.isLive = false;
    unregister(false);
    this.#sendClose(answer.code, answer.reason);
  }

  /** @param code that of the peer's close frame, 1006 without a close frame */
  onTransportClosed(code: number, reason: string): void {
    const { abortSignal, liveness, outbox, queue, receiver, releasePlace, unregister } = this.#ending;
    outbox.isLive = false;
    this.#hasTransportClosed = true;
    unregister(false);
    liveness.stop();
    this.#deadline?.cancel();
    outbox.stop();
    this.#parts.mailbox.unpause(queue);
    const closed = this.#closedEvent(code, reason);
    this.#log(closed);
    receiver.closed(closed);
    abortSignal();
    releasePlace();
  }

  #terminateAs(by: ClosedBy): void {
    // The socket of a connection that is being closed is still there to be cut: a peer that has ended its half and reads nothing keeps it.
    this.#begin(ABNORMAL, "", by);
    this.#ending.transport.terminate();
  }

  /** From here on the connection is neither a target nor a member, and what still waits of it is discarded. */
  #begin(code: number, reason: string, by: ClosedBy): boolean {
    const { connection, outbox, receiver, unregister } = this.#ending;
    if (!connection.isOpen) return false;
    outbox.isLive = false;
    // A peer that has closed first has ended the connection, whatever our side does then.
    if (this.#closedWith?.by !== "peer") this.#closedWith = { code, reason, by };
    receiver.stop();
    unregister(true);
    return true;
  }

  #sendClose(code: number, reason: string): void {
    this.#awaitClose();
    this.#ending.outbox.close(code, reason);
  }

  /** Our close frame goes out: from now on the peer has `closeTimeoutMs` to end the connection. */
  #awaitClose(): void {
    this.#answer = undefined;
    this.#time(() => this.#ending.transport.terminate());
  }

  #time(onTimeout: () => void): void {
    const { clock, settings } = this.#parts;
    this.#deadline?.cancel();
    this.#deadline = clock.after(settings.closeTimeoutMs, onTimeout);
  }

  #closedEvent(code: number, reason: string): Ending {
    // A close frame of the peer that our side has not answered makes no clean end.
    const wasClean = code !== ABNORMAL && this.#answer === undefined;
    const by = this.#closedWith?.by ?? (wasClean ? "peer" : "lost");
    if (wasClean || this.#closedWith === undefined) return { code, reason, wasClean, by };
    return { code: this.#closedWith.code, reason: this.#closedWith.reason, wasClean, by };
  }

  #log(closed: Ending): void {
    const { log } = this.#parts;
    const details = { connection: this.#ending.connection.id, ...closed };
    if (closed.by === "lost") log.warn(details, "connection lost");
    else if (this.#hasFailed) log.warn(details, "connection failed");
    else log.info(details, "connection closed");
  }
}
