/** `explore`: which failures it finds, what a failure says, and that a seed plays the same run again. */
import type { HandlerFunction } from "sendall";
import { ExploreFailure, type ExploreOptions, explore, type Scenario } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";

afterEach(() => {
  vi.unstubAllEnvs();
});

async function failureOf(scenario: Scenario, options: ExploreOptions = {}): Promise<ExploreFailure> {
  const error: unknown = await explore(scenario, options).then(
    () => new Error("it passes"),
    (failure) => failure,
  );
  if (error instanceof ExploreFailure) return error;
  throw error;
}

/** Sends each message to everybody. */
const sendall: HandlerFunction = (event, bus) => {
  if (event.type === "message") bus.sendall(event.text);
};

/** Fails in every order in which bob's message is handled first. */
const order: Scenario = async ({ runtime }) => {
  const chat = runtime({ handler: sendall });
  const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
  ann.send("from ann");
  bob.send("from bob");
  await chat.settle();
  if (ann.received[0] === "from bob") throw new Error("bob came first");
};

/** A table of nicks, with an `await` between reading and writing it. */
const nicks: Scenario = async ({ runtime }) => {
  const table = new Map<string, string>();
  const chat = runtime({
    concurrency: "connection",
    async handler(event, bus) {
      if (event.type !== "message") return;
      const isFree = !table.has(event.text);
      await null;
      if (isFree) table.set(event.text, event.connection.id);
      bus.unicast(isFree ? "yours" : "taken", event.connection);
    },
  });
  const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
  ann.send("neo");
  bob.send("neo");
  await chat.settle();
  expect([...ann.received, ...bob.received].toSorted()).toEqual(["taken", "yours"]);
};

describe("a failure of a scenario", () => {
  test("has the seed, the thrown error, who did what, and how to play the run again", async () => {
    const failure = await failureOf(order);
    expect(failure).toBeInstanceOf(Error);
    expect(failure.cause).toEqual(new Error("bob came first"));
    const { seed, trace, message } = failure;
    expect(trace).toEqual([
      { step: 1, actor: "ann", did: "connects", what: "/" },
      { step: 2, actor: "server", did: "handles", what: "open of ann" },
      { step: 3, actor: "bob", did: "connects", what: "/" },
      { step: 4, actor: "server", did: "handles", what: "open of bob" },
      { step: 5, actor: "bob", did: "sends", what: '"from bob"' },
      { step: 6, actor: "ann", did: "sends", what: '"from ann"' },
      { step: 7, actor: "server", did: "handles", what: "message of bob, message of ann" },
      { step: 8, actor: "ann", did: "reads", what: '"from bob", "from ann"' },
      { step: 9, actor: "bob", did: "reads", what: '"from bob", "from ann"' },
    ]);
    expect(JSON.parse(JSON.stringify(trace))).toEqual(trace);
    expect(message.split("\n")).toEqual([
      `the run with seed ${seed} fails: bob came first`,
      "  1  ann     connects /",
      "  2  server  handles open of ann",
      "  3  bob     connects /",
      "  4  server  handles open of bob",
      '  5  bob     sends "from bob"',
      '  6  ann     sends "from ann"',
      "  7  server  handles message of bob, message of ann",
      '  8  ann     reads "from bob", "from ann"',
      '  9  bob     reads "from bob", "from ann"',
      `to play it again: explore(scenario, { runs: 1, seed: ${seed} }), or SENDALL_SEED=${seed} in the environment`,
    ]);
  });

  test("is played again by its seed, with the same trace", async () => {
    const { seed, trace, message } = await failureOf(order, { seed: 100 });
    expect(seed).toBeGreaterThanOrEqual(100);
    const again = await failureOf(order, { runs: 1, seed });
    expect([again.seed, again.trace, again.message]).toEqual([seed, trace, message]);
  });

  test("has the trace of the shortest run found, without steps that have nothing to do with the failure", async () => {
    const scenario: Scenario = async ({ runtime }) => {
      const chat = runtime({
        handler(event, bus) {
          if (event.type === "message") bus.sendall(event.text);
          if (event.type === "message" && event.text === "bad") throw new Error("a bad message");
        },
      });
      const [ann, bob, eve] = [
        await chat.connect({ name: "ann" }),
        await chat.connect({ name: "bob" }),
        await chat.connect({ name: "eve" }),
      ];
      for (let i = 0; i < 10; i++) for (const client of [bob, eve]) client.send(`noise ${i}`);
      ann.send("bad");
      await chat.settle();
    };
    for (const seed of [1, 2, 3, 4, 5]) {
      const { trace } = await failureOf(scenario, { seed, faults: ["stall", "disconnect"] });
      expect(trace.map(({ actor, did, what }) => `${actor} ${did} ${what}`)).toEqual([
        "ann connects /",
        "server handles open of ann",
        "bob connects /",
        "server handles open of bob",
        "eve connects /",
        "server handles open of eve",
        'ann sends "bad"',
        'server handles message of ann, "message" fails',
      ]);
    }
  });

  test("has a trace that ends with the failure: a runtime that the scenario disposes of is closed later", async () => {
    let server: { readonly isReady: boolean } | undefined;
    const { trace } = await failureOf(
      async ({ runtime }) => {
        await using chat = runtime({ handler: sendall });
        ({ server } = chat);
        await chat.connect({ name: "ann" });
        throw new Error("at once");
      },
      { runs: 1 },
    );
    expect([trace.length, server?.isReady]).toEqual([2, false]);
  });

  test("of a race around an await is found, in at most 12 steps", async () => {
    const { trace } = await failureOf(nicks);
    expect(trace.length).toBeLessThanOrEqual(12);
    expect(trace.map(({ actor, did, what }) => `${actor} ${did} ${what}`)).toContain(
      "server handles message of ann, message of bob",
    );
  });

  test("may be a failure of its handler, also a failure that shows only when the server closes", async () => {
    const handler: HandlerFunction = (event) => {
      if (event.type === "closed") throw new Error("boom");
    };
    const { cause } = await failureOf(
      async ({ runtime }) => void (await runtime({ handler }).connect({ name: "ann" })),
    );
    expect(cause).toEqual(new Error('boom (in the "closed" event of ann (connection-1))'));
    const leaky: HandlerFunction = (event) => event.type === "open" && void setTimeout(() => {}, 10_000);
    const leak = await failureOf(async ({ runtime }) => void (await runtime({ handler: leaky }).connect()));
    expect(leak.cause).toMatchObject({ code: "TIMER_LEAKED" });
  });

  test("that hangs names what hangs, the handler or the scenario", async () => {
    const hanging = await failureOf(async ({ runtime }) => {
      const chat = runtime({ handler: (event) => event.type === "message" && new Promise(() => {}) });
      (await chat.connect({ name: "ann" })).send("go");
      await chat.settle();
    });
    expect(hanging.cause).toMatchObject({ code: "NOT_SETTLED" });
    expect(hanging.message).toContain('has not finished its "message" event of ann (connection-1)');
    expect(hanging.trace.at(-1)).toEqual({ step: 4, actor: "server", did: "handles", what: "message of ann" });
    const { message } = await failureOf(() => new Promise(() => {}));
    expect(message).toContain("the scenario waits for something outside the runtime");
  });

  test("that never ends names maxSteps, also if the scenario has caught the error", async () => {
    const scenario: Scenario = async ({ runtime }) => {
      const chat = runtime({
        handler(event, bus) {
          if (event.type !== "closed") bus.tell("again");
        },
      });
      await chat.connect().catch(() => {});
    };
    const { cause, message } = await failureOf(scenario, { maxSteps: 50 });
    expect(cause).toMatchObject({ code: "NOT_SETTLED" });
    expect(message).toContain("maxSteps: the run has not ended after 50 steps");
  });
});

describe("an explored run", () => {
  test("has any order of deliveries that keeps the order of each client's messages", async () => {
    const orders = new Set<string>();
    await explore(
      async ({ runtime }) => {
        const chat = runtime({ handler: sendall });
        const [ann, bob, eve] = [await chat.connect(), await chat.connect(), await chat.connect()];
        ann.send("a");
        ann.send("A");
        bob.send("b");
        await chat.settle();
        for (const { received } of [ann, bob, eve]) expect(received).toEqual(ann.received);
        orders.add(ann.received.join(""));
      },
      { runs: 60 },
    );
    expect([...orders].toSorted()).toEqual(
      ["Aab", "aAb", "abA", "baA"].filter((one) => one.indexOf("a") < one.indexOf("A")),
    );
  });

  test("has turns of the server between deliveries, or not", async () => {
    const writes = new Set<number>();
    await explore(
      async ({ runtime }) => {
        const chat = runtime({ handler: sendall });
        const ann = await chat.connect();
        for (const text of ["1", "2", "3"]) ann.send(text);
        await chat.settle();
        writes.add(chat.server.stats().sent.writes);
      },
      { runs: 60 },
    );
    expect([...writes].toSorted()).toEqual([1, 2, 3]);
  });

  test("rings an alarm before or after deliveries, and alarms of equal time in their order", async () => {
    const seen = new Set<string>();
    await explore(
      async ({ runtime }) => {
        const events: string[] = [];
        const chat = runtime({
          handler(event, bus) {
            if (event.type === "open") for (const data of ["x", "y"]) bus.after(10, data);
            if (event.type === "info") events.push(String(event.data));
            if (event.type === "message") events.push(`${event.text} at ${bus.now()}`);
          },
        });
        const ann = await chat.connect();
        ann.send("hi");
        await chat.advance(20);
        expect(chat.now()).toBe(20);
        seen.add(events.join(", "));
      },
      { runs: 60 },
    );
    expect([...seen].toSorted()).toEqual(["hi at 0, x, y", "hi at 10, x, y", "x, hi at 10, y", "x, y, hi at 10"]);
  });

  test("goes on while the scenario waits for a promise of its own, and connect waits for its own client alone", async () => {
    const waiting = new Set<boolean>();
    await explore(
      async ({ runtime }) => {
        let isHandled = (): void => {};
        const handled = new Promise<void>((resolve) => {
          isHandled = resolve;
        });
        const chat = runtime({ handler: (event) => event.type === "message" && isHandled() });
        const ann = await chat.connect();
        ann.send("hi");
        await chat.connect();
        waiting.add(chat.server.stats().received.messages === 0);
        await handled;
        expect(await Promise.race([ann.next(), "settled"].slice(1))).toBe("settled");
      },
      { runs: 40 },
    );
    expect(waiting).toEqual(new Set([true, false]));
  });

  test("may have several runtimes on one clock", async () => {
    await explore(
      async ({ runtime }) => {
        const [one, other] = [runtime({ handler: sendall }), runtime({ handler: sendall })];
        const [ann, bob] = [await one.connect(), await other.connect()];
        ann.send("to one");
        bob.send("to the other");
        await one.advance(5);
        await other.settle();
        expect([ann.received, bob.received, other.now()]).toEqual([["to one"], ["to the other"], 5]);
        expect(ann.id).not.toBe(bob.id);
      },
      { runs: 20 },
    );
  });

  test("is watched for timers that are left in any of several runtimes", async () => {
    const leaky: HandlerFunction = (event) => event.type === "open" && void setTimeout(() => {}, 10_000);
    for (const handlers of [
      [leaky, sendall],
      [sendall, leaky],
    ]) {
      const { cause } = await failureOf(
        async ({ runtime }) => {
          for (const handler of handlers) await runtime({ handler }).connect();
        },
        { runs: 1 },
      );
      expect(cause).toMatchObject({ code: "TIMER_LEAKED", message: expect.stringContaining('the "open" event of') });
    }
  });

  test("is not disturbed by the end of one of several runtimes", async () => {
    await explore(
      async ({ runtime }) => {
        const timed = runtime({
          handler: { init: () => setInterval(() => {}, 1_000), handle() {}, stop: (timer) => clearInterval(timer) },
        });
        const other = runtime({ handler: sendall });
        await Promise.all([timed.connect(), other.connect()]);
        await other.close();
      },
      { runs: 3 },
    );
  });

  test("has data out of the seed", async () => {
    const drawn: number[][] = [];
    const scenario: Scenario = ({ seed, random }) => void drawn.push([seed, random(), random()]);
    await explore(scenario, { runs: 2, seed: 7 });
    await explore(scenario, { runs: 1, seed: 8 });
    expect(drawn.map(([seed]) => seed)).toEqual([7, 8, 8]);
    expect(drawn[1]).toEqual(drawn[2]);
    expect(drawn[0]?.slice(1)).not.toEqual(drawn[1]?.slice(1));
  });
});

describe("faults", () => {
  /** How bob ends, over many runs: the code with which he is closed, or how many messages he has read. */
  async function fates(faults: ExploreOptions["faults"]): Promise<Set<string>> {
    const found = new Set<string>();
    const scenario: Scenario = async ({ runtime }) => {
      const events: string[] = [];
      const chat = runtime({
        handler(event, bus) {
          if (event.type === "error") events.push("error");
          if (event.type === "closed") events.push(`closed ${event.code}`);
          if (event.type === "message") bus.sendall(event.text);
        },
      });
      const [ann, bob] = [await chat.connect(), await chat.connect()];
      for (const text of ["1", "2", "3"]) ann.send(text);
      await chat.settle();
      // In every run bob reads a prefix of the messages.
      expect(["1", "2", "3"].slice(0, bob.received.length)).toEqual(bob.received);
      found.add(`${events.join(", ")} ${bob.closed?.code ?? bob.received.length}`.trim());
    };
    await explore(scenario, { runs: 200, ...(faults && { faults }) });
    return found;
  }

  test("do not happen unless they are asked for", async () => {
    expect(await fates(undefined)).toEqual(new Set(["3"]));
  });

  test('"stall" keeps clients from reading for a while', async () => {
    expect(await fates(["stall"])).toEqual(new Set(["0", "1", "2", "3"]));
  });

  test('"disconnect" ends sockets without a close frame', async () => {
    const found = await fates(["disconnect"]);
    expect(found).toContain("closed 1006 1006");
    expect([...found].filter((fate) => fate.includes("error"))).toEqual([]);
  });

  test('"reset" makes sockets fail', async () => {
    expect(await fates(["reset"])).toContain("error, closed 1006 1006");
  });

  test('"vanish" cuts sockets of which neither side is told', async () => {
    const found = await fates(["vanish"]);
    expect([...found].filter((fate) => /error|closed|1006/.test(fate))).toEqual([]);
    expect(found).toEqual(new Set(["0", "1", "2", "3"]));
  });

  test("are lines of the trace", async () => {
    const { trace } = await failureOf(
      async ({ runtime }) => {
        const chat = runtime({ handler: sendall });
        const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
        ann.send("hi");
        await chat.settle();
        if (bob.closed !== undefined) throw new Error("bob has gone");
      },
      { faults: ["stall", "reset"] },
    );
    const lines = trace.map(({ actor, did }) => `${actor} ${did}`);
    expect(lines).toContain("bob is reset");
    expect(lines).not.toContain("ann is reset");
    expect(lines).not.toContain("bob stops reading");
  });
});

describe("the options of explore", () => {
  test.each<[object, string]>([
    [{ runs: 0 }, "runs: expected a whole number from 1, got 0"],
    [{ maxSteps: 1.5 }, "maxSteps: expected a whole number from 1, got 1.5"],
    [{ seed: "1" }, 'seed: expected a whole number, got "1"'],
    [
      { faults: ["fire"] },
      'faults: expected an array of "stall", "disconnect", "reset", "vanish", "node gone", got ["fire"]',
    ],
    [{ run: 1 }, 'run: unknown option: did you mean "runs"? The options are runs, maxSteps, seed, faults'],
  ])("%j is refused: %s", async (options, message) => {
    await expect(explore(() => {}, options)).rejects.toMatchObject({ code: "BAD_OPTION", message });
  });

  test("that are a number are refused, and so is a scenario that is no function", async () => {
    await expect(explore(() => {}, 50 as never)).rejects.toMatchObject({
      code: "BAD_OPTION",
      message: "options: expected an object such as { runs: 100 }, got 50",
    });
    await expect(explore({ runs: 50 } as never)).rejects.toMatchObject({
      code: "BAD_OPTION",
      message: 'scenario: expected a function ({ runtime }) => { … }, got {"runs":50}',
    });
  });

  test("default to 100 runs from seed 1", async () => {
    const seeds: number[] = [];
    await explore(({ seed }) => void seeds.push(seed));
    expect([seeds[0], seeds.length, seeds.at(-1)]).toEqual([1, 100, 100]);
  });

  test("give way to SENDALL_SEED, which plays a single run", async () => {
    const seeds: number[] = [];
    vi.stubEnv("SENDALL_SEED", "42");
    await explore(({ seed }) => void seeds.push(seed), { runs: 5, seed: 7 });
    expect(seeds).toEqual([42]);
    vi.stubEnv("SENDALL_SEED", "many");
    await expect(explore(() => {})).rejects.toThrow('SENDALL_SEED: expected a whole number, got "many"');
  });
});
