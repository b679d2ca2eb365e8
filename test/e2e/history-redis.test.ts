/** The store `redisHistory()` over a real Redis: the contract of stores, and what becomes of kept messages when the engine is flushed, killed or cut off. */
import { createServer } from "node:net";
import { redisHistory } from "sendall/redis";
import { testHistoryStore } from "sendall/testing/history-store";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Engine, Network, REDIS } from "./engines.js";
import { LateNetwork, StoreUser, Writer } from "./history-engines.js";
import { nextRound, until } from "./peers.js";
import { requires } from "./requires.js";

const { skip } = requires("redis");

describe.skipIf(skip)("redisHistory", () => {
  describe("the contract of stores", () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await Engine.running(REDIS);
    });
    afterAll(() => engine.remove());

    testHistoryStore({
      test,
      create: (name) => redisHistory({ url: engine.url, prefix: name }),
      survives: true,
      without: ["maxBytes", "maxRooms"],
    });
  });

  /** A file of all that the engine has confirmed. */
  const withFile = ["--appendonly", "yes", "--appendfsync", "always"];

  const open = ({ url }: { readonly url: string }, limits = {}, prefix = "sendall"): Promise<StoreUser> =>
    StoreUser.open(redisHistory({ url, prefix, pingIntervalMs: 200 }), limits);

  test("redisHistory: what was kept is complete after the engine was killed and started again with a file", async () => {
    const engine = await Engine.start(REDIS, ...withFile);
    const [one, two] = [await open(engine), await open(engine)];
    const heard = await two.hear("a");
    const start = await one.position("b");
    const first = await one.keep("a", "1");
    await one.keep("a", "2");
    await engine.kill();
    await one.down();
    await engine.start(...withFile);
    const last = await one.keep("a", "3");
    expect(await one.after("a", first)).toBe("complete: 2 3");
    expect(last > first).toBe(true);
    expect(await one.after("b", start)).not.toBe("unknown");
    await until(() => heard.includes("3"));
    expect(heard).toEqual(["1", "2", "3"]);
    expect(one.log.at("info").length).toBe(1);
    expect(two.log.at("warn").map(([text]) => text)).toEqual(["redisHistory: redis is away, and nothing is kept"]);
  });

  test("redisHistory: after a restart with a file that may lack the last messages, no position is complete", async () => {
    const engine = await Engine.start(REDIS, "--appendonly", "yes");
    const user = await open(engine);
    const positions = [await user.position("a"), await user.keep("a", "1"), await user.keep("a", "2")];
    await engine.kill();
    await user.down();
    await engine.start("--appendonly", "yes");
    const third = await user.keep("a", "3");
    for (const position of positions) expect(await user.after("a", position)).toBe("unknown");
    expect(positions).not.toContain(third);
  });

  test("redisHistory: after a restart without a file every position is unknown", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const heard = await user.hear("a");
    const first = await user.keep("a", "1");
    // What the engine has kept and not told would go with the engine.
    await until(() => heard.length === 1);
    await engine.kill();
    await user.down();
    await engine.start();
    await user.keep("a", "2");
    expect(await user.after("a", first)).toBe("unknown");
    expect(await user.last("a")).toBe("2");
    await until(() => heard.length === 2);
    expect(heard).toEqual(["1", "2"]);
  });

  test("redisHistory: after a restart without a file a node takes messages once it hears its rooms again, and each comes back", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const rooms = Array.from({ length: 300 }, (_, i) => `room-${i}`);
    const heard = await Promise.all(rooms.map((room) => user.hear(room)));
    for (const room of rooms) await user.keep(room, "before");
    await engine.kill();
    await user.down();
    await engine.start();
    await user.up();
    for (const room of rooms.toReversed()) user.append(room, "after");
    await until(() => heard.every((texts) => texts.at(-1) === "after"));
  }, 30_000);

  test("redisHistory: what a snapshot has is told after a restart, but under new positions", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const first = await user.keep("a", "1");
    await engine.ask((client) => client.save());
    const second = await user.keep("a", "2");
    await engine.kill();
    await user.down();
    await engine.start();
    const third = await user.keep("a", "3");
    expect(await user.last("a")).toBe("1 3");
    expect([await user.after("a", first), await user.after("a", second)]).toEqual(["unknown", "unknown"]);
    expect(third).not.toBe(second);
  });

  test("redisHistory: after a flush every position is unknown, and messages flow on", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const heard = await user.hear("a");
    const positions = [await user.position("a"), await user.keep("a", "1"), await user.keep("a", "2")];
    await engine.ask((client) => client.flushall());
    for (const position of positions) expect(await user.after("a", position)).toBe("unknown");
    await user.keep("a", "3");
    for (const position of positions) expect(await user.after("a", position)).toBe("unknown");
    await until(() => heard.length === 3);
    expect(heard).toEqual(["1", "2", "3"]);
  });

  test("redisHistory: after the eviction of a room's messages every position is a gap", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const positions = [await user.position("a"), await user.keep("a", "1"), await user.keep("a", "2")];
    await engine.ask((client) => client.del("sendall.history.{a}"));
    for (const position of positions) expect(await user.after("a", position)).toBe("gap");
    const later = await user.keep("a", "3");
    for (const position of positions) expect(await user.after("a", position)).toBe("gap");
    expect(await user.after("a", later)).toBe("complete: ");
  });

  test("redisHistory: a message that comes after an eviction hides nothing", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const positions = [await user.position("a"), await user.keep("a", "1"), await user.keep("a", "2")];
    await engine.ask((client) => client.del("sendall.history.{a}"));
    await user.keep("a", "3");
    for (const position of positions) expect(await user.after("a", position)).toBe("gap");
  });

  test("redisHistory: after the eviction of what positions mean every position is unknown", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const positions = [await user.position("a"), await user.keep("a", "1"), await user.keep("a", "2")];
    await engine.ask((client) => client.del("sendall.history.{a}.state"));
    for (const position of positions) expect(await user.after("a", position)).toBe("unknown");
    expect(await user.last("a")).toBe("");
  });

  test("redisHistory: three nodes hear one order while connections break, nothing twice, and only what is reported is missing", async () => {
    const engine = await Engine.start(REDIS);
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
    expect(users.flatMap(({ log }) => log.at("warn")).map(([text]) => text)).not.toContain(
      "redisHistory: messages may have been missed while redis was away",
    );
  });

  test("redisHistory: what others kept while a node was cut off is handed over, before what is new", async () => {
    const engine = await Engine.start(REDIS);
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

  test("redisHistory: what was missed and has gone meanwhile is a warning, and messages flow on", async () => {
    const engine = await Engine.start(REDIS);
    const network = await Network.before(engine);
    const [near, far] = [await open(engine, { maxMessages: 2 }), await open(network, { maxMessages: 2 })];
    const heard = await far.hear("a");
    await near.keep("a", "1");
    await until(() => heard.length === 1);
    network.hold();
    for (const text of ["2", "3", "4", "5"]) await near.keep("a", text);
    network.cut();
    await far.down();
    network.release();
    await until(() => far.log.at("warn").length === 2);
    expect(far.log.at("warn").at(-1)).toEqual([
      "redisHistory: messages may have been missed while redis was away",
      { rooms: 1 },
    ]);
    await near.keep("a", "6");
    await until(() => heard.includes("6"));
    expect(heard).toEqual(["1", "6"]);
  });

  test("redisHistory: a blocked engine holds nobody up, and what was taken comes in order when the engine goes on", async () => {
    const engine = await Engine.start(REDIS);
    const user = await StoreUser.open(redisHistory({ url: engine.url }));
    const heard = await user.hear("a");
    engine.freeze();
    for (let i = 0; i < 1_000; i++) expect(user.append("a", `${i}`)).toBe(true);
    await nextRound();
    const reading = user.last("a");
    let large = 0;
    for (; user.append("b", Buffer.alloc(1_048_576)); large++) if (large % 4 === 3) await nextRound();
    expect(large).toBe(16);
    expect(user.append("a", "refused")).toBe(false);
    engine.thaw();
    expect(await reading).toBe(Array.from({ length: 1_000 }, (_, i) => `${i}`).join(" "));
    await user.up();
    await user.keep("a", "later");
    await until(() => heard.at(-1) === "later");
    expect(heard.length).toBe(1_001);
    expect(user.lost).toBe(0);
  });

  test("redisHistory: a message from before a break never comes behind a message from after the break", async () => {
    const engine = await Engine.start(REDIS);
    const network = await LateNetwork.before(engine);
    const near = await open(engine);
    const far = await StoreUser.open(redisHistory({ url: `redis://127.0.0.1:${network.port}` }));
    const heard = await near.hear("a");
    await far.keep("a", "1");
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
    expect(far.lost).toBe(1);
  });

  test("redisHistory: an engine that is full loses messages by report, and takes messages when there is room again", async () => {
    const engine = await Engine.start(REDIS, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction");
    const user = await open(engine);
    const heard = await user.hear("a");
    const first = await user.keep("a", "1");
    let sent = 1;
    for (; user.lost === 0; sent++) {
      await user.up();
      user.append("a", "x".repeat(100_000));
      await nextRound();
    }
    expect(user.store.isUp).toBe(false);
    await engine.ask((client) => client.config("SET", "maxmemory", "0"));
    await user.keep("a", "later");
    await until(() => heard.at(-1) === "later");
    expect(heard.length).toBe(sent + 1 - user.lost);
    expect((await user.after("a", first)).split(" ").length - 1).toBe(heard.length - 1);
  });

  test("redisHistory: a message of 1 MiB in a room with a long name comes back whole", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const room = "r".repeat(1_024);
    const heard = await user.hear(room);
    const bytes = Buffer.alloc(1_048_576, "0123456789\n");
    user.append(room, bytes);
    await until(() => heard.length === 1);
    expect(heard[0] === bytes.toString()).toBe(true);
    const { entries } = await user.store.read(room, { last: 1, limit: 1 });
    expect(bytes.equals(entries[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
  });

  test("redisHistory: what is on the channel of a room and was not put there by a store is passed over", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    const heard = await user.hear("a");
    for (const packet of ["", "\n", "x", "a 1 1 t \n", "a 1 1 x =\nb", "zz 1 1 t \n", "a 1 1 t =%\nb", "\u0000\u00ff"])
      await engine.publish("sendall.history.{a}.0", Buffer.from(packet, "latin1"));
    await user.keep("a", "1");
    await until(() => heard.includes("1"));
    expect(heard.at(-1)).toBe("1");
  });

  test("redisHistory: what a node appends right after it subscribes is handed over", async () => {
    const engine = await Engine.start(REDIS);
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

  test("redisHistory: a source that is no Unicode keeps no message back", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine);
    user.append("a", "1", "\ud800");
    await user.keep("a", "2");
    expect(await user.last("a")).toBe("1 2");
    expect(user.lost).toBe(0);
  });

  test("redisHistory: the keys of a room go some time after maxAgeMs", async () => {
    const engine = await Engine.start(REDIS);
    const user = await open(engine, { maxAgeMs: 1_000 });
    await user.keep("a", "1");
    const keys = await engine.ask((client) => client.keys("*"));
    expect(keys.toSorted()).toEqual(["sendall.history.{a}", "sendall.history.{a}.state"]);
    const waits = await engine.ask((client) => Promise.all(keys.map((key) => client.pttl(key))));
    for (const wait of waits) expect(wait).toBeGreaterThan(50_000);
    for (const wait of waits) expect(wait).toBeLessThanOrEqual(61_000);
  });

  test("redisHistory: without an engine the store does not open, unless the store may wait for the engine", async () => {
    const engine = await Engine.absent(REDIS);
    await expect(open(engine)).rejects.toThrow(/ECONNREFUSED/);
    const user = await StoreUser.open(redisHistory({ url: engine.url, waitForLink: true }));
    expect(user.store.isUp).toBe(false);
    await expect(user.last("a")).rejects.toThrow(/cannot be reached/);
    const hearing = user.hear("a");
    await engine.start();
    await user.keep("a", "1");
    const heard = await hearing;
    await user.keep("a", "2");
    await until(() => heard.includes("2"));
  });

  test("redisHistory: an engine that says nothing does not keep the store open", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await until(() => server.listening);
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    await expect(open({ url: `redis://127.0.0.1:${port}` })).rejects.toThrow(/does not answer pings/);
  });

  test("redisHistory: a wrong password, and a user without the right to ask, are told", async () => {
    const engine = await Engine.start(REDIS, "--requirepass", "secret");
    await expect(open(engine)).rejects.toThrow(/NOAUTH/);
    const { port } = engine;
    await expect(open({ url: `redis://:wrong@127.0.0.1:${port}` })).rejects.toThrow(/WRONGPASS/);
    const admin = await open({ url: `redis://:secret@127.0.0.1:${port}` });
    await admin.keep("a", "1");
  });

  test("redisHistory: a user who may not ask for the state of the engine is told so", async () => {
    const engine = await Engine.start(REDIS);
    await engine.ask((client) => client.acl("SETUSER", "ann", "on", ">pass", "~*", "&*", "+@all", "-info"));
    await expect(open({ url: `redis://ann:pass@127.0.0.1:${engine.port}` })).rejects.toThrow(
      /INFO.*NOPERM|NOPERM.*info/i,
    );
  });

  test("redisHistory: a subscription that the engine refuses rejects, and other rooms go on", async () => {
    const engine = await Engine.start(REDIS);
    await engine.ask((client) => client.acl("SETUSER", "ann", "on", ">pass", "~*", "&sendall.history.{a}*", "+@all"));
    const user = await open({ url: `redis://ann:pass@127.0.0.1:${engine.port}` });
    await expect(user.hear("b")).rejects.toThrow(/NOPERM/);
    const heard = await user.hear("a");
    await user.keep("a", "1");
    await until(() => heard.length === 1);
  });

  test("redisHistory: a store is for one server at a time", async () => {
    const engine = await Engine.start(REDIS);
    const store = redisHistory({ url: engine.url });
    const user = await StoreUser.open(store);
    await expect(StoreUser.open(store)).rejects.toThrow(/another server/);
    await user.keep("a", "1");
  });
});
