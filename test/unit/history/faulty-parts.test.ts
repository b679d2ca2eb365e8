/** What a program's own store, or stamp, can do wrong, and what a server that closes does to calls that wait for a store. */
import type { HistoryStore } from "sendall";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HistorySettings } from "../../../src/options/server-options.js";
import { Turn } from "../../../src/runtime/turn.js";
import { HistoryStores } from "../../../src/server/history-stores.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { HesitantStore, openRoute } from "./followers.js";
import { NO_LOG } from "./stage.js";

const LONG_ENOUGH = { failures: "supervise", handlerTimeoutMs: 20_000 };

function storeWith(parts: Partial<Record<keyof HistoryStore, unknown>>): HistoryStore {
  const store = {
    append: () => "e-1",
    read: () => ({ outcome: "complete", entries: [], position: "e-0" }),
    trim() {},
    close() {},
  };
  return { ...store, ...parts } as HistoryStore;
}

describe("a store that answers with nonsense", () => {
  const rows: [what: string, answer: unknown][] = [
    ["nothing", undefined],
    ["null", null],
    ["a number", 7],
    ["no fields", {}],
    ["a word of its own", { outcome: "yes", entries: [], position: "e-0" }],
    ["no entries", { outcome: "complete", position: "e-0" }],
    ["no position", { outcome: "complete", entries: [] }],
    ["an entry that is none", { outcome: "complete", entries: [undefined], position: "e-1" }],
    ["an entry without bytes", { outcome: "complete", entries: [{ position: "e-1" }], position: "e-1" }],
    ["an entry without a position", { outcome: "complete", entries: [{ bytes: Buffer.from("x") }], position: "e-1" }],
  ];
  describe.each([
    ["at once", (answer: unknown) => answer],
    ["late", (answer: unknown) => Promise.resolve(answer)],
  ])("%s", (_when, answered) => {
    test.each(rows)("cannot be read: %s", async (_what, answer) => {
      const { runtime, bus, connect } = await openRoute({ store: storeWith({ read: () => answered(answer) }) });
      const [client, connection] = await connect();
      const unavailable = {
        code: "HISTORY_UNAVAILABLE",
        message: expect.stringMatching(/^history: the store cannot be read: the store answered /),
      };
      await expect(connection.follow("room", { last: 9 })).rejects.toMatchObject(unavailable);
      await expect(bus.history("room")).rejects.toMatchObject(unavailable);
      bus.sendall("live", { room: "room" });
      await runtime.settle();
      expect(client.received).toEqual(["live"]);
    });
  });

  test.each([[7], [null], [Promise.resolve("e-1")]])("keeps nothing: append answers %j", async (answer) => {
    const { runtime, bus } = await openRoute(
      { store: storeWith({ append: () => answer }), stamp: (data, position) => `${position} ${data}` },
      LONG_ENOUGH,
    );
    expect(bus.sendall("x", { room: "room", keep: true })).not.toHaveProperty("position");
    const { kept, unkept, failures } = runtime.server.stats();
    expect({ kept, unkept }).toEqual({ kept: 0, unkept: 1 });
    expect(failures).toMatchObject([
      { event: "history.store", error: { message: expect.stringContaining("expected a position") } },
    ]);
  });
});

test("a store that opens too late is closed: the server has not started", async () => {
  const calls: string[] = [];
  let opened = (): void => {};
  const store = storeWith({
    open: () =>
      new Promise<void>((resolve) => {
        opened = resolve;
      }),
    close: () => calls.push("close"),
  });
  const clock = new HandClock((step) => setImmediate(step));
  const stores = new HistoryStores({ clock, turn: new Turn(clock), log: NO_LOG });
  stores.add("/", { history: { store, maxMessages: 1, maxBytes: 1, maxAgeMs: 1, maxRooms: 1 } as HistorySettings });
  const opening = expect(stores.open()).rejects.toMatchObject({
    code: "HISTORY_UNAVAILABLE",
    message: "history: the store cannot be opened: it did not answer within 30000 ms",
  });
  clock.pass(30_000);
  await opening;
  await stores.close();
  expect(calls).toEqual([]);
  opened();
  await new Promise(setImmediate);
  expect(calls).toEqual(["close"]);
});

describe("a promise that is rejected where no promise is expected", () => {
  let unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  const fail = (what: string) => Promise.reject(new Error(what));
  beforeEach(() => {
    unhandled = [];
    process.on("unhandledRejection", note);
  });
  afterEach(() => void process.off("unhandledRejection", note));

  test.each<[what: string, event: string, history: object]>([
    ["append", "history.store", { store: storeWith({ append: () => fail("no") }) }],
    ["stamp", "history.stamp", { stamp: () => fail("no ink") }],
  ])("is a failure of %s, and ends no process", async (_what, event, history) => {
    const { runtime, bus } = await openRoute(history, LONG_ENOUGH);
    bus.sendall("x", { room: "room", keep: true });
    await new Promise(setImmediate);
    expect(runtime.server.stats().failures).toMatchObject([{ event }]);
    expect(unhandled).toEqual([]);
  });

  test("is a failure of a store that carries, and ends no process", async () => {
    const store = storeWith({ append: () => fail("not taken"), subscribe: async () => () => fail("no way out") });
    const { runtime, bus, connect } = await openRoute({ store }, LONG_ENOUGH);
    const [, connection] = await connect();
    connection.join("room");
    await runtime.settle();
    expect(bus.sendall("x", { room: "room", keep: true })).toMatchObject({ forwarded: 1 });
    connection.leave("room");
    await new Promise(setImmediate);
    const failures = runtime.server.stats().failures.map(({ event, error }) => [event, String(error)]);
    expect(failures).toEqual([
      ["history.store", "Error: not taken"],
      ["history.store", "Error: no way out"],
    ]);
    expect(unhandled).toEqual([]);
  });
});

test("a store whose subscriptions cannot be ended keeps nobody from leaving", async () => {
  const store = storeWith({
    append: () => undefined,
    subscribe: async () => () => {
      throw new Error("no way out");
    },
  });
  const { runtime, bus, connect } = await openRoute({ store }, LONG_ENOUGH);
  const [client, connection] = await connect();
  for (const room of ["a", "b", "c"]) connection.join(room);
  await runtime.settle();
  expect(connection.leave("a")).toBe(true);
  client.close();
  await runtime.settle();
  expect(bus.rooms()).toEqual([]);
  expect(client.closed).toMatchObject({ code: 1005 });
  const failure = { event: "history.store", error: { message: "no way out" } };
  expect(runtime.server.stats().failures).toMatchObject([failure, failure, failure]);
});

test("a store that hands over nonsense hears nothing of that, and the members get the messages among the nonsense", async () => {
  const nonsense: unknown[] = [
    undefined,
    null,
    "text",
    {},
    { position: "e-1" },
    { bytes: Buffer.from("x") },
    { bytes: Buffer.from("x"), position: 7 },
    { bytes: "text", position: "e-1" },
  ];
  let hear: (entry: unknown) => void = () => {};
  const store = storeWith({
    append: () => undefined,
    subscribe: async (_room: string, onEntry: (entry: unknown) => void) => {
      hear = onEntry;
      return () => {};
    },
  });
  const { runtime, connect } = await openRoute({ store }, LONG_ENOUGH);
  const [client, connection] = await connect();
  await connection.follow("room", { last: 1 });
  for (const entry of nonsense) hear(entry);
  hear({ room: "room", bytes: Buffer.from("hi"), isBinary: false, at: 1, position: "e-2" });
  await runtime.settle();
  expect(client.received).toEqual(["hi"]);
  const failures = runtime.server.stats().failures.map(({ event }) => event);
  expect(failures).toEqual(nonsense.map(() => "history.store"));
});

test("a store that hands a message over while it is asked to subscribe sends no follower the message twice", async () => {
  const entry = { room: "room", bytes: Buffer.from("hi"), isBinary: false, at: 1, position: "e-1" };
  const store = storeWith({
    append: () => undefined,
    read: () => ({ outcome: "complete", entries: [entry], position: "e-1" }),
    subscribe: async (_room: string, onEntry: (entry: unknown) => void) => {
      onEntry(entry);
      return () => {};
    },
  });
  const { runtime, connect } = await openRoute({ store });
  const [client, connection] = await connect();
  expect(await connection.follow("room", { last: 1 })).toMatchObject({ outcome: "complete", count: 1 });
  await runtime.settle();
  expect(client.received).toEqual(["hi"]);
});

test("a store that is there again is asked only for followers that still wait", async () => {
  let confirm: () => void = () => {};
  let reads = 0;
  const store = storeWith({
    append: () => undefined,
    read: async () => {
      reads++;
      return { outcome: "complete", entries: [], position: "e-0" };
    },
    subscribe: () =>
      new Promise((resolve) => {
        confirm = () => resolve(() => {});
      }),
  });
  const { runtime, connect } = await openRoute({ store }, LONG_ENOUGH);
  const [[, stays], [, comesAndGoes], [, late]] = [await connect(), await connect(), await connect()];
  const tooLate = expect(stays.follow("room", { last: 1 })).rejects.toMatchObject({ code: "HISTORY_UNAVAILABLE" });
  for (let i = 0; i < 50; i++) {
    const refused = comesAndGoes.follow("room", { last: 1 });
    comesAndGoes.leave("room");
    expect(await refused).toMatchObject({ outcome: "refused" });
  }
  await runtime.advance(20_000);
  await tooLate;
  const complete = late.follow("room", { last: 1 });
  confirm();
  expect(await complete).toMatchObject({ outcome: "complete" });
  expect(reads).toBe(1);
});

test("a stamp that writes into the bytes leaves what is kept as it was", async () => {
  const { runtime, bus, connect } = await openRoute({
    stamp: (data) => (typeof data === "string" ? data : (data as Uint8Array).fill(1)),
  });
  const [client, connection] = await connect();
  connection.join("room");
  bus.sendall(Uint8Array.of(7, 7), { room: "room", keep: true });
  await runtime.settle();
  expect(client.received).toEqual([Buffer.of(1, 1)]);
  expect((await bus.history("room")).entries).toMatchObject([{ data: Buffer.of(7, 7) }]);
});

describe("a call that waits for a store", () => {
  test("ends when the server closes: no alarm keeps the process alive", async () => {
    const store = new HesitantStore();
    const { runtime, bus, connect } = await openRoute({ store }, LONG_ENOUGH);
    const [, connection] = await connect();
    const follow = connection.follow("room", { last: 9 });
    const read = bus.history("room");
    const settled = Promise.allSettled([follow, read]);
    const closing = runtime.server.close({ drainMs: 0 });
    await runtime.settle();
    expect(await settled).toMatchObject([
      { value: { outcome: "refused", count: 0, position: undefined } },
      { reason: { code: "HISTORY_UNAVAILABLE", message: "history: the store cannot be read: the server has closed" } },
    ]);
    await closing;
    expect(runtime.now()).toBe(0);
    await expect(bus.history("room")).rejects.toMatchObject({ code: "HISTORY_UNAVAILABLE" });
    expect(store.waiting).toHaveLength(2);
  });

  test("ends when the follower leaves, or has gone", async () => {
    const { runtime, connect } = await openRoute({ store: new HesitantStore() }, LONG_ENOUGH);
    const [client, connection] = await connect();
    const refused = { outcome: "refused", count: 0, position: undefined };
    const first = connection.follow("room", { last: 9 });
    connection.leave("room");
    expect(await first).toEqual(refused);
    const second = connection.follow("room", { last: 9 });
    client.disconnect();
    await runtime.settle();
    expect(await second).toEqual(refused);
  });
});
