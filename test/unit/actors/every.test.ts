/** `bus.every`: an alarm that rings again and again, in virtual time. */
import { type Bus, type Cancel, noreply, perConnection, SendallError } from "sendall";
import { createTestRuntime, explore } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { BusTimers } from "../../../src/actors/route/bus-timers.js";
import { Counters } from "../../../src/actors/route/counters.js";
import { AlarmHeap, type Clock, type Timer } from "../../../src/runtime/clock.js";
import { HandStage, Lines } from "../stage.js";

/** A clock whose alarms ring late: at the times that the test names, as after a blocked event loop. */
class LateClock implements Clock {
  readonly #alarms = new AlarmHeap();
  #now = 0;

  now(): number {
    return this.#now;
  }

  after(ms: number, ring: Parameters<Clock["after"]>[1]): Timer {
    return this.#alarms.set(this.#now + ms, ring);
  }

  soon(): void {}

  ringAt(now: number): void {
    this.#now = now;
    for (let alarm = this.#alarms.take(now); alarm !== undefined; alarm = this.#alarms.take(now)) alarm.ring();
  }
}

interface Ticks {
  readonly told: [at: number, data: unknown, connection: string | undefined][];
  readonly runtime: ReturnType<typeof createTestRuntime>;
  readonly bus: () => Bus;
}

function ticking(): Ticks {
  const told: Ticks["told"] = [];
  let bus: Bus | undefined;
  const runtime = createTestRuntime({
    handler(event, itsBus) {
      bus = itsBus;
      if (event.type === "info") told.push([itsBus.now(), event.data, event.connection?.id]);
    },
  });
  return {
    told,
    runtime,
    bus: () => {
      if (bus === undefined) throw new Error("no event has come yet");
      return bus;
    },
  };
}

describe("bus.every", () => {
  test("rings at multiples of its time until it is cancelled", async () => {
    const { told, runtime, bus } = ticking();
    await runtime.connect();
    const cancel = bus().every(100, "tick");
    await runtime.advance(350);
    expect(told.map(([at]) => at)).toEqual([100, 200, 300]);
    cancel();
    cancel();
    await runtime.advance(1_000);
    expect(told.length).toBe(3);
    await runtime.close();
  });

  test("can be cancelled by the event that it posts", async () => {
    let rings = 0;
    let cancel: Cancel = () => {};
    await using runtime = createTestRuntime({
      handler(event, bus) {
        if (event.type === "open") cancel = bus.every(10, "tick");
        if (event.type === "info" && ++rings === 2) cancel();
      },
    });
    await runtime.connect();
    await runtime.advance(100);
    expect(rings).toBe(2);
  });

  test("ends with the connection that it is about", async () => {
    const { told, runtime, bus } = ticking();
    const [stayer, leaver] = [await runtime.connect(), await runtime.connect()];
    bus().every(10, "tick", leaver.id);
    bus().every(10, "tock", stayer.id);
    await runtime.advance(10);
    leaver.close();
    await runtime.advance(20);
    expect(told).toEqual([
      [10, "tick", leaver.id],
      [10, "tock", stayer.id],
      [20, "tock", stayer.id],
      [30, "tock", stayer.id],
    ]);
    await runtime.close();
  });

  test("does not drift when rings are late, and skips the times that passed meanwhile", () => {
    const clock = new LateClock();
    const at: number[] = [];
    const timers = new BusTimers({
      clock,
      counters: new Counters(),
      log: new Lines(),
      tell: () => at.push(clock.now()) > 0,
      has: () => true,
    });
    timers.every(100, "tick", undefined);
    // Late by 30, on time, held up for more than three periods, on time again.
    for (const now of [130, 200, 550, 600]) clock.ringAt(now);
    expect(at).toEqual([130, 200, 550, 600]);
    clock.ringAt(699);
    expect(at.length).toBe(4);
  });

  test("of the server rings for every route, and for the connection alone that is named", async () => {
    const told: string[] = [];
    const handlerOf = (route: string) => (event: { type: string; data?: unknown; connection?: { id: string } }) => {
      if (event.type === "info") told.push(`${route} ${String(event.data)} ${event.connection?.id ?? "-"}`);
    };
    await using runtime = createTestRuntime({
      routes: { "/a": { handler: handlerOf("a") }, "/b": { handler: handlerOf("b") } },
    });
    const client = await runtime.connect({ path: "/b" });
    const cancel = runtime.server.every(10, "all");
    runtime.server.every(15, "one", client.id);
    await runtime.advance(15);
    cancel();
    await runtime.advance(15);
    expect(told).toEqual(["a all -", "b all -", `b one ${client.id}`, `b one ${client.id}`]);
  });

  test("in a perConnection handler rings for its own connection, and ends with that", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection({
        init: (connection, bus) => void bus.every(10, connection.id),
        handle: () => noreply(undefined),
        info: (data, state, connection) => {
          connection.send(`${data === connection.id}`);
          return noreply(state);
        },
      }),
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    await runtime.advance(20);
    expect([ann.take(), bob.take()]).toEqual([
      ["true", "true"],
      ["true", "true"],
    ]);
    ann.close();
    await runtime.advance(10);
    expect(bob.take()).toEqual(["true"]);
  });

  test("stops with the server, and leaves no alarm behind", async () => {
    const stage = await HandStage.open({ handler() {} });
    stage.server.every(10, "tick");
    await stage.settle();
    await stage.server.close();
    expect(stage.clock.alarms).toBe(0);
    expect(stage.server.every(10, "late")()).toBeUndefined();
    expect(stage.clock.alarms).toBe(0);
  });

  test("runs under explore, whose runs end all the same", async () => {
    await explore(
      async ({ runtime }) => {
        const told: unknown[] = [];
        const chat = runtime({
          handler(event, bus) {
            if (event.type === "open") bus.every(50, "tick");
            if (event.type === "info") told.push(event.data);
          },
        });
        await chat.connect();
        await chat.advance(120);
        expect(told).toEqual(["tick", "tick"]);
      },
      { runs: 20 },
    );
  });

  test.each<[what: string, ms: unknown]>([
    ["0", 0],
    ["a time below 0", -1],
    ["no number", "10"],
    ["an endless time", Number.POSITIVE_INFINITY],
    ["NaN", Number.NaN],
  ])("refuses %s", async (_what, ms) => {
    const stage = await HandStage.open({ handler() {} });
    expect(() => stage.server.every(ms as number, "tick")).toThrow(expect.objectContaining({ code: "BAD_DURATION" }));
  });
});

describe("an alarm", () => {
  test.each(["after", "every"] as const)("of bus.%s refuses a function, which nothing would call", async (verb) => {
    const stage = await HandStage.open({ handler() {} });
    const refusal = expect.objectContaining({
      code: "BAD_DATA",
      message: expect.stringContaining('handle the "info" event'),
    });
    expect(() => stage.server[verb](10, () => {})).toThrow(refusal);
    expect(() => stage.server[verb](10, () => {})).toThrow(SendallError);
    expect(stage.clock.alarms).toBe(0);
  });
});
