/**
 * The history of one bus, of a route or a channel: hands messages to the store, and sends what was kept to those who follow a room. Made with the
 * bus if the route has the option `history`, and stopped with the bus; the server opens and closes the store.
 */
import type { Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { FollowFrom, FollowResult } from "../../api/follow.js";
import type { HistoryMessage, HistoryRange, HistoryResult } from "../../api/history.js";
import type { HistoryReading, StoredMessage } from "../../api/history-store.js";
import type { HistorySettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { messageOf } from "../../runtime/thrown.js";
import { encodeFrame, type Frame } from "../../transport/frame.js";
import { checkRoom } from "../route/checks.js";
import type { Member } from "../route/member.js";
import { Follow, Follows } from "./follow.js";
import { type ReadQuery, readQuery } from "./queries.js";
import type { RoomStore } from "./room-store.js";

export interface HistoryParts {
  readonly rooms: RoomStore;
  readonly settings: Pick<HistorySettings, "maxMessages" | "stamp">;
  readonly clock: Clock;
  readonly counters: { kept: number; unkept: number; readonly sent: { frames: number } };
  /** A follower for whom more is held gets nothing of what was kept. */
  readonly maxHeldBytes: number;
  /** A store that takes longer has failed. */
  readonly timeoutMs: number;
  /** Encodes a message for the connections of the bus; throws `BAD_DATA`. */
  readonly encode: (data: Data) => Frame;
  /** The program's code, or the program's store, has failed. */
  readonly failed: (error: unknown, what: string) => void;
}

/** A message on its way to the members, and to the store if `position` says so. */
interface KeptMessage {
  readonly frame: Frame;
  readonly position: string | undefined;
}

const REFUSED: FollowResult = { outcome: "refused", count: 0, position: undefined };

export class History {
  readonly follows: Follows = new Follows();
  readonly #parts: HistoryParts;
  /** The frame of each message by the bytes that the store has: a store that answers with the same bytes saves another encoding. */
  readonly #frames = new WeakMap<Uint8Array, Frame>();

  constructor(parts: HistoryParts) {
    this.#parts = parts;
  }

  /**
   * Hands a message to the store. @param source the id of the connection that does not get the message
   * @throws SendallError `BAD_DATA`
   */
  keep(data: Data, room: string, source: string | undefined): KeptMessage {
    const { rooms, clock, counters } = this.#parts;
    const plain = encodeFrame(data);
    const bytes = payloadOf(plain);
    const entry = { room: rooms.nameOf(room), bytes, isBinary: typeof plain.data !== "string", at: clock.now() };
    rooms.onUsed();
    const position = this.#append(source === undefined ? entry : { ...entry, source });
    if (position === undefined) counters.unkept++;
    else counters.kept++;
    const frame = this.#encode(plain, position);
    this.#frames.set(bytes, frame);
    return { frame, position };
  }

  /** The connection joins the room in the same stack. */
  async follow(member: Member, room: string, from: FollowFrom): Promise<FollowResult> {
    checkRoom(room);
    const query = readQuery("connection.follow", from, this.#parts.settings.maxMessages);
    if (!member.isOpen) return REFUSED;
    if (member.rooms.has(room))
      throw new SendallError(
        "ALREADY_MEMBER",
        `connection.follow: the connection is in the room already: follow in place of join, or read bus.history`,
      );
    if (!member.join(room)) return REFUSED;
    const reading = this.#read(room, query);
    if (!isPromiseLike(reading)) return this.#replay(member, query, reading);
    const follow = new Follow(member, this.#parts.maxHeldBytes);
    this.follows.begin(room, follow);
    try {
      return this.#replay(member, query, await this.#answered(reading), follow);
    } finally {
      // In a step of its own: what the caller sends on hearing the outcome goes out before what is held.
      this.#parts.clock.soon(() => this.follows.end(room, follow));
    }
  }

  async read(room: string, range: HistoryRange): Promise<HistoryResult> {
    checkRoom(room);
    const query = readQuery("bus.history", range, this.#parts.settings.maxMessages);
    const reading = this.#read(room, query);
    const { outcome, entries } = isPromiseLike(reading) ? await this.#answered(reading) : reading;
    if (query.isUnknown) return { outcome: "unknown", entries: [] };
    return { outcome, entries: outcome === "complete" ? entries.map(messageOfEntry) : [] };
  }

  /** The member has left the room: what was kept is not wanted any more. */
  onLeft(member: Member, room: string): void {
    const follow = this.follows.find(room, member);
    if (follow === undefined) return;
    follow.hasLeft = true;
    this.follows.end(room, follow);
  }

  stop(): void {
    this.follows.endAll();
  }

  #append(entry: Parameters<RoomStore["store"]["append"]>[0]): string | undefined {
    try {
      return this.#parts.rooms.store.append(entry);
    } catch (error) {
      this.#parts.failed(error, "history.store");
      return undefined;
    }
  }

  #read(room: string, { after, last, limit }: ReadQuery): HistoryReading | Promise<HistoryReading> {
    const { rooms } = this.#parts;
    rooms.onUsed();
    try {
      return rooms.store.read(rooms.nameOf(room), after === undefined ? { last: last ?? 0, limit } : { after, limit });
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Rejects if the store fails, or takes too long. */
  #answered(reading: PromiseLike<HistoryReading>): Promise<HistoryReading> {
    const { clock, timeoutMs } = this.#parts;
    return new Promise((resolve, reject) => {
      const timer = clock.after(timeoutMs, () =>
        reject(unavailable(new Error(`the store did not answer within ${timeoutMs} ms`))),
      );
      reading.then(
        (answer) => {
          timer.cancel();
          resolve(answer);
        },
        (error: unknown) => {
          timer.cancel();
          reject(unavailable(error));
        },
      );
    });
  }

  #replay(member: Member, query: ReadQuery, reading: HistoryReading, follow?: Follow): FollowResult {
    if (follow?.hasLeft || !member.isOpen) return REFUSED;
    const { position } = reading;
    if (query.isUnknown) return { outcome: "unknown", count: 0, position };
    if (reading.outcome !== "complete") return { outcome: reading.outcome, count: 0, position };
    const entries = before(reading.entries, follow?.firstHeld);
    const frames = entries.filter(({ source }) => source !== member.id).map((entry) => this.#frameOf(entry));
    const count = follow?.isOverfull ? undefined : member.outbox.replay(frames);
    if (count === undefined) return { outcome: "gap", count: 0, position };
    return { outcome: "complete", count, position: entries.at(-1)?.position ?? query.after ?? position };
  }

  #frameOf({ bytes, isBinary, position }: StoredMessage): Frame {
    const known = this.#frames.get(bytes);
    if (known !== undefined) return known;
    const frame = this.#encode(encodeFrame(isBinary ? bytes : textOf(bytes)), position);
    this.#parts.counters.sent.frames++;
    this.#frames.set(bytes, frame);
    return frame;
  }

  /** The frame for the members, with the stamp of the program. */
  #encode(plain: Frame, position: string | undefined): Frame {
    const { encode, failed, settings } = this.#parts;
    if (settings.stamp === undefined || position === undefined) return this.#encodeFor(plain);
    try {
      return encode(settings.stamp(plain.data, position));
    } catch (error) {
      failed(error, "history.stamp");
      return this.#encodeFor(plain);
    }
  }

  #encodeFor(plain: Frame): Frame {
    const { encode } = this.#parts;
    return encode === encodeFrame ? plain : encode(plain.data);
  }
}

function unavailable(cause: unknown): SendallError {
  if (cause instanceof SendallError && cause.code === "HISTORY_UNAVAILABLE") return cause;
  return new SendallError("HISTORY_UNAVAILABLE", `history: the store cannot be read: ${messageOf(cause)}`, { cause });
}

/** The entries before the first that waits already. */
function before(entries: readonly StoredMessage[], position: string | undefined): readonly StoredMessage[] {
  if (position === undefined) return entries;
  const end = entries.findIndex((entry) => entry.position === position);
  return end < 0 ? entries : entries.slice(0, end);
}

function payloadOf({ wire, payloadBytes }: Frame): Uint8Array {
  return wire.subarray(wire.length - payloadBytes);
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString();
}

/** Bytes are copied, since the bytes of the store are shared. */
function messageOfEntry({ bytes, isBinary, position, at }: StoredMessage): HistoryMessage {
  return { position, data: isBinary ? Buffer.from(bytes) : textOf(bytes), at };
}
