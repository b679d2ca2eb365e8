/**
 * The stages that the contract is played on: one server with clients, over the memory transport or over real loopback sockets
 * (WebSocket, SockJS), with one set of verbs, so that each sentence is written once. Time is driven by hand, waiting is for events. On the memory
 * transport `explore` plays each sentence a second time, in orders that the event loop never has.
 */
import { randomUUID } from "node:crypto";
import { connect as connectSocket, type Socket } from "node:net";
import fc from "fast-check";
import type { Bus, ConnectionId, HandlerFunction, ServeOptions, ServerEvent } from "sendall";
import { explore, type Stage as Run } from "sendall/testing";
import { WebSocket } from "ws";
import { joinHeaders } from "../../src/admission/request-head.js";
import { createServer } from "../../src/server/create-server.js";
import { createNetworkListener } from "../../src/server/network-listener.js";
import type { Server } from "../../src/server/server.js";
import { MemoryListener } from "../../src/testing/memory-transport/memory-listener.js";
import { MemoryTestClient } from "../../src/testing/runtime/client.js";
import { HandClock } from "../../src/testing/runtime/clock.js";
import { nextRound } from "../../src/testing/runtime/driver.js";
import { LiveRuntime } from "../../src/testing/runtime/live.js";
import { SockJsClient } from "./sockjs.js";

/** A client's end of one connection. */
interface ClientEnd {
  readonly received: readonly (string | Buffer)[];
  readonly closed: { readonly code: number; readonly reason: string } | undefined;
  send(data: string | Buffer): void;
  close(code?: number, reason?: string): void;
  /** The client's socket fails (a TCP reset). */
  fail(): void;
  stall(): void;
  resume(): void;
}

/** How clients come in: resolves once the client's side is open. */
type Connect = (server: Server, key: string) => Promise<ClientEnd>;

export type StageOptions = Omit<ServeOptions, "handler" | "routes"> & { readonly handler: HandlerFunction };
type OpenStage = (options: StageOptions) => Promise<Stage>;

/** Plays a property: each run on stages of its own, which are closed after it. */
export type Plays = <T>(
  arbitrary: fc.Arbitrary<T>,
  play: (value: T, open: OpenStage) => Promise<void>,
) => Promise<void>;

/** A server on which the contract is tried. */
export interface Stage {
  readonly server: Server;
  connect(): Promise<StageClient>;
  /** Everything that is on its way has arrived, and every end has been seen by both sides. */
  settle(): Promise<void>;
  /** Waits until it holds; what it waits for goes on meanwhile. */
  until(holds: () => boolean): Promise<void>;
  /** Something may happen meanwhile. */
  round(): Promise<void>;
}

/** A budget that no client uses up: the way of messages is that of a budget all the same. `handlerMsPerSecond` would change line 5. */
const AMPLE = { messagesPerSecond: 1e9, bytesPerSecond: 1e12 };

export const stages: readonly (readonly [name: string, plays: Plays])[] = [
  ["memory", playsOn(openMemoryStage)],
  ["memory, explored", playsExplored],
  ["memory, within a budget", playsOn((options) => openMemoryStage({ ...options, budget: AMPLE }))],
  ["websocket", playsOn((options) => openNetworkStage(options, connectWebSocket(plain)))],
  [
    "websocket, within a budget",
    playsOn((options) => openNetworkStage({ ...options, budget: AMPLE }, connectWebSocket(plain))),
  ],
  ["websocket with a session", playsOn((options) => openNetworkStage(options, connectWebSocket(session)))],
  ["websocket with SockJS's frames", playsOn((options) => openNetworkStage(options, connectWebSocket(framed)))],
  ["xhr-streaming", playsOn((options) => openNetworkStage(options, connectSockJs("xhr_streaming")))],
  ["xhr-polling", playsOn((options) => openNetworkStage(options, connectSockJs("xhr")))],
];

/** Clients of SockJS send no close frame: that they have gone looks as if the network had cut them. */
export function hasCloseFrames(stage: string): boolean {
  return !stage.startsWith("xhr");
}

/** So many values are tried, and under `explore` each of them in so many orders. */
const VALUES = 25;
const ORDERS = 4;

function playsOn(open: (options: StageOptions) => Promise<LiveStage>): Plays {
  return async (arbitrary, play) => {
    await fc.assert(
      fc.asyncProperty(arbitrary, async (value) => {
        const opened: LiveStage[] = [];
        try {
          await play(value, async (options) => {
            const stage = await open(options);
            opened.push(stage);
            return stage;
          });
        } finally {
          for (const stage of opened) await stage.close();
        }
      }),
      { numRuns: VALUES },
    );
  };
}

async function playsExplored<T>(
  arbitrary: fc.Arbitrary<T>,
  play: (value: T, open: OpenStage) => Promise<void>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitrary, fc.nat(), async (value, seed) => {
      await explore(({ runtime }) => play(value, async (options) => new ExploredStage(options, runtime)), {
        runs: ORDERS,
        seed,
        maxSteps: 100_000,
      });
    }),
    { numRuns: VALUES },
  );
}

/** Marks messages between a client and the stage itself; the handler under test never sees them. */
const SYNC = "\0sync:";

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextRound();
}

export class StageClient {
  readonly id: ConnectionId;
  readonly #end: ClientEnd;
  readonly #until: Stage["until"];
  isStalled = false;
  isLeaving = false;
  #asked = 0;

  constructor(id: ConnectionId, end: ClientEnd, waits: Stage["until"] = until) {
    this.id = id;
    this.#end = end;
    this.#until = waits;
  }

  get received(): (string | Buffer)[] {
    return this.#end.received.filter((data) => !String(data).startsWith(SYNC));
  }

  get closed(): ClientEnd["closed"] {
    return this.#end.closed;
  }

  get isTalking(): boolean {
    return !this.isStalled && !this.isLeaving && this.closed === undefined;
  }

  send(data: string | Buffer): void {
    this.#end.send(data);
  }

  close(code?: number, reason?: string): void {
    this.isLeaving = true;
    this.#end.close(code, reason);
  }

  fail(): void {
    this.isLeaving = true;
    this.#end.fail();
  }

  stall(): void {
    this.isStalled = true;
    this.#end.stall();
  }

  resume(): void {
    this.isStalled = false;
    this.#end.resume();
  }

  /** The handler has seen all that this client sent before, and what it sent this client before has arrived. */
  async sync(): Promise<void> {
    const mark = `${SYNC}${++this.#asked}`;
    this.#end.send(mark);
    await this.#until(() => this.#end.received.includes(mark) || !this.isTalking);
  }
}

class LiveStage implements Stage {
  readonly server: Server;
  readonly clock: HandClock;
  readonly #connect: Connect;
  readonly #ended: ReadonlySet<string>;
  readonly #clients: StageClient[] = [];

  constructor(server: Server, clock: HandClock, connect: Connect, ended: ReadonlySet<string>) {
    this.server = server;
    this.clock = clock;
    this.#connect = connect;
    this.#ended = ended;
  }

  async connect(): Promise<StageClient> {
    const key = randomUUID();
    const end = await this.#connect(this.server, key);
    const find = (): ConnectionId | undefined =>
      this.server.connections().find(({ query }) => query.get("key") === key)?.id;
    await until(() => find() !== undefined);
    const client = new StageClient(find() ?? ("" as ConnectionId), end);
    this.#clients.push(client);
    return client;
  }

  readonly until = until;
  readonly round = nextRound;

  async settle(): Promise<void> {
    // Twice: after the first round every client's messages are handled, after the second what that sent has arrived.
    for (let round = 0; round < 2; round++) {
      await Promise.all(this.#clients.filter((client) => client.isTalking).map((client) => client.sync()));
      await until(() => this.#clients.every((client) => this.#isAtRest(client)));
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.fail();
    let isClosed = false;
    const closing = this.server.close().finally(() => {
      isClosed = true;
    });
    // Time goes on only as far as closing needs it.
    while (!isClosed) {
      await nextRound();
      this.clock.pass(10);
    }
    await closing;
  }

  #isAtRest(client: StageClient): boolean {
    const isOpen = this.server.connections().some(({ id }) => id === client.id);
    if (isOpen && !client.isLeaving) return true;
    return this.#ended.has(client.id) && (client.closed !== undefined || client.isStalled);
  }
}

class ExploredStage implements Stage {
  readonly server: Server;
  readonly #runtime: LiveRuntime<Record<string, unknown>>;

  constructor(options: StageOptions, create: Run["runtime"]) {
    const runtime = create({ failures: "supervise", ...options });
    if (!(runtime instanceof LiveRuntime)) throw new Error("the runtime is another one");
    this.#runtime = runtime;
    this.server = runtime.server;
  }

  async connect(): Promise<StageClient> {
    const client = await this.#runtime.join();
    await this.until(() => this.server.connections().some(({ id }) => id === client.id));
    return new StageClient(client.id, client, (holds) => this.until(holds));
  }

  settle(): Promise<void> {
    return this.#runtime.settle();
  }

  until(holds: () => boolean): Promise<void> {
    return this.#runtime.runUntil(holds);
  }

  /** One step, or none if there is none. */
  async round(): Promise<void> {
    let rounds = 0;
    await this.#runtime.runUntil(() => rounds++ > 0);
  }
}

function handClock(): HandClock {
  return new HandClock((step) => {
    setImmediate(step);
  });
}

async function openMemoryStage({ handler, ...options }: StageOptions): Promise<LiveStage> {
  const ended = new Set<string>();
  const clock = handClock();
  const entrance = new MemoryListener(clock);
  const server = createServer(
    { logger: false, ...options, handler: watched(handler, ended) },
    { clock, newId: () => randomUUID() as ConnectionId, createListener: () => entrance },
  );
  await server.start();
  const connect: Connect = async (_server, key) => {
    const client = new MemoryTestClient({ clock, settleUntil: async () => {} });
    const answer = await entrance.connect(
      {
        url: `/?key=${key}`,
        headers: joinHeaders([]),
        version: 13,
        remoteAddress: "127.0.0.1",
        remotePort: 1,
        localAddress: "127.0.0.1",
        secure: false,
      },
      {
        message: (data) => client.onMessage(data),
        pong() {},
        onClosed: (code, reason) => client.onClosed(code, reason),
      },
      new AbortController().signal,
    );
    if ("status" in answer) throw new Error(answer.body);
    client.attach(answer);
    return client;
  };
  return new LiveStage(server, clock, connect, ended);
}

/** A limit that no test reaches: what holds a reader up is the reader. */
const sockjs = { responseLimitBytes: 2 ** 40 };

async function openNetworkStage({ handler, ...options }: StageOptions, connect: Connect): Promise<LiveStage> {
  const ended = new Set<string>();
  const clock = handClock();
  const server = createServer(
    { port: 0, logger: false, sockjs, ...options, handler: watched(handler, ended) },
    { clock, newId: () => randomUUID() as ConnectionId, createListener: createNetworkListener },
  );
  await server.start();
  return new LiveStage(server, clock, connect, ended);
}

function connectSockJs(row: "xhr" | "xhr_streaming"): Connect {
  return (server, key) => SockJsClient.open(`${server.url.replace("ws", "http")}000/${key}`, `key=${key}`, row);
}

/** What a client of WebSocket makes of messages, in both directions. */
interface Framing {
  /** The rest of the address. */
  readonly path: (key: string) => string;
  readonly protocols?: readonly string[];
  readonly wrap: (data: string | Buffer) => string | Buffer;
  /** The messages in one that has come, or what it closes the session with. */
  readonly read: (
    data: string | Buffer,
  ) => readonly (string | Buffer)[] | { readonly code: number; readonly reason: string };
}

const plain: Framing = { path: () => "", wrap: (data) => data, read: (data) => [data] };

/** As `sendall.1` has it: `~` begins what is no message, and stands twice before a message that begins so. */
const session: Framing = {
  path: () => "",
  protocols: ["sendall.1"],
  wrap: (data) => (typeof data === "string" && data.startsWith("~") ? `~${data}` : data),
  read(data) {
    if (typeof data !== "string" || !data.startsWith("~")) return [data];
    return data.startsWith("~~") ? [data.slice(1)] : [];
  },
};

/** As SockJS has it: `o`, `a[…]`, `c[code,"reason"]`. */
const framed: Framing = {
  path: (key) => `000/${key}/websocket`,
  wrap: (data) => JSON.stringify([String(data)]),
  read(data) {
    const text = String(data);
    if (text.startsWith("a")) return JSON.parse(text.slice(1)) as string[];
    if (!text.startsWith("c")) return [];
    const [code, reason] = JSON.parse(text.slice(1)) as [number, string];
    return { code, reason };
  },
};

function connectWebSocket({ path, protocols = [], wrap, read }: Framing): Connect {
  return (server, key) =>
    new Promise((resolve, reject) => {
      let socket: Socket | undefined;
      const received: (string | Buffer)[] = [];
      let closed: ClientEnd["closed"];
      let told: ClientEnd["closed"];
      const createConnection = (): Socket => {
        socket = connectSocket({ host: "127.0.0.1", port: server.port });
        return socket;
      };
      const options = { createConnection };
      const ws = new WebSocket(`${server.url}${path(key)}?key=${key}`, [...protocols], options);
      ws.on("message", (data: Buffer, isBinary) => {
        const found = read(isBinary ? data : data.toString());
        if ("code" in found) told = found;
        else received.push(...found);
      });
      ws.on("close", (code, reason) => {
        closed = told ?? { code, reason: reason.toString() };
      });
      ws.on("error", reject);
      ws.on("open", () =>
        resolve({
          received,
          get closed() {
            return closed;
          },
          send: (data) => ws.send(wrap(data)),
          close: (code, reason) => ws.close(code, reason),
          fail: () => socket?.resetAndDestroy(),
          stall: () => ws.pause(),
          resume: () => ws.resume(),
        }),
      );
    });
}

function watched(handler: HandlerFunction, ended: Set<string>): HandlerFunction {
  return (event: ServerEvent, bus: Bus) => {
    if (event.type === "message" && event.text.startsWith(SYNC)) {
      bus.unicast(event.text, event.connection);
      return;
    }
    if (event.type !== "closed") return handler(event, bus);
    try {
      return handler(event, bus);
    } finally {
      ended.add(event.connection.id);
    }
  };
}
