/**
 * The queue of one connection in a mailbox: its events in order, with what the mailbox counts of them. A mailbox makes one for each
 * connection, and is the only code that fills and empties a queue.
 */
import { Fifo } from "../../runtime/fifo.js";
import type { LeakOwner } from "../../runtime/unhandled-rejections.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { Target } from "./runner.js";

/** The connection of a queue: told when the queue is full, when there is room again, and of the first and last event. */
export interface QueueOwner {
  /** Told of what the handler leaks in the connection's events. */
  readonly leakOwner: LeakOwner;
  readonly isOpen: boolean;
  pause(): void;
  resume(): void;
  /** The connection's `open` is handled next. */
  announce(): void;
  /** What waited in the queue when `HandlerActor.catchUp` was called has been handled. */
  caughtUp(): void;
  /** The connection's `closed` has been handled. */
  onClosedHandled(): void;
}

/** An event on its way to the handler. */
export interface Posted {
  readonly event: MailboxEvent;
  readonly queue: ConnectionQueue;
  /** How many bytes of the peer the event holds. */
  readonly bytes: number;
  /** An `info` event that was meant for all connections. */
  readonly isForwarded: boolean;
}

/** Queues of one group have at most one event under way, all together. */
export class SerialGroup {
  isBusy = false;
  /** Queues whose turn came while the group was busy. */
  readonly blocked: Set<ConnectionQueue> = new Set();
}

export class ConnectionQueue extends Fifo<Posted> {
  readonly owner: QueueOwner | undefined;
  /** Absent where the handler takes one event at a time in any case. */
  readonly group: SerialGroup | undefined;
  /** The code that handles these events, if not the route's handler. */
  readonly target: Target | undefined;
  /** What waits of the peer: messages, and their bytes with `EVENT_BYTES` for each. */
  messages = 0;
  bytes = 0;
  /** `info` events that were meant for all connections. */
  forwarded = 0;
  isPaused = false;
  /** Entries in the mailbox's order: valid ones, and older ones to be skipped. */
  entries = 0;
  skipped = 0;
  /** More than `lowWaterEvents` wait: the queue has a single entry, which goes to the end after each event. */
  isThrottled = false;
  /** Entries that came up while the group was busy. */
  blocked = 0;
  /** An event of the queue is being awaited. */
  isUnderWay = false;
  /** How many events are to be handled before the owner is told that it has caught up; 0 if nothing is to be told. */
  behind = 0;

  constructor(owner: QueueOwner | undefined, group: SerialGroup | undefined, target: Target | undefined) {
    super();
    this.owner = owner;
    this.group = group;
    this.target = target;
  }
}
