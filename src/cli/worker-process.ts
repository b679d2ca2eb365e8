/**
 * The side of a worker in `sendall serve --workers`, and the messages between worker and primary process. The command calls these
 * functions in each worker, in the order below; `worker-supervisor.ts` runs in the primary process.
 */
import cluster from "node:cluster";

/** To a worker: shut down. */
export const STOP = "sendall stop";
/** To the primary process: the worker listens. `node:cluster` drops messages that arrive before there is a listener. */
export const LISTENING = "sendall hears";
/** To the primary process: the server of the worker has started. */
interface Started {
  readonly sendall: "started";
  /** The line for the command to print. */
  readonly line: string;
}

/** The environment variable with the port for the workers. */
export const PORT_VARIABLE = "SENDALL_WORKER_PORT";

/** @returns the port that the workers share, or `undefined` in other processes */
export function workerPort(): string | undefined {
  return cluster.isWorker ? process.env[PORT_VARIABLE] : undefined;
}

/**
 * MUST be called before the worker loads any of the user's code. A terminal signals each process of a group, so a signal requests the
 * shutdown here as well; but a second signal changes nothing, since the primary process decides when to kill.
 */
export function listenToPrimary(shutDown: () => void): void {
  process.on("message", (message) => {
    if (message === STOP) shutDown();
  });
  process.send?.(LISTENING);
  // The channel does not keep the process alive, so that a handler file which waits for nothing is found out at `beforeExit`.
  process.channel?.unref();
  process.on("SIGINT", shutDown).on("SIGTERM", shutDown);
}

/** MUST be called after the handler file has loaded: from now on the handler may wait for a message over the channel. */
export function keepChannelOpen(): void {
  process.channel?.ref();
}

export function reportStarted(line: string): void {
  const message: Started = { sendall: "started", line };
  process.send?.(message);
}

export function isStarted(message: unknown): message is Started {
  return typeof message === "object" && message !== null && "sendall" in message && message.sendall === "started";
}
