/** A protocol as read from its spec: the names in maps, since names like `__proto__` are names like any other. */
import { SendallError } from "../api/errors.js";
import type { ProtocolSpec } from "./spec.js";
import type { Schema } from "./standard-schema.js";

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

/** Names of events, some of later versions, and the word of refusals. */
const RESERVED_CLIENT = /^(?:open|closed|error|info|idle|bytes|away|back|joined|changed|left|init|stop|!)?$/;
const RESERVED_SERVER = /^(?:open|message|close|error|!)?$/;

export function refuseOption(option: string, expected: string): never {
  throw new SendallError("BAD_OPTION", `${option}: ${expected}`, { option });
}

/** @param only the only option that there is */
export function checkOptions(options: object, only: string): void {
  if (Object(options) !== options) refuseOption("options", `expected { ${only} }`);
  for (const name in options) if (name !== only) refuseOption(name, `unknown; the only option is ${only}`);
}

function isSchema(value: unknown): value is Schema {
  return typeof (value as Partial<Schema> | undefined)?.["~standard"]?.validate === "function";
}

function entriesOf(option: string, value: unknown, reserved: RegExp): [string, unknown][] {
  if (value === undefined) return [];
  if (typeof value !== "object" || !value) refuseOption(option, "expected an object of schemas by name");
  const entries = Object.entries(value);
  for (const [name] of entries)
    if (reserved.test(name)) refuseOption(`${option}.${name}`, "a reserved name; choose another");
  return entries;
}

export function readSpec(spec: ProtocolSpec, check: unknown): Definition {
  if (Object(spec) !== spec) refuseOption("protocol", "expected { fromClient, fromServer }");
  for (const name in spec)
    if (!/^from(?:Client|Server)$/.test(name)) refuseOption(name, "unknown; expected fromClient or fromServer");
  if (check !== "both" && check !== "receive") refuseOption("check", 'expected "both" or "receive"');
  return {
    fromClient: new Map(
      entriesOf("fromClient", spec.fromClient, RESERVED_CLIENT).map(([name, value]) => {
        const { input, output } = isSchema(value) ? { input: value, output: undefined } : Object(value);
        if (!isSchema(input) || !(isSchema(value) || isSchema(output)))
          refuseOption(`fromClient.${name}`, "expected a Standard Schema, or { input, output } of two");
        return [name, { input, output }];
      }),
    ),
    fromServer: new Map(
      entriesOf("fromServer", spec.fromServer, RESERVED_SERVER).map(([name, schema]) => {
        if (!isSchema(schema)) refuseOption(`fromServer.${name}`, "expected a Standard Schema");
        return [name, schema];
      }),
    ),
    checksSent: check === "both",
  };
}
