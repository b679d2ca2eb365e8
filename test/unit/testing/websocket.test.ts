/** `runtime.WebSocket`: what client code of browsers meets in a test runtime, event by event. */
import type { HandlerFunction } from "sendall";
import { type ClientClosing, connect } from "sendall/client";
import { createTestRuntime, type RuntimeWebSocket, type TestRuntime, type TestRuntimeOptions } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { buildRuntime } from "../../../src/testing/runtime/build.js";
import { createEnvironment } from "../../../src/testing/runtime/environment.js";

const echo: HandlerFunction = (event, bus) => {
  if (event.type === "open") bus.unicast("welcome", event.connection);
  if (event.type === "message") bus.unicast(event.data, event.connection);
};

/** What happens to a socket, in order, in words. */
function watch(socket: RuntimeWebSocket): string[] {
  const events: string[] = [];
  socket.addEventListener("open", () => events.push(`open ${socket.readyState}`));
  socket.addEventListener("message", ({ data }) => events.push(`message ${data}`));
  socket.addEventListener("error", () => events.push(`error ${socket.readyState}`));
  socket.addEventListener("close", ({ code, reason, wasClean }) => events.push(`close ${code} ${reason} ${wasClean}`));
  return events;
}

async function open(
  options: Partial<TestRuntimeOptions> = {},
): Promise<{ readonly runtime: TestRuntime; readonly socket: RuntimeWebSocket; readonly events: string[] }> {
  const runtime = createTestRuntime({ handler: echo, ...options } as TestRuntimeOptions);
  const socket = new runtime.WebSocket("/");
  const events = watch(socket);
  await runtime.settle();
  return { runtime, socket, events };
}

class SlowBlob extends Blob {
  override async arrayBuffer(): Promise<ArrayBuffer> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return super.arrayBuffer();
  }
}

describe("connecting a WebSocket", () => {
  test("works before the server has started, and opens when the runtime is settled", async () => {
    let inits = 0;
    const init = (): void => void inits++;
    await using runtime = createTestRuntime({
      handler: { init, handle: (event, _state, bus) => void echo(event, bus) },
    });
    const socket = new runtime.WebSocket("ws://example.com/chat?nick=ann");
    const events = watch(socket);
    expect([socket.readyState, socket.url]).toEqual([socket.CONNECTING, "ws://example.com/chat?nick=ann"]);
    expect(() => socket.send("early")).toThrow(expect.objectContaining({ name: "InvalidStateError" }));
    await runtime.settle();
    expect(events).toEqual(["open 1", "message welcome"]);
    expect(inits).toBe(1);
    const [connection] = runtime.server.connections();
    expect([connection?.path, connection?.query.get("nick"), connection?.headers.host]).toEqual([
      "/chat",
      "ann",
      "example.com",
    ]);
  });

  test("takes a path, and what browsers take for ws and wss", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const urls = ["/a?b", "http://x/", "https://x/", new URL("ws://x/")].map((url) => new runtime.WebSocket(url).url);
    expect(urls).toEqual(["ws://memory/a?b", "ws://x/", "wss://x/", "ws://x/"]);
    await runtime.settle();
    expect(runtime.server.connections().map(({ secure }) => secure)).toEqual([false, false, true, false]);
  });

  test.each([
    ["ftp://x/", undefined],
    ["ws://x/#part", undefined],
    ["ws://", undefined],
    ["/", "no token"],
    ["/", ["a", "a"]],
  ])("refuses %j with %j as a syntax error", (url, protocols) => {
    const { WebSocket } = createTestRuntime({ handler() {} });
    expect(() => new WebSocket(url, protocols)).toThrow(expect.objectContaining({ name: "SyntaxError" }));
  });

  test("chooses a subprotocol, and fails if the server takes none of those asked for", async () => {
    await using runtime = createTestRuntime({ protocols: ["b"], handler() {} });
    const good = new runtime.WebSocket("/", ["a", "b"]);
    const bad = new runtime.WebSocket("/", "c");
    const events = watch(bad);
    await runtime.settle();
    expect([good.protocol, good.extensions]).toEqual(["b", ""]);
    expect(events).toEqual(["error 3", "close 1006  false"]);
    expect(runtime.server.connections().length).toBe(1);
  });

  test("ends with error and close 1006 when it is refused, or when the runtime is closed", async () => {
    const { runtime, events } = await open({ maxConnections: 1 });
    const second = watch(new runtime.WebSocket("/"));
    await runtime.settle();
    expect(second).toEqual(["error 3", "close 1006  false"]);
    await runtime.close();
    expect(events.at(-1)).toBe("close 1001 going away true");
    const late = watch(new runtime.WebSocket("/"));
    await runtime.settle();
    expect(late).toEqual(["error 3", "close 1006  false"]);
  });

  test("is waited for by settle while authorize does something outside", async () => {
    await using runtime = createTestRuntime({
      authorize: () => new Promise<{ nick: string }>((resolve) => setTimeout(resolve, 5, { nick: "ann" })),
      handler() {},
    });
    const events = watch(new runtime.WebSocket("/"));
    await runtime.settle();
    expect(events).toEqual(["open 1"]);
    expect(runtime.server.connections()[0]?.data).toEqual({ nick: "ann" });
  });

  test("is refused when authorize takes longer than handshakeTimeoutMs, however many alarms ring meanwhile", async () => {
    await using runtime = createTestRuntime({
      handshakeTimeoutMs: 5_000,
      authorize: () => new Promise<Record<string, never>>(() => {}),
      handler: { init: (bus) => void Array.from({ length: 50 }, (_, i) => bus.after(i, "alarm")), handle() {} },
    });
    const events = watch(new runtime.WebSocket("/"));
    const joining = runtime.connect();
    const refused = expect(joining).rejects.toMatchObject({ code: "REFUSED", status: 503 });
    await runtime.advance(4_999);
    expect(events).toEqual([]);
    await runtime.advance(1);
    await refused;
    expect(events).toEqual(["error 3", "close 1006  false"]);
  });

  test("can be cancelled by close", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const socket = new runtime.WebSocket("/");
    const events = watch(socket);
    socket.close();
    expect(socket.readyState).toBe(socket.CLOSING);
    await runtime.settle();
    expect(events).toEqual(["error 3", "close 1006  false"]);
    expect(runtime.server.connections()).toEqual([]);
  });
});

describe("messages of a WebSocket", () => {
  test("go both ways, as text, as blobs and as buffers", async () => {
    const { runtime, socket } = await open();
    const data: unknown[] = [];
    socket.onmessage = (event) => data.push(event.data);
    socket.send("text");
    socket.send(new Uint8Array([0, 1, 2]).subarray(1));
    await runtime.settle();
    socket.binaryType = "arraybuffer";
    Object.assign(socket, { binaryType: "nodebuffer" });
    socket.send(new Uint8Array([3]).buffer);
    await runtime.settle();
    const [text, blob, buffer] = data;
    expect([text, socket.binaryType]).toEqual(["text", "arraybuffer"]);
    expect(blob).toBeInstanceOf(Blob);
    expect(await (blob as Blob).bytes?.()).toEqual(new Uint8Array([1, 2]));
    expect(buffer).toEqual(new Uint8Array([3]).buffer);
    await runtime.close();
  });

  test("stay in order around a blob that has to be read first, however long that takes, and so does the close", async () => {
    const got: string[] = [];
    const { runtime, socket, events } = await open({
      handler: (event) => event.type === "message" && got.push(event.text),
    });
    socket.send("a");
    socket.send(new SlowBlob(["b"]));
    socket.send("c");
    expect(socket.bufferedAmount).toBe(3);
    socket.close(3000, "done");
    await runtime.settle();
    expect(got).toEqual(["a", "b", "c"]);
    expect(socket.bufferedAmount).toBe(0);
    expect(events).toEqual(["open 1", "close 3000 done true"]);
    await runtime.close();
  });

  test("count as buffered until the server has read them, and for ever once the socket is closing", async () => {
    const { runtime, socket } = await open();
    socket.send("12345");
    expect(socket.bufferedAmount).toBe(5);
    await runtime.settle();
    expect(socket.bufferedAmount).toBe(0);
    socket.close();
    socket.send("é");
    await runtime.settle();
    expect(socket.bufferedAmount).toBe(2);
    await runtime.close();
  });

  test("come with the time, the origin and the type of the standard", async () => {
    const { runtime, socket } = await open();
    let event: MessageEvent | undefined;
    socket.onmessage = (one) => {
      event = one as unknown as MessageEvent;
    };
    await runtime.advance(1_234);
    socket.send("x");
    await runtime.settle();
    expect(event).toBeInstanceOf(Event);
    expect([event?.type, event?.origin, event?.timeStamp, event?.lastEventId]).toEqual([
      "message",
      "ws://memory",
      1_234,
      "",
    ]);
    await runtime.close();
  });
});

describe("event handlers of a WebSocket", () => {
  test("are called in the order in which they were set, keep their place and can be taken away", async () => {
    const { runtime, socket } = await open();
    const calls: string[] = [];
    socket.onmessage = () => calls.push("never");
    socket.addEventListener("message", () => calls.push("second"), { once: true });
    socket.onmessage = () => calls.push("first");
    const never = (): unknown => calls.push("never");
    socket.addEventListener("message", never);
    socket.removeEventListener("message", never);
    socket.send("x");
    await runtime.settle();
    expect(calls).toEqual(["first", "second"]);
    socket.onmessage = null;
    expect(socket.onmessage).toBe(null);
    socket.send("x");
    await runtime.settle();
    expect(calls).toEqual(["first", "second"]);
    await runtime.close();
  });
});

describe("closing a WebSocket", () => {
  test("by the client is answered with its code, by the server comes with the server's", async () => {
    const { runtime, socket, events } = await open();
    const other = new runtime.WebSocket("/");
    const others = watch(other);
    await runtime.settle();
    socket.close(4000, "bye");
    socket.close(4001);
    expect(socket.readyState).toBe(socket.CLOSING);
    runtime.server.connections()[1]?.close(1000, "enough");
    await runtime.settle();
    expect([socket.readyState, events.at(-1)]).toEqual([socket.CLOSED, "close 4000 bye true"]);
    expect(others.at(-1)).toBe("close 1000 enough true");
    await runtime.close();
  });

  test("without a code is seen as 1005", async () => {
    const { runtime, socket, events } = await open();
    socket.close();
    await runtime.settle();
    expect(events.at(-1)).toBe("close 1005  true");
    await runtime.close();
  });

  test.each([
    [1001, "", "InvalidAccessError"],
    [2999, "", "InvalidAccessError"],
    [Number.NaN, "", "InvalidAccessError"],
    [1000, "é".repeat(62), "SyntaxError"],
  ])("with %j and %j is refused as %s", async (code, reason, name) => {
    const { runtime, socket } = await open();
    expect(() => socket.close(code, reason)).toThrow(expect.objectContaining({ name }));
    expect(socket.readyState).toBe(socket.OPEN);
    await runtime.close();
  });

  test("is seen as 1006 when the server cuts it, with an error when its own socket fails", async () => {
    const { runtime, events } = await open();
    const failing = watch(new runtime.WebSocket("/"));
    await runtime.settle();
    expect(runtime.clients.length).toBe(2);
    runtime.server.connections()[0]?.terminate();
    runtime.clients[1]?.fail();
    await runtime.settle();
    expect(events.at(-1)).toBe("close 1006  false");
    expect(failing.slice(-2)).toEqual(["error 3", "close 1006  false"]);
    expect(runtime.clients).toEqual([]);
    await runtime.close();
  });
});

describe("the far end of a socket", () => {
  test("is among the runtime's clients, and can be stalled there", async () => {
    const { runtime, socket, events } = await open();
    const [client] = runtime.clients;
    client?.stall();
    socket.send("x");
    await runtime.settle();
    expect(events).toEqual(["open 1", "message welcome"]);
    client?.resume();
    await runtime.settle();
    expect(events.at(-1)).toBe("message x");
    expect(client?.received).toEqual(["welcome", "x"]);
    await runtime.close();
  });
});

describe("a socket that has vanished", () => {
  test("stays open and takes messages, and its close handshake ends without an answer after 10 s", async () => {
    const { runtime, socket, events } = await open({ heartbeat: false });
    runtime.clients[0]?.vanish();
    socket.send("12345");
    runtime.server.sendall("lost");
    runtime.server.connections()[0]?.terminate();
    await runtime.advance(1_000_000);
    expect([socket.readyState, socket.bufferedAmount, events]).toEqual([socket.OPEN, 5, ["open 1", "message welcome"]]);
    socket.close(4_000, "bye");
    await runtime.advance(9_999);
    expect([socket.readyState, runtime.clients.length]).toEqual([socket.CLOSING, 1]);
    await runtime.advance(1);
    expect([socket.readyState, events.at(-1), runtime.clients]).toEqual([socket.CLOSED, "close 1006  false", []]);
    await runtime.close();
  });

  test("ends with the runtime, however far its close handshake is", async () => {
    const { runtime, events } = await open();
    const closing = new runtime.WebSocket("/");
    const others = watch(closing);
    await runtime.settle();
    for (const client of runtime.clients) client.vanish();
    closing.close();
    await runtime.close();
    expect([events.at(-1), others.at(-1)]).toEqual(["close 1006  false", "close 1006  false"]);
  });

  test("is given up by the client of sendall/client after its own timeout, and leaves nothing behind", async () => {
    await using runtime = createTestRuntime({ handler: echo, heartbeat: false });
    const closings: ClientClosing[] = [];
    const client = connect("/", { WebSocket: runtime.WebSocket, onClose: (closing) => closings.push(closing) });
    await runtime.settle();
    runtime.clients[0]?.vanish();
    await runtime.advance(1_000_000);
    expect(client.state).toBe("open");
    client.close();
    await runtime.advance(4_999);
    expect([client.state, closings]).toEqual(["closing", []]);
    await runtime.advance(1);
    expect([client.state, closings]).toEqual([
      "closed",
      [{ code: 1006, reason: "", wasClean: false, willRetry: false, uncertain: [], unsent: [] }],
    ]);
    await runtime.advance(5_000);
    expect(runtime.clients).toEqual([]);
  });
});

describe("a socket whose server answers its close frame", () => {
  test("leaves no alarm behind", async () => {
    const environment = createEnvironment();
    const runtime = buildRuntime({ handler: echo, heartbeat: false }, 1, environment);
    const socket = new runtime.WebSocket("/");
    await runtime.settle();
    socket.close();
    expect(environment.clock.alarms).toBe(1);
    await runtime.settle();
    expect([socket.readyState, environment.clock.alarms]).toEqual([socket.CLOSED, 0]);
    await runtime.close();
  });
});

describe("the time of client code", () => {
  interface Timers {
    setTimeout(callback: () => void, ms: number): number;
    clearTimeout(id: number): void;
    now(): number;
    random(): number;
  }
  const timersOf = (runtime: TestRuntime): Timers => Reflect.get(runtime.WebSocket, Symbol.for("sendall.clock"));

  test("is the runtime's, with the server's alarms in one order", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const timers = timersOf(runtime);
    const rung: string[] = [];
    timers.setTimeout(() => rung.push(`b ${runtime.now()}`), 100);
    timers.setTimeout(() => rung.push(`a ${timers.now()}`), 99);
    const never = timers.setTimeout(() => rung.push("never"), 100);
    timers.setTimeout(() => rung.push(`c ${runtime.now()}`), 100);
    timers.clearTimeout(never);
    timers.clearTimeout(never);
    await runtime.advance(99);
    expect(rung).toEqual(["a 99"]);
    await runtime.advance(1);
    expect(rung).toEqual(["a 99", "b 100", "c 100"]);
  });

  test("has randomness out of the seed", () => {
    const draw = (seed?: number): number[] => {
      const { random } = timersOf(createTestRuntime({ handler() {}, ...(seed !== undefined && { seed }) }));
      return [random(), random(), random()];
    };
    expect(draw()).toEqual(draw(1));
    expect(draw(2)).not.toEqual(draw(1));
    for (const fraction of draw(3)) expect(fraction >= 0 && fraction < 1).toBe(true);
    expect(() => createTestRuntime({ handler() {}, seed: 0.5 })).toThrow("seed: expected a whole number, got 0.5");
  });
});
