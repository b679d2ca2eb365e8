/** The SockJS client as npm has it, unmodified, in Node, over each of the transports that it has there. */
import SockJS from "sockjs-client";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { until } from "./peers.js";
import { KILLERS } from "./sockjs-killers.js";
import { openServices } from "./sockjs-peers.js";

interface Ended {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** A client that remembers. */
class Memory {
  readonly socket: WebSocket;
  readonly received: string[] = [];
  heartbeats = 0;
  isOpen = false;
  closed: Ended | undefined;

  constructor(url: string, transports: string | string[]) {
    this.socket = new SockJS(url, undefined, { transports, timeout: 60_000 });
    this.socket.onopen = () => {
      this.isOpen = true;
    };
    this.socket.onmessage = ({ data }) => void this.received.push(data);
    this.socket.onclose = ({ code, reason, wasClean }) => {
      this.closed = { code, reason, wasClean };
    };
    this.socket.addEventListener("heartbeat", () => this.heartbeats++);
    onTestFinished(() => this.socket.close());
  }

  static async open(url: string, transports: string | string[]): Promise<Memory> {
    const client = new Memory(url, transports);
    await until(() => client.isOpen);
    return client;
  }

  async ended(): Promise<Ended> {
    await until(() => this.closed !== undefined);
    return this.closed ?? { code: 0, reason: "", wasClean: false };
  }
}

let server: Awaited<ReturnType<typeof openServices>>["server"];
let clock: Awaited<ReturnType<typeof openServices>>["clock"];
let url: string;

beforeEach(async () => {
  ({ server, clock } = await openServices());
  url = server.url.replace("ws", "http");
});

const TRANSPORTS = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];

describe.each(TRANSPORTS)("sockjs-client in Node over %s", (transport) => {
  test("gets back what it sends, one by one and in batches", async () => {
    const client = await Memory.open(`${url}echo`, transport);
    expect(server.connections().map((connection) => connection.transport)).toEqual([transport]);
    for (const text of KILLERS) client.socket.send(text);
    await until(() => client.received.length === KILLERS.length);
    expect(client.received).toEqual(KILLERS);
    const batch = Array.from({ length: 300 }, (_, i) => String(i));
    for (const text of batch) client.socket.send(text);
    await until(() => client.received.length === KILLERS.length + batch.length);
    expect(client.received.slice(KILLERS.length)).toEqual(batch);
    client.socket.send("one");
    await until(() => client.received.at(-1) === "one");
    expect(client.closed).toBeUndefined();
  });

  test("hears the server's code and reason", async () => {
    const client = new Memory(`${url}close`, transport);
    expect(await client.ended()).toEqual({ code: 3000, reason: "Go away!", wasClean: true });
    await until(() => server.stats().connections === 0);
  });

  test("leaves, and the server sees it", async () => {
    const client = await Memory.open(`${url}echo`, transport);
    client.socket.send("x");
    await until(() => client.received.length === 1);
    client.socket.close(3001, "enough");
    expect(await client.ended()).toMatchObject({ code: 3001, reason: "enough" });
    // A poll may just have been answered when its client left: then it is missed after a while.
    await until(() => {
      clock.pass(100);
      return server.stats().connections === 0;
    });
  });

  test("gets a large message, past the limit of a response", async () => {
    const client = await Memory.open(`${url}amplify`, transport);
    for (const n of ["18", "3", "18", "1", "nonsense"]) client.socket.send(n);
    await until(() => client.received.length === 5);
    expect(client.received.map((text) => text.length)).toEqual([262_144, 8, 262_144, 2, 2]);
  });

  test("hears heartbeats", async () => {
    const client = await Memory.open(`${url}echo`, transport);
    while (client.heartbeats < 2) {
      clock.pass(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.closed).toBeUndefined();
  });

  test("hears from others over other transports", async () => {
    const clients = await Promise.all(TRANSPORTS.map((other) => Memory.open(`${url}broadcast`, other)));
    const me = clients[TRANSPORTS.indexOf(transport)];
    me?.socket.send(`from ${transport}`);
    await until(() => clients.every(({ received }) => received.length === 1));
    expect(clients.flatMap(({ received }) => received)).toEqual(Array(4).fill(`from ${transport}`));
  });
});

describe("sockjs-client in Node", () => {
  test("falls back where there is no websocket", async () => {
    const client = await Memory.open(`${url}disabled_websocket_echo`, TRANSPORTS);
    expect(server.connections().map(({ transport }) => transport)).toEqual(["xhr-streaming"]);
    client.socket.send("x");
    await until(() => client.received.length === 1);
  });

  test("is told where there is no service", async () => {
    const client = new Memory(`${url}nothing`, TRANSPORTS);
    expect(await client.ended()).toMatchObject({ code: 1002, reason: "Cannot connect to server" });
  });
});
