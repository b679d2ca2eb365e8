/**
 * What nodes tell each other of presence: JSON, in the bytes of an extension. The exchange of a bus writes and reads the messages; what
 * another node sends is checked here, number by number.
 *
 * ```
 * on a room's subject   {"type":"delta","from":3,"to":7,"set":[entry, …],"gone":[key, …]}
 *                       {"type":"askAll","known":{node: number, …}}
 * on the bus's subject  {"type":"beat","beat":12,"at":9,"rooms":[[room, number], …]}
 *                       {"type":"goodbye"}
 * on a node's subject   {"type":"ask","rooms":[[room, number], …]}
 *                       {"type":"answer","id":5,"part":1,"parts":2,"at":9,"rooms":[[room, number], [room, number, [entry, …]], …]}
 * entry                 [key, info, infoAt, isShown, since, connections, away]
 * ```
 *
 * A number is the state of a room at its owner: 0 for a room without entries, `UNKNOWN` for an asker without a copy. `at` is the owner's
 * counter, and so the age of a message.
 */
import type { Json } from "../../api/json.js";
import { bufferOf } from "../../runtime/buffer-of.js";
import type { PresenceEntry } from "./shared-presence.js";

/** The kind of extension. */
export const PRESENCE = 1;

/** Asked for by a node which has no copy of the room. */
export const UNKNOWN = -1;

/** A key is as long as an answer of `presence.key` at most. */
const MAX_KEY_LENGTH = 1_024;
/** `JSON.parse` takes any depth, and `JSON.stringify` fails from some thousand levels on. */
const MAX_DEPTH = 1_000;
/** More parts than a node needs for a million connections. */
const MAX_PARTS = 65_536;

/** A room and the number of its state. */
export type RoomNumber = readonly [room: string, number: number];

/** The state of a room; without entries: as the asker knows it. */
export interface RoomState {
  readonly room: string;
  readonly number: number;
  readonly entries: readonly PresenceEntry[] | undefined;
}

/** What an owner has changed in a room. From 0 the changes are the whole state. */
export interface Delta {
  readonly type: "delta";
  readonly from: number;
  readonly to: number;
  readonly set: readonly PresenceEntry[];
  readonly gone: readonly string[];
}

/** A question to every owner of entries in the room; the numbers that the asker has. */
export interface AskAll {
  readonly type: "askAll";
  readonly known: ReadonlyMap<string, number>;
}

/** A sign of life, with the rooms that have changed lately. */
export interface Beat {
  readonly type: "beat";
  /** Goes up by 1 with each beat. */
  readonly beat: number;
  readonly at: number;
  readonly rooms: readonly RoomNumber[];
}

/** The node has no more entries, and never will. */
export interface Goodbye {
  readonly type: "goodbye";
}

/** A question to one owner, with the numbers that the asker has. */
export interface Ask {
  readonly type: "ask";
  readonly rooms: readonly RoomNumber[];
}

/** A part of an answer. The parts of an answer follow each other, and count when all are there. */
export interface Answer {
  readonly type: "answer";
  /** The number of the answer among the answers of its node. */
  readonly id: number;
  /** From 1 on. */
  readonly part: number;
  readonly parts: number;
  readonly at: number;
  /** A room whose entries are split is in several parts. */
  readonly rooms: readonly RoomState[];
}

export type PresenceMessage = Delta | AskAll | Beat | Goodbye | Ask | Answer;

/** @returns `undefined` for what is no message */
export function readMessage(bytes: Uint8Array): PresenceMessage | undefined {
  try {
    return checkMessage(JSON.parse(bufferOf(bytes).toString()));
  } catch {
    return undefined;
  }
}

/** Throws for what is no message. */
function checkMessage(message: unknown): PresenceMessage {
  if (typeof message !== "object" || message === null) throw new TypeError("no message");
  const fields = message as Readonly<Record<string, unknown>>;
  switch (fields.type) {
    case "delta": {
      const [from, to] = [numberOf(fields.from), numberOf(fields.to)];
      if (from >= to) throw new RangeError("numbers go up");
      return { type: "delta", from, to, set: listOf(fields.set, entryOf), gone: listOf(fields.gone, keyOf) };
    }
    case "askAll":
      return { type: "askAll", known: knownOf(fields.known) };
    case "beat":
      return {
        type: "beat",
        beat: numberOf(fields.beat),
        at: numberOf(fields.at),
        rooms: listOf(fields.rooms, (room) => roomNumberOf(room, 0)),
      };
    case "goodbye":
      return { type: "goodbye" };
    case "ask":
      return { type: "ask", rooms: listOf(fields.rooms, (room) => roomNumberOf(room, UNKNOWN)) };
    case "answer": {
      const [part, parts] = [numberOf(fields.part), numberOf(fields.parts)];
      if (part < 1 || part > parts || parts > MAX_PARTS) throw new RangeError("no such part");
      const [id, at] = [numberOf(fields.id), numberOf(fields.at)];
      return { type: "answer", id, part, parts, at, rooms: listOf(fields.rooms, roomStateOf) };
    }
    default:
      throw new TypeError("no such message");
  }
}

function numberOf(value: unknown, min = 0): number {
  if (!Number.isSafeInteger(value) || (value as number) < min) throw new RangeError("no number");
  return value as number;
}

/** A clock may have fractions of a millisecond. */
function timeOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) throw new RangeError("no time");
  return value;
}

function keyOf(value: unknown): string {
  if (typeof value !== "string" || value.length === 0 || value.length > MAX_KEY_LENGTH) throw new TypeError("no key");
  return value;
}

function listOf<T>(value: unknown, read: (item: unknown) => T): T[] {
  if (!Array.isArray(value)) throw new TypeError("no list");
  return value.map((item: unknown) => read(item));
}

function entryOf(value: unknown): PresenceEntry {
  const [key, info, infoAt, isShown, since, connections, away, ...rest] = listOf(value, (item) => item);
  if (info === undefined || typeof isShown !== "boolean" || typeof away !== "boolean" || rest.length > 0)
    throw new TypeError("no entry");
  return {
    key: keyOf(key),
    // Comes out of `JSON.parse`.
    info: freeze(info, MAX_DEPTH) ? (info as Json) : null,
    infoAt: timeOf(infoAt),
    isShown,
    since: timeOf(since),
    connections: numberOf(connections),
    away: away && connections !== 0,
  };
}

/** Lists, events and notices share an info. @returns `false` for a value with more levels */
function freeze(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  Object.freeze(value);
  return levels > 0 && Object.values(value).every((inner) => freeze(inner, levels - 1));
}

function roomNumberOf(value: unknown, min: number): RoomNumber {
  const [room, number, ...rest] = listOf(value, (item) => item);
  if (typeof room !== "string" || rest.length > 0) throw new TypeError("no room");
  return [room, numberOf(number, min)];
}

function roomStateOf(value: unknown): RoomState {
  const [room, number, entries, ...rest] = listOf(value, (item) => item);
  if (typeof room !== "string" || rest.length > 0) throw new TypeError("no state of a room");
  return { room, number: numberOf(number), entries: entries === undefined ? undefined : listOf(entries, entryOf) };
}

function knownOf(value: unknown): ReadonlyMap<string, number> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("no numbers");
  return new Map(Object.entries(value).map(([node, number]) => [node, numberOf(number)]));
}
