/**
 * The stage that the contract is played on: one server with clients, over the memory transport or over real loopback sockets
 * (WebSocket, SockJS), with one set of verbs, so that each sentence is written once. Time is driven by hand, waiting is for
 * events.
 */
import { randomUUID } from "node:crypto";
import { connect as connectSocket, type Socket } from "node:net";
import type { Bus, ConnectionId, HandlerFunction, ServeOptions, ServerEvent } from "sendall";
import { WebSocket } from "ws";
import { joinHeaders } from "../../src/head.js";
import { createNetworkEntrance } from "../../src/server/entrance.js";
import type { Server } from "../../src/server/live.js";
import { createServer } from "../../src/server.js";
import { MemoryTestClient } from "../../src/testing/client.js";
import { HandClock } from "../../src/testing/clock.js";
import { MemoryEntrance } from "../../src/transport/memory.js";
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
export type OpenStage = (options: StageOptions) => Promise<Stage>;

export const stages: readonly (readonly [name: string, open: OpenStage])[] = [
  ["memory", openMemoryStage],
  ["websocket", openWebSocketStage],
  ["xhr-streaming", (options) => openNetworkStage(options, connectSockJs("xhr_streaming"))],
  ["xhr-polling", (options) => openNetworkStage(options, connectSockJs("xhr"))],
];

/** Clients of SockJS send no close frame: that they have gone looks as if the network had cut them. */
export function hasCloseFrames(stage: string): boolean {
  return !stage.startsWith("xhr");
}

/** Marks messages between a client and the stage itself; the handler under test never sees them. */
const SYNC = "\0sync:";

export function nextRound(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextRound();
}

export class StageClient {
  readonly id: ConnectionId;
  readonly #end: ClientEnd;
  isStalled = false;
  isLeaving = false;
  #asked = 0;

  constructor(id: ConnectionId, end: ClientEnd) {
    this.id = id;
    this.#end = end;
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
    await until(() => this.#end.received.includes(mark) || !this.isTalking);
  }
}

export class Stage {
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

  /** Everything that is on its way has arrived, and every end has been seen by both sides. */
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

function handClock(): HandClock {
  return new HandClock((step) => {
    setImmediate(step);
  });
}

async function openMemoryStage({ handler, ...options }: StageOptions): Promise<Stage> {
  const ended = new Set<string>();
  const clock = handClock();
  const entrance = new MemoryEntrance(clock);
  const server = createServer(
    { logger: false, ...options, handler: watched(handler, ended) },
    { clock, newId: () => randomUUID() as ConnectionId, createEntrance: () => entrance },
  );
  await server.start();
  const connect: Connect = async (_server, key) => {
    const client = new MemoryTestClient(async () => {});
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
      { message: (data) => client.onMessage(data), pong() {}, closed: (code, reason) => client.onClosed(code, reason) },
      new AbortController().signal,
    );
    if ("status" in answer) throw new Error(answer.body);
    client.attach(answer);
    return client;
  };
  return new Stage(server, clock, connect, ended);
}

function openWebSocketStage(options: StageOptions): Promise<Stage> {
  return openNetworkStage(options, connectWebSocket);
}

/** A limit that no test reaches: what holds a reader up is the reader. */
const sockjs = { responseLimitBytes: 2 ** 40 };

async function openNetworkStage({ handler, ...options }: StageOptions, connect: Connect): Promise<Stage> {
  const ended = new Set<string>();
  const clock = handClock();
  const server = createServer(
    { port: 0, logger: false, sockjs, ...options, handler: watched(handler, ended) },
    { clock, newId: () => randomUUID() as ConnectionId, createEntrance: createNetworkEntrance },
  );
  await server.start();
  return new Stage(server, clock, connect, ended);
}

const connectSockJs =
  (row: "xhr" | "xhr_streaming"): Connect =>
  (server, key) =>
    SockJsClient.open(`${server.url.replace("ws", "http")}000/${key}`, `key=${key}`, row);

const connectWebSocket: Connect = (server, key) =>
  new Promise((resolve, reject) => {
    let socket: Socket | undefined;
    const received: (string | Buffer)[] = [];
    let closed: ClientEnd["closed"];
    const createConnection = (): Socket => {
      socket = connectSocket({ host: "127.0.0.1", port: server.port });
      return socket;
    };
    const options = { createConnection };
    const ws = new WebSocket(`${server.url}?key=${key}`, options);
    ws.on("message", (data: Buffer, isBinary) => received.push(isBinary ? data : data.toString()));
    ws.on("close", (code, reason) => {
      closed = { code, reason: reason.toString() };
    });
    ws.on("error", reject);
    ws.on("open", () =>
      resolve({
        received,
        get closed() {
          return closed;
        },
        send: (data) => ws.send(data),
        close: (code, reason) => ws.close(code, reason),
        fail: () => socket?.resetAndDestroy(),
        stall: () => ws.pause(),
        resume: () => ws.resume(),
      }),
    );
  });

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
