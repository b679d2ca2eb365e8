/**
 * The rooms of one connection or subscription, as `connection.rooms` shows the rooms to the program: read-only, because the members of a
 * room stand in the registry, and only `join` and `leave` change both together.
 */
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
