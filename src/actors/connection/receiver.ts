/**
 * The receiving half of a connection, called by the transport: turns received frames into events and posts the events into the
 * handler's mailbox. The handler sees `open` first, at most one `error`, and `closed` once and last (contract 1 and 11). Whatever
 * concerns the connection as a whole goes to the owner. Nothing follows `closed`, which is posted when the transport has closed.
 * Whatever the receiver hears is a sign of life, which the base class times.
 */
import type { Connection, ConnectionId } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import type { Transport, TransportListener } from "../../transport/transport.js";
import type { RouteMirror, ShownEvent } from "../inspection/mirror.js";
import type { ConnectionQueue } from "../route/connection-queue.js";
import type { Counters } from "../route/counters.js";
import type { Mailbox } from "../route/mailbox.js";
import type { MailboxEvent } from "../route/mailbox-event.js";
import { Liveness, type LivenessOwner, type LivenessParts } from "./liveness.js";

/** The parts shared by every receiver of a route. */
export interface ReceiverParts extends LivenessParts {
  readonly mailbox: Mailbox;
  readonly counters: Counters;
  readonly mirror: RouteMirror;
  /** Whether the handler takes `ping` and `pong` events. */
  readonly hearsPings: boolean;
}

/** The connection of a receiver: takes whatever is not an event for the handler. */
export interface ReceiverOwner extends Connection, LivenessOwner {
  readonly queue: ConnectionQueue;
  /** @returns whether the pong answers a ping of the program */
  onPong(data: Buffer): boolean;
  onDrained(): void;
  onFlooded(): void;
  /** Called for whatever ends the connection. */
  readonly ending: LivenessOwner["ending"] & {
    onConcluded(code: number, reason: string, isFault: boolean): void;
    onTransportClosed(code: number, reason: string): void;
    onTransportFailed(error: Error): void;
    crash(half: "receiver", error: unknown): void;
  };
}

/** How far a receiver has come, never to go back: a number, since each silent connection would keep three booleans. */
const RECEIVING = 0;
/** An error was posted: no other is. */
const FAILED = 1;
/** Our side has closed or the server is closing: further input is ignored; `closed` still follows. */
const STOPPED = 2;
const CRASHED = 3;

export class Receiver extends Liveness implements TransportListener {
  readonly #parts: ReceiverParts;
  readonly #connection: ReceiverOwner;
  readonly #transport: Transport;
  #phase = RECEIVING;

  constructor(parts: ReceiverParts, connection: ReceiverOwner, transport: Transport) {
    super(connection.openedAt);
    this.#parts = parts;
    this.#connection = connection;
    this.#transport = transport;
  }

  protected get parts(): ReceiverParts {
    return this.#parts;
  }

  protected get owner(): ReceiverOwner {
    return this.#connection;
  }

  protected get transport(): Transport {
    return this.#transport;
  }

  get id(): ConnectionId {
    return this.#connection.id;
  }

  postOpen(): void {
    this.runGuarded({ type: "opened" }, () => this.postFrozen({ type: "open", connection: this.#connection }));
  }

  message(data: string | Buffer, bytes: number): void {
    if (this.#phase >= STOPPED) return;
    const { counters, mirror } = this.#parts;
    this.heard();
    this.onMessage();
    if (mirror.isOn) {
      mirror.show(this, { type: "message", data, bytes });
      // An inspector may have closed the connection.
      if (this.#phase >= STOPPED) return;
    }
    counters.received.messages++;
    counters.received.bytes += bytes;
    const connection = this.#connection;
    try {
      this.post(
        typeof data === "string" ? { type: "message", connection, data, text: data } : binaryMessage(connection, data),
        bytes,
      );
    } catch (error) {
      this.crash(error);
    }
  }

  pinged(data: Buffer): void {
    if (this.#parts.hearsPings) this.postControl("ping", data);
  }

  ponged(data: Buffer): void {
    if (this.#connection.onPong(data) && this.#parts.hearsPings) this.postControl("pong", data);
  }

  drained(): void {
    this.#connection.onDrained();
  }

  flooded(): void {
    if (this.#phase < STOPPED) this.#connection.onFlooded();
  }

  failed(error: Error): void {
    this.#connection.ending.onTransportFailed(error);
    if (this.#phase >= FAILED) return;
    this.#phase = FAILED;
    this.runUnlessStopped({ type: "failed", error }, () =>
      this.postFrozen({ type: "error", connection: this.#connection, error }),
    );
  }

  concluded(code: number, reason: string, isFault: boolean): void {
    this.#connection.ending.onConcluded(code, reason, isFault);
  }

  onTransportClosed(code: number, reason: string): void {
    this.#connection.ending.onTransportClosed(code, reason);
  }

  /** The socket is lost; the session lives on. */
  postAway(): void {
    this.runUnlessStopped({ type: "away" }, () => this.postFrozen({ type: "away", connection: this.#connection }));
  }

  /** The connection has a socket again. */
  postBack(replayed: number, lost: number): void {
    this.runUnlessStopped({ type: "back", replayed, lost }, () =>
      this.postFrozen({ type: "back", connection: this.#connection, replayed, lost }),
    );
  }

  /** The peer has sent no message for the duration given to `connection.idle`. */
  postIdle(): void {
    this.runUnlessStopped({ type: "idle" }, () => this.postFrozen({ type: "idle", connection: this.#connection }));
  }

  stop(): void {
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "stopReceiving" });
    this.stopReceiving();
  }

  /** Posts the last event, even if the receiver has crashed: the handler is told of the end, whatever happens. */
  postClosed(ending: Ending): void {
    this.stopReceiving();
    const connection = this.#connection;
    const { code, reason, wasClean, by, unacknowledged } = ending;
    const post = (): void =>
      this.postFrozen({ type: "closed", connection, code, reason, wasClean, by, unacknowledged });
    if (this.#phase === CRASHED) post();
    else this.runGuarded({ type: "gone", ending }, post);
  }

  private stopReceiving(): void {
    if (this.#phase < STOPPED) this.#phase = STOPPED;
  }

  private postControl(type: "ping" | "pong", data: Buffer): void {
    if (this.#phase >= STOPPED) return;
    const connection = this.#connection;
    // Copied, since the transport reuses the bytes afterwards.
    const event: MailboxEvent = { type, connection, data: Buffer.from(data) };
    this.runUnlessStopped(event, () => this.post(event, data.length));
  }

  /** An inspector is called between both checks, and may close the connection. */
  private runUnlessStopped(shown: ShownEvent | MailboxEvent, step: () => void): void {
    if (this.#phase >= STOPPED) return;
    this.runGuarded(shown, () => {
      if (this.#phase < STOPPED) step();
    });
  }

  private runGuarded(shown: ShownEvent | MailboxEvent, step: () => void): void {
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, shown);
    try {
      step();
    } catch (error) {
      this.crash(error);
    }
  }

  private crash(error: unknown): void {
    this.#phase = CRASHED;
    this.#parts.mirror.crash(this, error);
    this.#connection.ending.crash("receiver", error);
  }

  /** Read-only, since accounts rely on `type` after the handler. Messages stay plain objects: a freeze costs 0.1 µs each. */
  private postFrozen(event: MailboxEvent): void {
    this.post(Object.freeze(event));
  }

  private post(event: MailboxEvent, bytes = 0): void {
    this.#parts.mailbox.post(this.#connection.queue, event, bytes);
  }
}

/** Decodes bytes to text only when the handler reads `text`. */
function binaryMessage(connection: Connection, data: Buffer): MailboxEvent {
  return {
    type: "message",
    connection,
    data,
    get text() {
      return data.toString();
    },
  };
}
