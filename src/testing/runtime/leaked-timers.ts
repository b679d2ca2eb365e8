/**
 * Finds the timers of Node (`setTimeout`, `setInterval`) that handlers leave behind. The user's code runs in an async context,
 * which names the server and the event (`runtime/unhandled-rejections.ts`), and an async hook reports each new timer: so a timer set after
 * an `await` is traced to the handler too. A timer is leaked if, after the server's end, the timer still runs and keeps the process alive.
 * A detector works from the first `start` with its clock until the last `stop`.
 */
import { createHook } from "node:async_hooks";
import { clearTimeout } from "node:timers";
import { SendallError } from "../../api/errors.js";
import type { Clock } from "../../runtime/clock.js";
import { currentRunContext, type RunContext } from "../../runtime/unhandled-rejections.js";

interface FoundTimer {
  readonly timer: NodeJS.Timeout;
  readonly by: RunContext;
}

const detectors = new Map<Clock, TimerLeakDetector>();

const hook = createHook({
  init(_id, type, _trigger, resource) {
    if (type !== "Timeout") return;
    const by = currentRunContext();
    if (by !== undefined) detectors.get(by.owner.clock)?.add({ timer: resource as NodeJS.Timeout, by });
  },
});

/** Ended timers are dropped from the list after every 256 new timers. */
const SWEEP_EVERY = 256;

/** Watches the handlers of every runtime with the same clock, until each of the runtimes has called `stop`. */
export class TimerLeakDetector {
  readonly #clock: Clock;
  #runtimes = 0;
  #found: FoundTimer[] = [];
  #sweepAt = SWEEP_EVERY;

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static start(clock: Clock): TimerLeakDetector {
    const detector = detectors.get(clock) ?? new TimerLeakDetector(clock);
    detector.#runtimes++;
    if (detectors.size === 0) hook.enable();
    detectors.set(clock, detector);
    return detector;
  }

  add(found: FoundTimer): void {
    this.#found.push(found);
    if (this.#found.length < this.#sweepAt) return;
    this.#found = this.#found.filter(isRunContext);
    this.#sweepAt = this.#found.length + SWEEP_EVERY;
  }

  /** Clears the leaked timers, so that the test run can end. @returns the error for the first leaked timer */
  stop(nameOf: (id: string) => string): SendallError | undefined {
    if (--this.#runtimes > 0) return undefined;
    detectors.delete(this.#clock);
    if (detectors.size === 0) hook.disable();
    const leaked = this.#found.filter(isRunContext);
    this.#found = [];
    for (const { timer } of leaked) clearTimeout(timer);
    const first = leaked[0];
    if (first === undefined) return undefined;
    const { event, owner } = first.by;
    const whose = owner.connection === undefined ? "" : ` of ${nameOf(owner.connection)}`;
    const place = event === undefined ? "" : ` in the "${event}" event${whose}`;
    const more = leaked.length === 1 ? "" : `, and ${leaked.length - 1} more`;
    return new SendallError(
      "TIMER_LEAKED",
      `a timer that ${owner.option ?? "the handler"} has set${place} still runs after the server has ended${more} (bus.after ends by itself)`,
    );
  }
}

/** A timer that was told not to keep the process alive (`unref`) is not leaked. */
function isRunContext({ timer }: FoundTimer): boolean {
  // Node has no public API to ask whether a timer has ended, and the `destroy` hook would cost every promise a microsecond.
  return timer.hasRef() && Reflect.get(timer, "_destroyed") === false;
}
