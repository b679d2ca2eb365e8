/**
 * What a document says of a payload: the JSON Schema that the library of the schema gives (Standard JSON Schema, standardschema.dev), and
 * whether the payload may be left out. A frame carries the payload as the sender gave the payload, and what the schema makes of the payload
 * stays with the receiver: in both directions, and for answers, the frame has the input side of the schema.
 */
import { isRecord } from "../options/kinds.js";
import { check } from "../protocol/check.js";
import type { Schema } from "../protocol/standard-schema.js";
import { isPromiseLike } from "../runtime/promises.js";
import { messageOf } from "../runtime/thrown.js";
import type { JsonSchema } from "./document.js";
import type { Keys } from "./keys.js";
import { relocate } from "./relocate.js";

/** The part of Standard JSON Schema that a document needs. */
interface JsonSchemaSource {
  readonly jsonSchema?: { readonly input?: (options: ConverterOptions) => unknown };
}

interface ConverterOptions {
  readonly target: "draft-2020-12";
  readonly libraryOptions?: object;
}

/** What arktype hands over of a value that JSON Schema has no word for. */
interface UnitContext {
  readonly base: object;
  readonly unit: unknown;
}

/** By library. JSON has no `undefined`, for which arktype says `{}`: anything, in place of nothing. */
const LIBRARY_OPTIONS: ReadonlyMap<string, object> = new Map([
  ["arktype", { fallback: { unit: ({ base, unit }: UnitContext) => (unit === undefined ? { not: {} } : base) } }],
]);

/** What a frame has of a payload. */
export interface DescribedPayload {
  readonly schema: JsonSchema;
  readonly presence: "always" | "optional" | "never";
}

/** What the description of every payload in a document needs. */
export interface PayloadContext {
  readonly keys: Keys;
  /** Takes what schemas refer to, by key. */
  readonly shared: Map<string, JsonSchema>;
  readonly warn: (text: string) => void;
}

/** Of each kind of JSON. */
const SAMPLES: readonly unknown[] = [null, false, true, 0, 1, "", "a", [], {}];

function accepts(schema: Schema, value: unknown): boolean {
  const checked = check(schema, value);
  return !isPromiseLike(checked) && checked.issues === undefined;
}

/** Whether nothing fits: `{ not: {} }`. */
function isImpossible(schema: unknown): boolean {
  if (!isRecord(schema) || !isRecord(schema.not) || Object.keys(schema.not).length > 0) return false;
  return Object.keys(schema).every((keyword) => keyword === "not" || keyword === "$schema");
}

/** Of a schema that takes `undefined`. Libraries throw for a schema of nothing but `undefined`, with the name in the message. */
function takesNothingElse(schema: Schema, converted: JsonSchema | Error): boolean {
  if (!(converted instanceof Error)) return isImpossible(converted);
  return /\b(?:undefined|void)\b/i.test(converted.message) && !SAMPLES.some((sample) => accepts(schema, sample));
}

/** `string | undefined` is `string` in a frame that has the payload. */
function withoutImpossible(schema: JsonSchema): JsonSchema {
  const { anyOf, ...rest } = schema;
  const possible = Array.isArray(anyOf) ? anyOf.filter((branch) => !isImpossible(branch)) : [];
  const [only] = possible;
  if (only === undefined) return schema;
  const isAlone = possible.length === 1 && isRecord(only) && !Object.keys(only).some((keyword) => keyword in rest);
  return isAlone ? { ...rest, ...only } : { ...rest, anyOf: possible };
}

/** @returns an error for a library that has no JSON Schema for the schema */
function convert(schema: Schema): JsonSchema | Error {
  try {
    const { jsonSchema } = schema["~standard"] as JsonSchemaSource;
    if (typeof jsonSchema?.input !== "function") return new Error(lackOf(schema));
    const libraryOptions = LIBRARY_OPTIONS.get(schema["~standard"].vendor);
    const options: ConverterOptions = { target: "draft-2020-12", ...(libraryOptions && { libraryOptions }) };
    const converted: unknown = JSON.parse(JSON.stringify(jsonSchema.input(options)));
    return isRecord(converted)
      ? withoutImpossible(converted)
      : new Error("what ~standard.jsonSchema returns is no object");
  } catch (thrown) {
    return new Error(messageOf(thrown));
  }
}

function lackOf(schema: Schema): string {
  const { vendor } = schema["~standard"];
  return vendor === "valibot"
    ? "wrap schemas of valibot with toStandardJsonSchema of @valibot/to-json-schema"
    : `schemas of ${vendor} have no ~standard.jsonSchema`;
}

/**
 * @param name of the schema, for warnings
 * @param key for what the schema shares with the document
 */
export function describePayload(
  schema: Schema,
  name: string,
  key: string,
  { keys, shared, warn }: PayloadContext,
): DescribedPayload {
  const converted = convert(schema);
  const isOptional = accepts(schema, undefined);
  if (isOptional && takesNothingElse(schema, converted)) return { schema: {}, presence: "never" };
  const presence = isOptional ? "optional" : "always";
  try {
    if (converted instanceof Error) throw converted;
    const moved = relocate(converted, key, keys);
    for (const [place, part] of moved.shared) shared.set(place, part);
    return { schema: moved.schema, presence };
  } catch (thrown) {
    warn(`${name} is described as {}, which any payload fits: ${messageOf(thrown)}`);
    return { schema: {}, presence };
  }
}
