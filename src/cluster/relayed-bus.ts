/**
 * A `RemoteBus` over the relay: turns what a bus sends into envelopes on the right subject. The relay makes an object for each route,
 * and each of these objects makes more for the channels of its route. The objects hold nothing that has to be closed.
 */
import type { Frame } from "../transport/frame.js";
import type { Envelope } from "./envelope.js";
import type { LocalBus, RemoteBus } from "./remote-bus.js";
import { scopeOf, subjectOf } from "./subject.js";

/** The relay, as a `RelayedBus` uses it. */
export interface BusRelay {
  isRemote(id: string): boolean;
  /** Names the receiver of what arrives for a scope. */
  attach(scope: string, bus: LocalBus): void;
  /** Subscribes the bus to a scope, or to a room within the scope; without a bus, unsubscribes. */
  setInterest(scope: string, room: string | undefined, bus: LocalBus | undefined): void;
  /** @param subject absent: the subject of the node in the id of the target */
  send(frame: Frame, envelope: Omit<Envelope, "isBinary" | "payload">, subject?: string): 0 | 1;
}

export class RelayedBus implements RemoteBus {
  readonly #relay: BusRelay;
  readonly #scope: string;
  #localBus: LocalBus | undefined;

  constructor(relay: BusRelay, scope: string) {
    this.#relay = relay;
    this.#scope = scope;
  }

  attach(bus: LocalBus): void {
    this.#localBus = bus;
    this.#relay.attach(this.#scope, bus);
  }

  isRemote(id: string): boolean {
    return this.#relay.isRemote(id);
  }

  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1 {
    if (rooms?.length === 0) return 0;
    // A connection of this node is no member on any other node, so the other nodes have nothing to leave out.
    const source = except !== undefined && this.isRemote(except) ? except : undefined;
    const [first, second] = rooms ?? [];
    // Several rooms go as one envelope on the subject of the whole bus, so that a member of two rooms gets the message once.
    if (second !== undefined) return this.#relay.send(frame, { source, rooms }, subjectOf(this.#scope, undefined));
    return this.#relay.send(frame, { source }, subjectOf(this.#scope, first));
  }

  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1 {
    return this.#relay.send(frame, { target: to, scope: anyRoute ? "" : this.#scope });
  }

  readonly onOccupancyChanged = (room: string | undefined, hasMembers: boolean): void => {
    this.#relay.setInterest(this.#scope, room, hasMembers ? this.#localBus : undefined);
  };

  forChannel(name: string): RemoteBus {
    return new RelayedBus(this.#relay, scopeOf(name, this.#scope));
  }
}
