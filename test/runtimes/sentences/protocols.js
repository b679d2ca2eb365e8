/** Sentences 17 and 18: protocols and calls; channels, which share a socket. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { channels, protocol, refuse } from "../sendall.js";

/**
 * A schema in the form of Standard Schema, as libraries make them.
 * @template T
 * @param {(value: any) => boolean} accepts
 * @param {string} message
 * @param {T} [_example] what the compiler takes the type from
 * @returns {import("sendall/protocol").Schema<T, T>}
 */
function schema(accepts, message, _example) {
  return {
    "~standard": {
      version: 1,
      vendor: "contract",
      validate: (/** @type {any} */ value) => (accepts(value) ? { value } : { issues: [{ message }] }),
    },
  };
}

const chat = protocol({
  fromClient: {
    say: schema((value) => typeof value?.text === "string", "expected a text", { text: "" }),
    join: {
      input: schema((value) => typeof value?.room === "string", "expected a room", { room: "" }),
      output: schema((value) => typeof value?.members === "number", "expected a number", { members: 0 }),
    },
  },
  fromServer: { said: schema((value) => typeof value?.text === "string", "expected a text", { text: "" }) },
});

/** @param {import("../stage.js").Stage} stage */
function serveChat(stage) {
  return stage.serve({
    handler: chat.handler({
      say: ({ text }, { bus }) => void bus.sendall(chat.fromServer.said({ text })),
      async join({ room }, { connection, bus }) {
        if (room === "full") throw refuse("FULL", "the room is full", { room });
        if (room === "broken") throw new Error("a secret");
        connection.join(room);
        bus.sendall(chat.fromServer.said({ text: `in ${room}` }));
        await new Promise((resolve) => setImmediate(resolve));
        return { members: bus.members(room).length };
      },
    }),
  });
}

/** @type {import("../stage.js").Sentence[]} */
export const protocols = [
  [
    "17: a call has one answer or one refusal, after everything that its function has sent",
    async (stage) => {
      const server = await serveChat(stage);
      /** @type {unknown[]} */
      const told = [];
      const client = stage.connect(server.url, {
        protocol: chat,
        on: { said: ({ text }) => told.push(text) },
      });
      told.push(await client.call("join", { room: "hall" }));
      deepEqual(told, ["in hall", { members: 1 }]);
      await rejects(client.call("join", { room: "full" }), {
        code: "CALL_REFUSED",
        reason: "FULL",
        data: { room: "full" },
      });
      client.send("say", { text: "hello" });
      await stage.until(() => told.length === 3);
      equal(told[2], "hello");
    },
  ],
  [
    "18: a message that its schema refuses reaches no function, and no text of an error leaves the server",
    async (stage) => {
      const server = await serveChat(stage);
      const peer = await stage.open(server.url);
      peer.send('["say",5]');
      deepEqual(JSON.parse(String(await peer.next())), [
        "!",
        { reason: "INVALID_MESSAGE", issues: [{ path: "", message: "expected a text" }] },
      ]);
      peer.send('["join",{"room":"broken"},7]');
      deepEqual(JSON.parse(String(await peer.next())), [7, null, { reason: "CALL_FAILED" }]);
      equal(server.stats().invalid, 1);
    },
  ],
  [
    "18: more invalid messages than supervise.intensity close their connection with 1008, and no other",
    async (stage) => {
      const server = await serveChat(stage);
      const [ann, bob] = [await stage.open(server.url), await stage.open(server.url)];
      for (let i = 0; i < 4; i++) ann.send("this is not JSON");
      deepEqual(await ann.closed(), { code: 1008, reason: "invalid messages" });
      bob.send('["say",{"text":"still here"}]');
      equal(await bob.next(), '["said",{"text":"still here"}]');
    },
  ],
  [
    "channels share a socket, and each has its own connections and rooms",
    async (stage) => {
      /** @param {string} name */
      const echo =
        (name) => (/** @type {import("sendall").ServerEvent} */ event, /** @type {import("sendall").Bus} */ bus) => {
          if (event.type === "message") bus.sendall(`${name}: ${event.text}`);
        };
      const server = await stage.serve({ handler: channels({ news: echo("news"), chat: echo("chat") }) });
      /** @type {unknown[]} */
      const told = [];
      const [ann, bob] = [stage.connect(server.url), stage.connect(server.url)];
      const news = ann.channel("news", { onMessage: (data) => told.push(`ann ${data}`) });
      ann.channel("chat", { onMessage: (data) => told.push(`ann ${data}`) }).send("a");
      await stage.until(() => told.length === 1);
      const other = bob.channel("news", { onMessage: (data) => told.push(`bob ${data}`) });
      await other.opened;
      news.send("b");
      await stage.until(() => told.length === 3);
      deepEqual(told.slice().sort(), ["ann chat: a", "ann news: b", "bob news: b"]);
      equal(server.stats().connections, 2);
    },
  ],
];
