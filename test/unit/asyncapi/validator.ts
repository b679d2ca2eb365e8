/** Reads documents as other programs do: the official parser of AsyncAPI, and the validator of JSON Schema that comes with the parser. */
import { createRequire } from "node:module";
import { Parser } from "@asyncapi/parser";
import type { AsyncApiDocument } from "sendall/asyncapi";

interface Validator {
  addSchema(schema: object, key: string): void;
  compile(schema: object): (value: unknown) => boolean;
}

const fromParser = createRequire(createRequire(import.meta.url).resolve("@asyncapi/parser"));
const { Ajv2020 }: { readonly Ajv2020: new (options: object) => Validator } = fromParser("ajv/dist/2020");

/** What the parser finds wrong, warnings included. */
export async function problemsOf(document: AsyncApiDocument): Promise<string[]> {
  const { diagnostics } = await new Parser().parse(JSON.stringify(document));
  return diagnostics.map(({ severity, code, message, path }) => `${severity} ${code}: ${message} (${path.join(".")})`);
}

/** @returns the keys of the messages that a frame fits */
export function frameReader(document: AsyncApiDocument): (frame: unknown) => string[] {
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(JSON.parse(JSON.stringify(document)), "document");
  const checks = Object.keys(document.components.messages).map((key) => ({
    key,
    accepts: ajv.compile({ $ref: `document#/components/messages/${key}/payload` }),
  }));
  return (frame) => checks.filter(({ accepts }) => accepts(frame)).map(({ key }) => key);
}
