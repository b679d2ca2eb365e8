/**
 * A scenario for `explore`: a client with a session and its server talk while the client's sockets are lost in every way, and the ledger of
 * both ends has to add up. Limits, sizes and times are out of the seed.
 */
import { type Scenario, SendallError, type TestRuntime } from "sendall/testing";
import { Ledger, type SlowConsumer } from "./session-ledger.js";

/** How often the scenario waits for the client to be open and for nothing to be on its way; faults go on meanwhile. */
const MAX_WAITS = 60;

export interface TalkOptions {
  readonly policy: SlowConsumer;
  /** How many steps a run has at most. Default 30. */
  readonly maxSteps?: number;
  /** Gets the ledger of each run that has passed. */
  readonly onRun?: (ledger: Ledger) => void;
}

export function talk({ policy, maxSteps = 30, onRun }: TalkOptions): Scenario {
  return async ({ runtime, random }) => {
    const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const ledger = new Ledger(policy);
    const server: TestRuntime = runtime({
      heartbeat: { intervalMs: 20_000, timeoutMs: 10_000 },
      resume: { graceMs: pick(2_000, 40_000, 120_000), maxBytes: pick(100, 600, 1_048_576) },
      outbox: { maxBufferedBytes: pick(150, 600, 1_048_576), slowConsumer: policy },
      handler: ledger.handler,
    });
    const client = server.dial("/", {
      name: "ann",
      reconnect: { minMs: 500, maxMs: 2_000 },
      offline: { maxMessages: pick(3, 256), maxBytes: pick(150, 1_048_576) },
      ...ledger.options,
    });
    const down = (): void => {
      const isOpen = (id: string): boolean => server.server.connections().some((connection) => connection.id === id);
      ledger.down((text, id) => server.server.unicast(text, id), isOpen, pick(5, 40, 200));
    };
    /** Waits until it holds, with the client's limits of patience. */
    const until = async (holds: () => boolean, ms: number): Promise<void> => {
      for (let waits = 0; !holds(); waits++) {
        // `explore` does not shorten a run that fails with this code, which would take too long.
        if (waits === MAX_WAITS) throw new SendallError("NOT_SETTLED", `${MAX_WAITS} times ${ms} ms were not enough`);
        await server.advance(ms);
        await server.settle();
        ledger.check(server.server.stats());
      }
    };
    /** Longer than acknowledgements take, so that nothing is pending then. */
    const calm = (): Promise<void> => until(() => client.state === "open" && client.pending === 0, 6_000);

    await server.settle();
    const steps = 5 + Math.floor(random() * (maxSteps - 5));
    for (let step = 0; step < steps; step++) {
      const drawn = random();
      if (drawn < 0.35) ledger.up(client, pick(0, 0, 1, 6), pick(5, 40));
      else if (drawn < 0.7) down();
      else if (drawn < 0.8) await server.settle();
      else if (drawn < 0.94) await server.advance(pick(10, 1_000, 6_000, 40_000));
      else pick(client.disconnect, client.vanish, client.stall, client.resume, client.fail)();
    }
    client.resume();
    await server.settle();
    await calm();
    ledger.checkCalm(server.server.stats(), false);
    // The client comes back once more, and is told of what was dropped meanwhile.
    const openings = ledger.openings;
    client.disconnect();
    await server.settle();
    await calm();
    ledger.checkCalm(server.server.stats(), ledger.openings > openings);

    client.close();
    await until(() => client.state === "closed" && server.server.stats().connections === 0, 40_000);
    ledger.checkEnd(server.server.stats());
    onRun?.(ledger);
  };
}
