/**
 * The open connections of a route or a channel, by id and by room. Connections are added at the handshake, and removed when
 * closing begins.
 */

import type { ConnectionRef } from "../../api/connection.js";
import type { RemoteBus } from "../../cluster/remote-bus.js";
import { SlotMap } from "../../runtime/slot-map.js";

export interface Registered {
  readonly id: string;
}

/** Follows the members of rooms (option `presence`). */
export interface RoomWatcher<M> {
  /**
   * May run code of the program, which may close the member, or let the member leave or join.
   * @returns called once the member is in the room; `undefined` if nothing is left to do
   */
  beforeJoin(member: M, room: string): (() => void) | undefined;
  /** Called for a member that is open. May run code of the program. */
  beforeLeave(room: string): void;
  /** Called after the member has gone from `members`, also for a member that closes. */
  left(member: M, room: string): void;
  /** Whether news of the room, or of any room, are wanted although there is no member. `Registry.onUnfollowed` MUST be called at the end. */
  follows(room?: string): boolean;
}

/** Is told which rooms have members, and who leaves (option `history`). */
export interface RoomListener<M> {
  /** Called after the first member has come. */
  onOccupied(room: string): void;
  /** Called after the member has gone from `members`, also for a member that closes. */
  onLeft(member: M, room: string): void;
}

export class Registry<M extends Registered> {
  /** Filled and emptied by the registry alone. */
  readonly byId: SlotMap<string, M> = new SlotMap();
  readonly #rooms = new Map<string, SlotMap<string, M>>();
  #version = 0;
  #watcher: RoomWatcher<M> | undefined;
  #roomListener: RoomListener<M> | undefined;
  readonly #onOccupancyChanged: RemoteBus["onOccupancyChanged"] | undefined;

  /** @param onOccupancyChanged told when a room, or the registry as a whole, gets the first member or loses the last */
  constructor(onOccupancyChanged?: RemoteBus["onOccupancyChanged"]) {
    this.#onOccupancyChanged = onOccupancyChanged;
  }

  /** MUST be called before the first member comes. */
  watch(watcher: RoomWatcher<M>): void {
    this.#watcher = watcher;
  }

  /** MUST be called before the first member comes. */
  watchRooms(listener: RoomListener<M>): void {
    this.#roomListener = listener;
  }

  get size(): number {
    return this.byId.size;
  }

  /** While the version is the same, the same members get what is sent to all, and to each room. */
  get version(): number {
    return this.#version;
  }

  /** A member gets messages from now on. */
  onAnnounced(): void {
    this.#version++;
  }

  get roomCount(): number {
    return this.#rooms.size;
  }

  add(member: M): void {
    this.#version++;
    this.byId.set(member.id, member);
    if (this.byId.size === 1) this.#onOccupancyChanged?.(undefined, true);
  }

  /** Removes a member, also from `rooms`. @returns whether the member was there */
  remove(member: M, rooms: Iterable<string>): boolean {
    this.#version++;
    const wasThere = this.byId.delete(member.id);
    for (const room of rooms) this.leave(member, room);
    if (wasThere) this.#endOccupancy();
    return wasThere;
  }

  find(ref: ConnectionRef): M | undefined {
    return this.byId.get(typeof ref === "string" ? ref : ref.id);
  }

  all(): Iterable<M> {
    return this.byId.values();
  }

  /** @returns whether the member is in the room now */
  join(member: M, room: string): boolean {
    const onJoined = this.#watcher?.beforeJoin(member, room);
    if (this.#watcher !== undefined && onJoined === undefined) return this.#rooms.get(room)?.has(member.id) === true;
    this.#version++;
    const members = this.#rooms.get(room);
    if (members !== undefined) members.set(member.id, member);
    else {
      const first = new SlotMap<string, M>();
      first.set(member.id, member);
      this.#rooms.set(room, first);
      this.#onOccupancyChanged?.(room, true);
      this.#roomListener?.onOccupied(room);
    }
    onJoined?.();
    return true;
  }

  leave(member: M, room: string): void {
    if (!this.#rooms.get(room)?.has(member.id)) return;
    if (this.byId.has(member.id)) this.#watcher?.beforeLeave(room);
    this.#version++;
    const members = this.#rooms.get(room);
    if (!members?.delete(member.id)) return;
    if (members.size === 0) this.#rooms.delete(room);
    this.#watcher?.left(member, room);
    this.#roomListener?.onLeft(member, room);
    this.#endOccupancy(room);
  }

  /** The watcher follows the room no longer. */
  onUnfollowed(room: string): void {
    this.#endOccupancy(room);
    this.#endOccupancy();
  }

  hasMembers(room: string): boolean {
    return this.#rooms.has(room);
  }

  members(room: string): Iterable<M> {
    return this.#rooms.get(room)?.values() ?? [];
  }

  /** The members of any of several rooms, each once. */
  membersOfAny(rooms: readonly string[]): Iterable<M> {
    const first = rooms[0];
    if (first !== undefined && rooms.length === 1) return this.members(first);
    const members = new Set<M>();
    for (const room of rooms) for (const member of this.members(room)) members.add(member);
    return members;
  }

  /** The rooms with the number of members, for snapshots. */
  *roomSizes(): Generator<readonly [room: string, members: number]> {
    for (const [room, members] of this.#rooms) yield [room, members.size];
  }

  rooms(): string[] {
    return [...this.#rooms.keys()];
  }

  #endOccupancy(room?: string): void {
    const hasMembers = room === undefined ? this.byId.size > 0 : this.#rooms.has(room);
    if (!hasMembers && !this.#watcher?.follows(room)) this.#onOccupancyChanged?.(room, false);
  }
}
