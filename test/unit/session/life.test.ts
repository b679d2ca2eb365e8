/** What goes on while a connection is away, how silent sockets are given up, and what the log says. */
import { createTestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { Lines } from "../stage.js";
import { Peer, recorder, start } from "./peer.js";

describe("a silent socket", () => {
  const HEARTBEAT = { intervalMs: 1_000, timeoutMs: 500 };

  /** Lets the peer fall silent; says after how much time the connection is away. */
  async function silence(peer: Peer, runtime: ReturnType<typeof start>["runtime"], stepMs = 500): Promise<number> {
    const before = runtime.now();
    peer.socket.vanish();
    while (runtime.server.stats().away === 0) await runtime.advance(stepMs);
    return runtime.now() - before;
  }

  test("is given up, and the session lives on", async () => {
    const { runtime, take } = start({ heartbeat: HEARTBEAT });
    const peer = await Peer.open(runtime, { isMute: true });
    expect(peer.welcome?.heartbeatMs).toBe(1_500);
    expect(await silence(peer, runtime)).toBe(1_500);
    expect(take()).toEqual(["open", "away"]);
    expect(await peer.comeBack()).toMatchObject({ why: "resumed" });
    await runtime.advance(10_000);
    expect([take(), peer.closed]).toEqual([["back 0 0"], undefined]);
    await runtime.close();
  });

  test("gets twice the time each time that nothing has come, and the usual time again once anything has", async () => {
    const { runtime } = start({ heartbeat: HEARTBEAT });
    const peer = await Peer.open(runtime, { isMute: true });
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      waits.push(await silence(peer, runtime));
      await peer.comeBack();
    }
    expect(waits).toEqual([1_500, 2_000, 3_000, 5_000]);
    await peer.send("progress");
    // The present socket keeps its time, counted from the message.
    expect(await silence(peer, runtime)).toBe(9_000);
    await peer.comeBack();
    expect(await silence(peer, runtime)).toBe(1_500);
    await peer.comeBack();
    expect(await silence(peer, runtime)).toBe(2_000);
    await runtime.close();
  });

  test("gets no more time if the socket was lost in another way", async () => {
    const { runtime } = start({ heartbeat: HEARTBEAT });
    const peer = await Peer.open(runtime, { isMute: true });
    for (let i = 0; i < 3; i++) await peer.blink();
    expect(await silence(peer, runtime)).toBe(1_500);
    await runtime.close();
  });

  test("gets ten minutes at most, or timeoutMs if that is more", async () => {
    const { runtime } = start({
      heartbeat: { intervalMs: 1_000, timeoutMs: 250_000 },
      resume: { graceMs: 10_000_000 },
    });
    const peer = await Peer.open(runtime, { isMute: true });
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      waits.push(await silence(peer, runtime, 1_000));
      await peer.comeBack();
    }
    expect(waits).toEqual([251_000, 501_000, 601_000, 601_000]);
    await runtime.close();
    const long = start({ heartbeat: { intervalMs: 1_000, timeoutMs: 900_000 } });
    const patient = await Peer.open(long.runtime, { isMute: true });
    for (let i = 0; i < 2; i++) {
      expect(await silence(patient, long.runtime, 1_000)).toBe(901_000);
      await patient.comeBack();
    }
    await long.runtime.close();
  });

  test("is alive as long as it takes bytes, though it answers nothing", async () => {
    const { runtime, take } = start({ heartbeat: HEARTBEAT });
    const peer = await Peer.open(runtime);
    peer.socket.stall();
    runtime.server.sendall("x".repeat(20_000));
    for (let i = 0; i < 19; i++) {
      await runtime.advance(400);
      peer.socket.read(1_000);
    }
    expect(take()).toEqual(["open"]);
    await runtime.advance(5_000);
    expect(take()).toEqual(["away"]);
    await runtime.close();
  });
});

describe("while a connection is away", () => {
  test("no heartbeat looks for it", async () => {
    const { runtime, take } = start({ heartbeat: { intervalMs: 1_000, timeoutMs: 500 } });
    const peer = await Peer.open(runtime);
    await peer.cut();
    await runtime.advance(100_000);
    expect(await peer.comeBack()).toMatchObject({ why: "resumed" });
    expect(take()).toEqual(["open", "away", "back 0 0"]);
    await runtime.close();
  });

  test("what waits in its mailbox is handled, replies are kept, and its signal is not aborted", async () => {
    const aborted: boolean[] = [];
    await using runtime = createTestRuntime({
      resume: true,
      heartbeat: false,
      async handler(event, bus) {
        if (event.type !== "message") return;
        await bus.sleep(1_000);
        aborted.push(event.connection.signal.aborted);
        event.connection.send(`${event.text} ${event.connection.isAway}`);
      },
    });
    const peer = await Peer.open(runtime);
    await peer.send("a", "b", "c");
    await peer.cut();
    await runtime.advance(3_000);
    expect(runtime.server.stats()).toMatchObject({ away: 1, discarded: 0, received: { messages: 3 } });
    expect(await peer.comeBack()).toMatchObject({ received: 3, replayed: 3 });
    expect([peer.take(), aborted]).toEqual([
      ["a true", "b true", "c true"],
      [false, false, false],
    ]);
  });

  test("what waits in its mailbox is discarded and counted if our side closes, and handled if the session expires", async () => {
    for (const isClosed of [true, false]) {
      const events: string[] = [];
      await using runtime = createTestRuntime({
        resume: { graceMs: 1_000 },
        heartbeat: false,
        async handler(event, bus) {
          events.push(event.type === "message" ? event.text : event.type);
          if (event.type === "message" && event.text === "slow") await bus.sleep(5_000);
        },
      });
      const peer = await Peer.open(runtime);
      await peer.send("slow", "a", "b");
      await peer.cut();
      if (isClosed) runtime.server.connections()[0]?.close(4_000);
      await runtime.advance(10_000);
      expect(events).toEqual(["open", "slow", ...(isClosed ? [] : ["a", "b", "away"]), "closed"]);
      expect(runtime.server.stats()).toMatchObject({
        discarded: isClosed ? 2 : 0,
        expired: isClosed ? 0 : 1,
        closed: 1,
      });
    }
  });

  test("handlerTimeoutMs runs on", async () => {
    await using runtime = createTestRuntime({
      resume: true,
      heartbeat: false,
      handlerTimeoutMs: 1_000,
      failures: "supervise",
      async handler(event, bus) {
        if (event.type === "message") await bus.sleep(10_000);
      },
    });
    const peer = await Peer.open(runtime);
    await peer.send("hang");
    await peer.cut();
    await runtime.advance(999);
    expect(runtime.server.stats()).toMatchObject({ away: 1, failures: [] });
    await runtime.advance(1);
    expect(runtime.server.stats().failures).toHaveLength(1);
  });

  test("it is not idle, and the wait begins again when it is back", async () => {
    const { runtime, take } = start({ idleTimeoutMs: 20_000 }, (event) => {
      if (event.type === "open") event.connection.idle(10_000);
    });
    const peer = await Peer.open(runtime);
    await runtime.advance(9_000);
    await peer.cut();
    await runtime.advance(100_000);
    await peer.comeBack();
    expect(take()).toEqual(["open", "away", "back 0 0"]);
    await runtime.advance(9_999);
    expect(take()).toEqual([]);
    await runtime.advance(1);
    expect(take()).toEqual(["idle"]);
    await runtime.advance(9_999);
    expect([take(), peer.closed]).toEqual([[], undefined]);
    await runtime.advance(1);
    expect(peer.closed).toEqual({ code: 1_000, reason: "idle" });
    await runtime.close();
  });

  test("a lost socket is no error, whatever its end", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    peer.socket.fail(new Error("reset"));
    await runtime.settle();
    await peer.comeBack();
    expect(take()).toEqual(["open", "away", "back 0 0"]);
    await runtime.close();
  });

  test("terminate ends the session without a close frame for the client", async () => {
    const { runtime, take } = start();
    const peer = await Peer.open(runtime);
    await peer.cut();
    const [connection] = runtime.server.connections();
    expect([connection?.terminate(), connection?.terminate()]).toEqual([true, false]);
    await runtime.settle();
    expect(take()).toEqual(["open", "away", "closed 1006 server"]);
    expect(await peer.comeBack()).toMatchObject({ why: "expired" });
    await runtime.close();
  });
});

test("the numbers of a server add up in every state: opened are those closed and those connected", async () => {
  const { runtime } = start({ resume: { graceMs: 1_000, maxAway: 3 } });
  const peers: Peer[] = [];
  const check = (): void => {
    const { opened, closed, connections, away } = runtime.server.stats();
    expect(opened).toBe(closed + connections);
    expect(runtime.server.connections().length).toBe(connections);
    expect(runtime.server.connections().filter(({ isAway }) => isAway).length).toBe(away);
  };
  for (let i = 0; i < 8; i++) {
    peers.push(await Peer.open(runtime));
    check();
  }
  const [a, b, c, d, e, f, g] = peers as [Peer, Peer, Peer, Peer, Peer, Peer, Peer];
  for (const peer of [a, b, c, d]) {
    await peer.cut();
    check();
  }
  e.socket.close(4_000);
  f.socket.close();
  check();
  await runtime.settle();
  check();
  await g.comeBack();
  check();
  g.socket.stall();
  runtime.server.sendall("x");
  runtime.server.connections()[0]?.close(4_001);
  check();
  await d.comeBack();
  check();
  await runtime.advance(10_000);
  check();
  expect(runtime.server.stats()).toMatchObject({ opened: 8, away: 0, resumed: 2 });
  await runtime.close();
  check();
});

test("the token is in no line of the log at debug, whatever becomes of the session", async () => {
  const log = new Lines("debug");
  const record = recorder();
  const tokens: string[] = [];
  const runtime = createTestRuntime({
    resume: { maxBytes: 100 },
    outbox: { slowConsumer: "dropOldest" },
    heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 },
    logger: log,
    onAccess: (entry) => log.debug(entry, "access"),
    handler: record.handler,
  });
  const peer = await Peer.open(runtime);
  const { token } = peer.offer;
  tokens.push(token);
  await peer.cut();
  for (let i = 0; i < 9; i++) runtime.server.sendall("x".repeat(50));
  expect(await peer.comeBack()).toMatchObject({ why: "gap" });
  expect(await peer.comeBack()).toMatchObject({ why: "resumed" });
  await peer.comeBack({ offer: { dial: 1 } });
  expect(peer.closed).toEqual({ code: 1_008, reason: "session taken over" });
  await peer.blink({ offer: { token: `${token}x` } });
  await peer.blink({ offer: { received: 1_000 } });
  tokens.push(peer.offer.token);
  peer.socket.vanish();
  await runtime.advance(1_000_000);
  await peer.comeBack();
  tokens.push(peer.offer.token);
  await peer.write(`~a-1 ${token}`);
  await runtime.close();
  const text = log.lines.map((line) => JSON.stringify(line)).join("\n");
  expect(new Set(tokens).size).toBe(3);
  for (const word of ["connection away", "connection back", "session taken over", "connection lost"])
    expect(text).toContain(word);
  for (const secret of tokens) expect(text.includes(secret)).toBe(false);
});
