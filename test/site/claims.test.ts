/** Holds the reference to its word: its tables have what the code has, no more and no less. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Server, serve } from "sendall";
import { metrics } from "sendall/metrics";
import { memory } from "sendall/testing/cluster-adapter";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as closeCodes from "../../src/api/close-codes.js";
import { optionRows } from "../unit/options/rows.js";
import { CLI, HOME } from "./programs.js";
import { columnOf, namesIn, readDocs, rowsOf, section } from "./tables.js";

const source = (path: string): string => readFileSync(`${HOME}src/${path}`, "utf8");

let server: Server;
beforeAll(async () => {
  server = await serve({ port: 0, logger: false, cluster: memory(), handler() {} });
});
afterAll(() => server.close());

describe("the options", () => {
  const page = readDocs("reference/options");
  const rows = rowsOf(page).filter(({ cells }) => cells[2] === "server" || cells[2] === "route");
  /** Where the default is no value. */
  const words = new Map<string, string>([
    ["backlog", "Node's 511"],
    ["static", "none"],
    ["client", "none"],
    ["cluster", "none"],
    ["tls", "none"],
    ["authorize", "everybody"],
    ["resume.verify", "`authorize`"],
    ["budget.key", "one for each connection"],
    ["presence.key", "the connection's id"],
    ["presence.info", "`null`"],
    ["presence.notice", "none"],
    ["history.store", "in memory"],
    ["history.stamp", "none"],
    ["onRequest", "none"],
    ["onAccess", "none"],
    ["logger", "pino at `info`"],
  ]);

  test("are those of the code, with default and place", () => {
    const shown = rows.map(({ cells }) => [namesIn(cells[0])[0], cells[1], cells[2]]);
    const expected = Object.entries(optionRows).map(([name, option]) => [
      name,
      words.get(name) ?? `\`${JSON.stringify(option.default)}\``,
      option.scope,
    ]);
    // The page orders options by subject, the code by the order of its checks.
    expect(shown.toSorted()).toEqual(expected.toSorted());
  });

  test("have an anchor each: an option of its own in its row, a group in its heading", () => {
    for (const { anchor, cells } of rows) {
      const [group = "", member] = (namesIn(cells[0])[0] ?? "").split(".");
      if (member === undefined) expect(anchor).toBe(group.toLowerCase());
      else expect(rowsOf(section(page, group)).map((row) => row.cells[0])).toContain(cells[0]);
    }
  });
});

describe("the close codes", () => {
  const page = readDocs("reference/close-codes");
  const rows = rowsOf(section(page, "Close codes"))
    .filter(({ cells }) => cells.length === 4)
    .map(({ cells: [code, reason = "", , client] }) => ({
      code: Number(code),
      reason: reason.replaceAll("`", ""),
      client,
    }));
  const isReason = (value: unknown): value is closeCodes.CloseReason =>
    typeof value === "object" && value !== null && "code" in value && "reason" in value;

  test("are all that the code sends, with their reasons", () => {
    const sent = Object.values(closeCodes as Record<string, unknown>).filter(isReason);
    expect(sent.length).toBeGreaterThan(15);
    const asText = ({ code, reason }: closeCodes.CloseReason): string => `${code} ${JSON.stringify(reason)}`;
    const shown = rows.map(({ code, reason }) => `${code} ${reason}`);
    // Of the receiver of frames come 1002, 1007 and 1009, without a reason.
    const fromFrames = ["1002", "1007", "1009"].map((code) => `${code} ""`);
    const stand = [`${closeCodes.NO_CODE} `, `${closeCodes.ABNORMAL} `];
    expect([...new Set(shown)].toSorted()).toEqual(
      [...new Set([...sent.map(asText), ...fromFrames, ...stand])].toSorted(),
    );
  });

  test("say of each code what the client does", () => {
    for (const { code, client } of rows)
      expect([code, client]).toEqual([code, closeCodes.isFinalCode(code) ? "stays away" : "comes back"]);
    const [, list = ""] = /stays away where .*: after ([\d, and]+)\. It comes back/.exec(page) ?? [];
    const all = Array.from({ length: 4_000 }, (_, i) => 1_000 + i);
    expect(list.match(/\d+/g)?.map(Number)).toEqual(all.filter(closeCodes.isFinalCode));
    for (const code of page.match(/including ([\d, and]+), and your own/)?.[1]?.match(/\d+/g) ?? [])
      expect(closeCodes.isFinalCode(Number(code))).toBe(false);
  });

  test("stand beside every status with which a request is refused", () => {
    const rooms = ["admission", "http", "sockjs", "server"];
    const files = rooms.flatMap((room) =>
      readdirSync(`${HOME}src/${room}`, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => source(`${room}/${name}`)),
    );
    const statuses = files.flatMap((text) =>
      Array.from(
        text.matchAll(/\bstatus: ([45]\d\d)\b|\banswer\w*\(\w+, ([45]\d\d)\b|writeHead\(([45]\d\d)\b/g),
        ([, ...found]) => found.find((status) => status !== undefined),
      ),
    );
    const shown = rowsOf(section(page, "HTTP statuses")).map(({ cells }) => cells[0]);
    expect(shown.filter((cell) => cell !== "yours")).toEqual([...new Set(statuses)].toSorted());
  });

  test("say after which statuses the client stays away", () => {
    const all = Array.from({ length: 300 }, (_, i) => 300 + i);
    const passing = all.filter((status) => status >= 400 && status < 500 && !closeCodes.isFinalStatus(status));
    expect(page).toContain(`stays away after 4xx, except ${passing.slice(0, -1).join(", ")} and ${passing.at(-1)}`);
    expect(all.filter((status) => (status < 400 || status >= 500) && closeCodes.isFinalStatus(status))).toEqual([]);
  });
});

describe("the errors", () => {
  test("have every code once, each with an anchor", () => {
    const [, union = ""] = /export type SendallErrorCode =([^;]+);/.exec(source("api/errors.ts")) ?? [];
    const codes = Array.from(union.matchAll(/"(\w+)"/g), ([, code = ""]) => code);
    const rows = rowsOf(readDocs("reference/errors")).filter(({ anchor }) => anchor !== undefined);
    expect(columnOf(rows, 0).toSorted()).toEqual(codes.toSorted());
    for (const { anchor, cells } of rows) expect(anchor).toBe(namesIn(cells[0])[0]?.toLowerCase().replaceAll("_", "-"));
  });
});

/** Names of the members of an interface, by its source. */
function membersOf(file: string, name: string): string[] {
  const [, body = ""] =
    new RegExp(`^(?:export )?interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, "m").exec(source(file)) ?? [];
  return Array.from(body.matchAll(/^ {2}(?:readonly )?(\w+)\??[(:]/gm), ([, member = ""]) => member);
}

describe("the statistics", () => {
  const page = readDocs("reference/statistics");
  /** The table that stands directly below a heading. */
  const keysBelow = (heading: string): string[] => {
    const [own = ""] = section(page, heading).split(/^#/m);
    return columnOf(rowsOf(own), 0).map((name) => name.replace("[]", ""));
  };

  test("have the keys of stats()", () => {
    expect(keysBelow("stats()").toSorted()).toEqual(Object.keys(server.stats()).toSorted());
    expect(keysBelow("cluster").toSorted()).toEqual(Object.keys(server.stats().cluster ?? {}).toSorted());
    expect(keysBelow("failures").toSorted()).toEqual(membersOf("api/stats.ts", "Failure").toSorted());
    for (const reason of Object.keys(server.stats().droppedBy))
      expect(section(page, "stats()")).toContain(`\`${reason}\``);
  });

  test("have the keys of snapshot()", () => {
    const named = new Set(Array.from(section(page, "snapshot()").matchAll(/`([\w]+)(?:\[\])?`/g), ([, name]) => name));
    const types = [
      "Snapshot",
      "RouteSnapshot",
      "RouteRates",
      "TurnLength",
      "EventUnderWay",
      "ConnectionSnapshot",
      "RoomSnapshot",
    ];
    const keys = types.flatMap((name) => membersOf("api/snapshot.ts", name));
    expect(keys.length).toBeGreaterThan(40);
    expect(keys.filter((key) => !named.has(key))).toEqual([]);
  });

  test("have every series of the metrics, with its kind and its labels", () => {
    const text = metrics(server, { histograms: true }).text();
    const kinds = new Map(
      Array.from(text.matchAll(/^# TYPE (\w+) (\w+)$/gm), ([, name = "", kind = ""]) => [name, kind]),
    );
    // Of the process that starts workers; test/e2e/cli-metrics.test.ts has them.
    kinds.set("sendall_workers", "gauge").set("sendall_worker_deaths_total", "counter");
    const rows = rowsOf(section(page, "Metrics"));
    expect(Object.fromEntries(rows.map(({ cells }) => [namesIn(cells[0])[0], cells[1]]))).toEqual(
      Object.fromEntries(kinds),
    );
    for (const { cells } of rows) {
      const [name = ""] = namesIn(cells[0]);
      const labels = new Set(
        Array.from(text.matchAll(new RegExp(`^${name}\\{(.*)\\}`, "gm")), ([, list = ""]) => list).flatMap((list) =>
          Array.from(list.matchAll(/(\w+)="/g), ([, label = ""]) => label),
        ),
      );
      if (labels.size > 0)
        expect([name, ...namesIn(cells[2])]).toEqual([name, ...[...labels].filter((label) => label !== "route")]);
      expect(labels.has("route"), name).toBe(!cells[2]?.includes("no `route`") && labels.size > 0);
    }
  });
});

describe("the command", () => {
  const page = readDocs("reference/command");
  const help = (command: string): string =>
    spawnSync(process.execPath, [CLI, command, "--help"], { encoding: "utf8" }).stdout;

  test.each(["serve", "connect", "asyncapi"])("has the options of sendall %s", (command) => {
    const [, list = ""] = /^Options.*:\n([\s\S]*?)\n\n/m.exec(help(command)) ?? [];
    const options = Array.from(
      list.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)( <[^>]+>)?/gm),
      ([, name = "", value = ""]) => name + value,
    );
    expect(options.length).toBeGreaterThan(4);
    const [own = ""] = section(page, `sendall ${command}`).split(/^###/m);
    const shown = rowsOf(own).map(({ cells }) => /`(--[^`]+)`/.exec(cells[0] ?? "")?.[1]);
    expect(shown).toEqual(options);
  });

  test.each(["serve", "connect", "asyncapi"])("has the exit codes of sendall %s", (command) => {
    const [text = ""] = help(command).split("Exit codes: ")[1]?.split("\n\n") ?? [];
    const sentences = text.replaceAll("\n", " ").split(text.includes(";") ? ";" : ",");
    const codes = sentences.flatMap((sentence) => /^[\d, ]+/.exec(sentence)?.[0].match(/\d+/g) ?? []);
    const part = section(page, `sendall ${command}`);
    const table = rowsOf(part).flatMap(({ cells }) =>
      /^[\d, ]+$/.test(cells[0] ?? "") ? (cells[0]?.split(", ") ?? []) : [],
    );
    const shown = table.length > 0 ? table : part.match(/(?<=Exit codes: |; )\d+(?=,)/g);
    expect(codes.length).toBeGreaterThan(2);
    expect(shown).toEqual(codes);
  });

  test("has the commands at the prompt", () => {
    const commands = Array.from(help("connect").matchAll(/^ {2}(\/\S+)/gm), ([, name = ""]) =>
      name.replace("//...", "//…"),
    );
    const shown = rowsOf(section(page, "Commands at the prompt")).map(
      ({ cells }) => /`(\/[^ `]+)/.exec(cells[0] ?? "")?.[1],
    );
    expect(commands.length).toBeGreaterThan(2);
    expect(shown).toEqual(commands);
  });
});

describe("the examples", () => {
  test("are those that npm run example starts", () => {
    const page = readDocs("reference/examples");
    const run = fileURLToPath(new URL("../../examples/run.js", import.meta.url));
    const { stderr } = spawnSync(process.execPath, [run], { encoding: "utf8" });
    const [, list = ""] = /there are (.*)/.exec(stderr) ?? [];
    const names = list.trim().split(", ");
    expect(columnOf(rowsOf(page), 0).toSorted()).toEqual(names.toSorted());
    expect(page).toContain(`The repository has ${names.length} servers`);
  });
});

describe("the first page of the reference", () => {
  const page = readDocs("reference/index");

  test("has every import of the package, and names that it exports", async () => {
    const { exports } = JSON.parse(readFileSync(`${HOME}package.json`, "utf8"));
    const paths = Object.keys(exports).map((path) => path.replace(/^\./, "sendall"));
    const rows = rowsOf(section(page, "Imports"));
    const modules = [...new Set(rows.map(({ cells }) => cells[0]?.replaceAll("`", "") ?? ""))];
    const files = paths.filter((path) => path.endsWith(".json") || path.endsWith(".js"));
    expect(modules.toSorted()).toEqual(paths.filter((path) => !files.includes(path)).toSorted());
    for (const { cells } of rows) {
      const exported = Object.keys(await import(/* @vite-ignore */ cells[0]?.replaceAll("`", "") ?? ""));
      expect(exported).toEqual(expect.arrayContaining(namesIn(cells[1])));
    }
  });

  test("has every event with its fields", () => {
    const interfaces = [...source("api/events.ts").matchAll(/^export interface (\w+Event)\b[\s\S]*?^\}/gm)];
    const expected = interfaces.map(([text, name = ""]) => {
      const isPresence = text.includes("extends PresenceEvent");
      const inherited = isPresence ? membersOf("api/events.ts", "PresenceEvent") : [];
      const fields = [...inherited, ...membersOf("api/events.ts", name)].filter((field) => field !== "type");
      return [
        /readonly type: "(\w+)"/.exec(text)?.[1],
        isPresence ? fields.filter((field) => field !== "connection") : fields,
      ];
    });
    expect(expected.length).toBeGreaterThan(10);
    const shown = rowsOf(section(page, "Events")).flatMap(({ cells }) =>
      namesIn(cells[0]).map((type) => [type, namesIn(cells[1])]),
    );
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(expected));
  });

  test("has every verb of the bus", () => {
    const verbs = [...membersOf("api/bus.ts", "Verbs"), ...membersOf("api/bus.ts", "Bus")];
    expect(verbs.length).toBeGreaterThan(15);
    expect(columnOf(rowsOf(section(page, "The bus")), 0).toSorted()).toEqual(verbs.toSorted());
  });
});
