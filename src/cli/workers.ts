/**
 * The primary process of `sendall serve --workers`: starts workers that run the same command, on one port, replaces those that die, and
 * ends them all when it is told to. The command calls it; the workers find out by themselves that they are some.
 */
import cluster from "node:cluster";
import { type EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import { SendallError } from "../api/errors.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { ENDING_MS, exitCodeOf } from "./ending.js";

/** What the primary process and a worker tell each other. */
const STOP = "sendall stop";
/** A worker listens from now on. What was sent before is lost: `node:cluster` takes it, and has nobody to hand it to. */
const HEARS = "sendall hears";
interface Started {
  readonly sendall: "started";
  /** What the command prints. */
  readonly line: string;
}

/** Where the primary process tells its workers which port it is. */
const PORT = "SENDALL_WORKER_PORT";

/** In a worker: the port that all have. */
export function workerPort(): string | undefined {
  return cluster.isWorker ? process.env[PORT] : undefined;
}

/**
 * A port for all workers, also those that come later: left to the system, it would be another one once all have died.
 *
 * @returns `port`, or a free one for 0
 */
async function sharedPort(host: string, port: number): Promise<number> {
  if (port !== 0) return port;
  const server = createServer().listen(0, host);
  try {
    await once(server, "listening");
  } catch {
    // A worker will find out, too, and say it.
    return 0;
  }
  const address = server.address();
  server.close();
  await once(server, "close");
  return address === null || typeof address === "string" ? 0 : address.port;
}

/** So often, times their number, workers may die within the period before there is no sense in going on. */
const INTENSITY = 2;
const PERIOD_MS = 30_000;

/** In a worker: tells the primary process what to print. */
export function tellStarted(line: string): void {
  const message: Started = { sendall: "started", line };
  process.send?.(message);
}

/**
 * In a worker, before it loads anything: signals come to all processes of a terminal, but only the primary process says when it is
 * enough.
 */
export function obeyPrimary(end: () => void): void {
  process.on("message", (message) => {
    if (message === STOP) end();
  });
  process.send?.(HEARS);
  // A handler file that waits for nothing has to be found out, so listening alone does not keep the process alive.
  process.channel?.unref();
  process.on("SIGINT", end).on("SIGTERM", end);
}

/** In a worker, once the handler file is loaded: from here on a message may be what the handler waits for. */
export function awaitPrimary(): void {
  process.channel?.ref();
}

function isStarted(message: unknown): message is Started {
  return typeof message === "object" && message !== null && "sendall" in message && message.sendall === "started";
}

/** What is needed of a worker of `node:cluster`. */
export interface WorkerHandle extends EventEmitter {
  readonly process: { readonly pid?: number | undefined; kill(signal: NodeJS.Signals): boolean };
  isConnected(): boolean;
  send(message: string, sent: () => void): boolean;
}

function tellToStop(worker: WorkerHandle): void {
  // The channel may break at this moment, which the end of the worker will tell.
  if (worker.isConnected()) worker.send(STOP, () => {});
}

/** Starts a process that runs the same command as a worker. */
export function forkWorker(port: number): WorkerHandle {
  return cluster.fork({ [PORT]: String(port) });
}

export interface WorkersParts {
  readonly count: number;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly fork: (port: number) => WorkerHandle;
  /** Told once, when all have started. */
  readonly print: (line: string) => void;
}

export class Workers {
  readonly #parts: WorkersParts;
  readonly #workers = new Set<WorkerHandle>();
  readonly #deaths: number[] = [];
  #port = 0;
  #started = 0;
  #isStopping = false;
  #hasSignal = false;
  #deadline: Timer | undefined;
  /** Why the command fails, once all workers have ended. */
  #failure: SendallError | undefined;
  #end: { resolve(): void; reject(error: unknown): void } | undefined;

  constructor(parts: WorkersParts) {
    this.#parts = parts;
  }

  /** Resolves when all have ended after a signal; rejects if they die too often or do not end, or the first one cannot start. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#end = { resolve, reject };
      void this.#begin();
    });
  }

  async #begin(): Promise<void> {
    const { host, port } = this.#parts;
    this.#port = await sharedPort(host, port);
    // The others follow once the first one has started: what is wrong with the command is said once.
    if (!this.#isStopping) this.#fork();
  }

  #fork(): void {
    const worker = this.#parts.fork(this.#port);
    this.#workers.add(worker);
    worker.on("message", (message) => {
      if (isStarted(message)) this.#hasStarted(message.line);
      else if (message === HEARS && this.#isStopping) tellToStop(worker);
    });
    worker.once("exit", (code, signal) => this.#hasEnded(worker, code, signal));
  }

  #hasStarted(line: string): void {
    this.#started++;
    if (this.#isStopping) return;
    const { count, print } = this.#parts;
    if (this.#started === 1) for (let more = 1; more < count; more++) this.#fork();
    if (this.#started === count) print(line);
  }

  #hasEnded(worker: WorkerHandle, code: number | null, signal: string | null): void {
    this.#workers.delete(worker);
    if (this.#isStopping) {
      this.#endIfEmpty();
      return;
    }
    const how = signal === null ? { code } : { signal };
    // A first worker that ends by itself has said what is wrong.
    if (this.#started === 0 && signal === null) process.exit(code ?? 1);
    this.#parts.log.error({ worker: worker.process.pid, ...how }, "a worker has died");
    if (this.#started === 0) process.exit(1);
    const now = this.#parts.clock.now();
    this.#deaths.push(now);
    while ((this.#deaths[0] ?? now) < now - PERIOD_MS) this.#deaths.shift();
    if (this.#deaths.length <= INTENSITY * this.#parts.count) this.#fork();
    else this.#giveUp();
  }

  #giveUp(): void {
    const deaths = this.#deaths.length;
    this.#failure = new SendallError(
      "BAD_HANDLER",
      `workers die too often: ${deaths} of them within ${PERIOD_MS / 1_000} s`,
    );
    this.#stop();
  }

  /** The first signal lets all workers drain, the second one leaves at once. */
  signal(signal: NodeJS.Signals): void {
    if (this.#hasSignal) {
      this.#killAll();
      process.exit(exitCodeOf(signal));
    }
    this.#hasSignal = true;
    if (!this.#isStopping) this.#stop();
  }

  /** A worker that does not listen yet is told once it does. */
  #stop(): void {
    this.#isStopping = true;
    this.#deadline = this.#parts.clock.after(ENDING_MS, () => this.#onLate());
    for (const worker of this.#workers) tellToStop(worker);
    this.#endIfEmpty();
  }

  /** What blocks a worker blocks its ears, too. */
  #onLate(): void {
    const count = this.#workers.size;
    this.#failure ??= new SendallError(
      "BAD_HANDLER",
      `${count === 1 ? "a worker" : `${count} workers`} did not end within ${ENDING_MS / 1_000} s and had to be killed`,
    );
    this.#killAll();
  }

  #killAll(): void {
    for (const worker of this.#workers) worker.process.kill("SIGKILL");
  }

  #endIfEmpty(): void {
    if (this.#workers.size > 0) return;
    this.#deadline?.cancel();
    if (this.#failure === undefined) this.#end?.resolve();
    else this.#end?.reject(this.#failure);
  }
}
