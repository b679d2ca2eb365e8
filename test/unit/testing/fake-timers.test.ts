/** The runtime under fake timers: the test runner has replaced timers, clock and more, before the import of the runtime or after. */
import { afterEach, describe, expect, test, vi } from "vitest";

type Testing = typeof import("sendall/testing");

afterEach(() => {
  vi.useRealTimers();
  vi.resetModules();
});

/** Everything that vitest can replace; `nextTick` is missing because vitest cannot replace it in child processes. */
const EVERYTHING = [
  "setTimeout",
  "clearTimeout",
  "setInterval",
  "clearInterval",
  "setImmediate",
  "clearImmediate",
  "Date",
  "performance",
  "hrtime",
  "queueMicrotask",
] as const;

/** A chat with everything that waits: alarms, sleeps, heartbeats, an async handler, a hanging handler, and a socket. */
async function play({ createTestRuntime, explore }: Testing): Promise<void> {
  const runtime = createTestRuntime({
    async handler(event, bus) {
      await null;
      if (event.type === "open") bus.after(100, "alarm");
      if (event.type === "info") bus.sendall(`${event.data} at ${bus.now()}`);
      if (event.type === "message" && event.text === "hang") await new Promise(() => {});
      if (event.type === "message") {
        await bus.sleep(10);
        bus.sendall(event.text);
      }
    },
  });
  const client = await runtime.connect();
  const socket = new runtime.WebSocket("/");
  const got: unknown[] = [];
  socket.onmessage = ({ data }) => got.push(data);
  await runtime.settle();
  client.send("hi");
  await runtime.advance(30_000);
  expect(client.received).toEqual(["hi", "alarm at 100", "alarm at 100"]);
  expect(got).toEqual(client.received);
  expect(runtime.server.connections()[0]?.roundTripMs).toBe(0);
  client.send("hang");
  await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
  await expect(runtime.close()).rejects.toMatchObject({ code: "HANDLER_TIMEOUT" });
  expect(client.closed).toEqual({ code: 1001, reason: "going away" });
  await explore(
    async (stage) => {
      const chat = stage.runtime({ handler: (event, bus) => event.type === "message" && bus.sendall(event.text) });
      const ann = await chat.connect();
      ann.send("hi");
      expect(await ann.next()).toBe("hi");
    },
    { runs: 5 },
  );
}

describe.each<[string, readonly (typeof EVERYTHING)[number][] | undefined]>([
  ["the usual ones", undefined],
  ["everything", EVERYTHING],
])("fake timers, %s", (_name, toFake) => {
  const fake = (): void => void vi.useFakeTimers(toFake === undefined ? {} : { toFake: [...toFake] });

  test("may be switched on before the import of the runtime", async () => {
    fake();
    vi.resetModules();
    await play(await import("sendall/testing"));
  });

  test("may be switched on after the import of the runtime", async () => {
    const testing = await import("sendall/testing");
    fake();
    await play(testing);
  });
});

test("real timers go on beside virtual time", async () => {
  const { createTestRuntime } = await import("sendall/testing");
  await using runtime = createTestRuntime({
    async handler(event, bus) {
      if (event.type !== "message") return;
      await new Promise((resolve) => setTimeout(resolve, 5));
      bus.sendall(`at ${bus.now()}`);
    },
  });
  const client = await runtime.connect();
  client.send("go");
  await runtime.settle();
  expect(client.received).toEqual(["at 0"]);
});

test("a handler that never comes to rest does not stop the test runner's own timers", async () => {
  const { createTestRuntime } = await import("sendall/testing");
  let isOver = false;
  await using runtime = createTestRuntime({
    handler(event, bus) {
      if (event.type !== "closed" && !isOver) bus.tell("again");
    },
  });
  await runtime.settle();
  runtime.server.tell("begin");
  const settled = runtime.settle();
  await new Promise((resolve) => setTimeout(resolve, 1));
  isOver = true;
  await settled;
});
