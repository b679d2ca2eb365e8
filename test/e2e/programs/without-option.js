/**
 * Which files of an option (`presence` or `history`, the argument) run in a life of connections without the option, by Node's coverage, and how
 * many objects a silent connection takes, without the option and with it. Prints both as JSON.
 */
import { once } from "node:events";
import { Session } from "node:inspector";
import { setImmediate } from "node:timers/promises";
import { queryObjects } from "node:v8";
import { serve } from "sendall";
import { createTestRuntime } from "sendall/testing";
import { WebSocket } from "ws";

const [option = ""] = process.argv.slice(2);
const withOption = { [option]: true };
const FILES = new RegExp(`/dist/((?:(?:actors|cluster)/)?${option}/.+)\\.js$`);

const CONNECTIONS = 500;

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

/**
 * What lives once everything that has ended is collected. Objects are counted and not their bytes: compiled code comes and goes at times of its
 * own, and the engine gives the properties of an object, with time, more room or less.
 */
async function living() {
  for (let i = 0; i < 4; i++) await setImmediate();
  // The query collects first.
  return queryObjects(Object, { format: "count" });
}

/** @param {object} options */
async function objectsOf(options) {
  const runtime = createTestRuntime({ ...options, handler() {} });
  await runtime.connect();
  const before = await living();
  for (let i = 0; i < CONNECTIONS; i++) await runtime.connect();
  const objects = ((await living()) - before) / CONNECTIONS;
  await runtime.close();
  return objects;
}

// What is made once for all is made before.
await objectsOf(withOption);
const objects = { without: await objectsOf({}), with: await objectsOf(withOption) };
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
const files = { without: await live({}), with: await live(withOption) };
console.log(JSON.stringify({ files, objects }));
