/** The options that the cluster adapters refuse, before any connection to an engine. */
import { Cluster, Redis } from "ioredis";
import { SendallError } from "sendall";
import { jetstream, nats } from "sendall/nats";
import { redis, redisHistory } from "sendall/redis";
import { workers } from "sendall/workers";
import { expect, test } from "vitest";
import { importClient } from "../../../src/cluster/engines/adapter-setup.js";

/** Options of a wrong type, as a program in JavaScript may pass them. */
function wrong<T>(value: unknown): T {
  return value as T;
}

const none = wrong<never>(undefined);

/** A client of node-redis: many methods have the same names as in ioredis. */
const nodeRedis = Object.fromEntries(
  ["duplicate", "connect", "disconnect", "quit", "ping", "on", "publish", "subscribe", "unsubscribe", "multi"].map(
    (name) => [name, () => {}],
  ),
);

function refusal(make: () => unknown): { option: string | undefined; message: string } {
  try {
    make();
  } catch (error) {
    if (error instanceof SendallError && error.code === "BAD_OPTION")
      return { option: error.option, message: error.message };
    throw error;
  }
  throw new Error("it was accepted");
}

test.each([
  ["nats without servers", () => nats({}), "servers"],
  ["a prefix with a wildcard", () => nats({ servers: "nats://127.0.0.1", prefix: "a.*" }), "prefix"],
  ["redis without anything", () => redis({}), "url"],
  ["a url that is none", () => redis({ url: "not a url" }), "url"],
  ["an empty prefix", () => redis({ url: "redis://127.0.0.1", prefix: "" }), "prefix"],
  ["no time between pings", () => redis({ url: "redis://127.0.0.1", pingIntervalMs: 0 }), "pingIntervalMs"],
  ["a prefix with a space", () => workers({ prefix: "a b" }), "prefix"],
  ["no options for nats", () => nats(none), "options"],
  ["no options for redis", () => redis(none), "options"],
  ["null for workers", () => workers(wrong(null)), "options"],
  ["an address in place of options", () => nats(wrong("nats://127.0.0.1")), "options"],
  ["a list in place of options", () => redis(wrong(["redis://127.0.0.1"])), "options"],
  ["no server in a list of servers", () => nats({ servers: [] }), "servers"],
  ["an empty server", () => nats({ servers: "" }), "servers"],
  ["an empty server among others", () => nats({ servers: ["nats://127.0.0.1", " "] }), "servers"],
  ["a server that is a number", () => nats({ servers: wrong(4222) }), "servers"],
  ["a wait beyond native timers", () => nats({ servers: "a", timeout: 2 ** 31 }), "timeout"],
  ["a ping that would never wait", () => nats({ servers: "a", pingInterval: 2 ** 31 }), "pingInterval"],
  ["a wait that is no number", () => nats({ servers: "a", reconnectTimeWait: Number.NaN }), "reconnectTimeWait"],
  ["a wait before now", () => nats({ servers: "a", reconnectJitter: -1 }), "reconnectJitter"],
  ["waitForLink of another kind for nats", () => nats({ servers: "a", waitForLink: wrong("yes") }), "waitForLink"],
  ["waitForLink of another kind for redis", () => redis({ url: "redis://a", waitForLink: wrong(1) }), "waitForLink"],
  ["a ping without end", () => redis({ url: "redis://a", pingIntervalMs: Number.POSITIVE_INFINITY }), "pingIntervalMs"],
  ["a ping beyond native timers", () => redis({ url: "redis://a", pingIntervalMs: 2 ** 31 }), "pingIntervalMs"],
  ["both url and client", () => redis({ url: "redis://a", client: wrong({}) }), "url"],
  ["an object that is no client", () => redis({ client: wrong({}) }), "client"],
  ["an address in place of a client", () => redis({ client: wrong("redis://127.0.0.1") }), "client"],
  ["the class in place of a client", () => redis({ client: wrong(Redis) }), "client"],
  ["a client of node-redis", () => redis({ client: wrong(nodeRedis) }), "client"],
  ["redisHistory without anything", () => redisHistory({}), "url"],
  ["no options for redisHistory", () => redisHistory(none), "options"],
  ["a prefix of redisHistory with a brace", () => redisHistory({ url: "redis://a", prefix: "{a}" }), "prefix"],
  ["jetstream without servers", () => jetstream({}), "servers"],
  ["no options for jetstream", () => jetstream(none), "options"],
  ["a prefix of jetstream with a wildcard", () => jetstream({ servers: "a", prefix: "a.>" }), "prefix"],
  ["a client of a Redis cluster", () => redis({ client: wrong(new Cluster([], { lazyConnect: true })) }), "client"],
])("%s is an error that names the option", (_case, make, option) => {
  const refused = refusal(make);
  expect(refused.option).toBe(option);
  expect(refused.message.startsWith(`${option}: expected`)).toBe(true);
});

test.each([
  ["redis", () => redis(wrong("redis://:secret@127.0.0.1")), '{ url: "redis://127.0.0.1:6379" }'],
  ["redisHistory", () => redisHistory(wrong("redis://:secret@127.0.0.1")), '{ url: "redis://127.0.0.1:6379" }'],
  ["nats", () => nats(wrong("nats://:secret@127.0.0.1")), '{ servers: "nats://127.0.0.1:4222" }'],
  ["jetstream", () => jetstream(wrong(["nats://:secret@127.0.0.1"])), '{ servers: "nats://127.0.0.1:4222" }'],
])("an address in place of the options of %s is answered with an example, and not shown", (_name, make, example) => {
  expect(refusal(make).message).toBe(`options: expected an object such as ${example}`);
});

test("an unknown option of an adapter is refused by name", () => {
  expect(refusal(() => redis(wrong({ url: "redis://127.0.0.1", prefx: "a" })))).toEqual({
    option: "prefx",
    message:
      'prefx: unknown option: did you mean "prefix"? The options are url, client, prefix, waitForLink, pingIntervalMs',
  });
  expect(refusal(() => workers(wrong({ servers: 2 }))).option).toBe("servers");
});

test.each([
  ["prefx", "prefix"],
  ["Prefix", "prefix"],
  ["waitForlink", "waitForLink"],
  ["wait", "waitForLink"],
  ["server", "servers"],
])("a misspelt option of nats, which takes further options for its client, is refused: %s", (option, meant) => {
  expect(refusal(() => nats(wrong({ servers: "nats://127.0.0.1", [option]: "a" })))).toEqual({
    option,
    message: `${option}: unknown option: did you mean "${meant}"?`,
  });
});

test("an adapter takes every option that can work", () => {
  const client = new Redis({ lazyConnect: true });
  class Own extends Redis {}
  for (const make of [
    () => redis({ client }),
    () => redis({ client: new Own({ lazyConnect: true }), pingIntervalMs: 2 ** 31 - 1 }),
    () => redis({ url: "rediss://ann:secret@a.example:6380/1", waitForLink: true }),
    () =>
      nats({
        servers: ["nats://a", "tls://b:4222"],
        timeout: 2 ** 31 - 1,
        reconnectTimeWait: 0,
        maxReconnectAttempts: 3,
        name: "a",
        user: "b",
        pass: "c",
        token: "d",
        debug: true,
        inboxPrefix: "e",
        waitOnFirstConnect: true,
        reconnect: true,
        verbose: false,
      }),
    () => nats({ servers: "127.0.0.1", waitForLink: false }),
    () => workers(),
    () => workers({}),
  ])
    expect(typeof make().open).toBe("function");
  expect(client.status).toBe("wait");
});

test("a secret in an address that is wrong is not told", () => {
  expect(refusal(() => redis({ url: "ann:secret@" })).message).not.toContain("secret");
});

test("a client that is not installed is an error that names the package", async () => {
  const load = () => import(/* @vite-ignore */ `node:${"nothing"}`);
  await expect(importClient("redis", "ioredis", load)).rejects.toThrow();
  const missing = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  const error = await importClient("redis", "ioredis", () => Promise.reject(missing)).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: "CLUSTER_UNAVAILABLE", cause: missing });
  expect(String(error)).toContain("redis needs a package: npm install ioredis");
  const isAbsent = () => Promise.reject(missing);
  await expect(importClient("jetstream", "@nats-io/jetstream", isAbsent, "history")).rejects.toMatchObject({
    code: "HISTORY_UNAVAILABLE",
    message: "history: jetstream needs a package: npm install @nats-io/jetstream",
  });
});
