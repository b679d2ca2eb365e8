/**
 * The metrics of `sendall serve --workers`: at each scrape the primary process asks the workers for their families, and adds up the answers.
 * What a worker has counted stays in the sums after the worker has died, so that no counter goes backwards. The command makes one
 * `WorkerMetrics`, which ends with the process; in a worker, `answerMeasures` answers.
 */
import type { EndpointSource } from "../metrics/endpoint.js";
import { type Family, mergeFamilies, totalsOf } from "../metrics/family.js";
import { createCollector, type MeasuredServer, type MetricsOptions } from "../metrics/metrics.js";
import { writeText } from "../metrics/text.js";
import type { Clock } from "../runtime/clock.js";
import { isStarted } from "./worker-process.js";
import type { WorkerHandle } from "./worker-supervisor.js";

/** To a worker: send the numbers. */
const MEASURE = "sendall measure";

/** To the primary process: the numbers of a worker. */
interface Measured {
  readonly sendall: "measured";
  readonly isReady: boolean;
  readonly families: readonly Family[];
}

function isMeasured(message: unknown): message is Measured {
  return typeof message === "object" && message !== null && "sendall" in message && message.sendall === "measured";
}

/** Answers the primary process for the life of the worker. */
export function answerMeasures(server: MeasuredServer, options: MetricsOptions): void {
  const collect = createCollector(server, options);
  process.on("message", (message) => {
    if (message !== MEASURE) return;
    const measured: Measured = { sendall: "measured", isReady: server.isReady, families: collect() };
    // The callback takes the error of a channel that breaks now.
    process.send?.(measured, undefined, undefined, () => {});
  });
}

/** Well below the 10 s that Prometheus waits for a scrape, and Kubernetes' 1 s for a probe. */
const ANSWER_MS = 500;

/** What the primary process knows of a worker. */
interface WatchedWorker {
  hasStarted: boolean;
  /** The last answer. */
  measured: Measured | undefined;
  /** The worker was asked and has not answered. */
  isAsked: boolean;
  readonly waiting: Set<() => void>;
}

export class WorkerMetrics implements EndpointSource {
  readonly #clock: Clock;
  readonly #isStopping: () => boolean;
  readonly #workers = new Map<WorkerHandle, WatchedWorker>();
  /** The totals of the workers that have died. */
  #left: Family[] = [];
  /** How many workers have died by themselves. */
  #deaths = 0;

  /** @param isStopping whether the command has begun to stop: from then on nothing is ready */
  constructor(clock: Clock, isStopping: () => boolean) {
    this.#clock = clock;
    this.#isStopping = isStopping;
  }

  /** MUST be called before the worker can have sent anything. */
  watch(worker: WorkerHandle): void {
    const watched: WatchedWorker = { hasStarted: false, measured: undefined, isAsked: false, waiting: new Set() };
    this.#workers.set(worker, watched);
    worker.on("message", (message) => {
      if (isStarted(message)) watched.hasStarted = true;
      else if (isMeasured(message)) {
        watched.measured = message;
        watched.isAsked = false;
        wake(watched);
      }
    });
    worker.once("exit", () => {
      this.#workers.delete(worker);
      if (!this.#isStopping()) this.#deaths++;
      if (watched.measured !== undefined) this.#left = mergeFamilies([this.#left, totalsOf(watched.measured.families)]);
      wake(watched);
    });
  }

  /** A worker that does not answer in time is shown with the numbers of its last answer. */
  async text(): Promise<string> {
    await this.#askAll();
    const workers = [...this.#workers.values()];
    const families = workers.map(({ measured }) => measured?.families ?? []);
    return writeText([...mergeFamilies([...families, this.#left]), countWorkers(workers), this.#countDeaths()]);
  }

  /** One worker that is ready takes connections, so that a worker which is being replaced does not take the others out of service. */
  async isReady(): Promise<boolean> {
    if (this.#isStopping()) return false;
    await this.#askAll();
    const workers = [...this.#workers.values()];
    return !this.#isStopping() && workers.some(({ measured, isAsked }) => !isAsked && measured?.isReady === true);
  }

  /** A single worker that answers is healthy, and so is a command whose workers are all starting: a probe is no limit for `init`. */
  async findFault(): Promise<string | undefined> {
    await this.#askAll();
    const started = Array.from(this.#workers).filter(([worker, { hasStarted }]) => hasStarted && worker.isConnected());
    return started.length > 0 && started.every(([, { isAsked }]) => isAsked) ? "no worker answers" : undefined;
  }

  #countDeaths(): Family {
    return {
      name: "sendall_worker_deaths_total",
      help: "Worker processes that have died by themselves.",
      type: "counter",
      merge: "sum",
      samples: [{ suffix: "", labels: {}, value: this.#deaths }],
    };
  }

  /** Resolves when each worker that has started has answered, has died, or is too late. */
  async #askAll(): Promise<void> {
    await Promise.all(Array.from(this.#workers, ([worker, watched]) => this.#ask(worker, watched)));
  }

  #ask(worker: WorkerHandle, watched: WatchedWorker): Promise<void> {
    if (!watched.hasStarted || !worker.isConnected()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(ANSWER_MS, () => done());
      const done = (): void => {
        timer.cancel();
        watched.waiting.delete(done);
        resolve();
      };
      watched.waiting.add(done);
      // A blocked worker is asked once, and answers once when it goes on.
      if (watched.isAsked) return;
      watched.isAsked = true;
      worker.send(MEASURE, () => {});
    });
  }
}

function wake({ waiting }: WatchedWorker): void {
  for (const done of [...waiting]) done();
}

function countWorkers(workers: readonly WatchedWorker[]): Family {
  const silent = workers.filter(({ isAsked }) => isAsked).length;
  const starting = workers.filter(({ hasStarted }) => !hasStarted).length;
  const counts = { answering: workers.length - silent - starting, silent, starting };
  return {
    name: "sendall_workers",
    help: "Worker processes, by whether they have answered this scrape.",
    type: "gauge",
    merge: "sum",
    samples: Object.entries(counts).map(([state, value]) => ({ suffix: "", labels: { state }, value })),
  };
}
