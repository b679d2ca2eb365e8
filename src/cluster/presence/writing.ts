/**
 * Writes the messages of `messages.ts`, split so that each fits into a packet: a delta into deltas that follow each other, a beat into
 * beats that follow each other, an answer into parts. What the writer makes is written once, in order.
 */
import type { AskAll, RoomNumber } from "./messages.js";
import type { PresenceEntry } from "./shared-presence.js";

/** Room for the header of a packet, the address of an envelope, and the fields of a message apart from its lists. */
const OVERHEAD_BYTES = 1_024;

/** How large packets may be. */
export interface PacketSizes {
  /** A message which would make a packet larger is split. */
  readonly preferred: number;
  /** The largest that the engine takes. */
  readonly most: number;
}

export const GOODBYE: Buffer = Buffer.from('{"type":"goodbye"}');

/** A delta, as far as its numbers are left open. */
export interface DeltaPart {
  readonly set: readonly string[];
  readonly gone: readonly string[];
}

/** @param known the numbers that this node has of the other nodes' entries in the room */
export function writeAskAll(known: AskAll["known"]): Buffer {
  return Buffer.from(`{"type":"askAll","known":${JSON.stringify(Object.fromEntries(known))}}`);
}

/** New entries come first, so that a copy has no entries only after the last delta. @returns what goes into a single delta each */
export function splitDelta(
  changes: ReadonlyMap<string, PresenceEntry | undefined>,
  sizes: PacketSizes,
): readonly DeltaPart[] {
  const items = [...changes].map(([key, entry]) => ({
    isGone: entry === undefined,
    json: entry === undefined ? JSON.stringify(key) : writeEntry(entry, sizes),
  }));
  const ordered = [...items.filter(({ isGone }) => !isGone), ...items.filter(({ isGone }) => isGone)];
  return split(ordered, ({ json }) => json, sizes).map((part) => ({
    set: part.filter(({ isGone }) => !isGone).map(({ json }) => json),
    gone: part.filter(({ isGone }) => isGone).map(({ json }) => json),
  }));
}

export function writeDelta(from: number, to: number, { set, gone }: DeltaPart): Buffer {
  return Buffer.from(`{"type":"delta","from":${from},"to":${to},"set":[${set.join()}],"gone":[${gone.join()}]}`);
}

/** @param first the number of the first beat @returns at least one beat */
export function writeBeats(first: number, at: number, rooms: readonly RoomNumber[], sizes: PacketSizes): Buffer[] {
  const parts = split(
    rooms.map((room) => JSON.stringify(room)),
    (json) => json,
    sizes,
  );
  if (parts.length === 0) parts.push([]);
  return parts.map((part, index) => {
    return Buffer.from(`{"type":"beat","beat":${first + index},"at":${at},"rooms":[${part.join()}]}`);
  });
}

export function writeAsks(rooms: readonly RoomNumber[], sizes: PacketSizes): Buffer[] {
  const parts = split(
    rooms.map((room) => JSON.stringify(room)),
    (json) => json,
    sizes,
  );
  return parts.map((part) => Buffer.from(`{"type":"ask","rooms":[${part.join()}]}`));
}

/** A room of an answer, with the entries, or without for a room that has not changed. */
export type AnsweredRoom = readonly [room: string, number: number, entries?: Iterable<PresenceEntry>];

/**
 * A room which needs several packets is an answer of its own, so that a lost packet costs no other room.
 *
 * @param nextId called once for each answer
 */
export function writeAnswers(
  nextId: () => number,
  at: number,
  rooms: readonly AnsweredRoom[],
  sizes: PacketSizes,
): Buffer[] {
  const written = rooms.map((room) => writeRoom(room, sizes));
  const small = written.filter(({ length }) => length === 1).flat();
  const answers: readonly string[][][] = [
    ...split(small, (json) => json, sizes).map((part) => [part]),
    ...written.filter(({ length }) => length > 1).map((parts) => parts.map((part) => [part])),
  ];
  return answers.flatMap((parts) => {
    const head = `{"type":"answer","id":${nextId()},"parts":${parts.length},"at":${at}`;
    return parts.map((part, index) => Buffer.from(`${head},"part":${index + 1},"rooms":[${part.join()}]}`));
  });
}

/** @returns the room, several times if its entries have to be split */
function writeRoom([room, number, entries]: AnsweredRoom, { preferred, most }: PacketSizes): string[] {
  const head = `${JSON.stringify(room)},${number}`;
  if (entries === undefined) return [`[${head}]`];
  const headBytes = Buffer.byteLength(head);
  const sizes = { preferred: preferred - headBytes, most: most - headBytes };
  const written = Array.from(entries, (entry) => writeEntry(entry, sizes));
  const parts = split(written, (json) => json, sizes);
  if (parts.length === 0) parts.push([]);
  return parts.map((part) => `[${head},[${part.join()}]]`);
}

/** An info which the engine could never carry is `null` on the other nodes. */
function writeEntry(
  { key, info, infoAt, isShown, since, connections, away }: PresenceEntry,
  { most }: PacketSizes,
): string {
  const json = JSON.stringify([key, info, infoAt, isShown, since, connections, away]);
  if (Buffer.byteLength(json) + OVERHEAD_BYTES <= most) return json;
  return JSON.stringify([key, null, infoAt, isShown, since, connections, away]);
}

/** Splits a list so that each part fits into a packet; an item that does not fit is a part of its own. */
function split<T>(items: readonly T[], jsonOf: (item: T) => string, { preferred, most }: PacketSizes): T[][] {
  const limit = Math.min(preferred, most) - OVERHEAD_BYTES;
  const parts: T[][] = [];
  let bytes = 0;
  let part: T[] | undefined;
  for (const item of items) {
    const size = Buffer.byteLength(jsonOf(item)) + 1;
    if (part === undefined || bytes + size > limit) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  return parts;
}
