/** Bursts: messages that go to the same members one after another are the same to everybody, whether they make a burst or not. */
import { type Bus, type Connection, channels, type Receipt, type ServeOptions } from "sendall";
import { createTestRuntime, type TestClient } from "sendall/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Burst } from "../../../src/actors/route/burst.js";
import { Turn } from "../../../src/runtime/turn.js";
import { SeededRandom } from "../../../src/testing/runtime/random.js";

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
async function play(seed: number, options: Partial<ServeOptions>): Promise<unknown[]> {
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
      seen.push(bus.stats().outboxBytes);
    },
  });
  const clients: TestClient[] = [];
  for (let i = 0; i < 4; i++) clients.push(await runtime.connect());
  for (let i = 0; i < 6; i++) {
    const client = clients[random.below(4)];
    if (client?.isOpen) client.send("go");
    const other = clients[random.below(4)];
    const isReading = random.below(3) > 0;
    if (other?.isOpen) other[isReading ? "resume" : "stall"]();
    await runtime.settle();
    seen.push(clients.map((each) => [each.received.map(String), each.closed]));
  }
  const { outboxBytes, sent, dropped, slowConsumers, deadLetters } = runtime.server.stats();
  seen.push({ outboxBytes, sent, dropped, slowConsumers, deadLetters });
  return seen;
}

describe.each<[what: string, options: Partial<ServeOptions>]>([
  ["enough room", {}],
  ["little room, and the oldest messages dropped", { outbox: { maxBufferedBytes: 300, slowConsumer: "dropOldest" } }],
  ["little room, and the newest messages dropped", { outbox: { maxBufferedBytes: 300, slowConsumer: "dropNewest" } }],
  ["little room, and slow members closed", { outbox: { maxBufferedBytes: 1_000, slowConsumer: "close" } }],
])("in outboxes with %s", (_what, options) => {
  test("bursts change nothing for anybody", async () => {
    const takes = vi.spyOn(Burst.prototype, "takes");
    for (let seed = 1; seed <= 60; seed++) {
      takes.mockClear();
      const played = await play(seed, options);
      // Else there is nothing to compare.
      expect(takes.mock.results.some(({ value }) => value === true)).toBe(true);
      expect(played, `seed ${seed}`).toEqual(await offeringEach(() => play(seed, options)));
    }
  });
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
  let looks = 0;
  await using runtime = createTestRuntime({
    handler(event, bus) {
      if (event.type !== "message") return;
      for (let i = 0; i < 16; i++) bus.broadcast(`${i}`, event.connection);
    },
  });
  const clients = await Promise.all(Array.from({ length: members + 1 }, () => runtime.connect()));
  const { Sender } = await import("../../../src/actors/connection/sender.js");
  for (const name of ["offer", "offerBurst"] as const) {
    const original = Sender.prototype[name];
    vi.spyOn(Sender.prototype, name).mockImplementation(function (this: InstanceType<typeof Sender>, ...args: never[]) {
      looks++;
      return Reflect.apply(original, this, args);
    });
  }
  clients[0]?.send("go");
  await runtime.settle();
  expect(looks).toBe(2 * members);
  for (const client of clients.slice(1)) expect(client.received).toEqual(Array.from({ length: 16 }, (_, i) => `${i}`));
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
