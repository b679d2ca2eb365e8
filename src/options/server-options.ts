/**
 * The tables of the options of `serve`: defaults and checks, in the order of the checks. `api/options.ts` explains each option. The types
 * of the settings follow from `api/options.ts` and the tables, and the compiler refuses an option without a row.
 *
 * Rows hold only literals, and functions with written types: the exported types of settings depend on the tables, and
 * `isolatedDeclarations` accepts no computed values there.
 */
import type { TlsOptions } from "node:tls";
import type { ClusterAdapter } from "../api/cluster-adapter.js";
import type { Handler } from "../api/handler.js";
import type { HistoryStore } from "../api/history-store.js";
import type { MailboxOptions, ServerOptions, SharedOptions } from "../api/options.js";
import type { Logger } from "../runtime/logger.js";
import { isRecord } from "./kinds.js";
import {
  isAdapter,
  isFilePath,
  isFolder,
  isHistoryStore,
  isHost,
  isLogger,
  isOrigins,
  isProtocols,
  isScriptUrl,
  isTrust,
} from "./server-kinds.js";
import type { SettingsOf } from "./table.js";

/** The options of a route. At the top of `serve` the same options are the defaults of every route. */
export const routeTable = {
  mailbox: {
    group: {
      highWaterEvents: { kind: "whole", min: 1, default: 64 },
      // The default depends on the high mark.
      lowWaterEvents: { kind: "whole", min: 0 },
      maxBytes: { kind: "whole", min: 1, default: 1_048_576 },
      maxInfo: { kind: "whole", min: 1, default: 10_000 },
    },
  },
  budget: {
    expected:
      "an object such as { messagesPerSecond: 10 }, or { messagesPerSecond: 0, bytesPerSecond: 0, handlerMsPerSecond: 0 } for no limit, as without a budget",
    group: {
      messagesPerSecond: { kind: "number", min: 0, default: 0 },
      bytesPerSecond: { kind: "number", min: 0, default: 0 },
      handlerMsPerSecond: { kind: "number", min: 0, default: 0 },
      burstSeconds: { kind: "number", min: 0, default: 2 },
      over: { kind: "oneOf", words: ["pause", "drop", "close"], default: "pause" },
      key: { kind: "function" },
    },
  },
  heartbeat: {
    or: [false],
    group: {
      intervalMs: { kind: "ms", default: 25_000 },
      timeoutMs: { kind: "ms", default: 20_000 },
    },
  },
  authorize: { kind: "function" },
  origins: {
    expected:
      '"same", "any" or a list of origins as browsers send them: "https://example.com", without a path, a "*" or the usual port',
    accepts: (value: unknown): value is "same" | "any" | readonly string[] => isOrigins(value),
    default: "same",
  },
  protocols: {
    expected:
      'a list of names of subprotocols, without names of sessions ("sendall.1", "sendall.1.…", "…+sendall.1"), which the server answers by itself',
    accepts: (value: unknown): value is readonly string[] => isProtocols(value),
    default: [],
  },
  handshakeTimeoutMs: { kind: "ms", default: 10_000 },
  idleTimeoutMs: { kind: "ms", orFalse: true, default: false },
  maxPayloadBytes: { kind: "whole", min: 1, max: 2_147_483_647, default: 1_048_576 },
  maxFragments: { kind: "whole", min: 1, max: 2_147_483_647, default: 16_384 },
  outbox: {
    group: {
      maxBufferedBytes: { kind: "whole", min: 1, default: 1_048_576 },
      slowConsumer: { kind: "oneOf", words: ["close", "dropOldest", "dropNewest"], default: "close" },
    },
  },
  maxRoomsPerConnection: { kind: "whole", min: 1, default: 100 },
  handlerTimeoutMs: { kind: "ms", default: 30_000 },
  compression: { kind: "flag", default: false },
  concurrency: { kind: "oneOf", words: ["serial", "connection"], default: "serial" },
  supervise: {
    group: {
      strategy: { kind: "oneOf", words: ["resume", "restart"], default: "resume" },
      intensity: { kind: "whole", min: 0, default: 3 },
      periodMs: { kind: "ms", default: 5_000 },
      keepData: { kind: "flag", default: true },
    },
  },
  resume: {
    or: [true, false],
    default: false,
    group: {
      graceMs: { kind: "ms", default: 120_000 },
      maxBytes: { kind: "whole", min: 1, default: 1_048_576 },
      maxAway: { kind: "whole", min: 1, default: 10_000 },
      maxAwayBytes: { kind: "whole", min: 1, default: 268_435_456 },
      verify: { kind: "function" },
    },
  },
  presence: {
    or: [true, false],
    default: false,
    group: {
      key: { kind: "function" },
      info: { kind: "function" },
      graceMs: { kind: "ms", min: 0, default: 5_000 },
      maxInfoBytes: { kind: "whole", min: 1, default: 1_024 },
      maxListed: { kind: "whole", min: 0, default: 1_000 },
      notice: { kind: "function" },
    },
  },
  history: {
    or: [true, false],
    default: false,
    group: {
      store: {
        expected: "a store with the functions append, read, trim and close, such as sqlite({ file }) of sendall/sqlite",
        accepts: (value: unknown): value is HistoryStore => isHistoryStore(value),
      },
      maxMessages: { kind: "whole", min: 1, default: 100 },
      maxBytes: { kind: "whole", min: 1, default: 1_048_576 },
      maxAgeMs: { kind: "ms", default: 300_000 },
      maxRooms: { kind: "whole", min: 1, default: 10_000 },
      stamp: { kind: "function" },
    },
  },
  sockjs: {
    or: [true, false],
    default: false,
    group: {
      websocket: { kind: "flag", default: true },
      heartbeatIntervalMs: { kind: "ms", default: 25_000 },
      disconnectDelayMs: { kind: "ms", default: 5_000 },
      responseLimitBytes: { kind: "whole", min: 1, default: 131_072 },
      cookieNeeded: { kind: "flag", default: false },
      legacy: { kind: "flag", default: false },
      clientUrl: {
        expected: 'the address of a script, which begins with "/", "http:" or "https:"',
        accepts: (value: unknown): value is string => isScriptUrl(value),
        default: "https://cdn.jsdelivr.net/npm/sockjs-client@1.6.1/dist/sockjs.min.js",
      },
    },
  },
} as const;

/** The options of the server alone, and `handshakeTimeoutMs`, which also limits the head of each request. */
export const serverTable = {
  static: { expected: "a folder that exists", accepts: (value: unknown): value is string => isFolder(value) },
  client: {
    expected:
      'a path that begins with "/" and names a file, such as "/sendall/client.js", without a query or a pattern',
    accepts: (value: unknown): value is string => isFilePath(value),
  },
  host: {
    expected: "a string that is not empty, the name or address of this machine without a scheme or port",
    accepts: (value: unknown): value is string => isHost(value),
    default: "127.0.0.1",
  },
  port: { kind: "whole", min: 0, max: 65_535, default: 8080 },
  backlog: { kind: "whole", min: 1, max: 2_147_483_647 },
  tls: { expected: "an object { key, cert, … }", accepts: (value: unknown): value is TlsOptions => isRecord(value) },
  maxConnections: { kind: "whole", min: 0, default: 0 },
  maxConnectionsPerAddress: { kind: "whole", min: 0, default: 0 },
  upgradesPerSecond: { kind: "number", min: 0, default: 0 },
  whenFull: { kind: "oneOf", words: ["reject", "wait"], default: "reject" },
  handshakeTimeoutMs: routeTable.handshakeTimeoutMs as typeof routeTable.handshakeTimeoutMs,
  trustProxy: {
    expected: "true, false or a number of proxies",
    accepts: (value: unknown): value is boolean | number => isTrust(value),
    default: false,
  },
  onRequest: { kind: "function" },
  onAccess: { kind: "function" },
  // At most 25 days: a longer wait for a close frame is a mistake, and more than a timer of Node can count.
  closeTimeoutMs: { kind: "ms", max: 2_147_483_647, default: 5_000 },
  cluster: {
    expected: "an adapter like nats({ servers }) or redis({ url })",
    accepts: (value: unknown): value is ClusterAdapter => isAdapter(value),
  },
  logger: {
    expected: "a pino logger or false",
    accepts: (value: unknown): value is Logger | false => isLogger(value),
  },
  name: { kind: "text", default: "sendall" },
} as const;

/** What a server runs. The reader of routes checks both values, since a program gives either `handler` or `routes`. */
export const handlingTable = {
  handler: { kind: "unchecked" },
  routes: { kind: "unchecked" },
} as const;

/** The options of {@link routeTable}; `authorize` may return data of any type. */
export type RouteTableOptions = SharedOptions<unknown>;
/** The options of {@link serverTable}. */
export type ServerTableOptions = Omit<ServerOptions, Exclude<keyof SharedOptions, "handshakeTimeoutMs">>;

/** The options of a route, checked and complete. `closeTimeoutMs` comes from the server. */
export interface RouteSettings
  extends Omit<SettingsOf<RouteTableOptions, typeof routeTable>, "mailbox">,
    Pick<ServerSettings, "closeTimeoutMs"> {
  readonly mailbox: MailboxOptions;
}

/** The option `history` of a route that keeps messages. */
export type HistorySettings = Exclude<RouteSettings["history"], false>;

/** A route, checked. */
export interface RouteDefinition {
  /** `undefined` stands for every path. */
  readonly path: string | undefined;
  readonly handler: Handler;
  readonly settings: RouteSettings;
}

/** The options of a server, checked and complete. */
export interface ServerSettings extends SettingsOf<ServerTableOptions, typeof serverTable> {
  readonly routes: readonly [RouteDefinition, ...RouteDefinition[]];
}
