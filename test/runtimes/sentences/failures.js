/** Sentence 8: what a handler that fails costs, and whom. */
import { deepEqual, equal } from "node:assert/strict";

/** @typedef {import("sendall").ServerEvent} ServerEvent */

/** A server whose handler echoes, and does for "fail" what it is told. @param {import("../stage.js").Stage} stage @param {() => unknown} fail */
async function failing(stage, fail, options = {}) {
  return await stage.serve({
    ...options,
    /** @param {ServerEvent} event */
    handler(event) {
      if (event.type !== "message") return undefined;
      if (event.text === "fail") return fail();
      event.connection.send(event.data);
      return undefined;
    },
  });
}

/** @param {import("../stage.js").Stage} stage @param {() => unknown} fail */
async function closesTheCulprit(stage, fail, options = {}) {
  const server = await failing(stage, fail, options);
  const [ann, bob] = [await stage.open(server.url), await stage.open(server.url)];
  for (let i = 0; i < 4; i++) ann.send("fail");
  equal((await ann.closed()).code, 1011);
  bob.send("still here");
  equal(await bob.next(), "still here");
}

/** @type {import("../stage.js").Sentence[]} */
export const failures = [
  [
    "8: a handler that throws loses that event and no other",
    async (stage) => {
      const server = await failing(stage, () => {
        throw new Error("as told");
      });
      const peer = await stage.open(server.url);
      for (const text of ["a", "fail", "b", "fail", "c"]) peer.send(text);
      deepEqual(await peer.take(3), ["a", "b", "c"]);
      equal(server.stats().failures.length, 2);
    },
  ],
  [
    "8: a connection whose events keep making the handler throw is closed with 1011, and no other",
    (stage) =>
      closesTheCulprit(stage, () => {
        throw new Error("as told");
      }),
  ],
  [
    "8: a connection whose events keep ending in rejections is closed with 1011",
    (stage) => closesTheCulprit(stage, () => Promise.reject(new Error("as told"))),
  ],
  [
    "8: a connection whose events keep taking longer than handlerTimeoutMs is closed with 1011",
    (stage) => closesTheCulprit(stage, () => new Promise(() => {}), { handlerTimeoutMs: 20 }),
  ],
  [
    "8: a connection whose events leave rejections behind that nobody awaits is closed with 1011",
    (stage) =>
      closesTheCulprit(stage, () => {
        void Promise.reject(new Error("left behind"));
      }),
  ],
  [
    "8: a connection whose events leave timers behind that throw is closed with 1011",
    (stage) =>
      closesTheCulprit(stage, () => {
        setTimeout(() => {
          throw new Error("left behind");
        }, 1);
      }),
  ],
];
