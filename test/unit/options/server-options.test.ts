/** Options: each is taken as given, has its default, and is refused by its dotted name. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, describe, expect, test } from "vitest";
import { SendallError } from "../../../src/api/errors.js";
import { readServerOptions } from "../../../src/options/read-server-options.js";
import { isHandler } from "../../../src/options/server-kinds.js";
import { handlingTable, type RouteSettings, routeTable, serverTable } from "../../../src/options/server-options.js";
import { TRANSLATIONS } from "../../../src/options/translations.js";
import { readCloseOptions } from "../../../src/server/close-options.js";
import { memory } from "../../../src/testing/memory-cluster.js";
import { type OptionName, optionRows } from "./rows.js";

const folder = mkdtempSync(join(tmpdir(), "sendall-options-"));
const file = join(folder, "file");
writeFileSync(file, "");
afterAll(() => rmSync(folder, { recursive: true }));

const handler = (): void => {};
const stateful = { init: () => 0, handle: () => {} };

/** The dotted name and the message of the refusal; `undefined` if the options are accepted. */
function refusal(options: unknown): { option: string | undefined; message: string } | undefined {
  try {
    readServerOptions(options);
    return undefined;
  } catch (error) {
    if (!(error instanceof SendallError)) throw error;
    expect(error.code).toBe("BAD_OPTION");
    expect(error.message.startsWith(`${error.option}: `)).toBe(true);
    return { option: error.option, message: error.message };
  }
}

/** `{ "a.b": 1 }` as a user would write it. */
function nest(name: string, value: unknown): Record<string, unknown> {
  const [group = "", key] = name.split(".");
  // A budget without any limit is refused.
  const others = group === "budget" ? { messagesPerSecond: 0, bytesPerSecond: 0 } : {};
  return { [group]: key === undefined ? value : { ...others, [key]: value } };
}

function pick(settings: object, name: string): unknown {
  let value: unknown = settings;
  for (const key of name.split("."))
    value = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  return value;
}

/** Where a setting stands once it was read. */
function setting(options: unknown, name: OptionName): unknown {
  const settings = readServerOptions(options);
  return pick(optionRows[name].scope === "server" ? settings : settings.routes[0].settings, name);
}

/** What turns on the group of an option that is off by itself. */
function isOn(name: string): object {
  const [group = ""] = name.split(".");
  return group === "sockjs" || group === "resume" || group === "presence" || group === "history"
    ? { [group]: true }
    : {};
}

const names = Object.keys(optionRows) as OptionName[];
const logger = pino({ level: "silent" });
/** What a store of history has at least. */
const store = { append: () => undefined, read: () => ({}), trim: () => {}, close: () => {} };

/** Values on both edges of what is accepted, and beyond them. */
const values: {
  readonly [N in OptionName]: { readonly good: readonly unknown[]; readonly bad: readonly unknown[] };
} = {
  host: {
    good: ["::1", "::", "fe80::1%eth0", "localhost", "0.0.0.0", "a.example", "my_host", "bücher.example"],
    bad: ["", 1, null, "http://127.0.0.1", "127.0.0.1:8080", "[::1]", "a b", "a/", "*", "a\0b", "user@a", ":80"],
  },
  port: { good: [0, 65_535], bad: [-1, 65_536, 1.5, "80", Number.NaN, null] },
  backlog: { good: [1, 2 ** 31 - 1], bad: [0, 2 ** 31, "1"] },
  static: {
    good: [folder],
    bad: [join(folder, "missing"), file, join(file, "x"), "a\0b", `/${"a".repeat(5_000)}`, "", 1, null],
  },
  client: {
    good: [
      "/sendall/client.js",
      "/client.js",
      "/client",
      "/räume/c.js",
      "/r%C3%A4ume/c.js",
      "/a b.js",
      "/%2A.js",
      "/a:b.js",
      "/a//b.js",
    ],
    bad: [
      "",
      "/",
      "client.js",
      "./client.js",
      "/sendall/",
      "//a.example/b.js",
      "/\\a.example/b.js",
      "http://a.example/b.js",
      "/client.js?v=1",
      "/client.js?",
      "/client.js#a",
      "/client.js#",
      "/*.js",
      "/:name",
      "/a/:name/b.js",
      "/a/../b.js",
      "/a/./b.js",
      "/%2e%2e/b.js",
      " /client.js",
      "/client.js ",
      "/a\nb.js",
      "/a\\b.js",
      true,
      false,
      {},
      1,
      null,
    ],
  },
  tls: { good: [{ key: "k", cert: "c" }], bad: [true, "cert.pem", null] },
  authorize: { good: [() => ({})], bad: [true, {}, null] },
  origins: {
    good: [
      "same",
      "any",
      [],
      ["https://example.com", "http://localhost:3000"],
      [
        "http://[::1]:8080",
        "https://xn--bcher-kva.example",
        "https://example.com.",
        "http://127.0.0.1",
        "http://my_host",
      ],
      ["chrome-extension://abcdefghijklmnop", "moz-extension://6ba7b810-9dad-11d1-80b4-00c04fd430c8"],
      ["capacitor://localhost", "ionic://localhost", "tauri://localhost", "app://-", "app://obsidian.md"],
    ],
    bad: [
      "all",
      "https://example.com",
      ["example.com"],
      ["https://example.com/"],
      ["https://example.com/path"],
      ["https://example.com?x"],
      ["https://example.com#x"],
      ["https://*.example.com"],
      ["https://*"],
      ["https://example.*"],
      ["https://example.com:*"],
      ["*://example.com"],
      ["https://.example.com"],
      ["app://*"],
      ["*"],
      ["same"],
      ["any"],
      ["null"],
      ["wss://example.com"],
      ["ws://localhost:3000"],
      ["ftp://example.com"],
      ["file://"],
      ["file://host"],
      ["blob:https://example.com"],
      ["https://Example.com"],
      ["HTTPS://example.com"],
      ["https://example.com:443"],
      ["http://example.com:80"],
      ["https://bücher.example"],
      ["https://user@example.com"],
      ["http://127.1"],
      ["https://example.com "],
      ["https://good.example", "wss://bad.example"],
      [1],
      [null],
      null,
    ],
  },
  protocols: {
    good: [[], ["chat", "chat.v2"], ["sendall", "sendall.10", "sendall.2", "a+sendall.1.b"]],
    bad: [
      "chat",
      ["two words"],
      [""],
      [1],
      null,
      ["sendall.1"],
      ["chat", "sendall.1.x"],
      ["chat+sendall.1"],
      ["+sendall.1"],
    ],
  },
  maxConnections: { good: [0, 1, 2 ** 40], bad: [-1, 1.5, "1"] },
  maxConnectionsPerAddress: { good: [0, 1, 2 ** 40], bad: [-1, 1.5, "1"] },
  upgradesPerSecond: { good: [0, 0.5, 2 ** 40], bad: [-1, Number.NaN, Number.POSITIVE_INFINITY, "1", false] },
  whenFull: { good: ["reject", "wait"], bad: ["queue", true, null] },
  "budget.messagesPerSecond": { good: [0, 0.1, 1e9], bad: [-1, Number.NaN, Number.POSITIVE_INFINITY, "10", false] },
  "budget.bytesPerSecond": { good: [0, 0.1, 1e9], bad: [-0.1, Number.NaN, Number.POSITIVE_INFINITY, "1k", null] },
  "budget.handlerMsPerSecond": { good: [0, 0.1, 2_000], bad: [-1, Number.NaN, Number.POSITIVE_INFINITY, "1", true] },
  "budget.burstSeconds": { good: [0, 0.5, 3_600], bad: [-1, Number.NaN, Number.POSITIVE_INFINITY, "2", false] },
  "budget.over": { good: ["pause", "drop", "close"], bad: ["wait", true, null] },
  "budget.key": { good: [() => "a"], bad: ["user", {}, null] },
  idleTimeoutMs: { good: [false, 1, 2 ** 40], bad: [0, true, 1.5, "1"] },
  handshakeTimeoutMs: { good: [1, 2 ** 40], bad: [0, -1, 1.5, false] },
  cluster: {
    good: [memory(), { name: "own", waitForLink: true, open: () => {} }],
    bad: ["nats", true, {}, { name: "nats" }, { open: () => {} }, null],
  },
  trustProxy: { good: [true, false, 0, 2], bad: [-1, 1.5, "1", null] },
  onRequest: { good: [() => {}], bad: [true, {}, null] },
  onAccess: { good: [() => {}], bad: [true, {}, null] },
  maxPayloadBytes: { good: [1, 2 ** 31 - 1], bad: [0, 2 ** 31, 1.5, "1"] },
  maxFragments: { good: [1, 2 ** 31 - 1], bad: [0, 2 ** 31, 1.5, "1", Number.POSITIVE_INFINITY] },
  "mailbox.highWaterEvents": { good: [1, 5, 17, 2 ** 40], bad: [0, -1, 17.5, "64", Number.POSITIVE_INFINITY] },
  "mailbox.lowWaterEvents": { good: [0, 63], bad: [-1, 1.5, "16"] },
  "mailbox.maxBytes": { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "mailbox.maxInfo": { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "outbox.maxBufferedBytes": { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "outbox.slowConsumer": { good: ["close", "dropOldest", "dropNewest"], bad: ["drop", "", true, null] },
  maxRoomsPerConnection: { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "heartbeat.intervalMs": { good: [1, 2 ** 40], bad: [0, 1.5, "1", 2 ** 40 + 1] },
  "heartbeat.timeoutMs": { good: [1, 2 ** 40], bad: [0, 1.5, "1", Number.POSITIVE_INFINITY] },
  closeTimeoutMs: { good: [1, 2 ** 31 - 1], bad: [0, -1, 1.5, false, 2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY] },
  handlerTimeoutMs: { good: [1, 2 ** 40], bad: [0, -1, 1.5, false] },
  compression: { good: [true, false], bad: [1, "true", {}, null] },
  concurrency: { good: ["serial", "connection"], bad: ["parallel", 1, null] },
  "supervise.strategy": { good: ["resume", "restart"], bad: ["stop", true, null] },
  "supervise.intensity": { good: [0, 1_000], bad: [-1, 1.5, "3"] },
  "supervise.periodMs": { good: [1, 2 ** 40], bad: [0, 1.5, "5"] },
  "supervise.keepData": { good: [true, false], bad: [0, "true", null] },
  "resume.graceMs": { good: [1, 2 ** 40], bad: [0, 1.5, "x", false, 2 ** 40 + 1] },
  "resume.maxBytes": { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "resume.maxAway": { good: [1, 2 ** 40], bad: [0, 1.5, "1", Number.POSITIVE_INFINITY] },
  "resume.maxAwayBytes": { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "resume.verify": { good: [() => true, async () => false], bad: [true, {}, "same", null] },
  "presence.key": { good: [() => "a"], bad: ["name", {}, null] },
  "presence.info": { good: [() => null], bad: ["name", {}, null] },
  "presence.graceMs": { good: [0, 2 ** 40], bad: [-1, 1.5, "5", false, 2 ** 40 + 1] },
  "presence.maxInfoBytes": { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "presence.maxListed": { good: [0, 2 ** 40], bad: [-1, 1.5, "1", Number.POSITIVE_INFINITY] },
  "presence.notice": { good: [() => undefined], bad: ["joined", {}, null] },
  "history.store": {
    good: [store, { ...store, name: "own", open: () => {}, subscribe: async () => () => {} }],
    bad: [
      "chat.db",
      true,
      {},
      { ...store, append: 1 },
      { ...store, close: undefined },
      { ...store, open: 1 },
      [],
      null,
    ],
  },
  "history.maxMessages": { good: [1, 2 ** 40], bad: [0, -1, 1.5, "100", Number.POSITIVE_INFINITY] },
  "history.maxBytes": { good: [1, 2 ** 40], bad: [0, 1.5, "1", Number.POSITIVE_INFINITY] },
  "history.maxAgeMs": { good: [1, 2 ** 40], bad: [0, 1.5, "5", false, 2 ** 40 + 1] },
  "history.maxRooms": { good: [1, 2 ** 40], bad: [0, 1.5, "1", Number.POSITIVE_INFINITY] },
  "history.stamp": { good: [(data: unknown) => data], bad: ["position", true, {}, null] },
  "sockjs.websocket": { good: [true, false], bad: [1, "true", null] },
  "sockjs.heartbeatIntervalMs": { good: [1, 2 ** 40], bad: [0, 1.5, "1", false] },
  "sockjs.disconnectDelayMs": { good: [1, 2 ** 40], bad: [0, 1.5, "1", false] },
  "sockjs.responseLimitBytes": { good: [1, 2 ** 40], bad: [0, 1.5, "1"] },
  "sockjs.cookieNeeded": { good: [true, false], bad: [1, "true", null] },
  "sockjs.legacy": { good: [true, false], bad: [1, "true", null] },
  "sockjs.clientUrl": {
    good: ["/client.js", "//a.example/b.js", "http://a.example/b.js", "https://a.example/b.js"],
    bad: ["", "client.js", "http:", "//", "///", "//a b/c.js", " /client.js", "javascript:alert(1)", 1, null],
  },
  logger: { good: [false, logger], bad: [true, "info", null, { info() {} }, console] },
  name: { good: ["chat"], bad: ["", 1, null] },
};

describe.each(names)("the option %s", (name) => {
  test("has the default of the table", () => {
    expect(setting({ handler, ...isOn(name) }, name)).toBe(optionRows[name].default);
    expect(setting({ handler, ...nest(name, undefined) }, name)).toBe(optionRows[name].default);
  });

  test("is taken as given", () => {
    for (const value of values[name].good) expect(setting({ handler, ...nest(name, value) }, name)).toBe(value);
  });

  test("is refused by its name, with what is expected and what was given", () => {
    const { expected } = optionRows[name];
    for (const value of values[name].bad) {
      const refused = refusal({ handler, ...nest(name, value) });
      expect(refused?.option).toBe(name);
      expect(refused?.message).toContain(`${name}: expected ${expected}, got `);
    }
  });

  test("stands in a route if it is one of a route, and is refused there by the route's name if not", () => {
    const route = 'routes["/a"].';
    if (optionRows[name].scope === "server") {
      for (const value of values[name].good)
        expect(refusal({ routes: { "/a": { handler, ...nest(name, value) } } })).toEqual({
          option: route + name,
          message: `${route}${name}: unknown option: this is an option of the server, not of a route`,
        });
      return;
    }
    for (const value of values[name].good)
      expect(
        setting({ ...nest(name, values[name].good[0]), routes: { "/a": { handler, ...nest(name, value) } } }, name),
      ).toBe(value);
    for (const value of values[name].bad)
      expect(refusal({ routes: { "/a": { handler, ...nest(name, value) } } })?.option).toBe(route + name);
  });
});

describe("a budget", () => {
  const limits = "(messagesPerSecond, bytesPerSecond, handlerMsPerSecond; 0 is no limit)";
  const key = (): string => "all";

  test.each([
    ["nothing in it", {}, "none"],
    ["a limit that is undefined", { messagesPerSecond: undefined }, "none"],
    ["over alone", { over: "close" }, "only over"],
    ["key and burstSeconds alone", { key, burstSeconds: 1 }, "only key, burstSeconds"],
  ])("with %s protects nothing, and is refused", (_, budget, got) => {
    const message = `budget: expected at least one limit ${limits}, got ${got}`;
    expect(refusal({ handler, budget })).toEqual({ option: "budget", message });
    // As the default of routes, too, if no route has a limit.
    expect(refusal({ budget, routes: { "/a": { handler }, "/b": { handler } } })).toEqual({
      option: "budget",
      message,
    });
    expect(refusal({ routes: { "/a": { handler }, "/b": { handler, budget } } })).toEqual({
      option: 'routes["/b"].budget',
      message: `routes["/b"].${message}`,
    });
  });

  test.each(["messagesPerSecond", "bytesPerSecond", "handlerMsPerSecond"])(
    "with %s is taken, with 0 as well, since whoever writes 0 means no limit",
    (limit) => {
      for (const value of [0, 10]) {
        expect(refusal({ handler, budget: { over: "close", [limit]: value } })).toBeUndefined();
        expect(refusal({ routes: { "/a": { handler, budget: { key, [limit]: value } } } })).toBeUndefined();
      }
    },
  );

  test("of a route takes the limits at the top, or switches these off", () => {
    const top = { budget: { messagesPerSecond: 10 } };
    for (const budget of [undefined, {}, { over: "drop" }, { key }, { messagesPerSecond: 0 }])
      expect(refusal({ ...top, routes: { "/a": { handler, budget } } })).toBeUndefined();
  });

  test("at the top may leave the limits to some of the routes", () => {
    const limited = { handler, budget: { bytesPerSecond: 1_000 } };
    expect(refusal({ budget: { over: "close" }, routes: { "/a": limited, "/b": { handler } } })).toBeUndefined();
  });

  test("of a route is not saved by the limit of another route", () => {
    const limited = { handler, budget: { bytesPerSecond: 1_000 } };
    const options = { budget: { key }, routes: { "/a": limited, "/b": { handler, budget: { over: "drop" } } } };
    expect(refusal(options)?.option).toBe('routes["/b"].budget');
  });
});

test("the root of the file system is no folder to serve", () => {
  for (const root of ["/", "//", "/..", "/tmp/.."])
    expect(refusal({ handler, static: root })).toEqual({
      option: "static",
      message: `static: expected a folder below the root, got "${root}"`,
    });
});

describe("no option", () => {
  const absurd = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    -1,
    0,
    0.5,
    2 ** 31,
    2 ** 53,
    10n,
    "",
    " ",
    "\0",
    "\ud800",
    "*",
    "any",
    true,
    false,
    null,
    [],
    [[]],
    [""],
    [null],
    ["\ud800"],
    {},
    { toString: null },
    Object.create(null),
    Symbol("x"),
    new Date(),
    /x/,
    () => {},
    class {},
    new Proxy({}, {}),
  ];

  test.each(names)("breaks anything by its value: %s is taken or refused", (name) => {
    for (const value of absurd) {
      const refused = refusal({ handler, ...nest(name, value) });
      if (refused !== undefined) expect(refused.option).toBe(name);
    }
  });

  /** Where 0 means what it says: at once. */
  const atOnce: readonly string[] = ["presence.graceMs"];

  test.each(names.filter((name) => name.endsWith("Ms")))("takes a value that is no wait: %s", (name) => {
    const zero = atOnce.includes(name) ? [] : [0];
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, ...zero, 0.5, 2 ** 53, "1000", 1_000n, null])
      expect([value, refusal({ handler, ...nest(name, value) })?.option]).toEqual([value, name]);
  });
});

describe("the table of options", () => {
  test("holds the documented defaults", () => {
    const defaults = Object.fromEntries(names.map((name) => [name, optionRows[name].default]));
    expect(defaults).toEqual({
      host: "127.0.0.1",
      port: 8080,
      backlog: undefined,
      static: undefined,
      client: undefined,
      tls: undefined,
      authorize: undefined,
      origins: "same",
      protocols: [],
      maxPayloadBytes: 1_048_576,
      maxFragments: 16_384,
      maxConnections: 0,
      maxConnectionsPerAddress: 0,
      upgradesPerSecond: 0,
      whenFull: "reject",
      "budget.messagesPerSecond": 0,
      "budget.bytesPerSecond": 0,
      "budget.handlerMsPerSecond": 0,
      "budget.burstSeconds": 2,
      "budget.over": "pause",
      "budget.key": undefined,
      "mailbox.highWaterEvents": 64,
      "mailbox.lowWaterEvents": 16,
      "mailbox.maxBytes": 1_048_576,
      "mailbox.maxInfo": 10_000,
      "outbox.maxBufferedBytes": 1_048_576,
      "outbox.slowConsumer": "close",
      maxRoomsPerConnection: 100,
      "heartbeat.intervalMs": 25_000,
      "heartbeat.timeoutMs": 20_000,
      idleTimeoutMs: false,
      handshakeTimeoutMs: 10_000,
      closeTimeoutMs: 5_000,
      handlerTimeoutMs: 30_000,
      compression: false,
      concurrency: "serial",
      "supervise.strategy": "resume",
      "supervise.intensity": 3,
      "supervise.periodMs": 5_000,
      "supervise.keepData": true,
      "resume.graceMs": 120_000,
      "resume.maxBytes": 1_048_576,
      "resume.maxAway": 10_000,
      "resume.maxAwayBytes": 268_435_456,
      "resume.verify": undefined,
      "presence.key": undefined,
      "presence.info": undefined,
      "presence.graceMs": 5_000,
      "presence.maxInfoBytes": 1_024,
      "presence.maxListed": 1_000,
      "presence.notice": undefined,
      "history.store": undefined,
      "history.maxMessages": 100,
      "history.maxBytes": 1_048_576,
      "history.maxAgeMs": 300_000,
      "history.maxRooms": 10_000,
      "history.stamp": undefined,
      "sockjs.websocket": true,
      "sockjs.heartbeatIntervalMs": 25_000,
      "sockjs.disconnectDelayMs": 5_000,
      "sockjs.responseLimitBytes": 131_072,
      "sockjs.cookieNeeded": false,
      "sockjs.legacy": false,
      "sockjs.clientUrl": "https://cdn.jsdelivr.net/npm/sockjs-client@1.6.1/dist/sockjs.min.js",
      cluster: undefined,
      trustProxy: false,
      logger: undefined,
      name: "sendall",
      onRequest: undefined,
      onAccess: undefined,
    });
  });
});

describe("names", () => {
  const tops =
    "static, client, host, port, backlog, tls, maxConnections, maxConnectionsPerAddress, upgradesPerSecond, whenFull, handshakeTimeoutMs, trustProxy, onRequest, onAccess, closeTimeoutMs, cluster, logger, name, mailbox, budget, heartbeat, authorize, origins, protocols, idleTimeoutMs, maxPayloadBytes, maxFragments, outbox, maxRoomsPerConnection, handlerTimeoutMs, compression, concurrency, supervise, resume, presence, history, sockjs, handler, routes";
  const ofRoutes =
    "handler, mailbox, budget, heartbeat, authorize, origins, protocols, handshakeTimeoutMs, idleTimeoutMs, maxPayloadBytes, maxFragments, outbox, maxRoomsPerConnection, handlerTimeoutMs, compression, concurrency, supervise, resume, presence, history, sockjs";
  const ofMailbox = "mailbox.highWaterEvents, mailbox.lowWaterEvents, mailbox.maxBytes, mailbox.maxInfo";
  const ofResume = "resume.graceMs, resume.maxBytes, resume.maxAway, resume.maxAwayBytes, resume.verify";
  const ofPresence =
    "presence.key, presence.info, presence.graceMs, presence.maxInfoBytes, presence.maxListed, presence.notice";
  const ofHistory =
    "history.store, history.maxMessages, history.maxBytes, history.maxAgeMs, history.maxRooms, history.stamp";
  const ofHeartbeat = "heartbeat.intervalMs, heartbeat.timeoutMs";

  test.each<[object, string, string | undefined, string]>([
    [{ handler, hearbeat: {} }, "hearbeat", '"heartbeat"', tops],
    [{ handler, prot: 1 }, "prot", '"port"', tops],
    [{ handler, idletimeoutms: 1 }, "idletimeoutms", '"idleTimeoutMs"', tops],
    [{ handler, handlerTimeout: 1 }, "handlerTimeout", '"handlerTimeoutMs"', tops],
    [{ handler, idle: 1 }, "idle", '"idleTimeoutMs"', tops],
    [{ handler, orgins: [] }, "orgins", '"origins"', tops],
    [{ handler, intervalMs: 1 }, "intervalMs", "heartbeat: { intervalMs }", tops],
    [{ handler, messagesPerSecond: 1 }, "messagesPerSecond", "budget: { messagesPerSecond }", tops],
    [{ handler, mesagesPerSecond: 1 }, "mesagesPerSecond", "budget: { messagesPerSecond }", tops],
    [{ handler, bytesPerSecond: 1 }, "bytesPerSecond", "budget: { bytesPerSecond }", tops],
    [{ handler, handlerMsPerSecond: 1 }, "handlerMsPerSecond", "budget: { handlerMsPerSecond }", tops],
    [{ handler, burstSeconds: 1 }, "burstSeconds", "budget: { burstSeconds }", tops],
    [{ handler, upgradePerSecond: 1 }, "upgradePerSecond", '"upgradesPerSecond"', tops],
    [{ handler, "mailbox.maxBytes": 1 }, "mailbox.maxBytes", "mailbox: { maxBytes }", tops],
    [{ handler, quux: 1 }, "quux", undefined, tops],
    [{ handler, [`port${"x".repeat(99)}`]: 1 }, `port${"x".repeat(99)}`, undefined, tops],
    [{ handler, toString: 1 }, "toString", undefined, tops],
    [{ handler, mailbox: { highWater: 1 } }, "mailbox.highWater", '"mailbox.highWaterEvents"', ofMailbox],
    [{ handler, resume: { grace: 1 } }, "resume.grace", '"resume.graceMs"', ofResume],
    [{ handler, resume: { maxaway: 1 } }, "resume.maxaway", '"resume.maxAway"', ofResume],
    [{ handler, resumee: true }, "resumee", '"resume"', tops],
    [{ handler, graceMs: 1 }, "graceMs", "resume: { graceMs } or presence: { graceMs }", tops],
    [
      { handler, maxBytes: 1 },
      "maxBytes",
      "mailbox: { maxBytes } or resume: { maxBytes } or history: { maxBytes }",
      tops,
    ],
    [{ handler, presense: true }, "presense", '"presence"', tops],
    [{ handler, presence: { grace: 1 } }, "presence.grace", '"presence.graceMs"', ofPresence],
    [{ handler, presence: { notify: 1 } }, "presence.notify", '"presence.notice"', ofPresence],
    [{ handler, notice: 1 }, "notice", "presence: { notice }", tops],
    [{ handler, maxListed: 1 }, "maxListed", "presence: { maxListed }", tops],
    [{ handler, histroy: true }, "histroy", '"history"', tops],
    [{ handler, history: { maxAge: 1 } }, "history.maxAge", '"history.maxAgeMs"', ofHistory],
    [{ handler, history: { last: 50 } }, "history.last", undefined, ofHistory],
    [{ handler, store: 1 }, "store", "history: { store }", tops],
    [{ handler, stamp: 1 }, "stamp", "history: { stamp }", tops],
    [{ handler, heartbeat: { ms: undefined } }, "heartbeat.ms", undefined, ofHeartbeat],
    [
      { routes: { "/a": { handler, bytesPerSecond: 1 } } },
      'routes["/a"].bytesPerSecond',
      "budget: { bytesPerSecond }",
      ofRoutes,
    ],
    [{ routes: { "/a": { handler, orgins: 1 } } }, 'routes["/a"].orgins', '"origins"', ofRoutes],
    [
      { routes: { "/a": { handler, heartbeat: { interval: 1 } } } },
      'routes["/a"].heartbeat.interval',
      '"heartbeat.intervalMs"',
      ofHeartbeat,
    ],
  ])("that are unknown are refused with the likeliest option and all options: %j", (options, name, meant, all) => {
    const problem = meant === undefined ? "the options are" : `did you mean ${meant}? The options are`;
    expect(refusal(options)).toEqual({ option: name, message: `${name}: unknown option: ${problem} ${all}` });
  });

  test.each([
    ["cors", "origins"],
    ["pingInterval", "heartbeat: { intervalMs }"],
    ["pingTimeout", "heartbeat: { timeoutMs }"],
    ["maxHttpBufferSize", "maxPayloadBytes"],
    ["maxPayload", "maxPayloadBytes"],
    ["perMessageDeflate", "compression"],
    ["path", "routes"],
    ["verifyClient", "authorize"],
    ["allowRequest", "authorize"],
    ["handleProtocols", "protocols"],
    ["transports", "sockjs"],
    ["adapter", "cluster"],
    ["server", "attach(server, options)"],
    ["noServer", "attach(server, options)"],
    ["disconnect_delay", "sockjs: { disconnectDelayMs }"],
    ["rateLimit", "budget: { messagesPerSecond }"],
    ["rateLimiter", "budget: { messagesPerSecond }"],
    ["limiter", "budget: { messagesPerSecond }"],
    ["throttle", "budget: { messagesPerSecond }"],
    ["connectionsPerSecond", "upgradesPerSecond"],
    ["maxUpgradesPerSecond", "upgradesPerSecond"],
    ["users", "presence: true"],
    ["onlineUsers", "bus.present(room)"],
    ["trackPresence", "presence: { notice }"],
    ["typing", "presence: { notice }"],
    ["messageHistory", "history: true"],
    ["replay", "connection.follow(room, { last: 50 })"],
    ["retain", "keep: true"],
    ["metrics", "sendall/metrics"],
    ["histograms", "sendall/metrics"],
    ["prometheus", "sendall/metrics"],
    ["tracing", "sendall/otel"],
    ["otel", "sendall/otel"],
    ["telemetry", "sendall/otel"],
  ])("of other packages are refused with what to write instead: %s", (name, instead) => {
    const problem = refusal({ handler, [name]: undefined });
    expect(problem).toEqual({ option: name, message: expect.stringMatching(`^${name}: unknown option: `) });
    expect(problem?.message).toContain(instead);
    const inRoute = refusal({ routes: { "/a": { handler, [name]: 1 } } });
    expect(inRoute?.message).toBe(`routes["/a"].${problem?.message}`);
  });

  test("in the translations of other packages are those of this table", () => {
    const table = { ...serverTable, ...routeTable, ...handlingTable };
    for (const [name, text] of Object.entries(TRANSLATIONS)) {
      expect(Object.keys(table)).not.toContain(name);
      for (const [, own = "", inner] of text.matchAll(/\buse (\w+)(?:: \{ (\w+) \})?(?!\w*\()/g)) {
        const row = Object.entries(table).find(([key]) => key === own)?.[1];
        expect([name, own, row !== undefined]).toEqual([name, own, true]);
        if (inner !== undefined && own !== "tls")
          expect([name, inner, row !== undefined && "group" in row && Object.keys(row.group).includes(inner)]).toEqual([
            name,
            inner,
            true,
          ]);
      }
    }
  });

  test("of the server are refused inside a route", () => {
    expect(refusal({ routes: { "/a": { handler, routes: {} } } })).toEqual({
      option: 'routes["/a"].routes',
      message: 'routes["/a"].routes: unknown option: this is an option of the server, not of a route',
    });
  });

  test.each([
    [8080, "options: expected an object such as { port: 8080, handler }, got 8080"],
    [handler, "options: expected an object such as { port: 8080, handler }, got a function"],
    [{ handler, mailbox: 5 }, "mailbox: expected an object, got 5"],
    [{ handler, mailbox: null }, "mailbox: expected an object, got null"],
    [{ handler, outbox: [] }, "outbox: expected an object, got []"],
    [
      { handler, budget: false },
      "budget: expected an object such as { messagesPerSecond: 10 }, or { messagesPerSecond: 0, bytesPerSecond: 0, handlerMsPerSecond: 0 } for no limit, as without a budget, got false",
    ],
    [{ handler, supervise: false }, "supervise: expected an object, got false"],
    [{ handler, sockjs: 1 }, "sockjs: expected an object, true or false, got 1"],
    [{ handler, presence: "hall" }, 'presence: expected an object, true or false, got "hall"'],
    [{ handler, history: "chat.db" }, 'history: expected an object, true or false, got "chat.db"'],
    [{ handler, heartbeat: true }, "heartbeat: expected an object or false, got true"],
    [{ routes: { "/a": { handler, heartbeat: 5 } } }, 'routes["/a"].heartbeat: expected an object or false, got 5'],
  ])("of groups stand for objects: %j", (options, message) => {
    expect(refusal(options)?.message).toBe(message);
  });
});

describe("the heartbeat", () => {
  const heartbeat = (options: object): RouteSettings["heartbeat"] =>
    readServerOptions(options).routes[0].settings.heartbeat;

  test("is off with false, for all routes or for one", () => {
    expect(heartbeat({ handler, heartbeat: false })).toBe(false);
    expect(heartbeat({ routes: { "/a": { handler, heartbeat: false } } })).toBe(false);
    expect(heartbeat({ heartbeat: { intervalMs: 1 }, routes: { "/a": { handler, heartbeat: false } } })).toBe(false);
    expect(heartbeat({ heartbeat: false, routes: { "/a": { handler } } })).toBe(false);
  });

  test("is on again in a route that sets it", () => {
    const options = { heartbeat: false, routes: { "/a": { handler, heartbeat: { intervalMs: 1 } } } };
    expect(heartbeat(options)).toEqual({ intervalMs: 1, timeoutMs: 20_000 });
  });
});

describe("SockJS", () => {
  const sockjs = (options: object): RouteSettings["sockjs"] => readServerOptions(options).routes[0].settings.sockjs;
  const all = {
    websocket: true,
    heartbeatIntervalMs: 25_000,
    disconnectDelayMs: 5_000,
    responseLimitBytes: 131_072,
    cookieNeeded: false,
    legacy: false,
    clientUrl: optionRows["sockjs.clientUrl"].default,
  };

  test("is off unless it is asked for, for all routes or for one", () => {
    expect(sockjs({ handler })).toBe(false);
    expect(sockjs({ handler, sockjs: false })).toBe(false);
    expect(sockjs({ handler, sockjs: true })).toEqual(all);
    expect(sockjs({ handler, sockjs: {} })).toEqual(all);
    expect(sockjs({ sockjs: true, routes: { "/a": { handler } } })).toEqual(all);
    expect(sockjs({ sockjs: true, routes: { "/a": { handler, sockjs: false } } })).toBe(false);
    expect(sockjs({ routes: { "/a": { handler, sockjs: true } } })).toEqual(all);
  });

  test("takes a route's values, then the server's", () => {
    const options = {
      sockjs: { websocket: false, legacy: true },
      routes: { "/a": { handler, sockjs: { websocket: true } } },
    };
    expect(sockjs(options)).toEqual({ ...all, legacy: true });
  });
});

describe("a group", () => {
  test("is filled up: a route's values, then the server's, then the defaults", () => {
    const options = { mailbox: { maxInfo: 7, maxBytes: 8 }, routes: { "/a": { handler, mailbox: { maxBytes: 9 } } } };
    const expected = { highWaterEvents: 64, lowWaterEvents: 16, maxBytes: 9, maxInfo: 7 };
    expect(readServerOptions(options).routes[0].settings.mailbox).toEqual(expected);
  });
});

describe("the low-water mark", () => {
  const problem = (low: number, high: number): string =>
    `mailbox.lowWaterEvents: expected less than mailbox.highWaterEvents (${high}), got ${low}`;

  test("is refused when it is not below the high-water mark", () => {
    expect(refusal({ handler, mailbox: { highWaterEvents: 5, lowWaterEvents: 5 } })?.message).toBe(problem(5, 5));
    expect(refusal({ handler, mailbox: { lowWaterEvents: 65 } })?.message).toBe(problem(65, 64));
    expect(refusal({ handler, mailbox: { highWaterEvents: 5, lowWaterEvents: 4 } })).toBeUndefined();
  });

  test.each([
    [1, 0],
    [2, 0],
    [4, 1],
    [5, 1],
    [64, 16],
    [1_000, 250],
  ])("is by default a quarter of the high-water mark, rounded down: %i", (highWaterEvents, lowWaterEvents) => {
    const marks = (options: object): object => {
      const { mailbox } = readServerOptions(options).routes[0].settings;
      return [mailbox.highWaterEvents, mailbox.lowWaterEvents];
    };
    const expected = [highWaterEvents, lowWaterEvents];
    expect(marks({ handler, mailbox: { highWaterEvents } })).toEqual(expected);
    expect(marks({ mailbox: { highWaterEvents }, routes: { "/a": { handler } } })).toEqual(expected);
    expect(marks({ handler, mailbox: { highWaterEvents, lowWaterEvents: undefined } })).toEqual(expected);
    const route = { handler, mailbox: { highWaterEvents } };
    expect(marks({ mailbox: { highWaterEvents: 7 }, routes: { "/a": route } })).toEqual(expected);
  });

  test("is refused by the route's name when the route's values do not fit", () => {
    const options = { mailbox: { lowWaterEvents: 10 }, routes: { "/a": { handler, mailbox: { highWaterEvents: 9 } } } };
    expect(refusal(options)?.option).toBe('routes["/a"].mailbox.lowWaterEvents');
  });
});

describe("the concurrency", () => {
  test("of connections goes with a handler function only", () => {
    const message = 'concurrency: "connection" needs a handler function, or a handler of a protocol without init';
    expect(refusal({ concurrency: "connection", handler })).toBeUndefined();
    expect(refusal({ concurrency: "connection", handler: stateful })?.message).toBe(message);
    expect(
      refusal({ concurrency: "connection", routes: { "/a": { handler }, "/b": { handler: stateful } } })?.message,
    ).toBe(`routes["/b"].${message}`);
  });
});

describe("the handler", () => {
  const shapes =
    "expected a function (event, bus) => void, an object { init(bus), handle(event, state, bus), stop?(state, bus) }, or what perConnection, fromLogic, channels or the handler of a protocol has made";

  test.each([
    [{}, "undefined"],
    [{ handler: null }, "null"],
    [{ handler: "echo" }, '"echo"'],
    [{ handler: { handle() {} } }, '{"handle":"a function"}'],
    [{ handler: { init() {}, handle: 1 } }, '{"init":"a function","handle":1}'],
    [{ handler: new Map() }, "an object of class Map"],
    [{ handler: class Chat {} }, "a class"],
    [{ handler: function* () {} }, "a generator function"],
    [{ handler: async function* () {} }, "a generator function"],
  ])("is refused with the accepted shapes: %j", (options, got) => {
    expect(refusal(options)?.message).toBe(`handler: ${shapes}, got ${got}`);
    expect(refusal({ routes: { "/a": options } })?.message).toBe(`routes["/a"].handler: ${shapes}, got ${got}`);
  });

  test("is a function, or an object with init and handle", () => {
    expect([handler, stateful, { ...stateful, stop() {} }].every(isHandler)).toBe(true);
    expect([undefined, null, 1, {}, { init() {} }, { handle() {} }].some(isHandler)).toBe(false);
  });

  test("is refused beside routes", () => {
    expect(refusal({ handler, routes: { "/a": { handler } } })).toEqual({
      option: "handler",
      message: "handler: expected either handler or routes, got both",
    });
  });
});

describe("routes", () => {
  test.each([
    [{ routes: {} }, "routes: expected at least one route"],
    [{ routes: [] }, "routes: expected an object of routes by path, got []"],
    [{ routes: null }, "routes: expected an object of routes by path, got null"],
    [{ routes: { a: { handler } } }, 'routes["a"]: expected a path that begins with "/"'],
    [{ routes: { "": { handler } } }, 'routes[""]: expected a path that begins with "/"'],
    [{ routes: { "/a": 5 } }, 'routes["/a"]: expected an object with a handler, got 5'],
    [{ routes: { "/a": handler } }, 'routes["/a"]: expected an object with a handler, got a function'],
    [{ routes: { "/a/:": { handler } } }, 'routes["/a/:"]: expected a name after ":"'],
  ])("are refused: %j", (options, message) => {
    expect(refusal(options)?.message).toBe(message);
  });

  test.each([
    ["/a/*", 'without "*"'],
    ["/*", 'without "*"'],
    ["/a/:x*", 'without "*"'],
    ["/a/*/:x", 'without "*"'],
    ["/a/:x(\\d+)", 'expected a plain name after ":"'],
    ["/a/:x+", 'expected a plain name after ":"'],
    ["/a/:x:y", 'expected a plain name after ":"'],
    ["/a?x", "expected a path without a query or fragment"],
    ["/a#x", "expected a path without a query or fragment"],
    ["/100%", "expected percent-encoded UTF-8"],
    ["/%zz", "expected percent-encoded UTF-8"],
    ["/a/%ff", "expected percent-encoded UTF-8"],
    ["/\ud800", "expected percent-encoded UTF-8"],
    ["/a/../b", 'without the parts "." and ".."'],
    ["/./:x", 'without the parts "." and ".."'],
    ["/a/%2e%2E/b", 'without the parts "." and ".."'],
  ])("are refused where no request would ever have the path: %s", (path, problem) => {
    expect(refusal({ routes: { [path]: { handler } } })).toEqual({
      option: `routes["${path}"]`,
      message: expect.stringContaining(problem),
    });
  });

  test.each([
    ["/a/:x", "/a/:y"],
    ["/räume", "/r%C3%A4ume"],
    ["/r%C3%A4ume", "/r%c3%a4ume"],
    ["/räume/:x", "/r%c3%a4ume/:y"],
    ["/a b", "/a%20b"],
    ["/a%2Fb", "/a%2fb"],
    ["/abc", "/%61bc"],
    ["/%3Aa/:x", "/%3aa/:y"],
  ])("that match the same paths are refused: %s and %s", (first, second) => {
    for (const [one, other] of [
      [first, second],
      [second, first],
    ])
      expect(
        refusal({ routes: { [String(one)]: { handler }, "/other": { handler }, [String(other)]: { handler } } }),
      ).toEqual({
        option: `routes["${other}"]`,
        message: `routes["${other}"]: matches the same paths as routes["${one}"]`,
      });
  });

  test("that would never be reached are refused, and those before whole classes are not", () => {
    expect(refusal({ routes: { "/:a/:b": { handler }, "/x/:b": { handler } } })).toEqual({
      option: 'routes["/x/:b"]',
      message: 'routes["/x/:b"]: matches nothing: routes["/:a/:b"] comes first and takes every path that would match',
    });
    for (const paths of [
      ["/x/:b", "/:a/:b"],
      ["/:a/x", "/x/:b"],
      ["/a/:x", "/a/b"],
      ["/a/b", "/a/:x"],
      ["/:a/", "/:a", "/"],
      ["/:a//:b", "/:a/:b/:c"],
      ["/a%2Fb", "/a/b"],
      ["/%3Aa", "/:a"],
      ["/%2A"],
      ["/a/:naïve-name_1.x"],
      ["/100%25"],
      ["/..."],
    ])
      expect([paths, refusal({ routes: Object.fromEntries(paths.map((path) => [path, { handler }])) })]).toEqual([
        paths,
        undefined,
      ]);
  });

  test("keep their order and have each their own handler", () => {
    const other = (): void => {};
    const { routes } = readServerOptions({ routes: { "/a": { handler }, "/b/:name": { handler: other } } });
    expect(routes.map((route) => [route.path, route.handler])).toEqual([
      ["/a", handler],
      ["/b/:name", other],
    ]);
  });

  test("are one for every path when there is a handler alone", () => {
    expect(readServerOptions({ handler }).routes.map(({ path }) => path)).toEqual([undefined]);
  });
});

describe("options as a whole", () => {
  test.each([[undefined], [null], [5], ["options"], [[]], [handler]])("are an object, not %j", (options) => {
    expect(refusal(options)?.option).toBe("options");
  });
});

describe("the options of close", () => {
  test("have their defaults", () => {
    expect(readCloseOptions({})).toEqual({ drainMs: 5_000, code: 1001, reason: "going away" });
    expect(readCloseOptions({ drainMs: 0, code: 4000, reason: "" })).toEqual({ drainMs: 0, code: 4000, reason: "" });
  });

  test("are checked", () => {
    for (const drainMs of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => readCloseOptions({ drainMs })).toThrow(
        /^drainMs: expected a whole number of milliseconds from 0, got /,
      );
    expect(() => readCloseOptions({ code: 1005 })).toThrow(expect.objectContaining({ code: "BAD_CLOSE_CODE" }));
  });

  test("are refused if unknown", () => {
    const options: object = { drainsMs: 1 };
    expect(() => readCloseOptions(options)).toThrow(
      'drainsMs: unknown option: did you mean "drainMs"? The options are drainMs, code, reason',
    );
  });

  test("cut the reason to what a close frame holds", () => {
    expect(readCloseOptions({ reason: "x".repeat(200) }).reason).toBe("x".repeat(123));
  });

  test.each<[unknown, string, string]>([
    [{ id: "c1" }, "a connection", "connection.close(code, reason)"],
    ["4b67", '"4b67"', "server.route(path).close(id)"],
  ])("of a server refuse a connection, with the call that closes a connection: %j", (options, got, call) => {
    // What a program in JavaScript may pass.
    expect(() => Reflect.apply(readCloseOptions, undefined, [options])).toThrow(
      expect.objectContaining({
        code: "BAD_OPTION",
        option: "options",
        message: `options: expected { drainMs, code, reason }, got ${got}: close of a server closes the server; ${call} closes a connection`,
      }),
    );
  });
});
