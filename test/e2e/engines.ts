/**
 * Engines of clusters as tests need them: real servers on free ports that the test kills, stops and starts again, and a network
 * between a node and its engine that the test cuts or holds up. All end with the test.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { ClusterAdapter } from "sendall";
import { nats } from "sendall/nats";
import { redis } from "sendall/redis";
import { onTestFinished } from "vitest";
import { Lines } from "./programs.js";
import { requires } from "./requires.js";

/** What tests give an adapter, whichever it is. */
interface Options {
  readonly prefix?: string;
  readonly waitForLink?: boolean;
  /** How often the engine is asked whether it is there. */
  readonly pingMs?: number;
}

/** What a test does with an engine, whichever it is. */
interface Kind {
  readonly name: "nats" | "redis";
  readonly scheme: string;
  args(port: number, folder: string): string[];
  readonly ready: RegExp;
  /** Asks for a password from the beginning. */
  readonly secret: readonly string[];
  /** Knows it, in each of the ways that there are. */
  signedIn(port: number): readonly ClusterAdapter[];
  /** Cuts whoever does not read, soon. */
  readonly strict: readonly string[];
  /** Files in `$FOLDER`, for arguments. */
  readonly configurations?: Readonly<Record<string, string>>;
  adapter(url: string, options: Options): ClusterAdapter;
  /** The subjects of all subscriptions, as the engine itself says: one that two nodes hear is there twice. */
  subjects(engine: Engine): Promise<string[]>;
  /** Publishes as a stranger would. */
  publish(engine: Engine, subject: string, data: Buffer): Promise<void>;
}

/** Short, so that a silent engine is noticed soon. */
const PING_MS = 200;

export const NATS: Kind = {
  name: "nats",
  scheme: "nats",
  args: (port) => ["-a", "127.0.0.1", "-p", `${port}`, "--http_port", `${port + 10_000}`],
  ready: /Server is ready/,
  secret: ["--user", "ann", "--pass", "secret"],
  signedIn: (port) => [
    nats({ servers: `nats://127.0.0.1:${port}`, user: "ann", pass: "secret" }),
    nats({ servers: [`127.0.0.1:${port}`], user: "ann", pass: "secret" }),
  ],
  strict: ["-c", "$FOLDER/strict.conf"],
  configurations: {
    "strict.conf": 'max_pending: 1MB\nwrite_deadline: "1s"\n',
    "full.conf": 'jetstream { store_dir: "$FOLDER", max_file_store: 2MB }\n',
    "narrow.conf":
      'jetstream { store_dir: "$FOLDER" }\n' +
      'authorization { users: [{ user: ann, password: pass, permissions: { publish: ["a.>"] } }] }\n',
  },
  adapter: (url, { pingMs = PING_MS, ...options }) =>
    nats({ servers: url, pingInterval: pingMs, reconnectTimeWait: 50, reconnectJitter: 10, ...options }),
  async subjects(engine) {
    const answer = await fetch(`http://127.0.0.1:${engine.port + 10_000}/subsz?subs=1`);
    const { subscriptions_list: list = [] } = (await answer.json()) as { subscriptions_list?: { subject: string }[] };
    return list.map(({ subject }) => subject).filter((subject) => !subject.startsWith("$"));
  },
  async publish(engine, subject, data) {
    const socket = connect(engine.port, "127.0.0.1");
    await once(socket, "data");
    socket.write('CONNECT {"verbose":false,"user":"ann","pass":"secret"}\r\n');
    socket.write(Buffer.concat([Buffer.from(`PUB ${subject} ${data.length}\r\n`), data, Buffer.from("\r\nPING\r\n")]));
    await once(socket, "data");
    socket.destroy();
  },
};

export const REDIS: Kind = {
  name: "redis",
  scheme: "redis",
  args: (port, folder) => ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", folder],
  ready: /Ready to accept connections/,
  secret: ["--requirepass", "secret"],
  signedIn: (port) => [redis({ url: `redis://:secret@127.0.0.1:${port}` }), redis({ client: ownClient(port) })],
  strict: ["--client-output-buffer-limit", "pubsub", "1mb", "1mb", "1"],
  adapter: (url, { pingMs = PING_MS, ...options }) => redis({ url, pingIntervalMs: pingMs, ...options }),
  subjects: (engine) =>
    engine.ask(async (client) => {
      const channels = (await client.pubsub("CHANNELS")) as string[];
      const counts = (await client.pubsub("NUMSUB", ...channels)) as (string | number)[];
      return channels.flatMap((channel, i) => Array.from({ length: Number(counts[2 * i + 1]) }, () => channel));
    }),
  publish: (engine, subject, data) => engine.ask(async (client) => void (await client.publish(subject, data))),
};

/** As an engine or a program without RESP3: a connection that subscribes takes no other commands. */
export const REDIS_BY_RESP2: Kind = {
  ...REDIS,
  adapter: (url, { pingMs = PING_MS, ...options }) => {
    const client = new Redis(url, { protocol: 2, lazyConnect: true });
    return redis({ client, pingIntervalMs: pingMs, ...options });
  },
};

/** Of a program that has one already: queues while there is no connection, which must not be copied. */
function ownClient(port: number): Redis {
  const client = new Redis({ port, password: "secret", lazyConnect: true });
  onTestFinished(() => client.disconnect());
  return client;
}

export const KINDS: readonly Kind[] = [NATS, REDIS];

export class Engine {
  readonly kind: Kind;
  readonly port: number;
  readonly #path: string;
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #lines: Lines | undefined;

  private constructor(kind: Kind, port: number, path: string) {
    this.kind = kind;
    this.port = port;
    this.#path = path;
    this.#folder = mkdtempSync(join(tmpdir(), "sendall-engine-"));
  }

  /** For several tests: ends when `remove` is called. */
  static async running(kind: Kind, ...args: readonly string[]): Promise<Engine> {
    const engine = new Engine(kind, await freePort(), requires(kind.name).path);
    await engine.start(...args);
    return engine;
  }

  static async start(kind: Kind, ...args: readonly string[]): Promise<Engine> {
    const engine = await Engine.absent(kind);
    await engine.start(...args);
    return engine;
  }

  /** One that is not there yet. */
  static async absent(kind: Kind): Promise<Engine> {
    const engine = new Engine(kind, await freePort(), requires(kind.name).path);
    onTestFinished(() => engine.remove());
    return engine;
  }

  get url(): string {
    return `${this.kind.scheme}://127.0.0.1:${this.port}`;
  }

  /** What it writes. */
  get lines(): Lines {
    if (this.#lines === undefined) throw new Error("it has not been started");
    return this.#lines;
  }

  adapter(options: Options = {}, url: string = this.url): ClusterAdapter {
    return this.kind.adapter(url, options);
  }

  subjects(): Promise<string[]> {
    return this.kind.subjects(this);
  }

  async start(...args: readonly string[]): Promise<void> {
    for (const [name, text] of Object.entries(this.kind.configurations ?? {}))
      writeFileSync(join(this.#folder, name), text.replace("$FOLDER", this.#folder));
    const own = args.map((arg) => arg.replace("$FOLDER", this.#folder));
    const child = spawn(this.#path, [...this.kind.args(this.port, this.#folder), ...own], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#lines = new Lines(this.kind.name === "nats" ? child.stderr : child.stdout);
    (this.kind.name === "nats" ? child.stdout : child.stderr).resume();
    await this.#lines.next(this.kind.ready);
  }

  /** Without a goodbye. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }

  /** It hears nothing and says nothing, but is still there. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  publish(subject: string, data: Buffer): Promise<void> {
    return this.kind.publish(this, subject, data);
  }

  async ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.url);
    try {
      return await question(client);
    } finally {
      client.disconnect();
    }
  }
}

/** A port that nobody listens on, low enough for another one 10,000 above it. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const servers = [port, port + 10_000].map((one) => createServer().listen(one, "127.0.0.1"));
    const heard = await Promise.allSettled(servers.map((server) => once(server, "listening")));
    for (const server of servers) if (server.listening) await new Promise((closed) => server.close(closed));
    if (heard.every(({ status }) => status === "fulfilled")) return port;
  }
}

/** A network between nodes and an engine. */
export class Network {
  readonly #server: Server;
  readonly #pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  #scheme: string;
  #isHeld = false;

  private constructor(engine: Engine) {
    this.#scheme = engine.kind.scheme;
    this.#server = createServer((near) => {
      const far = connect(engine.port, "127.0.0.1");
      const pair = { near, far };
      this.#pairs.add(pair);
      near.pipe(far);
      far.on("data", (chunk) => {
        if (!near.write(chunk)) far.pause();
      });
      near.on("drain", () => {
        if (!this.#isHeld) far.resume();
      });
      if (this.#isHeld) far.pause();
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("error", () => {});
        from.on("close", () => {
          this.#pairs.delete(pair);
          to.destroy();
        });
      }
    });
  }

  static async before(engine: Engine): Promise<Network> {
    const network = new Network(engine);
    network.#server.listen(0, "127.0.0.1");
    await once(network.#server, "listening");
    onTestFinished(() => {
      network.cut();
      network.#server.close();
    });
    return network;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
    return `${this.#scheme}://127.0.0.1:${address.port}`;
  }

  /** How many connections there are. */
  get size(): number {
    return this.#pairs.size;
  }

  /** Every connection that is there. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** What the engine says stays with the engine. */
  hold(): void {
    this.#isHeld = true;
    for (const { far } of this.#pairs) far.pause();
  }

  release(): void {
    this.#isHeld = false;
    for (const { far } of this.#pairs) far.resume();
  }
}
