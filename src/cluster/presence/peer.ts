/**
 * Another node, as the presence of a bus knows the node: the copies of the node's entries, by room, and when the node was heard. Made with
 * the first message of the node; ends with a goodbye, or unheard.
 *
 * Of most rooms that this node follows, most nodes have no entries, so nothing is kept of a room without entries: the node has none in a
 * room without a copy, unless the room is in doubt.
 */
import type { Answer, Delta, RoomState } from "./messages.js";
import { UNKNOWN } from "./messages.js";
import type { PresenceEntry } from "./shared-presence.js";

/** More than a node has connections: a broken node must not fill the memory. */
const MAX_ENTRIES = 1_000_000;

/** The copy of a room in which the node has entries. */
interface Copy {
  readonly entries: Map<string, PresenceEntry>;
  /** The number of the state. */
  number: number;
  /** The owner's counter when the state was told: what is older is ignored. */
  at: number;
}

const NONE: ReadonlyMap<string, PresenceEntry> = new Map();

export class Peer {
  readonly node: string;
  heardAt: number;
  /** The number of the last beat; `undefined` before the first. */
  beat: number | undefined;
  readonly #copies = new Map<string, Copy>();
  /** The rooms in doubt, with a copy or without. */
  readonly #unsure = new Set<string>();
  /** The owner's counter when a room was last found empty: what is older is not certain in a room without a copy. */
  #emptyAt = 0;
  /** The parts of the answer that is arriving. */
  #parts: Answer[] = [];

  constructor(node: string, heardAt: number) {
    this.node = node;
    this.heardAt = heardAt;
  }

  /** `UNKNOWN` in doubt, 0 for a room in which the node has no entries. */
  numberOf(room: string): number {
    return this.#unsure.has(room) ? UNKNOWN : (this.#copies.get(room)?.number ?? 0);
  }

  /** Whether the owner's number differs from the copy's, and is not older than the copy. */
  isOutdated(room: string, number: number, at: number): boolean {
    const copy = this.#copies.get(room);
    return copy === undefined || (copy.number !== number && at >= copy.at);
  }

  entriesOf(room: string): ReadonlyMap<string, PresenceEntry> {
    return this.#copies.get(room)?.entries ?? NONE;
  }

  /** The rooms of which there are copies. */
  rooms(): Iterable<string> {
    return this.#copies.keys();
  }

  /** The rooms in doubt. */
  unsure(): Iterable<string> {
    return this.#unsure;
  }

  /** What is known of the room may be wrong, so the copy cannot take changes until the node has answered. MUST be forgotten with the room. */
  doubt(room: string): void {
    this.#unsure.add(room);
  }

  forget(room: string): void {
    this.#copies.delete(room);
    this.#unsure.delete(room);
  }

  /** @returns the keys that have changed; `undefined` if changes before the delta, or after it, may be missing */
  applyDelta(room: string, { from, to, set, gone }: Delta): readonly string[] | undefined {
    const copy = this.#copies.get(room);
    // What an answer has told already.
    if (copy !== undefined && to <= copy.at) return [];
    if (copy === undefined && to <= this.#emptyAt) return undefined;
    if (from === 0) return this.#replace(room, to, to, set);
    if (copy === undefined || this.numberOf(room) !== from) return undefined;
    const { entries } = copy;
    if (entries.size + set.length > MAX_ENTRIES) return undefined;
    for (const entry of set) entries.set(entry.key, entry);
    for (const key of gone) entries.delete(key);
    copy.number = to;
    copy.at = to;
    if (entries.size === 0) this.#empty(room, to);
    return [...set.map(({ key }) => key), ...gone];
  }

  /** Takes a part of an answer. @returns the rooms of the whole answer and its age, with the last part */
  collect(answer: Answer): Pick<Answer, "at" | "rooms"> | undefined {
    const { id, part, parts, at } = answer;
    const [first] = this.#parts;
    const isNext = first === undefined || (first.id === id && first.parts === parts && first.at === at);
    // Parts arrive in order: with a gap the answer is lost.
    if (!isNext || part !== this.#parts.length + 1) this.#parts = [];
    if (part !== this.#parts.length + 1) return undefined;
    this.#parts.push(answer);
    if (part < parts) return undefined;
    const states = this.#parts.flatMap((each) => each.rooms);
    this.#parts = [];
    return { at, rooms: joinStates(states) };
  }

  /** @returns the keys that have changed */
  applyState({ room, number, entries }: RoomState, at: number): readonly string[] {
    const copy = this.#copies.get(room);
    if (entries === undefined || entries.length > MAX_ENTRIES || (copy !== undefined && at < copy.at)) return [];
    if (copy !== undefined || at >= this.#emptyAt) return this.#replace(room, number, at, entries);
    this.doubt(room);
    return [];
  }

  /** @returns the keys whose entries differ */
  #replace(room: string, number: number, at: number, entries: readonly PresenceEntry[]): readonly string[] {
    const before = this.entriesOf(room);
    const after = new Map(entries.map((entry) => [entry.key, keptIfSame(before.get(entry.key), entry)]));
    this.#unsure.delete(room);
    if (after.size === 0) this.#empty(room, at);
    else this.#copies.set(room, { number, at, entries: after });
    const gone = [...before.keys()].filter((key) => !after.has(key));
    return [...gone, ...[...after].filter(([key, entry]) => before.get(key) !== entry).map(([key]) => key)];
  }

  #empty(room: string, at: number): void {
    this.#copies.delete(room);
    this.#emptyAt = Math.max(this.#emptyAt, at);
  }
}

/** Joins the entries of a room that several parts have brought. */
function joinStates(states: readonly RoomState[]): readonly RoomState[] {
  const joined = new Map<string, RoomState & { readonly entries: PresenceEntry[] | undefined }>();
  for (const { room, number, entries } of states) {
    const before = joined.get(room)?.entries;
    if (before === undefined || entries === undefined)
      joined.set(room, { room, number, entries: entries && [...entries] });
    else for (const entry of entries) before.push(entry);
  }
  return [...joined.values()];
}

function keptIfSame(before: PresenceEntry | undefined, after: PresenceEntry): PresenceEntry {
  if (before === undefined) return after;
  const isSame =
    before.infoAt === after.infoAt &&
    before.since === after.since &&
    before.connections === after.connections &&
    before.away === after.away &&
    JSON.stringify(before.info) === JSON.stringify(after.info);
  return isSame ? before : after;
}
