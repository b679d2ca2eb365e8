/** What stands around the contract: traces, logs, the command, the runtime for tests. */
import { deepEqual, equal } from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { tracingChannel } from "node:diagnostics_channel";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { name } from "../runtime.js";
import { createTestRuntime } from "../sendall.js";

/** @typedef {import("sendall").ServerEvent} ServerEvent */

const COMMAND = fileURLToPath(new URL("../../../dist/cli.js", import.meta.url));
const TO_ALL = fileURLToPath(new URL("../to-all.js", import.meta.url));
/** Deno lets a program do nothing unless told. */
const FLAGS = name === "Deno" ? ["run", "--allow-all"] : [];

/**
 * Runs `sendall serve` until the sentence is over.
 * @param {import("../stage.js").Stage} stage
 * @param {readonly string[]} args
 */
async function runCommand(stage, args) {
  const words = [...FLAGS, COMMAND, "serve", "--port", "0", "--log-format", "json", ...args];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
  stage.atEnd(() => child.kill());
  const ended = once(child, "exit");
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += chunk;
  });
  const [line] = await once(createInterface(child.stdout), "line");
  return {
    url: /ws:\S+/.exec(line)?.[0] ?? "",
    log: () => log.split("\n"),
    /** @returns the exit code */
    async stop() {
      // Not `child.kill`, after which Deno takes every end for one by that signal.
      process.kill(child.pid ?? 0, "SIGTERM");
      const [code] = await ended;
      return code;
    },
  };
}

/** @type {import("../stage.js").Sentence[]} */
export const around = [
  [
    "a store bound to the channel sendall.handle is there in the handler, after an await too",
    async (stage) => {
      /** @type {AsyncLocalStorage<string>} */
      const current = new AsyncLocalStorage();
      /** @type {import("node:diagnostics_channel").TracingChannel<string, import("sendall").TracedEvent>} */
      const { start } = tracingChannel("sendall.handle");
      start.bindStore(current, ({ event }) => event.type);
      stage.atEnd(() => start.unbindStore(current));
      /** @type {unknown[]} */
      const seen = [];
      const server = await stage.serve({
        /** @param {ServerEvent} event */
        async handler(event) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          seen.push(current.getStore());
          if (event.type === "open") setImmediate(() => seen.push(`${current.getStore()} later`));
        },
      });
      const peer = await stage.open(server.url);
      peer.send("a");
      await stage.until(() => seen.length === 3);
      deepEqual(seen.sort(), ["message", "open", "open later"]);
    },
  ],
  [
    "the command serves, logs in JSON, and at SIGTERM closes with 1001 and ends with code 0",
    async (stage) => {
      const { url, log, stop } = await runCommand(stage, []);
      const peer = await stage.open(url);
      peer.send("hi");
      equal(await peer.next(), "hi");
      const code = stop();
      deepEqual(await peer.closed(), { code: 1001, reason: "going away" });
      equal(await code, 0);
      equal(JSON.parse(log()[0] ?? "").msg, "listening");
    },
  ],
  [
    "workers of the command share a port, reach one another's connections, and close with 1001 at SIGTERM",
    async (stage) => {
      const { url, stop } = await runCommand(stage, ["--workers", "2", TO_ALL]);
      const peers = await Promise.all(Array.from({ length: 6 }, () => stage.open(url)));
      // A worker learns of the connections of another a little later: what is sent before that stays in its own process.
      for (const peer of peers)
        while (!peers.every(({ messages }) => messages.includes(`${peers.indexOf(peer)}`))) {
          peer.send(`${peers.indexOf(peer)}`);
          const { length } = peer.messages;
          await peer.until(() => peer.messages.length > length);
        }
      const code = stop();
      for (const peer of peers) deepEqual(await peer.closed(), { code: 1001, reason: "going away" });
      equal(await code, 0);
    },
  ],
  [
    "a test runtime plays without sockets, and time passes when it is told to",
    async (stage) => {
      const runtime = createTestRuntime({
        async handler(event, bus) {
          if (event.type !== "message") return;
          await bus.sleep(60_000);
          event.connection.send(event.data);
        },
        handlerTimeoutMs: 3_600_000,
      });
      stage.atEnd(() => runtime.close());
      const client = await runtime.connect();
      client.send("in a minute");
      await runtime.advance(59_999);
      deepEqual(client.received, []);
      await runtime.advance(1);
      deepEqual(client.received, ["in a minute"]);
    },
  ],
];
