/** Our clock as XState asks for one, for the server's actors and for logic that runs as a handler. */
import type { Clock, Timer } from "./clock.js";

/** What `createActor` takes as its `clock`. */
export interface ActorClock {
  setTimeout(ring: () => void, ms: number): number;
  clearTimeout(id: number): void;
}

/** @param run runs what rings; as it is unless given */
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
