/**
 * The handler's mailbox: one for each route, with a lane for each connection. Receivers post into it, the handler actor
 * takes out of it. It decides the order of events, and tells a lane when its connection has to pause (contract 2, 5, 11).
 */

import { Fifo } from "../../runtime/fifo.js";
import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import { EVENT_BYTES } from "../../transport/paused-bytes.js";
import { isControl, type MailboxEvent } from "./mailbox-event.js";
import type { Target } from "./runner.js";

export interface MailboxLimits {
  readonly highWaterEvents: number;
  readonly lowWaterEvents: number;
  readonly maxBytes: number;
  readonly maxInfo: number;
}

/** Whose lane it is: told when the lane is full and when it has room again, and of its first and last event. */
export interface QueueOwner {
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
  onClosedHandled(): void;
}

/** What is posted: the event and, for what the peer has sent, how many bytes it holds. */
interface Posted {
  readonly event: MailboxEvent;
  readonly bytes: number;
  /** An info event that was meant for all. */
  readonly isForwarded: boolean;
}

/** Lanes that share one have one event under way at a time, all together. */
export class SerialGroup {
  isBusy = false;
  /** Those whose places came up meanwhile. */
  readonly blocked: Set<ConnectionQueue> = new Set();
}

/** The events of one connection that wait. Made by {@link Mailbox.lane}, filled and emptied by the mailbox alone, which counts them. */
export class ConnectionQueue extends Fifo<Posted> {
  readonly owner: QueueOwner | undefined;
  /** Absent where the handler takes one event at a time anyway. */
  readonly strand: SerialGroup | undefined;
  /** Whose code handles its events, if not the route's handler. */
  readonly target: Target | undefined;
  /** What the peer has waiting: messages, and their bytes with {@link EVENT_BYTES} for each. */
  messages = 0;
  bytes = 0;
  /** Info events that were meant for all. */
  forwarded = 0;
  isPaused = false;
  /** Its places in the order of arrival: live ones, and older ones that no longer count. */
  entries = 0;
  skipped = 0;
  /** More than `lowWaterEvents` wait: it has one place, and goes to the end after each event. */
  isThrottled = false;
  /** Places that came up while its strand was busy. */
  blocked = 0;
  /** An event of the lane is being awaited. */
  isUnderWay = false;
  /** How many events are still to be handled before the owner is told that it has caught up; 0 if nothing is to be told. */
  behind = 0;

  constructor(owner: QueueOwner | undefined, strand: SerialGroup | undefined, target: Target | undefined) {
    super();
    this.owner = owner;
    this.strand = strand;
    this.target = target;
  }
}

/** An event on its way to the handler. */
export interface Taken {
  readonly event: MailboxEvent;
  readonly lane: ConnectionQueue;
}

export class Mailbox {
  readonly #limits: MailboxLimits;
  readonly #order = new Fifo<ConnectionQueue>();
  /** Places that have come up while their strand was busy, and may go now: they are the oldest. */
  readonly #released = new Fifo<ConnectionQueue>();
  /** What concerns no connection. */
  readonly common: ConnectionQueue = this.lane(undefined, new SerialGroup());
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

  lane(owner: QueueOwner | undefined, strand?: SerialGroup, target?: Target): ConnectionQueue {
    return new ConnectionQueue(owner, strand, target);
  }

  /** @returns `false` if it is an info event and `maxInfo` of them wait */
  post(lane: ConnectionQueue, event: MailboxEvent, bytes = 0): boolean {
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
  forward(lane: ConnectionQueue, event: MailboxEvent): boolean {
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
      if (lane.skipped > 0) {
        lane.skipped--;
        continue;
      }
      lane.entries--;
      if (lane.strand?.isBusy) {
        lane.blocked++;
        lane.strand.blocked.add(lane);
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
  release(strand: SerialGroup): void {
    strand.isBusy = false;
    for (const lane of strand.blocked) {
      lane.entries += lane.blocked;
      for (; lane.blocked > 0; lane.blocked--) this.#released.push(lane);
    }
    strand.blocked.clear();
  }

  /** Throws away what waits, but for an `open` that the handler has not seen: `closed` must not come without it. */
  discard(lane: ConnectionQueue): void {
    const posted = lane.takeAll();
    for (const one of posted) this.#left(lane, one);
    lane.skipped += lane.entries;
    lane.entries = 0;
    lane.blocked = 0;
    lane.isThrottled = false;
    lane.behind = 0;
    const first = posted[0];
    if (first?.event.type === "open") this.post(lane, first.event);
    this.#relieve(lane);
  }

  /** Its socket has gone: what waits will be handled, and nothing is held back by it. */
  unpause(lane: ConnectionQueue): void {
    if (!lane.isPaused) return;
    lane.isPaused = false;
    this.#paused--;
  }

  #queuePosted(lane: ConnectionQueue, posted: Posted): void {
    this.#size++;
    lane.push(posted);
    if (lane.owner !== undefined && lane.size > this.#limits.lowWaterEvents) lane.isThrottled = true;
    if (!lane.isThrottled || lane.entries + lane.blocked === 0) this.#queue(lane, 1);
  }

  #queue(lane: ConnectionQueue, places: number): void {
    lane.entries += places;
    for (let i = 0; i < places; i++) this.#order.push(lane);
  }

  #left(lane: ConnectionQueue, { event, bytes, isForwarded }: Posted): void {
    this.#size--;
    if (isForwarded) lane.forwarded--;
    else if (event.type === "info") this.#infos--;
    else if (isFromPeer(event)) {
      lane.messages--;
      lane.bytes -= bytes + EVENT_BYTES;
    }
  }

  /** A hot lane has had its turn: whoever waits by now comes before its next event. */
  #giveWay(lane: ConnectionQueue): void {
    if (!lane.isThrottled) return;
    lane.skipped += lane.entries;
    lane.entries = 0;
    lane.isThrottled = lane.size > this.#limits.lowWaterEvents;
    this.#queue(lane, lane.isThrottled ? 1 : lane.size);
  }

  #press(lane: ConnectionQueue): void {
    if (lane.isPaused || lane.owner === undefined) return;
    if (lane.messages < this.#limits.highWaterEvents && lane.bytes < this.#limits.maxBytes) return;
    lane.isPaused = true;
    this.#paused++;
    lane.owner.pause();
  }

  #relieve(lane: ConnectionQueue): void {
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
