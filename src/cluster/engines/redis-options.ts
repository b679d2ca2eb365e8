/** The options of the cluster adapter `redis()`, and the reader of the options. Names types of `ioredis` only, and loads nothing. */
import type { Redis } from "ioredis";
import { isRecord } from "../../options/kinds.js";
import { readSettings, refuseOption } from "../../options/read-options.js";
import type { SettingsOf } from "../../options/table.js";
import { checkAdapterNames, linkTable } from "./adapter-setup.js";

/** What `redis` takes: `url` or `client`. */
export interface RedisOptions {
  /**
   * The address of the engine, with a name and a password if required: `"redis://name:password@127.0.0.1:6379"`, `rediss://` for TLS.
   * Default none.
   */
  readonly url?: string;
  /**
   * A client of `ioredis` with the options of your choice, but not of a Redis cluster. The adapter copies the client and leaves the
   * original alone. Default none.
   */
  readonly client?: Redis;
  /** Begins the name of every channel: programs with different prefixes do not hear each other. Default `"sendall"`. */
  readonly prefix?: string;
  /** Whether `serve` resolves before the engine is reached; until then the server is not ready. Default `false`. */
  readonly waitForLink?: boolean;
  /** The pause between pings, in milliseconds: an engine that has not answered by the next ping is given up. Default 10,000 ms. */
  readonly pingIntervalMs?: number;
}

/** Methods of a client of `ioredis`; a client of node-redis has no `pipeline` (and no `status`). */
const CLIENT_METHODS = [
  "duplicate",
  "connect",
  "disconnect",
  "quit",
  "ping",
  "on",
  "publish",
  "subscribe",
  "unsubscribe",
  "pipeline",
];

/** Does not ask for the class, since a program may have another copy of `ioredis`. A cluster's `duplicate` takes other arguments. */
function isClient(value: unknown): value is Redis {
  return (
    isRecord(value) &&
    CLIENT_METHODS.every((name) => typeof value[name] === "function") &&
    typeof value.status === "string" &&
    value.isCluster !== true
  );
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && URL.canParse(value) && /^rediss?:/.test(value);
}

type LinkOptions = Pick<RedisOptions, keyof typeof linkTable>;

const redisTable = {
  url: {
    expected: 'an address like "redis://127.0.0.1:6379"',
    accepts: (value: unknown): value is string => isAddress(value),
    secret: true,
  },
  client: {
    expected: "a client of ioredis, as new Redis() makes it: not a cluster's, and of no other package",
    accepts: (value: unknown): value is Redis => isClient(value),
    secret: true,
  },
  prefix: linkTable.prefix as typeof linkTable.prefix,
  waitForLink: linkTable.waitForLink as typeof linkTable.waitForLink,
  // The longest wait of a native timer.
  pingIntervalMs: { kind: "ms", max: 2_147_483_647, default: 10_000 },
} as const;

/** Checks the options of `redis()`, the common options of adapters first, and fills in defaults; throws `BAD_OPTION`. */
export function readRedisOptions(options: RedisOptions): SettingsOf<RedisOptions, typeof redisTable> {
  checkAdapterNames(options, redisTable, '{ url: "redis://127.0.0.1:6379" }');
  readSettings<LinkOptions, typeof linkTable>(linkTable, { options });
  const { url, client } = options;
  if ((url === undefined) === (client === undefined)) refuseOption("url", "expected either url or client");
  return readSettings<RedisOptions, typeof redisTable>(redisTable, { options });
}
