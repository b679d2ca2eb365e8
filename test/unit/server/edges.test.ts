/** Edges that a review has found: each was wrong once. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, type ServeOptions, type ServerEvent, serve } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { SerialGroup } from "../../../src/actors/route/connection-queue.js";
import { Mailbox } from "../../../src/actors/route/mailbox.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { heapInUse, RawPeer, until } from "../../e2e/peers.js";
import { HandStage } from "../stage.js";

const fail = (event: ServerEvent): void => {
  if (event.type === "info" || (event.type === "message" && event.text === "throw")) throw new Error("thrown");
};

test("a server that stops because its handler failed says goodbye without waiting for closeTimeoutMs", async () => {
  const runtime = createTestRuntime({ failures: "supervise", supervise: { intensity: 0 }, handler: fail });
  const client = await runtime.connect();
  runtime.server.tell("boom");
  await runtime.settle();
  expect(client.closed).toEqual({ code: 1011, reason: "handler failed" });
  await runtime.close();
  expect(runtime.now()).toBe(0);
});

test("server.close does not hold up a close handshake that is under way", async () => {
  const closed: unknown[] = [];
  const stage = await HandStage.open({
    heartbeat: false,
    handler(event: ServerEvent) {
      if (event.type === "closed") closed.push(event.code);
    },
  });
  const transport = await stage.connect();
  stage.server.connections()[0]?.close(4000);
  expect(transport.take()).toEqual(["close 4000", "resume"]);
  void stage.server.close();
  expect(transport.take()).toEqual([]);
});

test("a download that the peer breaks off leaves no file open", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sendall-fd-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "big.bin"), Buffer.alloc(20_000_000));
  const server = await serve({ port: 0, logger: false, static: folder, handler() {} });
  onTestFinished(() => server.close());
  const open = (): number => readdirSync("/proc/self/fd").length;
  const before = open();
  for (let i = 0; i < 10; i++) {
    const peer = new RawPeer(server.port);
    peer.write("GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => peer.bytes.length > 0);
    peer.socket.destroy();
    await until(() => peer.isEnded);
  }
  await until(() => open() < before + 5);
});

test("a peer that uploads one long message slowly is not silent, and one that stops in the middle is", async () => {
  const stage = await HandStage.open({ heartbeat: { intervalMs: 25_000, timeoutMs: 20_000 }, handler() {} });
  const transport = await stage.connect();
  for (let i = 0; i < 20; i++) {
    transport.bytesRead += 1_000;
    await stage.advance(20_000);
  }
  expect(transport.take()).toEqual([]);
  await stage.advance(70_000);
  expect(transport.take()).toEqual(["ping heartbeat", "terminate"]);
});

test("every closed is delivered when the server closes, also when each takes a while", async () => {
  let closed = 0;
  const runtime = createTestRuntime({
    failures: "supervise",
    async handler(event, bus) {
      if (event.type !== "closed") return;
      closed++;
      await bus.sleep(600);
    },
  });
  for (let i = 0; i < 20; i++) await runtime.connect();
  await runtime.close();
  expect(closed).toBe(20);
});

test("a drain does not take paused peers for dead", async () => {
  const closed: unknown[] = [];
  const runtime = createTestRuntime({
    failures: "supervise",
    heartbeat: { intervalMs: 1_000, timeoutMs: 500 },
    async handler(event, bus) {
      if (event.type === "message") await bus.sleep(4_000);
      if (event.type === "closed") closed.push([event.code, event.by]);
    },
  });
  const [busy, idle] = [await runtime.connect(), await runtime.connect()];
  busy.send("work");
  await runtime.settle();
  await runtime.close();
  expect([closed, idle.closed?.code]).toEqual([
    [
      [1001, "server"],
      [1001, "server"],
    ],
    1001,
  ]);
});

describe("init after a restart", () => {
  test("that never ends is a failure after handlerTimeoutMs", async () => {
    let inits = 0;
    const runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart", intensity: 0 },
      handler: { init: () => (inits++ === 0 ? undefined : new Promise<void>(() => {})), handle: fail },
    });
    const client = await runtime.connect();
    client.send("throw");
    await runtime.advance(1_000_000);
    expect(runtime.server.stats().failures.map(({ event }) => event)).toEqual(["message", "init"]);
  });

  test("that never ends does not keep server.close from delivering closed", async () => {
    let inits = 0;
    const events: string[] = [];
    const runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      handler: {
        init: () => (inits++ === 0 ? undefined : new Promise<void>(() => {})),
        handle(event) {
          events.push(event.type);
          fail(event);
        },
      },
    });
    const client = await runtime.connect();
    client.send("throw");
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    await runtime.close();
    expect(events).toEqual(["open", "message", "closed"]);
    // No alarm is left: time has gone no further than closing needed.
    expect(runtime.now()).toBeLessThan(10_000);
  });

  test("is waited for by settle, or named by NOT_SETTLED", async () => {
    let inits = 0;
    const runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      handler: {
        init: async () => {
          if (inits++ > 0) await readFile("/etc/passwd");
        },
        handle(event: ServerEvent, _state: undefined, bus: Bus) {
          fail(event);
          if (event.type === "message") bus.unicast("echo", event.connection);
        },
      },
    });
    const client = await runtime.connect();
    client.send("throw");
    client.send("hi");
    await runtime.settle();
    expect(client.take()).toEqual(["echo"]);
  });
});

describe("the test runtime", () => {
  test("closes after a handler that reads a file on closed", async () => {
    const runtime = createTestRuntime({
      async handler(event) {
        if (event.type === "closed") await readFile("/etc/passwd");
      },
    });
    await runtime.connect();
    await runtime.close(); // rejects with HANDLER_TIMEOUT
  });

  test("starts with an init that sleeps", async () => {
    const runtime = createTestRuntime({ handler: { init: (bus: Bus) => bus.sleep(10), handle() {} } });
    const connected = runtime.connect().then(() => "connected");
    expect(await connected).toBe("connected");
  });
});

describe("options", () => {
  const handler = (): void => {};
  const bad = (options: ServeOptions): Promise<unknown> =>
    serve({ port: 0, logger: false, ...options }).then(
      (server) => server.close().then(() => "accepted"),
      (error) => error.code,
    );
  test.each([["a\0b"], ["/etc/passwd/x"], [`/${"a".repeat(5_000)}`]])(
    "a folder that cannot be one is BAD_OPTION: %j",
    async (folder) => {
      expect(await bad({ static: folder, handler })).toBe("BAD_OPTION");
    },
  );
  test("a wrong default at the top is refused although every route has its own", async () => {
    expect(await bad({ maxPayloadBytes: -1, routes: { "/a": { handler, maxPayloadBytes: 5 } } })).toBe("BAD_OPTION");
  });
});

describe("after the end of a server", () => {
  test("tell is false, and no alarm is set", async () => {
    const stage = await HandStage.open({ handler() {} });
    const closing = stage.server.close();
    await stage.settle();
    await closing;
    expect(stage.server.tell("x")).toBe(false);
    stage.server.after(60_000, "x");
    void stage.server.sleep(60_000);
    expect(stage.clock.alarms).toBe(0);
  });

  test("close() rejects for bad options, it does not throw", async () => {
    const stage = await HandStage.open({ handler() {} });
    let how = "nothing";
    try {
      stage.server.close({ code: 1 }).catch(() => {});
      how = "rejects";
    } catch {
      how = "throws";
    }
    expect(how).toBe("rejects");
  });

  test("a call of close within the first close does not start a second close", async () => {
    const stage = await HandStage.open({ handler() {} });
    let again: Promise<void> | undefined;
    stage.server.actor.subscribe(({ value }) => {
      if (value === "draining" && again === undefined) again = stage.server.close();
    });
    const first = stage.server.close();
    expect(again).toBe(first);
    await stage.settle();
  });
});

test("with one event at a time for each connection events are handled in order of arrival", () => {
  const mailbox = new Mailbox({ highWaterEvents: 64, lowWaterEvents: 16, maxBytes: 1_000_000, maxInfo: 10 });
  const leakOwner = { clock: new HandClock(), connection: undefined, leaked() {} };
  const owner = {
    isOpen: true,
    pause() {},
    resume() {},
    announce() {},
    caughtUp() {},
    onClosedHandled() {},
    leakOwner,
  };
  const group = new SerialGroup();
  const [a, b] = [mailbox.createQueue(owner, group), mailbox.createQueue(owner, new SerialGroup())];
  const info = (data: string): ServerEvent => ({ type: "info", data });
  mailbox.post(a, info("a1"));
  mailbox.post(a, info("a2"));
  mailbox.take();
  group.isBusy = true;
  mailbox.take(); // nobody can go: a2 came up
  mailbox.post(b, info("b1"));
  mailbox.release(group);
  expect(mailbox.take()?.event).toEqual(info("a2"));
});

test("info that concerns no connection keeps its place, however much of it waits", async () => {
  const order: string[] = [];
  const stage = await HandStage.open({
    handler: (event: ServerEvent) => void order.push(event.type === "info" ? String(event.data) : event.type),
  });
  const transport = await stage.connect();
  order.length = 0;
  for (let i = 0; i < 18; i++) stage.server.tell(i);
  transport.listener.message("later", 5);
  await stage.settle();
  expect(order.at(-1)).toBe("message");
});

test("a failure does not keep a whole long message alive", async () => {
  const runtime = createTestRuntime({
    failures: "supervise",
    supervise: { intensity: 1_000 },
    handler: (event) => {
      if (event.type === "message") throw new Error("x");
    },
  });
  const client = await runtime.connect();
  const before = heapInUse();
  for (let i = 0; i < 100; i++) {
    client.send(Buffer.alloc(500_000, 97 + (i % 20)).toString("latin1"));
    await runtime.settle();
  }
  expect(heapInUse() - before).toBeLessThan(10_000_000);
});

test("closing connections are not counted as paused", async () => {
  const stage = await HandStage.open({
    mailbox: { highWaterEvents: 2, lowWaterEvents: 0 },
    handler: (_e: ServerEvent, bus: Bus) => bus.sleep(50),
  });
  const transport = await stage.admit("/");
  if ("status" in transport) throw new Error();
  for (let i = 0; i < 5; i++) transport.listener.message("x", 1);
  transport.end();
  expect(stage.server.stats()).toMatchObject({ connections: 0, paused: 0 });
});

test("the list of failures of a server is of 100", async () => {
  const routes = { "/a": { handler: fail }, "/b": { handler: fail } };
  const runtime = createTestRuntime({ failures: "supervise", supervise: { intensity: 1_000 }, routes });
  for (let i = 0; i < 100; i++) runtime.server.tell(i);
  await runtime.settle();
  expect(runtime.server.stats().failures.length).toBe(100);
});

test("terminating a connection twice does something once", async () => {
  const stage = await HandStage.open({ handler() {} });
  await stage.connect();
  const [connection] = stage.server.connections();
  expect([connection?.terminate(), connection?.terminate()]).toEqual([true, false]);
});

test("a connection that is not open is in no list (contract 10)", async () => {
  const stage = await HandStage.open({ handler() {} });
  const transport = await stage.connect();
  transport.isOpen = false; // its close frame was read, its socket has not ended
  expect(stage.server.connections().every(({ isOpen }) => isOpen)).toBe(true);
  expect(stage.server.sendall("x").queued).toBe(0);
});

test("a text is the same over memory as over a socket", async () => {
  const runtime = createTestRuntime({
    handler: (e, bus) => {
      if (e.type === "open") bus.unicast("\ud800", e.connection);
    },
  });
  const client = await runtime.connect();
  expect(client.take()).toEqual(["\ufffd"]);
});

test("server.close called by the handler waits for the event in which it was called", async () => {
  const order: string[] = [];
  const runtime = createTestRuntime({
    async handler(event, bus) {
      if (event.type === "closed") order.push("closed");
      if (event.type !== "message") return;
      void runtime.server.close();
      await bus.sleep(1_000);
      order.push(`sent ${event.connection.send("final")}`);
    },
  });
  const client = await runtime.connect();
  client.send("go");
  await runtime.settle();
  await runtime.close();
  expect([order, client.received, client.closed?.code]).toEqual([["sent true", "closed"], ["final"], 1001]);
});

test("a verb that needs a connection refuses anything else by name, and a bad room is BAD_ROOM", async () => {
  const stage = await HandStage.open({ handler() {} });
  const { server } = stage;
  // What a program without types may do.
  const nobodies = [undefined, null, 5, {}] as unknown as string[];
  for (const nobody of nobodies)
    for (const verb of ["unicast", "broadcast"] as const)
      expect(() => server[verb]("x", nobody)).toThrow(expect.objectContaining({ code: "BAD_DATA" }));
  const rooms = [5, {}, null, [5], ""] as unknown as string[];
  for (const room of rooms)
    expect(() => server.sendall("x", { room })).toThrow(expect.objectContaining({ code: "BAD_ROOM" }));
});

test("an alarm for something else than a connection is refused when it is set, not when it rings", async () => {
  let refusal: unknown;
  await using runtime = createTestRuntime({
    handler(_event, bus) {
      try {
        // @ts-expect-error what a program without types may do
        bus.after(5, "x", 42);
      } catch (error) {
        refusal = error;
      }
    },
  });
  await runtime.connect();
  expect(refusal).toMatchObject({ code: "BAD_DATA" });
  await runtime.advance(10);
});

test("a test client offers subprotocols, and is as strict as a socket", async () => {
  await using runtime = createTestRuntime({ protocols: ["b", "a"], handler() {} });
  const client = await runtime.connect({ path: "/?x=1", query: { y: "2" }, protocols: ["a", "b"] });
  expect(client.protocol).toBe("b");
  expect(String(runtime.server.connections()[0]?.query)).toBe("x=1&y=2");
  expect(() => client.ping("x".repeat(126))).toThrow(expect.objectContaining({ code: "BAD_DATA" }));
  // @ts-expect-error what a program without types may do
  expect(() => client.send(5)).toThrow(expect.objectContaining({ code: "BAD_DATA" }));
  await expect(runtime.advance(-5)).rejects.toMatchObject({ code: "BAD_DURATION" });
  // @ts-expect-error there is no such option
  await expect(runtime.connect({ foo: 1 })).rejects.toMatchObject({ code: "BAD_OPTION", option: "foo" });
});

test.each(["/a?x=1", "/:", "/:a/:a", "a"])("the path of a route that no request can have is refused: %s", (path) => {
  expect(() => createTestRuntime({ routes: { [path]: { handler() {} } } })).toThrow(
    expect.objectContaining({ code: "BAD_OPTION", option: `routes["${path}"]` }),
  );
});
