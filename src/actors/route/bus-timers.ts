/**
 * The timers of one bus: alarms once (`after`) or again and again (`every`), and pending sleeps. The bus owns these timers and stops them
 * when its route stops.
 */
import type { Cancel } from "../../api/bus.js";
import { SendallError } from "../../api/errors.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { checkDuration, checkInterval } from "./checks.js";
import type { Counters } from "./counters.js";

export interface BusTimersParts {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Logger;
  /** Posts an `info` event, about a connection or about none. @returns `false` if the event is lost */
  readonly tell: (data: unknown, id: string | undefined) => boolean;
  /** Whether the connection is open. */
  readonly has: (id: string) => boolean;
}

/** A function would wait in an event that no handler calls. */
function checkAlarmData(verb: string, data: unknown): void {
  if (typeof data !== "function") return;
  throw new SendallError(
    "BAD_DATA",
    `${verb}: expected the data of an info event, got a function, which nothing would call; handle the "info" event instead`,
  );
}

export class BusTimers {
  readonly #parts: BusTimersParts;
  readonly #timers = new Set<Timer>();
  #hasStopped = false;

  constructor(parts: BusTimersParts) {
    this.#parts = parts;
  }

  /** @param id the connection; kept as an id, so that a connection which closes long before the alarm does not stay in memory */
  after(ms: number, data: unknown, id: string | undefined): Cancel {
    checkDuration("bus.after", ms);
    checkAlarmData("bus.after", data);
    if (this.#hasStopped) return () => {};
    const timer = this.#parts.clock.after(ms, () => {
      this.#timers.delete(timer);
      this.#post(data, id);
    });
    return this.#keep(timer);
  }

  /** Rings at multiples of `ms` from now: a late ring delays no other. The alarm of a connection ends with the connection. */
  every(ms: number, data: unknown, id: string | undefined): Cancel {
    checkInterval("bus.every", ms);
    checkAlarmData("bus.every", data);
    if (this.#hasStopped) return () => {};
    const { clock, has } = this.#parts;
    let due = clock.now() + ms;
    let timer: Timer;
    const set = (): void => {
      timer = clock.after(due - clock.now(), ring);
      this.#timers.add(timer);
    };
    const ring = (): void => {
      this.#timers.delete(timer);
      if (id !== undefined && !has(id)) return;
      // Rings missed while the event loop was blocked are skipped: a handler behind schedule gets no burst.
      due += ms * Math.max(1, Math.ceil((clock.now() - due) / ms));
      set();
      this.#post(data, id);
    };
    set();
    return () => {
      this.#timers.delete(timer);
      timer.cancel();
    };
  }

  /** @param signal ends the sleep early; not aborted yet */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    checkDuration("bus.sleep", ms);
    return new Promise((resolve) => {
      if (this.#hasStopped) return;
      const { clock, counters } = this.#parts;
      counters.sleepers++;
      const wake = (): void => {
        timer.cancel();
        this.#timers.delete(timer);
        counters.sleepers--;
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = clock.after(ms, wake);
      this.#timers.add(timer);
      signal?.addEventListener("abort", wake);
    });
  }

  /** Cancels every timer and sets no more: pending sleeps never resolve. */
  stop(): void {
    this.#hasStopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #keep(timer: Timer): Cancel {
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
      timer.cancel();
    };
  }

  #post(data: unknown, id: string | undefined): void {
    if (!this.#parts.tell(data, id) && id === undefined)
      this.#parts.log.warn({ maxInfo: true }, "an alarm's info event is lost: mailbox.maxInfo events wait already");
  }
}
