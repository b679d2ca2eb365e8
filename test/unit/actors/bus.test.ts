/** The bus of a route: receipts, rooms, info events and alarms. */
import { type Bus, type Connection, channels, type Data, type ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { heapInUse } from "../../e2e/peers.js";
import { HandStage, Lines } from "../stage.js";

describe("a message", () => {
  test("is text or bytes, for each verb, whether or not somebody gets it", async () => {
    const { server } = await HandStage.open({ handler() {} });
    const bad = { code: "BAD_DATA" };
    for (const data of [undefined, null, 5, {}, ["a"]] as unknown as Data[]) {
      expect(() => server.unicast(data, "nobody")).toThrow(expect.objectContaining(bad));
      expect(() => server.broadcast(data, "nobody")).toThrow(expect.objectContaining(bad));
      expect(() => server.sendall(data)).toThrow(expect.objectContaining(bad));
    }
    expect(server.stats()).toMatchObject({ deadLetters: 0, sent: { frames: 0 } });
  });

  test("to nobody is no frame, and a dead letter if it was for somebody", async () => {
    const { server } = await HandStage.open({ handler() {} });
    expect(server.sendall("x")).toEqual({ targeted: 0, queued: 0, dropped: 0, dead: 0 });
    expect(server.broadcast("x", "nobody")).toEqual({ targeted: 0, queued: 0, dropped: 0, dead: 0 });
    expect(server.unicast("x", "nobody")).toEqual({ targeted: 1, queued: 0, dropped: 0, dead: 1 });
    expect(server.stats()).toMatchObject({ deadLetters: 1, sent: { frames: 0 } });
  });

  test("goes to nobody whose open the handler has not seen", async () => {
    const stage = await HandStage.open({ handler() {} });
    await stage.admit("/");
    expect([stage.server.sendall("x").targeted, stage.server.connections()]).toEqual([0, []]);
    await stage.settle();
    expect([stage.server.sendall("x").targeted, stage.server.connections().length]).toEqual([1, 1]);
  });

  test("in one turn shares one write with the others", async () => {
    const stage = await HandStage.open({ handler() {} });
    const transport = await stage.connect();
    for (const data of ["a", Buffer.from("b"), "c"]) stage.server.sendall(data);
    await stage.settle();
    expect(transport.take()).toEqual(["write a b c"]);
    expect(stage.server.stats().sent).toEqual({ messages: 3, bytes: 3, frames: 3, writes: 1 });
  });

  test("waits for a socket that must drain", async () => {
    const stage = await HandStage.open({ handler() {} });
    const transport = await stage.connect();
    transport.isFull = true;
    stage.server.sendall("a");
    await stage.settle();
    stage.server.sendall("b");
    await stage.settle();
    expect(transport.take()).toEqual([]);
    expect(stage.server.connections()[0]?.bufferedAmount).toBe(6);
    transport.isFull = false;
    transport.listener.drained();
    expect([transport.take(), stage.server.connections()[0]?.bufferedAmount]).toEqual([["write a b"], 0]);
  });
});

describe("a slow consumer", () => {
  // Each message makes a frame of 12 bytes.
  const messages = ["0123456789", "abcdefghij", "ABCDEFGHIJ", "..........", "----------"];

  async function stalled(
    slowConsumer: string,
  ): Promise<{ stage: HandStage; outcomes: string[]; written: () => string[] }> {
    const stage = await HandStage.open({ outbox: { maxBufferedBytes: 24, slowConsumer }, handler() {} });
    const transport = await stage.connect();
    transport.isFull = true;
    const outcomes = messages.map((message) => {
      const { queued, dropped, dead } = stage.server.unicast(message, "c1");
      return queued === 1 ? "queued" : dropped === 1 ? "dropped" : `dead ${dead}`;
    });
    return {
      stage,
      outcomes,
      written() {
        transport.isFull = false;
        transport.listener.drained();
        return transport.take();
      },
    };
  }

  test('is closed with 1013 by "close", after what was accepted', async () => {
    const { stage, outcomes, written } = await stalled("close");
    expect(outcomes).toEqual(["queued", "queued", "dropped", "dead 1", "dead 1"]);
    expect(written()).toEqual(["write 0123456789 abcdefghij", "close 1013 slow consumer", "resume"]);
    expect(stage.server.stats()).toMatchObject({ dropped: 1, deadLetters: 2, slowConsumers: 1, connections: 0 });
  });

  test('misses the new messages by "dropNewest"', async () => {
    const { stage, outcomes, written } = await stalled("dropNewest");
    expect(outcomes).toEqual(["queued", "queued", "dropped", "dropped", "dropped"]);
    expect(written()).toEqual(["write 0123456789 abcdefghij"]);
    expect(stage.server.stats()).toMatchObject({ dropped: 3, deadLetters: 0, slowConsumers: 1, connections: 1 });
  });

  test('misses the old messages by "dropOldest"', async () => {
    const { stage, outcomes, written } = await stalled("dropOldest");
    expect(outcomes).toEqual(["queued", "queued", "queued", "queued", "queued"]);
    expect(written()).toEqual(["write .......... ----------"]);
    expect(stage.server.stats()).toMatchObject({ dropped: 3, slowConsumers: 1, connections: 1 });
  });

  test("is told of in the log once, and again when it has drained in between", async () => {
    const logger = new Lines();
    const outbox = { maxBufferedBytes: 1, slowConsumer: "dropNewest" };
    const stage = await HandStage.open({ logger, outbox, handler() {} });
    const transport = await stage.connect();
    for (let i = 0; i < 2; i++) {
      transport.isFull = true;
      for (let n = 0; n < 4; n++) stage.server.sendall("x");
      transport.isFull = false;
      transport.listener.drained();
    }
    expect(stage.server.stats().slowConsumers).toBe(2);
    expect(logger.at("warn")).toEqual([
      ["slow consumer", { connection: "c1", bufferedAmount: 3, policy: "dropNewest" }],
      ["slow consumer", { connection: "c1", bufferedAmount: 3, policy: "dropNewest" }],
    ]);
  });

  test("that is idle takes one message of any size", async () => {
    const stage = await HandStage.open({ outbox: { maxBufferedBytes: 10 }, handler() {} });
    const transport = await stage.connect();
    transport.isFull = true;
    expect(stage.server.sendall("x".repeat(1_000)).queued).toBe(1);
  });
});

describe("a room", () => {
  test("has a name that is a string and not empty, for each verb", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const { id } = await runtime.connect();
    const { server } = runtime;
    for (const room of ["", undefined, 5, null] as unknown as string[]) {
      const bad = expect.objectContaining({ code: "BAD_ROOM" });
      expect(() => server.join(id, room)).toThrow(bad);
      expect(() => server.leave(id, room)).toThrow(bad);
      expect(() => server.members(room)).toThrow(bad);
      expect(() => server.sendall("x", { room: ["fine", room] })).toThrow(bad);
      expect(() => server.broadcast("x", id, { room: [room] })).toThrow(bad);
    }
  });

  test("has a name of 1,024 characters at most, at each door", async () => {
    const longest = "é".repeat(1_024);
    const refused: unknown[] = [];
    const refusal = (call: () => unknown): void => {
      try {
        refused.push(call());
      } catch (error) {
        refused.push(error);
      }
    };
    await using runtime = createTestRuntime({
      routes: {
        "/": {
          handler: channels({
            a: ({ connection }, bus) => {
              if (connection === undefined || !connection.isOpen) return;
              expect(connection.join(longest)).toBe(true);
              for (const room of [`${longest}x`, "x".repeat(1_048_576)]) {
                refusal(() => connection.join(room));
                refusal(() => bus.sendall("x", { room }));
              }
            },
          }),
        },
      },
    });
    const client = await runtime.connect();
    client.send("sub,a");
    await runtime.settle();
    const { server } = runtime;
    const connection = server.connections()[0];
    expect([server.join(client.id, longest), server.members(longest).length]).toEqual([true, 1]);
    expect(server.sendall("hi", { room: longest }).queued).toBe(1);
    for (const room of [`${longest}x`, "x".repeat(1_048_576)]) {
      for (const bus of [server, server.route("/")]) {
        refusal(() => bus.join(client.id, room));
        refusal(() => bus.leave(client.id, room));
        refusal(() => bus.members(room));
        refusal(() => bus.sendall("x", { room }));
        refusal(() => bus.broadcast("x", client.id, { room: ["fine", room] }));
      }
      refusal(() => connection?.join(room));
      refusal(() => connection?.leave(room));
    }
    expect(refused.length).toBe(4 + 2 * (2 * 5 + 2));
    const shown =
      /^room: expected a string of 1 to 1024 characters(, or an array of such strings)?, got one of (1025|1048576)$/;
    for (const error of refused)
      expect(error).toMatchObject({ code: "BAD_ROOM", message: expect.stringMatching(shown) });
    const rooms = connection?.rooms as never;
    expect(() => server.sendall("x", { room: rooms })).toThrow(
      /characters, or an array of such strings, got an object/,
    );
    expect([server.rooms(), server.leave(client.id, longest)]).toEqual([[longest], true]);
  });

  test("does not keep the message that its name was cut out of", async () => {
    const handler = (event: ServerEvent): void => {
      if (event.type === "message") event.connection.join(event.text.split(" ")[0] ?? "");
    };
    await using runtime = createTestRuntime({ handler, failures: "supervise" });
    const client = await runtime.connect();
    const before = heapInUse();
    for (let i = 0; i < 60; i++)
      client.send(`a room whose name is long enough: ${i}`.replaceAll(" ", "-") + ` ${i}`.repeat(300_000));
    await runtime.settle();
    runtime.server.join(client.id, "half-a-character-\ud83d and the rest".split(" ")[0] ?? "");
    expect(runtime.server.rooms().at(-1)).toBe("half-a-character-\ud83d");
    expect(runtime.server.rooms().length).toBe(61);
    expect(heapInUse() - before).toBeLessThan(20 * 1_048_576);
  });

  test("is given as a copy, in the order of joining, and ceases to exist when it is empty", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const [a, b] = [await runtime.connect(), await runtime.connect()];
    const { server } = runtime;
    expect([server.join(b.id, "red"), server.join(a.id, "red"), server.join(a.id, "red")]).toEqual([true, true, false]);
    const members = server.members("red");
    expect(members.map(({ id }) => id)).toEqual([b.id, a.id]);
    members.pop();
    server.rooms().pop();
    server.connections().pop();
    expect([server.members("red").length, server.rooms(), server.connections().length]).toEqual([2, ["red"], 2]);
    expect([server.leave(a.id, "red"), server.leave(a.id, "red"), server.leave(b.id, "red")]).toEqual([
      true,
      false,
      true,
    ]);
    expect([server.rooms(), server.members("red"), server.stats().rooms]).toEqual([[], [], 0]);
  });

  test("ceases to exist when its last member closes", async () => {
    await using runtime = createTestRuntime({ handler() {} });
    const client = await runtime.connect();
    runtime.server.join(client.id, "red");
    client.close();
    await runtime.settle();
    expect(runtime.server.rooms()).toEqual([]);
  });
});

describe("info", () => {
  test("is refused when maxInfo info events wait", async () => {
    const told: unknown[] = [];
    const stage = await HandStage.open({
      mailbox: { maxInfo: 2 },
      handler: (event: ServerEvent) => void (event.type === "info" && told.push(event.data)),
    });
    expect([1, 2, 3].map((data) => stage.server.tell(data))).toEqual([true, true, false]);
    await stage.settle();
    expect([told, stage.server.tell(4)]).toEqual([[1, 2], true]);
  });

  test("carries whatever it is given, and the connection that it is about", async () => {
    const events: ServerEvent[] = [];
    const stage = await HandStage.open({ handler: (event: ServerEvent) => void events.push(event) });
    await stage.connect();
    const [connection] = stage.server.connections();
    const data = { any: ["thing"] };
    stage.server.tell(data);
    if (connection !== undefined) stage.server.tell(undefined, connection);
    await stage.settle();
    expect(events.slice(1)).toEqual([
      { type: "info", data },
      { type: "info", data: undefined, connection },
    ]);
    expect(events[1]).not.toHaveProperty("connection");
  });

  test("of an alarm comes when it rings, not when it was cancelled or its connection has gone", async () => {
    const told: unknown[] = [];
    let bus: Bus | undefined;
    const connections: Connection[] = [];
    await using runtime = createTestRuntime({
      handler(event, itsBus) {
        bus = itsBus;
        if (event.type === "info") told.push([itsBus.now(), event.data, event.connection?.id]);
        if (event.type === "open") connections.push(event.connection);
      },
    });
    const [stayer, leaver] = [await runtime.connect(), await runtime.connect()];
    bus?.after(10, "all");
    if (connections[0] !== undefined) bus?.after(20, "one", connections[0]);
    const cancel = bus?.after(30, "cancelled");
    bus?.after(40, "gone", leaver.id);
    cancel?.();
    cancel?.();
    leaver.close();
    await runtime.advance(100);
    cancel?.();
    expect(told).toEqual([
      [10, "all", undefined],
      [20, "one", stayer.id],
    ]);
  });

  test("of an alarm that finds the mailbox full is lost, with a warning", async () => {
    const logger = new Lines();
    const stage = await HandStage.open({ logger, mailbox: { maxInfo: 1 }, handler() {} });
    stage.server.after(1, "lost");
    stage.server.tell("first");
    stage.clock.pass(1);
    expect(logger.at("warn").map(([text]) => text)).toEqual([
      "an alarm's info event is lost: mailbox.maxInfo events wait already",
    ]);
  });
});

describe("the bus's own close", () => {
  test("takes a connection or its id, and does nothing for one that has gone", async () => {
    const { server, ...stage } = await opened();
    const [transport] = [await stage.connect()];
    const bus = server.route("/a");
    expect([bus.close("nobody"), bus.close("c1", 4000, "bye"), bus.close("c1")]).toEqual([false, true, false]);
    expect(transport.take()).toEqual(["close 4000 bye", "resume"]);
  });
});

async function opened(): Promise<{ server: HandStage["server"]; connect: () => ReturnType<HandStage["connect"]> }> {
  const stage = await HandStage.open({ heartbeat: false, routes: { "/a": { handler() {} } } });
  return { server: stage.server, connect: () => stage.connect("/a") };
}

describe("a copy or a proxy of a connection", () => {
  const copies: readonly [what: string, copy: (connection: Connection) => Connection][] = [
    ["a spread copy", (connection) => ({ ...connection, id: connection.id })],
    ["a proxy", (connection) => new Proxy(connection, {})],
    ["an object that inherits from the connection", (connection) => Object.create(connection)],
  ];

  test.each(copies)("stands for the connection of its id, on a route and in a channel: %s", async (_what, copy) => {
    const answer = (event: ServerEvent, bus: Bus): void => {
      if (event.type === "message") bus.unicast(event.text, copy(event.connection));
    };
    await using runtime = createTestRuntime({
      routes: { "/plain": { handler: answer }, "/many": { handler: channels({ news: answer }) } },
    });
    const [plain, many] = [await runtime.connect({ path: "/plain" }), await runtime.connect({ path: "/many" })];
    plain.send("hi");
    many.send("sub,news");
    many.send("msg,news,hi");
    await runtime.settle();
    expect([plain.take(), many.take()]).toEqual([["hi"], ["msg,news,hi"]]);
    expect(runtime.server.stats().failures).toEqual([]);
  });

  test("with the id of another connection stands for the other", async () => {
    const opened: Connection[] = [];
    await using runtime = createTestRuntime({
      handler(event) {
        if (event.type === "open") opened.push(event.connection);
      },
    });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    const [first] = opened;
    if (first === undefined) throw new Error("no connection has opened");
    runtime.server.unicast("for bob", { ...first, id: bob.id });
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([[], ["for bob"]]);
  });
});
