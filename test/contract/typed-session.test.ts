/** Calls on a session: however often the socket is lost, each call is answered once, and its handler has run once. */
import { connect } from "sendall/client";
import { protocol } from "sendall/protocol";
import { createTestRuntime, explore, type Fault, type Scenario, SendallError } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { SeededRandom } from "../../src/testing/runtime/random.js";

const CUTS = 100;
const RUNS = 200;
const FAULTS: readonly Fault[] = ["stall", "disconnect", "reset", "vanish"];
/** Longer than any absence. */
const timeoutMs = 3_600_000;

const lab = protocol({
  fromClient: { ask: { input: z.number(), output: z.number() } },
  fromServer: { asked: z.number() },
});

/** Counts the runs of each call, and answers after a while. */
function createLab(pauseMs: () => number) {
  const runs: number[] = [];
  const handler = lab.handler({
    async ask(number, { connection, bus }) {
      runs[number] = (runs[number] ?? 0) + 1;
      connection.send(lab.fromServer.asked(number));
      const ms = pauseMs();
      if (ms > 0) await bus.sleep(ms);
      return number;
    },
  });
  return { runs, handler };
}

const once = (count: number): number[] => new Array(count).fill(1);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe("on a session", () => {
  test.each([1, 2, 3, 4, 5])(
    `calls in flight over ${CUTS} cuts are answered once, after one run of the handler each (seed %i)`,
    async (seed) => {
      const random = new SeededRandom(seed);
      const below = (limit: number): number => random.below(limit);
      const { runs, handler } = createLab(() => below(40));
      await using runtime = createTestRuntime({
        resume: { graceMs: 600_000 },
        heartbeat: { intervalMs: 1_000, timeoutMs: 500 },
        handler,
      });
      const asked: number[] = [];
      const { WebSocket } = runtime;
      const reconnect = { minMs: 50, maxMs: 500 };
      const client = connect("ws://memory/", {
        protocol: lab,
        WebSocket,
        reconnect,
        on: { asked: (number) => asked.push(number) },
      });
      const answers: number[] = [];
      const calls: Promise<unknown>[] = [];
      for (let cuts = 0; cuts < CUTS; ) {
        for (let burst = below(6); burst > 0; burst--)
          calls.push(client.call("ask", calls.length, { timeoutMs }).then((answer) => answers.push(answer)));
        await runtime.advance(below(80));
        const far = runtime.clients.at(-1);
        far?.delay(below(60));
        if (far !== undefined && calls.length > answers.length) {
          cuts++;
          const cut = [far.disconnect, far.fail, far.vanish][below(3)];
          cut?.call(far);
        }
        await runtime.advance(below(1_500));
      }
      await runtime.advance(60_000);
      await Promise.all(calls);
      // The handler is serial: answers come in the order of the calls.
      expect(answers).toEqual(upTo(calls.length));
      expect(asked).toEqual(upTo(calls.length));
      expect(runs).toEqual(once(calls.length));
      expect(calls.length).toBeGreaterThan(CUTS);
      const { opened, resumed, gaps } = runtime.server.stats();
      expect([opened, gaps]).toEqual([1, 0]);
      expect(resumed).toBeGreaterThan(CUTS / 2);
      client.close();
    },
  );

  const scenario: Scenario = async ({ runtime, random }) => {
    const { runs, handler } = createLab(() => (random() < 0.5 ? 0 : 5));
    const server = runtime({
      resume: { graceMs: 600_000 },
      heartbeat: { intervalMs: 20_000, timeoutMs: 10_000 },
      handler,
    });
    const client = server.dial("/", { name: "ann", protocol: lab, reconnect: { minMs: 500, maxMs: 2_000 } });
    await server.settle();
    const answers: number[] = [];
    const calls = upTo(8).map(async (number) => {
      answers.push(await client.call("ask", number, { timeoutMs }));
    });
    await server.settle();
    for (let waits = 0; answers.length < calls.length; waits++) {
      // `explore` does not shorten a run that fails with this code, which would take too long.
      if (waits === 60) throw new SendallError("NOT_SETTLED", "no answer after 60 waits");
      client.resume();
      await server.advance(6_000);
    }
    await Promise.all(calls);
    expect([answers, runs]).toEqual([upTo(8), once(8)]);
  };

  test(`calls under the faults of explore are answered once, after one run of the handler each (${RUNS} runs)`, async () => {
    await explore(scenario, { runs: RUNS, faults: FAULTS, maxSteps: 100_000 });
  });
});
