/**
 * Offers messages to all members of a route, or of rooms. From the second message to the same members on, within a pass of the turn, the
 * messages make a burst. The bus of a route or of a channel creates a `Multicast`, which keeps nothing that needs an end.
 */
import type { Receipt } from "../../api/bus.js";
import type { Turn } from "../../runtime/turn.js";
import type { Frame } from "../../transport/frame.js";
import { Burst, MAX_BURST_BYTES } from "./burst.js";
import type { Member, Outcome } from "./member.js";
import { Tally } from "./receipts.js";
import type { Registry } from "./registry.js";

/** Offers a message to a member in place of the member's outbox. */
export type OfferTo = (member: Member, frame: Frame) => Outcome;

export interface MulticastParts {
  readonly registry: Registry<Member>;
  readonly counters: { outboxBytes: number };
  /** Absent where members have no outbox of their own: then there are no bursts. */
  readonly turn?: Turn | undefined;
}

export class Multicast {
  readonly #parts: MulticastParts;
  // Whom the last message went to, and when. Fields, since an object would be made for each message.
  /** `undefined` for all members of the route. */
  #room: string | undefined;
  /** An id, since a member that has left is not to be kept. */
  #exceptId: string | undefined;
  #passes = -1;
  #version = -1;
  #burst: Burst | undefined;

  constructor(parts: MulticastParts) {
    this.#parts = parts;
  }

  /** @param offerTo for members that follow a history */
  offer(
    frame: Frame,
    rooms: readonly string[] | undefined,
    except: Member | undefined,
    offerTo: OfferTo | undefined,
  ): Receipt {
    const { turn } = this.#parts;
    const isSimple = offerTo === undefined && (rooms === undefined || rooms.length === 1);
    if (turn === undefined || !turn.isPassing || !isSimple) return this.#offerEach(frame, rooms, except, offerTo);
    const room = rooms?.[0];
    const exceptId = except?.id;
    const isRepeated = this.#goesToSame(room, exceptId, turn);
    if (isRepeated && this.#burst?.takes(frame) === true) return this.#extend(this.#burst, frame);
    const burst = isRepeated && frame.wireBytes < MAX_BURST_BYTES ? new Burst(frame) : undefined;
    this.#room = room;
    this.#exceptId = exceptId;
    this.#passes = turn.passes;
    this.#version = this.#parts.registry.version;
    this.#burst = burst;
    return this.#offerEach(frame, rooms, except, burst && ((member) => offerBurst(member, burst, frame)));
  }

  /** @returns `false` if the last message went to others, or the members may have changed since */
  #goesToSame(room: string | undefined, exceptId: string | undefined, turn: Turn): boolean {
    const isSame = this.#room === room && this.#exceptId === exceptId;
    return isSame && this.#passes === turn.passes && this.#version === this.#parts.registry.version;
  }

  #extend(burst: Burst, frame: Frame): Receipt {
    const { members, outsiders } = burst;
    burst.add(frame);
    this.#parts.counters.outboxBytes += frame.wireBytes * members;
    const tally = new Tally();
    tally.targeted = members;
    tally.queued = members;
    for (const id of outsiders) tally.add(this.#parts.registry.byId.get(id)?.outbox.offer(frame) ?? "dead");
    return tally.receipt();
  }

  #offerEach(
    frame: Frame,
    rooms: readonly string[] | undefined,
    except: Member | undefined,
    offerTo: OfferTo | undefined,
  ): Receipt {
    const { registry } = this.#parts;
    const tally = new Tally();
    for (const member of rooms === undefined ? registry.all() : registry.membersOfAny(rooms))
      if (member !== except && member.isTarget)
        tally.add(offerTo === undefined ? member.outbox.offer(frame) : offerTo(member, frame));
    return tally.receipt();
  }
}

function offerBurst(member: Member, burst: Burst, first: Frame): Outcome {
  const { outbox } = member;
  if (outbox.takeBurst?.(burst) === true) return "queued";
  burst.outsiders.push(member.id);
  return outbox.offer(first);
}
