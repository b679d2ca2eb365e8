/** The layer of the subprotocol `sendall.1`: control frames, signs of life, escapes, ends. On virtual time, over memory and by hand. */
import fc from "fast-check";
import type { ConnectionId, ServerEvent } from "sendall";
import { createTestRuntime, type TestClient } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { encodeFrame } from "../../../src/transport/frame.js";
import { SessionTransport } from "../../../src/transport/session-transport.js";
import type { TransportListener } from "../../../src/transport/transport.js";
import { HandTransport } from "../stage.js";

const HEARTBEAT = { intervalMs: 100, timeoutMs: 50 };

function welcome(heartbeatMs: number): string {
  return `~{"session":null,"resumed":false,"why":"off","received":0,"from":0,"replayed":0,"lost":0,"graceMs":0,"heartbeatMs":${heartbeatMs}}`;
}

/** A handler that sends messages back and keeps what it was told. */
function echo() {
  const events: string[] = [];
  const handler = (event: ServerEvent): void => {
    if (event.type === "message") event.connection.send(event.data);
    events.push(event.type === "message" ? `message ${event.text}` : event.type);
    if (event.type === "error") events.push(event.error.message);
    if (event.type === "closed") events.push(`${event.code} ${event.reason} ${event.by}`);
  };
  return { events, handler };
}

/** A layer with nothing around. */
function layer(heartbeat: typeof HEARTBEAT | false = HEARTBEAT, facts: object = {}) {
  const clock = new HandClock();
  const transport = Object.assign(new HandTransport(), facts);
  const told: string[] = [];
  const session = new SessionTransport(
    transport,
    { clock, settings: { heartbeat, closeTimeoutMs: 5_000, maxPayloadBytes: 1_048_576 } },
    undefined,
  );
  const listener: TransportListener = {
    id: "c1" as ConnectionId,
    message: (data, bytes) => void told.push(`message ${data} ${bytes}`),
    pinged: (data) => void told.push(`pinged ${data}`),
    ponged: (data) => void told.push(`ponged ${data}`),
    drained: () => void told.push("drained"),
    flooded: () => void told.push("flooded"),
    failed: ({ message }) => void told.push(`failed ${message}`),
    concluded: (code, reason, isFault) => void told.push(`concluded ${code} ${reason} ${isFault}`),
    onTransportClosed: (code, reason) => void told.push(`closed ${code} ${reason}`),
  };
  const socket = session.open(listener, "off");
  transport.listener = socket;
  expect(transport.take()).toEqual([`write ${welcome(heartbeat === false ? 0 : 150)}`]);
  expect(clock.alarms).toBe(heartbeat === false ? 0 : 1);
  return { clock, transport, session, socket, told };
}

describe("a peer with a session", () => {
  test("is welcomed before open is handled, and what open sends comes after", async () => {
    await using runtime = createTestRuntime({
      handler: ({ type, connection }: ServerEvent) => void (type === "open" && connection?.send("hello")),
    });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    expect(client.protocol).toBe("sendall.1");
    expect(client.received).toEqual([welcome(45_000), "hello"]);
    expect(runtime.server.connections().map(({ protocol }) => protocol)).toEqual([""]);
  });

  test("is told 0 without a heartbeat, and gets no sign of life but on request", async () => {
    await using runtime = createTestRuntime({ heartbeat: false, handler: echo().handler });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    await runtime.advance(1_000_000);
    expect(client.take()).toEqual([welcome(0)]);
    client.send("~h");
    await runtime.settle();
    expect(client.take()).toEqual(["~h"]);
  });

  test("and a peer without one see the same connection", async () => {
    const { events, handler } = echo();
    await using runtime = createTestRuntime({ protocols: ["chat"], handler });
    const plain = await runtime.connect({ protocols: ["chat"] });
    const session = await runtime.connect({ protocols: ["chat+sendall.1", "chat"] });
    expect([plain.protocol, session.protocol]).toEqual(["chat", "chat+sendall.1"]);
    expect(runtime.server.connections().map(({ protocol, transport }) => [protocol, transport])).toEqual([
      ["chat", "memory"],
      ["chat", "memory"],
    ]);
    expect([plain.take(), session.take()]).toEqual([[], [welcome(45_000)]]);
    for (const client of [plain, session]) {
      client.send("hello");
      await runtime.settle();
      expect(client.take()).toEqual(["hello"]);
      client.close(4000, "bye");
      await runtime.settle();
      expect(client.closed).toEqual({ code: 4000, reason: "bye" });
      expect(events.splice(0).slice(-3)).toEqual(["message hello", "closed", "4000 bye peer"]);
    }
  });

  test("has its heartbeat, its limits and its close handshake", async () => {
    const { events, handler } = echo();
    await using runtime = createTestRuntime({ heartbeat: HEARTBEAT, maxPayloadBytes: 10, handler });
    const [lost, large, closed] = await Promise.all([1, 2, 3].map(() => runtime.connect({ protocols: ["sendall.1"] })));
    large?.send("a".repeat(11));
    await runtime.settle();
    expect(large?.closed?.code).toBe(1009);
    runtime.server
      .connections()
      .find(({ id }) => id === closed?.id)
      ?.close(4001, "out");
    await runtime.settle();
    expect(closed?.closed).toEqual({ code: 4001, reason: "out" });
    lost?.vanish();
    await runtime.advance(150);
    expect(events.slice(-2)).toEqual(["closed", "1006  lost"]);
    expect(runtime.server.connections()).toEqual([]);
  });
});

describe("a sign of life", () => {
  async function open(options: object = {}) {
    const runtime = createTestRuntime({
      heartbeat: { intervalMs: 1_000, timeoutMs: 500 },
      handler: echo().handler,
      ...options,
    });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    client.take();
    return { runtime, client };
  }
  async function hearFor(runtime: { advance(ms: number): Promise<void> }, client: TestClient, ms: number) {
    await runtime.advance(ms);
    return client.take();
  }

  test("comes when nothing was written for the interval, again and again", async () => {
    const { runtime, client } = await open();
    expect(await hearFor(runtime, client, 999)).toEqual([]);
    expect(await hearFor(runtime, client, 1)).toEqual(["~h"]);
    expect(await hearFor(runtime, client, 999)).toEqual([]);
    expect(await hearFor(runtime, client, 2_001)).toEqual(["~h", "~h", "~h"]);
    await runtime.close();
  });

  test("waits for the interval after a message, and what the peer sends does not count", async () => {
    const { runtime, client } = await open({ handler() {} });
    await runtime.advance(400);
    runtime.server.sendall("hello");
    client.send("hello");
    expect(await hearFor(runtime, client, 999)).toEqual(["hello"]);
    client.send("hello again");
    expect(await hearFor(runtime, client, 1)).toEqual(["~h"]);
    await runtime.close();
  });

  test("waits for the interval after an answer", async () => {
    const { runtime, client } = await open();
    await runtime.advance(400);
    client.send("~h");
    expect(await hearFor(runtime, client, 999)).toEqual(["~h"]);
    expect(await hearFor(runtime, client, 1)).toEqual(["~h"]);
    await runtime.close();
  });

  test("is not written to a peer that takes nothing, and comes an interval after the peer has taken everything", async () => {
    const { runtime, client } = await open({ heartbeat: { intervalMs: 1_000, timeoutMs: 1_000_000 } });
    client.stall();
    runtime.server.sendall("hello");
    await runtime.advance(10_500);
    expect(runtime.server.connections()[0]?.bufferedAmount).toBe(7);
    client.resume();
    expect(await hearFor(runtime, client, 999)).toEqual(["hello"]);
    expect(await hearFor(runtime, client, 1)).toEqual(["~h"]);
    await runtime.close();
  });

  test("answers a question at once, but at most once a second", async () => {
    const { runtime, client } = await open({ heartbeat: { intervalMs: 60_000, timeoutMs: 500 } });
    client.send("~h");
    await runtime.settle();
    expect(client.take()).toEqual(["~h"]);
    for (let i = 0; i < 100; i++) client.send("~h");
    expect(await hearFor(runtime, client, 999)).toEqual([]);
    expect(await hearFor(runtime, client, 1)).toEqual(["~h"]);
    expect(await hearFor(runtime, client, 5_000)).toEqual([]);
    client.send("~h");
    client.send("~h");
    expect(await hearFor(runtime, client, 0)).toEqual(["~h"]);
    expect(await hearFor(runtime, client, 1_000)).toEqual(["~h"]);
    await runtime.close();
  });

  test("goes once a second to a peer that asks without end", async () => {
    const { runtime, client } = await open({ heartbeat: { intervalMs: 60_000, timeoutMs: 500 } });
    for (let i = 0; i < 100; i++) {
      for (let j = 0; j < 10; j++) client.send("~h");
      await runtime.advance(100);
    }
    expect(client.take()).toEqual(Array.from({ length: 11 }, () => "~h"));
    await runtime.close();
  });

  test("that a peer asks for while the transport has to wait is written on drain, ahead of messages", () => {
    const { clock, transport, told, socket } = layer();
    transport.isFull = true;
    socket.message("~h", 2);
    socket.message("~h", 2);
    clock.pass(1_050);
    expect(transport.take()).toEqual([]);
    transport.isFull = false;
    transport.onWrite = () => void told.push("written");
    socket.drained();
    expect([transport.take(), told]).toEqual([["write ~h"], ["written", "drained"]]);
    socket.drained();
    expect(transport.take()).toEqual([]);
  });

  test("that waits for the end of the second does not come with a drain before", () => {
    const { clock, transport, socket } = layer(false);
    socket.message("~h", 2);
    socket.message("~h", 2);
    clock.pass(500);
    expect(transport.take()).toEqual(["write ~h"]);
    socket.drained();
    expect(transport.take()).toEqual([]);
    clock.pass(500);
    expect(transport.take()).toEqual(["write ~h"]);
  });

  test("that was asked for within the second waits for the drain, too", () => {
    const { clock, transport, socket } = layer(false);
    socket.message("~h", 2);
    socket.message("~h", 2);
    transport.isFull = true;
    clock.pass(500);
    socket.drained();
    expect(transport.take()).toEqual(["write ~h"]);
    clock.pass(500);
    expect(transport.take()).toEqual([]);
    transport.isFull = false;
    socket.drained();
    expect(transport.take()).toEqual(["write ~h"]);
    expect(clock.alarms).toBe(0);
  });

  test.each<[what: string, end: (parts: ReturnType<typeof layer>) => void]>([
    ["a close frame of ours", ({ session }) => session.close(1000, "")],
    ["a cut", ({ session }) => session.terminate()],
    ["a close frame of the peer", ({ socket }) => socket.concluded(1000, "", false)],
    ["a malformed frame", ({ socket }) => socket.message("~a", 2)],
    ["the end of the socket", ({ transport }) => transport.end()],
  ])("is neither due nor owed after %s", (_what, end) => {
    const parts = layer();
    parts.socket.message("~h", 2);
    parts.socket.message("~h", 2);
    expect(parts.clock.alarms).toBe(2);
    expect(parts.transport.take()).toEqual(["write ~h"]);
    end(parts);
    expect(parts.clock.alarms).toBe(0);
    parts.socket.message("~h", 2);
    parts.socket.drained();
    parts.clock.pass(10_000);
    expect(parts.clock.alarms).toBe(0);
    expect(parts.transport.take().filter((call) => call.startsWith("write"))).toEqual([]);
  });
});

describe("control frames", () => {
  test.each(["~", "~x", "~hh", "~h ", "~H", "~A", "~{}", "~\n", "~a0", "~a17", `~a${Number.MAX_SAFE_INTEGER}`])(
    "that are unknown or have nothing to say are ignored: %j",
    (text) => {
      const { transport, told, socket } = layer(false);
      socket.message(text, text.length);
      expect([transport.take(), told]).toEqual([[], []]);
    },
  );

  test.each([
    "",
    "-1",
    "+1",
    "01",
    "00",
    "1.5",
    "1e3",
    " 1",
    "1 ",
    "1\n",
    "x",
    "0x1",
    "9007199254740992",
    "1".repeat(40),
  ])("that acknowledge %j break the protocol, and nothing more is read", (number) => {
    const { told, socket } = layer();
    socket.message("before", 6);
    socket.message(`~a${number}`, 2 + number.length);
    socket.message("after", 5);
    socket.message("~a", 2);
    socket.pinged(Buffer.from("p"));
    socket.ponged(Buffer.from("p"));
    socket.flooded();
    socket.concluded(1000, "", false);
    expect(told).toEqual([
      "message before 6",
      "concluded 1002 malformed control frame true",
      expect.stringContaining(
        'failed acknowledgement: expected "~a" and a whole number from 0 to 9007199254740991, got "~a',
      ),
    ]);
  });

  test("that break the protocol after our close frame break nothing", () => {
    const { session, told, socket } = layer();
    session.close(1000, "");
    socket.message("~a", 2);
    expect(told).toEqual([]);
  });

  test("that break the protocol close with 1002, after what came before was handled", async () => {
    const { events, handler } = echo();
    await using runtime = createTestRuntime({ handler });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    client.send("before");
    client.send("~a-1");
    client.send("after");
    await runtime.settle();
    expect(client.received.slice(1)).toEqual(["before"]);
    expect(client.closed).toEqual({ code: 1002, reason: "malformed control frame" });
    expect(events).toEqual([
      "open",
      "message before",
      "error",
      'acknowledgement: expected "~a" and a whole number from 0 to 9007199254740991, got "~a-1"',
      "closed",
      "1002 malformed control frame server",
    ]);
  });

  test("are in no count, in no event, and do not keep a connection from being idle", async () => {
    const { events, handler } = echo();
    await using runtime = createTestRuntime({ idleTimeoutMs: 5_000, handler });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    client.send("hello");
    for (let i = 0; i < 4; i++) {
      client.send("~h");
      client.send("~a1");
      client.send("~x");
      await runtime.advance(1_000);
    }
    const { received, sent } = runtime.server.stats();
    expect([received, sent]).toMatchObject([
      { messages: 1, bytes: 5 },
      { messages: 1, bytes: 5, frames: 1 },
    ]);
    expect(events).toEqual(["open", "message hello"]);
    await runtime.advance(1_000);
    expect(client.closed).toEqual({ code: 1000, reason: "idle" });
  });
});

describe("a message", () => {
  test("that begins with ~ has another ~ on the wire, both ways, and counts as without", async () => {
    const { events, handler } = echo();
    await using runtime = createTestRuntime({ handler });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    client.take();
    for (const text of ["~", "~~", "~h", "~a-1", "~{}", "~ä"]) {
      client.send(`~${text}`);
      await runtime.settle();
      expect(client.take()).toEqual([`~${text}`]);
      expect(events.at(-1)).toBe(`message ${text}`);
    }
    const bytes = Buffer.byteLength("~~~~h~a-1~{}~ä");
    expect(runtime.server.stats()).toMatchObject({ received: { messages: 6, bytes }, sent: { messages: 6, bytes } });
  });

  test("of bytes is a message whatever the first byte", async () => {
    const { events, handler } = echo();
    await using runtime = createTestRuntime({ handler });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    for (const text of ["~h", "~~", "~a", "~"]) client.send(Buffer.from(text));
    await runtime.settle();
    expect(client.received.slice(1)).toEqual(["~h", "~~", "~a", "~"].map((text) => Buffer.from(text)));
    expect(events.slice(1)).toEqual(["message ~h", "message ~~", "message ~a", "message ~"]);
  });

  test("arrives as it was sent, whatever it is", async () => {
    await using runtime = createTestRuntime({ handler: echo().handler });
    const client = await runtime.connect({ protocols: ["sendall.1"] });
    client.take();
    const text = fc
      .tuple(fc.constantFrom("", "~", "~~", "~a", "~h"), fc.string({ unit: "binary" }))
      .map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(text, async (message) => {
        client.send(message.startsWith("~") ? `~${message}` : message);
        const [received = ""] = [await client.next()].map(String);
        expect(received.startsWith("~") ? received.slice(1) : received).toBe(message);
        expect(received.startsWith("~")).toBe(message.startsWith("~"));
      }),
    );
  });

  test("is encoded a second time at most once, and only if it begins with ~", () => {
    const [first, second] = [layer(), layer()];
    const written: unknown[] = [];
    for (const { transport } of [first, second]) transport.onWrite = (frames) => void written.push(...frames);
    const frames = ["a~", "~b", "~"].map(encodeFrame);
    const bytes = encodeFrame(Buffer.from("~"));
    for (const { session } of [first, second]) session.write([...frames, bytes]);
    expect(written.slice(0, 4).every((frame, i) => frame === written[4 + i])).toBe(true);
    expect([written[0] === frames[0], written[3] === bytes]).toEqual([true, true]);
    expect(written.slice(1, 3)).toMatchObject([{ data: "~~b" }, { data: "~~" }]);
    const plain = [encodeFrame("a"), bytes];
    let taken: unknown;
    first.transport.onWrite = (frames) => {
      taken = frames;
    };
    first.session.write(plain);
    expect(taken).toBe(plain);
    expect(plain.every((frame) => !("escaped" in frame))).toBe(true);
  });
});

test("what a layer is asked and told goes to the other side unchanged", () => {
  const { transport, session, told, socket } = layer();
  Object.assign(transport, { untakenBytes: 5, bytesRead: 6, isFull: true });
  expect([session.name, session.untakenBytes, session.bytesRead, session.mustWait()]).toEqual(["memory", 5, 6, true]);
  expect([session.hasPings, session.isTextOnly, session.heartbeat, session.isOpen, session.id]).toEqual([
    true,
    false,
    undefined,
    true,
    "c1",
  ]);
  const facts = { hasPings: false, isTextOnly: true, heartbeat: false, isDelayed: true };
  expect(layer(HEARTBEAT, facts).session).toMatchObject(facts);
  session.ping(Buffer.from("a"));
  session.pong(Buffer.from("b"));
  session.pause();
  session.resume();
  session.close(4000, "c");
  session.terminate();
  expect(session.isOpen).toBe(false);
  expect(session.write([encodeFrame("late")])).toBe(false);
  expect(transport.take()).toEqual(["ping a", "pong b", "pause", "resume", "close 4000 c", "terminate"]);
  socket.pinged(Buffer.from("a"));
  socket.ponged(Buffer.from("b"));
  socket.flooded();
  socket.failed(new Error("c"));
  socket.concluded(1001, "d", false);
  socket.onTransportClosed(1001, "d");
  expect(told).toEqual(["pinged a", "ponged b", "flooded", "failed c", "concluded 1001 d false", "closed 1001 d"]);
});
