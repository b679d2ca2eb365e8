/**
 * The handler of a protocol at the server, over memory: what a frame is answered with, and what the functions get.
 * `protocol-failures.test.ts` has refusals and failures, `test/e2e/protocol-wire.test.ts` the frames over sockets.
 */
import { type ProtocolHandlers, protocol, refuse } from "sendall/protocol";
import { describe, expect, test, vi } from "vitest";
import { LIBRARIES, only, type Talk, type TalkSpec, talkWith } from "../protocol/protocols.js";
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

type Functions = ProtocolHandlers<TalkSpec>;

/** A handler whose functions note what they got. */
function noting(talk: Talk, more: Partial<Functions> = {}, onInvalid?: OnInvalid) {
  const got: unknown[] = [];
  const note =
    (name: string) =>
    (payload: unknown): undefined =>
      void got.push([name, payload]);
  const functions = {
    say: note("say"),
    typing: note("typing"),
    double: note("double"),
    nested: note("nested"),
    join: (payload: unknown) => {
      got.push(["join", payload]);
      return { members: 2 };
    },
    who: (payload: unknown) => {
      got.push(["who", payload]);
      return ["ann", "bob"];
    },
    leave: note("leave"),
    later: (text: string) => text,
    ...more,
  };
  return { got, handler: talk.handler(functions, onInvalid && { onInvalid }) };
}

describe.each(LIBRARIES)("with %s, a handler", (library) => {
  test("gets messages, with payload and without, and answers none of them", async () => {
    const { got, handler } = noting(talkWith(library));
    await using runtime = start(handler);
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["say",{"text":"hi"}]', '["typing"]', ' [ "say" , { "text" : "" } ] ')).toEqual(
      [],
    );
    expect(got).toEqual([
      ["say", { text: "hi" }],
      ["typing", undefined],
      ["say", { text: "" }],
    ]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 0, failures: [] });
  });

  test("answers calls by their ids, with payload and without, in the order of the calls", async () => {
    const { got, handler } = noting(talkWith(library));
    await using runtime = start(handler);
    const client = await runtime.connect();
    const calls = ['["join",{"room":"a"},7]', '["who",0]', '["leave",{"room":"a"},1]', '["who",9007199254740991]'];
    expect(await ask(runtime, client, ...calls)).toEqual([
      '[7,{"members":2}]',
      '[0,["ann","bob"]]',
      "[1]",
      '[9007199254740991,["ann","bob"]]',
    ]);
    expect(got).toEqual([
      ["join", { room: "a" }],
      ["who", undefined],
      ["leave", { room: "a" }],
      ["who", undefined],
    ]);
  });

  test("hands out what the schema makes of a payload, and sends an answer as returned", async () => {
    const { got, handler } = noting(talkWith(library));
    await using runtime = start(handler);
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["double",{"n":"21"}]', '["later","noon",1]')).toEqual(['[1,"noon"]']);
    expect(got).toEqual([["double", { n: 42 }]]);
  });

  test("hands out keys that the schema does not know as its library does", async () => {
    const { got, handler } = noting(talkWith(library));
    await using runtime = start(handler);
    await ask(runtime, await runtime.connect(), '["say",{"text":"hi","mood":"fine","__proto__":{"admin":true}}]');
    const isStripped = library === "zod" || library === "valibot";
    const [[, payload] = []] = got as [string, Record<string, unknown>][];
    expect(payload?.mood).toBe(isStripped ? undefined : "fine");
    expect([payload?.text, payload?.admin, ({} as { admin?: boolean }).admin]).toEqual(["hi", undefined, undefined]);
  });

  test("refuses payloads that do not fit, with the path and never to a function", async () => {
    const { got, handler } = noting(talkWith(library));
    await using runtime = start(handler, { supervise: { intensity: 100 } });
    const client = await runtime.connect();
    const frames: [text: string, path: string, id?: number][] = [
      ['["say",{"text":5}]', "text"],
      ['["say",{}]', "text"],
      [`["say",{"text":"${"x".repeat(21)}"}]`, "text"],
      ['["nested",{"users":[{"name":"a"},{"name":null}]}]', "users.1.name"],
      ['["join",{"room":""},7]', "room", 7],
      ['["join",{},0]', "room", 0],
      ['["later",5,3]', "", 3],
      ['["who",{},4]', "", 4],
      ['["typing",{}]', ""],
    ];
    const answers = await ask(runtime, client, ...frames.map(([text]) => text));
    expect(answers).toEqual(frames.map(([, path, id]) => refused(path, id)));
    expect(got).toEqual([]);
    expect(runtime.server.stats()).toMatchObject({ invalid: frames.length, failures: [] });
  });

  test("takes null for no payload of its own: only undefined is left out", async () => {
    const { handler } = noting(talkWith(library));
    await using runtime = start(handler);
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["typing",null]', '["who",null,4]')).toEqual([refused(""), refused("", 4)]);
  });

  test("answers CALL_FAILED for an answer that the schema of the output refuses, and keeps the reason to itself", async () => {
    const talk = talkWith(library);
    const wrong = { join: () => ({ members: "SECRET" }) as never, who: async () => ["ann", 5] as never };
    const { handler } = noting(talk, wrong);
    await using runtime = start(handler);
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["join",{"room":"a"},7]', '["who",8]')).toEqual([
      '[7,null,{"reason":"CALL_FAILED"}]',
      '[8,null,{"reason":"CALL_FAILED"}]',
    ]);
    expect(runtime.server.stats().failures).toMatchObject([
      {
        event: "message",
        connection: client.id,
        error: { code: "INVALID_MESSAGE", message: expect.stringContaining("join: members") },
      },
      { event: "message", error: { code: "INVALID_MESSAGE", message: expect.stringMatching(/^the answer of who: /) } },
    ]);
    const { handler: unchecked } = noting(talkWith(library, { check: "receive" }), wrong);
    await using other = start(unchecked);
    expect(await ask(other, await other.connect(), '["who",8]')).toEqual(['[8,["ann",5]]']);
  });
});

describe("a frame", () => {
  test.each<[frame: string, id: number | undefined, words: RegExp]>([
    ["", undefined, /expected a JSON array/],
    ["hi", undefined, /expected a JSON array/],
    ["{}", undefined, /expected a JSON array/],
    ["[]", undefined, /expected a JSON array/],
    ["[null]", undefined, /expected a JSON array/],
    ['[["say"],{"text":""}]', undefined, /expected a JSON array/],
    ["[-1,{}]", undefined, /expected a JSON array/],
    ["[1.5,{}]", undefined, /expected a JSON array/],
    ["[9007199254740992,{}]", undefined, /expected a JSON array/],
    ["[7,{}]", undefined, /an answer/],
    ["[7]", undefined, /an answer/],
    ["[0,null,{}]", undefined, /an answer/],
    ['["nope"]', undefined, /"nope"/],
    ['["nope",{}]', undefined, /"nope"/],
    ['["nope",{},7]', 7, /"nope"/],
    ['["nope",{},0]', 0, /"nope"/],
    ['["nope",{},"7"]', undefined, /"nope"/],
    ['["!",{"reason":"X"}]', undefined, /"!"/],
    ['["open"]', undefined, /"open"/],
    ['["init",{},1]', 1, /"init"/],
    ['["",{}]', undefined, /""/],
    ['["toString",{}]', undefined, /"toString"/],
    ['["__proto__",{},3]', 3, /"__proto__"/],
    ['["constructor",{},3]', 3, /"constructor"/],
    [`["${"x".repeat(5_000)}"]`, undefined, /^.{50,300}$/],
    ['["join",{"room":"a"}]', undefined, /expected an id/],
    ['["join"]', undefined, /expected an id/],
    ['["who"]', undefined, /expected an id/],
    ['["join",{"room":"a"},"7"]', undefined, /expected an id/],
    ['["join",{"room":"a"},null]', undefined, /expected an id/],
    ['["join",{"room":"a"},-1]', undefined, /expected an id/],
    ['["join",{"room":"a"},1.5]', undefined, /expected an id/],
    ['["join",{"room":"a"},9007199254740992]', undefined, /expected an id/],
    ['["join",{"room":"a"},1e400]', undefined, /expected an id/],
    ['["join",{"room":"a"},true]', undefined, /expected an id/],
    ['["join",{"room":"a"},[7]]', undefined, /expected an id/],
    ['["who","7"]', undefined, /expected an id/],
    ['["who",-1]', undefined, /expected an id/],
    ['["say",{"text":""},7]', 7, /not a call/],
    ['["typing",null,7]', 7, /not a call/],
    ['["say",{"text":""},"7"]', undefined, /not a call/],
    ['["say",{"text":""},null]', undefined, /not a call/],
    ['["say",{"text":""},7,8]', 7, /elements/],
    ['["join",{"room":"a"},7,8]', 7, /elements/],
  ])("%.40s is invalid: id %s, %s", async (frame, id, words) => {
    const run = vi.fn();
    await using runtime = start(chat.handler({ say: run, typing: run, number: run, join: run, who: run }));
    const client = await runtime.connect();
    const [answer, ...more] = await ask(runtime, client, frame);
    const refusal = { reason: "INVALID_MESSAGE", issues: issue(words) };
    expect(told(answer)).toEqual(id === undefined ? ["!", refusal] : [id, null, refusal]);
    expect(more).toEqual([]);
    expect(run).not.toHaveBeenCalled();
    expect(runtime.server.stats()).toMatchObject({ invalid: 1, failures: [] });
    expect(await ask(runtime, client, '["join",{"room":"a"},7]')).toEqual(["[7]"]);
  });

  test("with a number as payload is a message with that payload, not a call with that id", async () => {
    const numbers: number[] = [];
    await using runtime = start(chat.handler({ ...silent, number: (n) => void numbers.push(n) }));
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["number",7]', '["number",-1.5]')).toEqual([]);
    expect(numbers).toEqual([7, -1.5]);
  });

  test("that is binary is invalid without `bytes`, and goes to `bytes` as a Buffer otherwise", async () => {
    await using without = start(chat.handler(silent));
    const [answer] = await ask(without, await without.connect(), Buffer.from('["say",{"text":"hi"}]'));
    expect(told(answer)).toEqual(["!", { reason: "INVALID_MESSAGE", issues: issue(/binary/) }]);
    expect(without.server.stats().invalid).toBe(1);
    const got: unknown[] = [];
    const bytes: ChatFunctions["bytes"] = (data, { connection, bus }) => {
      got.push([Buffer.isBuffer(data), [...data], bus.connections().includes(connection)]);
      connection.send(data);
      if (data.length === 0) throw refuse("EMPTY");
    };
    await using runtime = start(chat.handler({ ...silent, bytes }));
    const client = await runtime.connect();
    const answers = await ask(runtime, client, Buffer.from([1, 255]), Buffer.alloc(0));
    expect(answers).toEqual([Buffer.from([1, 255]), Buffer.alloc(0), '["!",{"reason":"EMPTY","message":"EMPTY"}]']);
    expect(got).toEqual([
      [true, [1, 255], true],
      [true, [], true],
    ]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 0, failures: [] });
  });
});

describe("names that every object has", () => {
  const NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty"];

  test("are messages and calls like others, and name themselves where they are unknown", async () => {
    const open = only<unknown>(() => true);
    const odd = protocol({
      fromClient: Object.fromEntries(NAMES.map((name) => [name, { input: open, output: open }])),
      fromServer: Object.fromEntries(NAMES.map((name) => [name, open])),
    });
    const functions = Object.fromEntries(NAMES.map((name) => [name, (payload: unknown) => [name, payload]]));
    await using runtime = start(odd.handler(functions as never));
    const client = await runtime.connect();
    const answers = await ask(runtime, client, ...NAMES.map((name, i) => `["${name}",{"__proto__":1},${i}]`));
    expect(answers).toEqual(NAMES.map((name, i) => `[${i},["${name}",{"__proto__":1}]]`));
    const [unknown] = await ask(runtime, client, '["valueOf",{},9]');
    expect(told(unknown)).toEqual([9, null, { reason: "INVALID_MESSAGE", issues: issue(/"valueOf"/) }]);
  });
});

describe("onInvalid", () => {
  const wrong = ['["say",{"text":5}]', '["nope",{},7]'];

  test('"answer" is the default', async () => {
    await using runtime = start(chat.handler(silent, {}));
    expect((await ask(runtime, await runtime.connect(), ...wrong)).map(told)).toEqual([
      ["!", { reason: "INVALID_MESSAGE", issues: [{ path: "text", message: "expected 0 to 1000 characters" }] }],
      [7, null, { reason: "INVALID_MESSAGE", issues: issue(/"nope"/) }],
    ]);
  });

  test('"drop" says nothing, counts and goes on', async () => {
    await using runtime = start(chat.handler(silent, { onInvalid: "drop" }));
    const client = await runtime.connect();
    expect(await ask(runtime, client, ...wrong, Buffer.from("x"), '["who",1]')).toEqual(["[1]"]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 3, failures: [] });
  });

  test('"close" closes with 1008, says nothing, and nobody else notices', async () => {
    const run = vi.fn();
    await using runtime = start(chat.handler({ ...silent, say: run }, { onInvalid: "close" }));
    const [client, other] = [await runtime.connect(), await runtime.connect()];
    expect(await ask(runtime, client, ...wrong, '["say",{"text":""}]')).toEqual([]);
    expect(client.closed).toEqual({ code: 1008, reason: "invalid message" });
    expect(run).not.toHaveBeenCalled();
    expect(await ask(runtime, other, '["who",1]')).toEqual(["[1]"]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 1, failures: [], connections: 1 });
  });
});
