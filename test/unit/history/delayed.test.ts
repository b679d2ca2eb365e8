/** The store that answers late: readings tell what was there at the call, in any order, by a seed. */
import { SendallError } from "sendall";
import { createTestRuntime, type DelayedHistoryOptions, delayedHistory, explore } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { staged, TestHost, textsOf } from "./stage.js";

const ALL = { last: 100, limit: 100 };

describe("a delayed store", () => {
  test("answers after the delay, with what was there at the call", async () => {
    const host = new TestHost();
    const store = delayedHistory({ minDelayMs: 50, maxDelayMs: 50 });
    await store.open?.(host);
    const { keep } = staged(store, host);
    const [one] = keep("a", "1");
    let texts: string[] | undefined;
    const reading = Promise.resolve(store.read("a", ALL)).then(({ entries }) => {
      texts = textsOf(entries);
    });
    keep("a", "2");
    host.clock.pass(49);
    await new Promise(setImmediate);
    expect(texts).toBeUndefined();
    host.clock.pass(1);
    await reading;
    expect(texts).toEqual(["1"]);
    expect(one).toBeTypeOf("string");
  });

  test("draws delays from the seed, so readings come in another order with another seed", async () => {
    const orders = new Map<number, string>();
    for (const seed of [1, 2, 3, 1, 2, 3]) {
      const host = new TestHost();
      const store = delayedHistory({ seed });
      await store.open?.(host);
      const order: number[] = [];
      const readings = Array.from({ length: 6 }, (_, i) =>
        Promise.resolve(store.read("a", ALL)).then(() => order.push(i)),
      );
      for (let ms = 0; ms < 100; ms++) {
        host.clock.pass(1);
        await new Promise(setImmediate);
      }
      await Promise.all(readings);
      expect(orders.get(seed) ?? order.join()).toBe(order.join());
      orders.set(seed, order.join());
    }
    expect(new Set(orders.values()).size).toBe(3);
  });

  test("lets answers arrive that are on their way when the store is closed", async () => {
    const host = new TestHost();
    const store = delayedHistory();
    await store.open?.(host);
    const { keep } = staged(store, host);
    keep("a", "1");
    const reading = store.read("a", ALL);
    await store.close();
    expect(textsOf((await reading).entries)).toEqual(["1"]);
    expect(host.clock.alarms).toBe(0);
  });

  test("fails late if the store within fails", async () => {
    const host = new TestHost();
    const failing = { append: () => undefined, trim() {}, close() {}, read: () => Promise.reject(new Error("down")) };
    const store = delayedHistory({ store: failing, minDelayMs: 5, maxDelayMs: 5 });
    await store.open?.(host);
    let problem: unknown;
    const reading = Promise.resolve(store.read("a", ALL)).catch((error) => {
      problem = error;
    });
    await new Promise(setImmediate);
    expect(problem).toBeUndefined();
    host.clock.pass(5);
    await reading;
    expect(problem).toMatchObject({ message: "down" });
  });

  test.each<[string, DelayedHistoryOptions]>([
    ["store", { store: {} as never }],
    ["seed", { seed: 0.5 }],
    ["minDelayMs", { minDelayMs: -1 }],
    ["maxDelayMs", { minDelayMs: 10, maxDelayMs: 9 }],
    ["delay", { delay: 1 } as never],
  ])("refuses a bad option %s", (option, options) => {
    expect(() => delayedHistory(options)).toThrow(SendallError);
    expect(() => delayedHistory(options)).toThrow(expect.objectContaining({ code: "BAD_OPTION", option }));
  });

  test("waits longer than 100 ms if the shortest delay is longer", async () => {
    const host = new TestHost();
    const store = delayedHistory({ minDelayMs: 5_000 });
    await store.open?.(host);
    const reading = store.read("a", ALL);
    expect(host.clock.nextDue).toBe(host.clock.now() + 5_000);
    host.clock.pass(5_000);
    await reading;
  });
});

test("under a delayed store followers miss nothing and get nothing twice, whatever comes first (explore)", async () => {
  await explore(
    async ({ runtime, seed }) => {
      const chat = runtime({
        history: { store: delayedHistory({ seed, maxDelayMs: 20 }) },
        async handler(event, bus) {
          if (event.type !== "message") return;
          if (event.text === "follow") await event.connection.follow("hall", { last: 100 });
          else bus.sendall(event.text, { room: "hall", keep: true });
        },
      });
      const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
      ann.send("1");
      bob.send("follow");
      for (let i = 2; i < 6; i++) ann.send(`${i}`);
      await chat.advance(50);
      expect(bob.received).toEqual(["1", "2", "3", "4", "5"].slice(5 - bob.received.length));
      await chat.settle();
      expect(bob.received).toEqual(["1", "2", "3", "4", "5"]);
    },
    { runs: 100 },
  );
});

test("a store that is blocked for 5 s leaves live traffic alone, and the follower gets everything in order then", async () => {
  await using chat = createTestRuntime({
    history: { store: delayedHistory({ minDelayMs: 5_000, maxDelayMs: 5_000 }) },
    concurrency: "connection",
    async handler(event, bus) {
      if (event.type === "open" && event.connection.query.get("name") === "ann") event.connection.join("hall");
      if (event.type !== "message") return;
      if (event.text === "follow") await event.connection.follow("hall", { last: 100 });
      else bus.sendall(event.text, { room: "hall", keep: true });
    },
  });
  const [ann, bob] = [await chat.connect({ query: { name: "ann" } }), await chat.connect({ query: { name: "bob" } })];
  ann.send("1");
  bob.send("follow");
  await chat.settle();
  ann.send("2");
  await chat.advance(4_999);
  expect([ann.received, bob.received]).toEqual([["1", "2"], []]);
  await chat.advance(1);
  expect(bob.received).toEqual(["1", "2"]);
});
