/**
 * Options to settings: the defaults and checks of all options, and the one place where `serve` refuses a bad one, before
 * anything has begun. What each option means stands in `options.ts`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TlsOptions } from "node:tls";
import type { Authorize } from "../api/authorize.js";
import { type CloseReason, checkCloseCode, cutReason, GOING_AWAY } from "../api/close-codes.js";
import type { ClusterAdapter } from "../api/cluster-adapter.js";
import { SendallError } from "../api/errors.js";
import type { Handler } from "../api/handler.js";
import type {
  AccessEntry,
  CloseOptions,
  HeartbeatOptions,
  MailboxOptions,
  OutboxOptions,
  SockJsOptions,
  SuperviseOptions,
} from "../api/options.js";
import type { Logger } from "../runtime/logger.js";
import { show } from "../runtime/show.js";
import {
  duration,
  flag,
  HANDLER_SHAPES,
  isAdapter,
  isFolder,
  isFunction,
  isHandler,
  isHost,
  isLogger,
  isOrigins,
  isProtocols,
  isRecord,
  isRoot,
  isScriptUrl,
  isTls,
  isTrust,
  MAX_MS,
  MAX_NATIVE_MS,
  MIB,
  type Option,
  oneOf,
  optional,
  orFalse,
  text,
  whole,
} from "./kinds.js";
import { Patterns, problemOf } from "./route-path.js";

/** Every option by its dotted name, but for `handler`, `routes` and the groups themselves. */
interface OptionTypes {
  host: string;
  port: number;
  backlog: number | undefined;
  static: string | undefined;
  tls: TlsOptions | undefined;
  authorize: Authorize<unknown> | undefined;
  origins: "same" | "any" | readonly string[];
  protocols: readonly string[];
  maxPayloadBytes: number;
  maxFragments: number;
  maxConnections: number;
  maxConnectionsPerAddress: number;
  whenFull: "reject" | "wait";
  "mailbox.highWaterEvents": number;
  "mailbox.lowWaterEvents": number;
  "mailbox.maxBytes": number;
  "mailbox.maxInfo": number;
  "outbox.maxBufferedBytes": number;
  "outbox.slowConsumer": OutboxOptions["slowConsumer"];
  maxRoomsPerConnection: number;
  "heartbeat.intervalMs": number;
  "heartbeat.timeoutMs": number;
  idleTimeoutMs: number | false;
  handshakeTimeoutMs: number;
  closeTimeoutMs: number;
  handlerTimeoutMs: number;
  compression: boolean;
  concurrency: "serial" | "connection";
  "supervise.strategy": SuperviseOptions["strategy"];
  "supervise.intensity": number;
  "supervise.periodMs": number;
  "supervise.keepData": boolean;
  "sockjs.websocket": boolean;
  "sockjs.heartbeatIntervalMs": number;
  "sockjs.disconnectDelayMs": number;
  "sockjs.responseLimitBytes": number;
  "sockjs.cookieNeeded": boolean;
  "sockjs.legacy": boolean;
  "sockjs.clientUrl": string;
  cluster: ClusterAdapter | undefined;
  trustProxy: boolean | number;
  logger: Logger | false | undefined;
  name: string;
  onRequest: ((request: IncomingMessage, response: ServerResponse) => void | Promise<void>) | undefined;
  onAccess: ((entry: AccessEntry) => void) | undefined;
}

/** The defaults and checks of all options. */
export const optionTable: { readonly [N in keyof OptionTypes]: Option<OptionTypes[N]> } = {
  host: {
    scope: "server",
    default: "127.0.0.1",
    expected: "a string that is not empty, the name or address of this machine without a scheme or port",
    accepts: isHost,
  },
  port: whole("server", 8080, 0, 65_535),
  backlog: optional(whole("server", 511, 1, 2 ** 31 - 1)),
  static: optional({
    scope: "server",
    default: "",
    expected: "a folder that exists",
    accepts: isFolder,
  }),
  tls: { scope: "server", default: undefined, expected: "an object { key, cert, … }", accepts: isTls },
  authorize: { scope: "route", default: undefined, expected: "a function", accepts: isFunction },
  origins: {
    scope: "route",
    default: "same",
    expected:
      '"same", "any" or a list of origins as browsers send them: "https://example.com", without a path, a "*" or the usual port',
    accepts: isOrigins,
  },
  protocols: { scope: "route", default: [], expected: "a list of names of subprotocols", accepts: isProtocols },
  maxPayloadBytes: whole("route", MIB, 1, 2 ** 31 - 1),
  maxFragments: whole("route", 16_384, 1, 2 ** 31 - 1),
  maxConnections: whole("server", 0, 0),
  maxConnectionsPerAddress: whole("server", 0, 0),
  whenFull: oneOf("server", "reject", "wait"),
  "mailbox.highWaterEvents": whole("route", 64, 1),
  "mailbox.lowWaterEvents": whole("route", 16, 0),
  "mailbox.maxBytes": whole("route", MIB, 1),
  "mailbox.maxInfo": whole("route", 10_000, 1),
  "outbox.maxBufferedBytes": whole("route", MIB, 1),
  "outbox.slowConsumer": oneOf("route", "close", "dropOldest", "dropNewest"),
  maxRoomsPerConnection: whole("route", 100, 1),
  "heartbeat.intervalMs": duration("route", 25_000),
  "heartbeat.timeoutMs": duration("route", 20_000),
  idleTimeoutMs: orFalse(duration("route", 1)),
  handshakeTimeoutMs: duration("route", 10_000),
  // 25 days: a longer wait for a close frame is a mistake, and too long for a timer of Node.
  closeTimeoutMs: duration("server", 5_000, MAX_NATIVE_MS),
  handlerTimeoutMs: duration("route", 30_000),
  compression: flag("route", false),
  concurrency: oneOf("route", "serial", "connection"),
  "supervise.strategy": oneOf("route", "resume", "restart"),
  "supervise.intensity": whole("route", 3, 0),
  "supervise.periodMs": duration("route", 5_000),
  "supervise.keepData": flag("route", true),
  "sockjs.websocket": flag("route", true),
  "sockjs.heartbeatIntervalMs": duration("route", 25_000),
  "sockjs.disconnectDelayMs": duration("route", 5_000),
  "sockjs.responseLimitBytes": whole("route", 131_072, 1),
  "sockjs.cookieNeeded": flag("route", false),
  "sockjs.legacy": flag("route", false),
  "sockjs.clientUrl": {
    scope: "route",
    default: "https://cdn.jsdelivr.net/npm/sockjs-client@1.6.1/dist/sockjs.min.js",
    expected: 'the address of a script, which begins with "/", "http:" or "https:"',
    accepts: isScriptUrl,
  },
  cluster: {
    scope: "server",
    default: undefined,
    expected: "an adapter like nats({ servers }) or redis({ url })",
    accepts: isAdapter,
  },
  trustProxy: { scope: "server", default: false, expected: "true, false or a number of proxies", accepts: isTrust },
  logger: { scope: "server", default: undefined, expected: "a pino logger or false", accepts: isLogger },
  name: text("server", "sendall"),
  onRequest: { scope: "server", default: undefined, expected: "a function", accepts: isFunction },
  onAccess: { scope: "server", default: undefined, expected: "a function", accepts: isFunction },
};

/** The options of a route, checked and complete. */
export interface RouteSettings {
  readonly authorize: Authorize<unknown> | undefined;
  readonly origins: "same" | "any" | readonly string[];
  readonly protocols: readonly string[];
  readonly handshakeTimeoutMs: number;
  readonly idleTimeoutMs: number | false;
  readonly maxPayloadBytes: number;
  readonly maxFragments: number;
  readonly mailbox: MailboxOptions;
  readonly outbox: OutboxOptions;
  readonly maxRoomsPerConnection: number;
  readonly heartbeat: HeartbeatOptions | false;
  readonly closeTimeoutMs: number;
  readonly handlerTimeoutMs: number;
  readonly compression: boolean;
  readonly concurrency: "serial" | "connection";
  readonly supervise: SuperviseOptions;
  readonly sockjs: SockJsOptions | false;
}

/** The options of a server, checked and complete. */
export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly backlog: number | undefined;
  readonly static: string | undefined;
  readonly tls: TlsOptions | undefined;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly whenFull: "reject" | "wait";
  readonly handshakeTimeoutMs: number;
  readonly trustProxy: boolean | number;
  readonly onRequest: OptionTypes["onRequest"];
  readonly onAccess: OptionTypes["onAccess"];
  readonly closeTimeoutMs: number;
  readonly cluster: ClusterAdapter | undefined;
  readonly logger: Logger | false | undefined;
  readonly name: string;
  readonly routes: readonly [RouteDefinition, ...RouteDefinition[]];
}

export interface RouteDefinition {
  /** `undefined` is every path. */
  readonly path: string | undefined;
  readonly handler: Handler;
  readonly settings: RouteSettings;
}

/** The groups, and what may stand for one in place of an object. */
const groups: Readonly<Record<string, readonly boolean[]>> = {
  mailbox: [],
  outbox: [],
  heartbeat: [false],
  supervise: [],
  sockjs: [true, false],
};

function refuse(option: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${option}: ${problem}`, { option });
}

/** Options as the user wrote them, a route's before the server's; `at` is what stands before a name in error messages. */
class Source {
  readonly #layers: readonly { readonly at: string; readonly options: Record<string, unknown> }[];

  constructor(...layers: readonly { readonly at: string; readonly options: Record<string, unknown> }[]) {
    this.#layers = layers;
  }

  read<N extends keyof OptionTypes>(name: N): OptionTypes[N] {
    const option: Option<OptionTypes[N]> = optionTable[name];
    let read: OptionTypes[N] | undefined;
    // All are checked, also those that a nearer one stands before.
    for (const { at, options } of this.#layers) {
      const value = lookUp(options, name);
      if (value === undefined) continue;
      if (!option.accepts(value)) refuse(at + name, `expected ${option.expected}, got ${show(value)}`);
      read ??= value;
    }
    return read ?? option.default;
  }

  /** @param preset whether it is off where nobody says anything */
  isOff(group: string, preset: boolean): boolean {
    const layer = this.#layers.find(({ options }) => options[group] !== undefined);
    return layer === undefined ? preset : layer.options[group] === false;
  }
}

function lookUp(options: Record<string, unknown>, name: string): unknown {
  const [group = "", key] = name.split(".");
  const value = options[group];
  if (key === undefined) return value;
  return isRecord(value) ? value[key] : undefined;
}

/** Refuses names that are no option here, and groups that are no group. */
function checkNames(options: Record<string, unknown>, at: string, scope: "server" | "route"): void {
  const known = Object.entries(optionTable).filter(([, option]) => scope === "server" || option.scope === "route");
  const names = new Set(known.map(([name]) => name));
  const tops = new Set([...names].map((name) => name.split(".")[0]));
  for (const [name, value] of Object.entries(options)) {
    if (name === "handler" || (name === "routes" && scope === "server")) continue;
    if (!tops.has(name)) refuse(at + name, unknownOption(name, scope));
    const stands = groups[name];
    if (stands === undefined || value === undefined || stands.some((one) => one === value)) continue;
    if (!isRecord(value)) refuse(at + name, `expected ${["an object", ...stands].join(" or ")}, got ${show(value)}`);
    for (const key of Object.keys(value))
      if (!names.has(`${name}.${key}`)) refuse(`${at}${name}.${key}`, "is no option");
  }
}

function unknownOption(name: string, scope: "server" | "route"): string {
  const isServers = scope === "route" && (name === "routes" || Object.keys(optionTable).includes(name));
  return isServers ? "is an option of the server, not of a route" : "is no option";
}

function routeSettings(source: Source): RouteSettings {
  const mailbox = {
    highWaterEvents: source.read("mailbox.highWaterEvents"),
    lowWaterEvents: source.read("mailbox.lowWaterEvents"),
    maxBytes: source.read("mailbox.maxBytes"),
    maxInfo: source.read("mailbox.maxInfo"),
  };
  const heartbeat = { intervalMs: source.read("heartbeat.intervalMs"), timeoutMs: source.read("heartbeat.timeoutMs") };
  return {
    authorize: source.read("authorize"),
    origins: source.read("origins"),
    protocols: source.read("protocols"),
    handshakeTimeoutMs: source.read("handshakeTimeoutMs"),
    idleTimeoutMs: source.read("idleTimeoutMs"),
    maxPayloadBytes: source.read("maxPayloadBytes"),
    maxFragments: source.read("maxFragments"),
    mailbox,
    outbox: {
      maxBufferedBytes: source.read("outbox.maxBufferedBytes"),
      slowConsumer: source.read("outbox.slowConsumer"),
    },
    maxRoomsPerConnection: source.read("maxRoomsPerConnection"),
    heartbeat: source.isOff("heartbeat", false) ? false : heartbeat,
    closeTimeoutMs: source.read("closeTimeoutMs"),
    handlerTimeoutMs: source.read("handlerTimeoutMs"),
    compression: source.read("compression"),
    concurrency: source.read("concurrency"),
    supervise: {
      strategy: source.read("supervise.strategy"),
      intensity: source.read("supervise.intensity"),
      periodMs: source.read("supervise.periodMs"),
      keepData: source.read("supervise.keepData"),
    },
    sockjs: sockjsSettings(source),
  };
}

function sockjsSettings(source: Source): RouteSettings["sockjs"] {
  const settings = {
    websocket: source.read("sockjs.websocket"),
    heartbeatIntervalMs: source.read("sockjs.heartbeatIntervalMs"),
    disconnectDelayMs: source.read("sockjs.disconnectDelayMs"),
    responseLimitBytes: source.read("sockjs.responseLimitBytes"),
    cookieNeeded: source.read("sockjs.cookieNeeded"),
    legacy: source.read("sockjs.legacy"),
    clientUrl: source.read("sockjs.clientUrl"),
  };
  return source.isOff("sockjs", true) ? false : settings;
}

function readRoute(path: string | undefined, handler: unknown, source: Source, at: string): RouteDefinition {
  if (!isHandler(handler)) refuse(`${at}handler`, `expected ${HANDLER_SHAPES}, got ${show(handler)}`);
  const settings = routeSettings(source);
  const { lowWaterEvents, highWaterEvents } = settings.mailbox;
  if (lowWaterEvents >= highWaterEvents)
    refuse(
      `${at}mailbox.lowWaterEvents`,
      `expected less than mailbox.highWaterEvents (${highWaterEvents}), got ${lowWaterEvents}`,
    );
  if (settings.concurrency === "connection" && typeof handler !== "function")
    refuse(`${at}concurrency`, `"connection" goes with a handler function only`);
  return { path, handler, settings };
}

function readRoutes(options: Record<string, unknown>): ServerSettings["routes"] {
  const top = { at: "", options };
  const { handler, routes } = options;
  if (routes === undefined) return [readRoute(undefined, handler, new Source(top), "")];
  if (handler !== undefined) refuse("handler", "stands beside routes: give one or the other");
  if (!isRecord(routes)) refuse("routes", `expected an object of routes by path, got ${show(routes)}`);
  const patterns = new Patterns();
  const [first, ...others] = Object.entries(routes).map(([path, route]) => {
    const name = `routes["${path}"]`;
    const problem = problemOf(path) ?? patterns.add(path);
    if (problem !== undefined) refuse(name, problem);
    if (!isRecord(route)) refuse(name, `expected an object with a handler, got ${show(route)}`);
    checkNames(route, `${name}.`, "route");
    return readRoute(path, route.handler, new Source({ at: `${name}.`, options: route }, top), `${name}.`);
  });
  if (first === undefined) refuse("routes", "expected at least one route");
  return [first, ...others];
}

/** Checks the options of a server; throws `BAD_OPTION` with the name of the first bad one. */
export function readOptions(options: unknown): ServerSettings {
  if (!isRecord(options)) refuse("options", `expected an object, got ${show(options)}`);
  checkNames(options, "", "server");
  const source = new Source({ at: "", options });
  const folder = source.read("static");
  if (folder !== undefined && isRoot(folder)) refuse("static", `expected a folder below the root, got ${show(folder)}`);
  return {
    host: source.read("host"),
    port: source.read("port"),
    backlog: source.read("backlog"),
    static: folder,
    tls: source.read("tls"),
    maxConnections: source.read("maxConnections"),
    maxConnectionsPerAddress: source.read("maxConnectionsPerAddress"),
    whenFull: source.read("whenFull"),
    handshakeTimeoutMs: source.read("handshakeTimeoutMs"),
    trustProxy: source.read("trustProxy"),
    onRequest: source.read("onRequest"),
    onAccess: source.read("onAccess"),
    closeTimeoutMs: source.read("closeTimeoutMs"),
    cluster: source.read("cluster"),
    logger: source.read("logger"),
    name: source.read("name"),
    routes: readRoutes(options),
  };
}

/** Checks the options of `server.close`. */
export function readCloseOptions(options: CloseOptions): CloseReason & { readonly drainMs: number } {
  const given: unknown = options;
  if (!isRecord(given)) refuse("options", `expected an object, got ${show(given)}`);
  for (const name of Object.keys(given))
    if (!["drainMs", "code", "reason"].includes(name)) refuse(name, "is no option of close");
  const { drainMs = 5_000, code = GOING_AWAY.code, reason = GOING_AWAY.reason } = options;
  const range = whole("server", 0, 0, MAX_MS);
  if (!range.accepts(drainMs))
    refuse("drainMs", `expected a whole number of milliseconds from 0, got ${show(drainMs)}`);
  checkCloseCode(code);
  return { drainMs, code, reason: cutReason(reason) };
}

/** For `attach`: the listener is the host's. */
export function refuseListenerOptions(options: object): void {
  for (const name of ["host", "port", "backlog", "tls"])
    if (Reflect.get(options, name) !== undefined) refuse(name, "is the host server's affair, not an option of attach");
}
