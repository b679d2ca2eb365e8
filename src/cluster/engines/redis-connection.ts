/**
 * Connections to Redis (or Valkey), for the adapter `redis()` and the store `redisHistory()`. The only file that loads `ioredis`, an optional peer
 * dependency, whose client reconnects. The adapter and the store close the connections.
 */
import type { RedisOptions as ClientOptions, Redis } from "ioredis";
import type { Clock, Timer } from "../../runtime/clock.js";
import { within } from "../../runtime/promises.js";
import { importClient } from "./adapter-setup.js";

/** A client of the package. */
export type RedisClient = Redis;

/** No command waits for a connection, and no command is sent twice. */
const FIXED = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  // Short, since nothing is left to be sent when the link disconnects.
  disconnectTimeout: 100,
} as const satisfies ClientOptions;
/** A client that has stopped reconnecting is started again after this time. */
const RETRY_MS = 1_000;
const CLOSE_MS = 1_000;

function ignore(): void {}

/** A connection to the engine, which reconnects until `close`. */
export class RedisConnection {
  readonly redis: Redis;
  readonly #onReady: () => void;
  readonly #onDown: (error: unknown) => void;
  readonly #clock: Clock;
  #lastError: Error | undefined;
  #isPingPending = false;
  #retryTimer: Timer | undefined;

  constructor(
    redis: Redis,
    clock: Clock,
    { onReady, onDown }: { onReady: () => void; onDown: (error: unknown) => void },
  ) {
    this.redis = redis;
    this.#clock = clock;
    this.#onReady = onReady;
    this.#onDown = onDown;
    redis.on("error", (error: Error) => {
      this.#lastError = error;
    });
    // Node hands on what it reads at once only with a listener added by `on`. The client adds its own by `prependListener`: each read would wait for
    // another tick, which makes a message to another node a twelfth more expensive.
    redis.on("connect", () => redis.stream.on("data", ignore));
    redis.on("ready", () => {
      this.#isPingPending = false;
      this.#lastError = undefined;
      this.#onReady();
    });
    redis.on("close", () => this.#onDown(this.#lastError ?? new Error("the connection was lost")));
    redis.on("end", () => {
      this.#retryTimer = clock.after(RETRY_MS, () => this.connect());
    });
  }

  get isReady(): boolean {
    return this.redis.status === "ready";
  }

  /** Resolves when the first attempt has succeeded or failed: the client also reports a failure by its events. */
  async connect(): Promise<void> {
    await this.redis.connect().catch(() => {});
  }

  /** Disconnects if the engine has not answered since the last call; the client then reconnects. */
  ping(): void {
    const { status } = this.redis;
    if (status !== "ready" && status !== "connect") return;
    if (this.#isPingPending) {
      this.#isPingPending = false;
      this.#lastError = new Error("it does not answer pings");
      this.redis.disconnect(true);
      return;
    }
    this.#isPingPending = true;
    const onAnswer = (): void => {
      this.#isPingPending = false;
    };
    // In the state `connect` the handshake of the client is under way, and the engine has to answer the handshake instead.
    if (status === "ready") this.redis.ping().then(onAnswer, onAnswer);
  }

  async close(): Promise<void> {
    this.redis.removeAllListeners("end");
    this.redis.removeAllListeners("close");
    this.redis.removeAllListeners("ready");
    this.#retryTimer?.cancel();
    if (this.isReady)
      await within(
        this.#clock,
        CLOSE_MS,
        this.redis.quit().catch(() => {}),
      );
    this.redis.disconnect();
  }
}

interface ConnectionSettings {
  readonly connectionName: string;
  readonly keyPrefix?: string;
}

/**
 * Loads the client. @param user who needs the client, and the part of the options where the user stands
 * @returns makes a client, not yet connected, with the settings of the program and further settings
 */
export async function openRedis(
  user: string,
  part: "cluster" | "history",
  { url, client }: { readonly url: string | undefined; readonly client: Redis | undefined },
): Promise<(settings: ConnectionSettings) => Redis> {
  const ioredis = await importClient(user, "ioredis", () => import("ioredis"), part);
  return (settings) => {
    const all = { ...FIXED, ...settings };
    return client === undefined ? new ioredis.Redis(url ?? "", all) : client.duplicate(all);
  };
}
