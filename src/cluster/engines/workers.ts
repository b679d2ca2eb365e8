/**
 * The cluster adapter `workers()`, for the worker processes of a machine (`node:cluster`): the primary process passes messages on in
 * place of an engine. For `sendall serve --workers` and for programs that fork themselves. The hub lasts as long as the primary process.
 */
import cluster, { type Worker } from "node:cluster";
import type { ClusterAdapter } from "../../api/cluster-adapter.js";
import { SendallError } from "../../api/errors.js";
import { readSettings } from "../../options/read-options.js";
import { checkAdapterNames, linkTable } from "./adapter-setup.js";
import { WorkerHub } from "./worker-hub.js";
import { workersOver } from "./worker-link.js";
import type { Port } from "./worker-protocol.js";

/** What `workers` takes. */
export interface WorkersOptions {
  /** Tells several clusters among the same workers apart. Default `"sendall"`. */
  readonly prefix?: string;
}

const workersTable = { prefix: linkTable.prefix };

/** The links of this worker's nodes share a single listener on `process`, since Node warns of more than ten. */
const listeners = new Set<(message: unknown) => void>();

function dispatch(message: unknown): void {
  for (const listener of [...listeners]) listener(message);
}

/** In a worker: the port to the primary process. */
function primaryPort(): Port {
  return {
    send(message, sent) {
      // Disconnected: the primary process has exited, and the worker is about to exit.
      if (process.connected) process.send?.(message, undefined, {}, () => sent());
      else sent();
    },
    listen(listener) {
      if (listeners.size === 0) process.on("message", dispatch);
      listeners.add(listener);
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) process.off("message", dispatch);
      };
    },
  };
}

/** In the primary process: the port to a worker. */
function workerPort(worker: Worker): Port {
  return {
    send(message, sent) {
      // A copy, since the type of `send` takes no readonly array.
      if (worker.isConnected()) worker.send([...message], undefined, () => sent());
      else sent();
    },
    listen(listener) {
      worker.on("message", listener);
      return () => worker.off("message", listener);
    },
  };
}

/** However often the program calls `workers()`, a single hub serves each worker once. */
let hub: WorkerHub | undefined;

function serveWorkers(): void {
  if (hub !== undefined) return;
  const shared = new WorkerHub();
  hub = shared;
  const add = (worker: Worker): void => {
    const remove = shared.add(workerPort(worker));
    worker.once("disconnect", remove);
  };
  cluster.on("fork", add);
  for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) add(worker);
}

/**
 * Joins the workers of `node:cluster`: pass `cluster: workers()` to `serve` in each worker, and call `workers()` in the primary process,
 * too, which then passes messages on and has no server itself. A message takes two hops between processes of the same machine.
 *
 * @throws SendallError `BAD_OPTION` if an option is invalid; `serve` rejects with `CLUSTER_UNAVAILABLE` outside a worker
 *
 * @example
 * ```ts
 * import cluster from "node:cluster";
 * import { serve } from "sendall";
 * import { workers } from "sendall/workers";
 *
 * const joined = workers();
 * if (cluster.isPrimary) {
 *   cluster.fork();
 *   cluster.fork();
 * } else {
 *   const server = await serve({
 *     port: 8080,
 *     cluster: joined,
 *     handler: (event, bus) => event.type === "message" && bus.sendall(event.data),
 *   });
 *   console.log(server.url);
 * }
 * ```
 */
export function workers(options: WorkersOptions = {}): ClusterAdapter {
  checkAdapterNames(options, workersTable, '{ prefix: "sendall" }');
  const { prefix } = readSettings<WorkersOptions, typeof workersTable>(workersTable, { options });
  if (cluster.isWorker) return workersOver(primaryPort(), prefix);
  serveWorkers();
  return {
    name: "workers",
    isOrdered: true,
    open() {
      throw new SendallError(
        "CLUSTER_UNAVAILABLE",
        "cluster: workers() needs the worker processes of node:cluster; fork some with cluster.fork()",
      );
    },
  };
}
