/**
 * The primary process of `sendall serve --workers`: starts workers that run the same command on a shared port, replaces dead workers,
 * and stops every worker after a signal. The command makes the supervisor and exits when `run` settles. In a worker,
 * `worker-process.ts` answers.
 */
import cluster from "node:cluster";
import { type EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import { SendallError } from "../api/errors.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { exitCodeOf } from "./exit.js";
import { SHUTDOWN_MS } from "./process-shutdown.js";
import { isStarted, LISTENING, PORT_VARIABLE, STOP } from "./worker-process.js";

/**
 * Chooses a free port in advance, for later workers as well: if the workers asked the system, the port would change once every worker
 * has died.
 *
 * @returns `port`, or a free port for 0
 */
async function sharedPort(host: string, port: number | undefined): Promise<number | undefined> {
  if (port !== 0) return port;
  const server = createServer().listen(0, host);
  try {
    await once(server, "listening");
  } catch {
    // A worker fails in the same way, and reports the error.
    return 0;
  }
  const address = server.address();
  server.close();
  await once(server, "close");
  return address === null || typeof address === "string" ? 0 : address.port;
}

/** The supervisor stops after more deaths than this (times the number of workers) within the period. */
const MAX_DEATHS_PER_WORKER = 2;
const PERIOD_MS = 30_000;

/** What the supervisor needs of a worker of `node:cluster`. */
export interface WorkerHandle extends EventEmitter {
  readonly process: { readonly pid?: number | undefined; kill(signal: NodeJS.Signals): boolean };
  isConnected(): boolean;
  send(message: string, sent: () => void): boolean;
}

function sendStop(worker: WorkerHandle): void {
  // The callback takes the error of a channel that breaks now: the worker's exit follows.
  if (worker.isConnected()) worker.send(STOP, () => {});
}

/** Starts a process that runs the same command as a worker. Without a port, the worker's file or the default says which. */
export function forkWorker(port: number | undefined): WorkerHandle {
  return cluster.fork(port === undefined ? {} : { [PORT_VARIABLE]: String(port) });
}

export interface WorkerSupervisorParts {
  readonly count: number;
  readonly host: string;
  /** 0: a free port. `undefined`: the workers know the port. */
  readonly port: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly fork: (port: number | undefined) => WorkerHandle;
  /** Called once, when every worker has started. */
  readonly print: (line: string) => void;
}

export class WorkerSupervisor {
  readonly #parts: WorkerSupervisorParts;
  readonly #workers = new Set<WorkerHandle>();
  readonly #deaths: number[] = [];
  #port: number | undefined;
  #started = 0;
  #isStopping = false;
  #hasSignal = false;
  #deadline: Timer | undefined;
  /** The error of the command once every worker has exited. */
  #failure: SendallError | undefined;
  #running: { resolve(): void; reject(error: unknown): void } | undefined;

  constructor(parts: WorkerSupervisorParts) {
    this.#parts = parts;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /**
   * Resolves when every worker has exited after a signal. Rejects if workers die too often, or do not exit in time. Exits the process if
   * the first worker cannot start.
   */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#running = { resolve, reject };
      void this.#start();
    });
  }

  async #start(): Promise<void> {
    const { host, port } = this.#parts;
    this.#port = await sharedPort(host, port);
    // A single worker first, so that a mistake in the command is reported once; the other workers follow when the first has started.
    if (!this.#isStopping) this.#fork();
  }

  #fork(): void {
    const worker = this.#parts.fork(this.#port);
    this.#workers.add(worker);
    worker.on("message", (message) => {
      if (isStarted(message)) this.#onStarted(message.line);
      else if (message === LISTENING && this.#isStopping) sendStop(worker);
    });
    worker.once("exit", (code, signal) => this.#onExit(worker, code, signal));
  }

  #onStarted(line: string): void {
    this.#started++;
    if (this.#isStopping) return;
    const { count, print } = this.#parts;
    if (this.#started === 1) for (let more = 1; more < count; more++) this.#fork();
    if (this.#started === count) print(line);
  }

  #onExit(worker: WorkerHandle, code: number | null, signal: string | null): void {
    this.#workers.delete(worker);
    if (this.#isStopping) {
      this.#settleIfEmpty();
      return;
    }
    const how = signal === null ? { code } : { signal };
    // A first worker that exits without a signal has reported the problem.
    if (this.#started === 0 && signal === null) process.exit(code ?? 1);
    this.#parts.log.error({ worker: worker.process.pid, ...how }, "a worker has died");
    if (this.#started === 0) process.exit(1);
    const now = this.#parts.clock.now();
    this.#deaths.push(now);
    while ((this.#deaths[0] ?? now) < now - PERIOD_MS) this.#deaths.shift();
    if (this.#deaths.length <= MAX_DEATHS_PER_WORKER * this.#parts.count) this.#fork();
    else this.#stopAfterDeaths();
  }

  #stopAfterDeaths(): void {
    const deaths = this.#deaths.length;
    this.#failure = new SendallError(
      "BAD_HANDLER",
      `workers die too often: ${deaths} of them within ${PERIOD_MS / 1_000} s`,
    );
    this.#stop();
  }

  /** The first signal lets every worker drain, the second signal kills the workers and exits. */
  onSignal(signal: NodeJS.Signals): void {
    if (this.#hasSignal) {
      this.#killAll();
      process.exit(exitCodeOf(signal));
    }
    this.#hasSignal = true;
    if (!this.#isStopping) this.#stop();
  }

  /** A worker that does not listen yet gets `STOP` after `LISTENING`. */
  #stop(): void {
    this.#isStopping = true;
    this.#deadline = this.#parts.clock.after(SHUTDOWN_MS, () => this.#onDeadline());
    for (const worker of this.#workers) sendStop(worker);
    this.#settleIfEmpty();
  }

  /** A blocked worker reads no messages either, and can only be killed. */
  #onDeadline(): void {
    const count = this.#workers.size;
    this.#failure ??= new SendallError(
      "BAD_HANDLER",
      `${count === 1 ? "a worker" : `${count} workers`} did not end within ${SHUTDOWN_MS / 1_000} s and had to be killed`,
    );
    this.#killAll();
  }

  #killAll(): void {
    for (const worker of this.#workers) worker.process.kill("SIGKILL");
  }

  #settleIfEmpty(): void {
    if (this.#workers.size > 0) return;
    this.#deadline?.cancel();
    if (this.#failure === undefined) this.#running?.resolve();
    else this.#running?.reject(this.#failure);
  }
}
