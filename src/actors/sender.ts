/**
 * The sending half of a connection: an outbox, bounded, and the actor that empties it with one socket write a turn. The bus
 * offers frames, the turn flushes, the wire says when it has drained, the connection closes (contract 6 and 9).
 */

import type { Counters } from "../bus/counters.js";
import type { Turn } from "../bus/turn.js";
import type { Outcome, Wire } from "../contracts.js";
import type { Frame } from "../events.js";
import { Fifo } from "../fifo.js";
import { type ObjectActor, type ObjectLogic, objectLogic } from "./logic.js";

export interface OutboxSettings {
  readonly maxBufferedBytes: number;
  readonly slowConsumer: "close" | "dropOldest" | "dropNewest";
}

export interface SenderParts {
  readonly wire: Wire;
  readonly settings: OutboxSettings;
  readonly turn: Turn;
  readonly counters: Counters;
  /** It has become a slow consumer: told once until it has drained. */
  readonly onSlow: () => void;
}

export type SenderEvent =
  | { readonly type: "flush" }
  | { readonly type: "drained" }
  | { readonly type: "close"; readonly code: number; readonly reason: string };

export type SenderActor = ObjectActor<Sender, SenderEvent>;

const FLUSH: SenderEvent = { type: "flush" };
const DRAINED: SenderEvent = { type: "drained" };

export class Sender {
  /** Set right after its making, by the connection that it is for. */
  actor: SenderActor | undefined = undefined;
  readonly #parts: SenderParts;
  readonly #outbox = new Fifo<Frame>();
  #bytes = 0;
  #isDirty = false;
  #isSlow = false;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  get bufferedBytes(): number {
    return this.#bytes + this.#parts.wire.untakenBytes;
  }

  offer(frame: Frame): Outcome {
    if (this.#isOver()) {
      // What one event sends is written before the turn's end if it is this much: only what the socket does not take counts.
      this.flush();
      if (this.#isOver() && !this.#applyPolicy()) {
        this.#parts.counters.dropped++;
        return "dropped";
      }
    }
    this.#outbox.push(frame);
    this.#bytes += frame.wire.length;
    this.#markDirty();
    return "queued";
  }

  flush(): void {
    this.#isDirty = false;
    this.actor?.send(FLUSH);
  }

  drained(): void {
    this.actor?.send(DRAINED);
  }

  /** Sends what waits, then a close frame. */
  close(code: number, reason: string): void {
    this.actor?.send({ type: "close", code, reason });
  }

  receive(event: SenderEvent): void {
    if (event.type === "close") this.#closing = event;
    if (event.type === "drained") this.#isSlow = false;
    this.#write();
    if (this.#closing !== undefined) this.#finish(this.#closing);
  }

  #isOver(): boolean {
    return this.bufferedBytes >= this.#parts.settings.maxBufferedBytes;
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#parts.turn.dirty(this);
  }

  #write(): void {
    const { wire, counters } = this.#parts;
    if (this.#bytes === 0 || wire.isFull) return;
    const frames = this.#outbox.takeAll();
    this.#bytes = 0;
    if (!wire.isOpen) return;
    counters.sent.messages += frames.length;
    counters.sent.writes++;
    for (const frame of frames) counters.sent.bytes += frame.payloadBytes;
    wire.write(frames);
  }

  /** The close frame goes once the socket has taken what was sent before. */
  #finish({ code, reason }: { readonly code: number; readonly reason: string }): void {
    const { wire } = this.#parts;
    if (wire.isFull) return;
    wire.close(code, reason);
    // A paused socket would not read the answer.
    wire.resume();
  }

  /** @returns whether the next message may be queued */
  #applyPolicy(): boolean {
    const { settings, counters, onSlow } = this.#parts;
    const wasSlow = this.#isSlow;
    this.#isSlow = true;
    if (!wasSlow) {
      counters.slowConsumers++;
      onSlow();
    }
    if (settings.slowConsumer !== "dropOldest") return false;
    while (this.#isOver()) {
      const oldest = this.#outbox.shift();
      if (oldest === undefined) break;
      this.#bytes -= oldest.wire.length;
      counters.dropped++;
    }
    return true;
  }
}

export const senderLogic: ObjectLogic<Sender, SenderEvent> = objectLogic<Sender, SenderEvent>();
