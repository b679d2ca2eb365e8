/** The store `redisHistory()` over a real Redis: the contract of stores, and what becomes of kept messages when the engine is flushed, killed or cut off. */
import { redisHistory } from "sendall/redis";
import { testHistoryStore } from "sendall/testing/history-store";
import { afterAll, beforeAll, describe, test } from "vitest";
import { Engine, REDIS } from "./engines.js";
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
});
