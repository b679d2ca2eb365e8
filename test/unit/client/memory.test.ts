/** The client against our own server on the memory transport: the same code, virtual time, no port. */
import { connect } from "sendall/client";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { expect, test } from "vitest";

function createEcho(): TestRuntime {
  return createTestRuntime({
    handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text === "restart") event.connection.close(1012, "restart");
      else if (event.text === "enough") event.connection.close(1000, "enough");
      else bus.unicast(event.data, event.connection);
    },
  });
}

test("a client of a test runtime talks, comes back when virtual time has passed, and stays away after 1000", async () => {
  await using runtime = createEcho();
  const log: unknown[] = [];
  const client = connect("/chat?nick=ann", {
    WebSocket: runtime.WebSocket,
    reconnect: { jitter: 0.5 },
    onOpen: () => log.push("open"),
    onMessage: (data) => log.push(data),
    onClose: ({ code, reason, wasClean, willRetry }) => log.push([code, reason, wasClean, willRetry]),
  });
  client.send("early");
  client.send(new Uint8Array([7]));
  await runtime.settle();
  await client.opened;
  const [connection] = runtime.server.connections();
  expect([connection?.path, connection?.query.get("nick")]).toEqual(["/chat", "ann"]);
  client.send("restart");
  await runtime.settle();
  expect(client.state).toBe("waiting");
  client.send("meanwhile");
  // With this jitter the first wait is from 500 to 1000 ms, wherever the runtime's chance falls.
  await runtime.advance(499);
  expect(client.state).toBe("waiting");
  await runtime.advance(501);
  expect(client.state).toBe("open");
  client.send("enough");
  await runtime.settle();
  expect(log).toEqual([
    "open",
    "early",
    new Uint8Array([7]),
    [1012, "restart", true, true],
    "open",
    "meanwhile",
    [1000, "enough", true, false],
  ]);
  await runtime.advance(60_000);
  expect([client.state, runtime.server.connections().length]).toEqual(["closed", 0]);
});

test("a client that closes says so to the server, and leaves no timer behind", async () => {
  const closed: unknown[] = [];
  await using runtime = createTestRuntime({
    handler(event) {
      if (event.type === "closed") closed.push([event.code, event.reason, event.by]);
    },
  });
  const client = connect("ws://memory/", { WebSocket: runtime.WebSocket });
  await runtime.settle();
  client.close(4001, "bye");
  await runtime.settle();
  expect([client.state, closed]).toEqual(["closed", [[4001, "bye", "peer"]]]);
});

test("a client waits the same times in each runtime with the same seed", async () => {
  const waits = async (): Promise<number[]> => {
    await using runtime = createTestRuntime({
      authorize: () => Promise.reject(new Error("no")),
      handler() {},
      failures: "supervise",
    });
    const ends: number[] = [];
    const client = connect("/", { WebSocket: runtime.WebSocket, onClose: () => ends.push(runtime.now()) });
    await runtime.advance(30_000);
    client.close();
    await runtime.settle();
    return ends.map((at) => at - (ends[0] ?? 0));
  };
  const first = await waits();
  expect(first.length).toBeGreaterThan(3);
  expect(await waits()).toEqual(first);
});
