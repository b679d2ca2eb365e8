/**
 * Who inspects the actors of a server. `server.actor.system` is the way in to all of them: beside its own it shows the systems that
 * the logic of routes has for itself. `server.ts` makes one of these for each server.
 */
import type { AnyActorRef, InspectionEvent, Subscription } from "xstate";
import type { Logger } from "../../runtime/logger.js";
import { guardInspector, guardSubscribers, type ObserverFailed } from "./observers.js";

/** Whether somebody inspects the actors of a server, and which of them there are. */
export interface Inspection {
  readonly isOn: boolean;
  /** `appear` is called each time that somebody begins to look on where nobody did: what is made in it was there already. */
  beforeFirst(appear: () => void): void;
  /**
   * Shows the actors of another system, from its root on, as if they were the server's: to whoever inspects these, and by
   * `get` and `getAll`.
   * @returns what takes them out again
   */
  include(root: AnyActorRef): () => void;
}

type Inspect = (event: InspectionEvent) => void;

/**
 * Watches `system.inspect`, as XState does not tell who inspects, and actors may spare themselves what nobody would see. What an
 * observer throws is logged, once for each observer.
 */
export function watchInspection(actor: AnyActorRef, log: Logger): Inspection {
  const failed: ObserverFailed = (error, what) =>
    log.error({ err: error, observer: what }, "an observer of the actors failed");
  guardSubscribers(actor, failed);
  return new Watch(actor, failed);
}

class Watch implements Inspection {
  readonly #rootId: string;
  readonly #hidden: (() => void)[] = [];
  readonly #inspectors = new Set<Inspect>();
  /** Other systems by their roots, with who inspects them. */
  readonly #guests = new Map<AnyActorRef, Map<Inspect, Subscription>>();

  constructor({ system, sessionId }: AnyActorRef, failed: ObserverFailed) {
    this.#rootId = sessionId;
    const [inspect, get, getAll] = [system.inspect.bind(system), system.get.bind(system), system.getAll.bind(system)];
    system.inspect = (inspector) => {
      if (!this.isOn) for (const appear of this.#hidden) appear();
      return this.#add(guardInspector(inspector, failed), inspect);
    };
    system.get = (id) => get(id) ?? this.#find(String(id));
    system.getAll = () => Object.assign({}, ...this.#systems.map((one) => one.getAll()), getAll());
  }

  get isOn(): boolean {
    return this.#inspectors.size > 0;
  }

  beforeFirst(appear: () => void): void {
    this.#hidden.push(appear);
  }

  include(root: AnyActorRef): () => void {
    const subscriptions = new Map<Inspect, Subscription>();
    this.#guests.set(root, subscriptions);
    for (const inspect of this.#inspectors) {
      // It was made before anybody could look on.
      inspect({ type: "@xstate.actor", actorRef: root, rootId: this.#rootId });
      subscriptions.set(inspect, this.#show(root, inspect));
    }
    return () => {
      this.#guests.delete(root);
      for (const subscription of subscriptions.values()) subscription.unsubscribe();
    };
  }

  get #systems(): AnyActorRef["system"][] {
    return Array.from(this.#guests.keys(), ({ system }) => system);
  }

  #find(id: string): AnyActorRef | undefined {
    for (const system of this.#systems) {
      const found: AnyActorRef | undefined = system.get(id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #add(inspector: Inspect, inspect: (inspector: Inspect) => Subscription): Subscription {
    const subscription = inspect(inspector);
    this.#inspectors.add(inspector);
    for (const [root, subscriptions] of this.#guests) subscriptions.set(inspector, this.#show(root, inspector));
    return {
      unsubscribe: () => {
        if (!this.#inspectors.delete(inspector)) return;
        subscription.unsubscribe();
        for (const subscriptions of this.#guests.values()) {
          subscriptions.get(inspector)?.unsubscribe();
          subscriptions.delete(inspector);
        }
      },
    };
  }

  #show({ system }: AnyActorRef, inspect: Inspect): Subscription {
    return system.inspect((event) => inspect({ ...event, rootId: this.#rootId }));
  }
}
