/**
 * A `RemoteBus` over the relay: turns what a bus sends into envelopes on the right subject. Each route and each channel has a
 * `RelayedBus`, which needs no closing.
 */
import type { Frame } from "../transport/frame.js";
import { keptEnvelope } from "./kept-message.js";
import type { EnvelopeAddress, MeasuredEnvelope } from "./packet.js";
import type { PresenceOwner, SharedPresence } from "./presence/shared-presence.js";
import type { LocalBus, RemoteBus } from "./remote-bus.js";
import { scopeOf, subjectOf } from "./subject.js";

/** What a `RelayedBus` needs of the relay. */
export interface BusRelay {
  /** Whether the adapter puts what all nodes publish into one order. */
  readonly isOrdered: boolean;
  isRemote(id: string): boolean;
  /** Names the receiver of what arrives for a scope. */
  attach(scope: string, bus: LocalBus): void;
  /** Subscribes the bus to a scope, or to a room within the scope; without a bus, unsubscribes. */
  setInterest(scope: string, room: string | undefined, bus: LocalBus | undefined): void;
  isHeard(subject: string): boolean;
  /** @param subject absent: the subject of the node in the id of the target */
  send(frame: Frame, address: EnvelopeAddress, subject?: string): 0 | 1;
  /** Sends a kept message on the subject of a room. */
  sendKept(envelope: MeasuredEnvelope, subject: string): 0 | 1;
  sharePresence(scope: string, owner: PresenceOwner): SharedPresence;
}

export class RelayedBus implements RemoteBus {
  readonly #relay: BusRelay;
  readonly #scope: string;
  /** Of the whole bus. Made once: the tables that a message passes look up a string with a hash of its own faster than a fresh one. */
  readonly #subject: string;
  #localBus: LocalBus | undefined;

  constructor(relay: BusRelay, scope: string) {
    this.#relay = relay;
    this.#scope = scope;
    this.#subject = subjectOf(scope, undefined);
  }

  get isOrdered(): boolean {
    return this.#relay.isOrdered;
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
    // A connection of this node has no place on the other nodes, so there is nothing to leave out.
    const source = except !== undefined && this.isRemote(except) ? except : undefined;
    const [first, second] = rooms ?? [];
    // Several rooms share an envelope on the subject of the whole bus, so that a member of two rooms gets the message once.
    if (second !== undefined) return this.#relay.send(frame, { source, rooms }, this.#subject);
    const subject = first === undefined ? this.#subject : subjectOf(this.#scope, first);
    return this.#relay.send(frame, { source }, subject);
  }

  isHeard(room: string): boolean {
    return this.#relay.isHeard(subjectOf(this.#scope, room));
  }

  publishKept(frame: Frame, room: string, source: string | undefined, at: number): 0 | 1 {
    return this.#relay.sendKept(keptEnvelope(frame, source, at), subjectOf(this.#scope, room));
  }

  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1 {
    return this.#relay.send(frame, { target: to, scope: anyRoute ? "" : this.#scope });
  }

  readonly onOccupancyChanged = (room: string | undefined, hasMembers: boolean): void => {
    this.#relay.setInterest(this.#scope, room, hasMembers ? this.#localBus : undefined);
    // From now on the others may send what this node does not hear.
    if (room !== undefined && !hasMembers) this.#localBus?.onBreak(room);
  };

  sharePresence(owner: PresenceOwner): SharedPresence {
    return this.#relay.sharePresence(this.#scope, owner);
  }

  forChannel(name: string): RemoteBus {
    return new RelayedBus(this.#relay, scopeOf(name, this.#scope));
  }
}
