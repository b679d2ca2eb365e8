/** What the numbers say of clients that rest: `stats()`, series and snapshots tell what waits for tokens from what waits for the handler. */
import type { Bus, ServerEvent, Snapshot } from "sendall";
import { metrics } from "sendall/metrics";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { sampleOf } from "../metrics/exposition.js";
import { HandStage } from "../stage.js";
import { closeHand, sendMany } from "./budget-stage.js";

const RESTING = { messagesPerSecond: 1, burstSeconds: 1 };

/** The handler sleeps for as many milliseconds as a message says. */
function sleeper(budget: object): TestRuntime {
  return createTestRuntime({
    budget,
    failures: "supervise",
    async handler(event: ServerEvent, bus: Bus) {
      if (event.type === "message") await bus.sleep(Number(event.text));
    },
  });
}

function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0] as T;
}

async function routeOf(runtime: TestRuntime): Promise<Snapshot["routes"][number]> {
  return only((await runtime.server.snapshot()).routes);
}

/** Clients whose sockets bring a whole read, as real sockets do: what was read waits in the server. */
async function resting(clients: number, messages: number) {
  const stage = await HandStage.open({ heartbeat: false, budget: RESTING, handler() {} });
  const { text } = metrics(stage.server, { histograms: true });
  const peers = await Promise.all(Array.from({ length: clients }, () => stage.connect()));
  for (const peer of peers) for (let i = 0; i < messages; i++) peer.listener.message("x", 1);
  await stage.settle();
  return { stage, peers, text };
}

describe("an idle handler with clients that rest", () => {
  test("has no backlog: what waits for tokens is counted apart, message by message", async () => {
    const { stage, peers, text } = await resting(30, 80);
    const labels = { route: "*" };
    expect(stage.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 30, restingEvents: 30 * 79 });
    expect(sampleOf(text(), "sendall_mailbox_events", labels)).toBe(0);
    expect(sampleOf(text(), "sendall_resting", labels)).toBe(30);
    expect(sampleOf(text(), "sendall_resting_events", labels)).toBe(30 * 79);
    await stage.advance(78_000);
    expect(stage.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 30, restingEvents: 30 });
    await stage.advance(1_000);
    expect(stage.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 0, restingEvents: 0 });
    for (const peer of peers) peer.end();
    await closeHand(stage);
  });

  test("has waited for no time: a message waits for the handler from the moment that it has its tokens", async () => {
    const { stage, peers, text } = await resting(2, 10);
    await stage.advance(60_000);
    expect(sampleOf(text(), "sendall_mailbox_wait_seconds_count", { route: "*" })).toBe(22);
    expect(sampleOf(text(), "sendall_mailbox_wait_seconds_sum", { route: "*" })).toBe(0);
    for (const peer of peers) peer.end();
    await closeHand(stage);
  });

  test.each([
    ["the peer closes", (peer: { end(): void }) => peer.end()],
    ["our side closes", (_: unknown, stage: HandStage) => stage.server.connections()[0]?.close(4000, "enough")],
    ["our side terminates", (_: unknown, stage: HandStage) => stage.server.connections()[0]?.terminate()],
  ] as const)("counts nobody any more once %s", async (_, end) => {
    const { stage, peers } = await resting(1, 5);
    const peer = only(peers);
    end(peer, stage);
    await stage.settle();
    expect(stage.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 0, restingEvents: 0 });
    peer.end();
    await closeHand(stage);
  });

  test("handles everything that rests before the server is closed", async () => {
    const handled: string[] = [];
    const stage = await HandStage.open({
      heartbeat: false,
      budget: RESTING,
      async handler(event: ServerEvent) {
        await Promise.resolve();
        handled.push(event.type === "message" ? event.text : event.type);
      },
    });
    const peer = await stage.connect();
    for (const text of ["a", "b", "c"]) peer.listener.message(text, 1);
    await stage.settle();
    const closed = stage.server.close();
    await stage.settle();
    expect(handled).toEqual(["open", "a", "b", "c"]);
    peer.end(1001);
    await stage.settle();
    await closed;
    expect(handled.at(-1)).toBe("closed");
    expect(stage.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 0, restingEvents: 0 });
  });
});

describe("a handler that is behind", () => {
  test("has the messages with tokens as its backlog, and their waits from when they had tokens", async () => {
    const runtime = sleeper({ messagesPerSecond: 1, burstSeconds: 2 });
    const { text } = metrics(runtime.server, { histograms: true });
    const client = await runtime.connect();
    for (let i = 0; i < 3; i++) client.send("5000");
    await runtime.advance(500);
    expect(runtime.server.stats()).toMatchObject({ mailboxEvents: 1, resting: 1, restingEvents: 1 });
    await runtime.advance(1_000);
    // The third has its token since 1,000 ms, and is taken at 10,000 ms.
    expect(runtime.server.stats()).toMatchObject({ mailboxEvents: 2, resting: 0, restingEvents: 0 });
    await runtime.advance(20_000);
    expect(sampleOf(text(), "sendall_mailbox_wait_seconds_sum", { route: "*" })).toBe(5 + 9);
    await runtime.close();
  });

  test("under handlerMsPerSecond has as its backlog what waits for the message before, until the client is over its budget", async () => {
    const runtime = sleeper({ handlerMsPerSecond: 1_000, burstSeconds: 1 });
    const { text } = metrics(runtime.server, { histograms: true });
    const client = await runtime.connect();
    await runtime.server.snapshot();
    for (const ms of ["3000", "0", "0"]) client.send(ms);
    await runtime.advance(2_000);
    expect(runtime.server.stats()).toMatchObject({ mailboxEvents: 2, resting: 0, restingEvents: 0, overBudget: 0 });
    expect(await routeOf(runtime)).toMatchObject({ eventsWaiting: 2, oldestMs: 2_000, eventsResting: 0 });
    await runtime.advance(1_500);
    // The bucket holds 1,000 ms, so 2,000 ms are owed when the first message is handled.
    expect(runtime.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 1, restingEvents: 2, overBudget: 1 });
    expect(await routeOf(runtime)).toMatchObject({ eventsWaiting: 0, oldestMs: 0, eventsResting: 2 });
    await runtime.advance(10_000);
    expect(runtime.server.stats()).toMatchObject({ mailboxEvents: 0, resting: 0, restingEvents: 0 });
    expect(sampleOf(text(), "sendall_mailbox_wait_seconds_sum", { route: "*" })).toBe(0);
    await runtime.close();
  });
});

describe("a snapshot", () => {
  test("lists the greedy client first, with what rests, and says that it rests", async () => {
    const { stage, peers } = await resting(2, 1);
    const [greedy, greedier] = peers;
    for (let i = 0; i < 3; i++) greedy?.listener.message("x", 1);
    for (let i = 0; i < 9; i++) greedier?.listener.message("x", 1);
    await stage.settle();
    await stage.server.snapshot();
    await stage.advance(500);
    const { routes, top } = await stage.server.snapshot();
    const [first, second] = stage.server.connections();
    expect(only(routes)).toMatchObject({ resting: 2, eventsResting: 12, eventsWaiting: 0, oldestMs: 0 });
    const rests = { isResting: true, isPaused: true, eventsWaiting: 0 };
    expect(top.eventsWaiting).toMatchObject([
      { id: second?.id, ...rests, eventsResting: 9 },
      { id: first?.id, ...rests, eventsResting: 3 },
    ]);
    for (const peer of peers) peer.end();
    await closeHand(stage);
  });

  test("counts for the order of the list what waits for the handler and what rests together", async () => {
    const runtime = sleeper({ messagesPerSecond: 1, burstSeconds: 2 });
    const [busy, both] = [await runtime.connect(), await runtime.connect()];
    busy.send("60000");
    await runtime.advance(2_000);
    sendMany(busy, 2);
    sendMany(both, 3);
    await runtime.advance(500);
    const { routes, top } = await runtime.server.snapshot();
    expect(only(routes)).toMatchObject({ resting: 1, eventsResting: 1, eventsWaiting: 4 });
    expect(top.eventsWaiting).toMatchObject([
      { id: both.id, eventsWaiting: 2, eventsResting: 1, isResting: true },
      { id: busy.id, eventsWaiting: 2, eventsResting: 0, isResting: false },
    ]);
    await runtime.close();
  });
});
