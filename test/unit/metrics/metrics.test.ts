/** `sendall/metrics` in memory: every series, what it is the number of, histograms in virtual time, and what a scrape reads. */
import fc from "fast-check";
import { type Bus, channels, perConnection, type ServerEvent, type Stats } from "sendall";
import { metrics } from "sendall/metrics";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { memory } from "sendall/testing/cluster-adapter";
import { describe, expect, test } from "vitest";
import { routesOf } from "../../../src/actors/route/metered-routes.js";
import { HandStage, HandTransport } from "../stage.js";
import { readExposition, sampleOf, sumOf } from "./exposition.js";
import { NOTHING, sourceOf } from "./source.js";

const ROUTE_FAMILIES: Readonly<Record<string, string>> = {
  sendall_connections: "gauge",
  sendall_away: "gauge",
  sendall_paused: "gauge",
  sendall_rooms: "gauge",
  sendall_opened_total: "counter",
  sendall_closed_total: "counter",
  sendall_refused_total: "counter",
  sendall_received_messages_total: "counter",
  sendall_received_bytes_total: "counter",
  sendall_sent_messages_total: "counter",
  sendall_sent_bytes_total: "counter",
  sendall_sent_frames_total: "counter",
  sendall_socket_writes_total: "counter",
  sendall_dropped_total: "counter",
  sendall_dead_letters_total: "counter",
  sendall_slow_consumers_total: "counter",
  sendall_handler_failures_total: "counter",
  sendall_invalid_total: "counter",
  sendall_over_budget_total: "counter",
  sendall_resting: "gauge",
  sendall_resting_events: "gauge",
  sendall_mailbox_events: "gauge",
  sendall_outbox_bytes: "gauge",
  sendall_sessions_total: "counter",
  sendall_kept_bytes: "gauge",
  sendall_history_total: "counter",
};
const CLUSTER_FAMILIES = { sendall_cluster_up: "gauge", sendall_cluster_lost_total: "counter" };
const HISTOGRAMS = { sendall_mailbox_wait_seconds: "histogram", sendall_handler_seconds: "histogram" };

function typesIn(text: string): Record<string, string> {
  return Object.fromEntries(Array.from(readExposition(text).values(), ({ name, type }) => [name, type]));
}

function echo(event: ServerEvent, bus: Bus): void {
  if (event.type === "message") bus.unicast(event.data, event.connection);
}

describe("the text of metrics", () => {
  test("has every series of a route, each with its type and a sentence", async () => {
    await using runtime = createTestRuntime({ handler: echo });
    await runtime.settle();
    const text = metrics(runtime.server).text();
    expect(typesIn(text)).toEqual(ROUTE_FAMILIES);
    for (const { help } of readExposition(text).values()) expect(help).toMatch(/^[A-Z].*\.$/);
  });

  test("has the series of the cluster once, without a route, only in a cluster", async () => {
    await using runtime = createTestRuntime({ handler: echo, cluster: memory() });
    await runtime.settle();
    const text = metrics(runtime.server).text();
    expect(typesIn(text)).toEqual({ ...ROUTE_FAMILIES, ...CLUSTER_FAMILIES });
    expect([sampleOf(text, "sendall_cluster_up"), sampleOf(text, "sendall_cluster_lost_total")]).toEqual([1, 0]);
  });

  test("says that the link of a cluster is down", () => {
    const cluster = { link: "down", lost: 7 } as NonNullable<Stats["cluster"]>;
    const text = metrics(sourceOf({ "*": {} }, { cluster })).text();
    expect([sampleOf(text, "sendall_cluster_up"), sampleOf(text, "sendall_cluster_lost_total")]).toEqual([0, 7]);
  });

  test("has the numbers of stats() under their names", () => {
    const stats: Stats = {
      ...NOTHING,
      connections: 1,
      away: 2,
      paused: 3,
      rooms: 4,
      opened: 5,
      received: { messages: 6, bytes: 7 },
      sent: { messages: 8, bytes: 9, frames: 10, writes: 11 },
      droppedBy: { close: 12, dropOldest: 13, dropNewest: 14, text: 15, gap: 16 },
      deadLetters: 17,
      slowConsumers: 18,
      handlerFailures: 19,
      invalid: 20,
      overBudget: 21,
      mailboxEvents: 22,
      resting: 31,
      restingEvents: 32,
      outboxBytes: 23,
      keptBytes: 24,
      kept: 33,
      unkept: 34,
      resumed: 30,
      gaps: 5,
      expired: 26,
      closedBy: [
        { code: 1000, by: "peer", count: 27 },
        { code: "other", by: "peer", count: 28 },
      ],
      refusedBy: [{ status: 403, count: 29 }],
    };
    const families = readExposition(metrics(sourceOf({ "/a": stats })).text());
    const shown = [...families.values()].flatMap(({ samples }) =>
      samples
        .filter(({ value }) => value > 0)
        .map(({ name, labels: { route, ...labels }, value }) => {
          expect(route).toBe("/a");
          return [name.replace("sendall_", ""), ...Object.values(labels), value].join(" ");
        }),
    );
    expect(shown).toEqual([
      "connections 1",
      "away 2",
      "paused 3",
      "rooms 4",
      "opened_total 5",
      "closed_total 1000 peer 27",
      "closed_total other peer 28",
      "refused_total 403 29",
      "received_messages_total 6",
      "received_bytes_total 7",
      "sent_messages_total 8",
      "sent_bytes_total 9",
      "sent_frames_total 10",
      "socket_writes_total 11",
      "dropped_total close 12",
      "dropped_total dropOldest 13",
      "dropped_total dropNewest 14",
      "dropped_total text 15",
      "dropped_total gap 16",
      "dead_letters_total 17",
      "slow_consumers_total 18",
      "handler_failures_total 19",
      "invalid_total 20",
      "over_budget_total 21",
      "resting 31",
      "resting_events 32",
      "mailbox_events 22",
      "outbox_bytes 23",
      "sessions_total resumed 25",
      "sessions_total gap 5",
      "sessions_total expired 26",
      "kept_bytes 24",
      "history_total kept 33",
      "history_total unkept 34",
    ]);
  });

  test('tells routes apart, and counts what no route refused as route=""', async () => {
    await using runtime = createTestRuntime({
      routes: { "/a": { handler: echo }, "/room/:name": { handler: echo, origins: ["https://a.example"] } },
    });
    for (const path of ["/a", "/room/kitchen", "/room/hall"]) await runtime.connect({ path });
    for (const path of ["/b", "/c"]) await expect(runtime.connect({ path })).rejects.toThrow("404");
    const headers = { origin: "https://b.example" };
    await expect(runtime.connect({ path: "/room/hall", headers })).rejects.toThrow("403");
    const text = metrics(runtime.server).text();
    expect(sampleOf(text, "sendall_connections", { route: "/a" })).toBe(1);
    expect(sampleOf(text, "sendall_connections", { route: "/room/:name" })).toBe(2);
    expect(sampleOf(text, "sendall_refused_total", { route: "", status: "404" })).toBe(2);
    expect(sampleOf(text, "sendall_refused_total", { route: "/room/:name", status: "403" })).toBe(1);
    expect(sumOf(text, "sendall_refused_total")).toBe(runtime.server.stats().refused);
    expect(text).not.toMatch(/kitchen|hall/);
  });

  test("has at 0 what alerts watch before it first happens, so that a first burst is an increase", async () => {
    await using runtime = createTestRuntime({ routes: { "/a": { handler: echo }, "/b": { handler: echo } } });
    await runtime.settle();
    const { text } = metrics(runtime.server);
    const shown = (name: string): string[] => text().match(new RegExp(`(?<=^sendall_${name}_total).*`, "gm")) ?? [];
    expect(shown("refused")).toEqual([
      '{route="/a",status="503"} 0',
      '{route="/b",status="503"} 0',
      '{route="",status="404"} 0',
    ]);
    const endings = ["1000 peer", "1001 peer", "1006 lost", "1011 server", "1013 server"].map((one) => one.split(" "));
    expect(shown("closed")).toEqual(
      ["/a", "/b"].flatMap((route) => endings.map(([code, by]) => `{route="${route}",code="${code}",by="${by}"} 0`)),
    );
    (await runtime.connect({ path: "/a" })).close(1000);
    await expect(runtime.connect({ path: "/c" })).rejects.toThrow("404");
    await runtime.settle();
    expect(shown("refused").filter((line) => !line.endsWith(" 0"))).toEqual(['{route="",status="404"} 1']);
    expect(shown("refused")).toHaveLength(3);
    expect(shown("closed").filter((line) => !line.endsWith(" 0"))).toEqual(['{route="/a",code="1000",by="peer"} 1']);
    expect(shown("closed")).toHaveLength(10);
  });

  test("has each ended connection once in closed_total, whatever ended it", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 0 },
      handler(event) {
        if (event.type === "message" && event.text === "throw") throw new Error("thrown");
        if (event.type === "message") event.connection.close(4001);
      },
    });
    const [ann, bob, cay, dan] = [
      await runtime.connect(),
      await runtime.connect(),
      await runtime.connect(),
      await runtime.connect(),
    ];
    ann.close(1000);
    bob.send("close me");
    cay.fail();
    dan.send("throw");
    await runtime.settle();
    await runtime.connect();
    const text = metrics(runtime.server).text();
    const { closed, opened } = runtime.server.stats();
    expect([opened, closed]).toEqual([5, 4]);
    expect(sumOf(text, "sendall_closed_total")).toBe(closed);
    expect(sumOf(text, "sendall_opened_total") - sumOf(text, "sendall_closed_total")).toBe(
      sumOf(text, "sendall_connections"),
    );
    expect(sampleOf(text, "sendall_closed_total", { route: "*", code: "4001", by: "server" })).toBe(1);
    expect(sampleOf(text, "sendall_closed_total", { route: "*", code: "1000", by: "peer" })).toBe(1);
  });

  test("gives back any path of a route as it was given, whatever characters it has", () => {
    const path = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom("\\", '"', "\n", "n", "}", ",", "=", " ", "ä", "😀") }),
    );
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 4 }), (paths) => {
        const source = sourceOf(Object.fromEntries(paths.map((one) => [one, { connections: 1 }])));
        const { samples = [] } = readExposition(metrics(source).text()).get("sendall_connections") ?? {};
        expect(samples.map(({ labels }) => labels.route)).toEqual(source.paths);
      }),
    );
  });
});

describe("a scrape", () => {
  /** How many entries of maps and sets a function walks over. */
  function countSteps(read: () => void): number {
    let steps = 0;
    const restore: (() => void)[] = [];
    for (const prototype of [Map.prototype, Set.prototype])
      for (const name of ["values", "keys", "entries", Symbol.iterator, "forEach"] as const) {
        const original = Reflect.get(prototype, name);
        restore.push(() => Reflect.set(prototype, name, original));
        Reflect.set(prototype, name, function (this: object, ...parameters: unknown[]) {
          if (name === "forEach") steps += Reflect.get(this, "size");
          const result = Reflect.apply(original, this, parameters);
          if (name === "forEach") return result;
          const next = result.next.bind(result);
          return Object.assign(result, {
            next() {
              steps++;
              return next();
            },
          });
        });
      }
    try {
      read();
    } finally {
      for (const undo of restore) undo();
    }
    return steps;
  }

  test("is as much work with 2,000 connections in 2,000 rooms as with two", async () => {
    const stage = await HandStage.open({
      routes: {
        "/a": {
          handler(event: ServerEvent, bus: Bus) {
            if (event.type === "open") bus.join(event.connection, event.connection.id);
          },
        },
      },
    });
    const { text } = metrics(stage.server, { histograms: true });
    for (let i = 0; i < 2; i++) await stage.admit("/a");
    await stage.settle();
    const before = countSteps(text);
    for (let i = 0; i < 1_998; i++) await stage.admit("/a");
    await stage.settle();
    expect(sumOf(text(), "sendall_rooms")).toBe(2_000);
    expect(countSteps(text)).toBe(before);
    expect(countSteps(() => stage.server.connections())).toBeGreaterThanOrEqual(2_000);
  });

  test("asks no transport", async () => {
    const stage = await HandStage.open({ handler: echo });
    class Mute extends HandTransport {
      isMute = false;
      override mustWait(): boolean {
        if (this.isMute) throw new Error("asked");
        return super.mustWait();
      }
    }
    const transport = new Mute();
    await stage.connect("/", { transport });
    transport.isMute = true;
    Object.defineProperty(transport, "untakenBytes", {
      get() {
        throw new Error("asked");
      },
    });
    expect(sumOf(metrics(stage.server).text(), "sendall_connections")).toBe(1);
  });
});

describe("histograms", () => {
  const SLOW_MS = 700;

  /** A started server whose handler takes its time for each message. */
  async function slowRuntime(): Promise<TestRuntime> {
    const runtime = createTestRuntime({
      async handler(event: ServerEvent, bus: Bus) {
        if (event.type === "message") await bus.sleep(SLOW_MS);
      },
    });
    await runtime.settle();
    return runtime;
  }

  test("are there only when somebody asks, and nothing is measured before", async () => {
    await using runtime = await slowRuntime();
    expect(Object.keys(typesIn(metrics(runtime.server).text()))).not.toContain("sendall_handler_seconds");
    expect(routesOf(runtime.server)?.map(({ metering }) => metering.isOn)).toEqual([false]);
    const text = metrics(runtime.server, { histograms: true }).text();
    expect(typesIn(text)).toMatchObject(HISTOGRAMS);
    expect(routesOf(runtime.server)?.map(({ metering }) => metering.isOn)).toEqual([true]);
  });

  test("show how long events waited, and how long the handler took for each", async () => {
    await using runtime = await slowRuntime();
    const client = await runtime.connect();
    const { text } = metrics(runtime.server, { histograms: true });
    client.send("first");
    client.send("second");
    await runtime.advance(2 * SLOW_MS);
    const labels = { route: "*" };
    expect(sampleOf(text(), "sendall_handler_seconds_count", labels)).toBe(2);
    expect(sampleOf(text(), "sendall_handler_seconds_sum", labels)).toBeCloseTo(1.4);
    expect(sampleOf(text(), "sendall_mailbox_wait_seconds_count", labels)).toBe(2);
    expect(sampleOf(text(), "sendall_mailbox_wait_seconds_sum", labels)).toBeCloseTo(0.7);
    const bucket = (name: string, le: string) => sampleOf(text(), `sendall_${name}_bucket`, { ...labels, le });
    expect([bucket("handler_seconds", "0.5"), bucket("handler_seconds", "1")]).toEqual([0, 2]);
    expect([bucket("mailbox_wait_seconds", "0.0005"), bucket("mailbox_wait_seconds", "1")]).toEqual([1, 2]);
  });

  test("have cumulative buckets, of which the last has every observation, for any durations", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 29_000 }), { maxLength: 8 }), async (durations) => {
        const runtime = createTestRuntime({
          async handler(event: ServerEvent, bus: Bus) {
            if (event.type === "message") await bus.sleep(Number(event.text));
          },
        });
        const client = await runtime.connect();
        const { text } = metrics(runtime.server, { histograms: true });
        for (const ms of durations) {
          client.send(String(ms));
          await runtime.advance(ms);
        }
        const { samples = [] } = readExposition(text()).get("sendall_handler_seconds") ?? {};
        const buckets = samples.filter(({ name }) => name.endsWith("_bucket"));
        for (const { labels, value } of buckets) {
          const bound = labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels.le);
          expect([labels.le, value]).toEqual([labels.le, durations.filter((ms) => ms / 1_000 <= bound).length]);
        }
        expect(buckets.at(-1)?.labels.le).toBe("+Inf");
        await runtime.close();
      }),
      { numRuns: 20 },
    );
  });

  test("measure each event once, however many ask, and stop when the server has closed", async () => {
    const runtime = await slowRuntime();
    const one = metrics(runtime.server, { histograms: true });
    const client = await runtime.connect();
    client.send("x");
    await runtime.advance(SLOW_MS);
    expect(metrics(runtime.server, { histograms: true }).text()).toBe(one.text());
    expect(sampleOf(one.text(), "sendall_handler_seconds_count", { route: "*" })).toBe(2);
    await runtime.close();
    expect(routesOf(runtime.server)?.map(({ metering }) => metering.isOn)).toEqual([false]);
    expect(sampleOf(one.text(), "sendall_handler_seconds_count", { route: "*" })).toBe(3);
  });

  test("count an event of a channel once, with the time of the channel's handler", async () => {
    await using runtime = createTestRuntime({
      handler: channels({
        outer: channels({
          inner: async (event: ServerEvent, bus: Bus) => {
            if (event.type === "message") await bus.sleep(1_000);
          },
        }),
      }),
    });
    const client = await runtime.connect();
    const { text } = metrics(runtime.server, { histograms: true });
    await runtime.server.snapshot();
    for (const frame of ["sub,outer", "msg,outer,sub,inner", "msg,outer,msg,inner,x"]) client.send(frame);
    await runtime.advance(2_000);
    const of = (name: string): number | undefined =>
      sampleOf(text(), `sendall_handler_seconds_${name}`, { route: "*" });
    expect([of("count"), of("sum")]).toEqual([2, 1]);
    expect((await runtime.server.snapshot()).routes[0]?.perSecond?.events).toBe(1);
  });

  test("measure the handler of each connection, and leave out the waiting of a loop", async () => {
    await using runtime = createTestRuntime({
      handler: perConnection(async (connection) => {
        for await (const _ of connection) await null;
      }),
    });
    const client = await runtime.connect();
    const { text } = metrics(runtime.server, { histograms: true });
    client.send("x");
    await runtime.advance(10_000);
    client.send("y");
    await runtime.settle();
    expect(sampleOf(text(), "sendall_handler_seconds_sum", { route: "*" })).toBe(0);
    expect(sampleOf(text(), "sendall_mailbox_wait_seconds_count", { route: "*" })).toBe(2);
  });
});

describe("metrics refuses", () => {
  const server = sourceOf({});
  // What a program in JavaScript may pass.
  const call = (...given: unknown[]): unknown => Reflect.apply(metrics, undefined, given);

  test.each([
    ["no server", () => call(undefined), "server: expected what serve or attach resolves with, got undefined"],
    [
      "a server that is not awaited",
      () => call(Promise.resolve(server)),
      "server: expected what serve or attach resolves with, got an object of class Promise: await serve first",
    ],
    ["a misspelt option", () => call(server, { histogram: true }), /^histogram: unknown option.*histograms/],
    [
      "an option of another type",
      () => call(server, { histograms: "yes" }),
      'histograms: expected true or false, got "yes"',
    ],
    ["options that are no object", () => call(server, true), "options: expected an object, got true"],
    [
      "histograms of a server that it cannot measure",
      () => call(server, { histograms: true }),
      "histograms: expected a server of the same copy of sendall",
    ],
    [
      "a path without a slash",
      () => metrics(server).onRequest("metrics"),
      'path: expected a path such as "/metrics", encoded as in a request, other than healthz and readyz, got "metrics"',
    ],
    ["the path of a probe", () => metrics(server).onRequest("/healthz"), /^path: expected .* got "\/healthz"$/],
    ["a path that no request has", () => metrics(server).onRequest("/métrics"), /^path: expected .*encoded/],
    ["a path with a query", () => metrics(server).onRequest("/metrics?x"), /^path: expected/],
    ["no path", () => Reflect.apply(metrics(server).onRequest, undefined, []), /^path: expected .* got undefined$/],
    [
      "something other than a registry",
      () => Reflect.apply(metrics(server).register, undefined, [{}]),
      /^registry: expected a Registry of prom-client, got/,
    ],
  ])("%s", (_case, refused, message) => {
    expect(refused).toThrow(expect.objectContaining({ code: "BAD_OPTION", message: expect.stringMatching(message) }));
  });
});
