/** The frames of a protocol as JSON Schemas: arrays, as in `protocol/wire.ts`. */
import { REFUSED } from "../protocol/wire.js";
import type { DescribedPayload } from "./describe-payload.js";
import { DIALECT, type JsonSchema } from "./document.js";

const ID: JsonSchema = {
  type: "integer",
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "The id of the call, which the client counts from 1 upward on each connection.",
};

/** Bounds and not `items: false`, which means an empty array to readers of draft 7. */
function tuple(items: readonly JsonSchema[], minItems: number = items.length): JsonSchema {
  return { type: "array", prefixItems: items, minItems, maxItems: items.length };
}

function nameOf(name: string): JsonSchema {
  return { type: "string", const: name };
}

function followedBy(head: JsonSchema, { schema, presence }: DescribedPayload): JsonSchema {
  if (presence === "never") return tuple([head]);
  return tuple([head, schema], presence === "optional" ? 1 : 2);
}

/** `["say",{…}]` */
export function messageFrame(name: string, payload: DescribedPayload): JsonSchema {
  return { $schema: DIALECT, ...followedBy(nameOf(name), payload) };
}

/** `["join",{…},7]` */
export function callFrame(name: string, { schema, presence }: DescribedPayload): JsonSchema {
  const short = tuple([nameOf(name), ID]);
  const long = tuple([nameOf(name), schema, ID]);
  if (presence === "optional") return { $schema: DIALECT, type: "array", anyOf: [short, long] };
  return { $schema: DIALECT, ...(presence === "never" ? short : long) };
}

/** `[7,{…}]` */
export function answerFrame(payload: DescribedPayload): JsonSchema {
  return { $schema: DIALECT, ...followedBy(ID, payload) };
}

const REFUSAL: JsonSchema = {
  type: "object",
  properties: {
    reason: {
      type: "string",
      description:
        "INVALID_MESSAGE with issues, CALL_FAILED for a call whose handler failed, or a word of the handler.",
    },
    message: { type: "string", description: "The handler's words for people." },
    data: { description: "What the handler gave beside the reason." },
    issues: {
      type: "array",
      maxItems: 5,
      items: {
        type: "object",
        properties: {
          path: { type: "string", description: "Where in the payload; empty for the payload as a whole." },
          message: { type: "string" },
        },
        required: ["path", "message"],
      },
    },
  },
  required: ["reason"],
};

/** `[7,null,{"reason":"FULL"}]` */
export const CALL_REFUSED_FRAME: JsonSchema = { $schema: DIALECT, ...tuple([ID, { type: "null" }, REFUSAL]) };

/** `["!",{"reason":"INVALID_MESSAGE"}]` */
export const MESSAGE_REFUSED_FRAME: JsonSchema = { $schema: DIALECT, ...tuple([nameOf(REFUSED), REFUSAL]) };
