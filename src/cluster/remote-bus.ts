/**
 * The contract between the buses of a node and the cluster: a bus sends to the other nodes through its `RemoteBus`, and what the other
 * nodes send arrives at the `LocalBus`. Both last as long as the route or the channel of the bus.
 */
import type { Frame } from "../transport/frame.js";
import type { PresenceOwner, SharedPresence } from "./presence/shared-presence.js";

/** A kept message, in the order that all nodes see. */
export interface OrderedMessage {
  /** UTF-8, or bytes if `isBinary`. The bytes are the bus's from now on. */
  readonly bytes: Uint8Array;
  readonly isBinary: boolean;
  /** The id of the connection that does not get the message. */
  readonly source?: string;
  /** When the message was sent, by the clock of the sender's node: from 0 to the last time that a `Date` can tell. */
  readonly at: number;
}

/** The receiver of kept messages. */
export interface KeptListener {
  /** Delivers a kept message of any node, this node's own included, to the members of the room. */
  receiveKept(room: string, message: OrderedMessage): void;
  /** Kept messages of the room (`undefined`: of any room) may have been missed, or will be. */
  onBreak(room: string | undefined): void;
}

/** A bus, as the receiver of messages from other nodes. */
export interface LocalBus extends KeptListener {
  /** Delivers to the members of any of the rooms, or to every member; `except` is the id of the source. */
  deliver(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): void;
  /** Whether `id` is a connection of the bus. */
  has(id: string): boolean;
  /** Delivers to a single connection; the message is a dead letter if the connection has closed. */
  deliverTo(frame: Frame, id: string): void;
}

/** A bus's counterparts on the other nodes. */
export interface RemoteBus {
  /** Whether kept messages can be published: the adapter puts what all nodes publish into one order. */
  readonly isOrdered: boolean;
  /** Whether what any node sends to the room arrives here. Becomes `true` right before `LocalBus.onBreak` of the room is called. */
  isHeard(room: string): boolean;
  /** MUST be called once, before anything is sent. */
  attach(bus: LocalBus): void;
  /** Whether the id names a connection of another node. */
  isRemote(id: string): boolean;
  /** Sends to every member, or to the members of any of the rooms. @returns 1 if the link is up and takes the message */
  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1;
  /**
   * Sends a kept message to the members of a room on all nodes. This node's own members get the message when the message comes back, through
   * `LocalBus.receiveKept`. MUST be called only if `isOrdered`. @param source the id of the connection that does not get the message, of any node
   * @param at milliseconds since 1970 @returns 1 if the link is up and takes the message
   */
  publishKept(frame: Frame, room: string, source: string | undefined, at: number): 0 | 1;
  /** Sends to a single remote connection, of the same bus or of any route. @returns 1 if the link is up and takes the message */
  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1;
  /** MUST be called when the first member comes and after the last member has left: of a room, or (`undefined`) of the whole bus. */
  readonly onOccupancyChanged: (room: string | undefined, hasMembers: boolean) => void;
  /** MUST be called at most once, after `attach`. @returns the way to the presence of the same bus on the other nodes */
  sharePresence(owner: PresenceOwner): SharedPresence;
  /** @returns the counterparts of a channel of the bus */
  forChannel(name: string): RemoteBus;
}
