/**
 * What a document says of a payload: the JSON Schema that the library of the schema gives (Standard JSON Schema, standardschema.dev), and
 * whether the payload may be left out. A frame carries the payload as the sender gave the payload, and what the schema makes of the payload
 * stays with the receiver: in both directions, and for answers, the frame has the input side of the schema.
 */
import { isRecord } from "../options/kinds.js";
import { check, isPromise } from "../protocol/check.js";
import type { Schema } from "../protocol/standard-schema.js";
import { messageOf } from "../runtime/thrown.js";
import type { JsonSchema } from "./document.js";
import type { Keys } from "./keys.js";
import { relocate } from "./relocate.js";

/** The part of Standard JSON Schema that a document needs. */
interface JsonSchemaSource {
  readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => unknown };
}

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
  return !isPromise(checked) && checked.issues === undefined;
}

/** Of a schema that takes `undefined`: JSON Schema has no word for the value, so that libraries throw, and arktype says `{}`. */
function takesNothingElse(schema: Schema, converted: JsonSchema | Error): boolean {
  const isSilent =
    converted instanceof Error
      ? /\b(?:undefined|void)\b/i.test(converted.message)
      : schema["~standard"].vendor === "arktype" && Object.keys(converted).every((keyword) => keyword === "$schema");
  return isSilent && !SAMPLES.some((sample) => accepts(schema, sample));
}

/** @returns an error for a library that has no JSON Schema for the schema */
function convert(schema: Schema): JsonSchema | Error {
  try {
    const { jsonSchema } = schema["~standard"] as JsonSchemaSource;
    if (typeof jsonSchema?.input !== "function") return new Error(lackOf(schema));
    const converted: unknown = JSON.parse(JSON.stringify(jsonSchema.input({ target: "draft-2020-12" })));
    return isRecord(converted) ? converted : new Error("what ~standard.jsonSchema returns is no object");
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
