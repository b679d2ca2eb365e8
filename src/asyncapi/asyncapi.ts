/** `asyncapi`: an AsyncAPI document from a protocol, for documentation and for generators of other languages. */
import { isRecord } from "../options/kinds.js";
import { checkNames, checkOptionsObject, readSettings, refuseOption } from "../options/read-options.js";
import { normalPath, problemOf } from "../options/route-path.js";
import type { Protocol } from "../protocol/protocol.js";
import type { ProtocolSpec } from "../protocol/spec.js";
import { show } from "../runtime/show.js";
import { readProperty } from "../runtime/thrown.js";
import type { AsyncApiChannel, AsyncApiDocument } from "./document.js";
import { type ProtocolParts, partsOf } from "./protocol-parts.js";

/** The options of `asyncapi`. */
export interface AsyncApiOptions {
  /** The name of the interface. Has no default. */
  readonly title: string;
  /** The version of the interface, such as `"1.0.0"`. Has no default. */
  readonly version: string;
  /** The path of the route that speaks the protocol, as in `routes`: `"/chat"`, `"/room/:name"`. Default: `"/"`. */
  readonly path?: string;
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

const table = {
  title: { expected: "a string that is not empty", accepts: isText, required: true },
  version: { expected: "a string that is not empty", accepts: isText, required: true },
  path: { kind: "text", default: "/" },
} as const;

const DESCRIPTION = [
  "JSON arrays in text frames of a WebSocket. Operations are seen from the server: it receives what clients send.",
  "A call ends with an id, and its reply begins with that id.",
  "Schemas are of JSON Schema draft 2020-12, as their $schema says.",
].join(" ");

/** Whether the value is what `protocol` returns, by whichever copy of `sendall/protocol`. */
export function isProtocol(value: unknown): value is Protocol {
  if (typeof value !== "object" || !value) return false;
  const inside = readProperty(value, "~sendall");
  return isRecord(inside) && isRecord(inside.definition) && inside.definition.fromClient instanceof Map;
}

/**
 * Describes a protocol as an AsyncAPI 3.1 document, which other programs turn into documentation, and into types and clients of other
 * languages. Operations are seen from the server, as AsyncAPI wants: `receive` for what clients send, `send` for what the server sends; a
 * call is a `receive` with a `reply`. The payload of a message is the whole frame, an array with `prefixItems`. Schemas of payloads come
 * from the library, by `~standard.jsonSchema`: zod and arktype have the property, and `toStandardJsonSchema` of
 * `@valibot/to-json-schema` adds the property to a schema of valibot. A payload without JSON Schema is described as `{}`, which anything
 * fits, and a warning of the process (`SendallWarning`) names the payload.
 * @param protocol what `protocol` of `sendall/protocol` returns
 * @throws SendallError `BAD_OPTION` for anything but a protocol, for wrong options and a missing title or version
 *
 * @example
 * ```ts
 * import { asyncapi } from "sendall/asyncapi";
 * import { protocol } from "sendall/protocol";
 * import { z } from "zod";
 *
 * const chat = protocol({ fromClient: { say: z.string() }, fromServer: { said: z.string() } });
 * const document = asyncapi(chat, { title: "Chat", version: "1.0.0", path: "/chat" });
 * console.log(JSON.stringify(document, null, 2));
 * ```
 */
export function asyncapi<S extends ProtocolSpec>(protocol: Protocol<S>, options: AsyncApiOptions): AsyncApiDocument {
  return createDocument(protocol, options, (text) => process.emitWarning(text, "SendallWarning"));
}

/** @param warn is told of each payload without JSON Schema */
export function createDocument(protocol: unknown, options: unknown, warn: (text: string) => void): AsyncApiDocument {
  if (!isProtocol(protocol)) refuseOption("protocol", `expected what protocol() returns, got ${show(protocol)}`);
  const { title, version, path } = readOptions(options);
  const parts = partsOf(protocol["~sendall"].definition, warn);
  const { messages, schemas } = parts;
  return {
    asyncapi: "3.1.0",
    info: { title, version, description: DESCRIPTION },
    defaultContentType: "application/json",
    channels: { connection: channelOf(path, parts) },
    operations: parts.operations,
    components: { messages, ...(Object.keys(schemas).length > 0 && { schemas }) },
  };
}

/** Throws `BAD_OPTION`. */
export function readOptions(options: unknown): Required<AsyncApiOptions> {
  checkOptionsObject(options);
  checkNames({ options }, table);
  const settings = readSettings<AsyncApiOptions, typeof table>(table, { options });
  const problem = problemOf(settings.path);
  if (problem !== undefined) refuseOption("path", `${problem}, got ${show(settings.path)}`);
  return settings;
}

function channelOf(path: string, { references }: ProtocolParts): AsyncApiChannel {
  const parts = path.split("/");
  const names = parts.filter((part) => part.startsWith(":")).map((part) => part.slice(1));
  return {
    // Outside of parameters there are no braces: browsers spell them `%7B` and `%7D`.
    address: parts.map((part) => (part.startsWith(":") ? `{${part.slice(1)}}` : normalPath(part))).join("/"),
    description: "The WebSocket, in both directions.",
    ...(names.length > 0 && { parameters: Object.fromEntries(names.map((name) => [name, {}])) }),
    messages: references,
    bindings: { ws: { method: "GET", bindingVersion: "0.1.0" } },
  };
}
