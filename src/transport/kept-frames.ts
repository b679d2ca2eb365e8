/**
 * The messages of a session to its peer: the numbers of the messages, the frames that are kept until the peer has acknowledged them, and
 * how many messages the peer will never get. `SessionTransport` has one object for each session; the object lasts as long as the session.
 *
 * Kept frames have consecutive numbers up to the last number given. Frames go at the front alone: acknowledged, let go over `maxBytes`
 * after the present socket has got them, or dropped by a policy while there is no socket.
 */
import type { Frame } from "./frame.js";
import type { FrameList } from "./frame-list.js";
import { FrameRing } from "./frame-ring.js";
import type { FrameSource } from "./paced-writing.js";

/** What a client has of a session's messages. */
export interface PeerCount {
  /** The number of the last message that the client has handed to its callbacks. */
  readonly received: number;
  /** The sum of all losses that the client was told of. */
  readonly lost: number;
}

/** What follows from the count of a client that takes the session up again. */
export interface Catchup {
  /** The number of the last message before the first that is written again. */
  readonly from: number;
  /** How many kept messages are written again. */
  readonly kept: number;
  /** How many messages the client will not get and was not told of. */
  readonly lost: number;
  /** How many numbered messages turn out now, for the first time, to be missing. */
  readonly missing: number;
}

/** The lowest and the highest number that the next acknowledgement may have. */
export interface AcknowledgementRange {
  readonly from: number;
  readonly to: number;
}

/** Where the bytes of every session of a route are summed up. */
export interface KeptTally {
  keptBytes: number;
}

const NO_FRAMES: readonly Frame[] = [];

export class KeptFrames implements FrameSource {
  readonly #maxBytes: number;
  readonly #tally: KeptTally;
  #talliedBytes = 0;
  /** The last frame has the number `#numbered`. */
  readonly #frames = new FrameRing();
  #numbered = 0;
  #acknowledged = 0;
  /** The last number written to the present socket. */
  #written = 0;
  /** The bytes of kept frames with higher numbers than `#written`. */
  #backlogBytes = 0;
  /** The last number of the frames that went without an acknowledgement. */
  #letGo = 0;
  /** Missing messages up to this number are in `#lost`. */
  #counted = 0;
  /** How many messages the peer will never get, over the life of the session. */
  #lost = 0;

  constructor(maxBytes: number, tally: KeptTally) {
    this.#maxBytes = maxBytes;
    this.#tally = tally;
  }

  get bytes(): number {
    return this.#frames.bytes;
  }

  /** The bytes of what is not yet written to the present socket. */
  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  get hasBacklog(): boolean {
    return this.#written < this.#numbered;
  }

  /** How many messages have a number and no acknowledgement. */
  get unacknowledged(): number {
    return this.#numbered - this.#acknowledged;
  }

  /** How many messages the peer will never get, over the life of the session, as far as is known. */
  get lost(): number {
    return this.#lost;
  }

  /** The number of the first kept frame. */
  get #firstNumber(): number {
    return this.#numbered - this.#frames.size + 1;
  }

  /** Numbers and keeps frames that are written to the present socket now. MUST NOT be called with a backlog. */
  add(list: FrameList): void {
    const { frames, bytes } = list;
    // The room is judged before each frame: here no frame finds the room used up.
    if (this.#frames.bytes + bytes <= this.#maxBytes) {
      this.#frames.push(list);
      this.#numbered += frames.length;
    } else for (const frame of frames) this.#keep(frame);
    this.#written = this.#numbered;
    this.#tallyBytes();
  }

  /**
   * The peer has taken in the messages up to a number.
   *
   * @returns what the peer may say, if the peer cannot have the message, or has said more before
   */
  acknowledge(number: number): AcknowledgementRange | undefined {
    if (number < this.#acknowledged || number > this.#written) return { from: this.#acknowledged, to: this.#written };
    this.#forget(number);
    return undefined;
  }

  /** A message was dropped before it got a number. */
  countDropped(): void {
    this.#lost++;
  }

  /** Drops the oldest kept frame. Only while there is no socket. @returns `false` if none is kept */
  dropOldest(): boolean {
    if (this.#frames.size === 0) return false;
    this.#letGo = this.#firstNumber;
    this.#frames.shift(1);
    this.#tallyBytes();
    return true;
  }

  /** Whether a client can have this count. */
  isPossible({ received, lost }: PeerCount): boolean {
    const isInRange = received >= this.#acknowledged && received <= this.#numbered;
    return isInRange && lost <= this.#lost + this.#missingAfter(received);
  }

  /**
   * Prepares a new socket: everything that the peer does not have becomes the backlog. The count MUST be possible.
   */
  resume({ received, lost }: PeerCount): Catchup {
    const missing = this.#missingAfter(received);
    this.#lost += missing;
    this.#counted = this.#letGo;
    this.#forget(received);
    this.#written = this.#firstNumber - 1;
    this.#backlogBytes = this.#frames.bytes;
    return { from: this.#written, kept: this.#frames.size, lost: this.#lost - lost, missing };
  }

  /** Takes the next frames of the backlog to write to the present socket, oldest first. */
  take(maxBytes: number): readonly Frame[] {
    if (!this.hasBacklog) return NO_FRAMES;
    const frames = this.#frames.from(this.#written + 1 - this.#firstNumber, maxBytes);
    this.#written += frames.length;
    for (const { wireBytes } of frames) this.#backlogBytes -= wireBytes;
    return frames;
  }

  /** The session has ended. */
  clear(): void {
    this.#frames.clear();
    this.#backlogBytes = 0;
    this.#written = this.#numbered;
    this.#tallyBytes();
  }

  /** How many numbered messages a client with this count misses for good, beyond those that are counted already. */
  #missingAfter(received: number): number {
    return Math.max(0, this.#letGo - Math.max(received, this.#counted));
  }

  #forget(number: number): void {
    const count = number - this.#firstNumber + 1;
    if (count > 0) this.#frames.shift(count);
    this.#acknowledged = number;
    this.#tallyBytes();
  }

  #tallyBytes(): void {
    const { bytes } = this.#frames;
    this.#tally.keptBytes += bytes - this.#talliedBytes;
    this.#talliedBytes = bytes;
  }

  /** Makes room for the next message, as an outbox does: a message of any size is kept, and nothing goes before the next comes. */
  #keep(frame: Frame): void {
    while (this.#frames.bytes >= this.#maxBytes && this.#frames.size > 0) {
      this.#letGo = this.#firstNumber;
      this.#frames.shift(1);
    }
    this.#frames.pushFrame(frame);
    this.#numbered++;
  }
}
