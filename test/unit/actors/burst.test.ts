/** Bursts: messages that go to the same members one after another are the same to everybody, whether they make a burst or not. */
import { type Bus, type Connection, channels, type Receipt } from "sendall";
import { createTestRuntime, type TestClient } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Sender } from "../../../src/actors/connection/sender.js";
import { Burst } from "../../../src/actors/route/burst.js";
import { Counters } from "../../../src/actors/route/counters.js";
import type { Member, Outbox } from "../../../src/actors/route/member.js";
import { Multicast } from "../../../src/actors/route/multicast.js";
import { Registry } from "../../../src/actors/route/registry.js";
import { Turn } from "../../../src/runtime/turn.js";
import { SeededRandom } from "../../../src/testing/runtime/random.js";
import { encodeFrame, type Frame } from "../../../src/transport/frame.js";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Plays without bursts: each message is offered to each member. */
async function offeringEach<T>(code: () => Promise<T>): Promise<T> {
  const isPassing = vi.spyOn(Turn.prototype, "isPassing", "get").mockReturnValue(false);
  try {
    return await code();
  } finally {
    isPassing.mockRestore();
  }
}

interface Room {
  readonly outbox?: {
    readonly maxBufferedBytes: number;
    readonly slowConsumer: "close" | "dropOldest" | "dropNewest";
  };
}

type Step = (bus: Bus, connections: readonly Connection[], next: () => string) => Receipt | boolean;

/** A step of a handler: most often one more message to those who got the last one. */
function chooseStep(random: SeededRandom): Step {
  const member = random.below(4);
  const of = (connections: readonly Connection[]): Connection => {
    const connection = connections[member];
    if (connection === undefined) throw new Error("there are four");
    return connection;
  };
  const room = ["a", "b"][random.below(2)] ?? "a";
  const steps: readonly (readonly [weight: number, step: Step])[] = [
    [20, (bus, _all, next) => bus.sendall(next())],
    [20, (bus, all, next) => bus.broadcast(next(), of(all))],
    [20, (bus, _all, next) => bus.sendall(next(), { room })],
    [6, (bus, _all, next) => bus.sendall(Buffer.from(next()))],
    [6, (bus, _all, next) => bus.sendall(next(), { room: ["a", "b"] })],
    [6, (bus, all, next) => bus.unicast(next(), of(all))],
    [3, (_bus, all) => of(all).join(room)],
    [3, (_bus, all) => of(all).leave(room)],
    [3, (_bus, all) => of(all).ping()],
    [1, (_bus, all) => of(all).close(4_000, "enough")],
    [1, (_bus, all) => of(all).terminate()],
    [2, (bus, _all, next) => bus.sendall("x".repeat(random.below(600)) + next())],
  ];
  let at = random.below(steps.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, step] of steps) {
    if (at < weight) return step;
    at -= weight;
  }
  throw new Error("the weights do not add up");
}

/** A message to several, again and again, and now and then something else in between. */
function chooseSteps(random: SeededRandom): Step[] {
  const repeated = chooseStep(random);
  const steps: Step[] = [];
  for (let interruptions = random.below(4); interruptions >= 0; interruptions--) {
    for (let times = 1 + random.below(5); times > 0; times--) steps.push(repeated);
    steps.push(chooseStep(random));
  }
  return steps;
}

/** What a program and its clients see of a few events, of which each takes many steps. */
async function play(seed: number, options: Room): Promise<unknown[]> {
  const random = new SeededRandom(seed);
  const seen: unknown[] = [];
  const connections: Connection[] = [];
  let count = 0;
  await using runtime = createTestRuntime({
    ...options,
    handler(event, bus) {
      if (event.type === "open") connections.push(event.connection);
      if (event.type !== "message") return;
      for (const step of chooseSteps(random)) {
        seen.push(step(bus, connections, () => `${++count}`));
        seen.push(connections.map(({ bufferedAmount, isOpen }) => [bufferedAmount, isOpen]));
      }
      seen.push(runtime.server.stats().outboxBytes);
    },
  });
  const clients: TestClient[] = [];
  for (let i = 0; i < 4; i++) clients.push(await runtime.connect());
  for (let i = 0; i < 6; i++) {
    const client = clients[random.below(4)];
    if (client !== undefined && client.closed === undefined) client.send("go");
    const other = clients[random.below(4)];
    const isReading = random.below(3) > 0;
    if (other !== undefined && other.closed === undefined) other[isReading ? "resume" : "stall"]();
    await runtime.settle();
    seen.push(clients.map((each) => [each.received.map(String), each.closed]));
  }
  const { outboxBytes, sent, dropped, slowConsumers, deadLetters } = runtime.server.stats();
  seen.push({ outboxBytes, sent, dropped, slowConsumers, deadLetters });
  return seen;
}

describe.each<[what: string, options: Room]>([
  ["enough room", {}],
  ["little room, and the oldest messages dropped", { outbox: { maxBufferedBytes: 300, slowConsumer: "dropOldest" } }],
  ["little room, and the newest messages dropped", { outbox: { maxBufferedBytes: 300, slowConsumer: "dropNewest" } }],
  ["little room, and slow members closed", { outbox: { maxBufferedBytes: 1_000, slowConsumer: "close" } }],
])("in outboxes with %s", (_what, options) => {
  test("bursts change nothing for anybody", async () => {
    const takes = vi.spyOn(Burst.prototype, "takes");
    let withBursts = 0;
    for (let seed = 1; seed <= 60; seed++) {
      takes.mockClear();
      const played = await play(seed, options);
      if (takes.mock.results.some(({ value }) => value === true)) withBursts++;
      expect(played, `seed ${seed}`).toEqual(await offeringEach(() => play(seed, options)));
    }
    // Else there would be nothing to compare.
    expect(withBursts).toBeGreaterThan(40);
  });
});

test("large messages are in no burst, which would keep the last of them in memory", async () => {
  const large = "x".repeat(300_000);
  const added = vi.spyOn(Burst.prototype, "add");
  await using runtime = createTestRuntime({
    handler(event, bus) {
      if (event.type === "message") for (const text of ["a", "b", large, large, large]) bus.sendall(text);
    },
  });
  const client = await runtime.connect();
  client.send("go");
  await runtime.settle();
  expect(client.received).toEqual(["a", "b", large, large, large]);
  expect(added.mock.calls.map(([{ data }]) => data)).toEqual(["b"]);
});

test("who comes in the middle of a burst gets the rest of it", async () => {
  const connecting: Promise<TestClient>[] = [];
  await using runtime = createTestRuntime({
    handler(event, bus) {
      if (event.type === "open") for (let i = 0; i < 3; i++) bus.sendall(`${connecting.length} ${i}`);
    },
  });
  for (let i = 0; i < 3; i++) connecting.push(runtime.connect());
  const clients = await Promise.all(connecting);
  await runtime.settle();
  const hellos = ["3 0", "3 1", "3 2"];
  expect(clients.map(({ received }) => received)).toEqual([
    [...hellos, ...hellos, ...hellos],
    [...hellos, ...hellos],
    hellos,
  ]);
});

test("of a burst, each member is looked at for the first two messages alone", async () => {
  const members = 100;
  await using runtime = createTestRuntime({
    handler(event, bus) {
      if (event.type !== "message") return;
      for (let i = 0; i < 16; i++) bus.broadcast(`${i}`, event.connection);
    },
  });
  const clients = await Promise.all(Array.from({ length: members + 1 }, () => runtime.connect()));
  const looks = [vi.spyOn(Sender.prototype, "offer"), vi.spyOn(Sender.prototype, "takeBurst")];
  clients[0]?.send("go");
  await runtime.settle();
  expect(looks.map(({ mock }) => mock.calls.length)).toEqual([members, members]);
  for (const client of clients.slice(1)) expect(client.received).toEqual(Array.from({ length: 16 }, (_, i) => `${i}`));
});

test("a member that reads nothing is offered each message, and the others hold the burst all the same", async () => {
  const members = 10;
  await using runtime = createTestRuntime({
    outbox: { maxBufferedBytes: 200, slowConsumer: "dropNewest" },
    handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text === "fill") bus.unicast("x".repeat(1_000), clients[1]?.id ?? "");
      else for (let i = 0; i < 16; i++) receipts.push(bus.broadcast(`${i}`, event.connection));
    },
  });
  const receipts: Receipt[] = [];
  const clients = await Promise.all(Array.from({ length: members + 1 }, () => runtime.connect()));
  clients[1]?.stall();
  clients[0]?.send("fill");
  await runtime.settle();
  const looks = [vi.spyOn(Sender.prototype, "offer"), vi.spyOn(Sender.prototype, "takeBurst")];
  clients[0]?.send("go");
  await runtime.settle();
  expect(looks.map(({ mock }) => mock.calls.length)).toEqual([members + 15, members]);
  expect(receipts).toEqual(Array(16).fill({ targeted: members, queued: members - 1, dropped: 1, dead: 0 }));
  for (const client of clients.slice(2)) expect(client.received).toEqual(Array.from({ length: 16 }, (_, i) => `${i}`));
});

describe("an outbox", () => {
  /** Six messages to two members, within a pass: the fifth has bytes. */
  function sendSix(outboxes: readonly Outbox[]): {
    readonly receipts: readonly Receipt[];
    readonly counters: Counters;
  } {
    const counters = new Counters();
    const registry = new Registry<Member>();
    for (const [i, outbox] of outboxes.entries())
      registry.add({ id: `${i}`, isTarget: true, outbox } as unknown as Member);
    const turn = { isPassing: true, passes: 0 } as Turn;
    const multicast = new Multicast({ registry, counters, turn });
    const receipts = Array.from({ length: 6 }, (_, i) =>
      multicast.offer(encodeFrame(i === 4 ? Buffer.from("bytes") : `${i}`), undefined, undefined, undefined),
    );
    return { receipts, counters };
  }

  test("that takes texts alone gets no bytes of a burst", () => {
    const written: unknown[] = [];
    const counters = new Counters();
    const transport = {
      isOpen: true,
      isTextOnly: true,
      untakenBytes: 0,
      mustWait: () => false,
      write: (frames: readonly Frame[]) => written.push(...frames.map(({ data }) => data)) > 0,
    };
    const parts = {
      counters,
      mirror: { isOn: false },
      settings: { outbox: { maxBufferedBytes: 1_000, slowConsumer: "close" } },
      turn: { flushAtEnd() {} },
    };
    const sender = new Sender(parts as never, { onBytesDropped() {} } as never, transport as never);
    const { receipts } = sendSix([sender]);
    sender.flush();
    expect(written).toEqual(["0", "1", "2", "3", "5"]);
    expect(receipts.map(({ queued }) => queued)).toEqual([1, 1, 1, 1, 0, 1]);
    expect(receipts[4]).toEqual({ targeted: 1, queued: 0, dropped: 1, dead: 0 });
  });

  test("that knows no bursts gets every message", () => {
    const offered: number[] = [0, 0];
    const outboxes = [0, 1].map(
      (i): Outbox => ({
        isOpen: true,
        offer: () => {
          offered[i] = (offered[i] ?? 0) + 1;
          return "queued";
        },
        replay: () => 0,
      }),
    );
    const { receipts } = sendSix(outboxes);
    expect(offered).toEqual([6, 6]);
    expect(receipts).toEqual(Array(6).fill({ targeted: 2, queued: 2, dropped: 0, dead: 0 }));
  });
});

test("subscribers of a channel get every message", async () => {
  await using runtime = createTestRuntime({
    handler: channels({
      news(event, bus) {
        if (event.type === "message") for (let i = 0; i < 5; i++) bus.sendall(`${i}`);
      },
    }),
  });
  const clients = [await runtime.connect(), await runtime.connect()];
  for (const client of clients) client.send("sub,news");
  await runtime.settle();
  for (const client of clients) client.take();
  clients[0]?.send("msg,news,go");
  await runtime.settle();
  for (const client of clients) expect(client.received).toEqual(Array.from({ length: 5 }, (_, i) => `msg,news,${i}`));
});
