/**
 * Which files of an option (`presence` or `history`, the argument) run in a life of connections without the option, by Node's coverage, and what a
 * silent connection takes of the heap, without the option and with it. Prints both as JSON.
 */
import { once } from "node:events";
import { Session } from "node:inspector";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { serve } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { WebSocket } from "ws";

setFlagsFromString("--expose-gc");
/** @type {() => void} */
const collect = runInNewContext("gc");

const [option = ""] = process.argv.slice(2);
const withOption = { [option]: true };
const FILES = new RegExp(`/dist/((?:(?:actors|cluster)/)?${option}/.+)\\.js$`);

const CONNECTIONS = 2_000;

const session = new Session();
session.connect();
session.post("Profiler.enable");

/** The files of the option that have run since coverage began, or since the last call. */
function filesRun() {
  /** @type {string[]} */
  let files = [];
  // An inspector in the same thread answers within the call.
  session.post("Profiler.takePreciseCoverage", (error, answer) => {
    if (error) throw error;
    files = answer.result
      .filter(({ functions }) =>
        functions.some(({ ranges }) => (ranges[0]?.startOffset ?? 0) > 0 && (ranges[0]?.count ?? 0) > 0),
      )
      .flatMap(({ url }) => FILES.exec(url)?.[1] ?? [])
      .sort();
  });
  return files;
}

/** @param {object} options */
async function live(options) {
  const server = await serve({
    port: 0,
    logger: false,
    ...options,
    handler(event, bus) {
      if (event.type === "open") event.connection.join("hall");
      if (event.type !== "message") return;
      bus.sendall(event.data, { room: "hall", keep: "history" in options });
      event.connection.leave("hall");
      event.connection.join("cellar");
    },
  });
  filesRun();
  const client = new WebSocket(server.url);
  await once(client, "open");
  client.send("hello");
  await once(client, "message");
  client.close();
  await once(client, "close");
  const files = filesRun();
  await server.close();
  return files;
}

/** What is in use once everything that has ended is collected. */
async function heapInUse() {
  for (let i = 0; i < 4; i++) {
    await setImmediate();
    collect();
  }
  return process.memoryUsage().heapUsed;
}

/** @param {object} options */
async function heapOf(options) {
  const runtime = createTestRuntime({ ...options, handler() {} });
  await runtime.connect();
  const before = await heapInUse();
  for (let i = 0; i < CONNECTIONS; i++) await runtime.connect();
  const bytes = ((await heapInUse()) - before) / CONNECTIONS;
  await runtime.close();
  return bytes;
}

await heapOf({});
const heap = { without: Number.POSITIVE_INFINITY, with: Number.POSITIVE_INFINITY };
// The least of several rounds: what else happens in the process can only add.
for (let i = 0; i < 2; i++) {
  heap.without = Math.min(heap.without, await heapOf({}));
  heap.with = Math.min(heap.with, await heapOf(withOption));
}
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
const files = { without: await live({}), with: await live(withOption) };
console.log(JSON.stringify({ files, heap }));
