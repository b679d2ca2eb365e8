/** What a runtime runs on: its clock, and who decides what happens next. */

import type { HandlerObserver } from "../../actors/route/observer.js";
import type { ConnectionId } from "../../api/connection.js";
import type { Carrier } from "../memory-transport/memory.js";
import { HandClock } from "./clock.js";

/** Lets things happen, one after another. */
export interface Steps {
  /** Somebody waits, and lets things happen until `end`. */
  begin(): void;
  end(): void;
  /** Whether anything can happen without time going beyond `limit`. */
  hasAny(limit: number): boolean;
  /** Lets something happen. */
  run(limit: number): void;
  /** Goes on to the next alarm, at most to `limit`, and rings it. @returns `false` if none is due by then; it is `limit` now */
  ring(limit: number): boolean;
}

/** The surroundings of one runtime, or of all runtimes of one explored run. */
export interface World {
  readonly clock: HandClock;
  readonly steps: Steps;
  /** What the next connection is called. */
  readonly newId: () => ConnectionId;
  /** What the next node of a cluster is called, where that has to be the same each time. */
  readonly newNode?: () => string;
  /** Decides what arrives when; without one, the clock's steps deliver in order. */
  readonly carrier?: Carrier;
  /** Watches the handlers of all servers. */
  readonly observer?: HandlerObserver;
  /** Told who has come, and who was refused. */
  readonly guests?: Guests;
  /**
   * Whether it is explored: `connect` and `next` go on as soon as they have what they wait for, with other things still on their way,
   * and the end of a runtime comes with the end of the run.
   */
  readonly isExplored: boolean;
}

export interface Guests {
  connected(name: string, id: ConnectionId, url: string): void;
  refused(name: string, status: number): void;
}

/** So many steps go into one round of the event loop: few enough that the test runner's own timers ring in between. */
const STEPS_PER_ROUND = 256;

/** In the order in which things came to be, as in production, and alarms when nothing else is left. */
class InOrder implements Steps {
  readonly #clock: HandClock;

  constructor(clock: HandClock) {
    this.#clock = clock;
  }

  begin(): void {}

  end(): void {}

  hasAny(): boolean {
    return this.#clock.hasSteps;
  }

  run(): void {
    this.#clock.runSteps(STEPS_PER_ROUND);
  }

  ring(limit: number): boolean {
    return this.#clock.ringNext(limit);
  }
}

/** On its own, things happen in order. */
export function createWorld(): World {
  const clock = new HandClock();
  return { clock, steps: new InOrder(clock), newId: createIds(), isExplored: false };
}

/** What connections are called, in the order in which they come. */
export function createIds(): () => ConnectionId {
  let last = 0;
  return () => `connection-${++last}` as ConnectionId;
}

/** Likewise the nodes of a cluster. */
export function createNodeNames(): () => string {
  let last = 0;
  return () => (++last).toString(16).padStart(12, "0");
}
