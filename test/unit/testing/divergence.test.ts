/** `explore` reports no trace when a run, played again by its seed, is another run: something outlives a run, or is not seeded. */
import type { HandlerFunction } from "sendall";
import { ExploreFailure, type ExploreOptions, explore, type Scenario } from "sendall/testing";
import { describe, expect, test } from "vitest";

async function failureOf(scenario: Scenario, options: ExploreOptions = {}): Promise<ExploreFailure> {
  const error: unknown = await explore(scenario, options).catch((failure: unknown) => failure);
  if (error instanceof ExploreFailure) return error;
  throw error ?? new Error("the scenario passes");
}

const ADVICE = [
  "What it may be: state outside the scenario (a variable or a Map of a module, a file, a database), Math.random, Date.now,",
  "real timers or sockets. Make all state within the scenario, take chance from its `random` and time from `bus`, then explore again.",
];

/** Gives each nickname to a single client, out of a table that the caller keeps. */
function createNicks(taken: Map<string, string>): HandlerFunction {
  return (event, bus) => {
    if (event.type !== "message") return;
    const isFree = !taken.has(event.text);
    if (isFree) taken.set(event.text, event.connection.id);
    bus.unicast(isFree ? "yours" : "taken", event.connection);
  };
}

async function askForNick(handler: HandlerFunction, runtime: Parameters<Scenario>[0]["runtime"]): Promise<void> {
  const chat = runtime({ handler });
  const ann = await chat.connect({ name: "ann" });
  ann.send("neo");
  await chat.settle();
  if (ann.received[0] !== "yours") throw new Error("ann got no nick");
}

describe("explore", () => {
  test("tells of a table that outlives a run, and shows no trace: the run that passed at first fails when played again", async () => {
    const taken = new Map<string, string>();
    const failure = await failureOf(({ runtime }) => askForNick(createNicks(taken), runtime));
    expect(failure.message.split("\n")).toEqual([
      "something outlives a run, or is not seeded: the run with seed 1 came out differently when it was played again",
      "  at first: passes",
      "  again:    fails with Error: ann got no nick",
      '  step 5 at first: ann reads "yours"',
      '  step 5 again:    ann reads "taken"',
      "The run with seed 2 fails: ann got no nick",
      ...ADVICE,
    ]);
    const { seed, trace, divergence, cause } = failure;
    expect([seed, trace, cause]).toEqual([2, [], new Error("ann got no nick")]);
    expect(divergence).toEqual({
      seed: 1,
      first: "passes",
      again: "fails with Error: ann got no nick",
      step: 5,
    });
  });

  test("tells nothing of the kind if the same table is made within the scenario", async () => {
    await explore(({ runtime }) => askForNick(createNicks(new Map()), runtime));
  });

  test("tells of a failing run that passes when played again", async () => {
    let runs = 0;
    const scenario: Scenario = async ({ runtime }) => {
      await runtime({ handler() {} }).connect({ name: "ann" });
      if (++runs === 3) throw new Error("the third run");
    };
    const { seed, divergence, message } = await failureOf(scenario, { seed: 10 });
    expect([seed, divergence]).toEqual([
      12,
      { seed: 12, first: "fails with Error: the third run", again: "passes", step: 3 },
    ]);
    expect(message.split("\n")).toEqual([
      "something outlives a run, or is not seeded: the run with seed 12 came out differently when it was played again",
      "  at first: fails with Error: the third run",
      "  again:    passes",
      "  step 3 at first: the end",
      "  step 3 again:    ann reads close 1001 going away",
      ...ADVICE,
    ]);
  });

  test("tells of a run that fails in the same way with another trace", async () => {
    let sent = 0;
    const scenario: Scenario = async ({ runtime }) => {
      const chat = runtime({ handler: (event, bus) => event.type === "open" && bus.sendall(`number ${++sent}`) });
      await chat.connect({ name: "ann" });
      throw new Error("always");
    };
    const { divergence, trace } = await failureOf(scenario, { runs: 1 });
    const end = "fails with Error: always";
    expect([divergence, trace]).toEqual([{ seed: 1, first: end, again: end, step: 3 }, []]);
  });

  test("tells of a run that fails with the same trace in another way, as far as the ends differ", async () => {
    let runs = 0;
    const scenario: Scenario = () => {
      throw new Error(`not equal\n\n+ ${++runs}\n- 0`);
    };
    const { divergence, message } = await failureOf(scenario, { runs: 1 });
    expect(divergence).toMatchObject({ first: "fails with Error: not equal\n\n+ 1\n- 0", step: undefined });
    expect(message).toContain("+ 2");
    expect(message).toContain("the traces are the same");
    const classes = [TypeError, RangeError];
    const other = await failureOf(
      () => {
        throw new (classes.shift() ?? Error)("no");
      },
      { runs: 1 },
    );
    expect(other.divergence).toMatchObject({ first: "fails with TypeError: no", again: "fails with RangeError: no" });
  });

  test("tells of what outlives a run also if it shows only in the runs that look for the shortest trace", async () => {
    let runs = 0;
    const scenario: Scenario = async ({ runtime }) => {
      // The failing run, and the same run played again, are alike.
      if (++runs > 2) throw new Error("the state is spoilt");
      const chat = runtime({ handler() {} });
      await chat.connect({ name: "ann" });
      throw new Error("always");
    };
    const { divergence, trace, cause } = await failureOf(scenario, { runs: 1 });
    expect([trace, cause]).toEqual([[], new Error("always")]);
    expect(divergence).toEqual({
      seed: 1,
      first: "fails with Error: always",
      again: "fails with Error: the state is spoilt",
      step: 1,
    });
  });

  test("tells of a run that hangs at first and passes when played again", async () => {
    let runs = 0;
    const scenario: Scenario = async ({ runtime }) => {
      const isFirst = ++runs === 1;
      const chat = runtime({ handler: (event) => event.type === "open" && isFirst && new Promise(() => {}) });
      await chat.connect({ name: "ann" });
    };
    const { divergence } = await failureOf(scenario, { runs: 1 });
    expect(divergence).toMatchObject({ first: expect.stringContaining("fails with NOT_SETTLED"), again: "passes" });
  });

  test("has a trace, and the message of the failing run, if the handler throws the same error object in every run", async () => {
    const thrown = new Error("boom");
    const scenario: Scenario = async ({ runtime, seed }) => {
      const chat = runtime({
        handler(event) {
          if (event.type === "message" && event.text === "bad") throw thrown;
        },
      });
      const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
      const passes = seed === 1;
      // Messages for the search for a shorter trace to leave out.
      for (let i = 0; i < 5; i++) bob.send("noise");
      (passes ? bob : ann).send("bad");
      await chat.settle().catch((error: unknown) => {
        if (!passes) throw error;
      });
    };
    const { divergence, trace, message } = await failureOf(scenario);
    expect([divergence, trace.at(-1)?.did]).toEqual([undefined, "handles"]);
    expect(message.split("\n")[0]).toBe(
      'the run with seed 2 fails: boom (in the "message" event of ann (connection-1))',
    );
  });
});
