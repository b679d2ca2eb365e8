/**
 * The rooms of one connection or subscription, as `connection.rooms` shows the rooms to the program: read-only, because the members of a
 * room stand in the registry, and only `join` and `leave` change both together.
 */
import { ownName } from "../route/checks.js";
import type { Registered, Registry } from "../route/registry.js";

function refuse(): never {
  throw new TypeError(
    "connection.rooms is read-only: connection.join(room) and connection.leave(room) change the rooms",
  );
}

export class RoomNames extends Set<string> {
  override add(): never {
    return refuse();
  }

  override delete(): never {
    return refuse();
  }

  override clear(): never {
    return refuse();
  }

  register(name: string): void {
    super.add(name);
  }

  /** @returns whether the name was there */
  unregister(name: string): boolean {
    return super.delete(name);
  }

  unregisterAll(): void {
    super.clear();
  }
}

/** @returns whether the member has come into the room; the program's code that runs meanwhile may have closed the member, or let it leave */
export function joinRoom<M extends Registered>(
  member: M,
  names: RoomNames,
  registry: Registry<M>,
  room: string,
): boolean {
  if (names.has(room)) return false;
  const name = ownName(room);
  names.register(name);
  if (registry.join(member, name)) return true;
  names.unregister(name);
  return false;
}

/** @returns whether the member was in the room */
export function leaveRoom<M extends Registered>(
  member: M,
  names: RoomNames,
  registry: Registry<M>,
  room: string,
): boolean {
  if (!names.has(room)) return false;
  // The name goes last: while the program's code runs, the member cannot come back.
  registry.leave(member, room);
  names.unregister(room);
  return true;
}
