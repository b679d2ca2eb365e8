/** Dialled clients in explored scenarios: the seed decides on their deliveries, cuts and delays, as on those of test clients. */
import type { HandlerFunction } from "sendall";
import { ExploreFailure, type ExploreOptions, explore, type Scenario } from "sendall/testing";
import { describe, expect, test } from "vitest";

const FAULTS = ["disconnect", "reset", "stall"] as const;

/** Three clients speak once a round; each message is read by two dialled clients. */
const ROUNDS = 3;
const READINGS = ROUNDS * 3 * 2;

const chat: HandlerFunction = (event, bus) => {
  if (event.type === "message") bus.sendall(event.text);
};

/** What was seen of a run. */
interface Seen {
  readonly seed: number;
  /** What the server and the clients did, with the time. */
  readonly log: readonly string[];
  /** How often the dialled clients have opened. */
  readonly opens: number;
  readonly states: readonly string[];
}

/** Two dialled clients and a plain client talk, for as long as a few returns take. */
async function talk(options: ExploreOptions): Promise<Seen[]> {
  const seen: Seen[] = [];
  const scenario: Scenario = async ({ runtime, seed }) => {
    const log: string[] = [];
    const server = runtime({
      heartbeat: false,
      handler(event, bus) {
        log.push(`${bus.now()} ${event.type} ${event.type === "message" ? event.text : ""}`);
        chat(event, bus);
      },
    });
    let opens = 0;
    const [ann, bob] = ["ann", "bob"].map((name) =>
      server.dial("/", {
        name,
        onOpen: () => void opens++,
        onMessage: (data) => log.push(`${server.now()} ${name} reads ${data}`),
        onClose: ({ code }) => log.push(`${server.now()} ${name} closed ${code}`),
      }),
    );
    const eve = await server.connect({ name: "eve" });
    await server.settle();
    for (let i = 0; i < ROUNDS; i++) {
      for (const [name, client] of Object.entries({ ann, bob, eve })) client?.send(`${name} ${i}`);
      await server.advance(3_000);
    }
    const said = log.filter((line) => line.includes(" message ")).map((line) => line.split(" message ")[1]);
    // Whoever was there for a message read it once, in the server's order.
    for (const client of [ann, bob, eve]) {
      const read = said.filter((text) => client?.received.includes(text as string));
      expect(client?.received).toEqual(read);
    }
    seen.push({ seed, log, opens, states: [String(ann?.state), String(bob?.state)] });
  };
  await explore(scenario, options);
  return seen;
}

describe("dialled clients under explore", () => {
  test("stay without faults, and everybody reads everything", async () => {
    const seen = await talk({ runs: 50 });
    expect(seen.every(({ opens, states }) => opens === 2 && states.join() === "open,open")).toBe(true);
    const lengths = new Set(seen.map(({ log }) => log.filter((line) => line.includes(" reads ")).length));
    expect(lengths).toEqual(new Set([READINGS]));
    expect(new Set(seen.map(({ log }) => log.join())).size).toBeGreaterThan(10);
  });

  test("are cut by faults, come back in virtual time, and do the same again from the same seed, over 200 seeds", async () => {
    const seen = await talk({ runs: 200, faults: FAULTS });
    expect(seen.length).toBe(200);
    expect(seen.filter(({ opens }) => opens > 2).length).toBeGreaterThan(100);
    expect(seen.some(({ states }) => states.includes("waiting"))).toBe(true);
    expect(await talk({ runs: 200, faults: FAULTS })).toEqual(seen);
  });

  test("are stalled by faults, and stay connected unless the stall is longer than the server's limit", async () => {
    const seen = await talk({ runs: 50, faults: ["stall"] });
    expect(seen.filter(({ opens }) => opens === 2).length).toBeGreaterThan(25);
    expect(seen.some(({ log }) => log.filter((line) => line.includes(" reads ")).length < READINGS)).toBe(true);
  });

  test("are named in traces, on each of their connections, and the seed gives the same trace", async () => {
    const scenario: Scenario = async ({ runtime }) => {
      const server = runtime({ handler: chat });
      let opens = 0;
      const ann = server.dial("/room", { name: "ann", onOpen: () => void opens++ });
      await server.settle();
      ann.send("hi");
      await server.advance(20_000);
      if (opens > 1) throw new Error("ann has come back");
    };
    const failureOf = async (options: ExploreOptions): Promise<ExploreFailure> => {
      const failure: unknown = await explore(scenario, { faults: FAULTS, ...options }).catch((error) => error);
      if (!(failure instanceof ExploreFailure)) throw failure;
      return failure;
    };
    const { seed, trace } = await failureOf({ runs: 200 });
    const lines = trace.map(({ actor, did, what }) => `${actor} ${did} ${what}`.trim());
    expect(lines.filter((line) => line === "ann connects /room").length).toBe(2);
    expect(lines.some((line) => line === "ann goes offline" || line === "ann is reset")).toBe(true);
    expect(lines.join()).toContain("closed of ann");
    expect(lines.some((line) => line.startsWith("time goes on"))).toBe(true);
    expect((await failureOf({ runs: 1, seed })).trace).toEqual(trace);
  });

  test("end with the run, whether the scenario passes or fails", async () => {
    const states: (() => string)[] = [];
    const scenario: Scenario = async ({ runtime, seed }) => {
      const [used, unused] = [runtime({ handler: chat }), runtime({ handler: chat })];
      const clients = [used.dial(), used.dial(), used.dial(), used.dial(), unused.dial()];
      states.push(() => clients.map(({ state }) => state).join());
      await used.settle();
      clients[0]?.disconnect();
      clients[1]?.vanish();
      used.server.connections()[2]?.terminate();
      if (seed === 40) throw new Error("enough");
    };
    await expect(explore(scenario, { runs: 40 })).rejects.toThrow("enough");
    expect(new Set(states.map((state) => state()))).toEqual(new Set(["closed,closed,closed,closed,closed"]));
  });

  test("end with the run also if the server's cut is on its way when the server has closed", async () => {
    const states: (() => string)[] = [];
    const scenario: Scenario = async ({ runtime }) => {
      const server = runtime({ handler: chat });
      const client = server.dial();
      states.push(() => client.state);
      await server.settle();
      server.server.connections()[0]?.terminate();
    };
    await explore(scenario, { runs: 100 });
    expect(new Set(states.map((state) => state()))).toEqual(new Set(["closed"]));
  });

  test("end with the run also on a runtime of which nothing else was asked", async () => {
    const states: (() => string)[] = [];
    const scenario: Scenario = ({ runtime, seed }) => {
      const client = runtime({ handler: chat }).dial();
      states.push(() => client.state);
      if (seed === 2) throw new Error("enough");
    };
    await expect(explore(scenario, { runs: 2 })).rejects.toThrow("enough");
    expect(new Set(states.map((state) => state()))).toEqual(new Set(["closed"]));
  });
});
