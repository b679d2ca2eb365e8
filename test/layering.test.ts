/**
 * The house keeps its floors (ARCHITECTURE.md): which room may import which, and which file is the one door to a dependency. No
 * two files import one another, and each exported type has one place. Imports are read from the sources, types too; the checker is
 * tried on made-up houses first.
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

/** A file at the top of `src/`: the door plate of one subpath of package.json, which re-exports and does nothing else. */
const PLATES = "door plates";
const MAX_PLATES = 14;

/** The floors from the top. Each word is a folder of `src/`, and a room; rooms of one floor do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  [PLATES],
  ["cli", "testing", "react", "otel"],
  ["server", "client", "asyncapi", "metrics"],
  ["handlers", "sockjs"],
  ["actors"],
  ["cluster", "http"],
  ["admission"],
  ["transport", "history"],
  ["options", "log"],
  ["protocol"],
  ["api"],
  ["runtime"],
];

function roomOf(path: string): string {
  const [first = "", ...rest] = path.split("/");
  return rest.length > 0 ? first : PLATES;
}

/** 0 is the top; `undefined` for a folder that has no floor. */
function floorOf(room: string): number | undefined {
  const floor = FLOORS.findIndex((rooms) => rooms.includes(room));
  return floor < 0 ? undefined : floor;
}

/** One door per dependency: the files, or folders (with a slash at the end), that may import it. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  // `imports` of package.json: the package `ws`, on Bun what `ws-on-bun.ts` loads.
  "#ws": ["transport/websocket.ts", "client/node-socket.ts"],
  ws: ["transport/ws-on-bun.ts"],
  pino: ["log/log.ts"],
  sirv: ["http/static.ts"],
  xstate: [
    "actors/",
    "handlers/",
    "server/server-actor.ts",
    "sockjs/http/session-machine.ts",
    "sockjs/http/session-supervisor.ts",
    "cluster/link.ts",
  ],
  "node:http": ["http/", "sockjs/"],
  "@nats-io/transport-node": ["cluster/engines/nats-connection.ts"],
  "@nats-io/jetstream": ["cluster/engines/jetstream-link.ts"],
  ioredis: ["cluster/engines/redis-connection.ts"],
  react: ["react/"],
  "@opentelemetry/api": ["otel/"],
};
/**
 * Rooms that see one plate, and nothing else of the house. The build makes a single file of `client.ts`: whoever imported what is behind the
 * plate would load a part of the client twice.
 */
const LODGERS: Readonly<Record<string, string>> = { react: "client.ts" };
/**
 * Where a dependency's types may be named, and nothing else used: `ws` shakes hands with an `IncomingMessage`, and options hand a
 * request of Node or a client of `ioredis` over.
 */
const TYPE_DOORS: Readonly<Record<string, readonly string[]>> = {
  "node:http": [
    "transport/websocket.ts",
    "api/",
    "options/",
    "admission/",
    "server/listener.ts",
    "metrics/endpoint.ts",
  ],
  ioredis: ["cluster/engines/redis-options.ts"],
  "@nats-io/transport-node": ["cluster/engines/nats-options.ts"],
  "@nats-io/jetstream": ["cluster/engines/jetstream-consumer.ts", "cluster/engines/jetstream-stream.ts"],
};

/** What a browser does not have. */
const NOT_IN_BROWSERS = /^(node:|#?ws$|ws\/|pino$|pino\/)/;

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
  const plate = LODGERS[from];
  if (plate !== undefined && from !== to)
    return target === plate ? [] : [`${path} imports "${specifier}": ${from} sees ${plate} alone`];
  const [fromFloor, toFloor] = [floorOf(from), floorOf(to)];
  if (fromFloor === undefined) return [`${path} imports "${specifier}": ${from}/ stands on no floor`];
  if (toFloor === undefined) return [`${path} imports "${specifier}": ${to}/ stands on no floor`];
  if (from === to && from !== PLATES) return [];
  if (toFloor > fromFloor) return [];
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

/** What the client needs in a browser: `client/node-socket.ts`, asked for by `import()`, is for Node. */
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
      if (target !== undefined && !(isDynamic && target === "client/node-socket.ts")) waiting.push(target);
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
  return [...breaches, ...findCircles(sources), ...findNamesakes(sources), ...checkPlates(sources)];
}

/** Files that import one another, types too: a line for each circle, with its files in alphabetical order. */
function findCircles(sources: Sources): string[] {
  const targets = new Map(
    Object.entries(sources).map(([path, source]) => [
      path,
      readImports(source)
        .filter(({ specifier }) => isRelative(specifier))
        .map(({ specifier }) => resolve(path, specifier)),
    ]),
  );
  const reach = new Map(Object.keys(sources).map((path) => [path, reachableBy(targets, path)]));
  const circles = Object.keys(sources).map((path) =>
    [...(reach.get(path) ?? [])].filter((other) => other === path || reach.get(other)?.has(path)).sort(),
  );
  return [...new Set(circles.filter((circle) => circle.length > 0).map((circle) => circle.join(", ")))].map(
    (circle) => `${circle}: files may not import one another`,
  );
}

/** Whatever a file imports, directly or not; the file itself only if some of these import the file. */
function reachableBy(targets: ReadonlyMap<string, readonly string[]>, start: string): Set<string> {
  const found = new Set<string>();
  const waiting = [...(targets.get(start) ?? [])];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path) || !targets.has(path)) continue;
    found.add(path);
    waiting.push(...(targets.get(path) ?? []));
  }
  return found;
}

const TYPE = /^export (?:declare )?(?:abstract class|class|interface|type) (\w+)/gm;

/** An exported type has one place: of two with the same name a reader finds the wrong one. */
function findNamesakes(sources: Sources): string[] {
  const places = new Map<string, string[]>();
  for (const [path, source] of Object.entries(sources))
    for (const [, name = ""] of source.matchAll(TYPE)) places.set(name, [...(places.get(name) ?? []), path]);
  return [...places]
    .filter(([, paths]) => paths.length > 1)
    .map(([name, paths]) => `${paths.join(", ")}: the type ${name} is declared more than once`);
}

/** The statements that a door plate may hold: re-exports, and comments. The command is the one that also runs something. */
const RE_EXPORT = /\/\*[\s\S]*?\*\/|^export (?:type )?\{[^}]*\} from "[^"]+";$/gm;

function checkPlates(sources: Sources): string[] {
  const plates = Object.keys(sources).filter((path) => roomOf(path) === PLATES);
  const full = plates.filter((path) => path !== "cli.ts" && (sources[path] ?? "").replace(RE_EXPORT, "").trim() !== "");
  return [
    ...(plates.length > MAX_PLATES ? [`src/ has ${plates.length} door plates: ${MAX_PLATES} are enough`] : []),
    ...full.map((path) => `${path} is a door plate: it may only re-export`),
  ];
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

  test("has its imports found by the reader", () => {
    const sources = readSources();
    const imports = Object.entries(sources).flatMap(([path, source]) =>
      readImports(source).map(({ specifier }) => `${path} ${specifier}`),
    );
    expect(imports).toContain("server/create-server.ts ../actors/route/route.js");
    expect(imports).toContain("transport/websocket.ts #ws");
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
    ["a room imports from itself", { "actors/a.ts": 'import "./b.js";', "actors/b.ts": "" }],
    ["a room imports from any lower floor", { "actors/a.ts": 'import "../http/b.js"; import "../runtime/clock.js";' }],
    ["a plate re-exports", { "nats.ts": '/** NATS. */\nexport { nats } from "./cluster/engines/nats.js";' }],
    ["the command runs what it imports", { "cli.ts": 'import { main } from "./cli/main.js";\n\nmain();' }],
    ["Node's modules but node:http are free", { "options/a.ts": 'import "node:fs";' }],
    ["node:http is free in http", { "http/listen.ts": 'import "node:http";' }],
    ["websocket.ts names types of node:http", { "transport/websocket.ts": 'import type { A } from "node:http";' }],
    [
      "the client asks for node-socket.ts when it runs in Node",
      {
        "client.ts": 'export { connect } from "./client/connect.js";',
        "client/connect.ts": 'import("./node-socket.js");',
        "client/node-socket.ts": 'import "#ws";',
      },
    ],
    [
      "types do not reach a browser",
      {
        "client.ts": 'export type { A } from "./options/a.js";',
        "options/a.ts": 'import "node:fs";',
      },
    ],
    ["the hooks import the plate of the client, and React", { "react/a.ts": 'import "../client.js"; import "react";' }],
    ["two files import a third", { "api/a.ts": 'import "./c.js";', "api/b.ts": 'import "./c.js";', "api/c.ts": "" }],
    ["two rooms have a private type of one name", { "api/a.ts": "interface A {}", "http/a.ts": "interface A {}" }],
  ])("accepts that %s", (_rule, sources) => {
    expect(findBreaches(sources)).toEqual([]);
  });

  test.each<[rule: string, sources: Sources, breach: string]>([
    [
      "a lower floor imports up",
      { "runtime/turn.ts": 'import { Route } from "../actors/route/route.js";' },
      'runtime/turn.ts imports "../actors/route/route.js": runtime may not import up from actors',
    ],
    [
      "a room imports a plate",
      { "actors/route.ts": 'import type { Server } from "../index.js";' },
      'actors/route.ts imports "../index.js": actors may not import up from door plates',
    ],
    [
      "a room imports its neighbour",
      { "http/a.ts": 'export { Relay } from "../cluster/relay.js";' },
      'http/a.ts imports "../cluster/relay.js": http may not import sideways from cluster',
    ],
    [
      "a plate imports a plate",
      { "index.ts": 'export { connect } from "./client.js";' },
      'index.ts imports "./client.js": door plates may not import sideways from door plates',
    ],
    [
      "server imports client",
      { "server/serve.ts": 'await import("../client/connect.js");' },
      'server/serve.ts imports "../client/connect.js": server may not import sideways from client',
    ],
    [
      "a file leaves src",
      { "cli/main.ts": 'import "../../test/stage.js";' },
      'cli/main.ts imports "../../test/stage.js": it leaves src/',
    ],
    [
      "a room stands on no floor",
      { "server/a.ts": 'import "../util/a.js";' },
      'server/a.ts imports "../util/a.js": util/ stands on no floor',
    ],
    [
      "two files import one another",
      { "api/a.ts": 'import "./b.js";', "api/b.ts": 'import type { A } from "./a.js";' },
      "api/a.ts, api/b.ts: files may not import one another",
    ],
    [
      "three files import one another",
      { "api/a.ts": 'import "./b.js";', "api/b.ts": 'import "./c.js";', "api/c.ts": 'import "./a.js";' },
      "api/a.ts, api/b.ts, api/c.ts: files may not import one another",
    ],
    [
      "a type is declared twice",
      { "api/a.ts": "export interface Address {}", "http/b.ts": "export type Address = string;" },
      "api/a.ts, http/b.ts: the type Address is declared more than once",
    ],
    [
      "a plate does something",
      { "client.ts": "export const a = 1;" },
      "client.ts is a door plate: it may only re-export",
    ],
    [
      "there are too many plates",
      Object.fromEntries(Array.from({ length: MAX_PLATES + 1 }, (_, i) => [`a${i}.ts`, ""])),
      "src/ has 15 door plates: 14 are enough",
    ],
    [
      "the hooks import what is behind the plate of the client",
      { "react/a.ts": 'import "../client/connect.js";' },
      'react/a.ts imports "../client/connect.js": react sees client.ts alone',
    ],
    [
      "the hooks import from a lower floor",
      { "react/a.ts": 'import type { A } from "../api/a.js";' },
      'react/a.ts imports "../api/a.js": react sees client.ts alone',
    ],
    ["React is in the client", { "client/a.ts": 'import "react";' }, 'client/a.ts imports "react": only react/ may'],
    [
      "a package comes in by another door",
      { "actors/bus.ts": 'import type { WebSocket } from "#ws";' },
      'actors/bus.ts imports "#ws": only transport/websocket.ts, client/node-socket.ts may',
    ],
    [
      "ws is imported by its own name, which means another module on Bun",
      { "transport/websocket.ts": 'import { WebSocket } from "ws";' },
      'transport/websocket.ts imports "ws": only transport/ws-on-bun.ts may',
    ],
    [
      "pino is not in log.ts",
      { "server/serve.ts": 'import { pino } from "pino";' },
      'server/serve.ts imports "pino": only log/log.ts may',
    ],
    [
      "sirv is not in static.ts",
      { "http/listen.ts": 'import "sirv";' },
      'http/listen.ts imports "sirv": only http/static.ts may',
    ],
    [
      "xstate is in the transport",
      { "transport/a.ts": 'import "xstate/actors";' },
      `transport/a.ts imports "xstate/actors": only ${DOORS.xstate?.join(", ")} may`,
    ],
    [
      "node:http is used outside http",
      { "server/serve.ts": 'import type { Server } from "node:http";' },
      'server/serve.ts imports "node:http": only http/, sockjs/ may',
    ],
    [
      "websocket.ts uses node:http",
      { "transport/websocket.ts": 'import { type IncomingMessage } from "node:http";' },
      'transport/websocket.ts imports "node:http": only http/, sockjs/ may',
    ],
    [
      "node:http has its old name",
      { "server/serve.ts": 'import "http";' },
      'server/serve.ts imports "http": only http/, sockjs/ may',
    ],
    [
      "a package has no door",
      { "runtime/fifo.ts": 'import "@scope/list/a";' },
      'runtime/fifo.ts imports "@scope/list/a": @scope/list has no door',
    ],
    [
      "the house imports itself by name",
      { "cli/main.ts": 'import "sendall";' },
      'cli/main.ts imports "sendall": sendall has no door',
    ],
    [
      "the client reaches Node's modules",
      { "client.ts": 'export { a } from "./runtime/clock.js";', "runtime/clock.ts": 'import "node:timers";' },
      'runtime/clock.ts imports "node:timers": client.ts reaches it, and a browser does not have it',
    ],
    [
      "the client always loads node-socket.ts",
      {
        "client.ts": 'export { connect } from "./client/connect.js";',
        "client/connect.ts": 'import "./node-socket.js";',
        "client/node-socket.ts": 'import "#ws";',
      },
      'client/node-socket.ts imports "#ws": client.ts reaches it, and a browser does not have it',
    ],
  ])("refuses that %s", (_rule, sources, breach) => {
    expect(findBreaches(sources)).toEqual([breach]);
  });
});
