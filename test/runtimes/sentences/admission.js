/** Who is let in, what a refusal looks like, and what a handler learns of the request; HTTP beside WebSocket, and TLS. */
import { deepEqual, equal, match } from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { makeCertificate } from "../../../examples/tls/certificate.js";
import { attach, metrics, reject } from "../sendall.js";

/** @typedef {import("sendall").ServerEvent} ServerEvent */

/** @type {import("../stage.js").Sentence[]} */
export const admission = [
  [
    "authorize lets in with data, and refuses with status, body and headers",
    async (stage) => {
      const server = await stage.serve({
        /** @param {import("sendall").UpgradeRequest} request */
        async authorize({ query }) {
          await new Promise((resolve) => setImmediate(resolve));
          const name = query.get("name");
          return name === null ? reject(401, "say who you are", { "WWW-Authenticate": "Name" }) : { name };
        },
        /** @param {ServerEvent} event */
        handler: (event) => event.type === "open" && event.connection.send(`hello ${event.connection.data.name}`),
      });
      const peer = await stage.open(`${server.url}?name=ann`);
      equal(await peer.next(), "hello ann");
      const stranger = await stage.ask(server.url);
      await stranger.closed();
      deepEqual([stranger.status, stranger.header("www-authenticate")], [401, "Name"]);
      match(stranger.body, /say who you are/);
    },
  ],
  [
    "an authorize that throws is 500, another origin 403, an unknown path 404, another method 405, no room 503",
    async (stage) => {
      const server = await stage.serve({
        maxConnections: 1,
        routes: {
          "/": { handler() {} },
          "/bad": {
            authorize() {
              throw new Error("as told");
            },
            handler() {},
          },
        },
      });
      /** @param {string} path @param {import("../peer.js").PeerOptions} [options] */
      const statusOf = async (path, options) => {
        const peer = await stage.ask(server.url + path, options);
        await peer.closed();
        return peer.status;
      };
      equal(await statusOf("bad"), 500);
      equal(await statusOf("", { headers: { Origin: "https://elsewhere.example" } }), 403);
      equal(await statusOf("nowhere"), 404);
      equal(await statusOf("", { method: "POST" }), 405);
      await stage.open(server.url);
      equal(await statusOf(""), 503);
    },
  ],
  [
    "plain HTTP is 426, a handshake of another version 426, a malformed one and bytes that are no HTTP 400",
    async (stage) => {
      const server = await stage.serve({});
      equal((await stage.fetch(server.url)).status, 426);
      /** @param {string} head */
      const statusOf = async (head) => {
        const socket = connect(server.port, "127.0.0.1");
        stage.atEnd(() => socket.destroy());
        socket.write(head);
        const [chunk] = await once(socket, "data");
        return Number(String(chunk).slice(9, 12));
      };
      const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
      const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
      equal(await statusOf(`${upgrade}${key}Sec-WebSocket-Version: 12\r\n\r\n`), 426);
      equal(await statusOf(`${upgrade}Sec-WebSocket-Version: 13\r\n\r\n`), 400);
      equal(await statusOf("this is not HTTP\r\n\r\n"), 400);
    },
  ],
  [
    "the head of a request that does not come in time is 408",
    async (stage) => {
      const server = await stage.serve({ handshakeTimeoutMs: 50 });
      const socket = connect(server.port, "127.0.0.1");
      stage.atEnd(() => socket.destroy());
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n");
      const [chunk] = await once(socket, "data");
      match(String(chunk), /^HTTP\/1.1 408/);
    },
  ],
  [
    "a subprotocol is chosen in the order of the server",
    async (stage) => {
      const server = await stage.serve({
        protocols: ["chat.2", "chat.1"],
        /** @param {ServerEvent} event */
        handler: (event) => event.type === "open" && event.connection.send(event.connection.protocol),
      });
      const peer = await stage.open(server.url, { headers: { "Sec-WebSocket-Protocol": "chat.1, chat.2, chat.3" } });
      equal(peer.header("sec-websocket-protocol"), "chat.2");
      equal(await peer.next(), "chat.2");
      const other = await stage.open(server.url, { headers: { "Sec-WebSocket-Protocol": "chat.3" } });
      equal(other.header("sec-websocket-protocol"), undefined);
    },
  ],
  [
    "a handler sees path, params, query, headers, cookies, ports and addresses, IPv4 in the form of IPv4",
    async (stage) => {
      /** @type {import("sendall").Connection | undefined} */
      let connection;
      const server = await stage.serve({
        host: "::",
        routes: {
          "/room/:name": {
            /** @param {ServerEvent} event */
            handler(event) {
              connection ??= event.connection;
            },
          },
        },
      });
      const headers = { "X-Trace": "7", Cookie: "a=1; b=2", Origin: `http://127.0.0.1:${server.port}` };
      const peer = await stage.open(`ws://127.0.0.1:${server.port}/room/r%C3%A4ume?q=1`, { headers });
      await stage.until(() => connection);
      const { path, params, query, cookies, remoteAddress, remotePort, secure, transport } = connection ?? {};
      equal(path, "/room/r%C3%A4ume");
      deepEqual({ ...params }, { name: "räume" });
      equal(query?.get("q"), "1");
      equal(connection?.headers["x-trace"], "7");
      deepEqual({ ...cookies }, { a: "1", b: "2" });
      deepEqual([remoteAddress, remotePort], ["127.0.0.1", peer.socket.localPort]);
      deepEqual([secure, transport], [false, "websocket"]);
    },
  ],
  [
    "over TLS a connection is secure, and large messages arrive whole",
    async (stage) => {
      const { cert, key } = makeCertificate("a server");
      const server = await stage.serve({
        tls: { cert, key },
        /** @param {ServerEvent} event */
        handler: (event) =>
          event.type === "message" && event.connection.send(`${event.connection.secure} ${event.text}`),
      });
      match(server.url, /^wss:/);
      const peer = await stage.open(server.url, { ca: cert });
      for (const length of [10, 1_000_000]) {
        peer.send("x".repeat(length));
        equal(await peer.next(), `true ${"x".repeat(length)}`);
      }
      peer.close(4_000);
      equal((await peer.closed()).code, 4_000);
    },
  ],
  [
    "over TLS a handler sees the certificate of the peer, if it has asked for one",
    async (stage) => {
      const authority = makeCertificate("an authority");
      const { cert, key } = makeCertificate("a server", authority);
      const server = await stage.serve({
        tls: { cert, key, ca: authority.cert, requestCert: true },
        /** @param {ServerEvent} event */
        handler({ type, connection }) {
          if (type === "open") connection?.send(`${connection.peerCertificate?.subject.CN}`);
        },
      });
      const peer = await stage.open(server.url, { ca: authority.cert, client: makeCertificate("ann", authority) });
      equal(await peer.next(), "ann");
    },
  ],
  [
    "over TLS a peer without the certificate that is asked for is not let in",
    async (stage) => {
      const authority = makeCertificate("an authority");
      const { cert, key } = makeCertificate("a server", authority);
      const server = await stage.serve({ tls: { cert, key, ca: authority.cert, requestCert: true } });
      for (const client of [undefined, makeCertificate("mallory")]) {
        const stranger = await stage.ask(server.url, { ca: authority.cert, ...(client && { client }) });
        equal(stranger.status, 0);
      }
      await stage.open(server.url, { ca: authority.cert, client: makeCertificate("ann", authority) });
    },
  ],
  [
    "static files, the client's module, onRequest and metrics are served on the same port",
    async (stage) => {
      const server = await stage.serve({
        client: "/client.js",
        static: fileURLToPath(new URL("..", import.meta.url)),
        /** @param {import("node:http").IncomingMessage} _request @param {import("node:http").ServerResponse} response */
        onRequest: (_request, response) => response.end(measures.text()),
      });
      const measures = metrics(server);
      const { status, headers, body } = await stage.fetch(`${server.url}client.js`);
      equal(status, 200);
      match(String(headers["content-type"]), /javascript/);
      match(body, /export\s*\{/);
      const again = await stage.fetch(`${server.url}client.js`, { headers: { "If-None-Match": String(headers.etag) } });
      equal(again.status, 304);
      match((await stage.fetch(`${server.url}package.json`)).body, /sendall-runtimes/);
      match((await stage.fetch(`${server.url}metrics`)).body, /^sendall_connections/m);
    },
  ],
  [
    "attach serves WebSockets on an HTTP server of the program, which answers everything else",
    async (stage) => {
      const http = createServer((_request, response) => response.end("the program"));
      http.listen(0, "127.0.0.1");
      await once(http, "listening");
      stage.atEnd(() => http.close());
      const server = await attach(http, {
        logger: false,
        routes: {
          "/chat": {
            handler: (event) => event.type === "message" && event.connection.send(event.data),
          },
        },
      });
      stage.atEnd(() => server.close({ drainMs: 0 }));
      const address = http.address();
      const url = `ws://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
      const peer = await stage.open(`${url}/chat`);
      peer.send("hi");
      equal(await peer.next(), "hi");
      equal((await stage.fetch(url)).body, "the program");
    },
  ],
];
