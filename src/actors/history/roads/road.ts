/**
 * The road of kept messages: from the bus to the store and to the members. On one node the store numbers and the bus delivers at once; what orders a
 * cluster also carries, and the message comes back through it, at home too. A history has one road, which lasts as long as the history.
 */
import type { Receipt } from "../../../api/bus.js";
import type { MessageToKeep } from "../../../api/history-store.js";
import { catchLater } from "../../../runtime/promises.js";
import { show } from "../../../runtime/show.js";
import type { Frame } from "../../../transport/frame.js";
import type { RoomStore } from "../room-store.js";
import type { StampedFrames } from "../stamped-frames.js";

/** A message that is to be kept. */
export interface KeptMessage {
  readonly room: string;
  /** Without the stamp of the program. */
  readonly plain: Frame;
  /** What the store gets. */
  readonly bytes: Uint8Array;
  /** The id of the connection that does not get the message. */
  readonly source: string | undefined;
  readonly at: number;
}

export interface Road {
  /** Takes a message. @returns what has become of the message so far */
  send(message: KeptMessage): Receipt;
  /**
   * @returns resolves once whatever is appended to the room arrives here; rejects if that cannot be; `undefined` if there is nothing to wait for. The room
   * MUST have a member.
   */
  ready(room: string): Promise<void> | undefined;
  /** Whether a message may be in the store before the members of this node have got the message. */
  readonly isDelayed: boolean;
  /** The first member has come. */
  onOccupied(room: string): void;
  /** The last member has gone. */
  onEmptied(room: string): void;
  stop(): void;
}

/** What every road needs. */
export interface RoadParts {
  readonly rooms: RoomStore;
  readonly frames: StampedFrames;
  readonly counters: { kept: number; unkept: number };
  /** Delivers to the members of a room on this node. */
  readonly deliver: (frame: Frame, room: string, source: string | undefined, position: string | undefined) => Receipt;
  /** How many members of a room on this node get a message. */
  readonly countTargets: (room: string, source: string | undefined) => number;
  /** The program's store has failed. */
  readonly failed: (error: unknown, what: string) => void;
}

/** The message as the store gets it. */
export function entryOf({ room, plain, bytes, source, at }: KeptMessage, rooms: RoomStore): MessageToKeep {
  const entry = { room: rooms.nameOf(room), bytes, isBinary: typeof plain.data !== "string", at };
  return source === undefined ? entry : { ...entry, source };
}

/** Hands a message to the store, and counts. @returns the position, if the store gives the position at once */
export function append(message: KeptMessage, { rooms, counters, failed }: RoadParts): string | undefined {
  rooms.onUsed();
  let position: string | undefined;
  try {
    const answer: unknown = rooms.store.append(entryOf(message, rooms));
    catchLater(answer);
    if (typeof answer === "string") position = answer;
    else if (answer !== undefined)
      throw new TypeError(`append of the store answered ${show(answer)}: expected a position`);
  } catch (error) {
    failed(error, "history.store");
  }
  if (position === undefined) counters.unkept++;
  else counters.kept++;
  return position;
}

/** The receipt for a message that is on the way to what orders the cluster, and comes back from there. */
export const SENT_ON: Receipt = Object.freeze({ targeted: 0, queued: 0, dropped: 0, dead: 0, forwarded: 1 });

/** What orders the cluster cannot take the message: nobody gets the message, on this node neither. */
export function refuse({ room, source }: KeptMessage, { counters, countTargets }: RoadParts): Receipt {
  counters.unkept++;
  const dropped = countTargets(room, source);
  return { targeted: dropped, queued: 0, dropped, dead: 0, forwarded: 0 };
}
