/**
 * The primary process of `sendall serve --workers`: starts workers that run the same command, on one port, replaces those that die, and
 * ends them all when it is told to. The command calls it; the workers find out by themselves that they are some.
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:net";
import { constants } from "node:os";
import type { Clock } from "../clock.js";
import { workers } from "../cluster/workers.js";
import type { Logger } from "../contracts.js";
import { SendallError } from "../errors.js";

/** What the primary process and a worker tell each other. */
const STOP = "sendall stop";
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
export async function sharedPort(host: string, port: number): Promise<number> {
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

/** In a worker: signals come to all processes of a terminal, but only the primary process says when it is enough. */
export function obeyPrimary(close: () => void): void {
  process.on("message", (message) => {
    if (message === STOP) close();
  });
  process.on("SIGINT", close).on("SIGTERM", close);
}

function isStarted(message: unknown): message is Started {
  return typeof message === "object" && message !== null && "sendall" in message && message.sendall === "started";
}

export interface WorkersParts {
  readonly count: number;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told once, when all have started. */
  readonly print: (line: string) => void;
}

export class Workers {
  readonly #count: number;
  readonly #port: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #print: (line: string) => void;
  readonly #workers = new Set<Worker>();
  readonly #deaths: number[] = [];
  #started = 0;
  #isStopping = false;
  #end: { resolve(): void; reject(error: unknown): void } | undefined;

  constructor({ count, port, clock, log, print }: WorkersParts) {
    this.#count = count;
    this.#port = port;
    this.#clock = clock;
    this.#log = log;
    this.#print = print;
  }

  /** Resolves when all have ended after a signal; rejects if they die too often, or the first one cannot start. */
  run(): Promise<void> {
    workers();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => this.#stop(signal));
    return new Promise((resolve, reject) => {
      this.#end = { resolve, reject };
      // The others follow once it has: what is wrong with the command is said once.
      this.#fork();
    });
  }

  #fork(): void {
    const worker = cluster.fork({ [PORT]: String(this.#port) });
    this.#workers.add(worker);
    worker.on("message", (message) => {
      if (isStarted(message)) this.#hasStarted(message.line);
    });
    worker.once("exit", (code, signal) => this.#hasEnded(worker, code, signal));
  }

  #hasStarted(line: string): void {
    this.#started++;
    if (this.#isStopping) return;
    if (this.#started === 1) for (let more = 1; more < this.#count; more++) this.#fork();
    if (this.#started === this.#count) this.#print(line);
  }

  #hasEnded(worker: Worker, code: number | null, signal: string | null): void {
    this.#workers.delete(worker);
    if (this.#isStopping) {
      if (this.#workers.size === 0) this.#end?.resolve();
      return;
    }
    const how = signal === null ? { code } : { signal };
    // It has said itself what is wrong.
    if (this.#started === 0) process.exit(code ?? 1);
    this.#log.error({ worker: worker.process.pid, ...how }, "a worker has died");
    const now = this.#clock.now();
    this.#deaths.push(now);
    while ((this.#deaths[0] ?? now) < now - PERIOD_MS) this.#deaths.shift();
    if (this.#deaths.length <= INTENSITY * this.#count) this.#fork();
    else this.#giveUp();
  }

  #giveUp(): void {
    const deaths = this.#deaths.length;
    this.#tellAll();
    const error = new SendallError(
      "BAD_HANDLER",
      `workers die too often: ${deaths} of them within ${PERIOD_MS / 1_000} s`,
    );
    const { reject } = this.#end ?? {};
    this.#end = { resolve: () => reject?.(error), reject: () => {} };
    if (this.#workers.size === 0) reject?.(error);
  }

  #stop(signal: "SIGINT" | "SIGTERM"): void {
    if (this.#isStopping) {
      for (const worker of this.#workers) worker.process.kill("SIGKILL");
      process.exit(128 + constants.signals[signal]);
    }
    this.#tellAll();
    if (this.#workers.size === 0) this.#end?.resolve();
  }

  #tellAll(): void {
    this.#isStopping = true;
    for (const worker of this.#workers) if (worker.isConnected()) worker.send(STOP);
  }
}
