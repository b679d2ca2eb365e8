/** The handler of a protocol when a function refuses or fails, or a peer sends what is invalid: answers, budgets, closes and logs. */
import { protocol, refuse, type Schema } from "sendall/protocol";
import type { TestClient } from "sendall/testing";
import { describe, expect, test } from "vitest";
import {
  ask,
  type ChatFunctions,
  chat,
  issue,
  type OnInvalid,
  refused,
  silent,
  start,
  told,
} from "../protocol/stage.js";
import { Lines } from "../stage.js";

describe("a refusal", () => {
  const data = { room: "lobby", left: [1, null] };
  const functions: ChatFunctions = {
    ...silent,
    say({ text }) {
      throw text === "bare" ? refuse("FULL") : refuse("FULL", "the room is full", data);
    },
    join: async ({ room }, { bus }) => {
      await bus.sleep(1);
      throw refuse("FULL", `${room} is full`, data);
    },
    who() {
      throw refuse("NOBODY", "");
    },
  };

  test("of a message or call has the reason, the message and the data, and costs nothing", async () => {
    await using runtime = start(chat.handler(functions), { supervise: { intensity: 0 } });
    const client = await runtime.connect();
    client.send('["join",{"room":"a"},7]');
    await runtime.advance(1);
    expect(client.take()).toEqual([
      '[7,null,{"reason":"FULL","message":"a is full","data":{"room":"lobby","left":[1,null]}}]',
    ]);
    expect(await ask(runtime, client, '["say",{"text":""}]', '["say",{"text":"bare"}]', '["who",0]')).toEqual([
      '["!",{"reason":"FULL","message":"the room is full","data":{"room":"lobby","left":[1,null]}}]',
      '["!",{"reason":"FULL","message":"FULL"}]',
      '[0,null,{"reason":"NOBODY","message":""}]',
    ]);
    for (let i = 0; i < 20; i++) await ask(runtime, client, '["who",0]');
    expect(runtime.server.stats()).toMatchObject({ invalid: 0, failures: [] });
    expect(client.closed).toBeUndefined();
  });

  test.each<["answer" | "close" | "drop"]>([["answer"], ["close"], ["drop"]])(
    "is answered whatever onInvalid says (%s)",
    async (onInvalid) => {
      await using runtime = start(chat.handler(functions, { onInvalid }));
      expect(await ask(runtime, await runtime.connect(), '["who",0]')).toEqual([
        '[0,null,{"reason":"NOBODY","message":""}]',
      ]);
    },
  );

  test("with data that JSON refuses is a failure, of which the peer learns nothing more", async () => {
    const who = (): never => {
      throw refuse("FULL", "SECRET", { n: 1n });
    };
    const say = who;
    await using runtime = start(chat.handler({ ...silent, who, say }));
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["who",0]', '["say",{"text":""}]')).toEqual([
      '[0,null,{"reason":"CALL_FAILED"}]',
    ]);
    expect(runtime.server.stats().failures).toHaveLength(2);
  });

  test("that is returned, not thrown, is an answer like another", async () => {
    await using runtime = start(chat.handler({ ...silent, who: () => ({ ...refuse("FULL", "x", 1) }) }));
    expect(await ask(runtime, await runtime.connect(), '["who",0]')).toEqual([
      '[0,{"name":"Refusal","reason":"FULL","data":1}]',
    ]);
  });

  test("in an event is a failure: nobody has asked", async () => {
    const open = (): never => {
      throw refuse("FULL");
    };
    await using runtime = start(chat.handler({ ...silent, open }));
    const client = await runtime.connect();
    expect([client.take(), runtime.server.stats().failures]).toMatchObject([[], [{ event: "open" }]]);
  });
});

describe("a function that fails", () => {
  test.each<[what: string, fail: () => unknown]>([
    [
      "throws an error",
      () => {
        throw Object.assign(new Error("SECRET"), { reason: "SECRET", data: "SECRET" });
      },
    ],
    ["rejects", async () => Promise.reject(new Error("SECRET"))],
    [
      "throws a text",
      () => {
        throw "SECRET";
      },
    ],
    [
      "throws nothing",
      () => {
        throw undefined;
      },
    ],
    ["rejects with null", () => Promise.reject(null)],
    ["returns a cycle", () => Array.from({ length: 1 }, (_, __, list = [] as unknown[]) => list.push(list) && list)],
    ["returns a BigInt", () => 1n],
    [
      "returns what throws in toJSON",
      () => ({
        toJSON() {
          throw new Error("SECRET");
        },
      }),
    ],
  ])("and %s answers a call with CALL_FAILED and nothing more, and says nothing to a message", async (_what, fail) => {
    await using runtime = start(chat.handler({ ...silent, who: fail }));
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["who",7]')).toEqual(['[7,null,{"reason":"CALL_FAILED"}]']);
    expect(runtime.server.stats()).toMatchObject({ invalid: 0, failures: [{ event: "message", data: '["who",7]' }] });
    expect(await ask(runtime, client, '["join",{"room":"a"},8]')).toEqual(["[8]"]);
  });

  test("names the call whose answer JSON refuses", async () => {
    await using runtime = start(chat.handler({ ...silent, who: () => 1n }));
    await ask(runtime, await runtime.connect(), '["who",7]');
    expect(runtime.server.stats().failures).toMatchObject([
      { error: { message: "the answer of who: cannot be turned into JSON" } },
    ]);
  });

  test("says nothing to a message, whatever it throws", async () => {
    const say = (): never => {
      throw new Error("SECRET");
    };
    await using runtime = start(chat.handler({ ...silent, say }));
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["say",{"text":""}]')).toEqual([]);
    expect(runtime.server.stats().failures).toMatchObject([{ error: { message: "SECRET" } }]);
  });

  test("too often closes its peer with 1011 after the last answer, and nobody else", async () => {
    const who = (): never => {
      throw new Error("no");
    };
    await using runtime = start(chat.handler({ ...silent, who }), { supervise: { intensity: 2 } });
    const [client, other] = [await runtime.connect(), await runtime.connect()];
    const calls = [1, 2, 3, 4].map((id) => `["who",${id}]`);
    expect(await ask(runtime, client, ...calls)).toEqual(
      [1, 2, 3].map((id) => `[${id},null,{"reason":"CALL_FAILED"}]`),
    );
    expect([client.closed, other.closed]).toEqual([{ code: 1011, reason: "handler failed" }, undefined]);
  });
});

describe("invalid messages", () => {
  test("beyond supervise.intensity close their peer with 1008 and nobody else", async () => {
    await using runtime = start(chat.handler(silent), { supervise: { intensity: 3 } });
    const [client, other] = [await runtime.connect(), await runtime.connect()];
    const wrong = ['["say",{"text":5}]', "{", '["who"]', Buffer.from("x"), '["say",{"text":""}]'];
    expect(await ask(runtime, client, ...wrong.slice(0, 3), '["who",1]')).toHaveLength(4);
    expect(client.closed).toBeUndefined();
    expect(await ask(runtime, client, ...wrong.slice(3))).toEqual([refused("")]);
    expect(client.closed).toEqual({ code: 1008, reason: "invalid messages" });
    expect(await ask(runtime, other, '["who",1]')).toEqual(["[1]"]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 4, failures: [], connections: 1 });
  });

  test.each<[OnInvalid]>([["answer"], ["drop"]])(
    "of many peers are charged to each peer alone (%s)",
    async (onInvalid) => {
      await using runtime = start(chat.handler(silent, { onInvalid }), { supervise: { intensity: 1 } });
      const clients = await Promise.all([1, 2, 3].map(() => runtime.connect()));
      for (const client of clients) await ask(runtime, client, "x");
      expect(clients.map(({ closed }) => closed)).toEqual([undefined, undefined, undefined]);
      await ask(runtime, clients[1] as TestClient, "x");
      expect(clients.map(({ closed }) => closed?.reason)).toEqual([undefined, "invalid messages", undefined]);
    },
  );

  test("share the budget with failures, and the last of them says why", async () => {
    const who = (): never => {
      throw new Error("no");
    };
    await using runtime = start(chat.handler({ ...silent, who }), { supervise: { intensity: 1 } });
    const [first, second] = [await runtime.connect(), await runtime.connect()];
    await ask(runtime, first, "x", '["who",1]');
    await ask(runtime, second, '["who",1]', "x");
    expect([first.closed, second.closed]).toEqual([
      { code: 1011, reason: "handler failed" },
      { code: 1008, reason: "invalid messages" },
    ]);
  });

  test("are forgiven after supervise.periodMs", async () => {
    await using runtime = start(chat.handler(silent), { supervise: { intensity: 1, periodMs: 1_000 } });
    const client = await runtime.connect();
    for (let i = 0; i < 10; i++) {
      await ask(runtime, client, "x");
      await runtime.advance(1_000);
    }
    expect(client.closed).toBeUndefined();
  });

  test("are logged for debugging without their payload, and a schema that throws as an error with what was thrown", async () => {
    const schema: Schema<string> = {
      "~standard": {
        version: 1,
        vendor: "broken",
        validate(value) {
          if (value === "break") throw new Error("broken");
          return { issues: [{ message: "no" }] };
        },
      },
    };
    const logger = new Lines("debug");
    const broken = protocol({ fromClient: { say: schema } });
    await using runtime = start(broken.handler({ say() {} }), { logger: logger as never });
    const client = await runtime.connect();
    expect((await ask(runtime, client, '["say","SECRET"]', '["say","break"]')).map(told)).toEqual([
      ["!", { reason: "INVALID_MESSAGE", issues: issue(/^no$/) }],
      ["!", { reason: "INVALID_MESSAGE", issues: issue(/^the schema failed$/) }],
    ]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 2, failures: [] });
    expect(logger.at("error")).toMatchObject([["a schema failed", { err: { message: "broken" }, name: "say" }]]);
    expect(JSON.stringify(logger.lines)).not.toContain("SECRET");
  });
});
