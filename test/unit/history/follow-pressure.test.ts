/** What followers cost that ask for more than they read, and that followers who read are never taken for those. */
import { expect, test } from "vitest";
import { HesitantStore, openRoute } from "./followers.js";

const MIB = 1_048_576;
const CHUNK = "x".repeat(16_000);
/** 960,000 bytes. */
const CHUNKS = Array<string>(60).fill(CHUNK);

test("a follower that reads most of each replay, and follows again and again, lets no more wait for it than the last replays", async () => {
  const { runtime, bus, connect, keep } = await openRoute();
  keep("room", ...CHUNKS);
  const [client, connection] = await connect();
  client.stall();
  for (let i = 0; i < 100; i++) {
    connection.leave("room");
    expect(await connection.follow("room", { last: 100 })).toMatchObject({ outcome: "complete", count: 60 });
    client.read(900_000);
    await runtime.settle();
  }
  expect(connection.bufferedAmount).toBeGreaterThan(5 * MIB);
  for (let i = 0; i < 1_000 && connection.isOpen; i++) bus.sendall(CHUNK);
  expect(runtime.server.stats().slowConsumers).toBe(1);
  expect(connection.bufferedAmount).toBeLessThan(10 * MIB);
});

test("a follower that reads gets the messages of any number of rooms at once", async () => {
  const { runtime, connect, keep } = await openRoute();
  const rooms = Array.from({ length: 40 }, (_, i) => `room ${i}`);
  for (const room of rooms) keep(room, ...CHUNKS);
  const [client, connection] = await connect();
  const results = await Promise.all(rooms.map((room) => connection.follow(room, { last: 100 })));
  await runtime.settle();
  expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(["complete"]));
  expect(client.received).toHaveLength(rooms.length * CHUNKS.length);
  expect(runtime.server.stats().slowConsumers).toBe(0);
});

test("what was held for a follower while the store took its time does not make a slow consumer of one that reads", async () => {
  const store = new HesitantStore();
  const { runtime, bus, connect } = await openRoute({ store }, { outbox: { maxBufferedBytes: 100_000 } });
  const [client, connection] = await connect();
  const rooms = ["a", "b", "c"];
  const follows = rooms.map((room) => connection.follow(room, { last: 9 }));
  // A slow line: the client reads all the while, at less than the rate of the burst that waits for the store.
  client.stall();
  for (let i = 0; i < 90; i++) for (const room of rooms) bus.sendall("x".repeat(1_000), { room });
  store.answer();
  expect(await Promise.all(follows)).toMatchObject(rooms.map(() => ({ outcome: "complete" })));
  for (let i = 0; i < 30; i++) {
    await runtime.settle();
    client.read(10_000);
  }
  bus.sendall("live", { room: "a" });
  client.resume();
  await runtime.settle();
  expect(client.received).toHaveLength(271);
  expect(runtime.server.stats()).toMatchObject({ slowConsumers: 0, dropped: 0 });
});
