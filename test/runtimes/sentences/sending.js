/** Sentences 3, 4 and 7: order, recipients and receipts. */
import { deepEqual, equal } from "node:assert/strict";

/** @typedef {import("sendall").ServerEvent} ServerEvent */
/** @typedef {import("sendall").Bus} Bus */

/** @type {import("../stage.js").Sentence[]} */
export const sending = [
  [
    "3: every recipient sees the sends in the order of the calls, also those of a handler that then threw",
    async (stage) => {
      const server = await stage.serve({
        /** @param {ServerEvent} event @param {Bus} bus */
        handler(event, bus) {
          if (event.type !== "message") return;
          for (let i = 0; i < 50; i++) {
            bus.unicast(`u${i}`, event.connection);
            bus.sendall(`s${i}`);
          }
          throw new Error("after all that");
        },
      });
      const [ann, bob] = [await stage.open(server.url), await stage.open(server.url)];
      ann.send("go");
      const numbers = Array.from({ length: 50 }, (_, i) => i);
      deepEqual(
        await ann.take(100),
        numbers.flatMap((i) => [`u${i}`, `s${i}`]),
      );
      deepEqual(
        await bob.take(50),
        numbers.map((i) => `s${i}`),
      );
    },
  ],
  [
    "4: broadcast leaves out the source and only the source, sendall nobody, unicast reaches one",
    async (stage) => {
      const server = await stage.serve({
        /** @param {ServerEvent} event @param {Bus} bus */
        handler(event, bus) {
          if (event.type !== "message") return;
          bus.broadcast("to the others", event.connection);
          bus.sendall("to all");
          bus.unicast("to you", event.connection.id);
        },
      });
      const peers = await Promise.all([1, 2, 3].map(() => stage.open(server.url)));
      const [ann, bob, cid] = peers;
      ann?.send("go");
      deepEqual(await ann?.take(2), ["to all", "to you"]);
      for (const peer of [bob, cid]) deepEqual(await peer?.take(2), ["to the others", "to all"]);
      deepEqual(
        peers.map(({ messages }) => messages.length),
        [0, 0, 0],
      );
    },
  ],
  [
    "4: a message to a room reaches its members and nobody else, until they leave",
    async (stage) => {
      const server = await stage.serve({
        /** @param {ServerEvent} event @param {Bus} bus */
        handler(event, bus) {
          if (event.type !== "message") return;
          if (event.text === "join") event.connection.join("hall");
          if (event.text === "leave") event.connection.leave("hall");
          if (event.text === "say") bus.broadcast("said", event.connection, { room: "hall" });
          bus.unicast(`${bus.members("hall").length}`, event.connection);
        },
      });
      const [ann, bob, cid] = await Promise.all([1, 2, 3].map(() => stage.open(server.url)));
      if (ann === undefined || bob === undefined || cid === undefined) return;
      for (const [peer, what, answer] of /** @type {const} */ ([
        [ann, "join", "1"],
        [bob, "join", "2"],
        [cid, "say", "2"],
        [bob, "leave", "1"],
        [cid, "say", "1"],
      ])) {
        peer.send(what);
        if (peer === bob && what === "leave") equal(await bob.next(), "said");
        equal(await peer.next(), answer);
      }
      deepEqual([await ann.take(2), bob.messages, cid.messages], [["said", "said"], [], []]);
    },
  ],
  [
    "7: receipts add up, and sending to a connection that has gone never throws and is counted",
    async (stage) => {
      /** @type {import("sendall").Receipt[]} */
      const receipts = [];
      const server = await stage.serve({
        /** @param {ServerEvent} event @param {Bus} bus */
        handler(event, bus) {
          if (event.type === "message") receipts.push(bus.sendall("to all"));
          if (event.type === "closed") receipts.push(bus.unicast("gone", event.connection), bus.sendall("rest"));
        },
      });
      const [ann, bob] = [await stage.open(server.url), await stage.open(server.url)];
      bob.send("go");
      equal(await ann.next(), "to all");
      ann.close();
      equal(await bob.next(), "to all");
      equal(await bob.next(), "rest");
      const counts = receipts.map(({ targeted, queued, dropped, dead }) => [targeted, queued, dropped, dead]);
      deepEqual(counts, [
        [2, 2, 0, 0],
        [1, 0, 0, 1],
        [1, 1, 0, 0],
      ]);
      equal(server.stats().deadLetters, 1);
    },
  ],
];
