/**
 * History over three servers and real engines, under a thousand messages a second from every server: one order for everybody, and whoever comes back with a
 * position gets exactly what is missing, or is told otherwise; also when the engine is killed in the midst of it.
 */
import { DiscardPolicy, type JetStreamManager, jetstreamManager, type StreamUpdateConfig } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type ClusterAdapter, type HistoryOptions, type Receipt, type Server, serve } from "sendall";
import { jetstream, nats } from "sendall/nats";
import { redis, redisHistory } from "sendall/redis";
import { afterEach, describe, expect, test } from "vitest";
import { Engine, NATS, REDIS } from "./engines.js";
import { Client, nextRound, until } from "./peers.js";
import { requires } from "./requires.js";

/** What happens to an engine under load, and how it ends. */
interface Trouble {
  readonly what: string;
  begin(engine: Engine): unknown;
  end(engine: Engine): unknown;
  /** What a position from before is worth afterwards. */
  readonly outcome: RegExp;
}

interface Way {
  readonly name: string;
  readonly kind: typeof NATS;
  readonly args: readonly string[];
  readonly isMemory: boolean;
  cluster(url: string): ClusterAdapter;
  history(url: string): Partial<HistoryOptions>;
  readonly troubles: readonly Trouble[];
}

const BLOCKED: Trouble = {
  what: "is blocked",
  begin: (engine) => engine.freeze(),
  end: (engine) => engine.thaw(),
  outcome: /complete|gap|unknown/,
};

async function eachStream(
  { url }: Engine,
  act: (manager: JetStreamManager, name: string) => Promise<unknown>,
): Promise<void> {
  const client = await connect({ servers: url });
  const manager = await jetstreamManager(client);
  for await (const name of manager.streams.names()) await act(manager, name);
  await client.close();
}

function bound(engine: Engine, limits: Partial<StreamUpdateConfig>): Promise<void> {
  return eachStream(engine, ({ streams }, name) => streams.update(name, limits));
}

const ways: readonly Way[] = [
  {
    name: "redisHistory",
    kind: REDIS,
    args: ["--appendonly", "yes", "--appendfsync", "always"],
    isMemory: false,
    cluster: (url) => redis({ url, pingIntervalMs: 200 }),
    history: (url) => ({ store: redisHistory({ url, pingIntervalMs: 200 }) }),
    troubles: [
      BLOCKED,
      {
        what: "is flushed",
        begin: (engine) => engine.ask((client) => client.flushall()),
        end() {},
        outcome: /unknown/,
      },
      {
        what: "is full",
        begin: (engine) => engine.ask((client) => client.config("SET", "maxmemory", "1")),
        end: (engine) => engine.ask((client) => client.config("SET", "maxmemory", "0")),
        outcome: /complete|gap|unknown/,
      },
    ],
  },
  {
    name: "jetstream",
    kind: NATS,
    args: ["-js", "-sd", "$FOLDER"],
    isMemory: false,
    cluster: (url) => nats({ servers: url, pingInterval: 200, reconnectTimeWait: 50 }),
    history: (url) => ({ store: jetstream({ servers: url, pingInterval: 200, reconnectTimeWait: 50 }) }),
    troubles: [
      BLOCKED,
      {
        what: "loses its stream",
        begin: (engine) => eachStream(engine, ({ streams }, name) => streams.delete(name)),
        end() {},
        outcome: /unknown/,
      },
      {
        what: "is full",
        begin: (engine) => bound(engine, { max_bytes: 1_024, discard: DiscardPolicy.New }),
        end: (engine) => bound(engine, { max_bytes: -1, discard: DiscardPolicy.Old }),
        outcome: /complete|gap|unknown/,
      },
    ],
  },
  {
    name: "the store in memory over redis()",
    kind: REDIS,
    args: [],
    isMemory: true,
    cluster: (url) => redis({ url, pingIntervalMs: 200 }),
    history: () => ({}),
    troubles: [BLOCKED],
  },
];

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serveThree({ cluster, history }: Way, { url }: Engine): Promise<Server[]> {
  const servers: Server[] = [];
  for (let i = 0; i < 3; i++) {
    const server = await serve({
      port: 0,
      logger: false,
      concurrency: "connection",
      cluster: cluster(url),
      history: {
        maxMessages: 10_000,
        maxBytes: 2 ** 24,
        ...history(url),
        stamp: (data, position) => `${position} ${data}`,
      },
      async handler({ type, connection, ...event }) {
        if (type !== "message" || !("text" in event)) return;
        const { outcome, count, position } = await connection.follow("room", JSON.parse(String(event.text)));
        if (outcome !== "refused") connection.send(`told ${outcome} ${count} ${position}`);
      },
    });
    closers.push(() => server.close({ drainMs: 0 }));
    servers.push(server);
  }
  return servers;
}

/** A client that remembers, over its connections, what it got, and where it stands. */
class Follower {
  readonly texts: string[] = [];
  readonly outcomes: string[] = [];
  #position: string | undefined;
  #client: Client | undefined;
  #taken = 0;

  /** Resolves when the client has followed. */
  async come({ url }: Server): Promise<void> {
    this.go();
    const client = await Client.open(url);
    closers.push(() => client.ws.terminate());
    this.#client = client;
    this.#taken = 0;
    const before = this.outcomes.length;
    client.send(JSON.stringify(this.#position === undefined ? { last: 0 } : { after: this.#position }));
    await until(() => {
      this.#take();
      return this.outcomes.length > before;
    });
  }

  /** The connection is lost. */
  go(): void {
    this.#take();
    this.#client?.ws.terminate();
  }

  /** How many messages the client has. */
  get count(): number {
    this.#take();
    return this.texts.length;
  }

  #take(): void {
    const received = this.#client?.received ?? [];
    for (; this.#taken < received.length; this.#taken++) {
      const [first = "", second = "", , last = ""] = String(received[this.#taken]).split(" ");
      if (first === "told") {
        this.outcomes.push(second);
        this.#position = last;
      } else {
        this.#position = first;
        this.texts.push(second);
      }
    }
  }
}

/** Sends from every server in turn. @returns the texts of the messages that were taken */
function say(servers: readonly Server[], from: number, count: number): string[] {
  const taken: string[] = [];
  for (let i = from; i < from + count; i++) {
    const receipt: Receipt | undefined = servers[i % servers.length]?.sendall(`${i}`, { room: "room", keep: true });
    expect(receipt?.position).toBeUndefined();
    if (receipt?.forwarded === 1) taken.push(`${i}`);
  }
  return taken;
}

/** Waits until messages flow again, and compares the orders. */
async function goOn(servers: readonly Server[], followers: readonly Follower[]): Promise<void> {
  const marks = new Set<string>();
  let from = 20_000;
  await until(() => {
    // A server's store may be a little later than its link.
    for (const text of say(servers, from, 3)) marks.add(text);
    from += 3;
    return followers.every(({ texts, count }) => count > 0 && texts.some((text) => marks.has(text)));
  });
  say(servers, 100_000, 300);
  const last = say(servers, 200_000, 3).at(-1) ?? "";
  await until(() => followers.every(({ texts, count }) => count > 0 && texts.includes(last)));
  const [one] = followers;
  for (const { texts } of followers) {
    expect(new Set(texts).size, "nothing comes twice").toBe(texts.length);
    const [mine, theirs] = [new Set(texts), new Set(one?.texts)];
    expect(
      texts.filter((text) => theirs.has(text)),
      "what two clients got came in the same order",
    ).toEqual(one?.texts.filter((text) => mine.has(text)));
  }
}

describe.each(ways)("with $name", (way) => {
  const { kind, args, isMemory } = way;
  const { skip } = requires(kind.name);
  const TOTAL = 3_000;

  test.skipIf(skip)(
    "everybody on three servers sees one order of 3,000 messages, over reloads and other servers too",
    async () => {
      const engine = await Engine.running(kind, ...args);
      closers.push(() => engine.remove());
      const servers = await serveThree(way, engine);
      const [first] = servers as [Server, ...Server[]];
      const staying = servers.map(() => new Follower());
      for (const [i, follower] of staying.entries()) await follower.come(servers[i] ?? first);
      // Comes back again and again: from memory only a server that has heard the room all the time can tell what is missing.
      const coming = new Follower();
      await coming.come(first);
      const taken: string[] = [];
      for (let from = 0; from < TOTAL; from += 30) {
        taken.push(...say(servers, from, 30));
        await nextRound();
        if (from % 300 === 0) await coming.come(isMemory ? first : (servers[(from / 300) % servers.length] ?? first));
      }
      expect(taken).toHaveLength(TOTAL);
      await until(() => [...staying, coming].every(({ count }) => count >= TOTAL));
      const [one] = staying;
      expect([...(one?.texts ?? [])].sort()).toEqual([...taken].sort());
      for (const { texts } of [...staying, coming]) expect(texts).toEqual(one?.texts);
      expect(new Set(coming.outcomes)).toEqual(new Set(["complete"]));
    },
  );

  test.skipIf(skip)(
    "an engine that is killed under load loses messages by receipt, and afterwards one order goes on",
    async () => {
      const engine = await Engine.start(kind, ...args);
      const servers = await serveThree(way, engine);
      const [first] = servers as [Server, ...Server[]];
      const staying = servers.map(() => new Follower());
      for (const [i, follower] of staying.entries()) await follower.come(servers[i] ?? first);
      say(servers, 0, 600);
      await until(() => staying.every(({ count }) => count === 600));
      const early = new Follower();
      await early.come(first);
      say(servers, 600, 60);
      await engine.kill();
      await until(() => servers.every(({ isReady }) => !isReady));
      // Nobody gets what nobody orders: not the members of the server that sends either.
      await until(() => say(servers, 10_000, 3).length === 0);
      expect(first.sendall("refused", { room: "room", keep: true })).toMatchObject({
        targeted: 2,
        queued: 0,
        dropped: 2,
        forwarded: 0,
      });
      await engine.start(...args);
      await until(() => servers.every(({ isReady }) => isReady));
      await goOn(servers, [...staying, early]);
      for (const { texts } of [...staying, early]) expect(texts).not.toContain("refused");
      await early.come(first);
      expect(early.outcomes.at(-1), "a position from after the break is good").toBe("complete");
    },
  );

  test.skipIf(skip).each(way.troubles)(
    "an engine that $what under load costs what it costs, and one order goes on",
    async ({ begin, end, outcome }) => {
      const engine = await Engine.running(kind, ...args);
      closers.push(() => engine.remove());
      const servers = await serveThree(way, engine);
      const [first] = servers as [Server, ...Server[]];
      const staying = servers.map(() => new Follower());
      for (const [i, follower] of staying.entries()) await follower.come(servers[i] ?? first);
      const early = new Follower();
      await early.come(first);
      say(servers, 0, 300);
      await until(() => [...staying, early].every(({ count }) => count === 300));
      early.go();
      await begin(engine);
      for (let from = 1_000; from < 1_900; from += 30) {
        say(servers, from, 30);
        await nextRound();
      }
      await end(engine);
      await goOn(servers, staying);
      await early.come(first);
      expect(early.outcomes.at(-1)).toMatch(outcome);
      expect(new Set(early.texts).size, "nothing comes twice").toBe(early.texts.length);
    },
  );
});
