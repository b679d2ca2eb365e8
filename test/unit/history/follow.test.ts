/** What the bus keeps, and what those who follow a room get: order, positions, outcomes, arguments. Over stores that answer at once, and stores that take their time. */
import type {
  Bus,
  Connection,
  FollowFrom,
  FollowResult,
  HistoryOptions,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
  ServerEvent,
} from "sendall";
import { channels } from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryHistory } from "../../../src/history/memory.js";

interface Room {
  readonly runtime: TestRuntime;
  readonly bus: Bus;
  readonly results: FollowResult[];
  readonly errors: unknown[];
  /** @returns a client that has followed the room */
  follower(from: FollowFrom): Promise<TestClient>;
  connection(client: TestClient): Connection;
}

/** A route of which the test lets clients follow the room. */
async function open(history: Partial<HistoryOptions> | true = true, options: object = {}): Promise<Room> {
  const results: FollowResult[] = [];
  const errors: unknown[] = [];
  const runtime = createTestRuntime({ history, handler() {}, ...options });
  onTestFinished(async () => runtime.close());
  await runtime.settle();
  const bus = runtime.server.route("*");
  const connections = new Map<TestClient, Connection>();
  return {
    runtime,
    bus,
    results,
    errors,
    async follower(from) {
      const client = await runtime.connect();
      const connection = bus.connections().at(-1) as Connection;
      connections.set(client, connection);
      connection.follow("room", from).then(
        (result) => results.push(result),
        (error: unknown) => errors.push(error),
      );
      await runtime.settle();
      return client;
    },
    connection: (client) => connections.get(client) as Connection,
  };
}

function keepAll({ bus }: Room, ...texts: string[]): string[] {
  return texts.map((text) => bus.sendall(text, { room: "room", keep: true }).position ?? "");
}

/** A store that answers when the test lets it answer. */
class SlowStore implements HistoryStore {
  readonly #memory = new MemoryHistory();
  readonly waiting: { answer(): void; fail(error: unknown): void }[] = [];

  open(host: Parameters<NonNullable<HistoryStore["open"]>>[0]): void {
    this.#memory.open(host);
  }
  append(entry: MessageToKeep): string | undefined {
    return this.#memory.append(entry);
  }
  read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ answer: () => resolve(this.#memory.read(room, query)), fail: reject });
    });
  }
  trim(): void {
    this.#memory.trim();
  }
  close(): void {
    this.#memory.close();
  }
}

describe("a room with history", () => {
  test("gives a newcomer the last messages in order, then what comes", async () => {
    const room = await open();
    const positions = keepAll(room, "one", "two", "three");
    const client = await room.follower({ last: 2 });
    expect(client.received).toEqual(["two", "three"]);
    expect(room.results).toEqual([{ outcome: "complete", count: 2, position: positions[2] }]);
    keepAll(room, "four");
    room.bus.sendall("five", { room: "room" });
    await room.runtime.settle();
    expect(client.received).toEqual(["two", "three", "four", "five"]);
  });

  test("gives a client that comes back exactly what came after its position", async () => {
    const room = await open();
    const [first = ""] = keepAll(room, "one", "two", "three");
    const client = await room.follower({ after: first });
    expect(client.received).toEqual(["two", "three"]);
    const [last = ""] = keepAll(room, "four");
    await room.follower({ after: last });
    expect(room.results[1]).toEqual({ outcome: "complete", count: 0, position: last });
  });

  test("answers with positions that sort, and that are the receipts'", async () => {
    const room = await open();
    const positions = keepAll(room, ...Array.from({ length: 50 }, (_, i) => `${i}`));
    expect([...positions].sort()).toEqual(positions);
    const { entries } = await room.bus.history("room");
    expect(entries.map(({ position }) => position)).toEqual(positions);
    expect(entries.map(({ data }) => data)).toEqual(positions.map((_, i) => `${i}`));
  });

  test("says gap, and sends nothing, once the position is gone", async () => {
    const room = await open({ maxMessages: 3 });
    const [first = "", second = ""] = keepAll(room, "1", "2", "3", "4");
    const lost = await room.follower({ after: first });
    expect(lost.received).toEqual([]);
    expect(room.results).toEqual([{ outcome: "gap", count: 0, position: (await position(room)) ?? "" }]);
    expect((await room.follower({ after: second })).received).toEqual(["3", "4"]);
    keepAll(room, "5");
    await room.runtime.settle();
    expect(lost.received).toEqual(["5"]);
  });

  test.each([[undefined], [""], ["nonsense"], [7], [null], [{}], ["x".repeat(1_000_000)]])(
    "does not know a position like %.20j, and sends only what comes",
    async (after) => {
      const room = await open();
      const [last] = keepAll(room, "one");
      const client = await room.follower({ after: after as string });
      expect(room.results).toEqual([{ outcome: "unknown", count: 0, position: last }]);
      keepAll(room, "two");
      await room.runtime.settle();
      expect(client.received).toEqual(["two"]);
    },
  );

  test("does not know a position of another room", async () => {
    const room = await open();
    const { position } = room.bus.sendall("elsewhere", { room: "other", keep: true });
    keepAll(room, "one");
    await room.follower({ after: position });
    expect(room.results).toMatchObject([{ outcome: "unknown", count: 0 }]);
  });

  test("has a start, from which a client of the empty room gets everything", async () => {
    const room = await open();
    await room.follower({ last: 50 });
    const [start] = room.results;
    expect(start).toMatchObject({ outcome: "complete", count: 0 });
    keepAll(room, "one", "two");
    const client = await room.follower({ after: start?.position });
    expect(client.received).toEqual(["one", "two"]);
  });

  test("leaves the source of a kept broadcast out, then and in a replay", async () => {
    const room = await open();
    const speaker = await room.follower({ last: 0 });
    const listener = await room.follower({ last: 0 });
    room.bus.broadcast("mine", room.connection(speaker), { room: "room", keep: true });
    keepAll(room, "everybody's");
    await room.runtime.settle();
    expect([speaker.received, listener.received]).toEqual([["everybody's"], ["mine", "everybody's"]]);
    room.bus.leave(room.connection(speaker), "room");
    const again = await room.connection(speaker).follow("room", { last: 50 });
    await room.runtime.settle();
    expect(again).toMatchObject({ outcome: "complete", count: 1 });
    expect(speaker.received).toEqual(["everybody's", "everybody's"]);
    expect((await room.bus.history("room")).entries).toHaveLength(2);
  });

  test("keeps messages of a room that nobody is in, and bytes as bytes", async () => {
    const room = await open();
    const bytes = Uint8Array.of(0, 255, 126);
    const receipt = room.bus.sendall(bytes, { room: "room", keep: true });
    expect(receipt).toMatchObject({ targeted: 0, queued: 0, position: expect.any(String) });
    bytes.fill(7);
    const client = await room.follower({ last: 1 });
    expect(client.received).toEqual([Buffer.from([0, 255, 126])]);
    const [entry] = (await room.bus.history("room")).entries;
    expect(entry?.data).toEqual(Buffer.from([0, 255, 126]));
    (entry as { readonly data: Buffer }).data.fill(9);
    expect((await room.follower({ last: 1 })).received).toEqual([Buffer.from([0, 255, 126])]);
  });

  test("stamps messages with their position: delivered, and replayed", async () => {
    const stamped: string[] = [];
    const room = await open({
      stamp(data, position) {
        stamped.push(`${data}`);
        return `${position}:${data}`;
      },
    });
    const client = await room.follower({ last: 0 });
    const [one = "", two = ""] = keepAll(room, "one", "two");
    room.bus.sendall("not kept", { room: "room" });
    await room.runtime.settle();
    expect(client.received).toEqual([`${one}:one`, `${two}:two`, "not kept"]);
    expect((await room.follower({ last: 9 })).received).toEqual([`${one}:one`, `${two}:two`]);
    expect((await room.bus.history("room")).entries.map(({ data }) => data)).toEqual(["one", "two"]);
    expect(stamped).toEqual(["one", "two"]);
  });

  test.each<[what: string, stamp: () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no ink");
      },
    ],
    ["makes no message", () => 7],
    ["makes a promise", async () => "too late"],
  ])("sends a message as it is if the stamp %s", async (_what, stamp) => {
    const room = await open({ stamp: stamp as HistoryOptions["stamp"] }, { failures: "supervise" });
    const client = await room.follower({ last: 0 });
    keepAll(room, "one");
    await room.runtime.settle();
    expect(client.received).toEqual(["one"]);
    expect(room.runtime.server.stats().failures).toMatchObject([{ event: "history.stamp" }]);
  });

  test("counts what is kept", async () => {
    const room = await open();
    keepAll(room, "one", "two");
    expect(room.runtime.server.stats()).toMatchObject({ kept: 2, unkept: 0 });
  });

  test("forgets after maxAgeMs, in virtual time", async () => {
    const room = await open({ maxAgeMs: 60_000 });
    const [first = ""] = keepAll(room, "one");
    await room.runtime.advance(59_999);
    keepAll(room, "two");
    expect((await room.bus.history("room")).entries).toHaveLength(2);
    await room.runtime.advance(2);
    expect((await room.bus.history("room")).entries.map(({ data }) => data)).toEqual(["two"]);
    await room.follower({ after: first });
    expect(room.results).toMatchObject([{ outcome: "gap" }]);
  });

  test("is another one in each channel", async () => {
    const follow = async ({ type, connection }: ServerEvent): Promise<void> => {
      if (type === "open") await connection.follow("room", { last: 9 });
    };
    const say = async (event: ServerEvent, bus: Bus): Promise<void> => {
      if (event.type === "message") bus.sendall(event.data, { room: "room", keep: true });
      await follow(event);
    };
    const runtime = createTestRuntime({ history: true, handler: channels({ a: say, b: say }) });
    onTestFinished(async () => runtime.close());
    const speaker = await runtime.connect();
    for (const message of ["sub,a", "sub,b", "msg,a,to a", "msg,b,to b"]) speaker.send(message);
    await runtime.settle();
    const newcomer = await runtime.connect();
    newcomer.send("sub,b");
    newcomer.send("sub,a");
    await runtime.settle();
    expect(newcomer.received).toEqual(["msg,b,to b", "msg,a,to a"]);
  });

  test("is forgotten with its server, and its positions are unknown to the next", async () => {
    const first = await open();
    const [last = ""] = keepAll(first, "one");
    await first.runtime.close();
    const second = await open();
    keepAll(second, "another");
    await second.follower({ after: last });
    expect(second.results).toMatchObject([{ outcome: "unknown", count: 0 }]);
  });
});

async function position({ bus }: Room): Promise<string | undefined> {
  return (await bus.history("room")).entries.at(-1)?.position;
}

describe("follow", () => {
  test("refuses a member, and leaves the member one", async () => {
    const room = await open();
    const client = await room.follower({ last: 0 });
    const connection = room.connection(client);
    await expect(connection.follow("room", { last: 1 })).rejects.toMatchObject({ code: "ALREADY_MEMBER" });
    expect(connection.rooms.has("room")).toBe(true);
  });

  test("is refused for a connection that has gone, or is in too many rooms", async () => {
    const room = await open(true, { maxRoomsPerConnection: 1 });
    keepAll(room, "one");
    const client = await room.follower({ last: 0 });
    const connection = room.connection(client);
    const refused = { outcome: "refused", count: 0, position: undefined };
    expect(await connection.follow("another", { last: 1 })).toEqual(refused);
    client.close();
    await room.runtime.settle();
    expect(await connection.follow("room", { last: 1 })).toEqual(refused);
  });

  test.each([
    [{}, "expected { last: 50 } or { after: position }, got neither"],
    [undefined, "expected { last: 50 } or { after: position }, got undefined"],
    [5, "expected { last: 50 } or { after: position }, got 5"],
    [{ last: 1, after: "x" }, "expected either last or after, got both"],
    [{ last: -1 }, "last: expected a whole number from 0, got -1"],
    [{ last: 1.5 }, "last: expected a whole number from 0, got 1.5"],
    [{ last: "5" }, 'last: expected a whole number from 0, got "5"'],
    [{ lats: 5 }, 'unknown option "lats"'],
  ])("takes no argument like %j, and does not join", async (from, problem) => {
    const room = await open();
    const client = await room.runtime.connect();
    const [connection] = room.bus.connections();
    await expect(connection?.follow("room", from as FollowFrom)).rejects.toMatchObject({
      code: "BAD_OPTION",
      message: expect.stringContaining(problem),
    });
    expect(connection?.rooms.size).toBe(0);
    client.close();
  });

  test("takes no room without a name", async () => {
    const room = await open();
    await room.runtime.connect();
    const [connection] = room.bus.connections();
    await expect(connection?.follow("", { last: 1 })).rejects.toMatchObject({ code: "BAD_ROOM" });
    await expect(room.bus.history("")).rejects.toMatchObject({ code: "BAD_ROOM" });
  });
});

describe("a replay that a stalled client does not take", () => {
  test("lets as much more wait as outbox.maxBufferedBytes, then the policy applies", async () => {
    const room = await open(true, { outbox: { maxBufferedBytes: 1_000, slowConsumer: "dropNewest" } });
    keepAll(room, ...Array.from({ length: 50 }, (_, i) => `${i} ${"x".repeat(96)}`));
    const client = await room.runtime.connect();
    const [connection] = room.bus.connections();
    client.stall();
    expect(await connection?.follow("room", { last: 100 })).toMatchObject({ outcome: "complete", count: 50 });
    let live = 0;
    while (connection?.send("z".repeat(98)) && live < 1_000) live++;
    expect(live * 100, "bytes that wait behind the replay").toBe(1_000);
    expect(room.runtime.server.stats()).toMatchObject({ slowConsumers: 1, dropped: 1 });
    client.resume();
    await room.runtime.settle();
    const replayed = client.received.filter((text) => String(text).endsWith("x"));
    expect(replayed).toHaveLength(50);
    expect(client.received.slice(50)).toEqual(Array.from({ length: live }, () => "z".repeat(98)));
    expect(connection?.send("again")).toBe(true);
  });
});

describe("keep", () => {
  test.each([
    [{ keep: true }, "expected exactly one room, got 0"],
    [{ keep: true, room: [] }, "expected exactly one room, got 0"],
    [{ keep: true, room: ["a", "b"] }, "expected exactly one room, got 2"],
    [{ keep: "yes", room: "a" }, 'expected true or false, got "yes"'],
    [{ kep: true, room: "a" }, 'unknown option "kep"'],
  ])("wants one room: not %j", async (options, problem) => {
    const { bus } = await open();
    for (const send of [() => bus.sendall("x", options as never), () => bus.broadcast("x", "id", options as never)])
      expect(send).toThrow(expect.objectContaining({ code: "BAD_OPTION", message: expect.stringContaining(problem) }));
  });

  test("takes one room in a list, and keep: false is as no keep", async () => {
    const { bus } = await open();
    expect(bus.sendall("x", { room: ["a"], keep: true }).position).toBeDefined();
    expect(bus.sendall("x", { room: "a", keep: false })).not.toHaveProperty("position");
    expect((await bus.history("a")).entries).toHaveLength(1);
  });

  test("refuses what is no message, and keeps nothing then", async () => {
    const { bus } = await open();
    expect(() => bus.sendall(7 as never, { room: "a", keep: true })).toThrow(
      expect.objectContaining({ code: "BAD_DATA" }),
    );
    expect((await bus.history("a")).entries).toEqual([]);
  });
});

test("without the option every verb of history throws NO_HISTORY", async () => {
  const runtime = createTestRuntime({ handler() {} });
  onTestFinished(async () => runtime.close());
  await runtime.connect();
  const bus = runtime.server.route("*");
  const [connection] = bus.connections();
  const code = { code: "NO_HISTORY" };
  expect(() => bus.sendall("x", { room: "a", keep: true })).toThrow(expect.objectContaining(code));
  expect(() => bus.broadcast("x", "id", { room: "a", keep: true })).toThrow(expect.objectContaining(code));
  await expect(bus.history("a")).rejects.toMatchObject(code);
  await expect(connection?.follow("a", { last: 1 })).rejects.toMatchObject(code);
  expect(connection?.rooms.size).toBe(0);
});

test("a server with several routes keeps and reads by its routes alone", async () => {
  const runtime = createTestRuntime({ history: true, routes: { "/a": { handler() {} }, "/b": { handler() {} } } });
  onTestFinished(async () => runtime.close());
  await runtime.settle();
  const { server } = runtime;
  const code = { code: "BAD_OPTION", message: expect.stringContaining("server.route(path)") };
  expect(() => server.sendall("x", { room: "r", keep: true })).toThrow(expect.objectContaining(code));
  expect(() => server.broadcast("x", "id", { room: "r", keep: true })).toThrow(expect.objectContaining(code));
  await expect(server.history("r")).rejects.toMatchObject(code);
  server.route("/a").sendall("of a", { room: "r", keep: true });
  expect((await server.route("/b").history("r")).entries).toEqual([]);
  expect((await server.route("/a").history("r")).entries).toMatchObject([{ data: "of a" }]);
});

describe("a store that takes its time", () => {
  test("holds back what comes in the room, and nothing else, until the replay is written", async () => {
    const store = new SlowStore();
    const room = await open({ store });
    keepAll(room, "1", "2");
    const client = await room.follower({ last: 9 });
    const connection = room.connection(client);
    keepAll(room, "3");
    room.bus.sendall("not kept", { room: "room" });
    keepAll(room, "4");
    connection.send("to you");
    room.bus.sendall("to all");
    await room.runtime.settle();
    expect(client.received).toEqual(["to you", "to all"]);
    store.waiting[0]?.answer();
    await room.runtime.settle();
    expect(client.received).toEqual(["to you", "to all", "1", "2", "3", "not kept", "4"]);
    expect(room.results).toMatchObject([{ outcome: "complete", count: 2 }]);
  });

  test("does not keep a member of the room waiting who follows no more", async () => {
    const store = new SlowStore();
    const room = await open({ store });
    const client = await room.follower({ last: 9 });
    store.waiting[0]?.answer();
    await room.runtime.settle();
    const other = await room.follower({ last: 9 });
    keepAll(room, "1");
    await room.runtime.settle();
    expect([client.received, other.received]).toEqual([["1"], []]);
    store.waiting[1]?.answer();
    await room.runtime.settle();
    expect(other.received).toEqual(["1"]);
  });

  test("is blocked for 5 s, and all others, in the room and elsewhere, get what is sent at once", async () => {
    const store = new SlowStore();
    const room = await open({ store });
    const member = await room.follower({ last: 0 });
    store.waiting[0]?.answer();
    await room.runtime.settle();
    const follower = await room.follower({ last: 9 });
    const stranger = await room.runtime.connect();
    for (let second = 1; second <= 5; second++) {
      await room.runtime.advance(1_000);
      keepAll(room, `kept ${second}`);
      room.bus.sendall(`to all ${second}`);
      await room.runtime.settle();
      expect(member.received.slice(-2)).toEqual([`kept ${second}`, `to all ${second}`]);
      expect(stranger.received.at(-1)).toBe(`to all ${second}`);
      expect(follower.received.at(-1)).toBe(`to all ${second}`);
    }
    store.waiting[1]?.answer();
    await room.runtime.settle();
    expect(follower.received.slice(-5)).toEqual(["kept 1", "kept 2", "kept 3", "kept 4", "kept 5"]);
  });

  test("sends nothing of it to a connection that has left meanwhile, and what was sent before goes out", async () => {
    const store = new SlowStore();
    const room = await open({ store });
    keepAll(room, "old");
    const client = await room.follower({ last: 9 });
    keepAll(room, "new");
    room.bus.leave(room.connection(client), "room");
    room.bus.join(room.connection(client), "room");
    keepAll(room, "newer");
    store.waiting[0]?.answer();
    await room.runtime.settle();
    expect(client.received).toEqual(["new", "newer"]);
    expect(room.results).toEqual([{ outcome: "refused", count: 0, position: undefined }]);
  });

  test("rejects a follow if the store fails: the connection is a member, and gets what comes", async () => {
    const store = new SlowStore();
    const room = await open({ store });
    const client = await room.follower({ last: 9 });
    keepAll(room, "1");
    const cause = new Error("the disk is gone");
    store.waiting[0]?.fail(cause);
    await room.runtime.settle();
    expect(client.received).toEqual(["1"]);
    expect(room.connection(client).rooms.has("room")).toBe(true);
    expect(room.errors).toMatchObject([
      { code: "HISTORY_UNAVAILABLE", message: "history: the store cannot be read: the disk is gone", cause },
    ]);
  });

  test("gives up a store that does not answer within handlerTimeoutMs", async () => {
    const store = new SlowStore();
    const room = await open({ store }, { failures: "supervise", handlerTimeoutMs: 5_000 });
    const client = await room.follower({ last: 9 });
    keepAll(room, "1");
    await room.runtime.advance(5_000);
    expect(client.received).toEqual(["1"]);
    await expect(async () => {
      const read = room.bus.history("room");
      await room.runtime.advance(5_000);
      await read;
    }).rejects.toMatchObject({ code: "HISTORY_UNAVAILABLE" });
  });

  test("says gap to a follower for whom more than outbox.maxBufferedBytes came meanwhile", async () => {
    const store = new SlowStore();
    const room = await open({ store }, { outbox: { maxBufferedBytes: 1_000, slowConsumer: "dropNewest" } });
    keepAll(room, "old");
    const client = await room.follower({ last: 9 });
    for (let i = 0; i < 20; i++) room.bus.sendall("x".repeat(100), { room: "room" });
    await room.runtime.settle();
    expect(client.received.length).toBeGreaterThan(9);
    store.waiting[0]?.answer();
    await room.runtime.settle();
    expect(room.results).toMatchObject([{ outcome: "gap", count: 0 }]);
    expect(client.received).not.toContain("old");
  });
});

describe("a store that breaks its word", () => {
  test("costs a message its place in the history, and nothing else", async () => {
    const memory = new MemoryHistory();
    const store: HistoryStore = {
      open: (host) => memory.open(host),
      append: () => {
        throw new Error("append threw");
      },
      read: () => {
        throw new Error("read threw");
      },
      trim: () => {
        throw new Error("trim threw");
      },
      close: () => {
        throw new Error("close threw");
      },
    };
    const room = await open({ store }, { failures: "supervise" });
    const client = await room.follower({ last: 1 });
    expect(room.bus.sendall("one", { room: "room", keep: true })).toEqual({
      targeted: 1,
      queued: 1,
      dropped: 0,
      dead: 0,
    });
    await room.runtime.settle();
    expect(client.received).toEqual(["one"]);
    await room.runtime.advance(600_000);
    const { kept, unkept, failures } = room.runtime.server.stats();
    expect({ kept, unkept }).toEqual({ kept: 0, unkept: 1 });
    expect(failures.map(({ event }) => event)).toEqual(["history.store"]);
    expect(room.errors).toMatchObject([{ code: "HISTORY_UNAVAILABLE" }]);
    await room.runtime.close();
  });

  test("keeps the server from starting if it cannot be opened, and leaves nothing behind", async () => {
    const memory = new MemoryHistory();
    const store: HistoryStore = {
      name: "attic",
      open: () => Promise.reject(new Error("it is locked")),
      append: (entry) => memory.append(entry),
      read: (room, query) => memory.read(room, query),
      trim() {},
      close() {},
    };
    const runtime = createTestRuntime({ history: { store }, handler() {} });
    await expect(runtime.connect()).rejects.toMatchObject({
      code: "HISTORY_UNAVAILABLE",
      message: "history: the attic cannot be opened: it is locked",
    });
  });
});
