/**
 * What connections that have come and gone leave in the old generation until a full collection, with the handler or the option that is the
 * argument; `net` is a server without Sendall. Prints the bytes for each connection, those of the client included. To be run with
 * `--expose-gc`, and with a first old generation in which no collection is due.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setImmediate } from "node:timers/promises";
import { getHeapSpaceStatistics } from "node:v8";
import { channels, noreply, perConnection, serve } from "sendall";

const WARM_UP = 2;
const ROUNDS = 10;
const CONNECTIONS = 200;

/** @type {import("sendall").HandlerFunction} */
const inHall = (event) => {
  if (event.type === "open") event.connection.join("hall");
};

const ways = {
  handler: { handler: inHall },
  channels: { handler: channels({ hall: inHall }) },
  perConnection: { handler: perConnection({ init: () => noreply(0), handle: (_message, state) => noreply(state) }) },
  presence: { handler: inHall, presence: { graceMs: 0 } },
  resume: { handler: inHall, resume: true },
};

/** Answers the handshake with its status line, and the close frame with the same. */
async function serveBare() {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => {});
    socket.on("close", () => {
      connections--;
    });
    socket.once("data", () => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      socket.on("data", (frame) => socket.end(frame));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { port: address.port, open: () => connections, close: () => server.close() };
}

/** @param {import("sendall").ServeOptions} options */
async function serveSendall(options) {
  const server = await serve({ port: 0, logger: false, ...options });
  return {
    port: Number(new URL(server.url).port),
    open: () => server.stats().connections,
    close: () => server.close(),
  };
}

const way = process.argv[2] ?? "";
const options = new Map(Object.entries(ways)).get(way);
if (options === undefined && way !== "net") throw new Error(`expected net or one of ${Object.keys(ways)}, got ${way}`);
const server = options === undefined ? await serveBare() : await serveSendall(options);

const handshake = [
  "GET / HTTP/1.1",
  `Host: 127.0.0.1:${server.port}`,
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ...(way === "resume" ? ["Sec-WebSocket-Protocol: sendall.1"] : []),
].join("\r\n");
// With the status of a normal close, masked with zeros.
const close = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);

async function open() {
  const socket = connect(server.port, "127.0.0.1");
  socket.write(`${handshake}\r\n\r\n`);
  await once(socket, "data");
  return socket;
}

/** What survives two of these moves to the old generation. */
async function collectYoung() {
  for (let i = 0; i < 3; i++) await setImmediate();
  globalThis.gc?.({ type: "minor" });
}

async function round() {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  await collectYoung();
  for (const socket of sockets) socket.resume().end(close);
  await Promise.all(sockets.map((socket) => once(socket, "close")));
  while (server.open() > 0) await setImmediate();
  await collectYoung();
}

const oldBytes = () =>
  getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space")?.space_used_size ?? 0;

for (let i = 0; i < WARM_UP; i++) await round();
globalThis.gc?.();
const before = oldBytes();
for (let i = 0; i < ROUNDS; i++) await round();
console.log(Math.round((oldBytes() - before) / ROUNDS / CONNECTIONS));
await server.close();
