/**
 * The root of a server's actors: a machine for its life, `starting → listening → draining → closed`. `server.actor` is this
 * actor; the routes' actors are its children, so that `inspect` and `system` see them all.
 */
import { type ActorRef, createActor, type Snapshot, setup } from "xstate";
import type { Clock, Timer } from "../clock.js";

/** What the server tells its root actor. */
export type ServerLifeEvent = { readonly type: "listening" | "close" | "closed" };

/** The state of a server's root actor. */
export type ServerSnapshot = Snapshot<unknown> & {
  readonly value: "starting" | "listening" | "draining" | "closed";
};

/** The actor at the root of a server. */
export type ServerActor = ActorRef<ServerSnapshot, ServerLifeEvent>;

/** Whether somebody inspects the actors of a server. */
export interface Inspection {
  readonly isOn: boolean;
  /** `appear` is called each time that somebody begins to look on where nobody did: what is made in it was there already. */
  beforeFirst(appear: () => void): void;
}

/** Counts who inspects: XState does not tell, and actors may spare themselves what nobody would see. */
export function watchInspection({ system }: ServerActor): Inspection {
  const inspect = system.inspect.bind(system);
  const hidden: (() => void)[] = [];
  let observers = 0;
  system.inspect = (observer) => {
    if (observers === 0) for (const appear of hidden) appear();
    const subscription = inspect(observer);
    observers++;
    let isSubscribed = true;
    return {
      unsubscribe() {
        if (isSubscribed) observers--;
        isSubscribed = false;
        subscription.unsubscribe();
      },
    };
  };
  return {
    get isOn() {
      return observers > 0;
    },
    beforeFirst: (appear) => void hidden.push(appear),
  };
}

/** Our clock as XState asks for one: machines that run as handlers are timed by it. */
function xstateClock(clock: Clock) {
  const timers = new Map<number, Timer>();
  let ids = 0;
  return {
    setTimeout(ring: () => void, ms: number): number {
      const id = ++ids;
      const timer = clock.after(ms, () => {
        timers.delete(id);
        ring();
      });
      timers.set(id, timer);
      return id;
    },
    clearTimeout(id: number): void {
      timers.get(id)?.cancel();
      timers.delete(id);
    },
  };
}

const machine = setup({ types: { events: {} as ServerLifeEvent } }).createMachine({
  id: "server",
  initial: "starting",
  states: {
    starting: { on: { listening: "listening", close: "draining" } },
    listening: { on: { close: "draining" } },
    draining: { on: { closed: "closed" } },
    closed: { type: "final" },
  },
});

/** @param onError the root or a supervisor has failed: the server cannot go on */
export function createServerActor(clock: Clock, onError: (error: unknown) => void): ServerActor {
  const actor = createActor(machine, { id: "server", clock: xstateClock(clock) });
  actor.subscribe({ error: onError });
  return actor.start();
}
