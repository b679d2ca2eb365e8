/** What is logged, at which level, and what never is (README, logs). */
import { createTestRuntime } from "sendall/testing";
import { expect, test } from "vitest";
import { Lines } from "./stage.js";

const SECRET = "s3cret";

test("each kind of line has its level, and no payload, cookie or query is in any of them", async () => {
  const logger = new Lines("trace");
  const runtime = createTestRuntime({
    logger,
    failures: "supervise",
    outbox: { maxBufferedBytes: 100 },
    authorize: ({ query }) => ({ token: query.get("token") }),
    async handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text.startsWith("throw")) throw new Error("the handler failed");
      if (event.text.startsWith("sleep")) await bus.sleep(2_000);
      bus.sendall(event.data);
    },
  });
  const headers = { cookie: `session=${SECRET}` };
  const query = { token: SECRET };
  const client = await runtime.connect({ headers, query });
  const stalled = await runtime.connect({ headers, query });
  await expect(
    runtime.connect({ headers: { ...headers, origin: "https://evil.example" }, query }),
  ).rejects.toMatchObject({ status: 403 });
  for (const word of ["say", "throw", "sleep"]) client.send(`${word} ${SECRET}`);
  await runtime.advance(3_000);
  stalled.stall();
  for (let i = 0; i < 3; i++) client.send(`${SECRET}`.repeat(20));
  await runtime.settle();
  client.fail();
  await runtime.settle();
  await runtime.close();

  const texts = (level: "debug" | "info" | "warn" | "error"): string[] =>
    [...new Set(logger.at(level).map(([text]) => text))].sort();
  expect(texts("debug")).toEqual(["event", "frame"]);
  expect(texts("info")).toEqual(["closing", "connection closed", "connection opened", "listening"]);
  expect(texts("warn")).toEqual(["connection lost", "slow consumer", "slow handler", "upgrade refused"]);
  expect(texts("error")).toEqual(["handler failed"]);
  expect(JSON.stringify(logger.lines)).not.toContain(SECRET);
});
