/** Sentences 9 to 11: how connections and servers end; heartbeats, which end the silent ones. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { connect } from "node:net";
import { OPCODES } from "../frames.js";
import { gate } from "../stage.js";

/** @typedef {import("sendall").ServerEvent} ServerEvent */
/** @typedef {import("sendall").ClosedEvent} ClosedEvent */

/**
 * What a frame that no client may send is answered with.
 * @param {import("../stage.js").Stage} stage
 * @param {number} code
 * @param {string | Uint8Array} payload
 * @param {Parameters<import("../peer.js").Peer["send"]>[1]} options
 */
async function isClosedFor(stage, code, payload, options) {
  /** @type {string[]} */
  const seen = [];
  const server = await stage.serve({
    /** @param {ServerEvent} event */
    handler: (event) => seen.push(event.type === "message" ? event.text : event.type),
  });
  const peer = await stage.open(server.url);
  peer.send("good");
  peer.send(payload, options);
  equal((await peer.closed()).code, code);
  await stage.until(() => seen.includes("closed"));
  deepEqual(
    seen.filter((type) => type !== "error"),
    ["open", "good", "closed"],
  );
}

/** @type {import("../stage.js").Sentence[]} */
export const endings = [
  [
    "9: what was sent before close arrives before the close frame",
    async (stage) => {
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        handler({ type, connection }) {
          if (type !== "open") return;
          for (let i = 0; i < 100; i++) connection?.send(`${i}`);
          connection?.send("x".repeat(1_000_000));
          connection?.close(4_321, "that was all");
        },
      });
      const peer = await stage.open(server.url);
      deepEqual(await peer.closed(), { code: 4_321, reason: "that was all" });
      equal(peer.messages.length, 101);
    },
  ],
  [
    "10: rooms and data of a closed connection stay until its closed has been handled, and it is no member",
    async (stage) => {
      /** @type {unknown[]} */
      const seen = [];
      const server = await stage.serve({
        /** @param {ServerEvent} event @param {import("sendall").Bus} bus */
        handler(event, bus) {
          if (event.type === "open") {
            event.connection.join("hall");
            event.connection.data = { name: "ann" };
          }
          if (event.type !== "closed") return;
          const { connection } = event;
          seen.push([...connection.rooms], connection.data, connection.isOpen, bus.members("hall").length);
        },
      });
      const peer = await stage.open(server.url);
      peer.close();
      await stage.until(() => seen.length > 0);
      deepEqual(seen, [["hall"], { name: "ann" }, false, 0]);
    },
  ],
  [
    "11: when the peer closes, what arrived before is delivered and answered, then comes the close frame",
    async (stage) => {
      const slow = gate();
      /** @type {ClosedEvent | undefined} */
      let closed;
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        async handler(event) {
          if (event.type === "closed") closed = event;
          if (event.type !== "message") return;
          await slow.opened;
          event.connection.send(`re: ${event.text}`);
        },
      });
      const peer = await stage.open(server.url);
      for (const text of ["a", "b", "c"]) peer.send(text);
      peer.close(4_000, "bye");
      await stage.until(() => server.stats().received.messages === 3);
      slow.open();
      deepEqual(await peer.closed(), { code: 4_000, reason: "bye" });
      deepEqual(peer.messages, ["re: a", "re: b", "re: c"]);
      await stage.until(() => closed);
      deepEqual([closed?.code, closed?.reason, closed?.by, closed?.wasClean], [4_000, "bye", "peer", true]);
    },
  ],
  [
    "11: when the server closes, what waits is discarded and only closed follows",
    async (stage) => {
      const slow = gate();
      /** @type {string[]} */
      const seen = [];
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        async handler(event) {
          seen.push(event.type === "message" ? event.text : event.type);
          if (event.type !== "message") return;
          await slow.opened;
          event.connection.close(4_001);
        },
      });
      const peer = await stage.open(server.url);
      for (const text of ["a", "b", "c"]) peer.send(text);
      await stage.until(() => server.stats().received.messages === 3);
      slow.open();
      equal((await peer.closed()).code, 4_001);
      await stage.until(() => seen.includes("closed"));
      deepEqual(seen, ["open", "a", "closed"]);
    },
  ],
  [
    "11: terminate cuts: the peer sees no close frame",
    async (stage) => {
      /** @type {ClosedEvent | undefined} */
      let closed;
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        handler(event) {
          if (event.type === "message") event.connection.terminate();
          if (event.type === "closed") closed = event;
        },
      });
      const peer = await stage.open(server.url);
      peer.send("cut me");
      equal((await peer.closed()).code, 1006);
      await stage.until(() => closed);
      deepEqual([closed?.code, closed?.by], [1006, "server"]);
    },
  ],
  [
    "11: a peer that does not answer the close frame is cut after closeTimeoutMs",
    async (stage) => {
      const server = await stage.serve({
        closeTimeoutMs: 20,
        /** @param {ServerEvent} event */
        handler: (event) => event.type === "message" && event.connection.close(4_002),
      });
      const peer = await stage.open(server.url, { answersClose: false });
      peer.send("close me");
      equal((await peer.closed()).code, 4_002);
    },
  ],
  ["an unmasked frame closes its connection with 1002", (stage) => isClosedFor(stage, 1002, "x", { masked: false })],
  ["an unknown kind of frame closes its connection with 1002", (stage) => isClosedFor(stage, 1002, "x", { opcode: 3 })],
  [
    "invalid UTF-8 closes its connection with 1007",
    (stage) => isClosedFor(stage, 1007, Buffer.from([0xff]), { opcode: OPCODES.text }),
  ],
  [
    "11: server.close lets handlers finish, closes with 1001, frees the port and resolves",
    async (stage) => {
      /** @type {string[]} */
      const seen = [];
      const slow = gate();
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        async handler(event) {
          if (event.type === "message") {
            await slow.opened;
            event.connection.send(`re: ${event.text}`);
          }
          seen.push(event.type);
        },
      });
      const peer = await stage.open(server.url);
      peer.send("a");
      peer.send("b");
      await stage.until(() => server.stats().received.messages === 2);
      const closing = server.close();
      slow.open();
      deepEqual(await peer.closed(), { code: 1001, reason: "going away" });
      deepEqual(peer.messages, ["re: a", "re: b"]);
      await closing;
      deepEqual(seen, ["open", "message", "message", "closed"]);
      const refused = await new Promise((resolve) => {
        connect(server.port, "127.0.0.1").on("error", resolve).on("connect", resolve);
      });
      equal(refused?.code, "ECONNREFUSED");
    },
  ],
  [
    "11: server.close does not wait longer than drainMs",
    async (stage) => {
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        handler: (event) => (event.type === "message" ? new Promise(() => {}) : undefined),
      });
      const peer = await stage.open(server.url);
      peer.send("wait for me");
      await stage.until(() => server.stats().received.messages === 1);
      await server.close({ drainMs: 20 });
      equal((await peer.closed()).code, 1001);
    },
  ],
  [
    "a peer that is silent gets a ping, and its answer keeps it",
    async (stage) => {
      const server = await stage.serve({ heartbeat: { intervalMs: 20, timeoutMs: 500 } });
      const peer = await stage.open(server.url);
      await peer.until(() => peer.pings.length === 2);
      const [connection] = server.connections();
      equal(connection?.isOpen, true);
      notEqual(connection?.roundTripMs, undefined);
    },
  ],
  [
    "a peer that does not answer pings is dropped with 1006",
    async (stage) => {
      /** @type {ClosedEvent | undefined} */
      let closed;
      const server = await stage.serve({
        heartbeat: { intervalMs: 20, timeoutMs: 20 },
        /** @param {ServerEvent} event */
        handler(event) {
          if (event.type === "closed") closed = event;
        },
      });
      const peer = await stage.open(server.url, { answersPings: false });
      equal((await peer.closed()).code, 1006);
      await stage.until(() => closed);
      deepEqual([closed?.code, closed?.by], [1006, "lost"]);
    },
  ],
  [
    "a ping is answered by a pong with its bytes, and the handler's ping reaches the peer",
    async (stage) => {
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        handler: (event) => event.type === "message" && event.connection.ping("are you there?"),
      });
      const peer = await stage.open(server.url);
      peer.send("who?", { opcode: OPCODES.ping });
      await peer.until(() => peer.pongs.length === 1);
      equal(String(peer.pongs[0]), "who?");
      peer.send("ping me");
      await peer.until(() => peer.pings.length === 1);
      equal(String(peer.pings[0]), "are you there?");
    },
  ],
  [
    "a connection without messages for idleTimeoutMs is closed with 1000",
    async (stage) => {
      const server = await stage.serve({ idleTimeoutMs: 20 });
      const peer = await stage.open(server.url);
      deepEqual(await peer.closed(), { code: 1000, reason: "idle" });
    },
  ],
];
