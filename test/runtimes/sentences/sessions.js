/** Sentences 12 to 15, and what `sendall/client` does without a session. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { openLine } from "../line.js";
import { reject } from "../sendall.js";

/** @typedef {import("sendall").ServerEvent} ServerEvent */

const quick = { minMs: 1, maxMs: 20 };

/** @param {readonly (string | Uint8Array)[]} messages */
const numbersOf = (messages) => messages.map(Number);
/** @param {number} count */
const upTo = (count) => Array.from({ length: count }, (_, i) => i);

/** @type {import("../stage.js").Sentence[]} */
export const sessions = [
  [
    "12: over lost sockets every message arrives once and in order, in both directions",
    async (stage) => {
      /** @type {string[]} */
      const arrived = [];
      let sent = 0;
      const server = await stage.serve({
        resume: true,
        /** @param {ServerEvent} event */
        handler(event) {
          if (event.type === "message") arrived.push(event.text);
        },
      });
      const line = await openLine(stage, server.port);
      /** @type {(string | Uint8Array)[]} */
      const received = [];
      const client = stage.connect(line.url, { reconnect: quick, onMessage: (data) => received.push(data) });
      await client.opened;
      for (let round = 0; round < 10; round++) {
        for (let i = 0; i < 20; i++) {
          client.send(`${sent}`);
          server.sendall(`${sent++}`);
        }
        line.cut();
        for (let i = 0; i < 20; i++) {
          client.send(`${sent}`);
          server.sendall(`${sent++}`);
        }
        line.mend();
        await stage.until(() => client.state === "open" && received.length === sent && arrived.length === sent);
      }
      deepEqual(numbersOf(arrived), upTo(sent));
      deepEqual(numbersOf(received), upTo(sent));
      equal(server.stats().gaps, 0);
      ok(server.stats().resumed >= 10);
    },
  ],
  [
    "13: away follows the messages of the lost socket, back precedes those of the new one, and the connection stays",
    async (stage) => {
      /** @type {string[]} */
      const seen = [];
      const server = await stage.serve({
        resume: true,
        /** @param {ServerEvent} event @param {import("sendall").Bus} bus */
        handler(event, bus) {
          seen.push(event.type === "message" ? event.text : event.type);
          if (event.type === "open") event.connection.join("hall");
          if (event.type === "away") seen.push(`${event.connection.isOpen} ${bus.members("hall").length}`);
        },
      });
      const line = await openLine(stage, server.port);
      const client = stage.connect(line.url, { reconnect: quick });
      client.send("before");
      await stage.until(() => seen.includes("before"));
      line.cut();
      await stage.until(() => seen.includes("away"));
      client.send("after");
      line.mend();
      await stage.until(() => seen.includes("after"));
      client.close();
      await stage.until(() => seen.includes("closed"));
      deepEqual(seen, ["open", "before", "away", "true 1", "back", "after", "closed"]);
    },
  ],
  [
    "14: a newer socket with the session's token takes over, and the old one gets 1008",
    async (stage) => {
      /** @type {string[]} */
      const seen = [];
      const server = await stage.serve({
        resume: true,
        /** @param {ServerEvent} event */
        handler: (event) => seen.push(event.type),
      });
      const offer = { headers: { "Sec-WebSocket-Protocol": "sendall.1" } };
      const first = await stage.open(server.url, offer);
      const { session } = JSON.parse(String(await first.next()).slice(1));
      const again = { headers: { "Sec-WebSocket-Protocol": `sendall.1, sendall.1.${session}.0.0.1` } };
      const second = await stage.open(server.url, again);
      equal(JSON.parse(String(await second.next()).slice(1)).resumed, true);
      deepEqual(await first.closed(), { code: 1008, reason: "session taken over" });
      equal(server.stats().connections, 1);
      deepEqual(seen, ["open"]);
    },
  ],
  [
    "15: a session ends when its client has been away for graceMs",
    async (stage) => {
      /** @type {string[]} */
      const seen = [];
      const server = await stage.serve({
        resume: { graceMs: 20 },
        /** @param {ServerEvent} event */
        handler: (event) => seen.push(event.type),
      });
      const line = await openLine(stage, server.port);
      const client = stage.connect(line.url, { reconnect: false });
      await client.opened;
      line.cut();
      await stage.until(() => seen.includes("closed"));
      deepEqual(seen, ["open", "away", "closed"]);
      const { opened, closed, connections } = server.stats();
      deepEqual([opened, closed, connections], [1, 1, 0]);
    },
  ],
  [
    "a client without a session connects again after a loss, and waiting messages follow",
    async (stage) => {
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        handler: (event) => event.type === "message" && event.connection.send(event.data),
      });
      const line = await openLine(stage, server.port);
      /** @type {unknown[]} */
      const told = [];
      const client = stage.connect(line.url, {
        reconnect: quick,
        onOpen: () => told.push("open"),
        onMessage: (data) => told.push(typeof data === "string" ? data : [...data]),
        // Attempts that come before the line is mended are told in the same way.
        onClose({ code, willRetry }) {
          const ending = `closed ${code} ${willRetry}`;
          if (told.at(-1) !== ending) told.push(ending);
        },
      });
      client.send("a");
      await stage.until(() => told.length === 2);
      line.cut();
      await stage.until(() => told.length === 3);
      line.mend();
      client.send(new Uint8Array([1, 2, 3]));
      await stage.until(() => told.length === 5);
      client.close();
      await stage.until(() => told.length === 6);
      deepEqual(told, ["open", "a", "closed 1006 true", "open", [1, 2, 3], "closed 1000 false"]);
    },
  ],
  [
    "a client sends headers, learns why it is refused, and stays away after a 401",
    async (stage) => {
      const server = await stage.serve({
        /** @param {import("sendall").UpgradeRequest} request */
        authorize: ({ headers }) => (headers.authorization === "ann" ? {} : reject(401, "who are you?")),
      });
      await stage.connect(server.url, { headers: { Authorization: "ann" } }).opened;
      /** @type {unknown[]} */
      const told = [];
      stage.connect(server.url, {
        reconnect: quick,
        onError: ({ code, status, body }) => told.push(code, status, body),
        onClose: ({ willRetry }) => told.push(willRetry),
      });
      await stage.until(() => told.length === 4);
      deepEqual(told, ["REFUSED", 401, "who are you?", false]);
    },
  ],
];
