/**
 * The contract between a bus of this node and its counterparts on the other nodes: a bus sends through its `RemoteBus`, and the relay
 * delivers to the `LocalBus`. The actors use and implement the two interfaces; both last as long as the route or the channel.
 */
import type { Frame } from "../transport/frame.js";

/** A bus of this node, as the receiver of messages from other nodes. */
export interface LocalBus {
  /** Delivers to the members of any of the rooms, or to every member; `except` is the id of the source. */
  deliver(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): void;
  /** Whether the bus has a connection of that id. */
  has(id: string): boolean;
  /** Delivers to one connection; the message is a dead letter if the connection has closed. */
  deliverTo(frame: Frame, id: string): void;
}

/** The counterparts of one bus on the other nodes. */
export interface RemoteBus {
  /** MUST be called once, before anything is sent. */
  attach(bus: LocalBus): void;
  /** Whether the id names a connection of another node. */
  isRemote(id: string): boolean;
  /** Sends to every member, or to the members of any of the rooms. @returns 1 if the link is up and takes the message */
  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1;
  /** Sends to one remote connection, of this bus or of any route. @returns 1 if the link is up and takes the message */
  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1;
  /** MUST be called for the first member and after the last one has left: of a room, or (`undefined`) of the bus as a whole. */
  readonly onOccupancyChanged: (room: string | undefined, hasMembers: boolean) => void;
  /** @returns the counterparts of the channel with that name */
  forChannel(name: string): RemoteBus;
}
