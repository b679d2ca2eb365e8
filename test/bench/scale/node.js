// @ts-check
/** A node of the cluster in reality: a process of its own, which counts what its tap sees and the CPU time that it takes. */
import { answer } from "../answers.js";
import { createApp } from "./app.js";
import { load } from "./sendall.js";
import { tap } from "./tap.js";
import { readNode } from "./totals.js";

const [, , url = "", history] = process.argv;

/** @type {typeof import("sendall")} */
const { serve } = await load("sendall");

/** @returns {Promise<import("sendall").ClusterAdapter>} */
async function joinEngine() {
  if (url.startsWith("redis:")) return (await load("sendall/redis")).redis({ url });
  return (await load("sendall/nats")).nats({ servers: url });
}

const cluster = tap(await joinEngine());
const app = createApp({ hasHistory: history === "history" });
const server = await serve({ ...app.options, host: "127.0.0.1", port: 0, cluster: cluster.adapter });

/**
 * @typedef {object} NodeAnswers
 * @property {() => string} url
 * @property {() => import("./totals.js").Totals} read
 * @property {() => number} cpu microseconds since the start
 */

/** @type {NodeAnswers} */
const answers = {
  url: () => server.url,
  read() {
    const [counts] = cluster.nodes;
    if (counts === undefined) throw new Error("the node has not opened its link");
    return readNode(server.stats(), counts, app);
  },
  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};
answer(answers);
