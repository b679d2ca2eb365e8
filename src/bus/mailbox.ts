/**
 * The handler's mailbox: one for each route, with a lane for each connection. Receivers post into it, the handler actor
 * takes out of it. It decides the order of events, and tells a lane when its connection has to pause (contract 2, 5, 11).
 */
import { isControl, type MailboxEvent } from "../events.js";
import { Fifo } from "../fifo.js";
import { EVENT_BYTES } from "../flood.js";
import type { LeakOwner } from "../leaks.js";
import type { Target } from "./runner.js";

export interface MailboxLimits {
  readonly highWaterEvents: number;
  readonly lowWaterEvents: number;
  readonly maxBytes: number;
  readonly maxInfo: number;
}

/** Whose lane it is: told when the lane is full and when it has room again, and of its first and last event. */
export interface LaneOwner {
  /** Told of what the handler leaks in its events. */
  readonly leakOwner: LeakOwner;
  readonly isOpen: boolean;
  pause(): void;
  resume(): void;
  /** Its `open` is about to be handled. */
  announce(): void;
  /** What waited in the lane when `Handler.catchUp` was called has been handled. */
  caughtUp(): void;
  /** Its `closed` has been handled. */
  bury(): void;
}

/** What is posted: the event and, for what the peer has sent, how many bytes it holds. */
interface Posted {
  readonly event: MailboxEvent;
  readonly bytes: number;
  /** An info event that was meant for all. */
  readonly isForwarded: boolean;
}

/** Lanes that share one have one event under way at a time, all together. */
export class Strand {
  isBusy = false;
  /** Those whose places came up meanwhile. */
  readonly parked: Set<Lane> = new Set();
}

/** The events of one connection that wait. Made by {@link Mailbox.lane}, filled and emptied by the mailbox alone, which counts them. */
export class Lane extends Fifo<Posted> {
  readonly owner: LaneOwner | undefined;
  /** Absent where the handler takes one event at a time anyway. */
  readonly strand: Strand | undefined;
  /** Whose code handles its events, if not the route's handler. */
  readonly target: Target | undefined;
  /** What the peer has waiting: messages, and their bytes with {@link EVENT_BYTES} for each. */
  messages = 0;
  bytes = 0;
  /** Info events that were meant for all. */
  forwarded = 0;
  isPaused = false;
  /** Its places in the order of arrival: live ones, and older ones that no longer count. */
  places = 0;
  stale = 0;
  /** More than `lowWaterEvents` wait: it has one place, and goes to the end after each event. */
  isHot = false;
  /** Places that came up while its strand was busy. */
  parked = 0;
  /** An event of the lane is being awaited. */
  isUnderWay = false;
  /** How many events are still to be handled before the owner is told that it has caught up; 0 if nothing is to be told. */
  behind = 0;

  constructor(owner: LaneOwner | undefined, strand: Strand | undefined, target: Target | undefined) {
    super();
    this.owner = owner;
    this.strand = strand;
    this.target = target;
  }
}

/** An event on its way to the handler. */
export interface Taken {
  readonly event: MailboxEvent;
  readonly lane: Lane;
}

export class Mailbox {
  readonly #limits: MailboxLimits;
  readonly #order = new Fifo<Lane>();
  /** Places that have come up while their strand was busy, and may go now: they are the oldest. */
  readonly #released = new Fifo<Lane>();
  /** What concerns no connection. */
  readonly common: Lane = this.lane(undefined, new Strand());
  #size = 0;
  #infos = 0;
  #paused = 0;

  constructor(limits: MailboxLimits) {
    this.#limits = limits;
  }

  /** How many events wait. */
  get size(): number {
    return this.#size;
  }

  /** How many connections are paused. */
  get paused(): number {
    return this.#paused;
  }

  lane(owner: LaneOwner | undefined, strand?: Strand, target?: Target): Lane {
    return new Lane(owner, strand, target);
  }

  /** @returns `false` if it is an info event and `maxInfo` of them wait */
  post(lane: Lane, event: MailboxEvent, bytes = 0): boolean {
    if (event.type === "info") {
      if (this.#infos >= this.#limits.maxInfo) return false;
      this.#infos++;
    } else if (isFromPeer(event)) {
      lane.messages++;
      lane.bytes += bytes + EVENT_BYTES;
    }
    this.#queuePosted(lane, { event, bytes, isForwarded: false });
    if (isFromPeer(event)) this.#press(lane);
    return true;
  }

  /** Posts an info event that was meant for all. @returns `false` if `maxInfo` of them wait in this lane */
  forward(lane: Lane, event: MailboxEvent): boolean {
    if (lane.forwarded >= this.#limits.maxInfo) return false;
    lane.forwarded++;
    this.#queuePosted(lane, { event, bytes: 0, isForwarded: true });
    return true;
  }

  /** The next event; `undefined` if none waits, or only such as have to wait for one under way. */
  take(): Taken | undefined {
    for (;;) {
      const lane = this.#released.shift() ?? this.#order.shift();
      if (lane === undefined) return undefined;
      if (lane.stale > 0) {
        lane.stale--;
        continue;
      }
      lane.places--;
      if (lane.strand?.isBusy) {
        lane.parked++;
        lane.strand.parked.add(lane);
        continue;
      }
      const posted = lane.shift();
      if (posted === undefined) continue;
      this.#left(lane, posted);
      this.#giveWay(lane);
      this.#relieve(lane);
      return { event: posted.event, lane };
    }
  }

  /** The strand's event under way is settled: its next one may go. */
  release(strand: Strand): void {
    strand.isBusy = false;
    for (const lane of strand.parked) {
      lane.places += lane.parked;
      for (; lane.parked > 0; lane.parked--) this.#released.push(lane);
    }
    strand.parked.clear();
  }

  /** Throws away what waits, but for an `open` that the handler has not seen: `closed` must not come without it. */
  discard(lane: Lane): void {
    const posted = lane.takeAll();
    for (const one of posted) this.#left(lane, one);
    lane.stale += lane.places;
    lane.places = 0;
    lane.parked = 0;
    lane.isHot = false;
    lane.behind = 0;
    const first = posted[0];
    if (first?.event.type === "open") this.post(lane, first.event);
    this.#relieve(lane);
  }

  /** Its socket has gone: what waits will be handled, and nothing is held back by it. */
  unpause(lane: Lane): void {
    if (!lane.isPaused) return;
    lane.isPaused = false;
    this.#paused--;
  }

  #queuePosted(lane: Lane, posted: Posted): void {
    this.#size++;
    lane.push(posted);
    if (lane.owner !== undefined && lane.size > this.#limits.lowWaterEvents) lane.isHot = true;
    if (!lane.isHot || lane.places + lane.parked === 0) this.#queue(lane, 1);
  }

  #queue(lane: Lane, places: number): void {
    lane.places += places;
    for (let i = 0; i < places; i++) this.#order.push(lane);
  }

  #left(lane: Lane, { event, bytes, isForwarded }: Posted): void {
    this.#size--;
    if (isForwarded) lane.forwarded--;
    else if (event.type === "info") this.#infos--;
    else if (isFromPeer(event)) {
      lane.messages--;
      lane.bytes -= bytes + EVENT_BYTES;
    }
  }

  /** A hot lane has had its turn: whoever waits by now comes before its next event. */
  #giveWay(lane: Lane): void {
    if (!lane.isHot) return;
    lane.stale += lane.places;
    lane.places = 0;
    lane.isHot = lane.size > this.#limits.lowWaterEvents;
    this.#queue(lane, lane.isHot ? 1 : lane.size);
  }

  #press(lane: Lane): void {
    if (lane.isPaused || lane.owner === undefined) return;
    if (lane.messages < this.#limits.highWaterEvents && lane.bytes < this.#limits.maxBytes) return;
    lane.isPaused = true;
    this.#paused++;
    lane.owner.pause();
  }

  #relieve(lane: Lane): void {
    if (!lane.isPaused || lane.owner === undefined) return;
    const { highWaterEvents, lowWaterEvents, maxBytes } = this.#limits;
    if (lane.messages > lowWaterEvents || lane.bytes > (maxBytes * lowWaterEvents) / highWaterEvents) return;
    lane.isPaused = false;
    this.#paused--;
    lane.owner.resume();
  }
}

/** What the peer can send as much of as it likes. */
function isFromPeer(event: MailboxEvent): boolean {
  return event.type === "message" || isControl(event);
}
