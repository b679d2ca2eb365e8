/**
 * The handler actor of a route: takes events out of the mailbox and runs the user's code for each, guarded; no other code does so.
 * One event at a time, or one for each connection (contract 2). A failure is handed to the route's supervision, which also runs
 * `init` and `stop`.
 */
import type { Clock } from "../../runtime/clock.js";
import { EACH_EVENT, type LevelSource, type Logger } from "../../runtime/logger.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { LONG_TURN_MS, type Runnable, type Turn } from "../../runtime/turn.js";
import { runContexts } from "../../runtime/unhandled-rejections.js";
import type { RouteMirror } from "../inspection/mirror.js";
import type { ConnectionQueue, Posted } from "./connection-queue.js";
import { EventsUnderWay } from "./events-under-way.js";
import type { Mailbox } from "./mailbox.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { HandlerObserver } from "./observer.js";
import { DeferredTimeout, type Target } from "./runner.js";

export interface HandlerActorParts {
  /** The code that runs, except for queues that have a target themselves. */
  readonly target: Target;
  readonly mailbox: Mailbox;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether each event is logged. */
  readonly level: LevelSource;
  readonly mirror: RouteMirror;
  readonly concurrency: "serial" | "connection";
  readonly timeoutMs: number;
  readonly observer: HandlerObserver | undefined;
  /** @param tookMs how long the event was under way */
  readonly onFailure: (error: unknown, event: MailboxEvent, target: Target, tookMs: number) => void;
  /** The actor itself has failed, which is a fault of ours. */
  readonly onCrash: (error: unknown) => void;
}

/** The time is looked at after this many events. */
const CHECK_EVERY = 32;

export class HandlerActor implements Runnable {
  readonly #parts: HandlerActorParts;
  readonly #underWay: EventsUnderWay;
  /** Called when no event waits and none is under way; set while a step of stopping waits for that. */
  onIdle: (() => void) | undefined = undefined;
  #isHeld = true;
  /** When the events that are handled now began, or the last of them failed: the next failure has taken no longer. */
  #runningSince = 0;
  /** The user's code is on the stack: the caller may be that code. */
  #isInside = false;

  constructor(parts: HandlerActorParts) {
    this.#parts = parts;
    const { clock, log, mailbox, timeoutMs, turn } = parts;
    this.#underWay = new EventsUnderWay({
      clock,
      log,
      timeoutMs,
      onDone: (result, event, queue) => this.#done(result, event, queue),
      onFailed: (error, event, queue, startedAt) => this.#failed(error, event, queue, startedAt),
      onEnded: (queue) => {
        if (queue.group !== undefined) mailbox.release(queue.group);
        // Runs what waits in a microtask, so that what settles here is done first.
        Promise.resolve().then(() => turn.settled(this));
      },
      onFreed: (queue) => {
        if (queue.behind === 1) this.#countDown(queue);
        // `finished` may have waited for this event alone.
        this.wake();
      },
    });
  }

  /** Whether an event is awaited or waits. */
  get isBusy(): boolean {
    return this.#isInside || this.#underWay.isAwaiting || this.#parts.mailbox.size > 0;
  }

  /** The events under way, oldest first. */
  get pending(): MailboxEvent[] {
    return this.#underWay.events;
  }

  wake(): void {
    this.#parts.turn.wake(this);
  }

  /** No event is taken until `init` has run, and while `init` runs again. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.wake();
  }

  run(budget: number): "idle" | "more" | "awaiting" {
    const { clock, mailbox, concurrency } = this.#parts;
    const startedAt = clock.now();
    this.#runningSince = startedAt;
    for (let done = 0; done < budget; done++) {
      if (this.#isHeld) return "idle";
      if (concurrency === "serial" && this.#underWay.pending.size > 0) return "awaiting";
      if (done > 0 && done % CHECK_EVERY === 0 && clock.now() - startedAt >= LONG_TURN_MS) return "more";
      const posted = mailbox.take();
      if (posted === undefined) return this.#rest();
      try {
        this.#handle(posted);
      } catch (error) {
        this.#parts.onCrash(error);
        return "idle";
      }
    }
    return "more";
  }

  /** What is under way is given up now: the server is closing and goes on to the goodbyes. */
  timeOutPending(): void {
    this.#underWay.timeOutTimed();
  }

  /** The connection of a queue has gone. */
  onConnectionLeft(queue: ConnectionQueue): void {
    this.#underWay.onConnectionLeft(queue);
  }

  /** Tells the queue's owner (`caughtUp`) once what waits in the queue by now has been handled. */
  catchUp(queue: ConnectionQueue): void {
    // Code that takes its time without a message to answer may do so for ever.
    const isAwaited = queue.isUnderWay && !(queue.size === 0 && this.#underWay.isUntimed(queue));
    queue.behind = queue.size + (isAwaited ? 1 : 0);
    if (queue.behind === 0) queue.owner?.caughtUp();
  }

  /** From now on events are handled one after another without waiting for any. */
  skipWaiting(): void {
    this.#underWay.skipWaiting();
    this.wake();
  }

  /** Takes no event any more. */
  stop(): void {
    this.#underWay.timeOutAll();
    this.#isHeld = true;
  }

  #rest(): "idle" | "awaiting" {
    if (this.onIdle !== undefined && !this.#underWay.isAwaiting) this.onIdle();
    return this.#underWay.pending.size > 0 ? "awaiting" : "idle";
  }

  #handle({ event, queue }: Posted): void {
    const { observer, mirror, level } = this.#parts;
    if (event.type === "open") queue.owner?.announce();
    if (mirror.isOn) mirror.show(this, event);
    if (EACH_EVENT.has(level.level)) this.#log(event);
    observer?.handling(event);
    const { runner, bus, leakOwner } = queue.target ?? this.#parts.target;
    const owner = queue.owner?.leakOwner ?? leakOwner;
    this.#isInside = true;
    try {
      const result = runContexts.run({ owner, event: event.type }, runner.handle, event, bus);
      if (result === undefined) this.#done(result, event, queue);
      else if (result instanceof DeferredTimeout) this.#underWay.defer(result, event, queue);
      else if (isPromiseLike(result)) this.#underWay.await(result, event, queue);
      else this.#done(result, event, queue);
    } catch (error) {
      this.#failed(error, event, queue, this.#runningSince);
      this.#runningSince = this.#parts.clock.now();
    } finally {
      this.#isInside = false;
    }
  }

  #log(event: MailboxEvent): void {
    const bytes = event.type === "message" ? { bytes: Buffer.byteLength(event.data) } : {};
    this.#parts.log.debug({ event: event.type, connection: event.connection?.id, ...bytes }, "event");
  }

  #done(result: unknown, event: MailboxEvent, queue: ConnectionQueue): void {
    const { runner } = queue.target ?? this.#parts.target;
    runner.settled?.(result);
    this.#settled(event, queue);
  }

  #failed(error: unknown, event: MailboxEvent, queue: ConnectionQueue, startedAt: number): void {
    const { clock, onFailure } = this.#parts;
    onFailure(error, event, queue.target ?? this.#parts.target, clock.now() - startedAt);
    this.#settled(event, queue);
  }

  #settled(event: MailboxEvent, queue: ConnectionQueue): void {
    if (queue.behind > 0) this.#countDown(queue);
    if (event.type === "closed") queue.owner?.onClosedHandled();
  }

  #countDown(queue: ConnectionQueue): void {
    if (--queue.behind === 0) queue.owner?.caughtUp();
  }
}
