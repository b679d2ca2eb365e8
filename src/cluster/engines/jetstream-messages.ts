/** The forms of what `jetstream()` puts into a stream, and of what comes out. */
import type { MessageToKeep, StoredMessage } from "../../api/history-store.js";
import { positionOf } from "../../history/position.js";
import { readSource, writeSource } from "./kept-source.js";
import type { NatsMessage } from "./nats-connection.js";

/** The header that has all that a message has beside its bytes. */
export const HEADER = "Sendall";

/** A message of a stream. */
export interface StreamMessage {
  /** The number in the stream: greater than the numbers of all earlier messages of all rooms. */
  readonly seq: number;
  /** Which store has appended the message, and as which of its messages. */
  readonly writer: string;
  readonly count: number;
  readonly at: number;
  readonly kind: "text" | "bytes" | "start";
  readonly source: string | undefined;
  readonly bytes: Uint8Array;
}

/** Stands in a room without messages for the start, so that the start has a number. */
export function startHead(writer: string, at: number): string {
  return `${writer} 0 ${at} start `;
}

export function headOf({ at, isBinary, source }: MessageToKeep, writer: string, count: number): string {
  return `${writer} ${count} ${at} ${isBinary ? "bytes" : "text"} ${writeSource(source)}`;
}

const HEAD = /^(\S+) (\d+) (\S+) (text|bytes|start) ?((?:=\S*)?)$/;

/** @returns `undefined` for what no store has put into the stream */
export function readStreamMessage(seq: number, head: string | undefined, bytes: Uint8Array): StreamMessage | undefined {
  const [, writer, count, at, kind, source = ""] = HEAD.exec(head ?? "") ?? [];
  if (writer === undefined || kind === undefined) return undefined;
  return {
    seq,
    writer,
    count: Number(count),
    at: Number(at),
    kind: kind as StreamMessage["kind"],
    source: readSource(source),
    bytes,
  };
}

/** Where a delivered message stands: in the stream, among what the consumer gets, and how many are still to come. */
export interface Delivery {
  readonly seq: number;
  readonly consumerSeq: number;
  readonly pending: number;
}

/** The number of parts of a reply before `delivered`, and of engines that add a domain and an account. */
const SHORT = 9;
const BEFORE = 4;
const BEFORE_LONG = 6;

/** Reads the reply subject: `$JS.ACK`, a domain and an account maybe, the stream, the consumer, then numbers. */
export function readDelivery({ reply = "" }: NatsMessage): Delivery | undefined {
  const parts = reply.split(".");
  if (parts[0] !== "$JS" || parts[1] !== "ACK") return undefined;
  const [, seq, consumerSeq, , pending] = parts.slice(parts.length === SHORT ? BEFORE : BEFORE_LONG).map(Number);
  if (seq === undefined || consumerSeq === undefined || pending === undefined) return undefined;
  return { seq, consumerSeq, pending };
}

export function storedOf(room: string, epoch: string, { seq, at, kind, source, bytes }: StreamMessage): StoredMessage {
  const message = { room, bytes, isBinary: kind === "bytes", at, position: positionOf(epoch, seq) };
  return source === undefined ? message : { ...message, source };
}

/**
 * Finds messages that a broken connection has delivered late, behind messages that the same store appended after the break: such messages were reported as
 * lost, and are passed over. Remembers a number for each store.
 */
export class LateMessages {
  readonly #counts = new Map<string, number>();

  /** Asked in order, for each message of a room. */
  isLate({ writer, count, kind }: StreamMessage): boolean {
    if (kind === "start") return false;
    const last = this.#counts.get(writer) ?? 0;
    if (count < last) return true;
    this.#counts.set(writer, count);
    return false;
  }
}
