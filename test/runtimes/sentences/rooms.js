/** Sentences 19 to 24: presence and history. */
import { deepEqual, equal } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSqlite } from "../sendall.js";

/** @typedef {import("sendall").ServerEvent} ServerEvent */
/** @typedef {import("sendall").Bus} Bus */

/** @param {number} count */
const upTo = (count) => Array.from({ length: count }, (_, i) => i);

/** @type {import("../stage.js").Sentence[]} */
export const rooms = [
  [
    "19, 20: the list of a room, and the notices after it, are the people of any later time",
    async (stage) => {
      const server = await stage.serve({
        authorize: (/** @type {import("sendall").UpgradeRequest} */ { query }) => ({ name: query.get("name") }),
        presence: {
          graceMs: 0,
          key: (/** @type {import("sendall").Connection} */ { data }) => data.name,
          notice: (/** @type {import("sendall").PresenceNotice} */ notice) =>
            "key" in notice ? `${notice.type} ${notice.key} ${notice.count}` : undefined,
        },
        /** @param {ServerEvent} event @param {Bus} bus */
        handler(event, bus) {
          if (event.type === "open") {
            event.connection.join("hall");
            event.connection.send(
              bus
                .present("hall")
                .map(({ key }) => key)
                .join(" "),
            );
          }
          if (event.type === "message") event.connection.show(event.text);
        },
      });
      const ann = await stage.open(`${server.url}?name=ann`);
      equal(await ann.next(), "ann");
      const bob = await stage.open(`${server.url}?name=bob`);
      equal(await bob.next(), "ann bob");
      equal(await ann.next(), "joined bob 2");
      const again = await stage.open(`${server.url}?name=bob`);
      equal(await again.next(), "ann bob");
      again.close();
      bob.send("typing");
      equal(await ann.next(), "changed bob 2");
      bob.close();
      equal(await ann.next(), "left bob 1");
    },
  ],
  [
    "22, 23: after a position comes exactly what was kept since, then what is sent, without a hole and once",
    async (stage) => {
      const server = await stage.serve({
        history: {
          maxMessages: 10,
          stamp: (/** @type {unknown} */ data, /** @type {string} */ position) => `${position} ${data}`,
        },
        /** @param {ServerEvent} event @param {Bus} bus */
        async handler(event, bus) {
          if (event.type === "open") {
            const after = event.connection.query.get("after");
            const { outcome } = await event.connection.follow("hall", after === null ? { last: 3 } : { after });
            event.connection.send(`- ${outcome}`);
          }
          if (event.type === "message") bus.sendall(event.data, { room: "hall", keep: true });
        },
      });
      /** @param {import("../peer.js").Peer} peer @param {number} count */
      const take = async (peer, count) => (await peer.take(count)).map((message) => String(message).split(" "));
      const ann = await stage.open(server.url);
      await take(ann, 1);
      for (let i = 0; i < 5; i++) ann.send(`${i}`);
      const told = await take(ann, 5);
      const position = encodeURIComponent(told[1]?.[0] ?? "");
      const bob = await stage.open(`${server.url}?after=${position}`);
      deepEqual(
        (await take(bob, 4)).map(([, text]) => text),
        ["2", "3", "4", "complete"],
      );
      ann.send("5");
      equal((await take(bob, 1))[0]?.[1], "5");
      const newcomer = await stage.open(server.url);
      deepEqual(
        (await take(newcomer, 3)).map(([, text]) => text),
        ["3", "4", "5"],
      );
      for (let i = 0; i < 10; i++) ann.send("x");
      await take(bob, 10);
      const late = await stage.open(`${server.url}?after=${position}`);
      deepEqual(
        (await take(late, 1)).map(([, text]) => text),
        ["gap"],
      );
    },
  ],
  [
    "24: a replay is written as the socket drains, and makes no slow consumer",
    async (stage) => {
      const server = await stage.serve({
        history: { maxBytes: 16_777_216 },
        outbox: { maxBufferedBytes: 100_000 },
        /** @param {ServerEvent} event @param {Bus} bus */
        async handler(event, bus) {
          if (event.type === "open" && event.connection.query.has("follow"))
            await event.connection.follow("hall", { last: 100 });
          if (event.type !== "message") return;
          bus.sendall(event.text.padEnd(100_000), { room: "hall", keep: true });
          event.connection.send("kept");
        },
      });
      const ann = await stage.open(server.url);
      for (let i = 0; i < 90; i++) ann.send(`${i}`);
      await ann.take(90);
      const bob = await stage.open(`${server.url}?follow`);
      bob.socket.pause();
      await stage.until(() => server.stats().rooms === 1);
      bob.socket.resume();
      deepEqual((await bob.take(90)).map(Number), upTo(90));
      equal(server.stats().slowConsumers, 0);
    },
  ],
  [
    "22: a history in a file (sendall/sqlite) outlives its server",
    async (stage) => {
      const { sqlite } = await loadSqlite();
      const folder = mkdtempSync(join(tmpdir(), "sendall-runtimes-"));
      stage.atEnd(() => rmSync(folder, { recursive: true }));
      const open = () =>
        stage.serve({
          history: { store: sqlite({ file: join(folder, "history.db") }) },
          /** @param {ServerEvent} event @param {Bus} bus */
          async handler(event, bus) {
            if (event.type === "open") await event.connection.follow("hall", { last: 10 });
            if (event.type === "message") bus.sendall(event.data, { room: "hall", keep: true });
          },
        });
      const first = await open();
      const ann = await stage.open(first.url);
      for (const text of ["a", "b"]) ann.send(text);
      deepEqual(await ann.take(2), ["a", "b"]);
      await first.close();
      const bob = await stage.open((await open()).url);
      deepEqual(await bob.take(2), ["a", "b"]);
    },
  ],
];
