/** The store `jetstream()` over a real NATS: the contract of stores, and what becomes of kept messages when the engine is killed, full or cut off. */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { jetstream, type NatsOptions } from "sendall/nats";
import { testHistoryStore } from "sendall/testing/history-store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Engine, NATS, Network } from "./engines.js";
import { LateNetwork, StoreUser, Writer } from "./history-engines.js";
import { nextRound, until } from "./peers.js";
import { requires } from "./requires.js";

const { skip } = requires("nats");
const STREAMS = ["-js", "-sd", "$FOLDER"] as const;

describe.skipIf(skip)("jetstream", () => {
  describe("the contract of stores", () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await Engine.running(NATS, ...STREAMS);
    });
    afterAll(() => engine.remove());

    testHistoryStore({
      test,
      create: (name) => jetstream({ servers: engine.url, prefix: name }),
      survives: true,
      without: ["maxBytes", "maxRooms", "trim"],
    });
  });

  const storeOf = (options: NatsOptions) =>
    jetstream({ pingInterval: 200, reconnectTimeWait: 50, reconnectJitter: 10, ...options });

  const open = ({ url }: { readonly url: string }, limits = {}): Promise<StoreUser> =>
    StoreUser.open(storeOf({ servers: url }), limits);

  async function administer<T>({ url }: Engine, act: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    const client = await connect({ servers: url });
    try {
      return await act(await jetstreamManager(client));
    } finally {
      await client.close();
    }
  }

  test("jetstream: what was kept is complete after the engine was killed and started again", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const [one, two] = [await open(engine), await open(engine)];
    const heard = await two.hear("a");
    const start = await one.position("b");
    const first = await one.keep("a", "1");
    await one.keep("a", "2");
    await engine.kill();
    await one.down();
    await two.down();
    await engine.start(...STREAMS);
    const last = await one.keep("a", "3");
    expect(await one.after("a", first)).toBe("complete: 2 3");
    expect(await one.after("b", start)).toBe("complete: ");
    expect(last > first).toBe(true);
    await until(() => heard.includes("3"));
    expect(heard).toEqual(["1", "2", "3"]);
    expect(two.log.at("warn").map(([text]) => text)).toEqual(["jetstream: the engine is away, and nothing is kept"]);
  });

  test("jetstream: after the stream was deleted every position is unknown, and messages flow on", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const user = await open(engine);
    const heard = await user.hear("a");
    const positions = [await user.position("b"), await user.keep("a", "1"), await user.keep("a", "2")];
    // What the stream has kept and not told would go with the stream.
    await until(() => heard.length === 2);
    await administer(engine, (manager) => manager.streams.delete("sendall-history"));
    user.append("a", "lost");
    await until(() => user.lost === 1);
    const third = await user.keep("a", "3");
    for (const position of positions) expect(await user.after("a", position)).toBe("unknown");
    expect(positions).not.toContain(third);
    await until(() => heard.includes("3"));
    expect(heard).toEqual(["1", "2", "3"]);
  });

  test("jetstream: stores that make the stream together have the same stream", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    for (let i = 0; i < 20; i++) {
      const users = await Promise.all(
        [0, 1, 2].map(() => StoreUser.open(storeOf({ servers: engine.url, prefix: `p${i}` }))),
      );
      const [epoch = "none"] = (await users[0]?.keep("a", "1"))?.split("-") ?? [];
      for (const user of users) expect((await user.position("a")).startsWith(`${epoch}-`)).toBe(true);
    }
  });

  test("jetstream: a stream that was deleted is made anew by whoever reads first", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const user = await open(engine);
    const first = await user.keep("a", "1");
    await administer(engine, (manager) => manager.streams.delete("sendall-history"));
    await user.last("a").catch(() => {});
    await user.up();
    expect(await user.after("a", first)).toBe("unknown");
  });

  test("jetstream: an engine that is full loses messages by report, and no position is complete over what has gone", async () => {
    const engine = await Engine.start(NATS, "-c", "$FOLDER/full.conf");
    const user = await open(engine);
    const heard = await user.hear("a");
    const first = await user.keep("a", "1");
    let sent = 0;
    for (; user.lost === 0; sent++) {
      await user.up();
      user.append("a", "x".repeat(100_000));
      await nextRound();
    }
    const lines = (await user.after("a", first)).split(" ");
    expect(lines[0] === "gap" || lines.length - 1 === heard.length - 1).toBe(true);
    await administer(engine, (manager) => manager.streams.purge("sendall-history"));
    const later = await user.keep("a", "later");
    expect(await user.after("a", first)).toBe("gap");
    expect(await user.after("a", later)).toBe("complete: ");
    await until(() => heard.at(-1) === "later");
    expect(heard.length).toBe(sent + 2 - user.lost);
  });

  test("jetstream: what an administrator has set stays, and what goes by that is a gap", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const first = await open(engine);
    await administer(engine, (manager) => manager.streams.update("sendall-history", { max_bytes: 5_000 }));
    const user = await open(engine, { maxMessages: 7 });
    const positions = [await user.position("a"), await user.keep("a", "1")];
    for (const text of ["x", "y"]) await user.keep("b", text.repeat(4_500));
    for (const position of positions) expect(await user.after("a", position)).toBe("gap");
    const later = await first.keep("a", "2");
    expect(await user.after("a", later)).toBe("complete: ");
  });

  test("jetstream: three nodes hear one order while connections break, nothing twice, and only what is reported is missing", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const networks = [await Network.before(engine), await Network.before(engine), await Network.before(engine)];
    const users = await Promise.all(networks.map((network) => open(network)));
    const heard = await Promise.all(users.map((user) => user.hear("a")));
    const writers = users.map((user, i) => new Writer(user, "abc"[i] ?? "", "a"));
    for (let i = 0; i < 6; i++) {
      for (const writer of writers) writer.allow(500);
      const from = heard.map(({ length }) => length);
      await until(() => heard.every(({ length }, node) => length > (from[node] ?? 0) + 50));
      networks[i % 3]?.cut();
      await users[i % 3]?.down();
      for (const writer of writers) writer.allow(500);
      await users[i % 3]?.up();
    }
    for (const writer of writers) await writer.stop();
    for (const [node, user] of users.entries()) user.append("a", `end ${node}`);
    await until(() => heard.every((texts) => users.every((_, node) => texts.includes(`end ${node}`, -2_000))));
    const [first = []] = heard;
    for (const texts of heard) expect(texts).toEqual(first);
    expect(new Set(first).size).toBe(first.length);
    expect(first.join(" ").endsWith((await users[0]?.last("a")) ?? "none")).toBe(true);
    for (const [node, writer] of writers.entries()) {
      const own = first.filter((text) => text.startsWith("abc"[node] ?? "")).map((text) => Number(text.slice(1)));
      expect(own).toEqual(own.toSorted((a, b) => a - b));
      const missing = writer.taken - own.length;
      expect(missing).toBeGreaterThanOrEqual(0);
      expect(missing).toBeLessThanOrEqual(users[node]?.lost ?? 0);
    }
  });

  test("jetstream: what others kept while a node was cut off is handed over, before what is new", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const network = await Network.before(engine);
    const [near, far] = [await open(engine), await open(network)];
    const heard = await far.hear("a");
    await near.keep("a", "1");
    await until(() => heard.length === 1);
    network.hold();
    for (const text of ["2", "3", "4"]) await near.keep("a", text);
    network.cut();
    await far.down();
    network.release();
    await far.up();
    await near.keep("a", "5");
    await until(() => heard.includes("5"));
    expect(heard).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("jetstream: what was missed and has gone meanwhile is a warning, and messages flow on", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const network = await Network.before(engine);
    const [near, far] = [await open(engine), await open(network)];
    const heard = await far.hear("a");
    await near.keep("a", "1");
    await until(() => heard.length === 1);
    network.hold();
    for (const text of ["2", "3"]) await near.keep("a", text);
    await administer(engine, (manager) => manager.streams.purge("sendall-history"));
    network.cut();
    await far.down();
    network.release();
    await far.up();
    await near.keep("a", "4");
    await until(() => heard.includes("4"));
    expect(heard).toEqual(["1", "4"]);
    expect(far.log.at("warn").at(-1)).toEqual([
      "jetstream: messages may have been missed while the engine was away",
      { room: "a" },
    ]);
  });

  test("jetstream: a message from before a break that comes behind a message from after the break is passed over", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const network = await LateNetwork.before(engine);
    const near = await open(engine);
    const far = await StoreUser.open(jetstream({ servers: `127.0.0.1:${network.port}`, reconnectTimeWait: 50 }));
    const heard = await near.hear("a");
    const first = await far.keep("a", "1");
    network.hold();
    far.append("a", "2");
    await until(() => network.holds);
    network.cut();
    await far.down();
    await far.keep("a", "3");
    await network.deliver();
    await near.keep("a", "4");
    await until(() => heard.includes("4"));
    expect(heard).toEqual(["1", "3", "4"]);
    expect(await near.after("a", first)).toBe("complete: 3 4");
    expect(far.lost).toBe(1);
  });

  test("jetstream: a burst of more than maxMessages reaches every subscription whole", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const [one, two] = [await open(engine, { maxMessages: 3 }), await open(engine, { maxMessages: 3 })];
    const heard = [await one.hear("a"), await two.hear("a")];
    for (let i = 0; i < 500; i++) one.append("a", `${i}`);
    await until(() => heard.every(({ length }) => length === 500));
    expect(await two.last("a")).toBe("497 498 499");
  });

  test("jetstream: an engine that is silent holds nobody up, and what was taken comes in order when the engine goes on", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const user = await StoreUser.open(jetstream({ servers: engine.url }));
    const heard = await user.hear("a");
    engine.freeze();
    for (let i = 0; i < 1_000; i++) expect(user.append("a", `${i}`)).toBe(true);
    await nextRound();
    const reading = user.last("a");
    let large = 0;
    for (; user.append("b", Buffer.alloc(1_000_000)); large++) if (large % 4 === 3) await nextRound();
    expect(large).toBe(17);
    expect(user.append("a", "refused")).toBe(false);
    engine.thaw();
    expect(await reading).toBe(Array.from({ length: 1_000 }, (_, i) => `${i}`).join(" "));
    await user.up();
    await user.keep("a", "later");
    await until(() => heard.at(-1) === "later");
    expect(heard.length).toBe(1_001);
    expect(user.lost).toBe(0);
  });

  test("jetstream: a message larger than the engine takes is lost by report, and the next is kept, in a room with a long name too", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const user = await open(engine);
    const room = `r.${"r".repeat(1_022)}`;
    const heard = await user.hear(room);
    user.append(room, Buffer.alloc(1_048_576));
    await until(() => user.lost === 1);
    const bytes = Buffer.alloc(1_047_552, "0123456789\n");
    user.append(room, bytes);
    await until(() => heard.length === 1);
    expect(heard[0] === bytes.toString()).toBe(true);
    const { entries } = await user.store.read(room, { last: 1, limit: 1 });
    expect(bytes.equals(entries[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
  });

  test("jetstream: more than the engine sends ahead comes whole", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    // 100 MB keep both ends busy, and a pong may take longer than the 400 ms in which other tests notice a silent engine.
    const user = await StoreUser.open(storeOf({ servers: engine.url, pingInterval: 20_000 }));
    for (let i = 0; i < 100; i++) {
      await user.up();
      user.append("a", Buffer.alloc(1_000_000, `${i % 10}`));
      if (i % 8 === 7) await nextRound();
    }
    const { entries } = await user.store.read("a", { last: 100, limit: 100 });
    expect(entries.map(({ bytes }) => `${bytes.length} ${String.fromCharCode(bytes[0] ?? 0)}`)).toEqual(
      Array.from({ length: 100 }, (_, i) => `1000000 ${i % 10}`),
    );
    expect(user.lost).toBe(0);
  });

  test("jetstream: without an engine the store does not open, unless the store may wait for the engine", async () => {
    const engine = await Engine.absent(NATS);
    await expect(open(engine)).rejects.toThrow(/ECONNREFUSED|refused/);
    const user = await StoreUser.open(storeOf({ servers: engine.url, waitForLink: true }));
    expect(user.store.isUp).toBe(false);
    await expect(user.last("a")).rejects.toThrow(/cannot be reached/);
    const hearing = user.hear("a");
    await engine.start(...STREAMS);
    await user.keep("a", "1");
    const heard = await hearing;
    await user.keep("a", "2");
    await until(() => heard.includes("2"));
  });

  test("jetstream: an engine without JetStream is told, and how to turn JetStream on", async () => {
    const engine = await Engine.start(NATS);
    await expect(open(engine)).rejects.toThrow("the engine has no JetStream: start nats-server with --jetstream");
  });

  test("jetstream: a wrong password is told", async () => {
    const engine = await Engine.start(NATS, ...STREAMS, "--user", "ann", "--pass", "secret");
    await expect(open(engine)).rejects.toThrow(/Authorization Violation/i);
    const user = await StoreUser.open(storeOf({ servers: engine.url, user: "ann", pass: "secret" }));
    await user.keep("a", "1");
  });

  test("jetstream: a user who may not ask JetStream is told so", async () => {
    const engine = await Engine.start(NATS, "-c", "$FOLDER/narrow.conf");
    await expect(StoreUser.open(storeOf({ servers: engine.url, user: "ann", pass: "pass" }))).rejects.toThrow(
      /Permissions Violation.*JS\.API/i,
    );
  });

  test("jetstream: a stream in memory is refused, since its numbers would begin anew", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const config = { name: "sendall-history", subjects: ["sendall.@history.>"], storage: "memory" as const };
    await administer(engine, (manager) => manager.streams.add(config));
    await expect(open(engine)).rejects.toThrow("the stream sendall-history is in memory: expected a file");
  });

  test("jetstream: prefixes that differ by a dot share nothing", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const prefixes = ["a.b", "a_b", "a-b", "a"];
    const users = await Promise.all(prefixes.map((prefix) => StoreUser.open(storeOf({ servers: engine.url, prefix }))));
    for (const [i, user] of users.entries()) await user.keep("room", `${i}`);
    for (const [i, user] of users.entries()) expect(await user.last("room")).toBe(`${i}`);
  });

  test("jetstream: what a stranger puts into the stream is passed over, and does no harm if it looks like a message", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const user = await open(engine);
    const heard = await user.hear("a");
    const first = await user.keep("a", "1");
    await engine.publish("sendall.@history.a", Buffer.from("stranger"));
    const stranger = await connect({ servers: engine.url });
    const head = headers();
    head.set("Sendall", "w 1 1 text =%");
    stranger.publish("sendall.@history.a", "odd", { headers: head });
    await stranger.drain();
    await user.keep("a", "2");
    await until(() => heard.includes("2"));
    expect(heard).toEqual(["1", "odd", "2"]);
    expect(await user.after("a", first)).toBe("complete: odd 2");
    expect(await user.last("a")).toBe("1 odd 2");
  });

  test("jetstream: what a node appends right after it subscribes is handed over", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const user = await open(engine);
    for (const room of ["a", "b", "c"]) {
      user.append(room, "before");
      const hearing = user.hear(room);
      user.append(room, "right after");
      const heard = await hearing;
      user.append(room, "later");
      await until(() => heard.includes("later"));
      expect(heard.filter((text) => text !== "before")).toEqual(["right after", "later"]);
    }
  });

  test("jetstream: a source that is no Unicode keeps no message back", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const user = await open(engine);
    user.append("a", "1", "\ud800");
    await user.keep("a", "2");
    expect(await user.last("a")).toBe("1 2");
    expect(user.lost).toBe(0);
  });

  test("jetstream: a store is for one server at a time", async () => {
    const engine = await Engine.start(NATS, ...STREAMS);
    const store = jetstream({ servers: engine.url });
    await StoreUser.open(store);
    await expect(StoreUser.open(store)).rejects.toThrow(/another server/);
  });
});
