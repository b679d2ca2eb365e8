/** Who is there: the connections of one route by id, from the handshake on, and the rooms they are in. Open ones only. */
import type { ConnectionRef } from "../events.js";

export interface Registered {
  readonly id: string;
}

export class Registry<M extends Registered> {
  readonly #byId = new Map<string, M>();
  readonly #rooms = new Map<string, Set<M>>();

  get size(): number {
    return this.#byId.size;
  }

  get roomCount(): number {
    return this.#rooms.size;
  }

  add(member: M): void {
    this.#byId.set(member.id, member);
  }

  /** Forgets a member and takes it out of `rooms`. */
  remove(member: M, rooms: Iterable<string>): void {
    this.#byId.delete(member.id);
    for (const room of rooms) this.leave(member, room);
  }

  find(ref: ConnectionRef): M | undefined {
    return this.#byId.get(typeof ref === "string" ? ref : ref.id);
  }

  all(): Iterable<M> {
    return this.#byId.values();
  }

  join(member: M, room: string): void {
    const members = this.#rooms.get(room);
    if (members === undefined) this.#rooms.set(room, new Set([member]));
    else members.add(member);
  }

  leave(member: M, room: string): void {
    const members = this.#rooms.get(room);
    if (members?.delete(member) && members.size === 0) this.#rooms.delete(room);
  }

  members(room: string): Iterable<M> {
    return this.#rooms.get(room) ?? [];
  }

  /** The members of any of several rooms, each once. */
  membersOfAny(rooms: readonly string[]): Iterable<M> {
    const first = rooms[0];
    if (first !== undefined && rooms.length === 1) return this.members(first);
    const members = new Set<M>();
    for (const room of rooms) for (const member of this.members(room)) members.add(member);
    return members;
  }

  rooms(): string[] {
    return [...this.#rooms.keys()];
  }
}
