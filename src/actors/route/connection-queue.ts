/**
 * The event queue of one connection in a mailbox, with the counters of the mailbox. The mailbox creates a queue for each
 * connection, and is the only code to fill and empty queues. A queue ends with the connection. A connection that has not sent anything by the
 * time that `open` has been handled lets go of the queue, and gets a new one with the next event.
 */
import type { Connection } from "../../api/connection.js";
import { Fifo } from "../../runtime/fifo.js";
import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { Target } from "./runner.js";

/** The connection of a queue: told when the queue is full, when there is room again, and of the first and last event. */
export interface QueueOwner {
  /** Receives what the handler leaks in the connection's events. */
  readonly leakOwner: LeakOwner;
  readonly isOpen: boolean;
  /** The connection of the socket, for a subscription; absent for a connection. */
  readonly carrier?: Connection;
  pause(): void;
  resume(): void;
  /** The connection's `open` is handled next. */
  announce(): void;
  /** The events waiting when `HandlerActor.catchUp` was called have been handled. */
  caughtUp(): void;
  /** The connection's `open` has been handled. */
  onOpenHandled?(): void;
  /** The connection's `closed` has been handled. */
  onClosedHandled(): void;
}

/** An event waiting for the handler. */
export interface Posted {
  readonly event: MailboxEvent;
  readonly queue: ConnectionQueue;
  /** The size of the peer's data in the event. */
  readonly bytes: number;
  /** An `info` event for every connection. */
  readonly isForwarded: boolean;
  /** Since when the event waits for the handler; absent while nobody measures, or the event waits for tokens. */
  postedAt?: number;
}

/** What becomes of an event under a budget: it enters the order of the mailbox, waits for tokens, or is dropped. */
export type Verdict = "enter" | "hold" | "drop";

/** Decides when the events of a peer enter the order of the mailbox (option `budget`). */
export interface QueuePace {
  /** The peer's socket is paused until there are tokens: what the pace holds waits for tokens, and otherwise for the handler. */
  readonly isResting: boolean;
  /** How many events wait for tokens, or behind such an event. */
  readonly held: number;
  /** The event that waits for tokens, or behind such an event, and came last. */
  readonly lastHeld: Posted | undefined;
  /** An event of the connection has come. The pace keeps what has to wait, and lets it enter later. */
  judge(posted: Posted): Verdict;
  /** Lets everything enter that waits, with tokens or without: the peer has gone, or the server closes. */
  letGo(): void;
  /** Gives up everything that waits. @returns the events, in order */
  takeHeld(): Posted[];
  /** The connection has ended. */
  leave(): void;
}

/** Pays for the events of a queue: of a connection, or of a channel's subscription over the connection. */
export interface QueuePayer {
  /** A message of the queue has entered the order. */
  onEntered(): void;
  /** Messages that had entered will not be handled. */
  onDiscarded(count: number): void;
  /** @param isMessage whether the event had entered as a message */
  onEnded(isMessage: boolean, busyMs: number): void;
}

/** A group of queues with at most one event under way at a time. */
export class SerialGroup {
  isBusy = false;
  /** Queues whose turn came while the group was busy. */
  readonly blocked: Set<ConnectionQueue> = new Set();
}

export class ConnectionQueue extends Fifo<Posted> {
  readonly owner: QueueOwner | undefined;
  /** Waiting messages of the peer, and their bytes with `EVENT_BYTES` for each message. */
  messages = 0;
  bytes = 0;
  /** Waiting `info` events for every connection. */
  forwarded = 0;
  isPaused = false;
  /** Entries in the mailbox's order: `entries` are valid, and `skipped` older entries are to be skipped. */
  entries = 0;
  skipped = 0;
  /** More than `lowWaterEvents` wait: the queue has a single entry, which goes to the end after each event. */
  isThrottled = false;
  /** Entries that came up while the group was busy. */
  blocked = 0;
  /** An event of the queue is being awaited. */
  isUnderWay = false;
  // Fields that are absent cost no memory: most connections have none of these.
  /** Absent if the handler takes a single event at a time in any case. */
  declare readonly group?: SerialGroup;
  /** The code for the queue's events, if not the route's handler. */
  declare readonly target?: Target;
  /** This and the payer are absent without a budget. A subscription has no pace, since its socket has. */
  declare pace?: QueuePace;
  declare payer?: QueuePayer;
  /** How many events must be handled before `owner.caughtUp` is called; 0 if no call is due. */
  behind = 0;

  constructor(owner: QueueOwner | undefined, group: SerialGroup | undefined, target: Target | undefined) {
    super();
    this.owner = owner;
    if (group !== undefined) this.group = group;
    if (target !== undefined) this.target = target;
  }

  /** Nothing waits or is under way, the mailbox has no entry of the queue, and no budget has set a pace: a new queue would be the same. */
  get isAsNew(): boolean {
    const { size, entries, skipped, blocked, behind, isUnderWay, pace } = this;
    return size + entries + skipped + blocked + behind === 0 && !isUnderWay && pace === undefined;
  }
}
