/**
 * Holds the API reference to its word: `npm run docs` reads the sources without a warning, and every exported name of every entry point says
 * what it does, in which unit, with which default and which errors. What it reads is what typedoc has understood, as JSON.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { optionRows } from "./unit/options/rows.js";

interface Part {
  readonly text: string;
}
interface Comment {
  readonly summary: readonly Part[];
  readonly blockTags?: readonly { readonly tag: string; readonly content: readonly Part[] }[];
}
interface Type {
  readonly type: string;
  readonly name?: string;
  readonly value?: unknown;
  readonly types?: readonly Type[];
  readonly declaration?: Reflection;
}
/** What typedoc knows of one name. */
interface Reflection {
  readonly name: string;
  readonly variant: string;
  readonly comment?: Comment;
  readonly children?: readonly Reflection[];
  readonly signatures?: readonly Reflection[];
  readonly getSignature?: Reflection;
  readonly parameters?: readonly Reflection[];
  readonly type?: Type;
}

/** One thing that has to be documented: an exported name, a member of it, or one signature of a function. */
interface Item {
  /** `sendall Connection.close` */
  readonly path: string;
  readonly name: string;
  /** The summary, without what it says of the default. */
  readonly sentence: string;
  /** The summary and what is said of parameters and results. */
  readonly text: string;
  /** What stands after the word "Default". */
  readonly preset: string | undefined;
  readonly throws: readonly string[];
  readonly parameters: readonly Reflection[];
  readonly type: Type | undefined;
  /** The exported name that it is a member of. */
  readonly owner: string | undefined;
}

const root = fileURLToPath(new URL("../", import.meta.url));
const { exports }: { readonly exports: Readonly<Record<string, unknown>> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);
/** The entry points as users import them, but for files that are no modules, and the client once more. */
const entryPoints = Object.keys(exports)
  .filter((subpath) => !subpath.endsWith(".json") && subpath !== "./client.min.js")
  .map((subpath) => join("sendall", subpath));

const folder = mkdtempSync(join(tmpdir(), "sendall-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

// The command ends with a code other than 0 if typedoc has a warning.
await promisify(execFile)("npm", ["run", "docs", "--", "--json", join(folder, "api.json")], { cwd: root });
const { children: modules = [] }: Reflection = JSON.parse(readFileSync(join(folder, "api.json"), "utf8"));

const DEFAULT = /\bDefault\b:? (.+?)\.(?=\s|$)/s;

function plain(parts: readonly Part[] = []): string {
  return parts
    .map(({ text }) => text)
    .join("")
    .replaceAll(/\s+/g, " ")
    .trim();
}

function item(path: string, owner: string | undefined, reflection: Reflection): Item {
  const { name, comment, parameters = [], type } = reflection;
  const summary = plain(comment?.summary);
  const tags = comment?.blockTags ?? [];
  const spoken = tags.filter(({ tag }) => tag !== "@throws").map(({ content }) => plain(content));
  const throws = tags.filter(({ tag }) => tag === "@throws").map(({ content }) => plain(content));
  return {
    path,
    name,
    sentence: summary.replace(DEFAULT, "").trim(),
    text: [summary, ...spoken, ...parameters.map(({ comment: about }) => plain(about?.summary))].join(" "),
    preset: DEFAULT.exec(summary)?.[1],
    throws: throws.flatMap((text) => Array.from(text.matchAll(/`([A-Z][A-Z_]+)`/g), ([, name = ""]) => name)),
    parameters,
    type,
    owner,
  };
}

/** The members of an interface or a class, or of the objects that a type is put together from. */
function membersOf({ children = [], type }: Reflection): readonly Reflection[] {
  const inType = (part: Type | undefined): readonly Reflection[] => [
    ...(part?.declaration?.children ?? []),
    ...(part?.types ?? []).flatMap(inType),
  ];
  return [...children, ...inType(type)];
}

/** What tells apart the members of a union, and what may not be given, says so by its type. */
function isSelfEvident({ type }: Reflection): boolean {
  return type?.type === "literal" || type?.name === "never";
}

/** What has the shape that browsers gave it: of its members their standards tell. */
const isStandard = ({ name }: Reflection): boolean => name.includes("WebSocket") || name === "RuntimeTimers";

const isOptions = (name: string | undefined): boolean => name?.endsWith("Options") === true;

function itemsOf(path: string, reflection: Reflection, owner?: string): Item[] {
  const { signatures, getSignature } = reflection;
  const own = signatures ?? [getSignature ?? reflection];
  const isTop = owner === undefined;
  // Of what is inside a member the member's own sentence tells, but each option stands for itself.
  const hasInner = isTop ? !isStandard(reflection) : isOptions(owner);
  const inner = hasInner ? membersOf(reflection).filter((member) => !isSelfEvident(member)) : [];
  return [
    ...own.map((one) => item(path, owner, { ...one, name: reflection.name })),
    ...inner.flatMap((member) =>
      itemsOf(`${path}${isTop ? " " : "."}${member.name}`, member, owner ?? reflection.name),
    ),
  ];
}

const items = modules.flatMap(({ name: module, children = [] }) =>
  // What is exported from two entry points is documented in one of them.
  children.filter(({ variant }) => variant !== "reference").flatMap((one) => itemsOf(`${module} ${one.name}`, one)),
);

function all(type: Type | undefined): readonly Type[] {
  return type === undefined ? [] : [type, ...(type.types ?? []).flatMap(all)];
}

function isNumber({ type }: { readonly type?: Type | undefined }): boolean {
  return all(type).some(({ name }) => name === "number");
}

/** The codes that a call with such a parameter may throw. */
function codesFor(parameter: Reflection): readonly string[] {
  const types = all(parameter.type).map(({ name }) => name);
  const codes: string[] = [];
  if (types.includes("Data") || types.includes("ConnectionRef")) codes.push("BAD_DATA");
  if (types.includes("RoomOption") || parameter.name === "room") codes.push("BAD_ROOM");
  if (types.includes("RoomOption")) codes.push("BAD_OPTION");
  if (types.some((name) => name?.endsWith("Options"))) codes.push("BAD_OPTION");
  if (parameter.name === "ms") codes.push("BAD_DURATION");
  if (parameter.name === "code" && isNumber(parameter)) codes.push("BAD_CLOSE_CODE");
  return codes;
}

/** A default as TSDoc has it. */
function shown(name: string, preset: unknown): string {
  if (preset === undefined || (Array.isArray(preset) && preset.length === 0)) return "none";
  if (typeof preset !== "number") return `\`${JSON.stringify(preset)}\``;
  if (/Bytes$/.test(name) && preset % 2 ** 20 === 0) return `${preset / 2 ** 20} MiB`;
  return preset.toLocaleString("en") + (/Ms$/.test(name) ? " ms" : "");
}

/** Where no value stands for the default. */
const words = new Map([
  ["port", "8080"],
  ["backlog", "Node's 511"],
  ["authorize", "everybody is let in"],
  ["budget.key", "each connection has a bucket of its own"],
  ["resume.verify", "`authorize` is asked again"],
  ["presence.key", "the connection's id"],
  ["presence.info", "`null`"],
  ["presence.notice", "nothing is sent"],
  ["history.store", "in memory"],
  ["history.stamp", "messages go as they are"],
  ["onRequest", "426, or 404 where `static` has no such file"],
  ["logger", "pino at `info`"],
]);

const code = items.find(({ path }) => path === "sendall SendallErrorCode");
const codes = (code?.type?.types ?? []).map(({ value }) => String(value));

describe("the API reference", () => {
  test("has every entry point, with every value that it exports", async () => {
    expect(modules.map(({ name }) => name).sort()).toEqual(entryPoints.toSorted());
    for (const { name, children = [] } of modules) {
      const exported = Object.keys(await import(/* @vite-ignore */ name));
      expect(children.map((child) => child.name)).toEqual(expect.arrayContaining(exported));
    }
  });

  test("has a sentence for every exported name and each of its members", () => {
    const mute = items.filter(({ sentence }) => !/[.:]$/.test(sentence)).map(({ path }) => path);
    expect(mute).toEqual([]);
  });

  test("names the unit of every time and of every size", () => {
    const isTime = ({ name }: Item): boolean => /Ms$|At$|^at$|^now$/.test(name);
    const isSize = ({ name }: Item): boolean => /bytes|^bufferedAmount$/i.test(name);
    const waits = ({ parameters }: Item): boolean => parameters.some(({ name }) => name === "ms");
    const isNumeric = (one: Item): boolean => isNumber(one);
    const bare = [
      ...items.filter(
        (one) => ((isTime(one) && isNumeric(one)) || waits(one)) && !/\bms\b|milliseconds/.test(one.text),
      ),
      ...items.filter((one) => isSize(one) && isNumeric(one) && !/\bbytes?\b|[KM]iB/i.test(one.text)),
    ];
    expect(bare.map(({ path }) => path)).toEqual([]);
  });

  test("names the default of every option", () => {
    // A handler has to be given, and who gives no callback is not called.
    const options = items.filter(({ owner, name }) => isOptions(owner) && !/^handler$|^on[A-Z]/.test(name));
    const silent = options.filter(({ sentence, preset }) => preset === undefined && !/\bdefaults?\b/.test(sentence));
    expect(options.length).toBeGreaterThan(0);
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  test("gives each option of a server the default that it has", () => {
    const documented = Object.keys(optionRows).map((name) => {
      const [group = "", key] = name.split(".");
      const owners = key === undefined ? ["sharedoptions", "serveroptions"] : [`${group}options`];
      // "sockjs" is the option, SockJS the protocol.
      const option = items.find(
        ({ owner = "", name: own }) => owners.includes(owner.toLowerCase()) && own === (key ?? group),
      );
      return [name, option?.preset];
    });
    const expected = Object.entries(optionRows).map(([name, option]) => [
      name,
      words.get(name) ?? shown(name, option.default),
    ]);
    expect(documented).toEqual(expected);
  });

  test("names the errors of every call that refuses what it is given", () => {
    // These build a value; whoever is given it checks it.
    const builders = ["route", "reply", "ping", "pong", "close"].map((name) => `sendall ${name}`);
    // A store is written by the program: the server calls, with what it has checked.
    const isWritten = ({ path }: Item): boolean => path.startsWith("sendall HistoryStore ");
    const calls = items.filter((one) => !builders.includes(one.path) && !isWritten(one));
    const silent = calls.flatMap(({ path, parameters, throws }) =>
      parameters
        .flatMap(codesFor)
        .filter((one) => !throws.includes(one))
        .map((one) => `${path}: ${one}`),
    );
    expect(silent).toEqual([]);
  });

  test("knows every error that a call names, and where each comes from", () => {
    expect(codes).toEqual(expect.arrayContaining(items.flatMap(({ throws }) => throws)));
    // Seen in `stats().failures`.
    const elsewhere = ["HANDLER_TIMEOUT"];
    const sources = items.filter(({ path }) => !path.startsWith("sendall SendallError"));
    const isNamed = (one: string): boolean =>
      sources.some(({ text, throws }) => throws.includes(one) || text.includes(`\`${one}\``));
    expect(codes.filter((one) => !isNamed(one)).sort()).toEqual(elsewhere.toSorted());
  });

  test("says of every error when it comes and what to do", () => {
    expect(codes).toContain("BAD_OPTION");
    const lines = code?.text.split(/ ?- (?=`[A-Z_]+`: )/).slice(1) ?? [];
    expect(lines.map((line) => /^`([A-Z_]+)`: .+?\. .+\.$/.exec(line)?.[1] ?? line)).toEqual(codes);
  });
});
