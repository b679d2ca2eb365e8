/**
 * Clusters over Redis (or Valkey), by publish and subscribe. The only file that loads `ioredis`, an optional peer
 * dependency; its client reconnects by itself. Two connections for each node: one that publishes, one that listens.
 */
import type { RedisOptions as ClientOptions, Redis } from "ioredis";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import { isRecord, MAX_NATIVE_MS } from "../../options/kinds.js";
import { readSettings, refuseOption } from "../../options/read-options.js";
import type { Timer } from "../../runtime/clock.js";
import { within } from "../../runtime/promises.js";
import { Backlog } from "./backlog.js";
import { checkAdapterNames, importClient, linkTable } from "./peer.js";

/** What `redis` takes: `url` or `client`. */
export interface RedisOptions {
  /** Where the engine is, with name and password if it asks for them: `"redis://name:password@127.0.0.1:6379"`, `rediss://` for TLS. Default none. */
  readonly url?: string;
  /** A client of `ioredis` with the options of your choice, not one of a Redis cluster. It is copied, and left as it is. Default none. */
  readonly client?: Redis;
  /** Stands before all channels: programs with different prefixes do not hear each other. Default `"sendall"`. */
  readonly prefix?: string;
  /** Whether `serve` resolves without the engine; the server is not ready until it is there. Default `false`. */
  readonly waitForLink?: boolean;
  /** An engine that does not answer a ping until the next one, so many milliseconds later, is given up. Default 10,000 ms. */
  readonly pingIntervalMs?: number;
}

/** Nothing waits for a connection, and nothing is sent a second time. */
const FIXED = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  // What was to be said has been said by then.
  disconnectTimeout: 100,
} as const satisfies ClientOptions;
/** Redis takes 512 MB; ours is what one message may reasonably be. */
const MAX_PACKET_BYTES = 64 * 1_048_576;
/** So many channels go into one command. */
const CHANNELS_AT_ONCE = 1_000;
/** A client whose own tries have come to an end is started again. */
const RETRY_MS = 1_000;
const CLOSE_MS = 1_000;

/** One of the two connections. */
class Line {
  readonly redis: Redis;
  readonly #onReady: () => void;
  readonly #onDown: (error: unknown) => void;
  readonly #clock: ClusterNode["clock"];
  #lastError: Error | undefined;
  #isWaiting = false;
  #retry: Timer | undefined;

  constructor(
    redis: Redis,
    clock: ClusterNode["clock"],
    { onReady, onDown }: { onReady: () => void; onDown: (error: unknown) => void },
  ) {
    this.redis = redis;
    this.#clock = clock;
    this.#onReady = onReady;
    this.#onDown = onDown;
    redis.on("error", (error: Error) => {
      this.#lastError = error;
    });
    redis.on("ready", () => {
      this.#isWaiting = false;
      this.#lastError = undefined;
      this.#onReady();
    });
    redis.on("close", () => this.#onDown(this.#lastError ?? new Error("the connection was lost")));
    redis.on("end", () => {
      this.#retry = clock.after(RETRY_MS, () => this.begin());
    });
  }

  get isReady(): boolean {
    return this.redis.status === "ready";
  }

  begin(): void {
    // Its failure is told by events.
    this.redis.connect().catch(() => {});
  }

  /** Gives up a connection that has not answered since the last call. */
  ping(): void {
    const { status } = this.redis;
    if (status !== "ready" && status !== "connect") return;
    if (this.#isWaiting) {
      this.#isWaiting = false;
      this.#lastError = new Error("it does not answer pings");
      this.redis.disconnect(true);
      return;
    }
    this.#isWaiting = true;
    const answered = (): void => {
      this.#isWaiting = false;
    };
    // While it shakes hands, the handshake is what has to be answered.
    if (status === "ready") this.redis.ping().then(answered, answered);
  }

  async close(): Promise<void> {
    this.redis.removeAllListeners("end");
    this.redis.removeAllListeners("close");
    this.redis.removeAllListeners("ready");
    this.#retry?.cancel();
    if (this.isReady)
      await within(
        this.#clock,
        CLOSE_MS,
        this.redis.quit().catch(() => {}),
      );
    this.redis.disconnect();
  }
}

class RedisLink implements ClusterLink {
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  readonly #node: ClusterNode;
  readonly #prefix: string;
  readonly #publisher: Line;
  readonly #subscriber: Line;
  readonly #pingMs: number;
  readonly #backlog = new Backlog();
  #batch: [channel: string, packet: Buffer][] = [];
  #pinging: Timer | undefined;
  #isUp = false;
  #isClosed = false;
  #hasRefused = false;

  constructor(node: ClusterNode, prefix: string, pingMs: number, connect: (role: string) => Redis) {
    this.#node = node;
    this.#prefix = `${prefix}.`;
    this.#pingMs = pingMs;
    const told = { onReady: () => this.#ready(), onDown: (error: unknown) => this.#down(error) };
    this.#publisher = new Line(connect("publisher"), node.clock, told);
    this.#subscriber = new Line(connect("subscriber"), node.clock, told);
    this.#subscriber.redis.on("messageBuffer", (channel: Buffer, packet: Buffer) => {
      if (!this.#isClosed) node.received(channel.toString("latin1", this.#prefix.length), packet);
    });
  }

  begin(): void {
    this.#publisher.begin();
    this.#subscriber.begin();
    this.#pingLater();
  }

  publish(subject: string, packet: Uint8Array): boolean {
    if (this.#isClosed || !this.#publisher.isReady || this.#backlog.isFull) return false;
    this.#batch.push([this.#prefix + subject, Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)]);
    return true;
  }

  /** Several are one write. */
  flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    const [first] = batch;
    if (first === undefined) return;
    const confirm = this.#backlog.add(batch.reduce((sum, [, packet]) => sum + packet.length, 0));
    const { redis } = this.#publisher;
    const answer = batch.length === 1 ? redis.publish(...first) : this.#pipeline(batch);
    answer.then(confirm, (error: unknown) => {
      confirm();
      this.#refused(error);
    });
  }

  async subscribe(subjects: readonly string[]): Promise<void> {
    const { redis } = this.#subscriber;
    const commands: Promise<unknown>[] = [];
    for (const channels of this.#channels(subjects)) commands.push(redis.subscribe(...channels));
    await Promise.all(commands);
  }

  unsubscribe(subjects: readonly string[]): void {
    if (!this.#subscriber.isReady) return;
    // What fails here fails with its connection, and all subscriptions with it.
    for (const channels of this.#channels(subjects)) this.#subscriber.redis.unsubscribe(...channels).catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    this.#pinging?.cancel();
    await Promise.all([this.#publisher.close(), this.#subscriber.close()]);
  }

  *#channels(subjects: readonly string[]): Generator<string[]> {
    for (let i = 0; i < subjects.length; i += CHANNELS_AT_ONCE)
      yield subjects.slice(i, i + CHANNELS_AT_ONCE).map((subject) => this.#prefix + subject);
  }

  async #pipeline(batch: readonly [channel: string, packet: Buffer][]): Promise<void> {
    const pipeline = this.#publisher.redis.pipeline();
    for (const [channel, packet] of batch) pipeline.publish(channel, packet);
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  #ready(): void {
    if (this.#isUp || !this.#publisher.isReady || !this.#subscriber.isReady) return;
    this.#isUp = true;
    this.#hasRefused = false;
    this.#node.up();
  }

  #down(error: unknown): void {
    this.#isUp = false;
    this.#batch = [];
    this.#backlog.clear();
    this.#node.down(error);
  }

  /** While the link is up: the user may not publish, say. What goes with the link is told by that. */
  #refused(error: unknown): void {
    if (!this.#isUp || this.#hasRefused || this.#isClosed) return;
    this.#hasRefused = true;
    this.#node.log.error({ err: error }, "redis refuses what is published: other nodes do not get it");
  }

  #pingLater(): void {
    this.#pinging = this.#node.clock.after(this.#pingMs, () => {
      this.#publisher.ping();
      this.#subscriber.ping();
      this.#pingLater();
    });
  }
}

/** What a client of `ioredis` has and others have not: those of node-redis know no `pipeline` and no `status`. */
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

/** Not by its class: a program may have another copy of `ioredis`. A cluster's client is copied in another way. */
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
  url: { expected: 'an address like "redis://127.0.0.1:6379"', accepts: isAddress, secret: true },
  client: {
    expected: "a client of ioredis, as new Redis() makes it: not a cluster's, and of no other package",
    accepts: isClient,
    secret: true,
  },
  prefix: linkTable.prefix,
  waitForLink: linkTable.waitForLink,
  pingIntervalMs: { kind: "ms", max: MAX_NATIVE_MS, default: 10_000 },
} as const;

/**
 * Joins servers over Redis: `cluster: redis({ url: "redis://127.0.0.1:6379" })`. Needs the package `ioredis`, whose client reconnects with
 * growing pauses. Nothing is stored in Redis. Raise its `client-output-buffer-limit pubsub` if nodes get more than 8 MB a minute ahead.
 *
 * @throws SendallError `BAD_OPTION` if an option is none; `serve` rejects with `CLUSTER_UNAVAILABLE`
 */
export function redis(options: RedisOptions): ClusterAdapter {
  checkAdapterNames(options, redisTable);
  const { prefix, waitForLink } = readSettings<LinkOptions, typeof linkTable>(linkTable, { options });
  if ((options.url === undefined) === (options.client === undefined))
    refuseOption("url", "expected either url or client");
  const { url, client, pingIntervalMs } = readSettings<RedisOptions, typeof redisTable>(redisTable, { options });
  return {
    name: "redis",
    waitForLink,
    async open(node) {
      const ioredis = await importClient("redis", "ioredis", () => import("ioredis"));
      const connect = (role: string): Redis => {
        const settings = { ...FIXED, connectionName: `sendall-${node.id}-${role}` };
        return client === undefined ? new ioredis.Redis(url ?? "", settings) : client.duplicate(settings);
      };
      const link = new RedisLink(node, prefix, pingIntervalMs, connect);
      node.clock.soon(() => link.begin());
      return link;
    },
  };
}
