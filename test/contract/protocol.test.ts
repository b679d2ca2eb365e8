/**
 * What a protocol promises of the answers to calls, in every interleaving that `explore` plays: an answer comes after everything that the
 * handler has sent for the call, a refusal arrives with its data, and of a thrown error nothing does. Faulty builds are found.
 */
import { protocol, refuse } from "sendall/protocol";
import { ExploreFailure, type ExploreOptions, explore, type Scenario } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { Sender } from "../../src/actors/connection/sender.js";
import { HandClock } from "../../src/testing/runtime/clock.js";

const RUNS = 400;

/** The fault that is in the build; at most one. */
const planted = vi.hoisted(() => ({ isImpatient: false }));

// The functions of a handler are handed over here.
vi.mock("../../src/protocol/describe-handler.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/protocol/describe-handler.js")>();
  const describeHandler: typeof original.describeHandler = (definition, functions, options) => {
    if (!planted.isImpatient) return original.describeHandler(definition, functions, options);
    const { work, ...rest } = functions as { work: (job: { steps: number }, context: unknown) => unknown };
    /** Answers with the right number before the work is done. */
    const hurry = (job: { steps: number }, context: unknown): number => {
      void work(job, context);
      return job.steps;
    };
    return original.describeHandler(definition, { ...rest, work: hurry }, options);
  };
  return { ...original, describeHandler };
});

afterEach(() => {
  planted.isImpatient = false;
  vi.restoreAllMocks();
});

const workshop = protocol({
  fromClient: {
    work: { input: z.object({ job: z.number(), steps: z.number() }), output: z.number() },
    shout: z.string(),
  },
  fromServer: { step: z.object({ job: z.number(), step: z.number() }), shouted: z.string() },
});
const { step, shouted } = workshop.fromServer;
const ROOM = "workshop";

/** Works in steps, each told to the caller by another verb, with pauses out of the seed. The last step has a pause after it at times. */
const fence: Scenario = async ({ runtime, random }) => {
  const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const server = runtime({
    heartbeat: false,
    handler: workshop.handler({
      open({ connection }) {
        connection.join(ROOM);
      },
      work({ job, steps }, { connection, bus }) {
        const tell = (number: number): void => {
          const message = step({ job, step: number });
          const ways = [
            () => connection.send(message),
            () => bus.unicast(message, connection),
            () => bus.sendall(message),
            () => bus.sendall(message, { room: ROOM }),
          ];
          pick(...ways)();
        };
        if (pick(true, false)) {
          for (let number = 1; number <= steps; number++) tell(number);
          return steps;
        }
        return (async () => {
          for (let number = 1; number <= steps; number++) {
            tell(number);
            const pause = pick("none", "short", "long");
            if (pause === "short") await null;
            if (pause === "long") await bus.sleep(pick(1, 5));
          }
          return steps;
        })();
      },
      shout(text, { bus }) {
        bus.sendall(shouted(text));
      },
    }),
  });
  const [ann, bob] = [
    await server.connect({ protocol: workshop, name: "ann" }),
    await server.connect({ protocol: workshop, name: "bob" }),
  ];
  const counts = Array.from({ length: 3 }, () => pick(1, 2, 3));
  const calls = counts.map(async (steps, index) => {
    bob.send("shout", `${index}`);
    expect(await ann.call("work", { job: index + 1, steps })).toBe(steps);
  });
  await Promise.all(calls);
  await server.settle();
  const seen = new Map<unknown, number>();
  const answered: unknown[] = [];
  for (const frame of ann.received) {
    const [head, payload] = JSON.parse(String(frame));
    if (head === "step") seen.set(payload.job, payload.step);
    if (typeof head !== "number") continue;
    answered.push(head);
    // The jobs have the numbers of the calls.
    expect(`${seen.get(head)} steps before answer ${head}`).toBe(`${counts[head - 1]} steps before answer ${head}`);
  }
  expect(answered).toEqual([1, 2, 3]);
};

/** Three calls and a message, of which some are refused and some fail. */
const refusals: Scenario = async ({ runtime, random }) => {
  const bank = protocol({
    fromClient: {
      pay: { input: z.number(), output: z.string() },
      note: z.string(),
    },
  });
  const server = runtime({
    heartbeat: false,
    failures: "supervise",
    supervise: { intensity: 100 },
    handler: bank.handler({
      async pay(amount, { bus }) {
        if (random() < 0.5) await bus.sleep(1);
        if (amount > 100) throw refuse("TOO_MUCH", "too much at once", { limit: 100, amount });
        if (amount < 0) throw Object.assign(new Error("the secret of the vault"), { data: "secret", reason: "secret" });
        if (amount === 0) return 0 as never;
        return `paid ${amount}`;
      },
      note(text) {
        if (text === "rude") throw refuse("RUDE", undefined, [text]);
        if (text === "bad") throw new TypeError("another secret");
      },
    }),
  });
  const ann = await server.connect({ protocol: bank, name: "ann" });
  const calls = [50, 500, -1, 0, 20].map((amount) => ann.call("pay", amount));
  for (const text of ["rude", "bad", "fine"]) ann.send("note", text);
  expect(await Promise.allSettled(calls)).toMatchObject([
    { value: "paid 50" },
    {
      reason: {
        code: "CALL_REFUSED",
        reason: "TOO_MUCH",
        data: { limit: 100, amount: 500 },
        message: expect.stringContaining("too much at once"),
      },
    },
    { reason: { code: "CALL_FAILED" } },
    { reason: { code: "CALL_FAILED" } },
    { value: "paid 20" },
  ]);
  await server.settle();
  expect(ann.errors).toMatchObject([{ code: "MESSAGE_REFUSED", reason: "RUDE", data: ["rude"] }]);
  expect(ann.received.join()).not.toContain("secret");
  expect(ann.received.filter((frame) => frame.includes("CALL_FAILED"))).toEqual([
    '[3,null,{"reason":"CALL_FAILED"}]',
    '[4,null,{"reason":"CALL_FAILED"}]',
  ]);
  // The text of an error is for the server's own eyes; a refusal is no failure.
  const failures = server.server.stats().failures.map(({ error }) => (error as Error).message);
  expect(failures.slice(0, 1)).toEqual(["the secret of the vault"]);
  expect(failures.at(-1)).toBe("another secret");
  expect(failures.length).toBe(3);
};

async function failureOf(scenario: Scenario, options: ExploreOptions): Promise<ExploreFailure> {
  const error: unknown = await explore(scenario, options).then(
    () => new Error("it passes"),
    (failure) => failure,
  );
  if (error instanceof ExploreFailure) return error;
  throw error;
}

describe("in every interleaving", () => {
  test("the answer of a call comes after everything that the handler has sent for the call", async () => {
    await explore(fence, { runs: RUNS });
  });

  test("a refusal arrives with its data, and of a thrown error the client gets no more than that the call has failed", async () => {
    await explore(refusals, { runs: RUNS });
  });
});

describe("a faulty build", () => {
  test.each<[fault: string, spoil: () => void]>([
    [
      "that answers before the function's promise is settled",
      () => {
        planted.isImpatient = true;
      },
    ],
    [
      "that keeps messages for a later step, and answers at once",
      () => {
        let clock: HandClock | undefined;
        const { soon } = HandClock.prototype;
        vi.spyOn(HandClock.prototype, "soon").mockImplementation(function (this: HandClock, run) {
          clock = this;
          soon.call(this, run);
        });
        const { offer } = Sender.prototype;
        vi.spyOn(Sender.prototype, "offer").mockImplementation(function (this: Sender, frame) {
          if (!String(frame.data).startsWith('["step"')) return offer.call(this, frame);
          clock?.soon(() => void offer.call(this, frame));
          return "queued";
        });
      },
    ],
  ])("%s is found, and the seed plays it again", async (_fault, spoil) => {
    spoil();
    const { seed, trace, message, divergence } = await failureOf(fence, { runs: RUNS });
    expect(divergence).toBe(undefined);
    expect(message).toMatch(/steps before answer/);
    const again = await failureOf(fence, { runs: 1, seed });
    expect([again.seed, again.trace, again.message]).toEqual([seed, trace, message]);
  });
});
