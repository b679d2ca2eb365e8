/** The transports of SockJS, on the bytes of their protocol. */
import { deepEqual, equal, match } from "node:assert/strict";

/** @typedef {import("sendall").ServerEvent} ServerEvent */

/** @param {import("../stage.js").Stage} stage */
function serveEcho(stage) {
  return stage.serve({
    routes: {
      "/chat": {
        sockjs: true,
        /** @param {ServerEvent} event */
        handler(event) {
          if (event.type !== "message") return;
          if (event.text === "close") event.connection.close(4_000, "bye");
          else event.connection.send(`${event.connection.transport} ${event.text}`);
        },
      },
    },
  });
}

const body = (/** @type {string} */ text) => ({ method: "POST", body: JSON.stringify([text]) });

/** @type {import("../stage.js").Sentence[]} */
export const sockjs = [
  [
    "SockJS: info, the greeting and the frame for pages are served",
    async (stage) => {
      const { url } = await serveEcho(stage);
      const { status, body } = await stage.fetch(`${url}chat/info`);
      equal(status, 200);
      equal(JSON.parse(body).websocket, true);
      match((await stage.fetch(`${url}chat/`)).body, /^Welcome to SockJS!/);
      match((await stage.fetch(`${url}chat/iframe.html`)).body, /^<!DOCTYPE html>/i);
    },
  ],
  [
    "SockJS: raw WebSocket, and WebSocket with frames",
    async (stage) => {
      const { url } = await serveEcho(stage);
      const raw = await stage.open(`${url}chat/websocket`);
      raw.send("hi");
      equal(await raw.next(), "websocket hi");
      const framed = await stage.open(`${url}chat/000/ann/websocket`);
      equal(await framed.next(), "o");
      framed.send('["hi"]');
      equal(await framed.next(), 'a["websocket hi"]');
      framed.send('["close"]');
      equal(await framed.next(), 'c[4000,"bye"]');
    },
  ],
  [
    "SockJS: polling, with each message in the next answer, and the close frame at the end",
    async (stage) => {
      const { url } = await serveEcho(stage);
      const session = `${url}chat/000/bob/`;
      /** @returns {Promise<string>} */
      const poll = async () => (await stage.fetch(`${session}xhr`, { method: "POST" })).body;
      equal(await poll(), "o\n");
      const polling = poll();
      equal((await stage.fetch(`${session}xhr_send`, body("hi"))).status, 204);
      equal(await polling, 'a["xhr-polling hi"]\n');
      await stage.fetch(`${session}xhr_send`, body("close"));
      equal(await poll(), 'c[4000,"bye"]\n');
      equal((await stage.fetch(`${url}chat/000/nobody/xhr_send`, body("hi"))).status, 404);
    },
  ],
  [
    "SockJS: streams carry messages as they are sent",
    async (stage) => {
      const { url } = await serveEcho(stage);
      const session = `${url}chat/000/cid/`;
      let text = "";
      stage.stream(`${session}eventsource`, (chunk) => {
        text += chunk;
      });
      await stage.until(() => text.includes("data: o"));
      for (const word of ["a", "b"]) {
        await stage.fetch(`${session}xhr_send`, body(word));
        await stage.until(() => text.includes(`eventsource ${word}`));
      }
      deepEqual(text.trim().split("\r\n\r\n"), ["data: o", 'data: a["eventsource a"]', 'data: a["eventsource b"]']);
    },
  ],
  [
    "SockJS: server.close ends sessions over HTTP with 1001",
    async (stage) => {
      const server = await serveEcho(stage);
      const session = `${server.url}chat/000/dan/`;
      let text = "";
      stage.stream(`${session}eventsource`, (chunk) => {
        text += chunk;
      });
      await stage.until(() => text.includes("data: o"));
      await server.close();
      await stage.until(() => text.includes('data: c[1001,"going away"]'));
    },
  ],
];
