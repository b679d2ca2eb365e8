/**
 * The sending half of a connection: an outbox, bounded, and the actor that empties it with one socket write a turn. The bus
 * offers frames, the turn flushes, the wire says when it has drained, the connection closes (contract 6 and 9).
 */

import type { Turn } from "../../runtime/turn.js";
import type { Frame } from "../../transport/frame.js";
import type { Transport } from "../../transport/transport.js";
import {
  type Crashed,
  deliver,
  type Latent,
  type ObjectActor,
  type ObjectLogic,
  objectLogic,
} from "../inspection/object-logic.js";
import type { Counters } from "../route/counters.js";
import type { Outcome } from "../route/member.js";

export interface OutboxSettings {
  readonly maxBufferedBytes: number;
  readonly slowConsumer: "close" | "dropOldest" | "dropNewest";
}

/** What the senders of a route have in common. */
export interface SenderParts {
  readonly settings: { readonly outbox: OutboxSettings };
  readonly turn: Turn;
  readonly counters: Counters;
  /** Whether somebody inspects the server's actors. */
  readonly inspection: { readonly isOn: boolean };
}

/** Whom a sender is for. */
export interface SenderOwner {
  senderActor(): SenderActor;
  /** It has become a slow consumer: told once until it has drained. */
  becomeSlow(): void;
}

export type SenderEvent =
  | { readonly type: "flush" }
  | { readonly type: "drained" }
  | { readonly type: "close"; readonly code: number; readonly reason: string };

export type SenderActor = ObjectActor<Sender, SenderEvent | Crashed>;

const FLUSH: SenderEvent = { type: "flush" };
const DRAINED: SenderEvent = { type: "drained" };

/** A broadcast goes through `offer` and `flush` once for each member: they touch as little memory as they can. */
export class Sender implements Latent<SenderEvent> {
  actor: SenderActor | undefined = undefined;
  readonly #wire: Transport;
  readonly #parts: SenderParts;
  readonly #owner: SenderOwner;
  /** What waits, oldest first, and its bytes; those before `#first` were dropped. */
  #outbox: Frame[] | undefined;
  #first = 0;
  #bytes = 0;
  #isDirty = false;
  /** The socket had taken everything when it was last written to, so that it need not be asked. */
  #hasTakenAll = true;
  #isSlow = false;
  #hasEnded = false;
  /** The turn in which a delayed wire was last written to. */
  #wroteIn = -1;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(parts: SenderParts, owner: SenderOwner, wire: Transport) {
    this.#parts = parts;
    this.#owner = owner;
    this.#wire = wire;
  }

  appear(): SenderActor {
    this.actor ??= this.#owner.senderActor();
    return this.actor;
  }

  get bufferedBytes(): number {
    return this.#hasTakenAll ? this.#bytes : this.#bytes + this.#wire.untakenBytes;
  }

  offer(frame: Frame): Outcome {
    if (this.bufferedBytes >= this.#parts.settings.outbox.maxBufferedBytes) {
      // What one event sends is written before the turn's end if it is this much: only what the socket does not take counts.
      this.flush();
      if (this.#isOver() && !this.#applyPolicy()) {
        this.#parts.counters.dropped++;
        return "dropped";
      }
    }
    if (this.#outbox === undefined) this.#outbox = [frame];
    else this.#outbox.push(frame);
    this.#bytes += frame.wire.length;
    if (!this.#isDirty) {
      this.#isDirty = true;
      this.#parts.turn.flushAtEnd(this);
    }
    return "queued";
  }

  /**
   * Once for each socket and turn: through the actor only while somebody looks on, since its envelope would cost more than
   * all else that is done here. A failure goes to the actor in any case, for supervision.
   */
  flush(): void {
    this.#isDirty = false;
    if (this.#hasEnded) return;
    if (this.#parts.inspection.isOn) {
      this.actor?.send(FLUSH);
      return;
    }
    try {
      this.receive(FLUSH);
    } catch (error) {
      this.appear().send({ type: "crashed", error });
    }
  }

  drained(): void {
    if (!this.#hasEnded) deliver(this, DRAINED);
  }

  /** The wire has gone: nothing is sent any more, and the actor may be dead. */
  end(): void {
    this.#hasEnded = true;
    this.#closing = undefined;
    this.#empty();
  }

  /** Sends what waits, then a close frame. */
  close(code: number, reason: string): void {
    if (!this.#hasEnded) deliver(this, { type: "close", code, reason });
  }

  receive(event: SenderEvent | Crashed): void {
    if (event.type === "crashed") throw event.error;
    if (event.type === "close") this.#closing = event;
    if (event.type === "drained") this.#isSlow = false;
    this.#write();
    if (this.#closing !== undefined) this.#finish(this.#closing);
  }

  #write(): void {
    if (this.#wire.mustWait()) return;
    const frames = this.#first === 0 ? this.#outbox : this.#outbox?.slice(this.#first);
    if (frames === undefined) return;
    this.#empty();
    if (!this.#wire.write(frames)) return;
    this.#hasTakenAll = this.#wire.untakenBytes === 0;
    if (this.#wire.isDelayed) this.#wroteIn = this.#parts.turn.number;
    if (this.#hasTakenAll) this.#isSlow = false;
    const { sent } = this.#parts.counters;
    sent.writes++;
    sent.messages += frames.length;
    for (const frame of frames) sent.bytes += frame.payloadBytes;
  }

  /** The close frame goes once the socket has taken what was sent before. */
  #finish({ code, reason }: { readonly code: number; readonly reason: string }): void {
    if (this.#wire.mustWait()) return;
    this.#closing = undefined;
    this.#wire.close(code, reason);
    // A paused socket would not read the answer.
    this.#wire.resume();
  }

  /** A delayed wire is not judged in the turn that wrote: it has not had the time to take anything. */
  #isOver(): boolean {
    const bytes = this.#wroteIn === this.#parts.turn.number ? this.#bytes : this.bufferedBytes;
    return bytes >= this.#parts.settings.outbox.maxBufferedBytes;
  }

  /** @returns whether the next message may be queued */
  #applyPolicy(): boolean {
    if (!this.#isSlow) {
      this.#isSlow = true;
      this.#parts.counters.slowConsumers++;
      this.#owner.becomeSlow();
    }
    if (this.#parts.settings.outbox.slowConsumer !== "dropOldest") return false;
    while (this.#isOver() && this.#dropOldest());
    return true;
  }

  #dropOldest(): boolean {
    const oldest = this.#outbox?.[this.#first];
    if (this.#outbox === undefined || oldest === undefined) return false;
    this.#first++;
    this.#bytes -= oldest.wire.length;
    this.#parts.counters.dropped++;
    if (this.#first === this.#outbox.length) this.#empty();
    // Not at each message: moving all that waits is what it would cost.
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

export const senderLogic: ObjectLogic<Sender, SenderEvent | Crashed> = objectLogic<Sender, SenderEvent | Crashed>();
