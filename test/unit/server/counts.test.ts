/** The numbers of `stats()` that are broken down, and the sums of what waits. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { reject } from "../../../src/index.js";
import { createTestRuntime, type TestClient } from "../../../src/testing.js";

/** The counts of endings, as `"by code": count`. */
function endings(closedBy: readonly { code: number | "other"; by: string; count: number }[]): Record<string, number> {
  return Object.fromEntries(closedBy.map(({ code, by, count }) => [`${by} ${code}`, count]));
}

describe("the endings in stats()", () => {
  test("are told apart by code and side as the closed events are, and add up to closed", async () => {
    const told: Record<string, number> = {};
    await using runtime = createTestRuntime({
      heartbeat: { intervalMs: 100, timeoutMs: 100 },
      handler(event) {
        if (event.type === "message") event.connection.close(Number(event.text), "asked");
        if (event.type === "closed") {
          const key = `${event.by} ${event.code}`;
          told[key] = (told[key] ?? 0) + 1;
        }
      },
    });
    const clients: TestClient[] = [];
    for (let i = 0; i < 8; i++) clients.push(await runtime.connect());
    const [a, b, c, d, e, f, g] = clients as [TestClient, ...TestClient[]] & TestClient[];
    a.close();
    b?.close(4_001, "mine");
    c?.send("4002");
    d?.send("4002");
    e?.disconnect();
    f?.fail();
    g?.vanish();
    await runtime.settle();
    expect(runtime.server.stats()).toMatchObject({ closed: 6, connections: 2 });
    await runtime.advance(1_000);
    const { closed, closedBy } = runtime.server.stats();
    expect(endings(closedBy)).toEqual(told);
    expect(endings(closedBy)).toEqual({ "peer 1005": 1, "peer 4001": 1, "server 4002": 2, "lost 1006": 3 });
    expect(closed).toBe(7);
  });

  test("of peers that choose a code each are told apart for 64 pairs, and the rest is counted as other", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    for (let code = 4_000; code < 4_100; code++) {
      const client = await runtime.connect();
      client.close(code);
      await runtime.settle();
    }
    const { closed, closedBy } = runtime.server.stats();
    expect(closedBy).toHaveLength(65);
    expect(closedBy.at(-1)).toEqual({ code: "other", by: "peer", count: 36 });
    expect(closedBy.reduce((sum, { count }) => sum + count, 0)).toBe(closed);
  });
});

test("refusals are told apart by status, also where there is no route", async () => {
  await using runtime = createTestRuntime({
    routes: {
      "/a": { authorize: () => reject(401), handler() {} },
      "/b": { authorize: () => reject(429), handler() {} },
    },
  });
  for (const path of ["/a", "/a", "/b", "/c", "/a/b"]) await runtime.connect({ path }).catch(() => {});
  const { server } = runtime;
  expect(server.route("/a").stats()).toMatchObject({ refused: 2, refusedBy: [{ status: 401, count: 2 }] });
  expect(server.stats().refused).toBe(5);
  expect(server.stats().refusedBy).toEqual([
    { status: 401, count: 2 },
    { status: 429, count: 1 },
    { status: 404, count: 2 },
  ]);
});

test.each(["close", "dropOldest", "dropNewest"] as const)(
  "messages dropped under %s stand under the policy",
  async (slowConsumer) => {
    await using runtime = createTestRuntime({ outbox: { maxBufferedBytes: 100, slowConsumer }, handler() {} });
    const client = await runtime.connect();
    client.stall();
    for (let i = 0; i < 5; i++) {
      runtime.server.sendall("x".repeat(60));
      await runtime.settle();
    }
    const { dropped, droppedBy } = runtime.server.stats();
    expect(dropped).toBeGreaterThan(0);
    expect(droppedBy).toEqual({ close: 0, dropOldest: 0, dropNewest: 0, text: 0, gap: 0, [slowConsumer]: dropped });
  },
);

test("what a session finds missing stands under gap", async () => {
  await using runtime = createTestRuntime({
    resume: { maxBytes: 100 },
    outbox: { slowConsumer: "dropOldest" },
    handler() {},
  });
  const dialed = runtime.dial();
  await runtime.settle();
  dialed.disconnect();
  await runtime.settle();
  for (let i = 0; i < 10; i++) runtime.server.sendall("x".repeat(60));
  await runtime.advance(5_000);
  const { dropped, droppedBy, gaps } = runtime.server.stats();
  expect([gaps, droppedBy.gap + droppedBy.dropOldest]).toEqual([1, dropped]);
  expect(dropped).toBeGreaterThan(5);
});

describe("what waits, in stats()", () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant("send" as const), bytes: fc.integer({ min: 0, max: 90 }) }),
    fc.record({ kind: fc.constantFrom("stall", "resume", "settle", "close", "vanish", "say"), who: fc.nat(2) }),
    fc.record({ kind: fc.constant("read" as const), who: fc.nat(2), bytes: fc.integer({ min: 1, max: 150 }) }),
  );

  test("is the sum over the connections once sockets have drained, never less, and nothing at the end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 40 }),
        fc.constantFrom("close" as const, "dropOldest" as const, "dropNewest" as const),
        async (actions, slowConsumer) => {
          await using runtime = createTestRuntime({
            outbox: { maxBufferedBytes: 200, slowConsumer },
            handler: async (event, bus) => {
              if (event.type === "message") await bus.sleep(10);
            },
          });
          const clients = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
          const sum = (): number => [...runtime.server.connections()].reduce((all, one) => all + one.bufferedAmount, 0);
          for (const one of actions) {
            const client = "who" in one ? clients[one.who] : undefined;
            if (one.kind === "send") runtime.server.sendall("x".repeat(one.bytes));
            else if (one.kind === "settle") await runtime.settle();
            else if (one.kind === "read") client?.read(one.bytes);
            else if (one.kind === "say") client?.send("hello");
            else if (one.kind === "close") client?.close();
            else client?.[one.kind]();
            const { outboxBytes, mailboxEvents } = runtime.server.stats();
            // A full socket is asked again only when it has drained.
            expect(outboxBytes).toBeGreaterThanOrEqual(sum());
            expect(mailboxEvents).toBeLessThanOrEqual(actions.length);
          }
          for (const client of clients) client.resume();
          await runtime.settle();
          // What a vanished peer has taken is not known.
          const isKnown = actions.every(({ kind }) => kind !== "vanish");
          if (isKnown) expect(runtime.server.stats().outboxBytes).toBe(sum());
          runtime.server.close();
          await runtime.advance(60_000);
          expect(runtime.server.stats()).toMatchObject({ outboxBytes: 0, mailboxEvents: 0, connections: 0 });
        },
      ),
      { numRuns: 200 },
    );
  });

  test("of a busy handler is the number of waiting events", async () => {
    await using runtime = createTestRuntime({
      handler: (event, bus) => (event.type === "open" ? undefined : bus.sleep(10)),
    });
    const client = await runtime.connect();
    for (let i = 0; i < 5; i++) client.send("hello");
    await runtime.settle();
    expect(runtime.server.stats().mailboxEvents).toBe(4);
    await runtime.advance(50);
    expect(runtime.server.stats().mailboxEvents).toBe(0);
  });

  test("of sessions is kept until the peer acknowledges, or the session ends", async () => {
    await using runtime = createTestRuntime({ resume: { graceMs: 60_000 }, handler() {} });
    const [kept, ended] = [runtime.dial(), runtime.dial()];
    await runtime.settle();
    for (const dialed of [kept, ended]) dialed.vanish();
    runtime.server.sendall("x".repeat(1_000));
    await runtime.settle();
    expect(runtime.server.stats().keptBytes).toBe(2 * 1_004);
    ended.close();
    await runtime.advance(200_000);
    expect(runtime.server.stats()).toMatchObject({ keptBytes: 0, outboxBytes: 0 });
  });
});

test("failures are counted beyond the 100 that are listed", async () => {
  await using runtime = createTestRuntime({
    failures: "supervise",
    supervise: { intensity: 1_000 },
    handler(event) {
      if (event.type === "message") throw new Error("no");
    },
  });
  const client = await runtime.connect();
  for (let i = 0; i < 130; i++) client.send("x");
  await runtime.settle();
  const { failures, handlerFailures } = runtime.server.stats();
  expect([failures.length, handlerFailures]).toEqual([100, 130]);
});
