/** The same protocol in each library that the repository has, and in schemas by hand, for documents that are compared. */
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { type } from "arktype";
import { type Protocol, protocol, type Schema } from "sendall/protocol";
import * as v from "valibot";
import { z } from "zod";

export interface Tree {
  n: number;
  kids: Tree[];
}

const zodTree: z.ZodType<Tree, Tree> = z.object({ n: z.number(), kids: z.array(z.lazy(() => zodTree)) });

const zod = protocol({
  fromClient: {
    say: z.object({ text: z.string().max(500) }),
    typing: z.undefined(),
    mood: z.string().optional(),
    grow: zodTree,
    join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) },
    who: { input: z.void(), output: z.array(z.string()) },
    count: { input: z.number().optional(), output: z.void() },
  },
  fromServer: {
    said: z.object({ nick: z.string(), text: z.string() }),
    moved: z.tuple([z.string(), z.number()]),
  },
});

const valibotTree: v.GenericSchema<Tree> = v.object({ n: v.number(), kids: v.array(v.lazy(() => valibotTree)) });

const valibot = protocol({
  fromClient: {
    say: toStandardJsonSchema(v.object({ text: v.pipe(v.string(), v.maxLength(500)) })),
    typing: toStandardJsonSchema(v.undefined()),
    mood: toStandardJsonSchema(v.optional(v.string())),
    grow: toStandardJsonSchema(valibotTree),
    join: {
      input: toStandardJsonSchema(v.object({ room: v.string() })),
      output: toStandardJsonSchema(v.object({ members: v.number() })),
    },
    who: { input: toStandardJsonSchema(v.void()), output: toStandardJsonSchema(v.array(v.string())) },
    count: { input: toStandardJsonSchema(v.optional(v.number())), output: toStandardJsonSchema(v.void()) },
  },
  fromServer: {
    said: toStandardJsonSchema(v.object({ nick: v.string(), text: v.string() })),
    moved: toStandardJsonSchema(v.strictTuple([v.string(), v.number()])),
  },
});

const arktype = protocol({
  fromClient: {
    say: type({ text: "string <= 500" }),
    typing: type("undefined"),
    mood: type("string | undefined"),
    // A type that refers to itself gets its names from a counter of arktype.
    grow: type({ n: "number", kids: type({ n: "number", kids: "unknown[]" }).array() }),
    join: { input: type({ room: "string" }), output: type({ members: "number" }) },
    who: { input: type("undefined"), output: type("string[]") },
    count: { input: type("number | undefined"), output: type("undefined") },
  },
  fromServer: {
    said: type({ nick: "string", text: "string" }),
    moved: type(["string", "number"]),
  },
});

/** A schema by hand; `undefined` as JSON Schema stands for a schema without. */
export function byHand<T>(
  accepts: (value: unknown) => boolean,
  jsonSchema: Readonly<Record<string, unknown>> | undefined,
): Schema<T> {
  return {
    "~standard": {
      version: 1,
      vendor: "by-hand",
      validate: (value: unknown) =>
        accepts(value) ? { value: value as T } : { issues: [{ message: "does not fit", path: [] }] },
      ...(jsonSchema && { jsonSchema: { input: () => jsonSchema, output: () => ({ not: {} }) } }),
    },
  };
}

function fields(value: unknown): Record<string, unknown> {
  return Object(value);
}

function isTree(value: unknown): boolean {
  const { n, kids } = fields(value);
  return typeof n === "number" && Array.isArray(kids) && kids.every(isTree);
}

const handwritten = protocol({
  fromClient: {
    say: byHand<{ text: string }>((value) => typeof fields(value).text === "string" && fields(value).text !== "", {
      $id: "https://example.com/say",
      type: "object",
      properties: { text: { type: "string", maxLength: 500 } },
      required: ["text"],
    }),
    typing: byHand<undefined>((value) => value === undefined, undefined),
    mood: byHand<string | undefined>((value) => value === undefined || typeof value === "string", { type: "string" }),
    grow: byHand<Tree>(isTree, {
      type: "object",
      properties: { n: { type: "number" }, kids: { type: "array", items: { $ref: "#" } } },
      required: ["n", "kids"],
    }),
    join: {
      input: byHand<{ room: string }>((value) => typeof fields(value).room === "string", undefined),
      output: byHand<{ members: number }>((value) => typeof fields(value).members === "number", undefined),
    },
    who: {
      input: byHand<undefined>((value) => value === undefined, undefined),
      output: byHand<string[]>(Array.isArray, { type: "array", items: { type: "string" } }),
    },
    count: {
      input: byHand<number | undefined>((value) => value === undefined || typeof value === "number", {
        type: "number",
      }),
      output: byHand<undefined>((value) => value === undefined, undefined),
    },
  },
  fromServer: {
    said: byHand<{ nick: string; text: string }>((value) => typeof fields(value).nick === "string", {
      type: "object",
      properties: { nick: { type: "string" }, text: { type: "string" } },
      required: ["nick", "text"],
    }),
    moved: byHand<[string, number]>(Array.isArray, {
      type: "array",
      prefixItems: [{ $ref: "#/$defs/name" }, { type: "number" }],
      $defs: { name: { type: "string" } },
    }),
  },
});

/** Protocols of the same names and types, whatever the library. */
export const LIBRARIES: Readonly<Record<string, Protocol<typeof zod extends Protocol<infer S> ? S : never>>> = {
  zod,
  valibot: valibot as never,
  arktype: arktype as never,
  handwritten: handwritten as never,
};
