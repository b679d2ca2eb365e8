/**
 * The follows that wait for a store: what comes in the room for the follower meanwhile is held, so that it goes out after what was kept. A follow
 * ends when the store has answered, when the follower leaves the room, and when too much is held.
 */
import type { Frame } from "../../transport/frame.js";
import type { Member, Outcome } from "../route/member.js";

interface HeldFrame {
  readonly frame: Frame;
  /** Of a kept message. */
  readonly position: string | undefined;
}

export class Follow {
  readonly member: Member;
  readonly #maxBytes: number;
  #held: HeldFrame[] = [];
  #bytes = 0;
  /** Nothing is held any more. */
  #isOver = false;
  /** The last position that was replayed, while such messages may still come to the members of this node. */
  #replayedUpTo: string | undefined;
  /** The follower has left the room, or has gone. */
  hasLeft = false;
  /** Called when nothing more is held or skipped. */
  onDone: () => void = () => {};
  /** Called when the follower leaves. */
  onLeft: () => void = () => {};
  /** Too much came while the store took its time. */
  isOverfull = false;

  constructor(member: Member, maxBytes: number) {
    this.member = member;
    this.#maxBytes = maxBytes;
  }

  /** The position of the first kept message that is held. */
  get firstHeld(): string | undefined {
    return this.#held.find(({ position }) => position !== undefined)?.position;
  }

  /** Nothing is held, and nothing is to be skipped. */
  get isDone(): boolean {
    return this.#isOver && this.#replayedUpTo === undefined;
  }

  /** The follower has everything up to a position: what still comes of that is not sent again. */
  skipUpTo(position: string): void {
    this.#replayedUpTo = position;
    this.#held = this.#held.filter((held) => !isUpTo(held.position, position));
  }

  offer(frame: Frame, position: string | undefined): Outcome | undefined {
    if (this.#skips(position)) return "queued";
    if (this.#bytes >= this.#maxBytes && !this.#isOver) {
      this.isOverfull = true;
      this.release();
    }
    if (this.#isOver) return undefined;
    this.#held.push({ frame, position });
    this.#bytes += frame.wireBytes;
    return "queued";
  }

  #skips(position: string | undefined): boolean {
    if (this.#replayedUpTo === undefined || position === undefined) return false;
    if (isUpTo(position, this.#replayedUpTo)) return true;
    // The messages of a room come in order.
    this.#replayedUpTo = undefined;
    if (this.#isOver) this.onDone();
    return false;
  }

  leave(): void {
    this.hasLeft = true;
    this.onLeft();
  }

  /** Sends what is held, however little room the outbox has: the messages are many at once because the store took its time. */
  release(): void {
    this.#isOver = true;
    const held = this.#held;
    this.#held = [];
    if (held.length > 0) this.member.outbox.replay(held.map(({ frame }) => frame));
  }
}

/** The epoch stands before the last hyphen. */
function isUpTo(position: string | undefined, last: string): boolean {
  const epoch = last.slice(0, last.lastIndexOf("-") + 1);
  return position?.startsWith(epoch) === true && position <= last;
}

/** The follows under way of one bus. */
export class Follows {
  readonly #byRoom = new Map<string, Map<Member, Follow>>();

  begin(room: string, follow: Follow): void {
    follow.onDone = () => this.end(room, follow);
    const follows = this.#byRoom.get(room);
    if (follows === undefined) this.#byRoom.set(room, new Map([[follow.member, follow]]));
    else follows.set(follow.member, follow);
  }

  /** Sends what is held; does nothing if the follow is over. */
  end(room: string, follow: Follow): void {
    const follows = this.#byRoom.get(room);
    if (follows?.get(follow.member) !== follow) return;
    follows.delete(follow.member);
    if (follows.size === 0) this.#byRoom.delete(room);
    follow.release();
  }

  /** The store has answered: sends what is held. The follow goes on for as long as replayed messages may still come. */
  onAnswered(room: string, follow: Follow): void {
    if (this.find(room, follow.member) !== follow) return;
    follow.release();
    if (follow.isDone) this.end(room, follow);
  }

  find(room: string, member: Member): Follow | undefined {
    return this.#byRoom.get(room)?.get(member);
  }

  /** @returns finds the follow by which a member of the rooms waits; `undefined` if nobody follows any of the rooms just now */
  in(rooms: readonly string[]): ((member: Member) => Follow | undefined) | undefined {
    if (this.#byRoom.size === 0) return undefined;
    const maps = rooms.map((room) => this.#byRoom.get(room)).filter((follows) => follows !== undefined);
    if (maps.length === 0) return undefined;
    return (member) => maps.find((follows) => follows.has(member))?.get(member);
  }

  /** The server has closed. */
  endAll(): void {
    for (const [room, follows] of this.#byRoom)
      for (const follow of follows.values()) {
        this.end(room, follow);
        follow.leave();
      }
  }
}
