/**
 * The history of one bus, of a route or a channel: hands messages to the store, and sends what was kept to those who follow a room. Made with the
 * bus if the route has the option `history`, and stopped with the bus; the server opens and closes the store.
 */
import type { Receipt } from "../../api/bus.js";
import type { Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { FollowFrom, FollowResult } from "../../api/follow.js";
import type { HistoryMessage, HistoryRange, HistoryResult } from "../../api/history.js";
import type { HistoryReading, StoredMessage } from "../../api/history-store.js";
import type { Clock } from "../../runtime/clock.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { encodeFrame, type Frame } from "../../transport/frame.js";
import { checkRoom, ownName } from "../route/checks.js";
import type { Member } from "../route/member.js";
import { Answers, closed } from "./answers.js";
import { Follow, Follows } from "./follow.js";
import { type ReadQuery, readQuery } from "./queries.js";
import type { Road } from "./roads/road.js";
import type { RoomStore } from "./room-store.js";
import { type StampedFrames, textOf } from "./stamped-frames.js";

export interface HistoryParts {
  readonly rooms: RoomStore;
  readonly road: Road;
  readonly frames: StampedFrames;
  readonly maxMessages: number;
  readonly clock: Clock;
  readonly counters: { readonly sent: { frames: number } };
  /** A follower for whom more is held gets nothing of what was kept. */
  readonly maxHeldBytes: number;
  /** A store that takes longer has failed. */
  readonly timeoutMs: number;
  readonly hasMembers: (room: string) => boolean;
}

const REFUSED: FollowResult = { outcome: "refused", count: 0, position: undefined };

export class History {
  readonly follows: Follows = new Follows();
  readonly #parts: HistoryParts;
  readonly #answers: Answers;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
    this.#answers = new Answers(parts);
  }

  /**
   * Keeps a message, and sends the message to the members of a room.
   *
   * @param source the id of the connection that does not get the message
   * @throws SendallError `BAD_DATA`
   */
  keep(data: Data, room: string, source: string | undefined): Receipt {
    const { clock, road } = this.#parts;
    // A text cut out of a longer text would keep the longer text in memory as long as the message.
    const plain = encodeFrame(typeof data === "string" ? Buffer.from(data).toString() : data);
    const bytes = plain.wire.subarray(plain.wireBytes - plain.payloadBytes);
    return road.send({ room, plain, bytes, source: ownSource(source), at: clock.now() });
  }

  /** The connection joins the room in the same stack. */
  async follow(member: Member, room: string, from: FollowFrom): Promise<FollowResult> {
    checkRoom(room);
    const query = readQuery("connection.follow", from, this.#parts.maxMessages);
    if (!member.isOpen) return REFUSED;
    if (member.rooms.has(room))
      throw new SendallError(
        "ALREADY_MEMBER",
        `connection.follow: the connection is in the room already: follow in place of join, or read bus.history`,
      );
    if (!member.join(room)) return REFUSED;
    const call = { isWaiting: true };
    const reading = this.#readOnceReady(room, query, call);
    if (!isPromiseLike(reading)) return this.#replay(member, query, reading);
    const follow = new Follow(member, this.#parts.maxHeldBytes);
    this.follows.begin(room, follow);
    try {
      const answer = await this.#answers.wait(reading, (giveUp) => {
        follow.onLeft = giveUp;
      });
      return answer === undefined ? REFUSED : this.#replay(member, query, answer, follow);
    } finally {
      call.isWaiting = false;
      // In a step of its own: what the caller sends on hearing the outcome goes out before what is held.
      this.#parts.clock.soon(() => this.follows.onAnswered(room, follow));
    }
  }

  async read(room: string, range: HistoryRange): Promise<HistoryResult> {
    checkRoom(room);
    const query = readQuery("bus.history", range, this.#parts.maxMessages);
    const reading = this.#read(room, query);
    const answer = isPromiseLike(reading) ? await this.#answers.wait(reading) : reading;
    if (answer === undefined) throw closed();
    const { outcome, entries } = answer;
    if (query.isUnknown) return { outcome: "unknown", entries: [] };
    return { outcome, entries: outcome === "complete" ? entries.map(messageOfEntry) : [] };
  }

  onOccupied(room: string): void {
    this.#parts.road.onOccupied(room);
  }

  /** What was kept is not wanted any more. */
  onLeft(member: Member, room: string): void {
    if (!this.#parts.hasMembers(room)) this.#parts.road.onEmptied(room);
    const follow = this.follows.find(room, member);
    if (follow === undefined) return;
    this.follows.end(room, follow);
    follow.leave();
  }

  stop(): void {
    this.follows.endAll();
    this.#answers.stop();
    this.#parts.road.stop();
  }

  /** A call that has ended keeps no member in memory, however long the road takes. */
  #readOnceReady(
    room: string,
    query: ReadQuery,
    call: { readonly isWaiting: boolean },
  ): HistoryReading | Promise<HistoryReading> {
    const ready = this.#parts.road.ready(room);
    if (ready === undefined) return this.#read(room, query);
    return ready.then(() => {
      if (!call.isWaiting) throw new Error("nobody waits for the answer");
      return this.#read(room, query);
    });
  }

  #read(room: string, { after, last, limit }: ReadQuery): HistoryReading | Promise<HistoryReading> {
    const { rooms } = this.#parts;
    rooms.onUsed();
    return this.#answers.ask(() =>
      rooms.store.read(rooms.nameOf(room), after === undefined ? { last: last ?? 0, limit } : { after, limit }),
    );
  }

  #replay(member: Member, query: ReadQuery, reading: HistoryReading, follow?: Follow): FollowResult {
    if (follow?.hasLeft || !member.isOpen) return REFUSED;
    const { position } = reading;
    if (query.isUnknown) return { outcome: "unknown", count: 0, position };
    if (reading.outcome !== "complete") return { outcome: reading.outcome, count: 0, position };
    const { isDelayed } = this.#parts.road;
    const entries = isDelayed ? reading.entries : before(reading.entries, follow?.firstHeld);
    const count = follow?.isOverfull ? undefined : member.outbox.replay(this.#framesFor(member, entries));
    if (count === undefined) return { outcome: "gap", count: 0, position };
    if (isDelayed) follow?.skipUpTo(position);
    const isCut = entries.length < reading.entries.length;
    const last = isCut ? (entries.at(-1)?.position ?? query.after ?? position) : position;
    return { outcome: "complete", count, position: last };
  }

  #framesFor(member: Member, entries: readonly StoredMessage[]): Frame[] {
    const { counters, frames } = this.#parts;
    const before = frames.encoded;
    const made = entries.filter(({ source }) => source !== member.id).map((entry) => frames.of(entry));
    counters.sent.frames += frames.encoded - before;
    return made;
  }
}

/** No connection has another id. What is no id would count for no limit of a store. */
const ID = /^[!-~]{1,255}$/;

/** An id cut out of a message would keep the message in memory. */
function ownSource(source: string | undefined): string | undefined {
  return source !== undefined && ID.test(source) ? ownName(source) : undefined;
}

/** The entries before the first that waits already. */
function before(entries: readonly StoredMessage[], position: string | undefined): readonly StoredMessage[] {
  if (position === undefined) return entries;
  const end = entries.findIndex((entry) => entry.position === position);
  return end < 0 ? entries : entries.slice(0, end);
}

/** Bytes are copied, since the bytes of the store are shared. */
function messageOfEntry({ bytes, isBinary, position, at }: StoredMessage): HistoryMessage {
  return { position, data: isBinary ? Buffer.from(bytes) : textOf(bytes), at };
}
