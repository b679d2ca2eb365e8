/** Snapshots of many connections: a slice a turn, while connections come and go; and what snapshots cost those who take none. */
import type { Snapshot } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test, vi } from "vitest";
import { heapInUse } from "../../e2e/peers.js";
import { HandStage, type HandTransport } from "../stage.js";

/** So many connections, each with a room, and bytes that wait. */
async function crowd(count: number, options: object = {}): Promise<{ stage: HandStage; peers: HandTransport[] }> {
  const stage = await HandStage.open({ handler: () => {}, ...options });
  const peers: HandTransport[] = [];
  for (let i = 0; i < count; i++) {
    const peer = await stage.admit("/");
    if ("status" in peer) throw new Error(peer.body);
    peers.push(peer);
  }
  await stage.settle();
  return { stage, peers };
}

/** Begins a snapshot without a turn of the server. */
async function begin(stage: HandStage, top = 20): Promise<{ readonly snapshot: Promise<Snapshot>; isDone(): boolean }> {
  let isDone = false;
  const snapshot = stage.server.snapshot({ top }).finally(() => {
    isDone = true;
  });
  await nextTick();
  return { snapshot, isDone: () => isDone };
}

/** Every promise that can settle has settled. */
function nextTick(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function distinct(snapshot: Snapshot): { readonly listed: number; readonly ids: ReadonlySet<string> } {
  const { bytesWaiting } = snapshot.top;
  return { listed: bytesWaiting.length, ids: new Set(bytesWaiting.map(({ id }) => id)) };
}

describe("a snapshot", () => {
  test("of less than 1,000 connections needs no turn", async () => {
    const { stage } = await crowd(999);
    const { isDone, snapshot } = await begin(stage);
    expect(isDone()).toBe(true);
    expect((await snapshot).routes).toMatchObject([{ connections: 999 }]);
    await stage.settle();
  });

  test("of 3,500 connections takes three turns more", async () => {
    const { stage } = await crowd(3_500);
    const { isDone, snapshot } = await begin(stage);
    const done: boolean[] = [];
    for (let i = 0; i < 3; i++) {
      done.push(isDone());
      stage.clock.runStep();
      await nextTick();
    }
    expect([done, isDone()]).toEqual([[false, false, false], true]);
    await snapshot;
  });

  test("counts rooms and events under way among what a turn looks at", async () => {
    const { stage, peers } = await crowd(400, {
      concurrency: "connection",
      handler: (event: { type: string; connection: { id: string; join(room: string): void } }) => {
        if (event.type === "open") event.connection.join(event.connection.id);
        return event.type === "message" ? new Promise(() => {}) : undefined;
      },
    });
    expect((await begin(stage)).isDone()).toBe(true);
    for (const { listener } of peers) listener.message("x", 1);
    await stage.settle();
    const { isDone, snapshot } = await begin(stage);
    expect(isDone()).toBe(false);
    stage.clock.runStep();
    expect((await snapshot).routes).toMatchObject([{ busy: 400, rooms: 400 }]);
  });

  test("lets messages be handled between slices", async () => {
    const order: string[] = [];
    const { stage, peers } = await crowd(2_500, {
      handler: ({ type }: { type: string }) => void (type === "message" && order.push(type)),
    });
    void stage.server.snapshot().then(() => order.push("snapshot"));
    peers[0]?.listener.message("x", 1);
    await stage.settle();
    expect(order).toEqual(["message", "snapshot"]);
  });

  test("charges an event once that ends between slices", async () => {
    let finish = (): void => {};
    const { stage, peers } = await crowd(2_500, {
      concurrency: "connection",
      handler: ({ type }: { type: string }) =>
        type === "message" ? new Promise<void>((resolve) => (finish = resolve)) : undefined,
    });
    await begin(stage);
    await stage.settle();
    peers[2_400]?.listener.message("x", 1);
    await stage.advance(1_000);
    const { snapshot } = await begin(stage);
    finish();
    await nextTick();
    await stage.settle();
    expect((await snapshot).top.handlerMs).toMatchObject([{ id: "c2401", handlerMs: 1_000 }]);
    expect((await snapshot).routes).toMatchObject([{ perSecond: { handlerMs: 1_000 } }]);
  });

  test("has the length of turns in which the handler was called, and of no others", async () => {
    const stage = await HandStage.open({
      heartbeat: false,
      handler({ type, text }: { type: string; text: string }) {
        if (type !== "message") return undefined;
        stage.clock.pass(Number(text));
        return new Promise(() => {});
      },
      concurrency: "connection",
    });
    const [ann, ben] = [await stage.connect(), await stage.connect()];
    await stage.server.snapshot();
    ann.listener.message("600", 3);
    await stage.settle();
    ben.listener.message("200", 3);
    await stage.settle();
    // Wakes the handler for an event that has to wait.
    ann.listener.message("600", 3);
    await stage.settle();
    expect((await stage.server.snapshot()).routes).toMatchObject([{ turn: { meanMs: 400, maxMs: 600 } }]);
  });

  test("meets no connection twice while connections come, close and go", async () => {
    const { stage, peers } = await crowd(3_500);
    for (const peer of peers) peer.untakenBytes = 10;
    for (const peer of peers) peer.isFull = true;
    stage.server.sendall("x");
    await stage.settle();
    // Not yet visited, visited, and on the border; the first half of these leaves at once, the second closes by degrees.
    const leaving = [...peers.slice(0, 300), ...peers.slice(900, 1_100), ...peers.slice(3_300)];
    const { isDone, snapshot } = await begin(stage, 1_000);
    for (const peer of leaving.slice(0, 350)) peer.end();
    for (const connection of stage.server.connections().slice(500, 700)) connection.close();
    for (let i = 0; i < 200; i++) await stage.admit("/");
    await stage.settle();
    expect(isDone()).toBe(true);
    const { listed, ids } = distinct(await snapshot);
    expect([listed, ids.size]).toEqual([1_000, 1_000]);
  });

  test("ends though connections come in every turn", async () => {
    const { stage } = await crowd(2_000);
    const { isDone } = await begin(stage);
    for (let turn = 0; turn < 20 && !isDone(); turn++) {
      for (let i = 0; i < 1_500; i++) await stage.admit("/");
      stage.clock.runSteps(2);
      await nextTick();
    }
    expect(isDone()).toBe(true);
  });

  test("that is asked for during a scan begins after the scan, once for every caller", async () => {
    const { stage } = await crowd(1_500);
    const [first, second, third] = [await begin(stage), await begin(stage, 1), await begin(stage, 2)];
    await stage.admit("/");
    stage.clock.runStep();
    await nextTick();
    expect([first.isDone(), second.isDone(), third.isDone()]).toEqual([true, false, false]);
    await stage.settle();
    const snapshots = await Promise.all([first.snapshot, second.snapshot, third.snapshot]);
    expect(snapshots.map(({ routes }) => routes[0]?.connections)).toEqual([1_500, 1_501, 1_501]);
  });

  test("goes on while the server closes", async () => {
    const { stage, peers } = await crowd(2_500);
    const { snapshot } = await begin(stage);
    const closed = stage.server.close();
    await stage.settle();
    for (const peer of peers) peer.end(1_001);
    await stage.advance(10_000);
    await closed;
    expect((await snapshot).routes).toMatchObject([{ connections: 2_500 }]);
    expect(stage.clock.alarms).toBe(0);
  });

  test("of a test runtime with many clients resolves when the runtime is settled", async () => {
    const runtime = createTestRuntime({ heartbeat: false, handler: () => {} });
    for (let i = 0; i < 1_100; i++) await runtime.connect();
    let isDone = false;
    const snapshot = runtime.server.snapshot().finally(() => {
      isDone = true;
    });
    await nextTick();
    expect(isDone).toBe(false);
    await runtime.settle();
    expect((await snapshot).routes).toMatchObject([{ connections: 1_100 }]);
    await runtime.close();
  });
});

describe("a server without snapshots", () => {
  /** How often a server asks for the time while it handles a message. */
  async function readingsOf(stage: HandStage, peer: HandTransport): Promise<number> {
    const now = vi.spyOn(stage.clock, "now");
    peer.listener.message("x", 1);
    await stage.settle();
    const { length } = now.mock.calls;
    now.mockRestore();
    return length;
  }

  test("measures nothing, before the first snapshot and a minute after the last", async () => {
    const stage = await HandStage.open({ heartbeat: false, handler: async () => {} });
    const peer = await stage.connect();
    const before = await readingsOf(stage, peer);
    await stage.server.snapshot();
    expect(await readingsOf(stage, peer)).toBeGreaterThan(before);
    expect(stage.clock.alarms).toBe(1);
    await stage.advance(60_000);
    expect([await readingsOf(stage, peer), stage.clock.alarms]).toEqual([before, 0]);
  });

  test("keeps nothing of connections that have gone since", async () => {
    const stage = await HandStage.open({ heartbeat: false, handler: () => void stage.clock.pass(1) });
    await stage.server.snapshot();
    const pass = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) (await stage.connect()).end();
      await stage.settle();
      return heapInUse();
    };
    await pass(1_000);
    const before = await pass(1_000);
    // An entry for each would be 60 bytes or more; the heap by itself differs by some 100 kB.
    expect((await pass(30_000)) - before).toBeLessThan(600_000);
  });
});
