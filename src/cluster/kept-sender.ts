/**
 * Sends the kept messages of this node. The members of this node get a kept message when the message comes back, so a message for a room whose
 * members have just come waits until the engine has confirmed the subscription. The relay makes the sender, which lasts as long.
 */
import type { MeasuredEnvelope } from "./packet.js";
import type { PacketSender } from "./packet-sender.js";
import type { Subscriptions } from "./subscriptions.js";

export interface KeptSenderParts {
  readonly sender: Pick<PacketSender, "fits" | "push" | "unsent">;
  readonly subscriptions: Pick<Subscriptions, "isAwaited">;
}

/** Beyond 16 MiB, as for an engine that does not confirm what was sent, no message waits. */
const MAX_WAITING_BYTES = 16 * 1_048_576;

export class KeptSender {
  readonly #parts: KeptSenderParts;
  /** By subject. */
  readonly #waiting = new Map<string, MeasuredEnvelope[]>();
  #waitingBytes = 0;

  constructor(parts: KeptSenderParts) {
    this.#parts = parts;
  }

  /** @returns `false` if the message is too large for the engine, or too much waits */
  send(envelope: MeasuredEnvelope, subject: string, maxPacketBytes: number): boolean {
    const { sender, subscriptions } = this.#parts;
    if (!sender.fits(envelope, maxPacketBytes)) return false;
    if (!subscriptions.isAwaited(subject)) {
      sender.push(envelope, subject);
      return true;
    }
    if (this.#waitingBytes + envelope.bytes > MAX_WAITING_BYTES) {
      sender.unsent++;
      return false;
    }
    this.#waitingBytes += envelope.bytes;
    const waiting = this.#waiting.get(subject);
    if (waiting === undefined) this.#waiting.set(subject, [envelope]);
    else waiting.push(envelope);
    return true;
  }

  /** The engine has confirmed the subscription or refuses it, or no member of this node is left. */
  release(subject: string): void {
    const waiting = this.#waiting.get(subject) ?? [];
    this.#waiting.delete(subject);
    for (const envelope of waiting) {
      this.#waitingBytes -= envelope.bytes;
      this.#parts.sender.push(envelope, subject);
    }
  }

  releaseAll(): void {
    for (const subject of [...this.#waiting.keys()]) this.release(subject);
  }

  /** The link is down: what waits is lost, and counted. */
  drop(): void {
    for (const waiting of this.#waiting.values()) this.#parts.sender.unsent += waiting.length;
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }
}
