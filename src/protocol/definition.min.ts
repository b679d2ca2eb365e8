/** Stands in for `definition.ts` in the module for pages: the server checks the names and schemas of the same protocol. */
import type { ClientMessage, Definition } from "./definition.js";
import { readMembers } from "./names.js";
import type { ProtocolSpec } from "./spec.js";
import type { Schema } from "./standard-schema.js";

function asClientMessage(value: unknown): ClientMessage {
  const message = value as ClientMessage & Schema;
  return message.input ? message : { input: message, output: undefined };
}

export function readSpec(spec: ProtocolSpec, check: unknown): Definition {
  const { fromClient = {}, fromServer = {} } = readMembers("", spec, ["fromClient", "fromServer"]) as ProtocolSpec;
  return {
    fromClient: new Map(Object.entries(fromClient).map(([name, value]) => [name, asClientMessage(value)])),
    fromServer: new Map(Object.entries(fromServer) as [string, Schema][]),
    checksSent: check === "both",
  };
}
