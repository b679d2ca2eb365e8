/** Peers for tests over real sockets: WebSocket clients that remember, and raw sockets for what no good client would send. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ConnectionId, ServeOptions } from "sendall";
import { onTestFinished } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { createServer } from "../../src/server/create-server.js";
import { createNetworkListener } from "../../src/server/network-listener.js";
import type { Server } from "../../src/server/server.js";
import { HandClock } from "../../src/testing/runtime/clock.js";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** The bytes of the heap that somebody still holds. */
export function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** One turn of the event loop. */
export function nextRound(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Goes round the event loop until it holds; the test's own limit ends it if it never does. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextRound();
}

/** A server on real sockets whose time stands still until the test lets it pass; closed when the test is over. */
export async function serveByHand<S>(
  options: ServeOptions<Record<string, unknown>, S>,
): Promise<{ server: Server; clock: HandClock }> {
  const { server, clock } = await openByHand(options);
  onTestFinished(() => closeByHand(server, clock));
  return { server, clock };
}

/** The same, closed by whoever has opened it. */
export async function openByHand<S>(
  options: ServeOptions<Record<string, unknown>, S>,
): Promise<{ server: Server; clock: HandClock }> {
  const clock = new HandClock((step) => {
    setImmediate(step);
  });
  let ids = 0;
  const server = createServer(
    { port: 0, logger: false, ...options },
    { clock, newId: () => `c${++ids}` as ConnectionId, createListener: createNetworkListener },
  );
  await server.start();
  return { server, clock };
}

/** Closes a server, with as much time as that takes. */
export async function closeByHand(server: Server, clock: HandClock): Promise<void> {
  let isClosed = false;
  const closing = server.close().finally(() => {
    isClosed = true;
  });
  while (!isClosed) {
    await nextRound();
    clock.pass(50);
  }
  await closing;
}

/** A WebSocket client that remembers what it got. */
export class Client {
  readonly received: (string | Buffer)[] = [];
  readonly ws: WebSocket;
  readonly socket: Socket;
  closed: { readonly code: number; readonly reason: string } | undefined;

  constructor(url: string, options: ClientOptions = {}, protocols: string[] = []) {
    const { port } = new URL(url);
    this.socket = connect({ host: "127.0.0.1", port: Number(port) });
    const withSocket = { perMessageDeflate: false, ...options, createConnection: () => this.socket };
    this.ws = new WebSocket(url, protocols, withSocket);
    this.ws.on("message", (data: Buffer, isBinary) => this.received.push(isBinary ? data : data.toString()));
    this.ws.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    this.ws.on("error", () => {});
  }

  static async open(url: string, options?: ClientOptions, protocols?: string[]): Promise<Client> {
    const client = new Client(url, options, protocols);
    await once(client.ws, "open");
    return client;
  }

  send(data: string | Buffer): void {
    this.ws.send(data);
  }

  async ended(): Promise<{ readonly code: number; readonly reason: string }> {
    while (this.closed === undefined) await nextRound();
    return this.closed;
  }
}

export async function openClients(url: string, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => Client.open(url)));
}

/** A masked frame as a client sends it (RFC 6455 section 5.2). */
export function clientFrame(payload: string | Buffer, { opcode = 1, fin = true, masked = true } = {}): Buffer {
  const data = Buffer.from(payload);
  const length =
    data.length < 126
      ? Buffer.from([data.length])
      : data.length < 65_536
        ? Buffer.from([126, data.length >> 8, data.length & 255])
        : Buffer.concat([Buffer.from([127]), Buffer.from(data.length.toString(16).padStart(16, "0"), "hex")]);
  length[0] = (length[0] ?? 0) | (masked ? 0x80 : 0);
  const mask = masked ? randomBytes(4) : Buffer.alloc(0);
  const body = masked ? data.map((byte, i) => byte ^ (mask[i % 4] ?? 0)) : data;
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode]), length, mask, body]);
}

/** The request of a good handshake. */
export function upgradeRequest(path = "/"): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "\r\n",
  ].join("\r\n");
}

/**
 * A server without manners: shakes hands with each client, then does with its socket what the test says.
 *
 * @param extension what it says of `Sec-WebSocket-Extensions`
 */
export async function serveRaw(act: (socket: Socket) => void, extension = ""): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let head = "";
    socket.on("data", function read(chunk) {
      head += chunk.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", read);
      const [, key = ""] = /^sec-websocket-key: (.*)$/im.exec(head.replaceAll("\r", "")) ?? [];
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
      if (extension !== "") lines.push(`Sec-WebSocket-Extensions: ${extension}`);
      socket.write(`${lines.join("\r\n")}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      act(socket);
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, "listening");
  const address = server.address();
  return `ws://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
}

/** A socket without manners: what is written goes out as it is, what comes is kept as it is. */
export class RawPeer {
  readonly socket: Socket;
  isEnded = false;
  #chunks: Buffer[] = [];

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port });
    this.socket.on("data", (chunk) => this.#chunks.push(chunk));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isEnded = true;
    });
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The frames that came after the handshake: opcode and payload. */
  get frames(): { readonly opcode: number; readonly payload: Buffer }[] {
    const { bytes } = this;
    const head = bytes.indexOf("\r\n\r\n");
    return head < 0 ? [] : readServerFrames(bytes.subarray(head + 4));
  }
}

function readServerFrames(bytes: Buffer): { readonly opcode: number; readonly payload: Buffer }[] {
  const frames = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const short = bytes.readUInt8(at + 1);
    const header = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (at + header > bytes.length) break;
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    if (at + header + length > bytes.length) break;
    frames.push({ opcode: bytes.readUInt8(at) & 15, payload: bytes.subarray(at + header, at + header + length) });
    at += header + length;
  }
  return frames;
}
