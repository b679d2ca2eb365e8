/** Many at once: 10,000 sockets on one server that runs in a process of its own, and 200 clients that do not stop talking. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import type { Server } from "../../src/server/server.js";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { Client, clientFrame, nextRound, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const children = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of children) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  children.clear();
});

/** The server of `programs/crowded.js`. */
class Crowded {
  readonly #child: ChildProcess;

  constructor() {
    const program = fileURLToPath(new URL("./programs/crowded.js", import.meta.url));
    this.#child = fork(program, { execArgv: ["--expose-gc"] });
    children.add(this.#child);
  }

  async ask(question: string): Promise<unknown> {
    const answer = once(this.#child, "message");
    this.#child.send(question);
    return (await answer)[0];
  }

  /** Asks until this is the answer; the test's own limit ends it if it never is. */
  async says(question: string, answer: unknown): Promise<void> {
    while (JSON.stringify(await this.ask(question)) !== JSON.stringify(answer));
  }
}

/** Sockets that have shaken hands, and count what comes. */
class Crowd {
  readonly #sockets: Socket[] = [];
  readonly #port: number;
  admitted = 0;
  ended = 0;
  /** How many have got each text. */
  readonly got = new Map<string, number>();

  constructor(port: number) {
    this.#port = port;
  }

  /** Some at a time, as the system's queue of new connections has an end. */
  async join(count: number): Promise<void> {
    while (this.#sockets.length < count) {
      for (let i = Math.min(250, count - this.#sockets.length); i > 0; i--) this.#add();
      await until(() => this.admitted + this.ended === this.#sockets.length);
    }
  }

  #add(): void {
    const socket = connect({ host: "127.0.0.1", port: this.#port });
    let head = "";
    socket.on("data", (chunk) => {
      if (head.endsWith("\r\n\r\n")) this.#count(chunk.toString("latin1"));
      else {
        head += chunk.toString("latin1");
        if (head.startsWith("HTTP/1.1 101 ") && head.endsWith("\r\n\r\n")) this.admitted++;
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.ended++;
    });
    socket.write(upgradeRequest());
    this.#sockets.push(socket);
  }

  #count(text: string): void {
    this.got.set(text, (this.got.get(text) ?? 0) + 1);
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

test("10,000 sockets connect, one sendall reaches them all, and when all are cut at once nothing of them is left", async () => {
  const count = 10_000;
  const server = new Crowded();
  const port = Number(new URL(String(await server.ask("url"))).port);
  const empty = [0, 0];
  const heaps: number[] = [];
  for (let round = 1; round <= 3; round++) {
    // An observer of XState costs time and memory: it looks at one round, and not at one whose memory counts.
    const isWatched = round === 2;
    if (isWatched) await server.ask("watch");
    const crowd = new Crowd(port);
    await crowd.join(count);
    await server.says("listed", [count, 100]);
    if (isWatched) expect(await server.ask("alive")).toBe(2 * count);
    expect(await server.ask("sendall")).toEqual({ targeted: count, queued: count, dropped: 0, dead: 0 });
    await until(() => (crowd.got.get("\x81\x09everybody") ?? 0) + crowd.ended === count);
    expect([...crowd.got]).toEqual([["\x81\x09everybody", count]]);
    crowd.reset();
    await server.says("listed", empty);
    await server.says("present", 0);
    await server.says("sockets", 0);
    if (isWatched) {
      await server.says("alive", 0);
      await server.ask("forget");
    }
    expect(await server.ask("stats")).toMatchObject({
      connections: 0,
      rooms: 0,
      paused: 0,
      deadLetters: 0,
      failures: [],
    });
    heaps.push(Number(await server.ask("heap")));
  }
  expect(Math.max(...heaps) - Math.min(...heaps)).toBeLessThan(2 * 1_048_576);
});

/** The native handles that are open, but for those of the test runner. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name)).length;
}

/** A client that has five messages on their way at any time, for as long as it may. */
async function chatter(url: string): Promise<Client> {
  const client = await Client.open(url);
  let next = 0;
  const say = (): void => {
    if (client.ws.readyState === client.ws.OPEN) client.send(String(next++));
  };
  client.ws.on("message", say);
  for (let i = 0; i < 5; i++) say();
  return client;
}

interface Crew {
  readonly server: Server;
  readonly clock: HandClock;
  readonly clients: readonly Client[];
  /** What the handler has answered, by path. */
  readonly answered: ReadonlyMap<string, number>;
}

/** 200 clients who talk to an echo that takes a round of the event loop for each message, and does not come back from `"hang"`. */
async function talk(): Promise<Crew> {
  const answered = new Map<string, number>();
  const { server, clock } = await serveByHand({
    // Longer than any test: only the hand that drives the clock can end it.
    closeTimeoutMs: 3_600_000,
    heartbeat: false,
    outbox: { maxBufferedBytes: 64 * 1_048_576 },
    async handler(event, bus) {
      if (event.type !== "message") return;
      await nextRound();
      if (event.text === "hang") await new Promise(() => {});
      const { path } = event.connection;
      answered.set(path, (answered.get(path) ?? 0) + 1);
      bus.unicast(event.data, event.connection);
    },
  });
  const clients = await Promise.all(Array.from({ length: 200 }, (_, i) => chatter(`${server.url}${i}`)));
  await until(() => clients.every(({ received }) => received.length >= 10));
  return { server, clock, clients, answered };
}

/** Each was answered all that the handler accepted, in order, and then heard 1001. */
function expectGoodEnds({ clients, answered }: Crew): void {
  for (const [i, { received, closed }] of clients.entries()) {
    expect(closed).toEqual({ code: 1001, reason: "going away" });
    expect(received).toEqual(Array.from({ length: answered.get(`/${i}`) ?? 0 }, (_, n) => String(n)));
  }
}

describe("closing while 200 clients do not stop sending", () => {
  test("takes no time but that of the handler: all that was accepted is answered, everybody sees 1001, no handle is left", async () => {
    const before = handles();
    const crew = await talk();
    const { server, clock, clients } = crew;
    const accepted = server.stats().received.messages;
    // The clock stands still.
    await server.close();
    await until(() => clients.every(({ closed }) => closed !== undefined));
    expectGoodEnds(crew);
    const { received, sent } = server.stats();
    expect(received.messages).toBeGreaterThanOrEqual(accepted);
    expect(sent.messages).toBe(received.messages);
    expect(clock.alarms).toBe(0);
    await until(() => handles() <= before);
  });

  test("is over after drainMs and closeTimeoutMs, though the handler hangs, one peer is mute and another does not read", async () => {
    const before = handles();
    const crew = await talk();
    const { server, clock, clients } = crew;
    const mute = new RawPeer(server.port);
    mute.socket.allowHalfOpen = true;
    mute.write(upgradeRequest("/mute"));
    const stalled = new RawPeer(server.port);
    stalled.write(upgradeRequest("/stalled"));
    await until(() => server.connections().length === 202);
    stalled.socket.pause();
    const [deaf] = server.connections().filter(({ path }) => path === "/stalled");
    for (let i = 0; i < 200; i++) deaf?.send(Buffer.alloc(65_536));
    await until(() => (deaf?.bufferedAmount ?? 0) > 1_048_576);
    mute.write(clientFrame("hang"));
    // Those that the hanging event keeps waiting fill their lanes; nobody is answered any more.
    await until(() => server.stats().received.messages - answeredBy(crew) === 1 + 200 * 5);

    let isClosed = false;
    const closing = server.close({ drainMs: 1_000 }).then(() => {
      isClosed = true;
    });
    await nextRound();
    clock.pass(999);
    await nextRound();
    expect(clients.some(({ closed }) => closed !== undefined)).toBe(false);
    clock.pass(1);
    await until(() => clients.every(({ closed }) => closed !== undefined));
    await until(() => mute.frames.some(({ opcode }) => opcode === 8));
    expectGoodEnds(crew);
    clock.pass(3_599_999);
    await nextRound();
    expect(isClosed).toBe(false);
    clock.pass(1);
    await closing;
    expect(clock.alarms).toBe(0);
    for (const { socket } of [mute, stalled]) socket.destroy();
    await until(() => handles() <= before);
  });
});

function answeredBy({ answered }: Crew): number {
  return [...answered.values()].reduce((sum, count) => sum + count, 0);
}
