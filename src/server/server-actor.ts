/**
 * The root actor of a server: a state machine for the server's life, `starting → listening → draining → closed`, public as
 * `server.actor`. The mirrored actors of routes are children of the root, so `inspect` and `system` see every actor (see
 * `actors/inspection/inspection.ts`).
 */
import { type ActorRef, createActor, type Snapshot, setup } from "xstate";
import { createActorClock } from "../runtime/actor-clock.js";
import type { Clock } from "../runtime/clock.js";

/** An event from the server to the root actor. */
export type ServerLifeEvent = { readonly type: "listening" | "close" | "closed" };

/** The state of a server's root actor. */
export type ServerSnapshot = Snapshot<unknown> & {
  readonly value: "starting" | "listening" | "draining" | "closed";
};

/** The actor at the root of a server. */
export type ServerActor = ActorRef<ServerSnapshot, ServerLifeEvent>;

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
  const actor = createActor(machine, { id: "server", clock: createActorClock(clock) });
  actor.subscribe({ error: onError });
  return actor.start();
}
