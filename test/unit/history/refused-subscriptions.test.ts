/** A store that carries and refuses subscriptions for a while: what members get, and what the log says. In virtual time. */
import type { HistoryStore, StoredMessage } from "sendall";
import { expect, test } from "vitest";
import { Lines } from "../stage.js";
import { openRoute } from "./followers.js";

class RefusingStore implements HistoryStore {
  isRefusing = true;
  readonly listeners = new Map<string, (entry: StoredMessage) => void>();

  append(): undefined {}
  read() {
    return { outcome: "complete", entries: [], position: "e-0" } as const;
  }
  async subscribe(room: string, onEntry: (entry: StoredMessage) => void): Promise<() => void> {
    if (this.isRefusing) throw new Error("no permission");
    this.listeners.set(room, onEntry);
    return () => void this.listeners.delete(room);
  }
  trim(): void {}
  close(): void {}
}

test("refused subscriptions are tried again for rooms that still have members, and one line tells of all", async () => {
  const [store, logger] = [new RefusingStore(), new Lines()];
  const { runtime, connect } = await openRoute({ store }, { logger });
  const [client, connection] = await connect();
  const rooms = Array.from({ length: 50 }, (_, i) => `room${i}`);
  for (const room of rooms) connection.join(room);
  await runtime.advance(3_500);
  expect(logger.at("error")).toHaveLength(1);
  for (const room of rooms.slice(1)) connection.leave(room);
  connection.join("room1");
  store.isRefusing = false;
  await runtime.advance(2_000);
  expect(store.listeners.size).toBe(2);
  for (const [room, hear] of store.listeners)
    hear({ room, bytes: Buffer.from(room.split(".").at(-1) ?? ""), isBinary: false, at: 1, position: "e-1" });
  await runtime.settle();
  expect(client.received).toEqual(["room0", "room1"]);
  connection.leave("room0");
  connection.leave("room1");
  expect(store.listeners.size).toBe(0);
  expect(logger.at("error")).toHaveLength(1);
});
