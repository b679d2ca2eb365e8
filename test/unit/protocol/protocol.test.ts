/** `protocol`, the makers of a server's messages and `refuse`, alone: no server, no client. */
import { type } from "arktype";
import { type Protocol, protocol, refuse, type Schema, SendallError } from "sendall/protocol";
import * as v from "valibot";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { descriptionOf } from "../../../src/protocol/describe-handler.js";
import { isRefusal } from "../../../src/protocol/refuse.js";
import { LIBRARIES, only, schemaOf, talkWith, texts } from "./protocols.js";

/** What is thrown, which has to be a {@link SendallError}. */
function thrownBy(code: () => unknown): SendallError {
  try {
    code();
  } catch (error) {
    if (error instanceof SendallError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Takes everything. */
const open: Schema<unknown> = only(() => true);
/** The names that every object has, and of which one sets a prototype. */
const NAMES_OF_OBJECTS = ["__proto__", "constructor", "toString", "valueOf", "hasOwnProperty", "then", "length"];

/** As a program without a compiler calls. */
const make = protocol as unknown as (...given: unknown[]) => Protocol<{
  readonly fromServer: Readonly<Record<string, Schema>>;
}>;
const handlerOf = ({ handler }: { readonly handler: unknown }): ((...given: unknown[]) => object) => handler as never;

function named(names: readonly string[], value: unknown): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

describe("protocol", () => {
  test.each<[what: string, given: unknown[], option: string, words: RegExp]>([
    ["nothing", [], "protocol", /expected \{ fromClient, fromServer \}/],
    ["null", [null], "protocol", /expected \{ fromClient, fromServer \}/],
    ["a text", ["say"], "protocol", /expected \{ fromClient, fromServer \}/],
    ["a misspelt part", [{ fromclient: {} }], "fromclient", /unknown; expected fromClient, fromServer/],
    ["a part that is no object", [{ fromClient: 5 }], "fromClient", /expected an object of schemas by name/],
    ["a part that is null", [{ fromServer: null }], "fromServer", /expected an object of schemas by name/],
    [
      "no schema",
      [{ fromClient: { say: {} } }],
      "fromClient.say",
      /expected a Standard Schema, or in fromClient \{ input, output \}/,
    ],
    ["null for a schema", [{ fromClient: { say: null } }], "fromClient.say", /expected a Standard Schema/],
    ["undefined for a schema", [{ fromServer: { said: undefined } }], "fromServer.said", /expected a Standard Schema/],
    ["a call without output", [{ fromClient: { join: { input: open } } }], "fromClient.join", /\{ input, output \}/],
    ["a call without input", [{ fromClient: { join: { output: open } } }], "fromClient.join", /\{ input, output \}/],
    [
      "a call of the server",
      [{ fromServer: { ask: { input: open, output: open } } }],
      "fromServer.ask",
      /expected a Standard Schema/,
    ],
    [
      "a schema without validate",
      [{ fromServer: { said: { "~standard": {} } } }],
      "fromServer.said",
      /Standard Schema/,
    ],
    ["a Map", [{ fromClient: new Map([["say", open]]) }], "fromClient", /expected an object of schemas by name/],
    ["an array", [{ fromServer: [open] }], "fromServer", /expected an object of schemas by name/],
    [
      "a call with more than schemas",
      [{ fromClient: { join: { input: open, output: open, timeoutMs: 5 } } }],
      "fromClient.join.timeoutMs",
      /unknown; expected input, output/,
    ],
    ["a misspelt option", [{}, { chek: "both" }], "chek", /unknown; expected check/],
    ["another check", [{}, { check: "send" }], "check", /expected "both" or "receive"/],
    ["null for a check", [{}, { check: null }], "check", /expected "both" or "receive"/],
    ["null for the options", [{}, null], "options", /expected \{ check \}/],
    ["a text for the options", [{}, "both"], "options", /expected \{ check \}/],
  ])("refuses %s, and says what would do", (_what, given, option, words) => {
    expect(thrownBy(() => make(...given))).toMatchObject({
      code: "BAD_OPTION",
      option,
      message: expect.stringMatching(words),
    });
  });

  const RESERVED = {
    fromClient: "open closed error info idle bytes away back joined changed left init stop !".split(" "),
    fromServer: "open message close error !".split(" "),
  };

  test.each(Object.entries(RESERVED))(
    "refuses each reserved name of %s, as a name of that part alone",
    (part, names) => {
      for (const name of names) {
        const error = thrownBy(() => make({ [part]: { [name]: open } }));
        expect(error).toMatchObject({ code: "BAD_OPTION", option: `${part}.${name}` });
        expect(error.message).toContain("a reserved name");
      }
      const other = part === "fromClient" ? "fromServer" : "fromClient";
      const free = names.filter((name) => !RESERVED[other].includes(name));
      expect(free.length).toBeGreaterThan(0);
      make({ [other]: named(free, open) });
    },
  );

  test("refuses a name without characters", () => {
    expect(thrownBy(() => make({ fromClient: { "": open } })).code).toBe("BAD_OPTION");
    expect(thrownBy(() => make({ fromServer: { "": open } })).code).toBe("BAD_OPTION");
  });

  test("takes names that every object has", () => {
    const fromServer = named(NAMES_OF_OBJECTS, open);
    expect(Object.keys(fromServer)).toEqual(NAMES_OF_OBJECTS);
    const chat = make({ fromClient: { ...fromServer }, fromServer });
    expect(Object.keys(chat.fromServer)).toEqual(NAMES_OF_OBJECTS);
    for (const name of NAMES_OF_OBJECTS)
      expect(chat.fromServer[name]?.({ name })).toBe(`["${name}",{"name":"${name}"}]`);
  });

  test("has no makers but those of its names, and none can be added", () => {
    const { fromServer } = make({ fromServer: { said: open } });
    expect(NAMES_OF_OBJECTS.map((name) => fromServer[name])).toEqual(NAMES_OF_OBJECTS.map(() => undefined));
    expect(() => Object.assign(fromServer, { other: () => "" })).toThrow(TypeError);
  });

  test("needs no names at all", () => {
    const chat = make({});
    expect([Object.keys(chat.fromServer), handlerOf(chat)({})]).toEqual([[], expect.anything()]);
  });
});

describe.each(LIBRARIES)("a maker with %s", (library) => {
  test("returns what stands on the wire", () => {
    const { said, quiet, at } = talkWith(library).fromServer;
    expect([said({ nick: "ann", text: "hi" }), quiet(), quiet(undefined), at("noon")]).toEqual([
      '["said",{"nick":"ann","text":"hi"}]',
      '["quiet"]',
      '["quiet"]',
      '["at","noon"]',
    ]);
  });

  test("sends keys that the schema does not know, as given", () => {
    const more = { nick: "ann", text: "hi", mood: "fine" };
    expect(talkWith(library).fromServer.said(more)).toBe(`["said",${JSON.stringify(more)}]`);
  });

  test("throws INVALID_MESSAGE with the issues for what the schema refuses, and names the message", () => {
    const { said } = talkWith(library).fromServer;
    const error = thrownBy(() => said({ nick: "ann", text: 5 as never }));
    expect(error).toMatchObject({ code: "INVALID_MESSAGE", issues: [{ path: "text", message: expect.any(String) }] });
    expect(error.message).toBe(`said: text: ${error.issues?.[0]?.message}`);
    expect(thrownBy(() => said(undefined as never))).toMatchObject({ code: "INVALID_MESSAGE" });
    expect(thrownBy(() => talkWith(library).fromServer.quiet(5 as never))).toMatchObject({ code: "INVALID_MESSAGE" });
  });

  test('checks nothing with check: "receive"', () => {
    const { said } = talkWith(library, { check: "receive" }).fromServer;
    expect(said({ text: 5 } as never)).toBe('["said",{"text":5}]');
  });
});

describe("a maker", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const { said } = make({ fromServer: { said: open } }).fromServer;

  test.each<[what: string, payload: unknown]>([
    ["a cycle", cycle],
    ["a BigInt", { n: 1n }],
    [
      "a getter that throws",
      {
        get text() {
          throw new Error("not now");
        },
      },
    ],
    [
      "a toJSON that throws",
      {
        toJSON() {
          throw new Error("never");
        },
      },
    ],
  ])("throws INVALID_MESSAGE for %s, which JSON refuses, with the cause", (_what, payload) => {
    const issues = [{ path: "", message: "cannot be turned into JSON" }];
    const cause = expect.any(Error);
    expect(thrownBy(() => said?.(payload))).toMatchObject({ code: "INVALID_MESSAGE", issues, cause });
    const { said: unchecked } = make({ fromServer: { said: open } }, { check: "receive" }).fromServer;
    expect(thrownBy(() => unchecked?.(payload))).toMatchObject({ code: "INVALID_MESSAGE", issues, cause });
  });

  test("leaves out what JSON has nothing for, and says null where JSON does", () => {
    expect([said?.(undefined), said?.(() => {}), said?.(Symbol("x")), said?.(null), said?.(Number.NaN)]).toEqual([
      '["said"]',
      '["said"]',
      '["said"]',
      '["said",null]',
      '["said",null]',
    ]);
  });

  test("throws BAD_DATA for a schema that answers with a promise, also one that is rejected, and leaves no rejection behind", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const late = (answer: Promise<never>): Schema => ({
      "~standard": { version: 1, vendor: "late", validate: () => answer },
    });
    for (const answer of [Promise.resolve({ value: 1 } as never), Promise.reject(new Error("late"))]) {
      const { said } = make({ fromServer: { said: late(answer) } }).fromServer;
      expect(thrownBy(() => said?.(1))).toMatchObject({ code: "BAD_DATA", message: expect.stringContaining("said") });
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  test("checks each payload once, and asks no transform for what goes out", () => {
    const validate = vi.fn((value: unknown) => ({ value: `changed ${value}` }));
    const { said } = make({
      fromServer: { said: { "~standard": { version: 1, vendor: "counting", validate } } },
    }).fromServer;
    expect(said?.("a")).toBe('["said","a"]');
    expect(validate.mock.calls).toEqual([["a"]]);
  });

  test("tells at most five issues, of at most 200 characters each", () => {
    const many: Schema = {
      "~standard": {
        version: 1,
        vendor: "verbose",
        validate: () => ({
          issues: Array.from({ length: 50 }, (_, i) => ({ message: "x".repeat(5_000), path: [i, "y".repeat(5_000)] })),
        }),
      },
    };
    const { issues = [] } = thrownBy(() => make({ fromServer: { said: many } }).fromServer.said?.(1));
    expect(issues.map(({ path, message }) => [path.length, message.length])).toEqual(Array(5).fill([200, 200]));
  });

  test.each<[what: string, validate: () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    [
      "throws null",
      () => {
        throw null;
      },
    ],
    ["returns nothing", () => undefined],
    ["returns null", () => null],
    ["returns true", () => true],
    ["returns an object without value and issues", () => ({})],
    ["returns issues that are no list", () => ({ issues: "many" })],
    ["returns issues that are nothing", () => ({ issues: [undefined] })],
    [
      "returns a result with a getter that throws",
      () => ({
        get issues() {
          throw new Error("not now");
        },
      }),
    ],
  ])("throws INVALID_MESSAGE for a schema that %s", (_what, validate) => {
    const schema = { "~standard": { version: 1, vendor: "broken", validate } };
    const { said } = make({ fromServer: { said: schema } }).fromServer;
    expect(thrownBy(() => said?.(1))).toMatchObject({
      code: "INVALID_MESSAGE",
      issues: [{ path: "", message: "the schema failed" }],
    });
  });
});

describe.each(LIBRARIES)("paths of %s", (library) => {
  test("are joined by dots, lists by their index", () => {
    const { definition } = talkWith(library)["~sendall"];
    const asServer = make({ fromServer: { nested: definition.fromClient.get("nested")?.input } }).fromServer;
    expect(thrownBy(() => asServer.nested?.({ users: [{ name: "ann" }, { name: 5 }] })).issues).toEqual([
      { path: "users.1.name", message: expect.any(String) },
    ]);
  });
});

test("of the many issues of each library five are told", () => {
  const names = [..."abcdefgh"];
  const schemas: Readonly<Record<string, Schema>> = {
    zod: z.object(named(names, z.string()) as Record<string, z.ZodString>),
    valibot: v.object(named(names, v.string()) as Record<string, v.StringSchema<undefined>>),
    arktype: type(named(names, "string") as Record<string, "string">),
  };
  for (const [name, maker] of Object.entries(make({ fromServer: schemas }).fromServer)) {
    const { issues } = thrownBy(() => maker({}));
    expect(
      issues?.map(({ path }) => path),
      name,
    ).toEqual(names.slice(0, 5));
  }
});

test("a path may have symbols and objects with a key", () => {
  const schema = {
    "~standard": {
      version: 1,
      vendor: "odd",
      validate: () => ({ issues: [{ message: "no", path: [Symbol("s"), { key: "k" }, 0, { key: Symbol("t") }] }] }),
    },
  };
  const { said } = make({ fromServer: { said: schema } }).fromServer;
  expect(thrownBy(() => said?.(1)).issues).toEqual([{ path: "Symbol(s).k.0.Symbol(t)", message: "no" }]);
});

describe("handler", () => {
  const chat = make({ fromClient: { say: open, join: { input: open, output: open } } });
  const functions = { say() {}, join() {} };

  test.each<[what: string, given: unknown[], option: string, words: RegExp]>([
    ["nothing", [], "handler", /expected an object of functions by name/],
    ["null", [null], "handler", /expected an object of functions by name/],
    ["a missing function", [{ say() {} }], "handler.join", /expected a function for each name of fromClient/],
    ["another value for a function", [{ ...functions, say: 5 }], "handler.say", /expected a function/],
    [
      "a function of another name",
      [{ ...functions, close() {} }],
      "handler.close",
      /unknown; fromClient has say, join; other functions are open, closed,/,
    ],
    ["a misspelt event", [{ ...functions, opened() {} }], "handler.opened", /functions are open, closed, .*, stop$/],
    ["an event that is no function", [{ ...functions, closed: "x" }], "handler.closed", /expected a function/],
    ["null for an event", [{ ...functions, open: null }], "handler.open", /expected a function/],
    ["a misspelt option", [functions, { oninvalid: "drop" }], "oninvalid", /unknown; expected onInvalid/],
    ["another onInvalid", [functions, { onInvalid: "ignore" }], "onInvalid", /expected "answer", "close" or "drop"/],
    ["null for onInvalid", [functions, { onInvalid: null }], "onInvalid", /expected "answer", "close" or "drop"/],
    ["null for the options", [functions, null], "options", /expected \{ onInvalid \}/],
    ["a text for the options", [functions, "drop"], "options", /expected \{ onInvalid \}/],
  ])("refuses %s, and says what would do", (_what, given, option, words) => {
    const error = thrownBy(() => handlerOf(chat)(...given));
    expect(error).toMatchObject({ code: "BAD_OPTION", option, message: expect.stringMatching(words) });
  });

  test("needs a function of one's own for names that every object has", () => {
    for (const name of ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"]) {
      const odd = make({ fromClient: { [name]: open } });
      expect(thrownBy(() => handlerOf(odd)({}))).toMatchObject({ code: "BAD_OPTION", option: `handler.${name}` });
      const found = vi.fn();
      descriptionOf(handlerOf(odd)({ [name]: found }))?.find(name)?.();
      expect(found).toHaveBeenCalledOnce();
    }
  });

  test("takes an event that is left undefined, and the functions of an object of a class, which keep their this", () => {
    class Talk {
      readonly #count = 1;
      say(): number {
        return this.#count;
      }
      join(): void {}
      help(): void {}
    }
    const plain = handlerOf(chat)({ ...functions, open: undefined });
    expect(descriptionOf(plain)?.find("open")).toBeUndefined();
    const ofClass = descriptionOf(handlerOf(chat)(new Talk()));
    expect([ofClass?.find("say")?.(), ofClass?.find("toString")]).toEqual([1, undefined]);
  });
});

describe("refuse", () => {
  test("makes an error with the reason, the message and the data", () => {
    const data = { room: "lobby" };
    const refusal = refuse("FULL", "the room is full", data);
    expect(refusal).toBeInstanceOf(Error);
    expect(refusal).toMatchObject({ name: "Refusal", message: "the room is full", reason: "FULL" });
    expect(refusal.data).toBe(data);
    expect([refuse("FULL").message, refuse("FULL").data]).toEqual(["FULL", undefined]);
  });

  test.each([
    ["INVALID_MESSAGE"],
    ["CALL_FAILED"],
    ["CALL_TIMEOUT"],
    [""],
    [undefined],
    [null],
    [5],
    [1n],
    [Symbol("x")],
    [{}],
  ])("throws BAD_DATA for the reason %s", (reason) => {
    expect(thrownBy(() => refuse(reason as never))).toMatchObject({
      code: "BAD_DATA",
      message: expect.stringContaining("a word as reason, other than INVALID_MESSAGE, CALL_FAILED"),
    });
  });

  test("throws BAD_DATA for a message that is no text", () => {
    expect(thrownBy(() => refuse("FULL", 5 as never))).toMatchObject({ code: "BAD_DATA" });
    expect(thrownBy(() => refuse("FULL", null as never))).toMatchObject({ code: "BAD_DATA" });
  });

  test("throws BAD_DATA for data that JSON refuses, and takes what JSON leaves out", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const data of [1n, cycle, { n: 1n }])
      expect(thrownBy(() => refuse("FULL", "full", data))).toMatchObject({
        code: "BAD_DATA",
        message: "refuse: the data cannot be turned into JSON",
        cause: expect.any(TypeError),
      });
    for (const data of [() => {}, Symbol("x"), undefined]) expect(refuse("FULL", "full", data).data).toBe(data);
  });

  test("is told from every other thrown value", () => {
    const others = [undefined, null, 5, "FULL", {}, new Error("FULL"), { reason: "FULL", message: "x" }];
    expect([refuse("A"), ...others].map(isRefusal)).toEqual([true, ...others.map(() => false)]);
  });
});

test("schemas by hand of the tests refuse and take what they should", () => {
  const two = texts({ a: [1, 2], b: [0, 1] })["~standard"];
  expect([two.validate({ a: "x", b: "" }), two.validate({ a: "" })]).toEqual([
    { value: { a: "x", b: "" } },
    { issues: ["a", "b"].map((path) => ({ path: [path], message: expect.any(String) })) },
  ]);
  expect(
    schemaOf(
      () => undefined,
      (n: number) => n + 1,
    )["~standard"].validate(1),
  ).toEqual({ value: 2 });
});
