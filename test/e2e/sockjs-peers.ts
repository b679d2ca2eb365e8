/**
 * Peers for tests of SockJS: HTTP as it stands on the wire, chunk by chunk, since the protocol is about chunks; and the services
 * that its clients are tried against, on a server whose time the test drives.
 */
import type { Bus, Handling, ServerEvent, ServerOptions } from "sendall";
import { onTestFinished } from "vitest";
import type { Server } from "../../src/server/server.js";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { Client, RawPeer, serveByHand, until } from "./peers.js";

export interface Head {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface Answer extends Head {
  readonly body: string;
}

export interface Question {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly version?: "1.0" | "1.1";
}

/** A connection that speaks HTTP: questions go out as given, answers are read piece by piece. */
export class Wire {
  readonly peer: RawPeer;
  #read = 0;
  #head: Head | undefined;

  constructor(port: number) {
    this.peer = new RawPeer(port);
    onTestFinished(() => void this.peer.socket.destroy());
  }

  ask(method: string, path: string, { headers = {}, body, version = "1.1" }: Question = {}): this {
    const length = body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
    const all = Object.entries({ Host: `127.0.0.1:${this.peer.socket.remotePort ?? 1}`, ...length, ...headers });
    const lines = all.map(([name, value]) => `${name}: ${value}\r\n`);
    const head = Buffer.from(`${method} ${path} HTTP/${version}\r\n${lines.join("")}\r\n`);
    // In one piece: a system holds back the second of two small ones.
    this.peer.write(Buffer.concat([head, Buffer.from(body ?? "")]));
    return this;
  }

  get isEnded(): boolean {
    return this.peer.isEnded;
  }

  /** Bytes that nobody has read. */
  get unread(): string {
    return this.peer.bytes.subarray(this.#read).toString();
  }

  async head(): Promise<Head> {
    const text = await this.#until("\r\n\r\n");
    const [first = "", ...lines] = text.split("\r\n");
    const headers: Record<string, string> = Object.create(null);
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    this.#head = { status: Number(first.split(" ")[1]), headers, text };
    return this.#head;
  }

  /** The next chunk of a chunked body; `""` is the last. */
  async chunk(): Promise<string> {
    const length = Number.parseInt(await this.#until("\r\n"), 16);
    const chunk = await this.#take(length);
    await this.#take(2);
    return chunk;
  }

  /** The rest of a body, to its end. */
  async body(): Promise<string> {
    const { headers = {}, status = 0 } = this.#head ?? {};
    if (status === 204 || status === 304) return "";
    if (headers["content-length"] !== undefined) return this.#take(Number(headers["content-length"]));
    if (headers["transfer-encoding"] !== "chunked") return this.toEnd();
    let body = "";
    for (let chunk = await this.chunk(); chunk !== ""; chunk = await this.chunk()) body += chunk;
    return body;
  }

  async answer(): Promise<Answer> {
    const head = await this.head();
    return { ...head, body: await this.body() };
  }

  /** What comes until the server ends the connection. */
  async toEnd(): Promise<string> {
    await until(() => this.isEnded);
    return this.#take(this.peer.bytes.length - this.#read);
  }

  /** Ends it once all that was asked is on its way. */
  leave(): void {
    this.peer.socket.end();
  }

  /** The network ends it. */
  cut(): void {
    this.peer.socket.resetAndDestroy();
  }

  async #until(mark: string): Promise<string> {
    await until(() => this.peer.bytes.includes(mark, this.#read) || this.isEnded);
    const end = this.peer.bytes.indexOf(mark, this.#read);
    if (end < 0) throw new Error(`the connection ended with ${JSON.stringify(this.unread)}`);
    const text = this.peer.bytes.subarray(this.#read, end).toString();
    this.#read = end + mark.length;
    return text;
  }

  async #take(length: number): Promise<string> {
    await until(() => this.peer.bytes.length >= this.#read + length || this.isEnded);
    const text = this.peer.bytes.subarray(this.#read, this.#read + length).toString();
    this.#read += length;
    return text;
  }
}

/** One question on a connection of its own. */
export async function ask(port: number, method: string, path: string, question?: Question): Promise<Answer> {
  const wire = new Wire(port);
  const answer = await wire.ask(method, path, question).answer();
  wire.peer.socket.destroy();
  return answer;
}

let sessions = 0;

/** The path of a session that nobody has opened yet. */
export function newSession(service: string): string {
  return `${service}/000/session${++sessions}`;
}

function echo(event: ServerEvent, bus: Bus): void {
  if (event.type === "message") bus.unicast(event.text, event.connection);
}

/** The services of the protocol's suite and of its clients. */
export const services: Handling = {
  routes: {
    "/echo": { sockjs: { responseLimitBytes: 4_096 }, handler: echo },
    "/disabled_websocket_echo": { sockjs: { websocket: false }, handler: echo },
    "/cookie_needed_echo": { sockjs: { cookieNeeded: true }, handler: echo },
    "/close": {
      handler(event) {
        if (event.type === "open") event.connection.close(3000, "Go away!");
      },
    },
    "/amplify": {
      handler(event, bus) {
        if (event.type !== "message") return;
        const n = Math.trunc(Number(event.text));
        bus.unicast("x".repeat(2 ** (n >= 1 && n <= 18 ? n : 1)), event.connection);
      },
    },
    "/broadcast": {
      handler(event, bus) {
        if (event.type === "message") bus.sendall(event.text);
      },
    },
  },
};

export const CLIENT_URL = "http://localhost/sockjs.min.js";

export async function openServices(): Promise<{ server: Server; clock: HandClock; port: number }> {
  const { server, clock } = await serveByHand({
    origins: "any",
    sockjs: { clientUrl: CLIENT_URL, legacy: true },
    ...services,
  });
  return { server, clock, port: server.port };
}

/** One route `/echo` that speaks SockJS to anybody, unless the options say otherwise. */
export async function openEcho(
  options: ServerOptions & Partial<Handling> = {},
): Promise<{ server: Server; clock: HandClock; port: number; events: ServerEvent[] }> {
  const events: ServerEvent[] = [];
  const { handler = echo, routes, ...others } = options;
  const watched = (event: ServerEvent, bus: Bus): unknown => {
    events.push(event);
    return typeof handler === "function" ? handler(event, bus) : undefined;
  };
  const { server, clock } = await serveByHand({
    origins: "any",
    sockjs: true,
    ...others,
    routes: routes ?? { "/echo": { handler: watched } },
  });
  return { server, clock, port: server.port, events };
}

/** A client that polls by hand: each call is one request on a connection of its own. */
export class Poller {
  readonly #port: number;
  readonly root: string;

  constructor(port: number, root: string = newSession("/echo")) {
    this.#port = port;
    this.root = root;
  }

  async poll(row = "xhr", question: Question = {}): Promise<Answer> {
    return ask(this.#port, row === "xhr" || row === "xhr_streaming" ? "POST" : "GET", `${this.root}/${row}`, question);
  }

  send(...messages: string[]): Promise<Answer> {
    return this.post(JSON.stringify(messages));
  }

  post(body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return ask(this.#port, "POST", `${this.root}/xhr_send`, { headers, body });
  }

  /** A poll that is not answered yet: on its way to the server, or there. */
  wait(row = "xhr"): Wire {
    const wire = new Wire(this.#port);
    return wire.ask(row === "xhr" || row === "xhr_streaming" ? "POST" : "GET", `${this.root}/${row}`);
  }

  static async open(port: number, root?: string): Promise<Poller> {
    const poller = new Poller(port, root);
    const { body } = await poller.poll();
    if (body !== "o\n") throw new Error(`the session began with ${JSON.stringify(body)}`);
    return poller;
  }
}

/** A client of SockJS over a plain WebSocket. */
export async function openFramed(server: Server, path: string): Promise<Client> {
  const client = await Client.open(new URL(path, server.url).href);
  await until(() => client.received.length > 0);
  return client;
}

/** Goes round the event loop until as many connections are open, and their handler has been told. */
export function untilOpen(server: Pick<Server, "stats" | "connections">, count: number): Promise<void> {
  return until(() => server.stats().connections === count && server.connections().length === count);
}

/** The states of the sessions of a server, as somebody who inspects its actors sees them. */
export function watchSessions(server: Server): { readonly last: string; readonly all: ReadonlyMap<string, string> } {
  const all = new Map<string, string>();
  let last = "";
  server.actor.system.inspect((event) => {
    if (event.type !== "@xstate.snapshot" || !("id" in event.actorRef) || !("value" in event.snapshot)) return;
    const id = String(event.actorRef.id);
    if (!id.startsWith("session:")) return;
    last = JSON.stringify(event.snapshot.value);
    all.set(id, last);
  });
  return {
    get last() {
      return last;
    },
    all,
  };
}
