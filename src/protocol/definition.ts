/** A protocol as read from its spec: the names in maps, since names like `__proto__` are names like any other. */
import { readMembers } from "./names.js";
import type { ProtocolSpec } from "./spec.js";
import type { Schema } from "./standard-schema.js";
import { IS_WORDY, RESERVED_CLIENT, refuseOption } from "./texts.js";

/** A message or call of a client. */
export interface ClientMessage {
  readonly input: Schema;
  /** Of a call alone: the schema of the answer. */
  readonly output: Schema | undefined;
}

/** What a protocol says. */
export interface Definition {
  readonly fromClient: ReadonlyMap<string, ClientMessage>;
  readonly fromServer: ReadonlyMap<string, Schema>;
  /** Whether each side checks its own messages, too. */
  readonly checksSent: boolean;
}

/** Names of a client's own events, and the word of refusals. */
const RESERVED_SERVER = /^(?:open|message|close|error|!)?$/;

const RESERVED = "a reserved name; choose another";
const NO_SCHEMA = "expected a Standard Schema, or in fromClient { input, output } of two";

function isSchema(value: unknown): value is Schema {
  return typeof (value as Partial<Schema> | undefined)?.["~standard"]?.validate === "function";
}

function asSchema(value: unknown): Schema | false {
  return isSchema(value) && value;
}

function asClientMessage(value: unknown): ClientMessage | false {
  const message: Partial<ClientMessage> = isSchema(value) ? { input: value, output: undefined } : Object(value);
  const { input, output } = message;
  return isSchema(input) && (input === value || isSchema(output)) && (message as ClientMessage);
}

/** @param read `false` for what is no schema */
function readPart<T>(
  part: keyof ProtocolSpec,
  { [part]: given = {} }: ProtocolSpec,
  reserved: RegExp,
  read: (value: unknown) => T | false,
): Map<string, T> {
  // A `Map` would show none of its own.
  if (IS_WORDY && (Object(given) !== given || Symbol.iterator in given))
    refuseOption(part, "expected an object of schemas by name");
  return new Map(
    Object.entries(given).map(([name, value]) => {
      const message = !reserved.test(name) && read(value);
      if (IS_WORDY && message && !isSchema(value)) readMembers(`${part}.${name}.`, Object(value), ["input", "output"]);
      return [name, message || refuseOption(`${part}.${name}`, reserved.test(name) ? RESERVED : NO_SCHEMA)];
    }),
  );
}

export function readSpec(spec: ProtocolSpec, check: unknown): Definition {
  if (IS_WORDY && Object(spec) !== spec) refuseOption("protocol", "expected { fromClient, fromServer }");
  readMembers("", spec, ["fromClient", "fromServer"]);
  if (IS_WORDY && check !== "both" && check !== "receive") refuseOption("check", 'expected "both" or "receive"');
  return {
    fromClient: readPart("fromClient", spec, RESERVED_CLIENT, asClientMessage),
    fromServer: readPart("fromServer", spec, RESERVED_SERVER, asSchema),
    checksSent: check === "both",
  };
}
