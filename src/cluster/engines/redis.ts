/**
 * The cluster adapter `redis()`, over the publish and subscribe of Redis (or Valkey). Each node has a connection that subscribes and publishes, so
 * that an answer and the node's own packet, which comes back, are read at once. Redis hands out packets one by one: all nodes see one order.
 * The relay of each server opens and closes a link here.
 */
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import { bufferOf } from "../../runtime/buffer-of.js";
import type { Timer } from "../../runtime/clock.js";
import { Backlog } from "./backlog.js";
import { openRedis, type RedisClient, RedisConnection } from "./redis-connection.js";
import { type RedisOptions, readRedisOptions } from "./redis-options.js";

/** A reasonable limit for a message; Redis itself takes 512 MB. */
const MAX_PACKET_BYTES = 64 * 1_048_576;
/** At most 1,000 channels go into a command. */
const CHANNELS_AT_ONCE = 1_000;

class RedisLink implements ClusterLink {
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  readonly #node: ClusterNode;
  readonly #prefix: string;
  readonly #subscriber: RedisConnection;
  /** Apart from the subscriber only with RESP2, by which a connection that subscribes takes no other commands. */
  #publisher: RedisConnection;
  readonly #open: (role: string) => RedisConnection;
  readonly #pingMs: number;
  readonly #backlog = new Backlog();
  #batch: [channel: string, packet: Buffer][] = [];
  #pingTimer: Timer | undefined;
  #isUp = false;
  #isClosed = false;
  #hasRefused = false;

  constructor(node: ClusterNode, prefix: string, pingMs: number, connect: (role: string) => RedisClient) {
    this.#node = node;
    this.#prefix = `${prefix}.`;
    this.#pingMs = pingMs;
    const callbacks = { onReady: () => this.#onReady(), onDown: (error: unknown) => this.#onDown(error) };
    this.#open = (role) => new RedisConnection(connect(role), node.clock, callbacks);
    this.#subscriber = this.#open("subscriber");
    this.#publisher = this.#subscriber;
    this.#subscriber.redis.on("messageBuffer", (channel: Buffer, packet: Buffer) => {
      if (!this.#isClosed) node.received(channel.toString("latin1", this.#prefix.length), packet);
    });
  }

  /** Does nothing if the server has closed meanwhile. */
  connect(): void {
    if (this.#isClosed) return;
    void this.#subscriber.connect();
    this.#schedulePing();
  }

  publish(subject: string, packet: Uint8Array): boolean {
    if (this.#isClosed || !this.#publisher.isReady || this.#backlog.isFull) return false;
    this.#batch.push([this.#prefix + subject, bufferOf(packet)]);
    return true;
  }

  /** Several packets go out in a single write. */
  flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    const [first] = batch;
    if (first === undefined) return;
    let bytes = 0;
    for (const [, packet] of batch) bytes += packet.length;
    const confirmed = this.#backlog.add(bytes);
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
    const { mode } = this.#subscriber.redis;
    if (mode === "subscriber" && this.#publisher === this.#subscriber && !this.#isClosed) await this.#openPublisher();
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
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  async #openPublisher(): Promise<void> {
    this.#publisher = this.#open("publisher");
    await this.#publisher.connect();
  }

  /** One or two. */
  get #connections(): ReadonlySet<RedisConnection> {
    return new Set([this.#subscriber, this.#publisher]);
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
      for (const connection of this.#connections) connection.ping();
      this.#schedulePing();
    });
  }
}

/**
 * Joins servers over Redis: `cluster: redis({ url: "redis://127.0.0.1:6379" })`. Needs the package `ioredis`, whose client reconnects with
 * growing pauses. Redis stores nothing. Raise `client-output-buffer-limit pubsub` in Redis if nodes get more than 8 MB a minute ahead.
 *
 * @throws SendallError `BAD_OPTION` if an option is invalid; `serve` rejects with `CLUSTER_UNAVAILABLE`
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { redis } from "sendall/redis";
 *
 * const server = await serve({
 *   port: 8080,
 *   cluster: redis({ url: "redis://127.0.0.1:6379", waitForLink: true }),
 *   handler(event, bus) {
 *     if (event.type === "message") bus.sendall(event.data); // to the clients of every node
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export function redis(options: RedisOptions): ClusterAdapter {
  const { url, client, prefix, waitForLink, pingIntervalMs } = readRedisOptions(options);
  return {
    name: "redis",
    isOrdered: true,
    waitForLink,
    async open(node) {
      const dial = await openRedis("redis", "cluster", { url, client });
      const connect = (role: string): RedisClient => dial({ connectionName: `sendall-${node.id}-${role}` });
      const link = new RedisLink(node, prefix, pingIntervalMs, connect);
      node.clock.soon(() => link.connect());
      return link;
    },
  };
}
