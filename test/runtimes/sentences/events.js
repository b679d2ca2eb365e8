/** Sentences 1 and 2: events, their order, and who waits for whom. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { encodeFrame, OPCODES } from "../frames.js";
import { perConnection, reply } from "../sendall.js";
import { gate } from "../stage.js";

/** A handler that notes its events. */
function noting() {
  /** @type {string[]} */
  const seen = [];
  /** @param {import("sendall").ServerEvent} event */
  const note = (event) => seen.push(event.type === "message" ? event.text : event.type);
  return { seen, note };
}

/** @type {import("../stage.js").Sentence[]} */
export const events = [
  [
    "1: open comes first, then the messages in the order sent, then closed, once and last",
    async (stage) => {
      const { seen, note } = noting();
      const server = await stage.serve({ handler: note });
      const peer = await stage.open(server.url);
      for (let i = 0; i < 200; i++) peer.send(`${i}`);
      peer.close(1000, "done");
      await stage.until(() => seen.includes("closed"));
      deepEqual(seen, ["open", ...Array.from({ length: 200 }, (_, i) => `${i}`), "closed"]);
    },
  ],
  [
    "1: a frame in the same packet as the handshake is not lost",
    async (stage) => {
      const { seen, note } = noting();
      const server = await stage.serve({ handler: note });
      await stage.open(server.url, { first: encodeFrame("early") });
      await stage.until(() => seen.length === 2);
      deepEqual(seen, ["open", "early"]);
    },
  ],
  [
    "1: what arrives while an async open is running is handled after it",
    async (stage) => {
      const { seen, note } = noting();
      const opening = gate();
      const server = await stage.serve({
        /** @param {import("sendall").ServerEvent} event */
        async handler(event) {
          if (event.type === "open") await opening.opened;
          note(event);
        },
      });
      const peer = await stage.open(server.url);
      peer.send("during");
      await stage.until(() => server.stats().received.messages === 1);
      deepEqual(seen, []);
      opening.open();
      await stage.until(() => seen.length === 2);
      deepEqual(seen, ["open", "during"]);
    },
  ],
  [
    "1: a connection that is reset has at most one error, and one closed, with 1006",
    async (stage) => {
      const { seen, note } = noting();
      /** @type {import("sendall").ClosedEvent | undefined} */
      let closed;
      const server = await stage.serve({
        /** @param {import("sendall").ServerEvent} event */
        handler(event) {
          note(event);
          if (event.type === "closed") closed = event;
        },
      });
      const peer = await stage.open(server.url);
      peer.send("before");
      await stage.until(() => seen.includes("before"));
      peer.cut();
      await stage.until(() => closed);
      deepEqual(
        seen.filter((type) => type !== "error"),
        ["open", "before", "closed"],
      );
      ok(seen.filter((type) => type === "error").length <= 1);
      deepEqual([closed?.code, closed?.by, closed?.wasClean], [1006, "lost", false]);
    },
  ],
  [
    "text comes as text and binary as bytes, of each length, in both directions",
    async (stage) => {
      const server = await stage.serve({
        /** @param {import("sendall").ServerEvent} event */
        handler(event) {
          if (event.type === "message") event.connection.send(event.data);
        },
      });
      const peer = await stage.open(server.url);
      for (const length of [0, 1, 125, 126, 65_535, 65_536, 300_000]) {
        peer.send("ü".repeat(length / 2));
        equal(await peer.next(), "ü".repeat(length / 2));
        peer.send(Buffer.alloc(length, 200));
        deepEqual(await peer.next(), Buffer.alloc(length, 200));
      }
    },
  ],
  [
    "a message in fragments arrives whole, with a ping in between",
    async (stage) => {
      const { seen, note } = noting();
      const server = await stage.serve({ handler: note });
      const peer = await stage.open(server.url);
      peer.send("a", { fin: false });
      peer.send("?", { opcode: OPCODES.ping });
      peer.send("b", { opcode: 0, fin: false });
      peer.send("c", { opcode: 0 });
      await stage.until(() => seen.length === 2);
      deepEqual(seen, ["open", "abc"]);
      await peer.until(() => peer.pongs.length === 1);
      equal(String(peer.pongs[0]), "?");
    },
  ],
  [
    "2: the handler runs one event at a time, and an async handler is awaited",
    async (stage) => {
      let running = 0;
      let most = 0;
      let handled = 0;
      const server = await stage.serve({
        async handler() {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          handled++;
        },
      });
      const peers = await Promise.all([1, 2, 3].map(() => stage.open(server.url)));
      for (const peer of peers) for (let i = 0; i < 10; i++) peer.send(`${i}`);
      await stage.until(() => handled === 33);
      equal(most, 1);
    },
  ],
  [
    '2: with concurrency "connection" a connection that waits keeps no other waiting',
    async (stage) => {
      const { seen, note } = noting();
      const slow = gate();
      const server = await stage.serve({
        concurrency: "connection",
        /** @param {import("sendall").ServerEvent} event */
        async handler(event) {
          if (event.type !== "message") return;
          if (event.text === "slow") await slow.opened;
          note(event);
        },
      });
      const [ann, bob] = [await stage.open(server.url), await stage.open(server.url)];
      ann.send("slow");
      ann.send("after slow");
      bob.send("quick");
      await stage.until(() => seen.length === 1);
      slow.open();
      await stage.until(() => seen.length === 3);
      deepEqual(seen, ["quick", "slow", "after slow"]);
    },
  ],
  [
    "2: perConnection keeps a state for each connection",
    async (stage) => {
      const server = await stage.serve({
        handler: perConnection({
          init: () => 0,
          handle: (message, /** @type {number} */ count) => reply(`${message} ${count + 1}`, count + 1),
        }),
      });
      const [ann, bob] = [await stage.open(server.url), await stage.open(server.url)];
      ann.send("ann");
      ann.send("ann");
      deepEqual(await ann.take(2), ["ann 1", "ann 2"]);
      bob.send("bob");
      equal(await bob.next(), "bob 1");
    },
  ],
];
