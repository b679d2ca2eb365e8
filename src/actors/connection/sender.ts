/**
 * The sending half of a connection: a bounded outbox that is emptied with one socket write a turn. The bus offers frames, the turn
 * flushes, the transport says when the socket has drained, the connection closes (contract 6 and 9).
 */
import type { Turn } from "../../runtime/turn.js";
import type { Frame } from "../../transport/frame.js";
import type { Transport } from "../../transport/transport.js";
import type { RouteMirror } from "../inspection/mirror.js";
import type { Counters } from "../route/counters.js";
import type { Outbox, Outcome } from "../route/member.js";

export interface OutboxSettings {
  readonly maxBufferedBytes: number;
  readonly slowConsumer: "close" | "dropOldest" | "dropNewest";
}

/** What the senders of a route have in common. */
export interface SenderParts {
  readonly settings: { readonly outbox: OutboxSettings };
  readonly turn: Turn;
  readonly counters: Counters;
  readonly mirror: RouteMirror;
}

/** The connection of a sender. */
export interface SenderOwner {
  /** The connection has become a slow consumer: told once until the socket has drained. */
  onSlow(): void;
  /** Bytes were offered to a transport that carries text only. */
  onBytesDropped(): void;
  readonly ending: { crash(half: "sender", error: unknown): void };
}

/** A broadcast calls `offer` and `flush` once for each member: both touch as little memory as they can. */
export class Sender implements Outbox {
  /** `false` once our side has begun to close the connection. */
  isLive = true;
  readonly #transport: Transport;
  readonly #parts: SenderParts;
  readonly #owner: SenderOwner;
  /** The frames that wait, oldest first, and their bytes; frames before `#first` were dropped. */
  #outbox: Frame[] | undefined;
  #first = 0;
  #bytes = 0;
  #isFlushDue = false;
  /** The socket had taken everything after the last write, so its buffer need not be asked. */
  #hasTakenAll = true;
  #isSlow = false;
  #hasStopped = false;
  #hasCrashed = false;
  /** The turn of the last write to a delayed transport. */
  #wroteIn = -1;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(parts: SenderParts, owner: SenderOwner, transport: Transport) {
    this.#parts = parts;
    this.#owner = owner;
    this.#transport = transport;
  }

  get isOpen(): boolean {
    return this.isLive && this.#transport.isOpen;
  }

  get bufferedBytes(): number {
    return this.#hasTakenAll ? this.#bytes : this.#bytes + this.#transport.untakenBytes;
  }

  offer(frame: Frame): Outcome {
    if (!this.isOpen) return "dead";
    if (typeof frame.data !== "string" && this.#transport.isTextOnly === true) return this.#dropBytes();
    if (this.bufferedBytes >= this.#parts.settings.outbox.maxBufferedBytes) {
      // What one event sends is written before the turn's end if it is this much: only what the socket does not take counts.
      this.flush();
      if (this.#isFull() && !this.#applyPolicy()) {
        this.#parts.counters.dropped++;
        return "dropped";
      }
    }
    if (this.#outbox === undefined) this.#outbox = [frame];
    else this.#outbox.push(frame);
    this.#bytes += frame.wire.length;
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#parts.turn.flushAtEnd(this);
    }
    return "queued";
  }

  flush(): void {
    this.#isFlushDue = false;
    if (this.#hasStopped) return;
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "flush" });
    this.#step();
  }

  drained(): void {
    if (this.#hasStopped) return;
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "drained" });
    this.#isSlow = false;
    this.#step();
  }

  /** Sends what waits, then a close frame. */
  close(code: number, reason: string): void {
    if (this.#hasStopped) return;
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "close", code, reason });
    this.#closing = { code, reason };
    this.#step();
  }

  /** The transport has gone: nothing is sent from now on. */
  stop(): void {
    this.#hasStopped = true;
    this.#closing = undefined;
    this.#empty();
  }

  #step(): void {
    if (this.#hasCrashed) return;
    try {
      if (this.#transport.mustWait()) return;
      this.#write();
      if (this.#closing !== undefined) this.#finish(this.#closing);
    } catch (error) {
      this.#hasCrashed = true;
      this.#parts.mirror.crash(this, error);
      this.#owner.ending.crash("sender", error);
    }
  }

  #write(): void {
    const frames = this.#first === 0 ? this.#outbox : this.#outbox?.slice(this.#first);
    if (frames === undefined) return;
    this.#empty();
    if (!this.#transport.write(frames)) return;
    this.#hasTakenAll = this.#transport.untakenBytes === 0;
    if (this.#transport.isDelayed) this.#wroteIn = this.#parts.turn.number;
    if (this.#hasTakenAll) this.#isSlow = false;
    const { sent } = this.#parts.counters;
    sent.writes++;
    sent.messages += frames.length;
    for (const frame of frames) sent.bytes += frame.payloadBytes;
  }

  /** The close frame goes once the socket has taken what was sent before. */
  #finish({ code, reason }: { readonly code: number; readonly reason: string }): void {
    if (this.#transport.mustWait()) return;
    this.#closing = undefined;
    this.#transport.close(code, reason);
    // A paused socket would not read the answer.
    this.#transport.resume();
  }

  #dropBytes(): Outcome {
    this.#parts.counters.dropped++;
    this.#owner.onBytesDropped();
    return "dropped";
  }

  /** A delayed transport is not judged in the turn of the write: it has had no time to take anything. */
  #isFull(): boolean {
    const bytes = this.#wroteIn === this.#parts.turn.number ? this.#bytes : this.bufferedBytes;
    return bytes >= this.#parts.settings.outbox.maxBufferedBytes;
  }

  /** @returns whether the next message may be queued */
  #applyPolicy(): boolean {
    if (!this.#isSlow) {
      this.#isSlow = true;
      this.#parts.counters.slowConsumers++;
      this.#owner.onSlow();
    }
    if (this.#parts.settings.outbox.slowConsumer !== "dropOldest") return false;
    while (this.#isFull() && this.#dropOldest());
    return true;
  }

  #dropOldest(): boolean {
    const oldest = this.#outbox?.[this.#first];
    if (this.#outbox === undefined || oldest === undefined) return false;
    this.#first++;
    this.#bytes -= oldest.wire.length;
    this.#parts.counters.dropped++;
    if (this.#first === this.#outbox.length) this.#empty();
    // Not for each message: moving all that waits is the cost.
    else if (this.#first * 2 >= this.#outbox.length) {
      this.#outbox = this.#outbox.slice(this.#first);
      this.#first = 0;
    }
    return true;
  }

  #empty(): void {
    this.#outbox = undefined;
    this.#first = 0;
    this.#bytes = 0;
  }
}
