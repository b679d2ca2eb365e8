/**
 * The house keeps its floors (design, section 4): who may import whom, and which file is the one door to a dependency. The
 * imports are read from the sources, types too; the checker is tried on made-up houses first.
 */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** Sources by their path below `src/`. */
type Sources = Readonly<Record<string, string>>;

interface Import {
  readonly specifier: string;
  /** Gone after compilation. */
  readonly isType: boolean;
  readonly isDynamic: boolean;
}

/**
 * Comments and strings are matched so that what looks like an import within them is passed over. TypeScript 7 has no stable
 * parser API; these few forms are all that its `verbatimModuleSyntax` leaves.
 */
const TOKEN = new RegExp(
  [
    String.raw`//[^\n]*|/\*[\s\S]*?\*/`,
    String.raw`\b(?:import|export)\s+(?<type>type\s)?(?:[\w\s{},*$]*?\bfrom\s*)?(["'])(?<static>[^"'\n]+)\2`,
    String.raw`(?<typeof>\btypeof\s+)?\bimport\s*\(\s*(["'])(?<dynamic>[^"'\n]+)\5`,
    String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`,
  ].join("|"),
  "g",
);

function readImports(source: string): Import[] {
  return [...source.matchAll(TOKEN)].flatMap(({ groups = {} }) => {
    const { type, static: fixed, typeof: ofType, dynamic } = groups;
    if (fixed !== undefined) return { specifier: fixed, isType: type !== undefined, isDynamic: false };
    if (dynamic !== undefined) return { specifier: dynamic, isType: ofType !== undefined, isDynamic: true };
    return [];
  });
}

/** The floors from the top; each word is a file of `src/` or a folder of it, and a room of its own. */
const FLOORS: readonly (readonly string[])[] = [
  ["index", "testing", "cli"],
  ["server", "client"],
  ["actors", "handlers", "sockjs", "cluster"],
  ["bus", "transport", "http"],
];
/** All other files of `src/` itself: one room, and the lowest floor. */
const GROUND = "ground";

function roomOf(path: string): string {
  const [first = "", ...rest] = path.split("/");
  if (rest.length > 0) return first;
  const name = first.replace(/\.ts$/, "");
  return FLOORS.flat().includes(name) ? name : GROUND;
}

/** 0 is the top; `undefined` for a folder that has no floor. */
function floorOf(room: string): number | undefined {
  if (room === GROUND) return FLOORS.length;
  const floor = FLOORS.findIndex((rooms) => rooms.includes(room));
  return floor < 0 ? undefined : floor;
}

/** One door per dependency: the files, or folders (with a slash at the end), that may import it. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  ws: ["transport/websocket.ts", "transport/dial.ts"],
  pino: ["log.ts"],
  sirv: ["http/static.ts"],
  xstate: ["actors/", "handlers/", "sockjs/session.ts", "cluster/link.ts"],
  "node:http": ["http/", "sockjs/"],
  "@nats-io/transport-node": ["cluster/nats.ts"],
  ioredis: ["cluster/redis.ts"],
};
/**
 * Where types of Node's HTTP may be named and nothing of it used: `ws` shakes hands with an `IncomingMessage`, and options of
 * ours hand one to the user.
 */
const TYPE_DOORS: Readonly<Record<string, readonly string[]>> = {
  "node:http": ["transport/websocket.ts", "contracts.ts", "options.ts", "settings.ts"],
};

/** What a browser does not have. */
const NOT_IN_BROWSERS = /^(node:|ws$|ws\/|pino$|pino\/)/;

function isRelative(specifier: string): boolean {
  return specifier.startsWith("./") || specifier.startsWith("../");
}

/** The path below `src/` of the file that a relative import means. */
function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier)).replace(/\.js$/, ".ts");
}

/** `"ws/lib/x"` is of the package `ws`, `"@a/b/c"` of `@a/b`; `"http"` is `"node:http"` by its old name. */
function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1);
  const name = parts.join("/");
  return name === "http" ? "node:http" : name;
}

function checkFloor(path: string, specifier: string): string[] {
  const target = resolve(path, specifier);
  const [from, to] = [roomOf(path), roomOf(target)];
  if (target.startsWith("../")) return [`${path} imports "${specifier}": it leaves src/`];
  const [fromFloor, toFloor] = [floorOf(from), floorOf(to)];
  if (fromFloor === undefined) return [`${path} imports "${specifier}": ${from}/ stands on no floor`];
  if (toFloor === undefined) return [`${path} imports "${specifier}": ${to}/ stands on no floor`];
  if (from === to || toFloor > fromFloor) return [];
  return [
    `${path} imports "${specifier}": ${from} may not import ${toFloor < fromFloor ? "up" : "sideways"} from ${to}`,
  ];
}

function checkDoor(path: string, { specifier, isType }: Import): string[] {
  const name = packageOf(specifier);
  const doors = DOORS[name];
  if (doors === undefined)
    return name.startsWith("node:") ? [] : [`${path} imports "${specifier}": ${name} has no door`];
  const open = isType ? [...doors, ...(TYPE_DOORS[name] ?? [])] : doors;
  if (open.some((door) => (door.endsWith("/") ? path.startsWith(door) : path === door))) return [];
  return [`${path} imports "${specifier}": only ${doors.join(", ")} may`];
}

/** What the client needs in a browser: `transport/dial.ts`, asked for by `import()`, is for Node. */
function reachableFrom(sources: Sources, start: string): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const waiting = [start];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const source = sources[path];
    if (source === undefined || found.has(path)) continue;
    const imports = readImports(source).filter(({ isType }) => !isType);
    found.set(
      path,
      imports.map(({ specifier }) => specifier),
    );
    for (const { specifier, isDynamic } of imports) {
      const target = isRelative(specifier) ? resolve(path, specifier) : undefined;
      if (target !== undefined && !(isDynamic && target === "transport/dial.ts")) waiting.push(target);
    }
  }
  return found;
}

/** Every breach of the house's rules, one line each. */
function findBreaches(sources: Sources): string[] {
  const breaches = Object.entries(sources).flatMap(([path, source]) =>
    readImports(source).flatMap((one) =>
      isRelative(one.specifier) ? checkFloor(path, one.specifier) : checkDoor(path, one),
    ),
  );
  for (const [path, specifiers] of reachableFrom(sources, "client.ts"))
    for (const specifier of specifiers)
      if (NOT_IN_BROWSERS.test(specifier))
        breaches.push(`${path} imports "${specifier}": client.ts reaches it, and a browser does not have it`);
  return breaches;
}

function readSources(): Sources {
  const src = fileURLToPath(new URL("../src", import.meta.url));
  const paths = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  return Object.fromEntries(paths.map((path) => [path.replaceAll("\\", "/"), readFileSync(`${src}/${path}`, "utf8")]));
}

describe("the house", () => {
  test("keeps its floors and doors", () => {
    expect(findBreaches(readSources())).toEqual([]);
  });

  test("is read as it stands", () => {
    const sources = readSources();
    const imports = Object.entries(sources).flatMap(([path, source]) =>
      readImports(source).map(({ specifier }) => `${path} ${specifier}`),
    );
    expect(imports).toContain("server.ts ./actors/route.js");
    expect(imports).toContain("transport/websocket.ts ws");
    const known = imports.filter((line) => / \.\.?\//.test(line)).map((line) => line.split(" ") as [string, string]);
    for (const [path, specifier] of known) expect(Object.keys(sources)).toContain(resolve(path, specifier));
  });
});

describe("the reader of imports", () => {
  test.each([
    ['import { a } from "./a.js";', [["./a.js", false, false]]],
    ['import type { A } from "./a.js";', [["./a.js", true, false]]],
    ['import { type A, b } from "./a.js";', [["./a.js", false, false]]],
    ['import a, * as all from "./a.js";', [["./a.js", false, false]]],
    ['import {\n  a,\n  $b,\n} from "./a.js";', [["./a.js", false, false]]],
    ['import "./a.js";', [["./a.js", false, false]]],
    ["import a from './a.js';", [["./a.js", false, false]]],
    ['export { a } from "./a.js";', [["./a.js", false, false]]],
    ['export type * from "./a.js";', [["./a.js", true, false]]],
    ['const a = await import("./a.js");', [["./a.js", false, true]]],
    ['type A = typeof import("./a.js");', [["./a.js", true, true]]],
    ['/** import { a } from "./a.js" */', []],
    ['// import "./a.js"', []],
    ["const text = \"import './a.js'\";", []],
    ['export const from = "./a.js";', []],
    ['const url = "http://x"; import "./a.js";', [["./a.js", false, false]]],
  ])("reads %j", (source, expected) => {
    expect(readImports(source).map((one) => [one.specifier, one.isType, one.isDynamic])).toEqual(expected);
  });
});

describe("the checker", () => {
  test.each<[rule: string, sources: Sources]>([
    ["a room imports from itself", { "bus/a.ts": 'import "./b.js";', "bus/b.ts": "" }],
    ["ground files import one another", { "clock.ts": 'import "./errors.js";', "errors.ts": "" }],
    ["a room imports from any lower floor", { "actors/a.ts": 'import "../bus/b.js"; import "../clock.js";' }],
    ["the top imports from everywhere below", { "index.ts": 'import "./server.js"; import "./actors/a.js";' }],
    ["Node's modules but node:http are free", { "options.ts": 'import "node:fs";' }],
    ["node:http is free in http", { "http/listen.ts": 'import "node:http";' }],
    ["websocket.ts names types of node:http", { "transport/websocket.ts": 'import type { A } from "node:http";' }],
    [
      "the client asks for dial.ts when it runs in Node",
      { "client.ts": 'import("./transport/dial.js");', "transport/dial.ts": 'import "ws";' },
    ],
    [
      "types do not reach a browser",
      { "client.ts": 'import type { A } from "./head.js";', "head.ts": 'import "node:fs";' },
    ],
  ])("accepts that %s", (_rule, sources) => {
    expect(findBreaches(sources)).toEqual([]);
  });

  test.each<[rule: string, sources: Sources, breach: string]>([
    [
      "ground imports up",
      { "clock.ts": 'import type { Bus } from "./bus/bus.js";' },
      'clock.ts imports "./bus/bus.js": ground may not import up from bus',
    ],
    [
      "a lower floor imports up",
      { "bus/turn.ts": 'import { Route } from "../actors/route.js";' },
      'bus/turn.ts imports "../actors/route.js": bus may not import up from actors',
    ],
    [
      "a room imports server.ts",
      { "actors/route.ts": 'import type { Server } from "../server.js";' },
      'actors/route.ts imports "../server.js": actors may not import up from server',
    ],
    [
      "a room imports its neighbour",
      { "bus/bus.ts": 'export { encodeFrame } from "../transport/frame.js";' },
      'bus/bus.ts imports "../transport/frame.js": bus may not import sideways from transport',
    ],
    [
      "index imports testing",
      { "index.ts": 'export type { TestClient } from "./testing/client.js";' },
      'index.ts imports "./testing/client.js": index may not import sideways from testing',
    ],
    [
      "server imports client",
      { "server.ts": 'await import("./client.js");' },
      'server.ts imports "./client.js": server may not import sideways from client',
    ],
    [
      "a file leaves src",
      { "cli.ts": 'import "../test/stage.js";' },
      'cli.ts imports "../test/stage.js": it leaves src/',
    ],
    [
      "a room stands on no floor",
      { "server.ts": 'import "./util/a.js";' },
      'server.ts imports "./util/a.js": util/ stands on no floor',
    ],
    [
      "a package comes in by another door",
      { "bus/bus.ts": 'import type { WebSocket } from "ws";' },
      'bus/bus.ts imports "ws": only transport/websocket.ts, transport/dial.ts may',
    ],
    [
      "pino is not in log.ts",
      { "server.ts": 'import { pino } from "pino";' },
      'server.ts imports "pino": only log.ts may',
    ],
    [
      "sirv is not in static.ts",
      { "http/listen.ts": 'import "sirv";' },
      'http/listen.ts imports "sirv": only http/static.ts may',
    ],
    [
      "xstate is in the server",
      { "server.ts": 'import "xstate/actors";' },
      'server.ts imports "xstate/actors": only actors/, handlers/, sockjs/session.ts, cluster/link.ts may',
    ],
    [
      "node:http is used outside http",
      { "server.ts": 'import type { Server } from "node:http";' },
      'server.ts imports "node:http": only http/, sockjs/ may',
    ],
    [
      "websocket.ts uses node:http",
      { "transport/websocket.ts": 'import { type IncomingMessage } from "node:http";' },
      'transport/websocket.ts imports "node:http": only http/, sockjs/ may',
    ],
    [
      "node:http has its old name",
      { "server.ts": 'import "http";' },
      'server.ts imports "http": only http/, sockjs/ may',
    ],
    [
      "a package has no door",
      { "fifo.ts": 'import "@scope/list/a";' },
      'fifo.ts imports "@scope/list/a": @scope/list has no door',
    ],
    [
      "the house imports itself by name",
      { "cli.ts": 'import "sendall";' },
      'cli.ts imports "sendall": sendall has no door',
    ],
    [
      "the client reaches Node's modules",
      { "client.ts": 'import "./clock.js";', "clock.ts": 'import "node:timers";' },
      'clock.ts imports "node:timers": client.ts reaches it, and a browser does not have it',
    ],
    [
      "the client always loads dial.ts",
      { "client.ts": 'import "./transport/dial.js";', "transport/dial.ts": 'import "ws";' },
      'transport/dial.ts imports "ws": client.ts reaches it, and a browser does not have it',
    ],
  ])("refuses that %s", (_rule, sources, breach) => {
    expect(findBreaches(sources)).toEqual([breach]);
  });
});
