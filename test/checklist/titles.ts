/** Reads the titles of tests out of a test file's source: the tables of this folder name tests, and what they name has to exist. */
import { parseAst } from "vitest/node";

/** A test as it stands in its file. */
export interface Title {
  /** The titles of its groups and its own, joined with " > "; those of `each` as they are written, `%s` and all. */
  readonly path: string;
  /** It is skipped or to be written, or stands in a group that is. */
  readonly isOff: boolean;
}

/** A node of the syntax tree (ESTree), with what is looked at here. */
interface Node {
  readonly type: string;
  readonly name?: unknown;
  readonly value?: unknown;
  readonly callee?: unknown;
  readonly arguments?: unknown;
  readonly object?: unknown;
  readonly property?: unknown;
  readonly tag?: unknown;
  readonly quasis?: unknown;
  readonly properties?: unknown;
  readonly key?: unknown;
}

/** Where a node stands: in which groups. */
interface Place {
  readonly groups: readonly string[];
  readonly isOff: boolean;
}

const DEFINERS = ["describe", "test", "it"];
const OFF = ["skip", "todo", "fails"];

export function readTitles(source: string): Title[] {
  const titles: Title[] = [];
  read(parseAst(source, { lang: "ts" }), { groups: [], isOff: false }, titles);
  return titles;
}

function read(value: unknown, place: Place, titles: Title[]): void {
  if (Array.isArray(value)) for (const one of value) read(one, place, titles);
  if (!isNode(value)) return;
  const here = value.type === "CallExpression" ? enter(value, place, titles) : place;
  for (const part of Object.values(value)) read(part, here, titles);
}

/** Notes the call if it defines a test. @returns the place of what is within it */
function enter(call: Node, place: Place, titles: Title[]): Place {
  const [definer = "", ...marks] = words(call.callee);
  const args = Array.isArray(call.arguments) ? call.arguments : [];
  const title = text(args[0]);
  if (!DEFINERS.includes(definer) || title === undefined) return place;
  const groups = [...place.groups, title];
  const isOff = place.isOff || marks.some((mark) => OFF.includes(mark)) || args.length < 2 || args.some(turnsOff);
  if (definer !== "describe") titles.push({ path: groups.join(" > "), isOff });
  return { groups, isOff };
}

/** `test.skip.each(table)` is `["test", "skip", "each"]`. */
function words(callee: unknown): string[] {
  if (!isNode(callee)) return [];
  if (callee.type === "Identifier") return [String(callee.name)];
  if (callee.type === "MemberExpression") return [...words(callee.object), ...words(callee.property)];
  if (callee.type === "CallExpression") return words(callee.callee);
  return callee.type === "TaggedTemplateExpression" ? words(callee.tag) : [];
}

/** What a literal says, as far as it is known before it runs. */
function text(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === "Literal" && typeof value.value === "string") return value.value;
  if (value.type !== "TemplateLiteral" || !Array.isArray(value.quasis)) return undefined;
  return value.quasis.map((part: { value: { cooked: string } }) => part.value.cooked).join("%s");
}

/** Options with `skip`, `todo` or `fails`. */
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
