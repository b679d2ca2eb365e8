/**
 * Inspection of a server's actors: `server.actor.system` gives access to every actor, both in the server's own XState system and
 * in the systems of logic handlers. The server has one `Inspection`, for life. XState does not report whether an inspector is
 * present, so `system.inspect` is wrapped.
 */
import type { AnyActorRef, InspectionEvent, Subscription } from "xstate";
import type { Logger } from "../../runtime/logger.js";
import { guardInspector, guardSubscribers, type ObserverFailed } from "./observers.js";

/** Reports whether a server's actors are inspected, and adds actors of other systems. */
export interface Inspection {
  /** The server's own actor. */
  readonly root: AnyActorRef;
  /** Calls `listener` with `true` before the first inspector sees anything, and with `false` when the last inspector has left. */
  onChange(listener: (isOn: boolean) => void): void;
  /**
   * Shows the actors of another system, from the root on, as if part of the server's system: to every inspector, and by `get` and
   * `getAll`.
   * @returns a function for removing the system
   */
  include(root: AnyActorRef): () => void;
}

type Inspect = (event: InspectionEvent) => void;

/** An exception thrown by an observer is logged, once for each observer, and does no other harm. */
export function watchInspection(actor: AnyActorRef, log: Logger): Inspection {
  const failed: ObserverFailed = (error, what) =>
    log.error({ err: error, observer: what }, "an observer of the actors failed");
  guardSubscribers(actor, failed);
  return new InspectedServer(actor, failed);
}

class InspectedServer implements Inspection {
  readonly root: AnyActorRef;
  readonly #listeners: ((isOn: boolean) => void)[] = [];
  readonly #inspectors = new Set<Inspect>();
  /** The roots of included systems, each with the subscriptions of the inspectors. */
  readonly #included = new Map<AnyActorRef, Map<Inspect, Subscription>>();

  constructor(actor: AnyActorRef, failed: ObserverFailed) {
    const { system } = actor;
    this.root = actor;
    const [inspect, get, getAll] = [system.inspect.bind(system), system.get.bind(system), system.getAll.bind(system)];
    system.inspect = (inspector) => {
      const guarded = guardInspector(inspector, failed);
      if (this.#inspectors.size === 0) this.#notify(true);
      return this.#add(guarded, inspect);
    };
    system.get = (id) => get(id) ?? this.#find(String(id));
    system.getAll = () => Object.assign({}, ...this.#systems.map((included) => included.getAll()), getAll());
  }

  onChange = (listener: (isOn: boolean) => void): void => {
    this.#listeners.push(listener);
  };

  include(root: AnyActorRef): () => void {
    const subscriptions = new Map<Inspect, Subscription>();
    this.#included.set(root, subscriptions);
    for (const inspect of this.#inspectors) {
      // XState announced the root before any inspector could subscribe.
      inspect({ type: "@xstate.actor", actorRef: root, rootId: this.root.sessionId });
      subscriptions.set(inspect, this.#show(root, inspect));
    }
    return () => {
      this.#included.delete(root);
      for (const subscription of subscriptions.values()) subscription.unsubscribe();
    };
  }

  get #systems(): AnyActorRef["system"][] {
    return Array.from(this.#included.keys(), ({ system }) => system);
  }

  #notify(isOn: boolean): void {
    for (const listener of this.#listeners) listener(isOn);
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
    for (const [root, subscriptions] of this.#included) subscriptions.set(inspector, this.#show(root, inspector));
    return {
      unsubscribe: () => {
        if (!this.#inspectors.delete(inspector)) return;
        subscription.unsubscribe();
        for (const subscriptions of this.#included.values()) {
          subscriptions.get(inspector)?.unsubscribe();
          subscriptions.delete(inspector);
        }
        if (this.#inspectors.size === 0) this.#notify(false);
      },
    };
  }

  #show({ system }: AnyActorRef, inspect: Inspect): Subscription {
    return system.inspect((event) => inspect({ ...event, rootId: this.root.sessionId }));
  }
}
