/**
 * The sending half of a connection: a bounded outbox, flushed with one socket write per turn. The bus offers frames, the turn
 * flushes, the transport reports when the socket has drained, the connection closes (contract 6 and 9). What waits for a peer that
 * was away is paced: written as the socket takes it. Stopped when the transport has closed.
 */
import type { Frame } from "../../transport/frame.js";
import { type FrameSource, writePaced } from "../../transport/paced-writing.js";
import type { Transport } from "../../transport/transport.js";
import type { Burst } from "../route/burst.js";
import type { Outbox, Outcome } from "../route/member.js";
import { type Pacing, paceReplay, repace } from "./pacing.js";
import type { SenderOwner, SenderParts } from "./sender-parts.js";
import * as State from "./sender-states.js";
import { WaitingFrames } from "./waiting-frames.js";

/** A peer for which this much more than `outbox.maxBufferedBytes` waits gets no further replay: a peer that reads nothing could ask on and on. */
const REPLAY_BYTES = 16_777_216;

/** A broadcast calls `offer` and `flush` once for each member, so both methods touch as little memory as possible. */
export class Sender extends WaitingFrames implements Outbox, FrameSource {
  #state = State.LIVE | State.HAS_TAKEN_ALL;
  readonly #transport: Transport;
  readonly #parts: SenderParts;
  readonly #owner: SenderOwner;
  /** The turn of the last write to a delayed transport. */
  #wroteIn = -1;
  #closeReason: { readonly code: number; readonly reason: string } | undefined;
  /** Set from the loss of a socket, or from a replay, until the socket, or a newer one, has taken everything that waits. */
  #pacing: Pacing | undefined;

  constructor(parts: SenderParts, owner: SenderOwner, transport: Transport) {
    super();
    this.#parts = parts;
    this.#owner = owner;
    this.#transport = transport;
  }

  get isOpen(): boolean {
    return (this.#state & State.LIVE) !== 0 && this.#transport.isOpen;
  }

  get hasStopped(): boolean {
    return (this.#state & State.STOPPED) !== 0;
  }

  get bufferedBytes(): number {
    const { waitingBytes } = this;
    return this.#state & State.HAS_TAKEN_ALL ? waitingBytes : waitingBytes + this.#transport.untakenBytes;
  }

  /** How many messages the peer has not acknowledged; 0 without a session. */
  get unacknowledged(): number {
    const { unacknowledged } = this.#transport;
    return unacknowledged === undefined ? 0 : unacknowledged + this.waiting;
  }

  // No private getter: V8 calls its runtime for each use of one.
  private maxBytes(): number {
    return this.#pacing?.maxBytes ?? this.#parts.settings.outbox.maxBufferedBytes;
  }

  offer(frame: Frame): Outcome {
    if (!this.isOpen) return "dead";
    if (!this.isTakeable(frame)) return "dropped";
    if (this.bufferedBytes >= this.maxBytes()) {
      // Write before the turn ends: of a large burst, only the bytes left untaken by the socket count as buffered.
      this.flush();
      if (this.isFull() && !this.applyPolicy()) {
        this.countDropped();
        return "dropped";
      }
    }
    this.enqueue(frame);
    this.#pacing?.onGrown();
    return "queued";
  }

  takeBurst(burst: Burst): boolean {
    if (!this.isOpen || this.isInBurst || this.#pacing !== undefined) return false;
    const freeBytes = this.maxBytes() - this.bufferedBytes;
    const isTextOnly = this.#transport.isTextOnly === true;
    if (freeBytes <= 0 || (isTextOnly && burst.hasBytes)) return false;
    burst.join(freeBytes, isTextOnly);
    this.addBurst(burst);
    this.flushAtEnd();
    return true;
  }

  replay(frames: readonly Frame[]): number | undefined {
    if (!this.isOpen) return 0;
    const { maxBufferedBytes } = this.#parts.settings.outbox;
    if (this.bufferedBytes >= maxBufferedBytes + REPLAY_BYTES) {
      this.flush();
      if (this.isFull(maxBufferedBytes + REPLAY_BYTES)) {
        this.onSlow();
        return undefined;
      }
    }
    let bytes = 0;
    let taken = 0;
    for (const frame of frames)
      if (this.isTakeable(frame)) {
        this.enqueue(frame);
        bytes += frame.wireBytes;
        taken++;
      }
    if (taken === 0) return 0;
    this.#pacing = paceReplay(this.#pacing, maxBufferedBytes, this.waitingBytes - bytes, bytes);
    this.#pacing.onGrown();
    return taken;
  }

  flush(): void {
    this.#state &= ~State.FLUSH_DUE;
    if (this.#state & State.STOPPED) return;
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "flush" });
    this.step();
  }

  peek(): number {
    return this.#transport.isOpen ? this.#transport.untakenBytes : this.#state;
  }

  onDrained(): void {
    if (this.#state & State.STOPPED) return;
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "drained" });
    this.#state &= ~State.SLOW;
    this.countUntaken(0);
    this.step();
  }

  /** Writes what waits as the socket takes it, until nothing waits. */
  pace(pacing: Pacing): void {
    this.endBurst();
    this.#pacing = repace(this.#pacing, pacing);
    this.#state &= ~(State.HAS_TAKEN_ALL | State.SLOW);
    this.countUntaken(0);
  }

  /** Sends the waiting frames, then a close frame. */
  close(code: number, reason: string): void {
    if (this.#state & State.STOPPED) return;
    const { mirror } = this.#parts;
    if (mirror.isOn) mirror.show(this, { type: "close", code, reason });
    this.#closeReason = { code, reason };
    this.step();
  }

  /** Our side has begun to close the connection: nothing more is taken. */
  startClosing(): void {
    this.#state &= ~State.LIVE;
  }

  /** The transport has closed: nothing is sent from now on. */
  stop(): void {
    this.#state |= State.STOPPED;
    this.#closeReason = undefined;
    this.countUntaken(0);
    this.clear();
  }

  private enqueue(frame: Frame): void {
    this.add(frame);
    this.flushAtEnd();
  }

  private flushAtEnd(): void {
    if (this.#state & State.FLUSH_DUE) return;
    this.#state |= State.FLUSH_DUE;
    this.#parts.turn.flushAtEnd(this);
  }

  protected onWaiting(bytes: number): void {
    this.#parts.counters.outboxBytes += bytes;
  }

  private step(): void {
    if (this.#state & State.CRASHED) return;
    try {
      if (this.#transport.mustWait()) return;
      this.write();
      if (this.#closeReason !== undefined) this.sendClose(this.#closeReason);
    } catch (error) {
      this.#state |= State.CRASHED;
      this.#parts.mirror.crash(this, error);
      this.#owner.ending.crash("sender", error);
    }
  }

  private write(): void {
    if (this.#pacing !== undefined) this.writePaced();
    else {
      const frames = this.takeAll();
      if (frames !== undefined) this.writeNow(frames);
    }
  }

  /** Apart from `write`, since V8 makes an object for closures at each call of the method around them. */
  private writePaced(): void {
    const mustWait = () => this.#transport.mustWait();
    const write = (frames: readonly Frame[]) => this.writeNow(frames);
    if (writePaced({ mustWait, write }, this)) this.#pacing = undefined;
  }

  private writeNow(frames: readonly Frame[]): boolean {
    if (!this.#transport.write(frames)) return false;
    if (this.#transport.untakenBytes === 0) this.#state = (this.#state | State.HAS_TAKEN_ALL) & ~State.SLOW;
    else {
      this.#state &= ~State.HAS_TAKEN_ALL;
      // Counted only where `onDrained` follows.
      if (this.#transport.mustWait()) this.countUntaken(this.#transport.untakenBytes);
      if (this.#transport.isDelayed) this.#wroteIn = this.#parts.turn.number;
    }
    this.#parts.counters.countWritten(frames);
    return true;
  }

  /** Sends the close frame once the socket has taken the earlier frames. */
  private sendClose({ code, reason }: { readonly code: number; readonly reason: string }): void {
    if (this.#transport.mustWait()) return;
    this.#closeReason = undefined;
    this.#transport.close(code, reason);
    // A paused socket would not read the answer.
    this.#transport.resume();
  }

  /** `false`, and counted, for bytes where the transport is text-only. */
  private isTakeable(frame: Frame): boolean {
    if (typeof frame.data === "string" || this.#transport.isTextOnly !== true) return true;
    this.#parts.counters.countDropped("text");
    this.#owner.onBytesDropped();
    return false;
  }

  /** In the turn of a write to a delayed transport, only waiting frames count: the socket has had no time to take the others. */
  private isFull(maxBytes = this.maxBytes()): boolean {
    return (this.#wroteIn === this.#parts.turn.number ? this.waitingBytes : this.bufferedBytes) >= maxBytes;
  }

  /** @returns whether the next message may be queued */
  private applyPolicy(): boolean {
    this.onSlow();
    if (this.#parts.settings.outbox.slowConsumer !== "dropOldest") return false;
    while (this.isFull() && this.dropOldest());
    return true;
  }

  private onSlow(): void {
    if (this.#state & State.SLOW) return;
    this.#state |= State.SLOW;
    this.#parts.counters.slowConsumers++;
    this.#owner.onSlowConsumer();
  }

  private dropOldest(): boolean {
    if (this.#transport.dropOldest?.()) return true;
    if (!this.dropFirst()) return false;
    this.countDropped();
    return true;
  }

  private countDropped(): void {
    this.#parts.counters.countDropped(this.#parts.settings.outbox.slowConsumer);
    this.#transport.countDropped?.();
  }

  private countUntaken(bytes: number): void {
    this.#parts.counters.countUntaken(this, bytes);
  }
}
