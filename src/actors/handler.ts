/**
 * The handler actor of a route: takes events out of the mailbox and runs the user's code for each, the one place where that
 * happens, guarded. One event at a time, or one for each connection (contract 2); a failure is handed to the route's
 * supervision, which also runs `init` and `stop`.
 */
import type { Lane, Mailbox, Taken } from "../bus/mailbox.js";
import { LONG_TURN_MS, type Runnable, type Turn } from "../bus/turn.js";
import type { Clock, Timer } from "../clock.js";
import type { Logger, Runner } from "../contracts.js";
import { SendallError } from "../errors.js";
import type { Bus, ServerEvent } from "../events.js";
import { type LeakOwner, runEvent } from "../leaks.js";
import { isDebugging } from "../log.js";
import { type ObjectActor, objectLogic } from "./logic.js";
import type { Supervisor } from "./supervisor.js";

export interface HandlerParts {
  readonly runner: Runner;
  readonly bus: Bus;
  readonly mailbox: Mailbox;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly log: Logger;
  readonly supervisor: Supervisor;
  readonly concurrency: "serial" | "connection";
  readonly timeoutMs: number;
  readonly onFailure: (error: unknown, event: ServerEvent) => void;
  readonly onLeak: (error: unknown) => void;
  /** Nothing waits and nothing is under way. */
  readonly onIdle: () => void;
}

/** An event whose promise is not settled. */
interface Pending {
  readonly event: ServerEvent;
  readonly lane: Lane;
  timer: Timer;
}

/** An event under way for so long is logged. */
const SLOW_MS = 1_000;
const TOO_LATE = "the server closed before it was finished";
/** The time is looked at once in so many events. */
const CHECK_EVERY = 32;

export class Handler implements Runnable, LeakOwner {
  readonly actor: ObjectActor<Handler, ServerEvent>;
  readonly connection = undefined;
  readonly #parts: HandlerParts;
  readonly #pending = new Set<Pending>();
  /** The lane of the event that is being handed to the actor. */
  #lane: Lane;
  #isHeld = true;
  #isHurried = false;
  /** The user's code is on the stack: it may be the one that asks. */
  #isInside = false;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.#lane = parts.mailbox.common;
    this.actor = parts.supervisor.spawn(objectLogic<Handler, ServerEvent>(), "handler", this);
  }

  /** Whether it awaits, or has something to do. */
  get isBusy(): boolean {
    return this.#isInside || this.#pending.size > 0 || this.#parts.mailbox.size > 0;
  }

  /** The events under way, oldest first. */
  get pending(): ServerEvent[] {
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

  get clock(): Clock {
    return this.#parts.clock;
  }

  /** Of an event that concerns no connection. */
  leaked(error: unknown): void {
    this.#parts.onLeak(error);
  }

  receive(event: ServerEvent): void {
    const { runner, bus, log } = this.#parts;
    if (isDebugging(log)) {
      const bytes = event.type === "message" ? { bytes: Buffer.byteLength(event.data) } : {};
      log.debug({ event: event.type, connection: event.connection?.id, ...bytes }, "event");
    }
    const lane = this.#lane;
    this.#isInside = true;
    try {
      const result = runEvent(lane.owner?.leakOwner ?? this, runner.handle, event, bus);
      if (isPromiseLike(result)) this.#await(result, event, lane);
      else this.#done(result, event, lane);
    } catch (error) {
      this.#failed(error, event, lane);
    } finally {
      this.#isInside = false;
    }
  }

  /** What is under way is given up now: the server is closing and goes on to the goodbyes. */
  expire(): void {
    for (const pending of this.#pending) this.#timedOut(pending, TOO_LATE);
  }

  /** From now on nothing is waited for: events are handed over one after another, whatever becomes of them. */
  hurry(): void {
    this.expire();
    this.#isHurried = true;
    this.#parts.turn.wake(this);
  }

  /** Takes no event any more. */
  stop(): void {
    this.expire();
    this.#isHeld = true;
  }

  #rest(): "idle" | "awaiting" {
    if (this.#pending.size > 0) return "awaiting";
    this.#parts.onIdle();
    return "idle";
  }

  #hand({ event, lane }: Taken): void {
    if (event.type === "open") lane.owner?.announce();
    this.#lane = lane;
    this.actor.send(event);
    // Nothing of the last event is kept until the next.
    this.#lane = this.#parts.mailbox.common;
  }

  #await(result: PromiseLike<unknown>, event: ServerEvent, lane: Lane): void {
    const { clock, timeoutMs } = this.#parts;
    const pending: Pending = {
      event,
      lane,
      timer: clock.after(Math.min(SLOW_MS, timeoutMs), () => this.#isSlow(pending)),
    };
    this.#pending.add(pending);
    if (this.#parts.concurrency === "connection") lane.isBusy = true;
    if (this.#isHurried) this.#timedOut(pending, TOO_LATE);
    // A promise of another kind may throw where it should reject.
    Promise.resolve(result).then(
      (value) => {
        if (this.#over(pending)) this.#done(value, event, lane);
      },
      (error: unknown) => {
        if (this.#over(pending)) this.#failed(error, event, lane);
        else
          this.#parts.log.warn(
            { err: error, event: event.type, connection: event.connection?.id },
            "a handler failed after its timeout",
          );
      },
    );
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
    this.#failed(error, pending.event, pending.lane);
  }

  /** @returns `false` if it was over already: its time was up, or the server has stopped */
  #over(pending: Pending): boolean {
    pending.timer.cancel();
    if (!this.#pending.delete(pending)) return false;
    if (this.#parts.concurrency === "connection") this.#parts.mailbox.release(pending.lane);
    // Runs what waits in a microtask, so that what settles here is done first.
    Promise.resolve().then(() => this.#parts.turn.settled(this));
    return true;
  }

  #done(result: unknown, event: ServerEvent, lane: Lane): void {
    this.#parts.runner.settled(result);
    this.#settled(event, lane);
  }

  #settled(event: ServerEvent, lane: Lane): void {
    if (event.type === "closed") lane.owner?.bury();
  }

  #failed(error: unknown, event: ServerEvent, lane: Lane): void {
    this.#parts.onFailure(error, event);
    this.#settled(event, lane);
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
