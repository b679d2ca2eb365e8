/**
 * The sending side of the relay: queues the messages of a turn, packs consecutive messages for the same subject into packets, and
 * hands the packets to the engine. The sender belongs to the relay, lasts as long as the relay and needs no closing.
 */
import type { ClusterLink } from "../api/cluster-adapter.js";
import type { Logger } from "../runtime/logger.js";
import type { Frame } from "../transport/frame.js";
import { KEPT } from "./kept-message.js";
import type { OwnEchoes } from "./own-echoes.js";
import {
  type EnvelopeAddress,
  type Extension,
  type MeasuredEnvelope,
  measure,
  type PacketHeader,
  packetBytes,
  writePacket,
} from "./packet.js";
import { OutgoingSequences } from "./sequences.js";
import type { Subscriptions } from "./subscriptions.js";

export interface PacketSenderParts {
  /** The node's id. */
  readonly node: string;
  /** Names the engine in the log. */
  readonly engine: string;
  readonly log: Logger;
  readonly echoes: OwnEchoes;
  readonly subscriptions: Pick<Subscriptions, "isConfirmed">;
}

/** An envelope which would make a packet larger begins the next packet. */
export const PACKET_BYTES = 65_536;
/** From 1 MiB on, the queue is sent before the end of the turn. */
const QUEUE_BYTES = 1_048_576;
const NO_PAYLOAD = new Uint8Array(0);
const ECHO = { echo: true } as const;

interface QueuedMessage {
  readonly subject: string;
  readonly envelope: MeasuredEnvelope;
}

export class PacketSender {
  published = 0;
  /** Messages that the engine did not get, because the link was down, the engine's client took no more, or the message was too large. */
  unsent = 0;
  readonly #parts: PacketSenderParts;
  readonly #sequences = new OutgoingSequences();
  #queue: QueuedMessage[] = [];
  #queuedBytes = 0;

  constructor(parts: PacketSenderParts) {
    this.#parts = parts;
  }

  get isFull(): boolean {
    return this.#queuedBytes >= QUEUE_BYTES;
  }

  /** @returns `false` if the message is too large for the engine */
  enqueue(frame: Frame, address: EnvelopeAddress, subject: string, maxPacketBytes: number): boolean {
    const { data, wire, payloadBytes } = frame;
    const payload = wire.subarray(wire.length - payloadBytes);
    // Field by field: a copy of the address with `...` takes longer than the rest of the envelope.
    const { source, target, scope, rooms } = address;
    const envelope = measure({ isBinary: typeof data !== "string", source, target, scope, rooms, payload });
    return this.#enqueue(envelope, subject, maxPacketBytes);
  }

  /** @returns `false` if the extension is too large for the engine */
  enqueueExtension(extension: Extension, address: EnvelopeAddress, subject: string, maxPacketBytes: number): boolean {
    const envelope = measure({ ...address, isBinary: true, payload: NO_PAYLOAD, extension });
    return this.#enqueue(envelope, subject, maxPacketBytes);
  }

  /** Counts a message that the link cannot take. */
  lose(): 0 {
    this.unsent++;
    return 0;
  }

  /** @returns `false`, and counts, if the message is too large for the engine */
  fits(envelope: MeasuredEnvelope, maxPacketBytes: number): boolean {
    if (packetBytes(envelope) <= maxPacketBytes) return true;
    this.unsent++;
    const { engine, log } = this.#parts;
    const { payload, extension } = envelope.envelope;
    const bytes = payload.length > 0 ? payload.length : (extension?.bytes.length ?? 0);
    log.warn({ bytes }, `a message is too large for ${engine}: the message does not reach other nodes`);
    return false;
  }

  /** The envelope MUST fit. */
  push(envelope: MeasuredEnvelope, subject: string): void {
    this.#queue.push({ subject, envelope });
    this.#queuedBytes += envelope.bytes;
  }

  #enqueue(envelope: MeasuredEnvelope, subject: string, maxPacketBytes: number): boolean {
    if (!this.fits(envelope, maxPacketBytes)) return false;
    this.push(envelope, subject);
    return true;
  }

  /** Sends the queue; without a link every queued message is lost, and counted. */
  flush(link: ClusterLink | undefined): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    if (link === undefined) {
      this.unsent += queue.length;
      return;
    }
    for (let start = 0; start < queue.length; ) start += this.#publishPacket(link, queue, start);
    if (queue.length > 0) link.flush();
  }

  /**
   * Packs messages from `start` on, in order, until the subject changes or the packet is full. Extensions of a kind, and messages without
   * an extension, never share a packet with others. @returns the number of messages
   */
  #publishPacket(link: ClusterLink, queue: readonly QueuedMessage[], start: number): number {
    const subject = queue[start]?.subject ?? "";
    const kind = queue[start]?.envelope.envelope.extension?.kind;
    const envelopes: MeasuredEnvelope[] = [];
    let bytes = 0;
    const limit = Math.min(PACKET_BYTES, link.maxPacketBytes);
    for (let next = queue[start]; next !== undefined; next = queue[start + envelopes.length]) {
      const isFull = envelopes.length > 0 && bytes + packetBytes(next.envelope) > limit;
      if (next.subject !== subject || isFull) break;
      if (next.envelope.envelope.extension?.kind !== kind) break;
      envelopes.push(next.envelope);
      bytes += next.envelope.bytes;
    }
    const count = envelopes.length;
    const { stream, first } = this.#sequences.next(subject);
    const header = { node: this.#parts.node, stream, first };
    const packet = writePacket(header, envelopes);
    const isTaken =
      kind === KEPT ? this.#publishKept(link, subject, header, packet, count) : link.publish(subject, packet);
    if (isTaken) {
      this.#sequences.advance(subject, count);
      this.published += count;
    } else this.unsent += count;
    return count;
  }

  /** Publishes a packet that comes back if this node hears the subject. */
  #publishKept(link: ClusterLink, subject: string, header: PacketHeader, packet: Buffer, count: number): boolean {
    const { echoes, subscriptions } = this.#parts;
    if (!subscriptions.isConfirmed(subject)) return link.publish(subject, packet, ECHO);
    if (!echoes.expect(subject, header, count)) return false;
    const isTaken = link.publish(subject, packet, ECHO);
    if (!isTaken) echoes.withdraw(subject);
    return isTaken;
  }
}
