/**
 * The life of a node's link to its engine, as a machine: `connecting → subscribing → up ⇄ down → … → closed`. The relay tells it what
 * the adapter says, and acts on its states; it is a child of the server's root actor, so that `inspect` sees it.
 */
import { type ActorRefFrom, type AnyActorRef, createActor, setup } from "xstate";
import type { LinkState } from "../api/stats.js";

/** What the relay tells the link; `up` and `down` are the adapter's words. */
export type LinkEvent = { readonly type: "up" | "confirmed" | "down" | "close" };

const machine = setup({ types: { events: {} as LinkEvent } }).createMachine({
  id: "cluster",
  initial: "connecting",
  states: {
    // A first attempt that has failed changes nothing: whoever waits for the link goes on waiting.
    connecting: { on: { up: "subscribing" } },
    subscribing: { on: { confirmed: "up", down: "down" } },
    up: { on: { down: "down" } },
    down: { on: { up: "subscribing" } },
    closed: { type: "final" },
  },
  on: { close: ".closed" },
});

export class LinkLife {
  readonly #actor: ActorRefFrom<typeof machine>;

  constructor(parent: AnyActorRef) {
    this.#actor = createActor(machine, { parent, id: "cluster" });
    this.#actor.start();
  }

  get state(): LinkState {
    return this.#actor.getSnapshot().value;
  }

  /** @returns the state that this has led to, `undefined` if it has changed nothing */
  tell(type: LinkEvent["type"]): LinkState | undefined {
    const before = this.state;
    if (before === "closed") return undefined;
    this.#actor.send({ type });
    return this.state === before ? undefined : this.state;
  }
}
