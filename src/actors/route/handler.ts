/**
 * The handler actor of a route: takes events out of the mailbox and runs the user's code for each, the one place where that
 * happens, guarded. One event at a time, or one for each connection (contract 2); a failure is handed to the route's
 * supervision, which also runs `init` and `stop`.
 */

import { SendallError } from "../../api/errors.js";
import { isDebugging } from "../../log/log.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { isPromiseLike } from "../../runtime/promises.js";
import { LONG_TURN_MS, type Runnable, type Turn } from "../../runtime/turn.js";
import { runEvent } from "../../runtime/unhandled-rejections.js";
import { type ObjectActor, objectLogic } from "../inspection/object-logic.js";
import type { Supervisor } from "../inspection/supervisor.js";
import type { ConnectionQueue, Mailbox, Taken } from "./mailbox.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { HandlerObserver } from "./observer.js";
import { DeferredTimeout, type Target } from "./runner.js";

export interface HandlerActorParts {
  /** Whose code runs, but for lanes that have a target of their own. */
  readonly target: Target;
  readonly mailbox: Mailbox;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly log: Logger;
  readonly supervisor: Supervisor;
  readonly concurrency: "serial" | "connection";
  readonly timeoutMs: number;
  readonly observer: HandlerObserver | undefined;
  /** @param tookMs how long the event was under way */
  readonly onFailure: (error: unknown, event: MailboxEvent, target: Target, tookMs: number) => void;
  /** Nothing waits and nothing is under way. */
  readonly onIdle: () => void;
}

/** An event whose promise is not settled. */
interface Pending {
  readonly event: MailboxEvent;
  readonly lane: ConnectionQueue;
  readonly startedAt: number;
  /** Absent while it may take as long as it likes. */
  timer: Timer | undefined;
}

/** An event under way for so long is logged. */
const SLOW_MS = 1_000;
const TOO_LATE = "the server closed before it was finished";
/** The time is looked at once in so many events. */
const CHECK_EVERY = 32;

export class HandlerActor implements Runnable {
  readonly actor: ObjectActor<HandlerActor, MailboxEvent>;
  readonly #parts: HandlerActorParts;
  readonly #pending = new Set<Pending>();
  /** Those of them that nobody waits for, as long as their connection is there. */
  readonly #patient = new Map<ConnectionQueue, Pending>();
  /** The event that is being handed to the actor, and its lane. */
  #handed: MailboxEvent | undefined;
  #lane: ConnectionQueue;
  #isHeld = true;
  #isHurried = false;
  /** When the events that are handed over now began, or the last of them failed: the next failure has taken no longer. */
  #runningSince = 0;
  /** The user's code is on the stack: it may be the one that asks. */
  #isInside = false;

  constructor(parts: HandlerActorParts) {
    this.#parts = parts;
    this.#lane = parts.mailbox.common;
    this.actor = parts.supervisor.spawn(objectLogic<HandlerActor, MailboxEvent>(), "handler", this);
  }

  /** Whether it awaits, or has something to do. */
  get isBusy(): boolean {
    return this.#isInside || this.#isAwaiting || this.#parts.mailbox.size > 0;
  }

  /** The events under way, oldest first. */
  get pending(): MailboxEvent[] {
    return Array.from(this.#pending, ({ event }) => event);
  }

  /** No event is taken until `init` has run, and while it runs again. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#parts.turn.wake(this);
  }

  run(budget: number): "idle" | "more" | "awaiting" {
    const { clock, mailbox, concurrency } = this.#parts;
    const startedAt = clock.now();
    this.#runningSince = startedAt;
    for (let done = 0; done < budget; done++) {
      if (this.#isHeld) return "idle";
      if (concurrency === "serial" && this.#pending.size > 0) return "awaiting";
      if (done > 0 && done % CHECK_EVERY === 0 && clock.now() - startedAt >= LONG_TURN_MS) return "more";
      const taken = mailbox.take();
      if (taken === undefined) return this.#rest();
      this.#hand(taken);
    }
    return "more";
  }

  receive(event: MailboxEvent): void {
    const { log } = this.#parts;
    // Events come out of the mailbox: what somebody else sends to the actor is no event of any connection.
    if (event !== this.#handed) {
      log.debug({ event: event.type }, "unknown event");
      return;
    }
    if (isDebugging(log)) {
      const bytes = event.type === "message" ? { bytes: Buffer.byteLength(event.data) } : {};
      log.debug({ event: event.type, connection: event.connection?.id, ...bytes }, "event");
    }
    this.#parts.observer?.handling(event);
    const lane = this.#lane;
    const { runner, bus, leakOwner } = this.#targetOf(lane);
    this.#isInside = true;
    try {
      const result = runEvent(lane.owner?.leakOwner ?? leakOwner, runner.handle, event, bus);
      if (result instanceof DeferredTimeout) this.#letBe(result, event, lane);
      else if (isPromiseLike(result)) this.#await(result, event, lane);
      else this.#done(result, event, lane);
    } catch (error) {
      this.#failed(error, event, lane, this.#runningSince);
      this.#runningSince = this.#parts.clock.now();
    } finally {
      this.#isInside = false;
    }
  }

  /** What is under way is given up now: the server is closing and goes on to the goodbyes. */
  timeOutPending(): void {
    for (const pending of this.#pending) if (pending.timer !== undefined) this.#timedOut(pending, TOO_LATE);
  }

  /** The connection of a lane has gone: what was let be is waited for no longer than anything else. */
  onConnectionLeft(lane: ConnectionQueue): void {
    const pending = this.#patient.get(lane);
    if (pending === undefined) return;
    this.#patient.delete(lane);
    this.#time(pending);
  }

  /** Tells the lane's owner (`caughtUp`) once what waits in the lane by now has been handled. */
  catchUp(lane: ConnectionQueue): void {
    // Code that takes its time without a message to answer may do so for ever.
    const isAwaited = lane.isUnderWay && !(lane.size === 0 && this.#patient.has(lane));
    lane.behind = lane.size + (isAwaited ? 1 : 0);
    if (lane.behind === 0) lane.owner?.caughtUp();
  }

  /** From now on nothing is waited for: events are handed over one after another, whatever becomes of them. */
  skipWaiting(): void {
    this.#timeOutAll();
    this.#isHurried = true;
    this.#parts.turn.wake(this);
  }

  /** Takes no event any more. */
  stop(): void {
    this.#timeOutAll();
    this.#isHeld = true;
  }

  #timeOutAll(): void {
    for (const pending of this.#pending) this.#timedOut(pending, TOO_LATE);
  }

  /** Whether anything is under way that somebody waits for. */
  get #isAwaiting(): boolean {
    return this.#pending.size > this.#patient.size;
  }

  #rest(): "idle" | "awaiting" {
    if (!this.#isAwaiting) this.#parts.onIdle();
    return this.#pending.size > 0 ? "awaiting" : "idle";
  }

  #targetOf(lane: ConnectionQueue): Target {
    return lane.target ?? this.#parts.target;
  }

  #hand({ event, lane }: Taken): void {
    if (event.type === "open") lane.owner?.announce();
    this.#handed = event;
    this.#lane = lane;
    this.actor.send(event);
    // Nothing of the last event is kept until the next.
    this.#handed = undefined;
    this.#lane = this.#parts.mailbox.common;
  }

  #letBe(patient: DeferredTimeout, event: MailboxEvent, lane: ConnectionQueue): void {
    const pending = this.#follow(patient.until, event, lane);
    if (patient.isFree) this.#free(pending);
    else {
      this.#time(pending);
      patient.onFree = () => {
        if (!this.#pending.has(pending)) return;
        pending.timer?.cancel();
        pending.timer = undefined;
        this.#free(pending);
        if (lane.behind === 1) this.#isHandled(lane);
        // Whoever waits for the handler may have waited for this alone.
        this.#parts.turn.wake(this);
      };
    }
  }

  #free(pending: Pending): void {
    const { owner } = pending.lane;
    // Nobody need be patient with one whose connection has gone already.
    if (owner === undefined || !owner.isOpen || this.#isHurried) this.#time(pending);
    else this.#patient.set(pending.lane, pending);
  }

  #await(result: PromiseLike<unknown>, event: MailboxEvent, lane: ConnectionQueue): void {
    this.#time(this.#follow(result, event, lane));
  }

  #time(pending: Pending): void {
    const { clock, timeoutMs } = this.#parts;
    if (this.#isHurried) this.#timedOut(pending, TOO_LATE);
    else pending.timer = clock.after(Math.min(SLOW_MS, timeoutMs), () => this.#isSlow(pending));
  }

  #follow(result: PromiseLike<unknown>, event: MailboxEvent, lane: ConnectionQueue): Pending {
    const pending: Pending = { event, lane, startedAt: this.#parts.clock.now(), timer: undefined };
    this.#pending.add(pending);
    lane.isUnderWay = true;
    if (lane.strand !== undefined) lane.strand.isBusy = true;
    const done = (value: unknown): void => {
      if (this.#over(pending)) this.#done(value, event, lane);
    };
    const failed = (error: unknown): void => {
      if (this.#over(pending)) this.#failed(error, event, lane, pending.startedAt);
      else
        this.#parts.log.warn(
          { err: error, event: event.type, connection: event.connection?.id },
          "a handler failed after its timeout",
        );
    };
    // A promise of another kind may throw where it should reject, also when it is looked at.
    try {
      Promise.resolve(result).then(done, failed);
    } catch (error) {
      Promise.reject(error).catch(failed);
    }
    return pending;
  }

  #isSlow(pending: Pending): void {
    const { clock, timeoutMs, log } = this.#parts;
    const { event } = pending;
    const tooLate = `it was not finished after handlerTimeoutMs (${timeoutMs} ms)`;
    if (timeoutMs > SLOW_MS) {
      log.warn({ event: event.type, connection: event.connection?.id }, "slow handler");
      pending.timer = clock.after(timeoutMs - SLOW_MS, () => this.#timedOut(pending, tooLate));
    } else this.#timedOut(pending, tooLate);
  }

  #timedOut(pending: Pending, why: string): void {
    if (!this.#over(pending)) return;
    const error = new SendallError("HANDLER_TIMEOUT", `the "${pending.event.type}" event: ${why}`);
    this.#failed(error, pending.event, pending.lane, pending.startedAt);
  }

  /** @returns `false` if it was over already: its time was up, or the server has stopped */
  #over(pending: Pending): boolean {
    pending.timer?.cancel();
    if (!this.#pending.delete(pending)) return false;
    pending.lane.isUnderWay = false;
    if (this.#patient.get(pending.lane) === pending) this.#patient.delete(pending.lane);
    if (pending.lane.strand !== undefined) this.#parts.mailbox.release(pending.lane.strand);
    // Runs what waits in a microtask, so that what settles here is done first.
    Promise.resolve().then(() => this.#parts.turn.settled(this));
    return true;
  }

  #done(result: unknown, event: MailboxEvent, lane: ConnectionQueue): void {
    this.#targetOf(lane).runner.settled?.(result);
    this.#settled(event, lane);
  }

  #settled(event: MailboxEvent, lane: ConnectionQueue): void {
    if (lane.behind > 0) this.#isHandled(lane);
    if (event.type === "closed") lane.owner?.onClosedHandled();
  }

  #isHandled(lane: ConnectionQueue): void {
    if (--lane.behind === 0) lane.owner?.caughtUp();
  }

  #failed(error: unknown, event: MailboxEvent, lane: ConnectionQueue, startedAt: number): void {
    const { clock, onFailure } = this.#parts;
    onFailure(error, event, this.#targetOf(lane), clock.now() - startedAt);
    this.#settled(event, lane);
  }
}
