/**
 * The receiving half of a connection, and what its transport calls: turns what arrives into events and posts them into the handler's
 * mailbox, so that the handler sees `open` first, at most one `error`, and `closed` once and last (contract 1 and 11). Everything that
 * concerns the connection as a whole goes on to its owner.
 */
import type { Connection, ConnectionId } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import type { Turn } from "../../runtime/turn.js";
import type { TransportListener } from "../../transport/transport.js";
import type { RouteMirror, Shown } from "../inspection/mirror.js";
import type { ConnectionQueue } from "../route/connection-queue.js";
import type { Counters } from "../route/counters.js";
import type { Mailbox } from "../route/mailbox.js";
import type { MailboxEvent } from "../route/mailbox-event.js";

/** What the receivers of a route have in common. */
export interface ReceiverParts {
  readonly mailbox: Mailbox;
  readonly counters: Counters;
  readonly turn: Turn;
  readonly mirror: RouteMirror;
  /** Whether the handler takes `ping` and `pong` events. */
  readonly hearsPings: boolean;
}

/** The connection of a receiver, told what is no event of the handler. */
export interface ReceiverOwner extends Connection {
  /** @returns whether the pong answers a ping of the program */
  onPong(data: Buffer): boolean;
  onDrained(): void;
  onFlooded(): void;
  /** Told what ends the connection. */
  readonly ending: {
    onConcluded(code: number, reason: string, isFault: boolean): void;
    onTransportClosed(code: number, reason: string): void;
    onTransportFailed(error: Error): void;
    crash(half: "receiver", error: unknown): void;
  };
}

export class Receiver implements TransportListener {
  readonly #parts: ReceiverParts;
  readonly #connection: ReceiverOwner;
  readonly #queue: ConnectionQueue;
  /** When the last message arrived. */
  heardAt: number;
  /** Called at each message; set while an alarm watches for silence. */
  onMessage: (() => void) | undefined = undefined;
  /** Our side has closed or the server stops: nothing that arrives is accepted; `closed` still follows. */
  #isStopped = false;
  #hasFailed = false;
  #hasCrashed = false;

  constructor(parts: ReceiverParts, connection: ReceiverOwner, queue: ConnectionQueue) {
    this.#parts = parts;
    this.#connection = connection;
    this.#queue = queue;
    this.heardAt = connection.openedAt;
  }

  get id(): ConnectionId {
    return this.#connection.id;
  }

  open(): void {
    this.#run({ type: "opened" }, () => this.#post({ type: "open", connection: this.#connection }));
  }

  message(data: string | Buffer, bytes: number): void {
    if (this.#isStopped) return;
    const { counters, mirror, turn } = this.#parts;
    this.heardAt = turn.time();
    this.onMessage?.();
    if (mirror.isOn) mirror.show(this, { type: "message", data, bytes });
    counters.received.messages++;
    counters.received.bytes += bytes;
    const connection = this.#connection;
    try {
      this.#post(
        typeof data === "string" ? { type: "message", connection, data, text: data } : binaryMessage(connection, data),
        bytes,
      );
    } catch (error) {
      this.#crash(error);
    }
  }

  pinged(data: Buffer): void {
    if (this.#parts.hearsPings) this.#postControl("ping", data);
  }

  ponged(data: Buffer): void {
    if (this.#connection.onPong(data) && this.#parts.hearsPings) this.#postControl("pong", data);
  }

  drained(): void {
    this.#connection.onDrained();
  }

  flooded(): void {
    if (!this.#isStopped) this.#connection.onFlooded();
  }

  failed(error: Error): void {
    this.#connection.ending.onTransportFailed(error);
    if (this.#isStopped || this.#hasFailed) return;
    this.#hasFailed = true;
    this.#run({ type: "failed", error }, () => this.#post({ type: "error", connection: this.#connection, error }));
  }

  concluded(code: number, reason: string, isFault: boolean): void {
    this.#connection.ending.onConcluded(code, reason, isFault);
  }

  onTransportClosed(code: number, reason: string): void {
    this.#connection.ending.onTransportClosed(code, reason);
  }

  /** The peer has sent no message for as long as `connection.idle` asked. */
  idle(): void {
    if (!this.#isStopped) this.#run({ type: "idle" }, () => this.#post({ type: "idle", connection: this.#connection }));
  }

  stop(): void {
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "deafen" });
    this.#isStopped = true;
  }

  /** The last event. A receiver that has crashed posts it too: the handler is told of the end, whatever happens. */
  closed(ending: Ending): void {
    this.#isStopped = true;
    const { code, reason, wasClean, by } = ending;
    const connection = this.#connection;
    const post = (): void => this.#post({ type: "closed", connection, code, reason, wasClean, by });
    if (this.#hasCrashed) post();
    else this.#run({ type: "gone", ending }, post);
  }

  #postControl(type: "ping" | "pong", data: Buffer): void {
    if (this.#isStopped) return;
    const connection = this.#connection;
    // The bytes are the transport's again after this call.
    const event: MailboxEvent = { type, connection, data: Buffer.from(data) };
    this.#run(event, () => this.#post(event, data.length));
  }

  #run(shown: Shown | MailboxEvent, step: () => void): void {
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, shown);
    try {
      step();
    } catch (error) {
      this.#crash(error);
    }
  }

  #crash(error: unknown): void {
    this.#isStopped = true;
    this.#hasCrashed = true;
    this.#parts.mirror.crash(this, error);
    this.#connection.ending.crash("receiver", error);
  }

  #post(event: MailboxEvent, bytes = 0): void {
    this.#parts.mailbox.post(this.#queue, event, bytes);
  }
}

/** Bytes are read as text only when the handler asks. */
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
