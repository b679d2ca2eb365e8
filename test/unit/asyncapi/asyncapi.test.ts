/** `asyncapi`: names, schemas that cannot be written, references within schemas, options. */
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { scope, type } from "arktype";
import { type AsyncApiDocument, asyncapi } from "sendall/asyncapi";
import { protocol, type Schema } from "sendall/protocol";
import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { byHand } from "./libraries.js";
import { frameReader, problemsOf } from "./validator.js";

const OPTIONS = { title: "Chat", version: "1.0.0" };

let warnings: string[] = [];

beforeEach(() => {
  warnings = [];
  vi.spyOn(process, "emitWarning").mockImplementation((...given: unknown[]) => {
    expect(given[1]).toBe("SendallWarning");
    warnings.push(String(given[0]));
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

function documentOf(fromClient: Record<string, Schema | { input: Schema; output: Schema }>): AsyncApiDocument {
  return asyncapi(protocol({ fromClient }), OPTIONS);
}

/** What the document says of the payload of a message. */
function payloadOf(document: AsyncApiDocument, key: string): unknown {
  const items = document.components.messages[key]?.payload.prefixItems;
  return Array.isArray(items) ? items[1] : undefined;
}

describe("the direction", () => {
  const both = protocol({
    fromClient: { ping: z.string(), ask: { input: z.string(), output: z.number() } },
    fromServer: { ping: z.number() },
  });

  test("is that of the server: receives what clients send, sends the rest, and replies to calls", () => {
    const { operations } = asyncapi(both, OPTIONS);
    const found = Object.entries(operations).map(([key, { action, reply }]) => [
      key,
      action,
      reply?.messages.map(({ $ref }) => $ref.split("/").at(-1)),
    ]);
    expect(found).toEqual([
      ["ping", "receive", undefined],
      ["ask", "receive", ["ask.answer", "callRefused"]],
      ["ping.fromServer", "send", undefined],
      ["messageRefused", "send", undefined],
    ]);
  });

  test("keeps apart two messages of the same name", () => {
    const { components } = asyncapi(both, OPTIONS);
    const messages = Object.entries(components.messages).map(([key, { name }]) => [key, name]);
    expect(messages).toContainEqual(["ping", "ping"]);
    expect(messages).toContainEqual(["ping.fromServer", "ping"]);
    const read = frameReader(asyncapi(both, OPTIONS));
    expect([read(["ping", "a"]), read(["ping", 1])]).toEqual([["ping"], ["ping.fromServer"]]);
  });

  test("does not change the schema: frames have what the sender gave, the input of each schema", () => {
    const length = z.string().transform((text) => text.length);
    const chat = protocol({
      fromClient: { say: length, ask: { input: length, output: length } },
      fromServer: { said: length },
    });
    const document = asyncapi(chat, OPTIONS);
    const payloads = ["say", "ask", "ask.answer", "said"].map((key) => payloadOf(document, key));
    expect(payloads).toEqual([{ type: "string" }, { type: "string" }, { type: "string" }, { type: "string" }]);
    expect(warnings).toEqual([]);
  });
});

describe("a name of any text", () => {
  const NAMES = [
    ..."__proto__ constructor toString hasOwnProperty a/b a~b #/x 7 größe 🎉 %41 $ref callRefused say.answer".split(
      " ",
    ),
    "a b?{c}",
    "a_b",
    "/",
    "x".repeat(300),
  ];
  const chat = protocol({
    fromClient: Object.fromEntries(
      NAMES.map((name) => [name, { input: z.object({ n: z.number() }), output: z.null() }]),
    ),
    fromServer: Object.fromEntries(NAMES.map((name) => [name, z.object({ text: z.string() })])),
  });

  test("makes a document that passes the official parser", async () => {
    expect(await problemsOf(asyncapi(chat, OPTIONS))).toEqual([]);
  });

  test("has a message of its own in either direction", () => {
    const document = asyncapi(chat, OPTIONS);
    const read = frameReader(document);
    const { messages } = document.components;
    const found = NAMES.map((name) => [read([name, { n: 1 }, 1]), read([name, { text: "" }])]);
    expect(found.filter(([call = [], sent = []]) => call.length !== 1 || sent.length !== 1)).toEqual([]);
    expect(found.map((keys) => keys.map(([key = ""]) => messages[key]?.name))).toEqual(
      NAMES.map((name) => [name, name]),
    );
  });

  test("is no key if every object has the name", () => {
    const { messages } = documentOf({ constructor: z.string(), ["__proto__"]: z.string() }).components;
    expect(Object.keys(messages)).toEqual(["_constructor", "___proto__", "messageRefused"]);
  });

  test("is the key of the message if AsyncAPI allows the name, also beside names that look the same", () => {
    const keys = Object.keys(documentOf({ "a/b": z.string(), a_b: z.string(), callRefused: z.string() }).operations);
    expect(keys).toEqual(["a_b_2", "a_b", "callRefused", "messageRefused"]);
  });
});

describe("a payload", () => {
  test.each<[string, Schema]>([
    ["zod's undefined", z.undefined()],
    ["zod's void", z.void()],
    ["valibot's undefined", toStandardJsonSchema(v.undefined())],
    ["valibot's void", toStandardJsonSchema(v.void())],
    ["arktype's undefined", type("undefined")],
  ])("of %s is no part of the frame, without a warning", (_library, nothing) => {
    const document = documentOf({ typing: nothing, who: { input: nothing, output: nothing } });
    const read = frameReader(document);
    expect([read(["typing"]), read(["who", 1]), read([1])]).toEqual([["typing"], ["who"], ["who.answer"]]);
    expect([["typing", null], ["who", null, 1], ["who"], [1, null]].map(read)).toEqual([[], [], [], []]);
    expect(document.components.messages.who?.correlationId).toEqual({ location: "$message.payload#/1" });
    expect(warnings).toEqual([]);
  });

  test.each<[string, Schema]>([
    ["zod", z.string().optional()],
    ["valibot", toStandardJsonSchema(v.optional(v.string()))],
    ["arktype", type("string | undefined")],
  ])("of %s that may be left out is described by what may be there", (_library, schema) => {
    const document = documentOf({ mood: schema });
    expect(payloadOf(document, "mood")).toEqual({ type: "string" });
    expect([["mood"], ["mood", "good"], ["mood", 1]].map(frameReader(document))).toEqual([["mood"], ["mood"], []]);
    expect(warnings).toEqual([]);
  });

  test("that may be left out makes two frames of a call, and the id has no fixed place", () => {
    const { who } = documentOf({ who: { input: z.string().optional(), output: z.null() } }).components.messages;
    expect(who?.payload.anyOf).toHaveLength(2);
    expect(who).not.toHaveProperty("correlationId");
  });

  test.each<[string, Schema, unknown[][]]>([
    ["an optional value that JSON Schema lacks", z.bigint().optional(), [["x"], ["x", 1]]],
    ["an optional value of a kind of its own", z.custom((value) => value === "odd").optional(), [["x"], ["x", "odd"]]],
    [
      "an object with a field that JSON Schema lacks",
      z.object({ a: z.undefined().optional() }).optional(),
      [["x"], ["x", {}]],
    ],
  ])("of %s may be anything or nothing, with a warning", (_case, schema, frames) => {
    const read = frameReader(documentOf({ x: schema }));
    expect(frames.map(read)).toEqual(frames.map(() => ["x"]));
    expect(warnings).toHaveLength(1);
  });
});

describe("a schema that has no JSON Schema", () => {
  const broken = (jsonSchema: unknown): Schema => {
    const schema = byHand(() => true, {});
    return { "~standard": { ...schema["~standard"], jsonSchema } as Schema["~standard"] };
  };
  const throwing = (thrown: unknown): Schema =>
    broken({
      input() {
        throw thrown;
      },
    });
  const circular: Record<string, unknown> = {};
  circular.not = circular;

  test.each<[string, Schema, string]>([
    [
      "of valibot, unwrapped",
      v.string(),
      "wrap schemas of valibot with toStandardJsonSchema of @valibot/to-json-schema",
    ],
    ["by hand", byHand((value) => value === 1, undefined), "schemas of by-hand have no ~standard.jsonSchema"],
    ["of a date", z.date(), "Date cannot be represented in JSON Schema"],
    ["that throws a text", throwing("no"), '"no"'],
    ["that throws nothing", throwing(undefined), "undefined"],
    ["that gives a text", broken({ input: () => "string" }), "what ~standard.jsonSchema returns is no object"],
    ["that gives nothing", broken({ input: () => undefined }), ""],
    ["that gives a circle", broken({ input: () => circular }), "circular"],
    ["that gives a promise", broken({ input: async () => ({ type: "string" }) }), ""],
    ["with another thing in place of functions", broken(7), "have no ~standard.jsonSchema"],
    ["that refers to the net", broken({ input: () => ({ $ref: "https://example.com/x" }) }), "$ref leads out"],
    ["that refers to nothing", broken({ input: () => ({ $ref: "#/$defs/x" }) }), '"#/$defs/x"'],
    ["that refers to a name", broken({ input: () => ({ $ref: "#name" }) }), '"#name"'],
    ["that refers to a wrong escape", broken({ input: () => ({ $ref: "#/%" }) }), "URI malformed"],
    ["that refers by scope", broken({ input: () => ({ $dynamicRef: "#name" }) }), "$dynamicRef leads out"],
  ])("%s is described as {}, and named", async (_case, schema, reason) => {
    const document = documentOf({ x: { input: z.string(), output: schema } });
    expect(payloadOf(document, "x.answer")).toEqual({});
    expect(warnings).toHaveLength(_case === "that gives a promise" ? 0 : 1);
    for (const warning of warnings) {
      expect(warning).toMatch(/^fromClient\.x\.output is described as \{\}, which any payload fits: /);
      expect(warning).toContain(reason);
    }
    expect(document.components).not.toHaveProperty("schemas");
  });

  test("is named by its place in the protocol", () => {
    const none = byHand<unknown>((value) => value === 1, undefined);
    asyncapi(protocol({ fromClient: { a: none, b: { input: none, output: none } }, fromServer: { c: none } }), OPTIONS);
    expect(warnings.map((text) => text.split(" ")[0])).toEqual([
      "fromClient.a",
      "fromClient.b.input",
      "fromClient.b.output",
      "fromServer.c",
    ]);
  });
});

describe("a schema that refers to itself", () => {
  const tree = z.object({
    n: z.number(),
    get kids() {
      return z.array(tree);
    },
  });
  const named = z.object({ a: z.string() }).meta({ id: "a/b c" });
  const { node } = scope({ node: { n: "number", kids: "node[]" } }).export();
  const valibotTree: v.GenericSchema = v.object({ n: v.number(), kids: v.array(v.lazy(() => valibotTree)) });
  const fit = { n: 1, kids: [{ n: 2, kids: [] }] };
  const unfit = { n: 1, kids: [{ n: "2", kids: [] }] };

  const CASES: readonly (readonly [name: string, schema: Schema, good: unknown, bad: unknown])[] = [
    ["as a whole", tree, fit, unfit],
    ["below", z.object({ t: tree, u: tree.optional() }), { t: fit }, { t: unfit }],
    ["by a name with a slash", z.object({ x: named, y: named }), { x: { a: "" }, y: { a: "" } }, { x: { a: 1 } }],
    ["of arktype", node, fit, unfit],
    ["of valibot", toStandardJsonSchema(valibotTree), fit, unfit],
    [
      "by the place of a property",
      byHand(() => false, {
        properties: { a: { type: "number" }, "b/~%": { $ref: "#/properties/a" }, c: { $ref: "#/properties/b~1~0%25" } },
      }),
      { c: 1 },
      { c: "1" },
    ],
    [
      "to everything and nothing",
      byHand(() => false, { not: { $ref: "#/$defs/no" }, $defs: { no: false } }),
      1,
      undefined,
    ],
  ];

  test("passes the official parser wherever the schema stands", async () => {
    const all = CASES.flatMap(([name, schema]) => [
      [name, schema] as const,
      [`call ${name}`, { input: schema, output: schema }] as const,
    ]);
    expect(await problemsOf(documentOf(Object.fromEntries(all)))).toEqual([]);
  });

  test.each(CASES)("%s keeps its meaning in the document", (_case, schema, good, bad) => {
    const read = frameReader(documentOf({ grow: schema, again: { input: schema, output: schema } }));
    expect([read(["grow", good]), read(["again", good, 1]), read([1, good])]).toEqual([
      ["grow"],
      ["again"],
      ["again.answer"],
    ]);
    if (bad !== undefined) expect([read(["grow", bad]), read(["again", bad, 1]), read([1, bad])]).toEqual([[], [], []]);
    expect(warnings).toEqual([]);
  });
});

test("a schema may have properties and data with names of keywords", () => {
  const odd = byHand(() => false, {
    properties: { $ref: { $ref: "#/definitions/properties" }, $defs: { $ref: "#/definitions/properties" } },
    const: { $ref: 1, $defs: 2 },
    definitions: { properties: { type: "number" } },
  });
  const read = frameReader(documentOf({ x: odd }));
  expect(
    [
      ["x", { $ref: 1, $defs: 2 }],
      ["x", { $ref: 1 }],
      ["x", {}],
    ].map(read),
  ).toEqual([["x"], [], []]);
  expect(warnings).toEqual([]);
});

describe("the channel", () => {
  const chat = protocol({});

  test.each([
    [undefined, "/", undefined],
    ["/chat", "/chat", undefined],
    ["/room/:name/seat/:number", "/room/{name}/seat/{number}", { name: {}, number: {} }],
    ["/räume/{x}", "/r%C3%A4ume/%7Bx%7D", undefined],
  ])("of the path %j has the address %j", (path, address, parameters) => {
    const document = asyncapi(chat, { ...OPTIONS, ...(path !== undefined && { path }) });
    expect(document.channels.connection).toMatchObject({ address, bindings: { ws: { method: "GET" } } });
    expect(document.channels.connection.parameters).toEqual(parameters);
  });
});

describe("asyncapi refuses", () => {
  const chat = protocol({});

  test.each<[string, unknown, unknown, string, string]>([
    ["anything but a protocol", { fromClient: {} }, OPTIONS, "protocol", "expected what protocol() returns"],
    ["no protocol", undefined, OPTIONS, "protocol", "expected what protocol() returns, got undefined"],
    ["no options", chat, undefined, "options", "expected an object, got undefined"],
    ["no title", chat, { version: "1" }, "title", "expected a string that is not empty, got undefined"],
    ["an empty version", chat, { title: "x", version: "" }, "version", 'expected a string that is not empty, got ""'],
    ["a version that is a number", chat, { title: "x", version: 1 }, "version", "got 1"],
    ["a path without a slash", chat, { ...OPTIONS, path: "chat" }, "path", 'begins with "/", got "chat"'],
    ["every path", chat, { ...OPTIONS, path: "*" }, "path", 'begins with "/"'],
    ["a query", chat, { ...OPTIONS, path: "/a?b" }, "path", "without a query"],
    ["an unknown option", chat, { ...OPTIONS, tilte: "x" }, "tilte", "title"],
  ])("%s", (_case, given, options, option, text) => {
    const call = () => asyncapi(given as never, options as never);
    expect(call).toThrow(expect.objectContaining({ code: "BAD_OPTION", option }));
    expect(call).toThrow(text);
  });
});
