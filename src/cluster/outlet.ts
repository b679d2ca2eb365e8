/** The way of one bus to its like on other nodes: turns what it sends into envelopes on the right subject. The relay makes them. */
import type { Frame } from "../transport/frame.js";
import type { Envelope } from "./envelope.js";
import { scopeOf, subjectOf } from "./subject.js";

/** What arrives from the other nodes for one bus. */
export interface Inlet {
  /** To the members of any of the rooms, or to all; `except` is the id of the source. */
  deliver(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): void;
  /** Whether it has a connection of that id. */
  has(id: string): boolean;
  /** To one connection; a dead letter if that has gone. */
  deliverTo(frame: Frame, id: string): void;
}

/** The way from one bus to its like on the other nodes. */
export interface Outlet {
  /** MUST be called once, before anything is sent. */
  attach(inlet: Inlet): void;
  /** Whether the id names another node. */
  isElsewhere(id: string): boolean;
  /** To all, or to the members of any of the rooms. @returns 1 if the link is up and takes it */
  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1;
  /** To one connection elsewhere, of this bus or of any route. @returns 1 if the link is up and takes it */
  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1;
  /** MUST be told when the bus gets its first member, in a room or (`undefined`) at all, and when the last one has gone. */
  readonly populated: (room: string | undefined, hasMembers: boolean) => void;
  /** The way of a channel of that name. */
  within(name: string): Outlet;
}

/** What the buses' ways use of the relay. */
export interface Sending {
  isElsewhere(id: string): boolean;
  /** Whoever takes what arrives for a scope. */
  attach(scope: string, inlet: Inlet): void;
  /** The inlet wants to hear what is sent to the scope, or to a room of it; `undefined` does not any more. */
  want(scope: string, room: string | undefined, inlet: Inlet | undefined): void;
  /** @param subject absent: that of the node which the target names */
  post(frame: Frame, envelope: Omit<Envelope, "isBinary" | "payload">, subject?: string): 0 | 1;
}

/** The way of one bus. */
export class RelayOutlet implements Outlet {
  readonly #relay: Sending;
  readonly #scope: string;
  #inlet: Inlet | undefined;

  constructor(relay: Sending, scope: string) {
    this.#relay = relay;
    this.#scope = scope;
  }

  attach(inlet: Inlet): void {
    this.#inlet = inlet;
    this.#relay.attach(this.#scope, inlet);
  }

  isElsewhere(id: string): boolean {
    return this.#relay.isElsewhere(id);
  }

  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1 {
    if (rooms?.length === 0) return 0;
    // Our own connections are nobody else's to leave out.
    const source = except !== undefined && this.isElsewhere(except) ? except : undefined;
    const [first, second] = rooms ?? [];
    // Several rooms are one envelope, for all nodes that might have members: each member gets it once.
    if (second !== undefined) return this.#relay.post(frame, { source, rooms }, subjectOf(this.#scope, undefined));
    return this.#relay.post(frame, { source }, subjectOf(this.#scope, first));
  }

  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1 {
    return this.#relay.post(frame, { target: to, scope: anyRoute ? "" : this.#scope });
  }

  readonly populated = (room: string | undefined, hasMembers: boolean): void => {
    this.#relay.want(this.#scope, room, hasMembers ? this.#inlet : undefined);
  };

  within(name: string): Outlet {
    return new RelayOutlet(this.#relay, scopeOf(name, this.#scope));
  }
}
