/** The store `jetstream()` over a real NATS: the contract of stores, and what becomes of kept messages when the engine is killed, full or cut off. */
import { jetstream } from "sendall/nats";
import { testHistoryStore } from "sendall/testing/history-store";
import { afterAll, beforeAll, describe, test } from "vitest";
import { Engine, NATS } from "./engines.js";
import { requires } from "./requires.js";

const { skip } = requires("nats");
const STREAMS = ["-js", "-sd", "$FOLDER"] as const;

describe.skipIf(skip)("jetstream", () => {
  describe("the contract of stores", () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await Engine.running(NATS, ...STREAMS);
    });
    afterAll(() => engine.remove());

    testHistoryStore({
      test,
      create: (name) => jetstream({ servers: engine.url, prefix: name }),
      survives: true,
      without: ["maxBytes", "maxRooms", "trim"],
    });
  });
});
