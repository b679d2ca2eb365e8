/**
 * The contract between the buses of a node and the cluster: a bus sends to the other nodes through its `RemoteBus`, and what the other
 * nodes send arrives at the `LocalBus`. Both last as long as the route or the channel of the bus.
 */
import type { Frame } from "../transport/frame.js";
import type { PresenceOwner, SharedPresence } from "./presence/shared-presence.js";

/** A bus, as the receiver of messages from other nodes. */
export interface LocalBus {
  /** Delivers to the members of any of the rooms, or to every member; `except` is the id of the source. */
  deliver(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): void;
  /** Whether `id` is a connection of the bus. */
  has(id: string): boolean;
  /** Delivers to a single connection; the message is a dead letter if the connection has closed. */
  deliverTo(frame: Frame, id: string): void;
}

/** A bus's counterparts on the other nodes. */
export interface RemoteBus {
  /** MUST be called once, before anything is sent. */
  attach(bus: LocalBus): void;
  /** Whether the id names a connection of another node. */
  isRemote(id: string): boolean;
  /** Sends to every member, or to the members of any of the rooms. @returns 1 if the link is up and takes the message */
  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1;
  /** Sends to a single remote connection, of the same bus or of any route. @returns 1 if the link is up and takes the message */
  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1;
  /** MUST be called when the first member comes and after the last member has left: of a room, or (`undefined`) of the whole bus. */
  readonly onOccupancyChanged: (room: string | undefined, hasMembers: boolean) => void;
  /** MUST be called at most once, after `attach`. @returns the way to the presence of the same bus on the other nodes */
  sharePresence(owner: PresenceOwner): SharedPresence;
  /** @returns the counterparts of a channel of the bus */
  forChannel(name: string): RemoteBus;
}
