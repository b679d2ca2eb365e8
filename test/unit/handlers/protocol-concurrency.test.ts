/** The handler of a protocol in a route that handles the events of different connections side by side. */

import { protocol, type Schema } from "sendall/protocol";
import { expect, test } from "vitest";
import { chat, silent, start } from "../protocol/stage.js";

const options = { concurrency: "connection", handlerTimeoutMs: 1_000 } as const;

test("calls of two connections under way at once get each its own answer, in time or too late", async () => {
  await using runtime = start(
    chat.handler({
      ...silent,
      async join({ room }, { bus }) {
        await bus.sleep(room === "slow" ? 2_000 : 500);
        return room;
      },
    }),
    options,
  );
  const [slow, quick] = [await runtime.connect(), await runtime.connect()];
  slow.send('["join",{"room":"slow"},7]');
  await runtime.advance(600);
  quick.send('["join",{"room":"quick"},8]');
  quick.send('["join",{"room":"again"},9]');
  await runtime.advance(5_000);
  expect(slow.take()).toEqual(['[7,null,{"reason":"CALL_FAILED"}]']);
  expect(quick.take()).toEqual(['[8,"quick"]', '[9,"again"]']);
});

test("each connection waits for its own slow schemas alone", async () => {
  const got: unknown[] = [];
  let runtime: ReturnType<typeof start>;
  const slow: Schema<number> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: async (value) => {
        await runtime.server.sleep(Number(value));
        return { value: Number(value) };
      },
    },
  };
  const numbers = protocol({ fromClient: { number: slow } });
  runtime = start(numbers.handler({ number: (value) => void got.push(value) }), options);
  const clients = [await runtime.connect(), await runtime.connect()];
  for (const client of clients) for (const ms of [300, 2_000, 100]) client.send(`["number",${ms}]`);
  await runtime.advance(10_000);
  // The schema of the second message takes longer than `handlerTimeoutMs`.
  expect(got).toEqual([300, 300, 100, 100]);
  await runtime.close();
});
