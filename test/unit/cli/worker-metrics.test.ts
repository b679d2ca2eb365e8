/** The metrics of `--workers` in the primary process, with workers in the hands of the test: sums, deaths, and workers that do not answer. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WorkerMetrics } from "../../../src/cli/worker-metrics.js";
import type { Family } from "../../../src/metrics/family.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { nextRound } from "../../e2e/peers.js";
import { sampleOf } from "../metrics/exposition.js";
import { HandWorker } from "./hand-worker.js";

/** What a worker may have counted. */
interface Figures {
  readonly received?: number;
  readonly connections?: number;
  readonly isUp?: boolean;
  readonly seconds?: number;
  readonly isReady?: boolean;
}

function family(
  name: string,
  type: Family["type"],
  value: number,
  suffix = "",
  merge: Family["merge"] = "sum",
): Family {
  return { name, help: "A number.", type, merge, samples: [{ suffix, labels: { route: "/a" }, value }] };
}

class CountingWorker extends HandWorker {
  figures: Figures = {};
  isBlocked = false;

  override send(message: string): boolean {
    super.send(message);
    if (message === "sendall measure" && !this.isBlocked) queueMicrotask(() => this.answer());
    return true;
  }

  answer(): void {
    const { received = 0, connections = 0, isUp = true, seconds = 0, isReady = true } = this.figures;
    const families = [
      family("sendall_received_messages_total", "counter", received),
      family("sendall_connections", "gauge", connections),
      family("sendall_handler_seconds", "histogram", seconds, "_sum"),
      family("sendall_cluster_up", "gauge", isUp ? 1 : 0, "", "min"),
    ];
    this.emit("message", { sendall: "measured", isReady, families });
  }
}

/** A primary process with so many started workers. */
function primary(count: number) {
  const clock = new HandClock((step) => queueMicrotask(step));
  let isStopping = false;
  const metrics = new WorkerMetrics(clock, () => isStopping);
  const fork = (): CountingWorker => {
    const worker = new CountingWorker();
    metrics.watch(worker);
    return worker;
  };
  const workers = Array.from({ length: count }, fork);
  for (const worker of workers) worker.start();
  const read = async (name: string, labels: Record<string, string> = { route: "/a" }): Promise<number | undefined> =>
    sampleOf(await metrics.text(), `sendall_${name}`, labels);
  const stop = (): void => {
    isStopping = true;
  };
  return { clock, metrics, workers, fork, read, stop };
}

function first<T>([one]: readonly T[]): T {
  if (one === undefined) throw new Error("there is none");
  return one;
}

describe("the metrics of workers", () => {
  test("are the sums of all workers, and the link is up only if every worker's is", async () => {
    const { workers, read } = primary(3);
    for (const [i, worker] of workers.entries())
      worker.figures = { received: 10 ** i, connections: 2 * 10 ** i, seconds: 0.5, isUp: i !== 1 };
    expect(await read("received_messages_total")).toBe(111);
    expect(await read("connections")).toBe(222);
    expect(await read("handler_seconds_sum")).toBe(1.5);
    expect(await read("cluster_up")).toBe(0);
    expect(await read("workers", { state: "answering" })).toBe(3);
  });

  test("keep what a dead worker has counted, and drop what it had open", async () => {
    const { workers, fork, read } = primary(2);
    for (const worker of workers) worker.figures = { received: 100, connections: 7, seconds: 2, isUp: false };
    expect(await read("received_messages_total")).toBe(200);
    first(workers).end(7);
    const next = fork();
    expect(await read("workers", { state: "starting" })).toBe(1);
    next.start();
    next.figures = { received: 1, connections: 1, seconds: 1 };
    expect(await read("received_messages_total")).toBe(201);
    expect(await read("handler_seconds_sum")).toBe(5);
    expect(await read("connections")).toBe(8);
  });

  test("show a worker that does not answer in time as silent, with the numbers of its last answer", async () => {
    const { workers, clock, metrics } = primary(2);
    for (const worker of workers) worker.figures = { received: 100 };
    await metrics.text();
    const blocked = first(workers);
    blocked.isBlocked = true;
    for (const worker of workers) worker.figures = { received: 110 };
    for (let scrapes = 1; scrapes <= 2; scrapes++) {
      const text = metrics.text();
      await nextRound();
      clock.pass(500);
      expect(sampleOf(await text, "sendall_received_messages_total", { route: "/a" })).toBe(210);
      expect(sampleOf(await text, "sendall_workers", { state: "silent" })).toBe(1);
    }
    // Asked once, however many scrapes there were.
    expect(blocked.heard).toHaveLength(2);
    blocked.isBlocked = false;
    blocked.answer();
    expect(sampleOf(await metrics.text(), "sendall_workers", { state: "silent" })).toBe(0);
  });

  test("do not wait for a worker that dies while it is asked, or that has not started", async () => {
    const { workers, fork, metrics } = primary(2);
    const starting = fork();
    first(workers).isBlocked = true;
    const text = metrics.text();
    first(workers).end(null, "SIGKILL");
    expect(sampleOf(await text, "sendall_workers", { state: "answering" })).toBe(1);
    expect(starting.heard).toEqual([]);
  });

  test("never go backwards, in whatever order workers count, block, answer and die", async () => {
    type Step = readonly [what: "count" | "die" | "block" | "go on" | "scrape", worker: number];
    const step: fc.Arbitrary<Step> = fc.tuple(
      fc.constantFrom("count", "die", "block", "go on", "scrape"),
      fc.nat({ max: 2 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { workers, clock, metrics, fork } = primary(3);
        let before = 0;
        let counted = 0;
        for (const [what, i] of [...steps, ["scrape", 0] as const]) {
          const worker = workers[i];
          if (worker === undefined) throw new Error(`there is no worker ${i}`);
          const { received = 0 } = worker.figures;
          if (what === "count") {
            worker.figures = { received: received + 1 };
            counted++;
          } else if (what === "die") {
            worker.end(7);
            workers[i] = fork();
            workers[i].start();
          } else if (what === "block") worker.isBlocked = true;
          else if (what === "go on") {
            if (worker.isBlocked) worker.answer();
            worker.isBlocked = false;
          } else {
            const text = metrics.text();
            await nextRound();
            clock.pass(500);
            const shown = sampleOf(await text, "sendall_received_messages_total", { route: "/a" }) ?? 0;
            expect(shown).toBeGreaterThanOrEqual(before);
            expect(shown).toBeLessThanOrEqual(counted);
            before = shown;
          }
        }
      }),
    );
  });
});

describe("a command with workers", () => {
  test("is ready while at least one worker is, and not once it stops", async () => {
    const { workers, metrics, fork, stop } = primary(0);
    expect(await metrics.isReady()).toBe(false);
    workers.push(fork(), fork());
    expect(await metrics.isReady()).toBe(false);
    for (const worker of workers) worker.start();
    first(workers).figures = { isReady: false };
    expect(await metrics.isReady()).toBe(true);
    for (const worker of workers) worker.figures = { isReady: false };
    expect(await metrics.isReady()).toBe(false);
    for (const worker of workers) worker.figures = { isReady: true };
    stop();
    expect(await metrics.isReady()).toBe(false);
  });

  test("is healthy while its workers start, while one of them answers, and while there is none", async () => {
    const { workers, clock, metrics, fork } = primary(0);
    const findFault = async (): Promise<string | undefined> => {
      const fault = metrics.findFault();
      await nextRound();
      clock.pass(500);
      return fault;
    };
    expect(await findFault()).toBeUndefined();
    workers.push(fork(), fork());
    for (const worker of workers) worker.isBlocked = true;
    expect(await findFault()).toBeUndefined();
    for (const worker of workers) worker.start();
    expect(await findFault()).toBe("no worker answers");
    first(workers).isBlocked = false;
    first(workers).answer();
    expect(await findFault()).toBeUndefined();
    first(workers).isBlocked = true;
    expect(await findFault()).toBe("no worker answers");
    for (const worker of workers) worker.end(null, "SIGKILL");
    expect(await findFault()).toBeUndefined();
  });

  test("is unhealthy while its only worker that has started is blocked, beside others that start or are about to exit", async () => {
    const { workers, clock, metrics, fork } = primary(2);
    const [blocked, exiting] = workers;
    if (blocked === undefined || exiting === undefined) throw new Error("two have started");
    blocked.isBlocked = true;
    exiting.isUp = false;
    fork();
    const fault = metrics.findFault();
    await nextRound();
    clock.pass(500);
    expect(await fault).toBe("no worker answers");
  });

  test("is healthy though its worker has nothing ready, as while a cluster is away", async () => {
    const { workers, metrics } = primary(1);
    first(workers).figures = { isReady: false };
    expect([await metrics.isReady(), await metrics.findFault()]).toEqual([false, undefined]);
  });

  test("counts the workers that die by themselves, and not those that it stops", async () => {
    const { workers, read, stop } = primary(3);
    expect(await read("worker_deaths_total", {})).toBe(0);
    for (const worker of workers.slice(1)) worker.end(7);
    expect(await read("worker_deaths_total", {})).toBe(2);
    stop();
    first(workers).end(0);
    expect(await read("worker_deaths_total", {})).toBe(2);
  });

  test("is not ready while its only worker is blocked", async () => {
    const { workers, clock, metrics } = primary(1);
    expect(await metrics.isReady()).toBe(true);
    first(workers).isBlocked = true;
    const isReady = metrics.isReady();
    await nextRound();
    clock.pass(500);
    expect(await isReady).toBe(false);
  });
});
