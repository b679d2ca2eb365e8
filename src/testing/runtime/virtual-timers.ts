/** Timers and randomness of a test runtime, for client code under test: `sendall/client` finds both at the runtime's `WebSocket` class. */
import type { Clock } from "../../runtime/clock.js";
import type { SeededRandom } from "./random.js";
import type { RuntimeTimers } from "./whatwg.js";

/** Virtual timers that say whether any is set. */
export interface VirtualTimers extends RuntimeTimers {
  /** The client code will be called at some virtual time. */
  readonly isSet: boolean;
}

export function createVirtualTimers(clock: Clock, random: SeededRandom): VirtualTimers {
  const cancels = new Map<number, () => void>();
  let last = 0;
  return {
    setTimeout(callback, ms) {
      const id = ++last;
      const timer = clock.after(Math.max(0, ms || 0), () => {
        cancels.delete(id);
        callback();
      });
      cancels.set(id, () => timer.cancel());
      return id;
    },
    clearTimeout(id) {
      if (id === undefined) return;
      cancels.get(id)?.();
      cancels.delete(id);
    },
    get isSet() {
      return cancels.size > 0;
    },
    now: () => clock.now(),
    random: () => random.fraction(),
  };
}
