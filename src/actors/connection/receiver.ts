/**
 * The receiving half of a connection: turns what the wire brings into events and posts them into the handler's mailbox, so
 * that the handler sees `open` first, at most one `error`, and `closed` once and last (contract 1 and 11).
 */

import type { Connection } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import {
  type Crashed,
  type Latent,
  type ObjectActor,
  type ObjectLogic,
  objectLogic,
} from "../inspection/object-logic.js";
import type { Counters } from "../route/counters.js";
import type { ConnectionQueue, Mailbox } from "../route/mailbox.js";
import type { MailboxEvent } from "../route/mailbox-event.js";

/** What the receivers of a route have in common. */
export interface ReceiverParts {
  readonly mailbox: Mailbox;
  readonly counters: Counters;
  /** Something was posted into the mailbox. */
  readonly wake: () => void;
}

export type ReceiverEvent =
  | { readonly type: "opened" }
  | { readonly type: "message"; readonly data: string | Buffer; readonly bytes: number }
  | { readonly type: "ping" | "pong"; readonly data: Buffer }
  | { readonly type: "failed"; readonly error: Error }
  | { readonly type: "idle" }
  /** Our side has closed, or the server stops: what arrives from now on is not accepted; `closed` still follows. */
  | { readonly type: "deafen" }
  | { readonly type: "gone"; readonly ending: Ending };

export type ReceiverActor = ObjectActor<Receiver, ReceiverEvent | Crashed>;

/** Whom a receiver is for. */
export interface ReceiverOwner extends Connection {
  receiverActor(): ReceiverActor;
}

export class Receiver implements Latent<ReceiverEvent> {
  actor: ReceiverActor | undefined = undefined;
  readonly #parts: ReceiverParts;
  readonly #connection: ReceiverOwner;
  readonly #lane: ConnectionQueue;
  #isStopped = false;
  #hasFailed = false;

  constructor(parts: ReceiverParts, connection: ReceiverOwner, lane: ConnectionQueue) {
    this.#parts = parts;
    this.#connection = connection;
    this.#lane = lane;
  }

  appear(): ReceiverActor {
    this.actor ??= this.#connection.receiverActor();
    return this.actor;
  }

  receive(event: ReceiverEvent | Crashed): void {
    const connection = this.#connection;
    switch (event.type) {
      case "crashed":
        throw event.error;
      case "opened":
        this.#post({ type: "open", connection });
        return;
      case "message":
        this.#message(event.data, event.bytes);
        return;
      case "ping":
      case "pong":
        if (!this.#isStopped) this.#post({ type: event.type, connection, data: event.data }, event.data.length);
        return;
      case "failed":
        if (this.#isStopped || this.#hasFailed) return;
        this.#hasFailed = true;
        this.#post({ type: "error", connection, error: event.error });
        return;
      case "idle":
        if (!this.#isStopped) this.#post({ type: "idle", connection });
        return;
      case "deafen":
        this.#isStopped = true;
        return;
      case "gone": {
        const { code, reason, wasClean, by } = event.ending;
        this.#isStopped = true;
        this.#post({ type: "closed", connection, code, reason, wasClean, by });
      }
    }
  }

  #message(data: string | Buffer, bytes: number): void {
    if (this.#isStopped) return;
    const connection = this.#connection;
    const { counters } = this.#parts;
    counters.received.messages++;
    counters.received.bytes += bytes;
    if (typeof data === "string") this.#post({ type: "message", connection, data, text: data }, bytes);
    else this.#post(binaryMessage(connection, data), bytes);
  }

  #post(event: MailboxEvent, bytes = 0): void {
    const { mailbox, wake } = this.#parts;
    mailbox.post(this.#lane, event, bytes);
    wake();
  }
}

/** Bytes are read as text only if somebody asks. */
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

export const receiverLogic: ObjectLogic<Receiver, ReceiverEvent | Crashed> = objectLogic<
  Receiver,
  ReceiverEvent | Crashed
>();
