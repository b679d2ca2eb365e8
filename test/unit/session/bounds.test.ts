/** How much is kept for a connection that is away, and for all of a route: what goes over the bounds, and who is told. */
import type { ServeOptions } from "sendall";
import { describe, expect, test } from "vitest";
import { Peer, start, texts } from "./peer.js";

/** On the wire: 8 KiB and a header of four bytes, so that 128 messages pass 1 MiB. */
const BYTES = 8_192;
const FRAME_BYTES = BYTES + 4;
const FIT = Math.ceil(1_048_576 / FRAME_BYTES);

type Policy = NonNullable<NonNullable<ServeOptions["outbox"]>["slowConsumer"]>;

describe("2 MiB sent to a connection that is away", () => {
  /** Ten messages are on their way when the socket is lost; then come 256 more, 2 MiB. */
  async function fill(slowConsumer: Policy, had = 0) {
    const { runtime, take } = start({ outbox: { slowConsumer } });
    const peer = await Peer.open(runtime);
    const [connection] = runtime.server.connections();
    if (connection === undefined) throw new Error("there is no connection");
    const sent = texts(266, BYTES);
    for (const text of sent.slice(0, had)) connection.send(text);
    await runtime.settle();
    peer.socket.stall();
    for (const text of sent.slice(had, 10)) connection.send(text);
    await runtime.settle();
    await peer.cut();
    expect(peer.take()).toEqual(sent.slice(0, had));
    const results = sent.slice(10).map((text) => connection.send(text));
    await runtime.settle();
    return { runtime, peer, connection, sent, results, take };
  }

  test("ends the session with 1013 under close, which the client is told when it returns", async () => {
    const { runtime, peer, results, take } = await fill("close");
    expect(results.lastIndexOf(true)).toBe(FIT - 10 - 1);
    expect(results.indexOf(false)).toBe(FIT - 10);
    expect(take()).toEqual(["open", "away", `closed 1013 server ${FIT} unacknowledged slow consumer`]);
    const ended = { opened: 1, closed: 1, connections: 0, away: 0, slowConsumers: 1, expired: 0 };
    expect(runtime.server.stats()).toMatchObject(ended);
    for (let i = 0; i < 2; i++) {
      expect(await peer.comeBack()).toBeUndefined();
      expect([peer.take(), peer.closed]).toEqual([[], { code: 1013, reason: "slow consumer" }]);
    }
    expect([take(), runtime.server.stats()]).toMatchObject([[], ended]);
    await runtime.advance(120_000);
    expect(await peer.comeBack()).toMatchObject({ why: "expired" });
    await runtime.close();
  });

  test("leaves the newest under dropOldest, and the welcome says how many are lost", async () => {
    const { runtime, peer, sent, results, connection } = await fill("dropOldest");
    expect(results).not.toContain(false);
    expect(connection.bufferedAmount).toBe(FIT * FRAME_BYTES);
    expect(runtime.server.stats()).toMatchObject({ dropped: 256 - FIT });
    expect(await peer.comeBack()).toMatchObject({ why: "gap", from: 10, replayed: FIT, lost: 266 - FIT });
    expect(peer.take()).toEqual(sent.slice(-FIT));
    expect(runtime.server.stats()).toMatchObject({ dropped: 266 - FIT, gaps: 1, resumed: 1 });
    await runtime.close();
  });

  test("is told to the handler once, however often the welcome that tells the client is lost itself", async () => {
    const { runtime, peer, take } = await fill("dropOldest");
    const before = peer.offer;
    const lost = 266 - FIT;
    for (const dial of [1, 2, 3]) {
      expect(await peer.comeBack({ isMute: true, offer: { ...before, dial } })).toMatchObject({ why: "gap", lost });
      await peer.cut();
    }
    expect(take()).toEqual([
      "open",
      ...["away", `back ${FIT} ${lost}`, "away", `back ${FIT} 0`, "away", `back ${FIT} 0`, "away"],
    ]);
    expect(runtime.server.stats()).toMatchObject({ dropped: lost });
    await runtime.close();
  });

  test("leaves the newest under dropOldest, and what the client had before is not lost", async () => {
    const { runtime, peer, sent } = await fill("dropOldest", 7);
    expect(await peer.comeBack()).toMatchObject({ why: "gap", from: 10, replayed: FIT, lost: 259 - FIT });
    expect(peer.take()).toEqual(sent.slice(-FIT));
    expect(runtime.server.stats()).toMatchObject({ dropped: 259 - FIT });
    await runtime.close();
  });

  test("leaves the oldest under dropNewest, and the welcome says how many are lost", async () => {
    const { runtime, peer, sent, results } = await fill("dropNewest");
    expect(results.filter((isKept) => isKept)).toHaveLength(FIT - 10);
    expect(results.indexOf(false)).toBe(FIT - 10);
    expect(runtime.server.sendall("nothing")).toEqual({ targeted: 1, queued: 0, dropped: 1, dead: 0 });
    expect(await peer.comeBack()).toMatchObject({ why: "gap", from: 0, replayed: FIT, lost: 267 - FIT });
    expect(peer.take()).toEqual(sent.slice(0, FIT));
    expect(runtime.server.stats()).toMatchObject({ dropped: 267 - FIT, gaps: 1 });
    await runtime.close();
  });

  test.each<Policy>(["dropOldest", "dropNewest"])(
    "under %s is told again until the client knows, and comes once",
    async (policy) => {
      const { runtime, peer } = await fill(policy);
      const { offer } = peer;
      const first = await peer.comeBack({ isMute: true });
      const messages = peer.take();
      // The first welcome was lost on the way.
      const again = await peer.blink({ offer: { ...offer, dial: 2 } });
      expect(again).toEqual(first);
      expect(peer.take()).toEqual(messages);
      const { dropped } = runtime.server.stats();
      peer.offer = { ...peer.offer, lost: first?.lost ?? 0 };
      expect(await peer.blink()).toMatchObject({ why: "resumed", lost: 0, replayed: 0 });
      expect(await peer.blink()).toMatchObject({ why: "resumed", lost: 0, replayed: 0 });
      expect(peer.take()).toEqual([]);
      expect(runtime.server.stats()).toMatchObject({ dropped, gaps: 2, resumed: 4 });
      await runtime.close();
    },
  );
});

describe("a replay", () => {
  test("of 300 messages of 10 kB reaches a healthy client whole, and what is sent meanwhile comes after", async () => {
    const live = texts(100, 10_000, 300);
    const { runtime } = start({ resume: { maxBytes: 8_388_608 } }, (event) => {
      if (event.type === "back") for (const text of live) event.connection.send(text);
    });
    const peer = await Peer.open(runtime);
    await peer.cut();
    const missed = texts(300, 10_000);
    for (const text of missed) runtime.server.sendall(text);
    expect(await peer.comeBack()).toMatchObject({ why: "resumed", replayed: 300 });
    expect(peer.take()).toEqual([...missed, ...live]);
    expect([peer.closed, runtime.server.stats()]).toMatchObject([undefined, { dropped: 0, slowConsumers: 0, away: 0 }]);
    await runtime.close();
  });

  test("of one message larger than maxBytes brings that message", async () => {
    const { runtime } = start({ resume: { maxBytes: 1_000 } });
    const peer = await Peer.open(runtime);
    await peer.cut();
    runtime.server.sendall("a".repeat(5_000));
    expect(await peer.comeBack()).toMatchObject({ why: "resumed", replayed: 1 });
    expect(peer.take()).toEqual(["a".repeat(5_000)]);
    await runtime.close();
  });
});

describe("what was written to a client that says nothing", () => {
  test("is let go over maxBytes, and is no gap if the client had it", async () => {
    const { runtime } = start({ resume: { maxBytes: 1_000 } });
    const peer = await Peer.open(runtime);
    const sent = texts(100, 98);
    for (const text of sent) {
      runtime.server.sendall(text);
      await runtime.settle();
    }
    expect(await peer.blink()).toMatchObject({ why: "resumed", from: 100, replayed: 0, lost: 0 });
    expect(peer.take()).toEqual(sent);
    expect(runtime.server.stats()).toMatchObject({ dropped: 0, gaps: 0, slowConsumers: 0 });
    await runtime.close();
  });

  test("is let go over maxBytes, and is a gap if the client had it not", async () => {
    const { runtime } = start({ resume: { maxBytes: 1_000 } });
    const peer = await Peer.open(runtime);
    const sent = texts(100, 98);
    for (const text of sent) {
      runtime.server.sendall(text);
      await runtime.settle();
    }
    peer.take();
    expect(await peer.blink({ offer: { received: 40 } })).toMatchObject({
      why: "gap",
      from: 90,
      replayed: 10,
      lost: 50,
    });
    expect(peer.take()).toEqual(sent.slice(90));
    expect(runtime.server.stats()).toMatchObject({ dropped: 50, gaps: 1 });
    await runtime.close();
  });
});

describe("a connection that is away", () => {
  test("has in bufferedAmount what is kept, and takes no ping", async () => {
    const { runtime } = start();
    const peer = await Peer.open(runtime);
    const [connection] = runtime.server.connections();
    runtime.server.sendall("x".repeat(98));
    await runtime.settle();
    expect([connection?.bufferedAmount, connection?.ping()]).toEqual([0, true]);
    await peer.cut();
    expect(connection).toMatchObject({ isAway: true, isOpen: true, bufferedAmount: 100 });
    expect([connection?.ping(), connection?.send("x".repeat(48))]).toEqual([false, true]);
    expect(connection?.bufferedAmount).toBe(150);
    expect(connection?.join("room")).toBe(true);
    await peer.comeBack();
    expect(connection).toMatchObject({ isAway: false, isOpen: true, bufferedAmount: 0 });
    await runtime.close();
  });

  test("ends when more than maxAway are, the longest away first", async () => {
    const { runtime, take } = start({ resume: { maxAway: 2 } });
    const peers = [await Peer.open(runtime), await Peer.open(runtime), await Peer.open(runtime)] as const;
    const [first, second, third] = peers;
    take();
    await second.cut();
    await first.cut();
    await second.comeBack();
    await second.cut();
    await third.cut();
    expect(take().at(-1)).toBe("closed 1006 lost too many away");
    expect(runtime.server.stats()).toMatchObject({ connections: 2, away: 2, opened: 3, closed: 1, expired: 1 });
    expect(await first.comeBack()).toMatchObject({ why: "expired" });
    expect(await second.comeBack()).toMatchObject({ why: "resumed" });
    await runtime.close();
  });

  test("ends when more than maxAwayBytes are kept, the longest away first; a shared message counts for each", async () => {
    const { runtime, take } = start({ resume: { maxAwayBytes: 3_000 } });
    const peers = [];
    for (let i = 0; i < 4; i++) peers.push(await Peer.open(runtime));
    for (const peer of peers) await peer.cut();
    take();
    runtime.server.sendall("x".repeat(696));
    await runtime.settle();
    expect([take(), runtime.server.stats().away]).toEqual([[], 4]);
    runtime.server.sendall("x".repeat(96));
    await runtime.settle();
    expect(take()).toEqual(["closed 1006 lost 2 unacknowledged too many away"]);
    expect(runtime.server.stats()).toMatchObject({ away: 3, expired: 1 });
    expect(await peers[0]?.comeBack()).toMatchObject({ why: "expired" });
    expect(await peers[1]?.comeBack()).toMatchObject({ why: "resumed", replayed: 2 });
    // What the second had counts no more.
    runtime.server.sendall("x".repeat(696));
    await runtime.settle();
    expect(runtime.server.stats()).toMatchObject({ away: 2, expired: 1 });
    await runtime.close();
  });

  test("counts for maxAwayBytes from the beginning with what it has not acknowledged", async () => {
    const { runtime, take } = start({ resume: { maxAwayBytes: 250 } });
    const peers = [await Peer.open(runtime), await Peer.open(runtime), await Peer.open(runtime)];
    runtime.server.sendall("x".repeat(98));
    await runtime.settle();
    take();
    for (const peer of peers) await peer.cut();
    expect(take()).toEqual(["away", "away", "away", "closed 1006 lost 1 unacknowledged too many away"]);
    await runtime.close();
  });

  test("is one of 10,000 that vanish: they hold no more than maxAwayBytes, and newcomers find a place", async () => {
    const count = 10_000;
    const { runtime } = start({ resume: { maxAwayBytes: 1_000_000 }, maxConnections: count });
    const peers = await Promise.all(Array.from({ length: count }, () => runtime.connect({ protocols: ["sendall.1"] })));
    for (const peer of peers) peer.disconnect();
    await runtime.settle();
    for (let i = 1; i <= 3; i++) {
      await runtime.connect();
      expect(runtime.server.stats()).toMatchObject({ connections: count, away: count - i, expired: i });
    }
    for (let i = 0; i < 3; i++) runtime.server.sendall("x".repeat(98));
    await runtime.settle();
    const { away, expired, opened, closed, connections } = runtime.server.stats();
    expect([away, expired, connections, opened - closed]).toEqual([3_333, count - 3_333, 3_336, 3_336]);
    expect(runtime.server.connections().reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0)).toBe(999_900);
    await runtime.close();
  });
});
