/** The way of one bus to its like on other nodes: turns what it sends into envelopes on the right subject. The relay makes them. */
import type { Inlet, Outlet } from "../contracts.js";
import type { Frame } from "../events.js";
import type { Envelope } from "./envelope.js";
import { scopeOf, subjectOf } from "./subject.js";

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
