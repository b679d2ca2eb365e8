/**
 * The two connections of `redisHistory()`: one runs scripts, the other is subscribed. Tells which run of the engine answers, since an engine that was
 * started again may have lost messages. Each store opens a link, and closes the link.
 */
import type { Clock, Timer } from "../../runtime/clock.js";
import { Backlog } from "./backlog.js";
import { type RedisClient, RedisConnection } from "./redis-connection.js";

/** After a refusal, say because the memory of the engine is full, nothing is sent for this time. */
const PAUSE_MS = 1_000;

export interface RedisHistoryLinkParts {
  readonly clock: Clock;
  readonly pingMs: number;
  /** Makes a client, not yet connected. */
  readonly dial: (role: string) => RedisClient;
  /** Both connections are there. */
  readonly onUp: () => void;
  readonly onDown: (error: unknown) => void;
  /** The connection that is subscribed is lost, with every subscription. */
  readonly onDeaf: () => void;
  readonly onMessage: (channel: string, packet: Buffer) => void;
}

/** Which run of which engine answers, and whether the engine has all that an earlier run had. */
interface Run {
  readonly id: string;
  readonly hasAll: boolean;
}

export class RedisHistoryLink {
  readonly backlog: Backlog = new Backlog();
  readonly #parts: RedisHistoryLinkParts;
  readonly #writer: RedisConnection;
  readonly #reader: RedisConnection;
  #run: Run | undefined;
  /** The engine's name for the last connection that ran scripts, and the run that gave the name. */
  #lastWriter: { readonly id: string; readonly run: string } | undefined;
  #timer: Timer | undefined;
  #pause: Timer | undefined;
  #lastError: unknown;
  #greetings = 0;
  #isUp = false;
  #isClosed = false;

  constructor(parts: RedisHistoryLinkParts) {
    this.#parts = parts;
    const { clock, dial, onDeaf, onMessage } = parts;
    const onDown = (error: unknown): void => this.#onDown(error);
    this.#writer = new RedisConnection(dial("writer"), clock, { onReady: () => void this.#greet(), onDown });
    const onReaderDown = (error: unknown): void => {
      onDeaf();
      onDown(error);
    };
    this.#reader = new RedisConnection(dial("reader"), clock, { onReady: () => this.#onReady(), onDown: onReaderDown });
    this.#reader.redis.on("messageBuffer", (channel: Buffer, packet: Buffer) => {
      if (!this.#isClosed) onMessage(channel.toString("latin1"), packet);
    });
  }

  connect(): void {
    void this.#writer.connect();
    void this.#reader.connect();
    this.#schedulePing();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Whether messages can be appended now. */
  get takes(): boolean {
    return this.#isUp && this.#pause === undefined && !this.backlog.isFull;
  }

  /** The number of the engine's database: channels do not know of databases. */
  get database(): number {
    return this.#reader.redis.options.db ?? 0;
  }

  /** Runs a script, in the order of the calls. `args` follow those about the run. */
  async ask(
    script: string,
    keys: readonly [string, string],
    newEpoch: string,
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    const run = this.#run;
    if (!this.#isUp || run === undefined) throw this.#unreachable();
    const about = [newEpoch, run.id, run.hasAll ? "1" : "0"];
    return await this.#writer.redis.callBuffer("EVAL", [script, "2", ...keys, ...about, ...args]);
  }

  /** Resolves when the engine has confirmed. */
  async subscribe(channel: string): Promise<void> {
    await this.#reader.redis.subscribe(channel);
  }

  unsubscribe(channel: string): void {
    // A failure here means that the connection is lost, with every subscription.
    if (this.#reader.isReady) this.#reader.redis.unsubscribe(channel).catch(() => {});
  }

  /** Resolves when all that was published before the call has come. */
  async heardAll(): Promise<void> {
    await this.#reader.redis.ping();
  }

  /** The engine has refused to write: the next messages would be refused too. */
  pause(): void {
    this.#pause ??= this.#parts.clock.after(PAUSE_MS, () => {
      this.#pause = undefined;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    this.#timer?.cancel();
    this.#pause?.cancel();
    await Promise.all([this.#writer.close(), this.#reader.close()]);
  }

  #unreachable(): Error {
    const cause = this.#lastError;
    return new Error(`the engine cannot be reached${cause instanceof Error ? `: ${cause.message}` : ""}`, { cause });
  }

  /** Asks which engine has answered. */
  async #greet(): Promise<void> {
    const { redis } = this.#writer;
    const greeting = ++this.#greetings;
    const isOver = (): boolean => this.#isClosed || greeting !== this.#greetings || !this.#writer.isReady;
    try {
      const run = readRun(await redis.info(), await isSynced(redis));
      const id = String(await redis.client("ID"));
      const last = this.#lastWriter;
      // Messages that the engine has not read yet would come into the order late.
      if (last?.run === run.id) await redis.client("KILL", "ID", last.id).catch(() => {});
      if (isOver()) return;
      this.#lastWriter = { id, run: run.id };
      this.#run = run;
      this.#onReady();
    } catch (error) {
      if (isOver()) return;
      this.#onDown(error);
      this.#pause?.cancel();
      this.#pause = this.#parts.clock.after(PAUSE_MS, () => {
        this.#pause = undefined;
        void this.#greet();
      });
    }
  }

  #onReady(): void {
    if (this.#isUp || this.#isClosed || this.#run === undefined || !this.#writer.isReady || !this.#reader.isReady)
      return;
    this.#isUp = true;
    this.#parts.onUp();
  }

  #onDown(error: unknown): void {
    this.#lastError = error;
    if (!this.#writer.isReady) {
      this.#run = undefined;
      this.backlog.clear();
    }
    this.#isUp = false;
    this.#parts.onDown(error);
  }

  #schedulePing(): void {
    const { clock, pingMs } = this.#parts;
    this.#timer = clock.after(pingMs, () => {
      this.#writer.ping();
      this.#reader.ping();
      clock.soon(() => {
        if (!this.#isClosed) this.#schedulePing();
      });
    });
  }
}

function fieldOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1];
}

/** Whether a file has what the engine confirms. Engines of some vendors do not tell. */
async function isSynced(redis: RedisClient): Promise<boolean> {
  const [, value] = await redis.call("CONFIG", ["GET", "appendfsync"]).then(
    (answer) => (Array.isArray(answer) ? answer : Object.entries(answer ?? {}).flat()),
    () => [],
  );
  return value === "always";
}

/**
 * Without `appendfsync always` the last messages before a crash are not in the file, although members have got the messages. A replica that was promoted
 * may lack messages too, and a replica may be promoted.
 */
function readRun(info: string, isSynced: boolean): Run {
  const id = fieldOf(info, "run_id");
  if (id === undefined) throw new Error("redis does not tell run_id in INFO");
  const hasFile = isSynced && fieldOf(info, "aof_enabled") === "1";
  const isFirst = fieldOf(info, "role") === "master" && /^0*$/.test(fieldOf(info, "master_replid2") ?? "");
  return { id, hasAll: hasFile && isFirst };
}
