/**
 * A server in a process of its own, for tests with more sockets than one process should hold both ends of. Told what to do by
 * messages of its parent: a text in, an answer out. Wants `--expose-gc`.
 */
import { setImmediate } from "node:timers/promises";
import { serve } from "sendall";

const gc = globalThis.gc;
if (gc === undefined || process.send === undefined) throw new Error("wants --expose-gc, and a parent that talks to it");

let opened = 0;
let closed = 0;
const server = await serve({
  port: 0,
  logger: false,
  // The crowd does not answer pings, and its test must not depend on how long it takes.
  heartbeat: { intervalMs: 3_600_000 },
  handler({ type, connection }, bus) {
    if (type === "closed") closed++;
    if (type === "open") bus.join(connection, `room ${opened++ % 100}`);
  },
});

/** @type {Set<import("xstate").ActorRefLike>} */
const actors = new Set();
const isAlive = (/** @type {import("xstate").ActorRefLike} */ actor) =>
  "getSnapshot" in actor && actor.getSnapshot().status === "active";
/** @type {import("xstate").Subscription | undefined} */
let watch;

/** @type {Record<string, () => unknown>} */
const answers = {
  url: () => server.url,
  /** Those whose `closed` is not handled. */
  present: () => opened - closed,
  stats: () => server.stats(),
  listed: () => [server.connections().length, server.rooms().length],
  sendall: () => server.sendall("everybody"),
  /** Counts the actors from now on, until `forget`. */
  watch: () => {
    watch = server.actor.system.inspect((event) => {
      if (event.type === "@xstate.actor") actors.add(event.actorRef);
    });
    return true;
  },
  alive: () => [...actors].filter(isAlive).length,
  forget: () => {
    watch?.unsubscribe();
    actors.clear();
    return true;
  },
  heap: async () => {
    // What a native handle holds goes in a second collection, after a round of the event loop.
    for (let i = 0; i < 2; i++) {
      gc();
      await setImmediate();
    }
    gc();
    return process.memoryUsage().heapUsed;
  },
  sockets: () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
};

process.on("message", async (/** @type {string} */ question) => process.send?.(await answers[question]?.()));
process.on("disconnect", () => process.exit());
