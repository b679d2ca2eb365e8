/**
 * The end of a connection: records which side closed first and with which code, answers the peer's close frame, enforces the time
 * limit, and posts the `closed` event (RFC 6455 section 7.1). The connection creates a `ConnectionEnd` at the first sign of
 * closing; the work is done when the transport has closed.
 */
import type { Place } from "../../admission/connection-limits.js";
import { ABNORMAL, type CloseReason, HANDLER_FAILED, protocolErrorCode } from "../../api/close-codes.js";
import type { ClosedBy, Connection } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { Transport } from "../../transport/transport.js";
import type { ConnectionQueue } from "../route/connection-queue.js";
import type { Mailbox } from "../route/mailbox.js";
import type { RouteTracing } from "../route/route-tracing.js";
import type { Receiver } from "./receiver.js";
import type { Sender } from "./sender.js";

export interface ConnectionEndParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly mailbox: Mailbox;
  readonly settings: { readonly closeTimeoutMs: number };
  readonly tracing: RouteTracing;
  /** Calls the queue owner's `caughtUp` after the events waiting in the queue now have been handled. */
  readonly catchUp: (queue: ConnectionQueue) => void;
}

/** The parts of the closing connection. */
export interface EndingConnection {
  readonly connection: Connection;
  readonly transport: Transport;
  readonly outbox: Sender;
  readonly receiver: Receiver;
  readonly queue: ConnectionQueue;
  /** Removes the connection from the route. @param isDiscarded whether waiting events of the connection are discarded */
  readonly unregister: (isDiscarded: boolean, closed: Pick<Ending, "code" | "by">) => void;
  readonly abortSignal: () => void;
  readonly place: Place;
}

export class ConnectionEnd {
  readonly #parts: ConnectionEndParts;
  readonly #ending: EndingConnection;
  #closedWith: (CloseReason & { readonly by: ClosedBy }) | undefined;
  /** Our answer to the peer's close frame or broken bytes; sent after the earlier events are handled. */
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

  /**
   * Starts closing from our side: sends the waiting frames, then a close frame. @returns `false` if the connection is closed
   * already
   */
  close(code: number, reason: string): boolean {
    const { transport } = this.#ending;
    // Without a socket nothing is sent, and nothing is awaited.
    const isAway = transport.isAway === true;
    if (!this.#beginClosing(code, reason, "server")) return false;
    if (isAway) transport.close(code, reason);
    else this.#sendClose(code, reason);
    return true;
  }

  /** The session ends without a close frame. What has arrived is still handled. */
  expire(reason: string): void {
    const { connection, transport } = this.#ending;
    if (!connection.isOpen) return;
    this.#closedWith ??= { code: ABNORMAL, reason, by: "lost" };
    transport.terminate();
  }

  /** @returns `false` if the transport has closed or was terminated before */
  terminate(): boolean {
    if (this.#hasTransportClosed || this.#isTerminated) return false;
    this.#terminateAs("server");
    this.#isTerminated = true;
    return true;
  }

  /** The heartbeat has found the peer dead. */
  onDead(): void {
    if (!this.#ending.transport.giveUpSocket?.()) this.#terminateAs("lost");
  }

  /**
   * The receiver or the sender has thrown, a fault of ours. The close frame bypasses the sender, which may be the crashed half.
   */
  crash(half: "receiver" | "sender", error: unknown): void {
    const { connection, transport } = this.#ending;
    this.#parts.log.error({ err: error, actor: `${half}:${connection.id}` }, "an actor failed");
    const { code, reason } = HANDLER_FAILED;
    if (!this.#beginClosing(code, reason, "server")) return;
    this.#awaitClose();
    transport.close(code, reason);
    transport.resume();
  }

  /** The socket or the protocol has failed. */
  onTransportFailed(error: Error): void {
    const code = protocolErrorCode(error);
    this.#hasFailed = true;
    // The transport does not call `concluded` for every protocol error.
    if (code !== undefined) this.#closedWith ??= { code, reason: "", by: "server" };
  }

  /**
   * The peer has closed, or broken the protocol. Earlier events are handled first, and the replies are written (contract 11), for
   * at most `closeTimeoutMs`; then our close frame answers.
   */
  onConcluded(code: number, reason: string, isFault: boolean): void {
    const { connection, queue, receiver, transport } = this.#ending;
    receiver.stopAlarms();
    // Our own close frame is already under way and serves as the answer.
    if (!connection.isOpen) return;
    this.#answer = { code, reason };
    this.#closedWith = { code, reason, by: isFault ? "server" : "peer" };
    this.#setDeadline(() => {
      // The transport can no longer answer: the peer has half-closed the socket and reads nothing.
      if (!connection.isOpen) transport.terminate();
      this.answerClose();
    });
    this.#parts.catchUp(queue);
  }

  /** Sends our close frame in answer to the peer's, once the earlier events are handled. */
  answerClose(): void {
    const { connection, outbox, unregister } = this.#ending;
    const answer = this.#answer;
    if (answer === undefined || !connection.isOpen) return;
    outbox.startClosing();
    unregister(false, this.#closedWith ?? { ...answer, by: "peer" });
    this.#sendClose(answer.code, answer.reason);
  }

  /** @param code from the peer's close frame; 1006 without a close frame */
  onTransportClosed(code: number, reason: string): void {
    const { abortSignal, connection, outbox, queue, place, receiver, unregister } = this.#ending;
    // Before the outbox is emptied.
    const { unacknowledged } = outbox;
    outbox.startClosing();
    this.#hasTransportClosed = true;
    const closed = this.#endingWith(code, reason, unacknowledged);
    unregister(false, closed);
    receiver.stopAlarms();
    this.#deadline?.cancel();
    outbox.stop();
    this.#parts.mailbox.unpause(queue);
    this.#logClosed(closed);
    const { clock, tracing } = this.#parts;
    tracing.closed(connection, closed, clock.now() - connection.openedAt);
    receiver.postClosed(closed);
    abortSignal();
    place.release();
  }

  #terminateAs(by: ClosedBy): void {
    // Terminate even after closing has begun: a peer can half-close and read nothing, which keeps the socket open.
    this.#beginClosing(ABNORMAL, "", by);
    this.#ending.transport.terminate();
  }

  /** From here on the connection is neither a target nor a member. Waiting events are discarded. */
  #beginClosing(code: number, reason: string, by: ClosedBy): boolean {
    const { connection, outbox, receiver, transport, unregister } = this.#ending;
    if (!connection.isOpen) return false;
    transport.startClosing?.(code, reason);
    outbox.startClosing();
    // If the peer closed first, the peer counts as the closing side, whatever our side does later.
    const closed = this.#closedWith?.by === "peer" ? this.#closedWith : { code, reason, by };
    this.#closedWith = closed;
    receiver.stop();
    unregister(true, closed);
    return true;
  }

  #sendClose(code: number, reason: string): void {
    this.#awaitClose();
    this.#ending.outbox.close(code, reason);
  }

  /** Limits the time between our close frame and the end of the socket to `closeTimeoutMs`. */
  #awaitClose(): void {
    this.#answer = undefined;
    this.#setDeadline(() => this.#ending.transport.terminate());
  }

  #setDeadline(onTimeout: () => void): void {
    const { clock, settings } = this.#parts;
    this.#deadline?.cancel();
    this.#deadline = clock.after(settings.closeTimeoutMs, onTimeout);
  }

  #endingWith(code: number, reason: string, unacknowledged: number): Ending {
    // If our side never answered the peer's close frame, the end is not clean.
    const wasClean = code !== ABNORMAL && this.#answer === undefined;
    const by = this.#closedWith?.by ?? (wasClean ? "peer" : "lost");
    const told = (wasClean ? undefined : this.#closedWith) ?? { code, reason };
    return { code: told.code, reason: told.reason, wasClean, by, unacknowledged };
  }

  #logClosed(closed: Ending): void {
    const { log } = this.#parts;
    const { code, reason, wasClean, by, unacknowledged } = closed;
    const facts = { connection: this.#ending.connection.id, code, reason, wasClean, by };
    const details = unacknowledged > 0 ? { ...facts, unacknowledged } : facts;
    if (by === "lost") log.warn(details, "connection lost");
    else if (this.#hasFailed) log.warn(details, "connection failed");
    else log.info(details, "connection closed");
  }
}
