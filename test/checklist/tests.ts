/** Counts the tests of a test file by its source: a table of the checklist must not name a file whose tests are missing or skipped. */
import { parseAst } from "vitest/node";

/** A node of the syntax tree (ESTree), with the properties that are read here. */
interface Node {
  readonly type: string;
  readonly name?: unknown;
  readonly value?: unknown;
  readonly callee?: unknown;
  readonly arguments?: unknown;
  readonly object?: unknown;
  readonly property?: unknown;
  readonly tag?: unknown;
  readonly properties?: unknown;
  readonly key?: unknown;
}

const DEFINERS = ["describe", "test", "it"];
const OFF = ["skip", "todo", "fails"];

/** How many tests run; a test of `each` counts once. Tests that are skipped, to be written or known to fail do not count. */
export function countTests(source: string): number {
  return count(parseAst(source, { lang: "ts" }));
}

function count(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, part) => sum + count(part), 0);
  if (!isNode(value)) return 0;
  const definition = value.type === "CallExpression" ? readDefinition(value) : undefined;
  if (definition?.isOff === true) return 0;
  return (definition?.isTest === true ? 1 : 0) + count(Object.values(value));
}

/** @returns `undefined` for a call that defines neither a test nor a group of tests */
function readDefinition(call: Node): { readonly isTest: boolean; readonly isOff: boolean } | undefined {
  const [definer = "", ...modifiers] = words(call.callee);
  const args = Array.isArray(call.arguments) ? call.arguments : [];
  if (!DEFINERS.includes(definer) || !isTitle(args[0])) return undefined;
  const isOff = modifiers.some((modifier) => OFF.includes(modifier)) || args.length < 2 || args.some(turnsOff);
  return { isTest: definer !== "describe", isOff };
}

/** `test.skip.each(table)` is `["test", "skip", "each"]`. */
function words(callee: unknown): string[] {
  if (!isNode(callee)) return [];
  if (callee.type === "Identifier") return [String(callee.name)];
  if (callee.type === "MemberExpression") return [...words(callee.object), ...words(callee.property)];
  if (callee.type === "CallExpression") return words(callee.callee);
  return callee.type === "TaggedTemplateExpression" ? words(callee.tag) : [];
}

function isTitle(value: unknown): boolean {
  return isNode(value) && (value.type === "TemplateLiteral" || typeof value.value === "string");
}

/** Whether the argument is an object with `skip`, `todo` or `fails`. */
function turnsOff(argument: unknown): boolean {
  if (!isNode(argument) || !Array.isArray(argument.properties)) return false;
  return argument.properties.some((property: Node) => {
    const { key, value } = property;
    const [name = ""] = words(key);
    return OFF.includes(name) && !(isNode(value) && value.value === false);
  });
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
