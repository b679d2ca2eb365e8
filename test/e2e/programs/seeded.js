// @ts-check
/**
 * Prints all that can be seen of test runtimes and explored runs, which is to be the same on every machine: started by
 * `determinism.test.ts`. Whatever is not out of the seed (the real clock, the process's randomness) is made to throw first, and
 * other things go on in the event loop meanwhile.
 */
import crypto from "node:crypto";
import { readFile } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/**
 * @param {string} name
 * @returns {() => never}
 */
function forbidden(name) {
  return () => {
    throw new Error(`${name} is not out of the seed`);
  };
}

const { setInterval, clearInterval, setImmediate, clearImmediate } = globalThis;
const { createTestRuntime, ExploreFailure, explore } = await import("sendall/testing");

Math.random = forbidden("Math.random");
Date.now = forbidden("Date.now");
performance.now = forbidden("performance.now");
for (const name of ["randomUUID", "randomBytes", "randomInt", "randomFillSync"])
  Object.defineProperty(crypto, name, { value: forbidden(name) });
Object.defineProperty(crypto.webcrypto, "getRandomValues", { value: forbidden("getRandomValues") });
syncBuiltinESMExports();
process.hrtime.bigint = forbidden("process.hrtime.bigint");

/** @type {string[]} */
const lines = [];

/** @param {unknown[]} words */
function log(...words) {
  lines.push(words.map((word) => (typeof word === "string" ? word : JSON.stringify(word))).join(" "));
}

/**
 * What the server logs, with the time.
 * @param {() => number} now
 * @returns {import("sendall").Logger}
 */
function createLogger(now) {
  /** @param {string} level */
  const line = (level) => (/** @type {object} */ details, /** @type {string} */ text) =>
    log(`${now()} ${level} ${text}`, { ...details, err: undefined });
  const lines = { level: "debug", debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
  return { ...lines, child: () => createLogger(now) };
}

/** @type {import("sendall").HandlerFunction} */
const handler = async (event, bus) => {
  if (event.type === "open") event.connection.join(event.connection.query.get("room") ?? "lobby");
  if (event.type === "info") bus.sendall(`${event.data} at ${bus.now()}`);
  if (event.type === "closed") bus.sendall(`${event.connection.id} left with ${event.code}`);
  if (event.type === "message") await answer(event, bus);
};

/**
 * @param {import("sendall").MessageEvent} event
 * @param {import("sendall").Bus} bus
 */
async function answer(event, bus) {
  if (event.text.startsWith("sleep")) await bus.sleep(7);
  if (event.text.startsWith("alarm")) bus.after(11, event.text);
  if (event.text.startsWith("bye")) bus.close(event.connection, 4_000, "bye");
  bus.broadcast(event.text, event.connection, { room: "lobby" });
}

/** Everything that runtimes can do, in order. */
async function inOrder() {
  /** @type {import("sendall/testing").TestRuntime | undefined} */
  let running;
  const logger = createLogger(() => running?.now() ?? 0);
  const runtime = createTestRuntime({ heartbeat: { intervalMs: 40, timeoutMs: 30 }, logger, seed: 5, handler });
  running = runtime;
  const ann = await runtime.connect({ name: "ann" });
  const bob = await runtime.connect({ name: "bob", latencyMs: 3 });
  const socket = new runtime.WebSocket("/?room=lobby");
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => log(event.timeStamp, "socket", String(event.data));
  const timers = Reflect.get(runtime.WebSocket, Symbol.for("sendall.clock"));
  timers.setTimeout(() => socket.send(`random ${timers.random()} ${timers.random()}`), 20);
  await runtime.settle();
  for (const text of ["hi", "sleep", "alarm", "two"]) ann.send(text);
  bob.send("from bob");
  await runtime.advance(30);
  bob.stall();
  for (let i = 0; i < 5; i++) ann.send(`${i}`);
  await runtime.settle();
  bob.read(4);
  await runtime.advance(5);
  ann.send("bye");
  bob.vanish();
  await runtime.advance(100);
  log("ann", ann.received, "bob", bob.received);
  await runtime.close();
  log(runtime.server.stats());
}

/**
 * One explored run, which fails so that it tells its trace.
 * @param {number} seed
 */
async function explored(seed) {
  /** @type {import("sendall/testing").Scenario} */
  const scenario = async ({ runtime, random }) => {
    const chat = runtime({ handler, outbox: { maxBufferedBytes: 64, slowConsumer: "dropOldest" } });
    const clients = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob", latencyMs: 2 })];
    const socket = new chat.WebSocket("/");
    socket.onopen = () => socket.send("early");
    for (let i = 0; i < 6; i++) {
      const verb = ["say", "sleep", "alarm", "bye"][Math.floor(random() * 4)];
      clients[Math.floor(random() * 2)]?.send(`${verb} ${i}`);
    }
    await chat.advance(20);
    const got = clients.map(({ received }) => received.length);
    if (got.some((length) => length > seed % 5)) throw new Error(`received ${got.join(" and ")}`);
  };
  try {
    await explore(scenario, { runs: 3, seed, faults: ["stall", "disconnect", "reset", "vanish"] });
    log(`seed ${seed} passes`);
  } catch (error) {
    if (!(error instanceof ExploreFailure)) throw error;
    log(error.message);
  }
}

// What else goes on: the phases of the event loop come in many orders.
const noise = setInterval(() => {}, 1);
let immediate = setImmediate(function again() {
  immediate = setImmediate(again);
});
let isOver = false;
(function read() {
  readFile(new URL(import.meta.url), () => {
    if (!isOver) read();
  });
})();

await inOrder();
for (let seed = 1; seed <= 30; seed++) await explored(seed * 10);
isOver = true;
clearInterval(noise);
clearImmediate(immediate);
console.log(lines.join("\n"));
