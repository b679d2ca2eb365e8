/**
 * A room of history in memory: messages in a ring that grows to the limits, and then overwrites the oldest. `MemoryHistory` makes a room when something is kept in it, or when
 * its position is asked for; the room ends when its store lets go of the room.
 */
import type {
  HistoryLimits,
  HistoryQuery,
  HistoryReading,
  MessageToKeep,
  StoredMessage,
} from "../api/history-store.js";
import { positionOf, readPosition } from "./position.js";
import { OrderedRoom } from "./room-order.js";

const MIN_SLOTS = 4;
/** An empty ring with more slots gives its memory back. */
const MAX_IDLE_SLOTS = 128;

const NOTHING: readonly StoredMessage[] = [];

export class MemoryRoom extends OrderedRoom {
  readonly #epoch: string;
  /** The number of slots is a power of 2, or 0. */
  #slots: (StoredMessage | undefined)[] = [];
  #first = 0;
  #size = 0;
  #bytes = 0;
  /** The number of the last message, or of the start if the room is empty. Numbers of present messages have no holes. */
  #last = 0;
  /** The number of the start, as long as nothing has gone since the start. */
  #start: number | undefined = 0;

  constructor(name: string, epoch: string) {
    super(name);
    this.#epoch = epoch;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** The position of the last message, or of the start if the room is empty. */
  get position(): string {
    return this.#newest?.position ?? positionOf(this.#epoch, this.#last);
  }

  append({ room, bytes, isBinary, source, at }: MessageToKeep, { maxMessages, maxBytes }: HistoryLimits): string {
    const position = positionOf(this.#epoch, ++this.#last);
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#first + this.#size++) & (this.#slots.length - 1)] = {
      room,
      bytes,
      isBinary,
      ...(source !== undefined && { source }),
      at,
      position,
    };
    this.#bytes += bytes.length;
    while (this.#size > maxMessages || (this.#bytes > maxBytes && this.#size > 1)) this.#dropFirst();
    return position;
  }

  /** Lets go messages sent before a time. An emptied room has a new start. */
  dropBefore(time: number): void {
    if (this.#size === 0) return;
    for (let first = this.#at(0); first !== undefined && first.at < time; first = this.#at(0)) this.#dropFirst();
    if (this.#size > 0) return;
    // The last message has gone, so its number does not do for the start.
    this.#start = ++this.#last;
    if (this.#slots.length > MAX_IDLE_SLOTS) this.#slots = [];
  }

  /** Whether even the newest message was sent before a time. */
  isAllBefore(time: number): boolean {
    const newest = this.#newest;
    return newest === undefined || newest.at < time;
  }

  read({ after, last, limit }: HistoryQuery): HistoryReading {
    if (after === undefined) return this.#complete(Math.min(last ?? limit, limit));
    const parts = readPosition(after);
    if (parts?.epoch !== this.#epoch) return { outcome: "unknown", entries: NOTHING, position: this.position };
    const { number } = parts;
    const count = number === this.#start ? this.#size : this.#last - number;
    const isThere = number === this.#start || (count >= 0 && count < this.#size);
    if (!isThere || count > limit) return { outcome: "gap", entries: NOTHING, position: this.position };
    return this.#complete(count);
  }

  /** The newest messages. */
  #complete(count: number): HistoryReading {
    const length = Math.min(count, this.#size);
    const skipped = this.#size - length;
    const entries = Array.from({ length }, (_, i) => this.#at(skipped + i) as StoredMessage);
    return { outcome: "complete", entries, position: this.position };
  }

  get #newest(): StoredMessage | undefined {
    return this.#size === 0 ? undefined : this.#at(this.#size - 1);
  }

  #at(index: number): StoredMessage | undefined {
    return this.#slots[(this.#first + index) & (this.#slots.length - 1)];
  }

  #dropFirst(): void {
    this.#bytes -= this.#at(0)?.bytes.length ?? 0;
    this.#slots[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#slots.length - 1);
    this.#size--;
    this.#start = undefined;
  }

  #grow(): void {
    const { length } = this.#slots;
    this.#slots = Array.from({ length: Math.max(MIN_SLOTS, length * 2) }, (_, i) =>
      i < length ? this.#at(i) : undefined,
    );
    this.#first = 0;
  }
}
