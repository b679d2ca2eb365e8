/**
 * The actors of a route as XState's inspection shows them: a parent for each route, and beneath the parent the handler, and a receiver
 * and a sender for each connection. They exist only while somebody inspects the server, and only reflect: the route's objects do the
 * work, and show each event here if `isOn`. An XState actor for each object would be 1.4 kB, and would take part in each message.
 */
import { type ActorLogic, type AnyActorRef, createActor, type EventObject, type Snapshot } from "xstate";
import type { Inspection } from "./inspection.js";

/** An object of ours by the name of its actor. */
export type Named = readonly [id: string, object: object];

/** An event as it is shown, with whatever it carries. */
export interface Shown extends EventObject {
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

/** Takes any event and stays as it is; the object is the actor's context. */
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

/** The parent: an actor ends its children only from within. A machine would copy its list of children at each spawn. */
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
  /** Whether somebody inspects the server. A field, since each message asks. */
  isOn = false;
  readonly #root: AnyActorRef;
  readonly #id: string;
  readonly #actors = new Map<object, AnyActorRef>();
  #parent: AnyActorRef | undefined;

  /**
   * @param id names the parent
   * @param present lists what is there when somebody begins to inspect
   */
  constructor({ root, onChange }: Pick<Inspection, "root" | "onChange">, id: string, present: () => Iterable<Named>) {
    this.#root = root;
    this.#id = id;
    onChange((isOn) => {
      this.isOn = isOn;
      if (isOn) for (const [name, object] of present()) this.appear(name, object);
    });
  }

  /** Shows the object from now on, if somebody inspects. */
  appear(id: string, object: object): void {
    if (!this.isOn || this.#actors.has(object)) return;
    this.#parent ??= createActor(parentLogic, { parent: this.#root, id: this.#id, input: this }).start();
    const actor = createActor(reflection, { parent: this.#parent, id, input: object });
    this.#actors.set(object, actor);
    actor.start();
  }

  /** Shows an event that the object handles next. */
  show(object: object, event: EventObject | Shown): void {
    this.#actors.get(object)?.send(event);
  }

  /** Shows that the object has failed. */
  crash(object: object, error: unknown): void {
    this.#actors.get(object)?.send({ type: "crashed", error } satisfies Crashed);
  }

  /** Shows that the objects have stopped. */
  stop(...objects: readonly object[]): void {
    if (this.#actors.size === 0) return;
    for (const object of objects) {
      const child = this.#actors.get(object);
      if (child === undefined || !this.#actors.delete(object)) continue;
      this.#parent?.send({ type: "release", child } satisfies Release);
    }
  }
}
