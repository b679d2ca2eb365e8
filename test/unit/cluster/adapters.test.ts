/** What the adapters of engines refuse before there is an engine. */
import { SendallError } from "sendall";
import { nats } from "sendall/nats";
import { redis } from "sendall/redis";
import { workers } from "sendall/workers";
import { expect, test } from "vitest";
import { importClient } from "../../../src/cluster/peer.js";

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
])("%s is refused by name", (_case, make, option) => {
  const refused = refusal(make);
  expect(refused.option).toBe(option);
  expect(refused.message.startsWith(`${option}: expected`)).toBe(true);
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
});
