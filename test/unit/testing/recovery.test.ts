/** How explored scenarios go on after a fault: virtual time passes until the clients are back, and their faults are told in traces. */
import type { HandlerFunction } from "sendall";
import {
  ExploreFailure,
  type ExploreOptions,
  explore,
  type Scenario,
  type TestRuntimeOptions,
  type TraceStep,
} from "sendall/testing";
import { describe, expect, test } from "vitest";

const FAULTS = ["stall", "disconnect", "reset", "vanish"] as const;
const heartbeat = { intervalMs: 20_000, timeoutMs: 10_000 };

/** Each message goes to its sender alone; whoever has left is told of to everybody. */
const echo: HandlerFunction = (event, bus) => {
  if (event.type === "message") bus.unicast(event.data, event.connection);
  if (event.type === "closed") bus.sendall("somebody left");
};

async function failureOf(scenario: Scenario, options: ExploreOptions): Promise<ExploreFailure> {
  const failure: unknown = await explore(scenario, options).catch((error) => error);
  if (failure instanceof ExploreFailure) return failure;
  throw failure;
}

/** The lines of a trace about one actor, without their numbers. */
function linesOf(trace: readonly TraceStep[], name: string): string[] {
  return trace.filter(({ actor }) => actor === name).map(({ did, what }) => `${did} ${what}`.trimEnd());
}

/** When a client is open again that a single fault has hit before the scenario settles. */
async function returns(faults: ExploreOptions["faults"], options: Partial<TestRuntimeOptions> = {}): Promise<number[]> {
  const times: number[] = [];
  await explore(
    async ({ runtime }) => {
      const server = runtime({ heartbeat, handler: echo, ...options } as TestRuntimeOptions);
      let opens = 0;
      const ann = server.dial("/", { reconnect: { minMs: 1_000, jitter: 0 }, onOpen: () => void opens++ });
      await server.settle();
      expect(ann.state).toBe("open");
      if (opens === 1 && server.now() > 0) times.push(server.now());
    },
    { runs: 300, ...(faults && { faults }) },
  );
  return times.toSorted((a, b) => a - b);
}

describe("after a fault, settle", () => {
  test("lets no time pass if there is none", async () => {
    expect(await returns([])).toEqual([]);
  });

  test.each(["disconnect", "reset"] as const)("waits for the next attempt of a dialled client (%s)", async (fault) => {
    const times = await returns([fault]);
    expect(times.length).toBeGreaterThan(10);
    expect(times[0]).toBe(1_000);
  });

  test("waits until a dialled client whose request or answer has vanished gives the attempt up, and makes the next", async () => {
    const times = await returns(["vanish"]);
    // The answer may take 30 s, the welcome 10 s.
    expect(times[0]).toBe(11_000);
    expect(times).toContain(31_000);
  });

  test("waits for a dialled client that finds out by the silence of the server, also in another runtime of the scenario", async () => {
    let found = 0;
    await explore(
      async ({ runtime }) => {
        const [server, other] = [runtime({ heartbeat, handler: echo }), runtime({ handler: echo })];
        const ann = server.dial("/", { name: "ann", reconnect: { minMs: 1_000, jitter: 0 } });
        await other.settle();
        await server.settle();
        ann.send("hi");
        await other.settle();
        expect(ann.state).toBe("open");
        // A server that is silent for the interval and the time-out counts as gone.
        if (server.now() === 31_000) found++;
      },
      { runs: 300, faults: ["vanish"] },
    );
    expect(found).toBeGreaterThan(10);
  });

  test("does not wait for a dialled client that cannot find out, nor for one that has ended", async () => {
    const states = new Set<string>();
    await explore(
      async ({ runtime }) => {
        const server = runtime({ heartbeat: false, handler: echo });
        const [ann, bob] = [server.dial("/", { session: false }), server.dial("/", { reconnect: false })];
        await server.settle();
        await server.advance(1_000);
        const before = server.now();
        ann.send("hi");
        bob.send("hi");
        await server.settle();
        if (ann.received.length === 0 && server.now() === before) states.add(ann.state);
        if (bob.state === "closed" && server.now() === before) states.add(bob.state);
      },
      { runs: 300, faults: ["vanish", "reset"] },
    );
    expect(states).toEqual(new Set(["open", "closed"]));
  });

  test("and every other wait of the scenario goes on: for opened, and for a promise of its own", async () => {
    await explore(
      async ({ runtime }) => {
        const server = runtime({ heartbeat, handler: echo });
        let tell: () => void = () => {};
        const told = new Promise<void>((resolve) => {
          tell = resolve;
        });
        const ann = server.dial("/", { onOpen: () => ann.send("hi"), onMessage: () => tell() });
        await ann.opened;
        await told;
      },
      { runs: 200, faults: FAULTS },
    );
  });
});

describe("after a fault, next", () => {
  test("waits until the server has noticed that a plain client is gone", async () => {
    const times = new Set<number>();
    await explore(
      async ({ runtime }) => {
        const server = runtime({ heartbeat, handler: echo });
        const [ann, bob] = [await server.connect({ name: "ann" }), await server.connect({ name: "bob" })];
        bob.send("hi");
        await server.settle();
        if (bob.received.length > 0 || ann.closed !== undefined) return;
        const told = await Promise.race([ann.next(), bob.next()]).catch(() => undefined);
        if (told === "somebody left") times.add(server.now());
      },
      { runs: 300, faults: ["vanish"] },
    );
    // The interval and the time-out of the heartbeat.
    expect(times).toEqual(new Set([30_000]));
  });

  test("lets no time pass without faults: a message that cannot come is refused at once", async () => {
    await explore(
      async ({ runtime }) => {
        const server = runtime({ heartbeat, handler: echo });
        const ann = await server.connect({ name: "ann" });
        const bob = server.dial("/", { name: "bob" });
        await server.settle();
        bob.vanish();
        await expect(ann.next()).rejects.toMatchObject({ code: "NO_MESSAGE" });
        expect(server.now()).toBe(0);
      },
      { runs: 20 },
    );
  });
});

describe("attempts of dialled clients under faults", () => {
  test("may reach the server when their client has given them up: the newer attempt came first", async () => {
    const scenario: Scenario = async ({ runtime }) => {
      const order: number[] = [];
      const server = runtime({
        heartbeat,
        authorize({ headers }) {
          order.push(Number(headers["x-attempt"]));
        },
        handler() {},
      });
      let attempt = 0;
      const headers = (): Record<string, string> => ({ "x-attempt": String(++attempt) });
      server.dial("/", { name: "ann", reconnect: { minMs: 1_000, jitter: 0 }, headers });
      await server.advance(5_000);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    };
    const { trace } = await failureOf(scenario, { runs: 1_000, faults: ["disconnect"] });
    expect(linesOf(trace, "ann").slice(0, 3)).toEqual(["goes offline", "dials /", "connects /"]);
  });

  test("may have let a client in that does not learn of it", async () => {
    const { trace } = await failureOf(
      async ({ runtime }) => {
        const events: string[] = [];
        const server = runtime({ heartbeat, handler: ({ type }) => void events.push(type) });
        let opens = 0;
        server.dial("/room", { name: "ann", onOpen: () => void opens++ });
        await server.settle();
        const connections = events.filter((type) => type === "open").length;
        if (opens < connections) throw new Error("the server has let in one more");
      },
      { runs: 1_000, faults: ["vanish"] },
    );
    const lines = linesOf(trace, "ann");
    expect(lines.slice(0, 3)).toEqual(["dials /room", "connects /room", "vanishes"]);
    expect(lines.filter((line) => line === "connects /room").length).toBe(2);
  });
});

describe("sessions under faults", () => {
  const resume = { graceMs: 60_000 };

  test("lose nothing: everything has arrived when the scenario has settled", async () => {
    await explore(
      async ({ runtime }) => {
        const handler: HandlerFunction = (event, bus) =>
          event.type === "message" && bus.unicast(event.data, event.connection);
        const server = runtime({ heartbeat, resume, handler });
        const ann = server.dial("/", { name: "ann" });
        await server.settle();
        for (const text of ["1", "2", "3"]) ann.send(text);
        await server.settle();
        expect(ann.received).toEqual(["1", "2", "3"]);
      },
      { runs: 300, faults: ["disconnect", "reset", "vanish"] },
    );
  });

  test("are told of in traces: a client goes away, and comes back", async () => {
    const { trace, message } = await failureOf(
      async ({ runtime }) => {
        const server = runtime({ heartbeat, resume, handler() {} });
        server.dial("/", { name: "ann" });
        await server.settle();
        if (server.server.stats().resumed > 0) throw new Error("has come back");
      },
      { runs: 300, faults: ["reset"] },
    );
    const lines = linesOf(trace, "ann").filter((line) => !line.startsWith("reads") && !line.startsWith("sends"));
    expect(lines.slice(-5)).toEqual(["fails reset by the client", "goes away", "dials /", "connects /", "comes back"]);
    expect(message).toMatch(/ann +goes away\n/);
    expect(message).not.toContain("token");
  });

  test("that nobody takes up again end while a scenario waits for that: next goes on to the end of graceMs", async () => {
    const times = new Set<number>();
    await explore(
      async ({ runtime }) => {
        const server = runtime({ heartbeat, resume, handler: echo });
        const ann = await server.connect({ name: "ann" });
        const bob = server.dial("/", { name: "bob", reconnect: false });
        await server.settle();
        if (bob.state !== "closed" || ann.closed !== undefined || server.server.stats().away === 0) return;
        const told = await ann.next().catch(() => undefined);
        if (told === "somebody left") times.add(server.now());
      },
      { runs: 500, faults: ["disconnect"] },
    );
    // A client that has never sent a frame is given up after 10 s.
    expect(times).toEqual(new Set([10_000, 60_000]));
  });
});

test("a dialled client without a name has the same name on all its connections", async () => {
  const { trace } = await failureOf(
    async ({ runtime }) => {
      const server = runtime({ heartbeat, handler: echo });
      let opens = 0;
      const clients = [server.dial("/a"), server.dial("/b", { onOpen: () => void opens++ })];
      await server.settle();
      expect(clients.map(({ state }) => state)).toEqual(["open", "open"]);
      if (opens > 1) throw new Error("has come back");
    },
    { runs: 500, faults: ["reset"] },
  );
  const lines = linesOf(trace, "dialled-client-2");
  expect(lines.filter((line) => line === "connects /b").length).toBe(2);
  expect(lines).toContain("is reset");
});
