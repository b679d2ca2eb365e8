/**
 * Clusters of the workers of one machine (`node:cluster`), without an engine: the primary process passes messages
 * on. `sendall serve --workers` and programs that fork themselves use it.
 */
import cluster, { type Worker } from "node:cluster";
import type { ClusterAdapter } from "../../api/cluster-adapter.js";
import { SendallError } from "../../api/errors.js";
import { readSettings } from "../../options/read-options.js";
import { checkAdapterNames, linkTable } from "./peer.js";
import { Hub, type Port } from "./worker-hub.js";
import { workersOver } from "./worker-node.js";

/** What `workers` takes. */
export interface WorkersOptions {
  /** Tells several clusters among the same workers apart. Default `"sendall"`. */
  readonly prefix?: string;
}

const workersTable = { prefix: linkTable.prefix };

/** Who of this worker listens to the primary process: with one listener for all, since Node warns of eleven. */
const heard = new Set<(message: unknown) => void>();

function hear(message: unknown): void {
  for (const listener of [...heard]) listener(message);
}

function primaryPort(): Port {
  return {
    send(message, sent) {
      // The channel ends with the primary process, and the worker with the channel.
      if (process.connected) process.send?.(message, undefined, {}, () => sent());
      else sent();
    },
    listen(listener) {
      if (heard.size === 0) process.on("message", hear);
      heard.add(listener);
      return () => {
        if (heard.delete(listener) && heard.size === 0) process.off("message", hear);
      };
    },
  };
}

function workerPort(worker: Worker): Port {
  return {
    send(message, sent) {
      // `send` takes more than arrays of JSON; which is what ours are.
      if (worker.isConnected()) worker.send([...message], undefined, () => sent());
      else sent();
    },
    listen(listener) {
      worker.on("message", listener);
      return () => worker.off("message", listener);
    },
  };
}

/** One for the process, whoever asks: each worker is served once. */
let hub: Hub | undefined;

function serveWorkers(): void {
  if (hub !== undefined) return;
  const shared = new Hub();
  hub = shared;
  const add = (worker: Worker): void => {
    const remove = shared.add(workerPort(worker));
    worker.once("disconnect", remove);
  };
  cluster.on("fork", add);
  for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) add(worker);
}

/**
 * Joins the workers of `node:cluster`: call it in the primary process, which then passes messages on and has no server itself, and give
 * what it returns to `serve` in each worker: `cluster: workers()`. A message takes two hops between processes of one machine.
 *
 * @throws SendallError `BAD_OPTION` if an option is none; `serve` rejects with `CLUSTER_UNAVAILABLE` outside a worker
 */
export function workers(options: WorkersOptions = {}): ClusterAdapter {
  checkAdapterNames(options, workersTable);
  const { prefix } = readSettings<WorkersOptions, typeof workersTable>(workersTable, { options });
  if (cluster.isWorker) return workersOver(primaryPort(), prefix);
  serveWorkers();
  return {
    name: "workers",
    open() {
      throw new SendallError("CLUSTER_UNAVAILABLE", "cluster: workers() is for the workers of node:cluster; fork some");
    },
  };
}
