/** What a kept message holds in memory, and what a store may do with its bytes. */
import type { HistoryStore, StoredMessage } from "sendall";
import { expect, test } from "vitest";
import { heapInUse } from "../../e2e/peers.js";
import { openRoute } from "./followers.js";

const LONG = 1_000_000;

test("a kept text that was cut out of a longer text does not hold the longer text", async () => {
  const { bus, keep } = await openRoute();
  keep("room", "warm up");
  const before = heapInUse();
  for (let i = 0; i < 50; i++)
    keep(
      "room",
      Buffer.alloc(LONG, 97 + (i % 26))
        .toString()
        .slice(100, 150),
    );
  expect((await bus.history("room")).entries).toHaveLength(51);
  expect(heapInUse() - before).toBeLessThan(10 * LONG);
});

test("a store may answer with the same bytes for messages that are alike: each has its own stamp", async () => {
  const bytes = Buffer.from("tick");
  const entries: StoredMessage[] = [];
  const store: HistoryStore = {
    append(entry) {
      entries.push({ ...entry, bytes, position: `e-1${entries.length}` });
      return entries.at(-1)?.position;
    },
    read: () => ({ outcome: "complete", entries, position: "e-12" }),
    trim() {},
    close() {},
  };
  const { runtime, connect, keep } = await openRoute({ store, stamp: (data, position) => `${position}:${data}` });
  keep("room", "tick", "tick");
  const [client, connection] = await connect();
  for (let i = 0; i < 2; i++) {
    await connection.follow("room", { last: 9 });
    connection.leave("room");
  }
  await runtime.settle();
  expect(client.received).toEqual(["e-10:tick", "e-11:tick", "e-10:tick", "e-11:tick"]);
});

test("what cannot be the id of a connection is not kept as a source", async () => {
  const sources: (string | undefined)[] = [];
  const store: HistoryStore = {
    append({ source }) {
      sources.push(source);
      return `e-1${sources.length}`;
    },
    read: () => ({ outcome: "complete", entries: [], position: "e-10" }),
    trim() {},
    close() {},
  };
  const { bus } = await openRoute({ store });
  for (const source of ["ann", "x".repeat(100_000), "", "\ud800", "Gr\u00fc\u00dfe"])
    bus.broadcast("hi", source, { room: "room", keep: true });
  expect(sources).toEqual(["ann", undefined, undefined, undefined, undefined]);
});
