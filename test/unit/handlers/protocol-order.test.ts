/**
 * The handler of a protocol under schemas that take their time, thousands of receivers, and peers that send anything at all: order, numbers,
 * and an answer or a function for each frame.
 */
import fc from "fast-check";
import { protocol, type Schema, type SchemaResult } from "sendall/protocol";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { LIBRARIES, only, talkWith } from "../protocol/protocols.js";
import { ask, chat, silent, start, told } from "../protocol/stage.js";

/** A schema that takes as long as its value says, at once for 0; refuses odd numbers of `n`. */
interface Slow {
  readonly n: number;
  readonly ms: number;
}

function slowSchema(sleep: (ms: number) => Promise<void>): Schema<Slow> {
  const result = ({ n }: Slow, value: unknown): SchemaResult<Slow> =>
    n % 2 === 0 ? { value: value as Slow } : { issues: [{ message: `odd ${n}` }] };
  return {
    "~standard": {
      version: 1,
      vendor: "slow",
      validate(value) {
        const slow = value as Slow;
        return slow.ms === 0 ? result(slow, value) : sleep(slow.ms).then(() => result(slow, value));
      },
    },
  };
}

describe("schemas that take their time", () => {
  /** A server whose schemas sleep by its own clock, and that tells what its functions got. */
  function startSlow(options: object = {}): { runtime: TestRuntime; got: string[] } {
    const got: string[] = [];
    const later = slowSchema((ms) => runtime.server.sleep(ms));
    const slow = protocol({ fromClient: { say: later, ask: { input: later, output: later } } });
    const runtime: TestRuntime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1_000 },
      handler: slow.handler({
        say: ({ n }, { connection }) => void got.push(`${connection.query.get("name")} ${n}`),
        ask: ({ n, ms }, { connection }) => {
          got.push(`${connection.query.get("name")} ${n}`);
          // The answer is asked for just as slowly, or refused.
          return { n: n % 10 === 0 ? 1 : n, ms };
        },
      }),
      ...options,
    });
    return { runtime, got };
  }

  test("keep the messages and calls of each connection in order, whatever their delays, and settle each", async () => {
    const frame = fc.record({ isCall: fc.boolean(), n: fc.nat({ max: 40 }), ms: fc.constantFrom(0, 0, 1, 5, 20) });
    const talk = fc.array(fc.tuple(fc.constantFrom("ann", "bob"), frame), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(talk, fc.constantFrom("serial", "connection"), async (frames, concurrency) => {
        const { runtime, got } = startSlow({ concurrency });
        await using _closed = runtime;
        const clients = {
          ann: await runtime.connect({ query: { name: "ann" } }),
          bob: await runtime.connect({ query: { name: "bob" } }),
        };
        const expected = {
          ann: { got: [] as string[], answers: [] as unknown[] },
          bob: { got: [] as string[], answers: [] as unknown[] },
        };
        for (const [i, [name, { isCall, ...payload }]] of frames.entries()) {
          clients[name as "ann"].send(JSON.stringify([isCall ? "ask" : "say", payload, ...(isCall ? [i] : [])]));
          const { got: gets, answers } = expected[name as "ann"];
          const { n } = payload;
          const refusal = { reason: "INVALID_MESSAGE", issues: [{ path: "", message: `odd ${n}` }] };
          if (n % 2 === 1) answers.push(isCall ? [i, null, refusal] : ["!", refusal]);
          else gets.push(`${name} ${n}`);
          if (n % 2 === 0 && isCall) answers.push(n % 10 === 0 ? [i, null, { reason: "CALL_FAILED" }] : [i, payload]);
        }
        await runtime.advance(20 * 2 * 20);
        for (const name of ["ann", "bob"] as const) {
          expect(got.filter((line) => line.startsWith(name))).toEqual(expected[name].got);
          expect(clients[name].take().map(told)).toEqual(expected[name].answers);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("that answer after the time limit run no function, and the call was answered once", async () => {
    const { runtime, got } = startSlow({ handlerTimeoutMs: 10 });
    await using _closed = runtime;
    const client = await runtime.connect({ query: { name: "ann" } });
    const slow = [
      ["ask", { n: 2, ms: 50 }, 1],
      ["ask", { n: 3, ms: 50 }, 2],
      ["say", { n: 2, ms: 50 }],
      ["say", { n: 3, ms: 50 }],
      ["ask", { n: 4, ms: 0 }, 3],
    ];
    for (const frame of slow) client.send(JSON.stringify(frame));
    await runtime.advance(40);
    // The schema of the first answers now, while nothing is under way; the rest follow.
    client.send(JSON.stringify(["ask", { n: 6, ms: 0 }, 4]));
    await runtime.advance(100);
    expect(client.take().map(told)).toEqual([
      [1, null, { reason: "CALL_FAILED" }],
      [2, null, { reason: "CALL_FAILED" }],
      [3, { n: 4, ms: 0 }],
      [4, { n: 6, ms: 0 }],
    ]);
    expect(got).toEqual(["ann 4", "ann 6"]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 0, failures: Array(4).fill({}) });
  });

  test("that answer for a call that is over disturb no call that is under way", async () => {
    const { runtime, got } = startSlow({ handlerTimeoutMs: 30 });
    await using _closed = runtime;
    const client = await runtime.connect({ query: { name: "ann" } });
    client.send(JSON.stringify(["ask", { n: 3, ms: 40 }, 1]));
    client.send(JSON.stringify(["ask", { n: 2, ms: 14 }, 2]));
    await runtime.advance(30 + 28);
    expect(client.take().map(told)).toEqual([
      [1, null, { reason: "CALL_FAILED" }],
      [2, { n: 2, ms: 14 }],
    ]);
    expect([got, runtime.server.stats().invalid]).toEqual([["ann 2"], 0]);
  });

  test("cost the synchronous road nothing: a function runs within the turn that reads its frames", async () => {
    const order: string[] = [];
    const one = protocol({
      fromClient: { say: only<number>(() => true), who: { input: only<number>(() => true), output: only(() => true) } },
    });
    const note = (n: number): void => {
      order.push(`run ${n}`);
      Promise.resolve().then(() => order.push(`microtask of ${n}`));
    };
    await using runtime = start(one.handler({ say: note, who: note }));
    await ask(runtime, await runtime.connect(), '["say",1]', '["who",2,1]', '["say",3]');
    expect(order.slice(0, 3)).toEqual(["run 1", "run 2", "run 3"]);
  });

  test("that are rejected, or are no promises of ours, make a message invalid", async () => {
    const answers: Record<string, () => unknown> = {
      rejected: () => Promise.reject(new Error("SECRET")),
      odd: () => ({
        // biome-ignore lint/suspicious/noThenProperty: as a careless library might
        then(resolve: (result: unknown) => void) {
          resolve({ value: "fine" });
        },
      }),
      broken: () => ({
        // biome-ignore lint/suspicious/noThenProperty: as a careless library might
        then() {
          throw new Error("SECRET");
        },
      }),
      nothing: () => Promise.resolve(undefined),
    };
    const schema: Schema<string> = {
      "~standard": { version: 1, vendor: "odd", validate: (value) => answers[value as string]?.() as Promise<never> },
    };
    const got: string[] = [];
    const one = protocol({ fromClient: { say: schema } });
    await using runtime = start(one.handler({ say: (text) => void got.push(text) }));
    const client = await runtime.connect();
    const failed = ["!", { reason: "INVALID_MESSAGE", issues: [{ path: "", message: "the schema failed" }] }];
    const frames = Object.keys(answers).map((name) => `["say","${name}"]`);
    expect((await ask(runtime, client, ...frames)).map(told)).toEqual([failed, failed, failed]);
    expect([got, runtime.server.stats().failures]).toEqual([["fine"], []]);
  });
});

test("a message to 1,000 is checked and encoded once", async () => {
  const validate = vi.fn((value: unknown) => ({ value: value as string }));
  const toJSON = vi.fn(() => "hi");
  const schema: Schema<unknown> = { "~standard": { version: 1, vendor: "counting", validate } };
  const news = protocol({
    fromClient: { go: only<undefined>((value) => value === undefined) },
    fromServer: { said: schema },
  });
  let receipt: unknown;
  const handler = news.handler({
    go(_none, { bus }) {
      receipt = bus.sendall(news.fromServer.said({ toJSON }));
    },
  });
  await using runtime = start(handler);
  const clients = await Promise.all(Array.from({ length: 1_000 }, () => runtime.connect()));
  const before = runtime.server.stats().sent;
  clients[0]?.send('["go"]');
  await runtime.settle();
  const { frames, messages } = runtime.server.stats().sent;
  expect(receipt).toMatchObject({ targeted: 1_000, queued: 1_000 });
  expect([
    validate.mock.calls.length,
    toJSON.mock.calls.length,
    frames - before.frames,
    messages - before.messages,
  ]).toEqual([1, 1, 1, 1_000]);
  expect(clients.every(({ received }) => received.length === 1 && received[0] === '["said","hi"]')).toBe(true);
});

/** Frames as nobody would send: any JSON, any text, any bytes, and what looks nearly right. */
const NAMES = [
  "say",
  "typing",
  "double",
  "nested",
  "join",
  "who",
  "leave",
  "later",
  "nope",
  "__proto__",
  "toString",
  "!",
  "",
];
const id = fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 53, -1, 1.5, "7", null, 2 ** 53 - 1, 1e300, true, [1], {}));
const payload = fc.oneof(
  fc.jsonValue(),
  fc.record({ text: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()) }),
  fc.record({ room: fc.oneof(fc.string(), fc.jsonValue()) }),
  fc.record({ n: fc.string() }),
  fc.record({ users: fc.array(fc.record({ name: fc.oneof(fc.string(), fc.jsonValue()) })) }),
);
const nearly = fc
  .tuple(
    fc.oneof(fc.constantFrom(...NAMES), fc.string(), id),
    fc.array(payload, { maxLength: 1 }),
    fc.array(id, { maxLength: 2 }),
  )
  .map(([head, payloads, ids]) => JSON.stringify([head, ...payloads, ...ids]));
const anything = fc.oneof(
  nearly,
  nearly,
  fc.json(),
  fc.string({ unit: "binary" }),
  fc.tuple(nearly, fc.nat()).map(([text, end]) => text.slice(0, end % (text.length + 1))),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);

describe.each(LIBRARIES)("with schemas of %s, any frame", (library) => {
  test.each(["answer", "drop"] as const)(
    "is handled or answered, never a failure, and the next call is answered (%s)",
    async (onInvalid) => {
      let handled = 0;
      const count = (): undefined => {
        handled++;
      };
      const rest = { say: count, typing: count, double: count, nested: count, leave: count };
      const handler = talkWith(library).handler(
        {
          ...rest,
          join() {
            count();
            return { members: 1 };
          },
          who() {
            count();
            return [];
          },
          later(text) {
            count();
            return text;
          },
        },
        { onInvalid },
      );
      await using runtime = createTestRuntime({ handler, supervise: { intensity: 1e9 } });
      const client = await runtime.connect();
      await fc.assert(
        fc.asyncProperty(fc.array(anything, { maxLength: 20 }), async (frames) => {
          const { invalid } = runtime.server.stats();
          handled = 0;
          for (const frame of frames) client.send(frame);
          client.send('["who",123456789]');
          await runtime.settle();
          const after = runtime.server.stats();
          const answers = client.take().map(told) as unknown[][];
          expect(answers.pop()).toEqual([123456789, []]);
          expect(handled - 1 + after.invalid - invalid).toBe(frames.length);
          const refusals = answers.filter((answer) => answer[0] === "!" || answer.length === 3);
          expect(refusals).toHaveLength(onInvalid === "answer" ? after.invalid - invalid : 0);
        }),
        { numRuns: 150 },
      );
      expect(runtime.server.stats().failures).toEqual([]);
      expect(client.closed).toBeUndefined();
    },
  );
});

describe("a frame as large as maxPayloadBytes allows", () => {
  const LARGE = 1_048_576;
  const fill = (head: string, unit: string, tail = ""): string =>
    head + unit.repeat(Math.floor((LARGE - head.length - tail.length) / unit.length)) + tail;

  test.each<[what: string, frame: string]>([
    ["open brackets", fill("", "[")],
    ["a name, then open brackets", fill('["say",', "[")],
    ["nested lists", `["say",${"[".repeat(LARGE / 2 - 10)}${"]".repeat(LARGE / 2 - 10)}]`],
    ["nested objects", `["say",${'{"a":'.repeat(LARGE / 8)}1${"}".repeat(LARGE / 8)}]`],
    ["a text that is nested lists deep", `["say",{"text":${"[".repeat(LARGE / 2 - 20)}${"]".repeat(LARGE / 2 - 20)}}]`],
    ["a long name", fill('["', "x", '"]')],
    ["a long id", fill('["who",', "9", "]")],
    ["many elements", fill('["say",', "{},", "1]")],
    ["many keys", `["say",{${Array.from({ length: 50_000 }, (_, i) => `"k${i}":1`)}}]`],
    ["escapes", fill('["say",{"text":"', "\\u0000", '"}]')],
  ])("is answered in a frame of at most 2,000 characters: %s", async (_what, frame) => {
    await using runtime = createTestRuntime({ handler: chat.handler(silent), maxPayloadBytes: LARGE });
    const client = await runtime.connect();
    const [answer, ...more] = await ask(runtime, client, frame, '["who",1]');
    expect(told(answer)).toMatchObject(["!", { reason: "INVALID_MESSAGE" }]);
    expect(String(answer).length).toBeLessThan(2_000);
    expect([more, client.closed]).toEqual([["[1]"], undefined]);
  });

  test("may be nested as deep as JSON is read where the schema takes everything, and comes back", async () => {
    const everything = protocol({
      fromClient: { echo: { input: only<unknown>(() => true), output: only<unknown>(() => true) } },
    });
    await using runtime = createTestRuntime({
      handler: everything.handler({ echo: (given) => given }),
      maxPayloadBytes: LARGE,
      failures: "supervise",
    });
    const client = await runtime.connect();
    const deep = `${"[".repeat(LARGE / 2 - 20)}${"]".repeat(LARGE / 2 - 20)}`;
    const [answer, next] = await ask(runtime, client, `["echo",${deep},7]`, '["echo",1,8]');
    // What cannot be written again is the failure of one call.
    expect([`[7,${deep}]`, '[7,null,{"reason":"CALL_FAILED"}]']).toContain(answer);
    expect(next).toBe("[8,1]");
  });

  test("is invalid where the schema runs out of stack", async () => {
    const tree: z.ZodType = z.lazy(() => z.array(tree));
    const recursive = protocol({ fromClient: { grow: tree } });
    await using runtime = createTestRuntime({ handler: recursive.handler({ grow() {} }), maxPayloadBytes: LARGE });
    const client = await runtime.connect();
    const deep = `${"[".repeat(LARGE / 2 - 20)}${"]".repeat(LARGE / 2 - 20)}`;
    expect((await ask(runtime, client, `["grow",${deep}]`)).map(told)).toEqual([
      ["!", { reason: "INVALID_MESSAGE", issues: [{ path: "", message: "the schema failed" }] }],
    ]);
    expect(await ask(runtime, client, '["grow",[[],[[]]]]')).toEqual([]);
  });
});

test("half a pair of surrogates is a text like another, and comes back as JSON writes it", async () => {
  const said: string[] = [];
  await using runtime = start(
    chat.handler({ ...silent, say: ({ text }) => void said.push(text), join: ({ room }) => room }),
  );
  const client = await runtime.connect();
  expect(await ask(runtime, client, '["say",{"text":"a\\ud800b"}]', '["join",{"room":"\\udfff"},7]')).toEqual([
    '[7,"\\udfff"]',
  ]);
  expect(said).toEqual(["a\ud800b"]);
});
