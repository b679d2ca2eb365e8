/** The shapes of a handler, as the handler actor runs them. */
import { describe, expect, test } from "vitest";
import type { Runner } from "../../../src/actors/route/runner.js";
import type { RunnerHost } from "../../../src/actors/route/runner-host.js";
import type { Bus } from "../../../src/api/bus.js";
import type { Connection, ConnectionData } from "../../../src/api/connection.js";
import type { ServerEvent } from "../../../src/api/events.js";
import type { Handler } from "../../../src/api/handler.js";
import { runHandler } from "../../../src/handlers/shape.js";

// Neither shape does more with them than hand them on.
const bus = {} as Bus;
const host: Partial<RunnerHost> = { bus: bus as RunnerHost["bus"] };

function make<S>(handler: Handler<ConnectionData, S>): Runner {
  return runHandler(handler as Handler, host as RunnerHost, { include: () => () => {} });
}
const event: ServerEvent = { type: "open", connection: {} as Connection };

describe("a handler function", () => {
  test("gets the event and the bus, and what it returns is handed back", () => {
    const calls: unknown[][] = [];
    const runner = make((...args) => {
      calls.push(args);
    });
    runner.init();
    expect(runner.handle(event, bus)).toBeUndefined();
    runner.settled?.(undefined);
    runner.stop();
    expect(calls).toEqual([[event, bus]]);
  });
});

describe("a stateful handler", () => {
  test("keeps the state that it returned last, and gets it with each event and at the end", async () => {
    const seen: unknown[] = [];
    const runner = make({
      init: (): unknown => 1,
      handle: (_event, state) => {
        seen.push(state);
        return state === 2 ? undefined : Number(state) + 1;
      },
      stop: (state) => void seen.push(["stop", state]),
    });
    await runner.init();
    for (let i = 0; i < 3; i++) runner.settled?.(runner.handle(event, bus));
    await runner.stop();
    expect(seen).toEqual([1, 2, 2, ["stop", 2]]);
  });

  test.each([0, "", false, null])("may have the state %j", async (state) => {
    const seen: unknown[] = [];
    const runner = make({
      init: (): unknown => "first",
      handle: (_event, before) => {
        seen.push(before);
        return state;
      },
    });
    await runner.init();
    for (let i = 0; i < 2; i++) runner.settled?.(runner.handle(event, bus));
    expect(seen).toEqual(["first", state]);
  });

  test("keeps its state when the event is never settled", async () => {
    const seen: unknown[] = [];
    const runner = make({
      init: async () => "first",
      handle: (_event, state) => {
        seen.push(state);
        return "second";
      },
    });
    await runner.init();
    runner.handle(event, bus);
    runner.handle(event, bus);
    expect(seen).toEqual(["first", "first"]);
  });

  test("is called as the object that it is, and need not have a stop", async () => {
    class Counter {
      readonly step = 5;
      init(): number {
        return this.step;
      }
      handle(_event: ServerEvent, state: number): number {
        return state + this.step;
      }
    }
    const runner = make(new Counter());
    await runner.init();
    expect(runner.handle(event, bus)).toBe(10);
    expect(runner.stop()).toBeUndefined();
  });
});
