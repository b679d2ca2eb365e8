/**
 * The handler actor of a route: takes events out of the mailbox, and is the only code to run the user's code for events, guarded.
 * Handles a single event at a time, or one for each connection (contract 2). Failures go to the route's supervision. The route
 * creates the actor, runs `init` before the first event, and stops the actor at shutdown.
 */
import type { Clock } from "../../runtime/clock.js";
import { isHandlingTraced } from "../../runtime/diagnostics.js";
import { type LevelSource, type Logger, logsEachEvent } from "../../runtime/logger.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { LONG_TURN_MS, type Runnable, type Turn } from "../../runtime/turn.js";
import { type LeakOwner, type RunContext, runContexts } from "../../runtime/unhandled-rejections.js";
import type { RouteMirror } from "../inspection/mirror.js";
import { causeOf } from "../presence/presence-event.js";
import type { ConnectionQueue, Posted } from "./connection-queue.js";
import { EventsUnderWay } from "./events-under-way.js";
import type { HandleTrace } from "./handle-trace.js";
import type { Mailbox } from "./mailbox.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { Metering } from "./metering.js";
import type { HandlerObserver } from "./observer.js";
import { DeferredTimeout, type Target } from "./runner.js";

export interface HandlerActorParts {
  /** The code for every queue without a `target`. */
  readonly target: Target;
  readonly mailbox: Mailbox;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether each event is logged. */
  readonly level: LevelSource;
  readonly mirror: RouteMirror;
  readonly metering: Metering;
  readonly concurrency: "serial" | "connection";
  readonly timeoutMs: number;
  readonly observer: HandlerObserver | undefined;
  /** @param tookMs how long the event was under way */
  readonly onFailure: (error: unknown, event: MailboxEvent, target: Target, tookMs: number) => void;
  /** The actor itself has failed, which is a fault of ours. */
  readonly onCrash: (error: unknown) => void;
}

/** The clock is read after this many events. */
const CHECK_EVERY = 32;

export class HandlerActor implements Runnable {
  readonly #parts: HandlerActorParts;
  readonly #underWay: EventsUnderWay;
  /** The traces of events that are not over. */
  readonly #traces = new Map<MailboxEvent, HandleTrace>();
  /** Called when no event waits and none is under way; set while a step of the shutdown waits. */
  onIdle: (() => void) | undefined = undefined;
  #isHeld = true;
  /** Since when the actor waits for `init`, which runs again; `undefined` otherwise. */
  heldSince: number | undefined;
  /** When the current batch of events began or last failed: no later event of the batch can have taken longer. */
  #runningSince = 0;
  /** The context of the last event, if the event was a message; none between turns, since a context names a connection. */
  #last: { readonly queue: ConnectionQueue; readonly context: RunContext } | undefined;
  /** The user's code is on the stack, and may be the caller. */
  #isRunningUserCode = false;

  constructor(parts: HandlerActorParts) {
    this.#parts = parts;
    const { clock, log, mailbox, metering, timeoutMs, turn } = parts;
    this.#underWay = new EventsUnderWay({
      clock,
      log,
      metering,
      timeoutMs,
      onDone: (result, event, queue) => this.#done(result, event, queue),
      onFailed: (error, event, queue, startedAt) => this.#failed(error, event, queue, startedAt),
      onEnded: (queue) => {
        if (queue.group !== undefined) mailbox.release(queue.group);
        // Waiting events run in a microtask, after the settled event is finished here.
        Promise.resolve().then(() => turn.settled(this));
      },
      onUntimed: (queue) => {
        if (queue.behind === 1) this.#countDown(queue);
        // `RouteShutdown.finished` may be waiting for this event only.
        this.wake();
      },
    });
  }

  /** Whether an event is awaited or waiting. */
  get isBusy(): boolean {
    return this.#isRunningUserCode || this.#underWay.isAwaiting || this.#parts.mailbox.size > 0;
  }

  /** The events under way, oldest first. */
  get pending(): MailboxEvent[] {
    return this.#underWay.events;
  }

  /** The events with unsettled promises, for snapshots. */
  get underWay(): Pick<EventsUnderWay, "pending" | "busy"> {
    return this.#underWay;
  }

  /** How many events keep the user's code busy: none of the events whose time limit was lifted. */
  get busy(): number {
    return this.#underWay.busy + (this.#isRunningUserCode ? 1 : 0);
  }

  wake(): void {
    this.#parts.turn.wake(this);
  }

  /** Takes no event until `init` has run, for the first time or again. */
  hold(): void {
    this.#isHeld = true;
    this.heldSince = this.#parts.clock.now();
  }

  release(): void {
    this.#isHeld = false;
    this.heldSince = undefined;
    this.wake();
  }

  run(budget: number): "idle" | "more" | "awaiting" {
    const { clock, metering } = this.#parts;
    const startedAt = clock.now();
    const state = this.#run(budget, startedAt);
    this.#last = undefined;
    if (metering.isOn) metering.ran(startedAt);
    return state;
  }

  #run(budget: number, startedAt: number): "idle" | "more" | "awaiting" {
    const { clock, mailbox, concurrency } = this.#parts;
    this.#runningSince = startedAt;
    for (let done = 0; done < budget; done++) {
      if (this.#isHeld) return "idle";
      if (concurrency === "serial" && this.#underWay.pending.size > 0) return "awaiting";
      if (done > 0 && done % CHECK_EVERY === 0 && clock.now() - startedAt >= LONG_TURN_MS) return "more";
      const posted = mailbox.take();
      if (posted === undefined) return this.#onMailboxEmpty();
      try {
        this.#handle(posted);
      } catch (error) {
        this.#parts.onCrash(error);
        // What waits is still handled: each crash costs one event.
        return "more";
      }
    }
    return "more";
  }

  /** Times out the awaited events: the server goes on to close the connections. */
  timeOutPending(): void {
    this.#underWay.timeOutTimed();
  }

  /** The connection of a queue is closing. */
  onConnectionLeft(queue: ConnectionQueue): void {
    this.#underWay.onConnectionLeft(queue);
  }

  /** Calls the queue owner's `caughtUp` after the events waiting in the queue now have been handled. */
  catchUp(queue: ConnectionQueue): void {
    queue.pace?.letGo();
    // With an empty queue, do not wait for an event without a time limit: such an event may last for ever.
    const isAwaited = queue.isUnderWay && !(queue.size === 0 && this.#underWay.isUntimed(queue));
    queue.behind = queue.size + (isAwaited ? 1 : 0);
    if (queue.behind === 0) queue.owner?.caughtUp();
  }

  /** From now on, handles events without awaiting any result. */
  skipWaiting(): void {
    this.#underWay.skipWaiting();
    this.wake();
  }

  /** Times out the pending events, and takes no more. */
  stop(): void {
    this.#underWay.timeOutAll();
    this.#isHeld = true;
    this.heldSince = undefined;
  }

  #onMailboxEmpty(): "idle" | "awaiting" {
    if (this.onIdle !== undefined && !this.#underWay.isAwaiting) this.onIdle();
    return this.#underWay.pending.size > 0 ? "awaiting" : "idle";
  }

  #handle(posted: Posted): void {
    const { event, queue } = posted;
    const { observer, mirror, metering, level } = this.#parts;
    if (event.type === "open") queue.owner?.announce();
    if (mirror.isOn) mirror.show(this, event);
    if (logsEachEvent(level)) this.#log(event);
    observer?.handling(event);
    const { runner, bus, leakOwner } = queue.target ?? this.#parts.target;
    const context = this.#contextOf(event, queue, leakOwner);
    const trace = isHandlingTraced() && !runner.isDispatcher ? this.#trace(posted) : undefined;
    const startedAt = metering.isOn ? metering.began(posted) : undefined;
    let isOver = false;
    this.#isRunningUserCode = true;
    try {
      const result =
        trace === undefined
          ? runContexts.run(context, runner.handle, event, bus)
          : trace.run(() => runContexts.run(context, runner.handle, event, bus));
      if (result instanceof DeferredTimeout) {
        trace?.deferred(result, this.#parts.clock, this.#parts.timeoutMs);
        this.#underWay.defer(result, event, queue, startedAt);
      } else if (result !== undefined && isPromiseLike(result)) {
        trace?.returned();
        this.#underWay.await(result, event, queue, startedAt);
      } else {
        isOver = true;
        if (metering.isOn) metering.ended(event, queue, startedAt);
        this.#done(result, event, queue);
      }
    } catch (error) {
      if (metering.isOn && !isOver) metering.ended(event, queue, startedAt);
      this.#failed(error, event, queue, this.#runningSince);
      this.#runningSince = this.#parts.clock.now();
    } finally {
      this.#isRunningUserCode = false;
    }
  }

  /** Messages that a connection has sent in a row share a context. */
  #contextOf(event: MailboxEvent, queue: ConnectionQueue, leakOwner: LeakOwner): RunContext {
    const last = this.#last;
    if (queue === last?.queue && event.type === "message") return last.context;
    const owner = queue.owner?.leakOwner ?? causeOf(event)?.owner ?? leakOwner;
    const context = { owner, event: event.type };
    this.#last = event.type === "message" ? { queue, context } : undefined;
    return context;
  }

  #trace({ event, queue, bytes }: Posted): HandleTrace {
    const { tracing } = queue.target ?? this.#parts.target;
    const trace = tracing.createTrace(event, queue.owner?.carrier, bytes, () => this.#traces.delete(event));
    this.#traces.set(event, trace);
    return trace;
  }

  #log(event: MailboxEvent): void {
    const bytes = event.type === "message" ? { bytes: Buffer.byteLength(event.data) } : {};
    this.#parts.log.debug({ event: event.type, connection: event.connection?.id, ...bytes }, "event");
  }

  #done(result: unknown, event: MailboxEvent, queue: ConnectionQueue): void {
    const { runner } = queue.target ?? this.#parts.target;
    runner.settled?.(result);
    if (this.#traces.size > 0) this.#traces.get(event)?.ended();
    this.#settled(event, queue);
  }

  #failed(error: unknown, event: MailboxEvent, queue: ConnectionQueue, startedAt: number): void {
    const { clock, onFailure } = this.#parts;
    if (this.#traces.size > 0) this.#traces.get(event)?.failed(error);
    onFailure(error, event, queue.target ?? this.#parts.target, clock.now() - startedAt);
    this.#settled(event, queue);
  }

  #settled(event: MailboxEvent, queue: ConnectionQueue): void {
    if (queue.behind > 0) this.#countDown(queue);
    if (event.type === "closed") queue.owner?.onClosedHandled();
    else if (event.type === "open") queue.owner?.onOpenHandled?.();
  }

  #countDown(queue: ConnectionQueue): void {
    if (--queue.behind === 0) queue.owner?.caughtUp();
  }
}
