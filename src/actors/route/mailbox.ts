/**
 * The mailbox of a handler, with a queue for each connection. Receivers post events; the handler actor takes events out. The
 * mailbox decides the order of events, and tells a queue when the connection has to pause (contract 2, 5, 11). Each route has one
 * mailbox, for the life of the route.
 */
import type { Stats } from "../../api/stats.js";
import { Fifo } from "../../runtime/fifo.js";
import { EVENT_BYTES } from "../../transport/paused-bytes.js";
import { ConnectionQueue, type Posted, type QueueOwner, SerialGroup } from "./connection-queue.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { Metering } from "./metering.js";
import type { Target } from "./runner.js";
import { WaitingBack } from "./waiting-back.js";

export interface MailboxLimits {
  readonly highWaterEvents: number;
  readonly lowWaterEvents: number;
  readonly maxBytes: number;
  readonly maxInfo: number;
}

/** The budget of a route, which lets events into the order that had to wait. */
export interface MailboxBudget {
  /** Lets in the next messages of connections whose last message is handled. */
  serveIdle(): void;
}

export class Mailbox {
  readonly #limits: MailboxLimits;
  readonly #order = new Fifo<ConnectionQueue>();
  /** Entries once blocked by a busy group and free now; older than every entry in `#order`. */
  readonly #released = new Fifo<ConnectionQueue>();
  /** The queue of events without a connection. */
  readonly common: ConnectionQueue = this.createQueue(undefined, new SerialGroup());
  /** Woken at each posted event; set by the route after creating the handler. */
  consumer: { wake(): void } | undefined;
  readonly #metering: Metering | undefined;
  /** Set by the budget of the route, if there is one. */
  budget: MailboxBudget | undefined;
  #size = 0;
  #infos = 0;
  #paused = 0;
  #resting = 0;
  #restingEvents = 0;

  /** @param metering absent where nothing is measured */
  constructor(limits: MailboxLimits, metering?: Metering) {
    this.#limits = limits;
    this.#metering = metering;
  }

  /** How many events wait, for the handler or for tokens. */
  get size(): number {
    return this.#size;
  }

  /** How many events wait for the handler. */
  get waiting(): number {
    return this.#size - this.#restingEvents;
  }

  gauges(): Pick<Stats, "mailboxEvents" | "paused" | "resting" | "restingEvents"> {
    return {
      mailboxEvents: this.waiting,
      paused: this.#paused,
      resting: this.#resting,
      restingEvents: this.#restingEvents,
    };
  }

  createQueue(owner: QueueOwner | undefined, group?: SerialGroup, target?: Target): ConnectionQueue {
    return new ConnectionQueue(owner, group, target);
  }

  /** @returns `false` for an `info` event if `maxInfo` such events wait */
  post(queue: ConnectionQueue, event: MailboxEvent, bytes = 0): boolean {
    // Nothing comes from a peer that is away, so no absence has to be posted first.
    if (isFromPeer(event)) {
      this.#push({ event, queue, bytes, isForwarded: false });
      this.#pauseIfFull(queue);
      return true;
    }
    if (event.type === "info" && this.#infos >= this.#limits.maxInfo) return false;
    // What the program tells goes past what waits for tokens.
    const last = (event.type === "info" ? undefined : queue.pace?.lastHeld) ?? queue.last;
    const back = last instanceof WaitingBack ? last : undefined;
    if (event.type === "away" && back !== undefined) {
      back.leaveAgain(event);
      return true;
    }
    if (event.type === "back" && back?.comeBackAgain(event)) return true;
    this.#pushAwayAfter(back);
    this.#push(event.type === "back" ? new WaitingBack(event, queue) : { event, queue, bytes, isForwarded: false });
    return true;
  }

  /** Posts an `info` event for every connection. @returns `false` if `maxInfo` such events wait in the queue */
  forward(queue: ConnectionQueue, event: MailboxEvent): boolean {
    if (queue.forwarded >= this.#limits.maxInfo) return false;
    this.#pushAwayAfter(queue.last);
    this.#push({ event, queue, bytes: 0, isForwarded: true });
    return true;
  }

  /** The next event; `undefined` if no event waits, or each waits for an event under way. */
  take(): Posted | undefined {
    this.budget?.serveIdle();
    for (;;) {
      const queue = this.#released.shift() ?? this.#order.shift();
      if (queue === undefined) return undefined;
      if (queue.skipped > 0) {
        queue.skipped--;
        continue;
      }
      queue.entries--;
      if (queue.group?.isBusy) {
        queue.blocked++;
        queue.group.blocked.add(queue);
        continue;
      }
      const posted = queue.shift();
      if (posted === undefined) continue;
      this.#uncount(posted);
      if (posted.event.type === "back") this.#pushAwayAfter(posted);
      if (queue.isThrottled) this.#yieldToOthers(queue);
      if (queue.isPaused) this.#resumeIfDrained(queue);
      return posted;
    }
  }

  /** The group's event under way is settled: unblocks the queues of the group. */
  release(group: SerialGroup): void {
    group.isBusy = false;
    for (const queue of group.blocked) {
      queue.entries += queue.blocked;
      for (; queue.blocked > 0; queue.blocked--) this.#released.push(queue);
    }
    group.blocked.clear();
  }

  /**
   * Discards the waiting events, except an `open` not yet handled: `closed` must not come without `open`.
   *
   * @returns how many messages of the peer were discarded
   */
  discard(queue: ConnectionQueue): number {
    const entered = queue.takeAll();
    queue.payer?.onDiscarded(entered.filter(({ event }) => isFromPeer(event)).length);
    if (queue.pace?.isResting) this.#restingEvents -= queue.pace.held;
    const waiting = [...entered, ...(queue.pace?.takeHeld() ?? [])];
    const messages = waiting.filter(({ event }) => event.type === "message").length;
    for (const posted of waiting) this.#uncount(posted);
    queue.skipped += queue.entries;
    queue.entries = 0;
    queue.blocked = 0;
    queue.isThrottled = false;
    queue.behind = 0;
    const first = waiting[0];
    if (first?.event.type === "open") this.post(queue, first.event);
    this.#resumeIfDrained(queue);
    return messages;
  }

  /** A connection rests from now on. What the pace of the connection holds waits for tokens. @param held without the event that is judged */
  beginRest(held: Iterable<Posted>): void {
    this.#resting++;
    for (const posted of held) {
      this.#restingEvents++;
      if (this.#metering?.isOn) this.#metering.left(posted);
    }
  }

  endRest(): void {
    this.#resting--;
  }

  /** Puts an event into the order that a pace has held; while the connection rests, the event waits for the handler only from now on. */
  admit(posted: Posted): void {
    if (posted.queue.pace?.isResting) {
      this.#restingEvents--;
      if (this.#metering?.isOn) this.#metering.posted(posted);
    }
    this.#enter(posted);
  }

  /** Drops an event that waited for tokens. */
  drop(posted: Posted): void {
    this.#uncount(posted);
    this.#resumeIfDrained(posted.queue);
  }

  /** The transport has closed: waiting events are still handled, but there is nothing left to pause. */
  unpause(queue: ConnectionQueue): void {
    if (!queue.isPaused) return;
    queue.isPaused = false;
    this.#paused--;
  }

  /** The absence after a waiting `back` is an event by itself from now on. */
  #pushAwayAfter(posted: Posted | undefined): void {
    const event = posted instanceof WaitingBack ? posted.takeAway() : undefined;
    if (posted === undefined || event === undefined) return;
    this.#push({ event, queue: posted.queue, bytes: 0, isForwarded: false });
  }

  #push(posted: Posted): void {
    const { pace } = posted.queue;
    const verdict = pace?.judge(posted) ?? "enter";
    if (verdict === "drop") return;
    this.#count(posted);
    if (verdict === "hold" && pace?.isResting) this.#restingEvents++;
    else if (this.#metering?.isOn) this.#metering.posted(posted);
    if (verdict === "enter") this.#enter(posted);
  }

  /** Puts an event into the order. */
  #enter(posted: Posted): void {
    const { event, queue } = posted;
    if (queue.payer !== undefined && isFromPeer(event)) queue.payer.onEntered();
    queue.push(posted);
    if (queue.owner !== undefined && queue.size > this.#limits.lowWaterEvents) queue.isThrottled = true;
    if (!queue.isThrottled || queue.entries + queue.blocked === 0) {
      queue.entries++;
      this.#order.push(queue);
    }
    this.consumer?.wake();
  }

  #count({ event, queue, bytes, isForwarded }: Posted): void {
    this.#size++;
    if (isForwarded) queue.forwarded++;
    else if (event.type === "info") this.#infos++;
    else if (isFromPeer(event)) {
      queue.messages++;
      queue.bytes += bytes + EVENT_BYTES;
    }
  }

  #uncount(posted: Posted): void {
    const { event, queue, bytes, isForwarded } = posted;
    if (this.#metering?.isOn) this.#metering.left(posted);
    this.#size--;
    if (isForwarded) queue.forwarded--;
    else if (event.type === "info") this.#infos--;
    else if (isFromPeer(event)) {
      queue.messages--;
      queue.bytes -= bytes + EVENT_BYTES;
    }
  }

  /** Moves a throttled queue to the end of the order: everything waiting now precedes the queue's next event. */
  #yieldToOthers(queue: ConnectionQueue): void {
    queue.skipped += queue.entries;
    queue.isThrottled = queue.size > this.#limits.lowWaterEvents;
    queue.entries = queue.isThrottled ? 1 : queue.size;
    for (let i = 0; i < queue.entries; i++) this.#order.push(queue);
  }

  #pauseIfFull(queue: ConnectionQueue): void {
    if (queue.isPaused || queue.owner === undefined) return;
    if (queue.messages < this.#limits.highWaterEvents && queue.bytes < this.#limits.maxBytes) return;
    queue.isPaused = true;
    this.#paused++;
    queue.owner.pause();
  }

  #resumeIfDrained(queue: ConnectionQueue): void {
    if (!queue.isPaused || queue.owner === undefined) return;
    const { highWaterEvents, lowWaterEvents, maxBytes } = this.#limits;
    if (queue.messages > lowWaterEvents || queue.bytes > (maxBytes * lowWaterEvents) / highWaterEvents) return;
    queue.isPaused = false;
    this.#paused--;
    queue.owner.resume();
  }
}

/** Events which a peer can send in any number. */
export function isFromPeer({ type }: MailboxEvent): boolean {
  return type === "message" || type === "ping" || type === "pong";
}
