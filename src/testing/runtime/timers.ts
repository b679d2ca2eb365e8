/**
 * Finds the timers of Node (`setTimeout`, `setInterval`) that handlers leave behind. The user's code runs in an async context that
 * names its server and its event (`leaks.ts`), and Node tells of each timer when it is made: so a timer is known to be a handler's
 * also when it was set after an `await`. A leak is one that still runs, and keeps the process alive, when its server has ended.
 */
import { createHook } from "node:async_hooks";
import { clearTimeout } from "node:timers";
import { SendallError } from "../../api/errors.js";
import type { Clock } from "../../runtime/clock.js";
import { currentRunContext, type RunContext } from "../../runtime/unhandled-rejections.js";

interface Found {
  readonly timer: NodeJS.Timeout;
  readonly by: RunContext;
}

const watches = new Map<Clock, TimerWatch>();

const hook = createHook({
  init(_id, type, _trigger, resource) {
    if (type !== "Timeout") return;
    const by = currentRunContext();
    if (by !== undefined) watches.get(by.owner.clock)?.add({ timer: resource as NodeJS.Timeout, by });
  },
});

/** Those that have ended are let go of when there are so many more. */
const SWEEP_FROM = 256;

/** Watches the handlers of one runtime, or of all that share a clock, until each of them has said `end`. */
export class TimerWatch {
  readonly #clock: Clock;
  #runtimes = 0;
  #found: Found[] = [];
  #sweepAt = SWEEP_FROM;

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static begin(clock: Clock): TimerWatch {
    const watch = watches.get(clock) ?? new TimerWatch(clock);
    watch.#runtimes++;
    if (watches.size === 0) hook.enable();
    watches.set(clock, watch);
    return watch;
  }

  add(found: Found): void {
    this.#found.push(found);
    if (this.#found.length < this.#sweepAt) return;
    this.#found = this.#found.filter(isRunning);
    this.#sweepAt = this.#found.length + SWEEP_FROM;
  }

  /** Ends the timers that are left, so that the test run can end. @returns what to say of the first */
  end(nameOf: (id: string) => string): SendallError | undefined {
    if (--this.#runtimes > 0) return undefined;
    watches.delete(this.#clock);
    if (watches.size === 0) hook.disable();
    const left = this.#found.filter(isRunning);
    this.#found = [];
    for (const { timer } of left) clearTimeout(timer);
    const first = left[0];
    if (first === undefined) return undefined;
    const { event, owner } = first.by;
    const whose = owner.connection === undefined ? "" : ` of ${nameOf(owner.connection)}`;
    const place = event === undefined ? "" : ` in the "${event}" event${whose}`;
    const others = left.length === 1 ? "" : `, and ${left.length - 1} more`;
    return new SendallError(
      "TIMER_LEAKED",
      `a timer that ${owner.option ?? "the handler"} has set${place} still runs after the server has ended${others} (bus.after ends by itself)`,
    );
  }
}

/** One that was told not to keep the process alive does no harm. */
function isRunning({ timer }: Found): boolean {
  // Node has no public word for a timer that has ended; the hook that would tell costs each promise a microsecond.
  return timer.hasRef() && Reflect.get(timer, "_destroyed") === false;
}
