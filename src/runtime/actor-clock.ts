/** Adapts a `Clock` to the clock that XState takes, for the server's actors and for logic that runs as a handler. */
import type { Clock, Timer } from "./clock.js";

/** The type of the option `clock` of `createActor`. */
export interface ActorClock {
  setTimeout(ring: () => void, ms: number): number;
  clearTimeout(id: number): void;
}

/** @param run runs the callback of each alarm; default: a plain call */
export function createActorClock(clock: Clock, run: (ring: () => void) => void = (ring) => ring()): ActorClock {
  const timers = new Map<number, Timer>();
  let ids = 0;
  return {
    setTimeout(ring, ms) {
      const id = ++ids;
      const timer = clock.after(ms, () => {
        timers.delete(id);
        run(ring);
      });
      timers.set(id, timer);
      return id;
    },
    clearTimeout(id) {
      timers.get(id)?.cancel();
      timers.delete(id);
    },
  };
}
