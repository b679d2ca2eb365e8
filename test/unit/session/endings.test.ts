/** How sessions end: with each close frame, with time, with the server; and what a client that returns is told. */
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { Peer, start } from "./peer.js";

describe("a close frame of ours", () => {
  test("that the client has answered leaves nothing: the client gets a fresh session", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    runtime.server.connections()[0]?.close(4_000, "out");
    await runtime.settle();
    expect(peer.closed).toEqual({ code: 4_000, reason: "out" });
    expect(await peer.comeBack()).toMatchObject({ resumed: false, why: "expired" });
    expect(take()).toEqual(["open", "closed 4000 server clean out", "open"]);
    await runtime.close();
  });

  test("that the client has not got waits for the client, without an open, until graceMs is over", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    runtime.server.sendall("kept");
    peer.socket.stall();
    runtime.server.connections()[0]?.close(4_000, "out");
    await peer.cut();
    expect(take()).toEqual(["open", "closed 4000 server 1 unacknowledged out"]);
    await runtime.advance(119_999);
    expect(await peer.comeBack()).toBeUndefined();
    expect([peer.take(), peer.closed]).toEqual([[], { code: 4_000, reason: "out" }]);
    await runtime.advance(1);
    expect(await peer.comeBack()).toMatchObject({ why: "expired" });
    expect(take()).toEqual(["open"]);
    await runtime.close();
  });

  test("to a connection that is away is told to the handler at once, and to the client when it returns", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    const [connection] = runtime.server.connections();
    await peer.cut();
    expect([connection?.send("kept"), connection?.close(4_001, "gone"), connection?.close(4_002)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([connection?.isOpen, connection?.isAway, connection?.send("late")]).toEqual([false, false, false]);
    expect(connection?.signal.aborted).toBe(true);
    await runtime.settle();
    expect(take()).toEqual(["open", "away", "closed 4001 server 1 unacknowledged gone"]);
    await runtime.advance(119_999);
    expect(await peer.comeBack()).toBeUndefined();
    expect([peer.take(), peer.closed]).toEqual([[], { code: 4_001, reason: "gone" }]);
    await runtime.advance(1);
    expect(await peer.comeBack()).toMatchObject({ why: "expired" });
    await runtime.close();
  });

  test("to a connection that is away is not for another path", async () => {
    const runtime = createTestRuntime({ routes: { "/room/:name": { resume: true, handler() {} } } });
    const peer = await Peer.open(runtime, { path: "/room/a" });
    await peer.cut();
    runtime.server.connections()[0]?.close(4_001);
    expect(await peer.comeBack({ path: "/room/b" })).toMatchObject({ why: "expired" });
    await runtime.close();
  });

  test("waits for the client no longer than the session would have waited", async () => {
    const { runtime } = start({ resume: { graceMs: 30_000 } });
    const peer = await Peer.open(runtime);
    await peer.cut();
    await runtime.advance(29_000);
    runtime.server.connections()[0]?.close(4_001);
    await runtime.advance(1_000);
    expect(await peer.comeBack()).toMatchObject({ why: "expired" });
    await runtime.close();
  });

  test("for each of more sessions than maxAway waits for the newest alone", async () => {
    const { runtime } = start({ resume: { maxAway: 2 } });
    const peers = [await Peer.open(runtime), await Peer.open(runtime), await Peer.open(runtime)] as const;
    for (const peer of peers) {
      await peer.cut();
      for (const connection of runtime.server.connections()) if (connection.isAway) connection.close(4_001);
    }
    expect(await peers[0].comeBack()).toMatchObject({ why: "expired" });
    for (const peer of peers.slice(1)) expect(await peer.comeBack()).toBeUndefined();
    await runtime.close();
  });

  test.each([
    [
      "because the peer was idle",
      { idleTimeoutMs: 1_000 },
      (peer: Peer) => peer.write(),
      { code: 1_000, reason: "idle" },
    ],
    [
      "because the handler failed",
      { supervise: { intensity: 0 } },
      (peer: Peer) => peer.send("throw"),
      { code: 1_011, reason: "handler failed" },
    ],
    [
      "for a message that is too long",
      { maxPayloadBytes: 10 },
      (peer: Peer) => peer.send("x".repeat(11)),
      { code: 1_009, reason: "" },
    ],
    [
      "for a malformed control frame",
      {},
      (peer: Peer) => peer.write("~a-1"),
      { code: 1_002, reason: "malformed control frame" },
    ],
    [
      "for an acknowledgement of what was not sent",
      {},
      (peer: Peer) => peer.write("~a1"),
      { code: 1_002, reason: "malformed control frame" },
    ],
  ])(
    "%s ends the session: nothing is told as away, and the client gets a fresh one",
    async (_what, options, act, closing) => {
      const events: string[] = [];
      const runtime = createTestRuntime({
        resume: true,
        heartbeat: false,
        failures: "supervise",
        ...options,
        handler(event) {
          events.push(event.type === "closed" ? `closed ${event.code} ${event.by}` : event.type);
          if (event.type === "message" && event.text === "throw") throw new Error("a failure");
        },
      });
      const peer = await Peer.open(runtime);
      await act(peer);
      await runtime.advance(1_000);
      expect(peer.closed).toEqual(closing);
      expect(events.filter((type) => type !== "message" && type !== "error")).toEqual([
        "open",
        `closed ${closing.code} server`,
      ]);
      expect(await peer.comeBack()).toMatchObject({ resumed: false, why: "expired" });
      expect(runtime.server.stats()).toMatchObject({ opened: 2, closed: 1, connections: 1, expired: 0 });
      await runtime.close();
    },
  );

  test("for a slow consumer waits for the client that does not read", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    peer.socket.stall();
    for (let i = 0; i < 130; i++) {
      runtime.server.sendall("x".repeat(10_000));
      await runtime.settle();
    }
    await runtime.advance(5_000);
    expect(take()).toEqual(["open", expect.stringMatching(/^closed 1013 server \d+ unacknowledged slow consumer$/)]);
    expect(await peer.comeBack()).toBeUndefined();
    expect(peer.closed).toEqual({ code: 1_013, reason: "slow consumer" });
    await runtime.close();
  });
});

describe("an acknowledgement", () => {
  test("below the last one ends the session with 1002, and the handler is told why", async () => {
    const errors: string[] = [];
    const { runtime } = start({}, (event) => {
      if (event.type === "error") errors.push(event.error.message);
    });
    const peer = await Peer.open(runtime);
    for (let i = 0; i < 5; i++) runtime.server.sendall("x");
    await runtime.settle();
    await peer.acknowledge(3);
    await peer.acknowledge(3);
    expect(peer.closed).toBeUndefined();
    await peer.acknowledge(2);
    expect(peer.closed?.code).toBe(1_002);
    expect(errors).toEqual(["acknowledgement: expected a number from 3 to 5, got 2"]);
    await runtime.close();
  });

  test("of what was written to an earlier socket alone ends the session with 1002", async () => {
    const { runtime } = start();
    const peer = await Peer.open(runtime);
    runtime.server.sendall("x");
    await runtime.settle();
    peer.take();
    await peer.blink();
    await peer.acknowledge(2);
    expect(peer.closed?.code).toBe(1_002);
    await runtime.close();
  });
});

describe("a close frame of the peer's", () => {
  test.each([1_000, 4_000])("with the code %i ends the session", async (code) => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    peer.socket.close(code, "bye");
    await runtime.settle();
    expect(peer.closed).toEqual({ code, reason: "bye" });
    expect(take()).toEqual(["open", `closed ${code} peer clean bye`]);
    expect(await peer.comeBack()).toMatchObject({ why: "expired" });
    await runtime.close();
  });

  test("without a code is answered, and the connection is away", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    peer.socket.close();
    await runtime.settle();
    expect(peer.closed).toEqual({ code: 1_005, reason: "" });
    runtime.server.sendall("kept");
    expect(await peer.comeBack()).toMatchObject({ why: "resumed", replayed: 1 });
    expect([take(), peer.take()]).toEqual([["open", "away", "back 1 0"], ["kept"]]);
    await runtime.close();
  });

  test("counts what the peer has not acknowledged", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    for (let i = 0; i < 5; i++) runtime.server.sendall("x");
    await runtime.settle();
    await peer.acknowledge(3);
    peer.socket.close(1_000);
    await runtime.settle();
    expect(take()).toEqual(["open", "closed 1000 peer clean 2 unacknowledged"]);
    await runtime.close();
  });
});

describe("a connection that stays away", () => {
  test("ends once graceMs has passed: its rooms are empty, and its place is free", async () => {
    const { runtime, take } = start({ resume: { graceMs: 60_000 }, maxConnections: 1 });
    const peer = await Peer.open(runtime);
    runtime.server.connections()[0]?.join("room");
    await peer.cut();
    runtime.server.sendall("kept", { room: "room" });
    await runtime.advance(59_999);
    expect(runtime.server.stats()).toMatchObject({ connections: 1, away: 1, rooms: 1, opened: 1, closed: 0 });
    expect(take()).toEqual(["open", "away"]);
    await runtime.advance(1);
    expect(take()).toEqual(["closed 1006 lost 1 unacknowledged away too long"]);
    const ended = { connections: 0, away: 0, rooms: 0, opened: 1, closed: 1, expired: 1, resumed: 0 };
    expect(runtime.server.stats()).toMatchObject(ended);
    await runtime.advance(1_000_000);
    expect(take()).toEqual([]);
    const other = await runtime.connect();
    expect(other.closed).toBeUndefined();
    await runtime.close();
  });

  test("has graceMs anew each time", async () => {
    const { runtime } = start({ resume: { graceMs: 60_000 } });
    const peer = await Peer.open(runtime);
    for (let i = 0; i < 3; i++) {
      await peer.cut();
      await runtime.advance(59_999);
      expect(await peer.comeBack()).toMatchObject({ why: "resumed" });
      await runtime.advance(59_999);
    }
    await runtime.close();
  });

  test("and has never sent a frame ends after 10 s, counted from the loss of its socket", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime, { isMute: true });
    await runtime.advance(1_000_000);
    await peer.cut();
    await runtime.advance(9_999);
    expect(await peer.comeBack()).toMatchObject({ why: "resumed" });
    await peer.cut();
    await runtime.advance(10_000);
    expect(take()).toEqual(["open", "away", "back 0 0", "away", "closed 1006 lost away too long"]);
    await runtime.close();
  });

  test("and has never sent a frame has graceMs if that is less, or once it has sent any", async () => {
    const { runtime, take } = start({ resume: { graceMs: 5_000 } });
    const mute = await Peer.open(runtime, { isMute: true });
    await mute.cut();
    await runtime.advance(5_000);
    expect(take()).toEqual(["open", "away", "closed 1006 lost away too long"]);
    await runtime.close();
    const long = start();
    const peer = await Peer.open(long.runtime, { isMute: true });
    await peer.write("~h");
    await peer.blink({ isMute: true });
    await peer.cut();
    await long.runtime.advance(119_999);
    expect(long.runtime.server.stats()).toMatchObject({ away: 1 });
    await long.runtime.close();
  });
});

describe("a server that closes", () => {
  test("ends at once while connections are away, and tells the handler of each", async () => {
    const { runtime, take } = start();
    const [peer, other] = [await Peer.open(runtime), await Peer.open(runtime)];
    for (const one of [peer, other]) await one.cut();
    const [before] = [runtime.now()];
    runtime.server.sendall("kept");
    await runtime.close();
    expect([runtime.now(), take().slice(4)]).toEqual([
      before,
      ["closed 1001 server 1 unacknowledged going away", "closed 1001 server 1 unacknowledged going away"],
    ]);
    const { opened, closed, connections, away } = runtime.server.stats();
    expect([opened, closed, connections, away]).toEqual([2, 2, 0, 0]);
  });
});
