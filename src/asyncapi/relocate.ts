/**
 * Moves a JSON Schema into a document. A reference in an AsyncAPI document counts from the root of the document, and a library's
 * references count from the root of the schema: what a schema refers to moves to `components.schemas`, and the references follow.
 */
import { isRecord } from "../options/kinds.js";
import { show } from "../runtime/show.js";
import { DIALECT, type JsonSchema } from "./document.js";
import type { Keys } from "./keys.js";

/** A schema in the document, and what the schema refers to, by key in `components.schemas`. */
export interface Relocated {
  readonly schema: JsonSchema;
  readonly shared: ReadonlyMap<string, JsonSchema>;
}

/** Keywords whose values are schemas by name: the names are no keywords. */
const BY_NAME = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "definitions",
  "dependentSchemas",
  "dependencies",
]);
/** Keywords whose values are data, even if the data looks like a schema. */
const DATA = new Set(["const", "enum", "default", "examples"]);
/** Said of a schema that is a document of its own. */
const OF_A_DOCUMENT = new Set(["$schema", "$id", "$defs", "definitions"]);

/** The names on the way to a part of a schema; `undefined` for anything but a JSON pointer. */
function readPointer(ref: unknown): string[] | undefined {
  if (typeof ref !== "string" || !/^#(?:\/|$)/.test(ref)) return undefined;
  const names = decodeURIComponent(ref.slice(1)).split("/").slice(1);
  return names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function writePointer(names: readonly string[]): string {
  return names.map((name) => `/${encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"))}`).join("");
}

class Relocation {
  readonly #root: JsonSchema;
  readonly #key: string;
  readonly #keys: Keys;
  /** Keys in the document by what the schema calls the shared part: `""` for the schema as a whole. */
  readonly #moved = new Map<string, string>();
  readonly shared: Map<string, JsonSchema> = new Map();

  constructor(root: JsonSchema, key: string, keys: Keys) {
    this.#root = root;
    this.#key = key;
    this.#keys = keys;
  }

  run(): JsonSchema {
    const schema = this.#rebase(this.#root);
    const key = this.#moved.get("");
    return key === undefined ? (schema as JsonSchema) : { $ref: `#/components/schemas/${key}` };
  }

  #rebase(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((part) => this.#rebase(part));
    if (!isRecord(value)) return value;
    const kept = Object.entries(value).filter(([keyword]) => !OF_A_DOCUMENT.has(keyword));
    return Object.fromEntries(kept.map(([keyword, inner]) => [keyword, this.#rebaseKeyword(keyword, inner)]));
  }

  #rebaseKeyword(keyword: string, value: unknown): unknown {
    if (keyword === "$ref") return this.#follow(value);
    if (keyword === "$dynamicRef" || keyword === "$recursiveRef") throw leadsOut(keyword, value);
    if (DATA.has(keyword)) return value;
    if (!BY_NAME.has(keyword) || !isRecord(value)) return this.#rebase(value);
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, this.#rebase(schema)]));
  }

  /** @returns the reference from the root of the document */
  #follow(ref: unknown): string {
    const names = readPointer(ref);
    if (names === undefined || !this.#has(names)) throw leadsOut("$ref", ref);
    const [keyword = "", name] = names;
    const isDefinition = (keyword === "$defs" || keyword === "definitions") && name !== undefined;
    const [path, rest] = isDefinition ? [[keyword, name], names.slice(2)] : [[], names];
    return `#/components/schemas/${this.#move(path)}${writePointer(rest)}`;
  }

  #has(names: readonly string[]): boolean {
    return this.#at(names) !== undefined;
  }

  #at(names: readonly string[]): unknown {
    let part: unknown = this.#root;
    for (const name of names)
      part = typeof part === "object" && part && Object.hasOwn(part, name) ? Reflect.get(part, name) : undefined;
    return part;
  }

  #move(path: readonly string[]): string {
    const id = writePointer(path);
    const known = this.#moved.get(id);
    if (known !== undefined) return known;
    const [, name] = path;
    const key = this.#keys.take(name === undefined ? this.#key : `${this.#key}.${name}`);
    this.#moved.set(id, key);
    const part = this.#rebase(this.#at(path));
    this.shared.set(key, isRecord(part) ? { $schema: DIALECT, ...part } : { $schema: DIALECT, allOf: [part] });
    return key;
  }
}

function leadsOut(keyword: string, ref: unknown): Error {
  return new Error(`${keyword} leads out of the schema: ${show(ref)}`);
}

/**
 * Throws for a reference that leads out of the schema.
 * @param key for what is shared, and the beginning of further keys
 */
export function relocate(root: JsonSchema, key: string, keys: Keys): Relocated {
  const relocation = new Relocation(root, key, keys);
  return { schema: relocation.run(), shared: relocation.shared };
}
