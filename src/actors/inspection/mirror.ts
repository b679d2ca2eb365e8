/**
 * Mirrors the actors of a route for XState's inspection: a parent for each route, and as children the handler, and a receiver and
 * a sender for each connection. Mirror actors exist only while the server is inspected, and only reflect: the route's objects do
 * the work, and show each event here if `isOn`. Real XState actors would take 1.4 kB for each object, and would take part in each
 * message.
 */
import { type ActorLogic, type AnyActorRef, createActor, type EventObject, type Snapshot } from "xstate";
import type { Inspection } from "./inspection.js";

/** An object of ours, with the id of the mirroring actor. */
export type NamedObject = readonly [id: string, object: object];

/** An event for inspectors, with any payload. */
export interface ShownEvent extends EventObject {
  readonly [detail: string]: unknown;
}

interface Crashed {
  readonly type: "crashed";
  readonly error: unknown;
}

type Reflection = Snapshot<undefined> & { readonly context: object };

const STOP = "xstate.stop";

function snapshotOf(context: object): Reflection {
  return { status: "active", output: undefined, error: undefined, context };
}

function stopped(snapshot: Reflection): Reflection {
  return { ...snapshot, status: "stopped", output: undefined, error: undefined };
}

/** Accepts any event without a change of state; the context is the mirrored object. */
const reflection: ActorLogic<Reflection, EventObject, object> = {
  getInitialSnapshot: (_scope, object) => snapshotOf(object),
  getPersistedSnapshot: (snapshot) => snapshot,
  transition(snapshot, event) {
    if (isCrash(event)) throw event.error;
    return event.type === STOP ? stopped(snapshot) : snapshot;
  },
};

interface Release extends EventObject {
  readonly type: "release";
  readonly child: AnyActorRef;
}

/** The parent, since an actor stops children only from within. A machine would copy the list of children at each spawn. */
const parentLogic: ActorLogic<Reflection, EventObject, object> = {
  ...reflection,
  transition(snapshot, event, scope) {
    if (isRelease(event)) scope.stopChild(event.child);
    return event.type === STOP ? stopped(snapshot) : snapshot;
  },
};

function isCrash(event: EventObject): event is Crashed {
  return event.type === "crashed" && "error" in event;
}

function isRelease(event: EventObject): event is Release {
  return event.type === "release" && "child" in event;
}

export class RouteMirror {
  /** Whether the server is inspected. A field, read at each message. */
  isOn = false;
  readonly #root: AnyActorRef;
  readonly #id: string;
  readonly #actors = new Map<object, AnyActorRef>();
  #parent: AnyActorRef | undefined;

  /**
   * @param id names the parent
   * @param present lists the existing objects when inspection begins
   */
  constructor(
    { root, onChange }: Pick<Inspection, "root" | "onChange">,
    id: string,
    present: () => Iterable<NamedObject>,
  ) {
    this.#root = root;
    this.#id = id;
    onChange((isOn) => {
      this.isOn = isOn;
      if (isOn) for (const [name, object] of present()) this.appear(name, object);
    });
  }

  /** Shows the object from now on, if the server is inspected. */
  appear(id: string, object: object): void {
    if (!this.isOn || this.#actors.has(object)) return;
    this.#parent ??= createActor(parentLogic, { parent: this.#root, id: this.#id, input: this }).start();
    const actor = createActor(reflection, { parent: this.#parent, id, input: object });
    this.#actors.set(object, actor);
    actor.start();
  }

  /** Shows an event just before the object handles the event. */
  show(object: object, event: EventObject | ShownEvent): void {
    this.#actors.get(object)?.send(event);
  }

  /** Shows the object as failed. */
  crash(object: object, error: unknown): void {
    const actor = this.#actors.get(object);
    this.#actors.delete(object);
    actor?.send({ type: "crashed", error } satisfies Crashed);
  }

  /** Shows the objects as stopped. */
  stop(...objects: readonly object[]): void {
    if (this.#actors.size === 0) return;
    for (const object of objects) {
      const child = this.#actors.get(object);
      if (child === undefined || !this.#actors.delete(object)) continue;
      this.#parent?.send({ type: "release", child } satisfies Release);
    }
  }
}
