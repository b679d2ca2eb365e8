/**
 * The state of a node's link to the engine, as a state machine: `connecting → subscribing → up ⇄ down → … → closed`. The relay sends
 * the events that the adapter reports, and acts on the states. The machine is a child of the server's root actor, for the sake of
 * `inspect`, and ends with the event `close`.
 */
import { type ActorRefFrom, type AnyActorRef, createActor, setup } from "xstate";
import type { LinkState } from "../api/stats.js";

/** `up` and `down` come from the adapter, `confirmed` and `close` from the relay. */
export type LinkEvent = { readonly type: "up" | "confirmed" | "down" | "close" };

const machine = setup({ types: { events: {} as LinkEvent } }).createMachine({
  id: "cluster",
  initial: "connecting",
  states: {
    // A failed first attempt changes nothing: with `waitForLink` the server goes on waiting for the link.
    connecting: { on: { up: "subscribing" } },
    subscribing: { on: { confirmed: "up", down: "down" } },
    up: { on: { down: "down" } },
    down: { on: { up: "subscribing" } },
    closed: { type: "final" },
  },
  on: { close: ".closed" },
});

export class LinkMachine {
  readonly #actor: ActorRefFrom<typeof machine>;

  constructor(parent: AnyActorRef) {
    this.#actor = createActor(machine, { parent, id: "cluster" });
    this.#actor.start();
  }

  get state(): LinkState {
    return this.#actor.getSnapshot().value;
  }

  /** @returns the new state, or `undefined` if the event has changed nothing */
  send(type: LinkEvent["type"]): LinkState | undefined {
    const before = this.state;
    if (before === "closed") return undefined;
    this.#actor.send({ type });
    return this.state === before ? undefined : this.state;
  }
}
