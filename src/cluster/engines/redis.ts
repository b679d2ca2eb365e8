/**
 * The cluster adapter `redis()`, over the publish and subscribe of Redis (or Valkey). The only file that loads `ioredis`, an optional
 * peer dependency, whose client reconnects. Each node has a connection that publishes and a connection that subscribes, on which the
 * node's own packets come back: Redis hands out packets one by one, so that all nodes see one order. The relay of each server opens and
 * closes a link here.
 */
import type { RedisOptions as ClientOptions, Redis } from "ioredis";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import type { Timer } from "../../runtime/clock.js";
import { within } from "../../runtime/promises.js";
import { importClient } from "./adapter-setup.js";
import { Backlog } from "./backlog.js";
import { type RedisOptions, readRedisOptions } from "./redis-options.js";

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
/** A reasonable limit for a message; Redis itself takes 512 MB. */
const MAX_PACKET_BYTES = 64 * 1_048_576;
/** At most 1,000 channels go into a command. */
const CHANNELS_AT_ONCE = 1_000;
/** A client that has stopped reconnecting is started again after this time. */
const RETRY_MS = 1_000;
const CLOSE_MS = 1_000;

/** A connection to the engine, which reconnects until `close`. */
class RedisConnection {
  readonly redis: Redis;
  readonly #onReady: () => void;
  readonly #onDown: (error: unknown) => void;
  readonly #clock: ClusterNode["clock"];
  #lastError: Error | undefined;
  #isPingPending = false;
  #retryTimer: Timer | undefined;

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

  connect(): void {
    // The client also reports a failure by its events.
    this.redis.connect().catch(() => {});
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

class RedisLink implements ClusterLink {
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  readonly #node: ClusterNode;
  readonly #prefix: string;
  readonly #publisher: RedisConnection;
  readonly #subscriber: RedisConnection;
  readonly #pingMs: number;
  readonly #backlog = new Backlog();
  #batch: [channel: string, packet: Buffer][] = [];
  #pingTimer: Timer | undefined;
  #isUp = false;
  #isClosed = false;
  #hasRefused = false;

  constructor(node: ClusterNode, prefix: string, pingMs: number, connect: (role: string) => Redis) {
    this.#node = node;
    this.#prefix = `${prefix}.`;
    this.#pingMs = pingMs;
    const callbacks = { onReady: () => this.#onReady(), onDown: (error: unknown) => this.#onDown(error) };
    this.#publisher = new RedisConnection(connect("publisher"), node.clock, callbacks);
    this.#subscriber = new RedisConnection(connect("subscriber"), node.clock, callbacks);
    this.#subscriber.redis.on("messageBuffer", (channel: Buffer, packet: Buffer) => {
      if (!this.#isClosed) node.received(channel.toString("latin1", this.#prefix.length), packet);
    });
  }

  connect(): void {
    this.#publisher.connect();
    this.#subscriber.connect();
    this.#schedulePing();
  }

  publish(subject: string, packet: Uint8Array): boolean {
    if (this.#isClosed || !this.#publisher.isReady || this.#backlog.isFull) return false;
    this.#batch.push([this.#prefix + subject, Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)]);
    return true;
  }

  /** Several packets go out in a single write. */
  flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    const [first] = batch;
    if (first === undefined) return;
    const confirmed = this.#backlog.add(batch.reduce((sum, [, packet]) => sum + packet.length, 0));
    const { redis } = this.#publisher;
    const answer = batch.length === 1 ? redis.publish(...first) : this.#pipeline(batch);
    answer.then(confirmed, (error: unknown) => {
      confirmed();
      this.#onRefused(error);
    });
  }

  async subscribe(subjects: readonly string[]): Promise<void> {
    const { redis } = this.#subscriber;
    const commands: Promise<unknown>[] = [];
    for (const channels of this.#channelsOf(subjects)) commands.push(redis.subscribe(...channels));
    await Promise.all(commands);
  }

  unsubscribe(subjects: readonly string[]): void {
    if (!this.#subscriber.isReady) return;
    // A failure here means that the connection is lost, with every subscription.
    for (const channels of this.#channelsOf(subjects)) this.#subscriber.redis.unsubscribe(...channels).catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    this.#pingTimer?.cancel();
    await Promise.all([this.#publisher.close(), this.#subscriber.close()]);
  }

  *#channelsOf(subjects: readonly string[]): Generator<string[]> {
    for (let i = 0; i < subjects.length; i += CHANNELS_AT_ONCE)
      yield subjects.slice(i, i + CHANNELS_AT_ONCE).map((subject) => this.#prefix + subject);
  }

  async #pipeline(batch: readonly [channel: string, packet: Buffer][]): Promise<void> {
    const pipeline = this.#publisher.redis.pipeline();
    for (const [channel, packet] of batch) pipeline.publish(channel, packet);
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  #onReady(): void {
    if (this.#isUp || !this.#publisher.isReady || !this.#subscriber.isReady) return;
    this.#isUp = true;
    this.#hasRefused = false;
    this.#node.up();
  }

  #onDown(error: unknown): void {
    this.#isUp = false;
    this.#batch = [];
    this.#backlog.clear();
    this.#node.down(error);
  }

  /** Logs the first refusal while the link is up, say of a user without the right to publish. The loss of the link is logged elsewhere. */
  #onRefused(error: unknown): void {
    if (!this.#isUp || this.#hasRefused || this.#isClosed) return;
    this.#hasRefused = true;
    this.#node.log.error({ err: error }, "redis refuses to publish: messages do not reach other nodes");
  }

  #schedulePing(): void {
    this.#pingTimer = this.#node.clock.after(this.#pingMs, () => {
      this.#publisher.ping();
      this.#subscriber.ping();
      this.#schedulePing();
    });
  }
}

/**
 * Joins servers over Redis: `cluster: redis({ url: "redis://127.0.0.1:6379" })`. Needs the package `ioredis`, whose client reconnects with
 * growing pauses. Redis stores nothing. Raise `client-output-buffer-limit pubsub` in Redis if nodes get more than 8 MB a minute ahead.
 *
 * @throws SendallError `BAD_OPTION` if an option is invalid; `serve` rejects with `CLUSTER_UNAVAILABLE`
 */
export function redis(options: RedisOptions): ClusterAdapter {
  const { url, client, prefix, waitForLink, pingIntervalMs } = readRedisOptions(options);
  return {
    name: "redis",
    isOrdered: true,
    waitForLink,
    async open(node) {
      const ioredis = await importClient("redis", "ioredis", () => import("ioredis"));
      const connect = (role: string): Redis => {
        const settings = { ...FIXED, connectionName: `sendall-${node.id}-${role}` };
        return client === undefined ? new ioredis.Redis(url ?? "", settings) : client.duplicate(settings);
      };
      const link = new RedisLink(node, prefix, pingIntervalMs, connect);
      node.clock.soon(() => link.connect());
      return link;
    },
  };
}
