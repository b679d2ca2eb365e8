// @ts-check
/** The process that plays one scenario in virtual time, chosen by its first argument, and says how much real time it took. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { answer } from "../answers.js";
import { chooseRole } from "../servers/role.js";

// The peers' packages have a folder of their own here, from which the house has no name.
const entry = createRequire(new URL("../../../package.json", import.meta.url)).resolve("sendall/testing");
/** @type {typeof import("sendall/testing")} */
const { createTestRuntime, explore } = await import(pathToFileURL(entry).href);

/**
 * @typedef {object} RoomSettings
 * @property {number} clients
 * @property {number} everyMs of virtual time: so often each of them sends a message, one after another
 * @property {number} virtualMs
 * @property {number} messageBytes
 */

/**
 * @typedef {object} InterleavingsSettings
 * @property {number} runs
 */

/**
 * What it does when it is asked: real seconds.
 * @typedef {object} VirtualAnswers
 * @property {(settings: RoomSettings & InterleavingsSettings) => Promise<number>} run
 */

/** @param {number} startedAt */
const secondsSince = (startedAt) => (performance.now() - startedAt) / 1_000;

/**
 * A room in which everybody gets what everybody else sends, with heartbeats on. The clients count what they get.
 * @param {RoomSettings} settings
 */
async function room({ clients: count, everyMs, virtualMs, messageBytes }) {
  let received = 0;
  const runtime = createTestRuntime({
    handler(event, bus) {
      if (event.type === "open") event.connection.join("room");
      if (event.type === "message") bus.broadcast(event.data, event.connection, { room: "room" });
    },
  });
  const clients = [];
  const onMessage = () => {
    received++;
  };
  for (let i = 0; i < count; i++) clients.push(await runtime.connect({ onMessage }));
  const message = ".".repeat(messageBytes);
  const messages = (virtualMs / everyMs) * count;
  const startedAt = performance.now();
  for (let i = 0; i < messages; i++) {
    clients[i % count]?.send(message);
    await runtime.advance(everyMs / count);
  }
  const seconds = secondsSince(startedAt);
  const expected = messages * (count - 1);
  if (received !== expected) throw new Error(`${received} of ${expected} messages arrived`);
  if (runtime.server.stats().connections !== count) throw new Error("somebody was taken for dead");
  await runtime.close();
  return seconds;
}

/**
 * Three clients who come, talk across each other and go.
 * @param {InterleavingsSettings} settings
 */
async function interleavings({ runs }) {
  const startedAt = performance.now();
  await explore(
    async ({ runtime }) => {
      const chat = runtime({
        handler(event, bus) {
          if (event.type === "message") bus.sendall(event.data);
          if (event.type === "closed") bus.sendall("left");
        },
      });
      const [ann, bob, eve] = [await chat.connect(), await chat.connect(), await chat.connect()];
      for (const client of [ann, bob, eve]) for (const text of ["one", "two"]) client.send(text);
      await chat.settle();
      if (String(ann.received) !== String(bob.received)) throw new Error("their messages come in different orders");
      ann.close();
      await chat.settle();
      if (eve.received.length !== 7) throw new Error(`eve has ${eve.received.length} of 7 messages`);
    },
    { runs },
  );
  return secondsSince(startedAt);
}

const play = chooseRole({ room, interleavings });

/** @type {VirtualAnswers} */
const answers = { run: (settings) => play(settings) };
answer(answers);
