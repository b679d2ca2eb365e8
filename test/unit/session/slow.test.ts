/** Sessions over sockets that take little at a time, or nothing: the pace of a replay, its bounds, and sockets that are given up. */
import type { ServeOptions } from "sendall";
import { describe, expect, test } from "vitest";
import type { SentWelcome } from "../../../src/transport/session-frames.js";
import { HandStage, HandTransport } from "../stage.js";
import { namesOf, type Offer, recorder, texts } from "./peer.js";

/** A socket that takes one write at a time. */
class SlowTransport extends HandTransport {
  readonly frames: string[] = [];
  /** How many bytes each write had. */
  readonly writes: number[] = [];

  constructor() {
    super();
    this.onWrite = (frames) => {
      const bytes = frames.reduce((sum, { wire }) => sum + wire.length, 0);
      this.frames.push(...frames.map(({ data }) => String(data)));
      this.writes.push(bytes);
      this.untakenBytes += bytes;
      this.isFull = true;
    };
  }

  get welcome(): SentWelcome {
    return JSON.parse(this.frames[0]?.slice(1) ?? "");
  }

  /** The messages so far. */
  get messages(): string[] {
    return this.frames.filter((text) => !text.startsWith("~"));
  }

  /** Takes what was written. */
  drain(): void {
    this.untakenBytes = 0;
    this.isFull = false;
    this.listener.drained();
  }

  /** Takes everything that waits. */
  drainAll(): void {
    while (this.isFull) this.drain();
  }
}

const MESSAGE = 10_000;

async function open(options: Partial<ServeOptions> = {}) {
  const record = recorder();
  const stage = await HandStage.open({
    resume: { maxBytes: 8_388_608 },
    heartbeat: false,
    ...options,
    handler: record.handler,
  });
  const first = await stage.connect("/", { protocols: namesOf(), transport: new SlowTransport() });
  const token: string = (first as SlowTransport).welcome.session ?? "";
  (first as SlowTransport).drain();
  first.listener.message("~a0", 3);
  let dial = 0;
  async function comeBack(offer: Partial<Offer> = {}): Promise<SlowTransport> {
    const protocols = namesOf({ token, received: 0, lost: 0, dial: ++dial, ...offer });
    return (await stage.connect("/", { protocols, transport: new SlowTransport() })) as SlowTransport;
  }
  async function send(list: readonly string[]): Promise<boolean[]> {
    const connection = stage.server.connections()[0];
    const results = list.map((text) => connection?.send(text) ?? false);
    await stage.settle();
    return results;
  }
  return { stage, first: first as SlowTransport, comeBack, send, take: record.take };
}

describe("a replay to a client that reads slowly", () => {
  test("is written as the socket takes it, with live messages behind, and is judged by maxBytes", async () => {
    const { stage, first, comeBack, send } = await open();
    first.end();
    const [missed, live] = [texts(300, MESSAGE), texts(500, MESSAGE, 300)];
    await send(missed);
    const socket = await comeBack();
    expect(socket.welcome).toMatchObject({ why: "resumed", replayed: 300 });
    expect(await send(live)).not.toContain(false);
    socket.drainAll();
    expect(socket.messages).toEqual([...missed, ...live]);
    expect(Math.max(...socket.writes)).toBeLessThan(65_536 + MESSAGE + 4);
    expect(stage.server.stats()).toMatchObject({ slowConsumers: 0, dropped: 0, connections: 1 });
  });

  test("is judged by maxBufferedBytes again once it is over", async () => {
    const { stage, first, comeBack, send, take } = await open();
    first.end();
    await send(texts(300, MESSAGE));
    const socket = await comeBack();
    socket.drainAll();
    socket.isFull = true;
    const results = await send(texts(120, MESSAGE));
    expect(results.indexOf(false)).toBe(Math.ceil(1_048_576 / (MESSAGE + 4)));
    await stage.advance(5_000);
    socket.end();
    await stage.settle();
    expect(take().at(-1)).toMatch(/^closed 1013 server \d+ unacknowledged slow consumer$/);
  });

  test("ends with 1013 under close if maxBytes wait", async () => {
    const { first, comeBack, send } = await open();
    first.end();
    await send(texts(300, MESSAGE));
    const socket = await comeBack();
    const results = await send(texts(600, MESSAGE));
    expect(results.indexOf(false)).toBe(Math.ceil(8_388_608 / (MESSAGE + 4)) - 300);
    // What waits goes ahead of the close frame.
    socket.drainAll();
    expect([socket.messages.length, socket.take().at(-2)]).toEqual([
      Math.ceil(8_388_608 / (MESSAGE + 4)),
      "close 1013 slow consumer",
    ]);
  });

  test.each(["dropOldest", "dropNewest"] as const)("under %s drops only what has no number", async (slowConsumer) => {
    const { stage, first, comeBack, send } = await open({ outbox: { slowConsumer }, resume: true });
    const [numbered, live] = [texts(100, MESSAGE), texts(100, MESSAGE, 100)];
    for (const text of numbered) {
      await send([text]);
      first.drain();
    }
    first.end();
    const socket = await comeBack();
    const results = await send(live);
    const fit = Math.ceil(1_048_576 / (MESSAGE + 4)) - 100;
    expect(results.filter((isKept) => isKept).length).toBe(slowConsumer === "dropNewest" ? fit : 100);
    socket.drainAll();
    const survivors = slowConsumer === "dropNewest" ? live.slice(0, fit) : live.slice(-fit);
    expect(socket.messages).toEqual([...numbered, ...survivors]);
    expect(stage.server.stats().dropped).toBe(100 - fit);
    socket.end();
    const again = await comeBack({ received: 100 + fit });
    expect(again.welcome).toMatchObject({ why: "gap", lost: 100 - fit, replayed: 0, from: 100 + fit });
  });

  test("goes first though a live message comes when the socket has room and has not said so", async () => {
    const { first, comeBack, send } = await open();
    const missed = texts(20, MESSAGE);
    await send(missed);
    first.end();
    const socket = await comeBack();
    for (let i = 0; i < 3; i++) {
      socket.untakenBytes = 0;
      socket.isFull = false;
      await send([`live ${i}`]);
      socket.listener.drained();
    }
    socket.drainAll();
    expect(socket.messages).toEqual([...missed, "live 0", "live 1", "live 2"]);
  });

  test("that is cut goes on after what the client has, and brings nothing twice", async () => {
    const { first, comeBack, send } = await open();
    first.end();
    const missed = texts(300, MESSAGE);
    await send(missed);
    const socket = await comeBack();
    socket.drain();
    socket.drain();
    const had = socket.messages.length;
    expect(had).toBeLessThan(30);
    socket.end();
    await send(texts(10, MESSAGE, 300));
    const next = await comeBack({ received: had });
    expect(next.welcome).toMatchObject({ why: "resumed", from: had, replayed: 310 - had });
    next.drainAll();
    expect([...socket.messages, ...next.messages]).toEqual(texts(310, MESSAGE));
  });
});

describe("a socket that is taken over", () => {
  test("gets 1008 without waiting, and is cut if it does not answer", async () => {
    const { stage, first, comeBack, take } = await open();
    first.take();
    const socket = await comeBack();
    expect(first.take()).toEqual(["close 1008 session taken over", "resume"]);
    expect(socket.welcome.why).toBe("resumed");
    await stage.advance(4_999);
    expect(first.take()).toEqual([]);
    await stage.advance(1);
    expect(first.take()).toEqual(["terminate"]);
    first.end();
    await stage.settle();
    expect([take(), stage.clock.alarms]).toEqual([["open"], 0]);
  });

  test("and takes nothing is cut, and what waited for it goes to the newer", async () => {
    const { stage, first, comeBack, send, take } = await open();
    await send(["written"]);
    await send(["waiting"]);
    first.take();
    const socket = await comeBack();
    expect(first.take()).toEqual(["terminate", "resume"]);
    first.end();
    socket.drainAll();
    expect([socket.messages, take(), stage.clock.alarms]).toEqual([["written", "waiting"], ["open"], 0]);
    expect(stage.server.stats()).toMatchObject({ connections: 1, away: 0, opened: 1, closed: 0 });
  });

  test("tells nothing that lay unread, and ends nothing", async () => {
    const { stage, first, comeBack, take } = await open();
    await comeBack();
    first.listener.message("unread", 6);
    first.listener.message("~a7", 3);
    first.listener.pinged(Buffer.from("x"));
    first.listener.flooded();
    first.listener.failed(new Error("reset"));
    first.listener.concluded(4_000, "bye", false);
    first.listener.drained();
    first.end(4_000, "bye");
    await stage.settle();
    expect([take(), stage.server.stats()]).toMatchObject([
      ["open"],
      { connections: 1, away: 0, received: { messages: 0 } },
    ]);
  });

  test("by a dial that is late gets nothing: the late dial gets 1008 and no welcome", async () => {
    const { stage, comeBack, send } = await open();
    await comeBack({ dial: 5 });
    const late = await comeBack({ dial: 5 });
    expect([late.frames, late.take()]).toEqual([[], ["close 1008 session taken over", "resume"]]);
    expect(await send(["on"])).toEqual([true]);
    expect(stage.server.stats()).toMatchObject({ resumed: 1, opened: 1, connections: 1 });
  });
});

test("a socket that fails because of broken bytes ends the session, though no close frame was read", async () => {
  const { stage, first, take } = await open();
  first.listener.failed(Object.assign(new RangeError("broken"), { code: "WS_ERR_INVALID_UTF8" }));
  first.end();
  await stage.settle();
  expect([take(), stage.server.stats()]).toMatchObject([
    ["open", "error", "closed 1007 server"],
    { away: 0, closed: 1, expired: 0 },
  ]);
});

describe("a connection whose mailbox is full", () => {
  test("has its newest socket paused, which is read on later", async () => {
    let release = (): void => {};
    const handled: string[] = [];
    const stage = await HandStage.open({
      resume: true,
      heartbeat: false,
      mailbox: { highWaterEvents: 4, lowWaterEvents: 2 },
      async handler(event: { type: string; text?: string }) {
        handled.push(event.text ?? event.type);
        if (event.text === "0") await new Promise<void>((resolve) => (release = resolve));
      },
    });
    const first = await stage.connect("/", { protocols: namesOf(), transport: new SlowTransport() });
    const token = (first as SlowTransport).welcome.session ?? "";
    first.take();
    for (let i = 0; i < 6; i++) {
      first.listener.message(String(i), 1);
      await stage.settle();
    }
    expect(first.take()).toEqual(["pause"]);
    first.end();
    const socket = new SlowTransport();
    await stage.connect("/", { protocols: namesOf({ token, received: 0, lost: 0, dial: 1 }), transport: socket });
    expect([socket.welcome.received, socket.take().slice(1)]).toEqual([6, ["pause"]]);
    expect(stage.server.stats()).toMatchObject({ paused: 1, away: 0 });
    release();
    await stage.settle();
    expect(socket.take()).toEqual(["resume"]);
    expect(handled).toEqual(["open", "0", "1", "2", "3", "4", "5", "away", "back"]);
    socket.listener.message("6", 1);
    await stage.settle();
    expect(handled.at(-1)).toBe("6");
  });
});

describe("an acknowledgement of ours", () => {
  /** What the server writes as control frames. */
  const controls = (socket: SlowTransport): string[] => socket.frames.splice(0).filter((text) => /^~[ah]/.test(text));

  test("comes after 64 messages, 64 KiB, or five seconds, and not before", async () => {
    const { stage, first } = await open();
    const receive = (count: number, bytes = 1): void => {
      for (let i = 0; i < count; i++) {
        first.listener.message("x", bytes);
        first.drain();
      }
    };
    receive(63);
    expect(controls(first)).toEqual([]);
    receive(1);
    expect(controls(first)).toEqual(["~a64"]);
    receive(2, 32_767);
    expect(controls(first)).toEqual([]);
    receive(1, 2);
    expect(controls(first)).toEqual(["~a67"]);
    receive(1);
    await stage.advance(3_000);
    receive(1);
    await stage.advance(1_999);
    expect(controls(first)).toEqual([]);
    await stage.advance(1);
    expect(controls(first)).toEqual(["~a69"]);
    first.drain();
    await stage.advance(1_000_000);
    expect([controls(first), stage.clock.alarms]).toEqual([[], 0]);
  });

  test("that is owed goes out ahead of our close frame, and none without need", async () => {
    for (const count of [3, 0]) {
      const { stage, first } = await open();
      for (let i = 0; i < count; i++) first.listener.message("x", 1);
      await stage.settle();
      stage.server.connections()[0]?.close(4_000);
      expect(controls(first)).toEqual(count === 0 ? [] : ["~a3"]);
    }
  });

  test("answers a question if one is owed, and waits for a socket that takes nothing", async () => {
    const { first } = await open();
    first.listener.message("x", 1);
    first.isFull = true;
    first.listener.message("~h", 2);
    expect(controls(first)).toEqual([]);
    first.drain();
    expect(controls(first)).toEqual(["~a1"]);
  });

  test("is made of what the newest socket has brought, and starts with the welcome", async () => {
    const { first, comeBack } = await open();
    for (let i = 0; i < 10; i++) first.listener.message("x", 1);
    first.end();
    const socket = await comeBack();
    expect(socket.welcome.received).toBe(10);
    socket.drain();
    controls(socket);
    socket.listener.message("~h", 2);
    expect(controls(socket)).toEqual(["~h"]);
    for (let i = 0; i < 64; i++) {
      socket.drain();
      socket.listener.message("x", 1);
    }
    expect(controls(socket)).toEqual(["~a74"]);
  });

  test.each([
    ["while the server closes", (stage: HandStage) => void stage.server.close()],
    ["after our close frame", (stage: HandStage) => void stage.server.connections()[0]?.close(4_000)],
  ])("does not name what comes %s", async (_what, act) => {
    const record = recorder((event) => (event.type === "message" ? new Promise(() => {}) : undefined));
    const stage = await HandStage.open({ resume: true, heartbeat: false, handler: record.handler });
    const first = (await stage.connect("/", { protocols: namesOf(), transport: new SlowTransport() })) as SlowTransport;
    first.drain();
    first.listener.message("taken", 1);
    await stage.settle();
    // A close frame waits for the socket.
    first.isFull = true;
    stage.server.connections()[0]?.send("waiting");
    await stage.settle();
    act(stage);
    await stage.settle();
    for (let i = 0; i < 70; i++) first.listener.message("late", 1_000);
    first.listener.message("~h", 2);
    first.drainAll();
    expect(controls(first).filter((frame) => frame !== "~a1" && frame !== "~h")).toEqual([]);
    expect(stage.server.stats().received.messages).toBe(1);
  });
});
