/** Several test runtimes over `memory()`: they share their time, a node can be killed, and `explore` kills nodes as a fault. */
import { setTimeout } from "node:timers";
import type { ClusterAdapter, HandlerFunction } from "sendall";
import {
  createTestRuntime,
  ExploreFailure,
  type ExploreOptions,
  explore,
  type Scenario,
  type TestRuntime,
  type TestRuntimeOptions,
} from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { describe, expect, onTestFinished, test } from "vitest";

const sendall: HandlerFunction = (event, bus) => {
  if (event.type === "message") bus.sendall(event.text);
};

/** What a test waits for. */
class Signal {
  give: () => void = () => {};
  readonly given = new Promise<void>((resolve) => {
    this.give = resolve;
  });
}

/** Two nodes of a cluster of their own, closed after the test. */
function pair(options: Partial<TestRuntimeOptions> = {}): [TestRuntime, TestRuntime] {
  const cluster = memory();
  const create = (): TestRuntime => {
    const runtime = createTestRuntime({ handler: sendall, ...options, cluster } as TestRuntimeOptions);
    onTestFinished(() => runtime.close());
    return runtime;
  };
  return [create(), create()];
}

describe("runtimes of a cluster", () => {
  test("start over an adapter whose link is promised, though the link comes up at once", async () => {
    const engine = memory();
    const cluster: ClusterAdapter = { ...engine, open: async (node) => engine.open(node) };
    const here = createTestRuntime({ handler: sendall, cluster });
    const there = createTestRuntime({ handler: sendall, cluster });
    const [ann, bob] = [await here.connect(), await there.connect()];
    ann.send("hi");
    await here.settle();
    expect([ann.received, bob.received]).toEqual([["hi"], ["hi"]]);
    await Promise.all([here.close(), there.close()]);
  });

  test("share their time: what one settles or advances arrives and rings at all", async () => {
    const [here, there] = pair({
      handler(event, bus) {
        if (event.type === "open") bus.after(100, "alarm");
        if (event.type === "info") bus.sendall(`${bus.now()} ${event.data}`);
        if (event.type === "message") bus.sendall(event.text);
      },
    });
    const [ann, bob] = [await here.connect(), await there.connect()];
    await here.settle();
    ann.send("hi");
    expect(await bob.next()).toBe("hi");
    await there.advance(100);
    expect([here.now(), there.now()]).toEqual([100, 100]);
    expect(ann.take()).toEqual(["hi", "100 alarm", "100 alarm"]);
    expect(bob.take()).toEqual(["100 alarm", "100 alarm"]);
  });

  test("that join later begin at the time of the others; another cluster has another time", async () => {
    const cluster = memory();
    await using first = createTestRuntime({ handler: sendall, cluster });
    await first.advance(1_000);
    await using second = createTestRuntime({ handler: sendall, cluster });
    await using other = createTestRuntime({ handler: sendall, cluster: memory() });
    await using alone = createTestRuntime({ handler: sendall });
    expect([second.now(), other.now(), alone.now()]).toEqual([1_000, 0, 0]);
  });

  test("have connections with different ids, and nodes whose names are in the order of their start", async () => {
    const [here, there] = pair();
    const ids = [(await here.connect()).id, (await there.connect()).id, (await here.connect()).id];
    expect(new Set(ids.map((id) => id.split(".")[1])).size).toBe(3);
    const [a = "", b = ""] = [here, there].map((node) => node.server.stats().cluster?.node);
    expect(a).toMatch(/^[0-9a-f]{12}$/);
    expect(b > a).toBe(true);
  });
});

describe("a killed runtime", () => {
  test("cuts its clients after what they were sent, and handles and sends nothing more", async () => {
    const handled: string[] = [];
    const [here, there] = pair({
      handler(event, bus) {
        handled.push(event.type);
        if (event.type === "open") bus.after(5_000, "alarm");
        sendall(event, bus);
      },
    });
    const [ann, bob] = [await here.connect(), await there.connect()];
    await here.settle();
    here.server.sendall("before");
    await here.settle();
    ann.send("too late");
    here.server.sendall("never flushed");
    handled.length = 0;
    here.kill();
    expect(here.isKilled).toBe(true);
    here.kill();
    await there.advance(100_000);
    expect([ann.received, ann.closed?.code]).toEqual([["before"], 1006]);
    // The alarm is the other node's.
    expect([bob.received, bob.closed, handled]).toEqual([["before"], undefined, ["info"]]);
  });

  test("is no node any more: the others get nothing of it, and it gets nothing of the others", async () => {
    const [here, there] = pair();
    const [ann, bob] = [await here.connect(), await there.connect()];
    await here.settle();
    here.kill();
    here.server.sendall("from the dead");
    bob.send("to the living");
    await there.settle();
    expect([ann.received, bob.received]).toEqual([[], ["to the living"]]);
    expect(here.server.stats().cluster?.received).toBe(0);
    expect([here.server.isReady, there.server.isReady]).toEqual([false, true]);
  });

  test("refuses clients, and a dialled client goes on trying until the runtime is closed", async () => {
    const runtime = createTestRuntime({ handler: sendall });
    const bob = runtime.dial("/", { reconnect: { minMs: 1_000, jitter: 0 } });
    await runtime.settle();
    expect(bob.state).toBe("open");
    runtime.kill();
    await runtime.settle();
    expect(bob.state).toBe("waiting");
    await expect(runtime.connect()).rejects.toMatchObject({ code: "REFUSED", status: 503 });
    await runtime.advance(60_000);
    expect(bob.state).toBe("waiting");
    await runtime.close();
    expect([bob.state, runtime.now()]).toEqual(["closed", 60_000]);
  });

  test("answers nobody who waits for its decision", async () => {
    const asked = new Signal();
    let calls = 0;
    const authorize = (): Promise<never> => {
      if (++calls === 2) asked.give();
      return new Promise(() => {});
    };
    const runtime = createTestRuntime({ handler: sendall, authorize });
    const ann = runtime.connect();
    const bob = runtime.dial("/", { reconnect: false });
    ann.catch(() => {});
    const settled = runtime.settle();
    await asked.given;
    runtime.kill();
    await settled;
    await expect(ann).rejects.toMatchObject({ code: "REFUSED" });
    expect(bob.state).toBe("closed");
    await runtime.close();
  });

  test("does not wait for its handlers, which get no further event whatever they awaited", async () => {
    const handled: string[] = [];
    const [started, outside] = [new Signal(), new Signal()];
    const runtime = createTestRuntime({
      async handler(event) {
        if (event.type !== "message") return;
        handled.push(event.text);
        started.give();
        await outside.given;
        throw new Error("nobody is told");
      },
    });
    const ann = await runtime.connect();
    ann.send("1");
    ann.send("2");
    const settled = runtime.settle();
    await started.given;
    runtime.kill();
    await settled;
    outside.give();
    await runtime.advance(60_000);
    expect(handled).toEqual(["1"]);
    await runtime.close();
  });

  test("takes the timers of its handlers along, and leaves no listener at the process", async () => {
    const before = process.listenerCount("unhandledRejection");
    let rings = 0;
    const runtime = createTestRuntime({
      handler: (event) => event.type === "open" && void setTimeout(() => rings++, 1),
    });
    await runtime.connect();
    rings = 0;
    runtime.kill();
    await runtime.close();
    expect(process.listenerCount("unhandledRejection")).toBe(before);
    // A timer of the same length that was set later rings later.
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(rings).toBe(0);
  });

  test("may be killed before it starts, while it starts, and while it closes", async () => {
    const never = { init: () => new Promise<void>(() => {}), handle() {} };
    const early = createTestRuntime({ handler: never });
    early.kill();
    await expect(early.connect()).rejects.toMatchObject({ code: "REFUSED" });
    await early.close();

    const starting = createTestRuntime({ handler: never });
    const connecting = starting.connect();
    connecting.catch(() => {});
    await Promise.resolve();
    starting.kill();
    await expect(connecting).rejects.toMatchObject({ code: "REFUSED" });
    await starting.close();

    const closing = createTestRuntime({ handler: sendall, failures: "supervise" });
    const ann = await closing.connect();
    ann.stall();
    const closed = closing.close();
    closing.kill();
    await closed;
    expect([ann.closed?.code, closing.now()]).toEqual([1006, 0]);
  });
});

async function failureOf(scenario: Scenario, options: ExploreOptions): Promise<ExploreFailure> {
  const failure: unknown = await explore(scenario, options).catch((error) => error);
  if (failure instanceof ExploreFailure) return failure;
  throw failure;
}

describe('the fault "node gone"', () => {
  /** Three nodes speak for a while. @returns which nodes were killed, and when, in each run */
  async function killed(faults: ExploreOptions["faults"]): Promise<{ nodes: boolean[]; said: number }[]> {
    const found: { nodes: boolean[]; said: number }[] = [];
    const scenario: Scenario = async ({ runtime }) => {
      const cluster = memory();
      const nodes = [0, 1, 2].map(() => runtime({ handler: sendall, cluster }));
      const connecting = nodes.map((node, i) => node.connect({ name: `client-${i}` }).catch(() => undefined));
      const clients = await Promise.all(connecting);
      let said = 0;
      for (; said < 10 && nodes.every(({ isKilled }) => !isKilled); said++) {
        for (const client of clients) client?.send(`${said}`);
        await nodes[0]?.settle();
      }
      found.push({ nodes: nodes.map(({ isKilled }) => isKilled), said });
      for (const [i, client] of clients.entries()) if (!nodes[i]?.isKilled) expect(client?.closed).toBe(undefined);
    };
    await explore(scenario, { runs: 200, ...(faults && { faults }) });
    return found;
  }

  test("does not happen unless it is asked for", async () => {
    const runs = await killed(["disconnect"]).catch(() => []);
    expect([...runs, ...(await killed(undefined))].every(({ nodes }) => !nodes.includes(true))).toBe(true);
  });

  test("kills any node but the last one, sooner or later or not at all, and the same again from the same seed", async () => {
    const runs = await killed(["node gone"]);
    const fates = new Set(runs.map(({ nodes }) => nodes.map(Number).join("")));
    expect(fates).toEqual(new Set(["000", "100", "010", "001", "110", "101", "011"]));
    expect(new Set(runs.map(({ said }) => said)).size).toBe(11);
    expect(await killed(["node gone"])).toEqual(runs);
  });

  test("does not happen to a single runtime", async () => {
    await explore(
      async ({ runtime }) => {
        const node = runtime({ handler: sendall, cluster: memory() });
        const ann = await node.connect();
        for (let i = 0; i < 20; i++) ann.send(`${i}`);
        await node.settle();
        expect(ann.received.length).toBe(20);
      },
      { runs: 50, faults: ["node gone"] },
    );
  });

  test("is a line of the shortest trace, which names the server", async () => {
    const scenario: Scenario = async ({ runtime }) => {
      const cluster = memory();
      const [here, there] = [runtime({ handler: sendall, cluster }), runtime({ handler: sendall, cluster })];
      const ann = await here.connect({ name: "ann" });
      const bob = await there.connect({ name: "bob" }).catch(() => undefined);
      ann.send("1");
      bob?.send("2");
      await here.settle();
      if (bob?.received.includes("2") && bob.closed?.code === 1006) throw new Error("bob was cut off");
    };
    const { trace, seed, divergence } = await failureOf(scenario, { runs: 300, faults: ["node gone", "stall"] });
    const lines = trace.map(({ actor, did, what }) => `${actor} ${did} ${what}`.trim());
    expect(lines).toContain("server-2 is killed");
    expect(lines).toContain("bob is cut off");
    expect(lines).toContain("server handles open of ann");
    expect(lines).toContain("server-2 handles open of bob");
    // Without ann's reading the trace may be shorter still; the other server has no part in the failure.
    expect(lines).not.toContain("server is killed");
    expect(divergence).toBe(undefined);
    const again = await failureOf(scenario, { runs: 1, seed, faults: ["node gone", "stall"] });
    expect(again.trace).toEqual(trace);
  });
});
