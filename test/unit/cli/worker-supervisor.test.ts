/** The supervisor of `--workers`, with workers controlled by the test: signals, deaths, and workers that do not exit. */
import { describe, expect, test } from "vitest";
import { WorkerSupervisor } from "../../../src/cli/worker-supervisor.js";
import { createLogger } from "../../../src/log/log.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { nextRound } from "../../e2e/peers.js";
import { HandWorker } from "./hand-worker.js";

function run(count: number) {
  const clock = new HandClock((step) => queueMicrotask(step));
  const forked: HandWorker[] = [];
  const lines: string[] = [];
  const workers = new WorkerSupervisor({
    count,
    host: "127.0.0.1",
    port: 1,
    clock,
    log: createLogger(false, "test"),
    fork: () => {
      const worker = new HandWorker();
      forked.push(worker);
      return worker;
    },
    print: (line) => lines.push(line),
  });
  const ended = workers.run();
  const settled = ended.then(
    () => "resolved",
    (error: unknown) => String(error),
  );
  return { workers, clock, forked, lines, settled };
}

describe("the primary process of workers", () => {
  test("forks no worker after a signal that comes before the first worker", async () => {
    const { workers, forked, settled } = run(2);
    workers.onSignal("SIGTERM");
    expect(await settled).toBe("resolved");
    expect(forked).toEqual([]);
  });

  test("tells a worker again that did not listen at the signal", async () => {
    const { workers, forked, settled } = run(1);
    await nextRound();
    forked[0]?.emit("message", "sendall hears");
    expect(forked[0]?.heard).toEqual([]);
    workers.onSignal("SIGTERM");
    forked[0]?.emit("message", "sendall hears");
    expect(forked[0]?.heard).toEqual(["sendall stop", "sendall stop"]);
    forked[0]?.end(0);
    expect(await settled).toBe("resolved");
  });

  test("kills those that have not ended 30 s after the signal, and fails", async () => {
    const { workers, clock, forked, settled } = run(2);
    await nextRound();
    forked[0]?.start();
    forked[1]?.start();
    workers.onSignal("SIGTERM");
    expect(forked.map(({ heard }) => heard)).toEqual([["sendall stop"], ["sendall stop"]]);
    forked[0]?.end(0);
    clock.pass(29_999);
    expect(forked[1]?.heard).toHaveLength(1);
    clock.pass(1);
    expect(forked.map(({ heard }) => heard.at(-1))).toEqual(["sendall stop", "SIGKILL"]);
    forked[1]?.end(null, "SIGKILL");
    expect(await settled).toBe("SendallError: a worker did not end within 30 s and had to be killed");
    expect(clock.alarms).toBe(0);
  });

  test("takes the first signal for the first, not for the second, although it is ending because of dead workers", async () => {
    const { workers, clock, forked, settled } = run(1);
    await nextRound();
    for (let i = 0; i < 3; i++) {
      forked[i]?.start();
      if (i < 2) forked[i]?.end(1);
    }
    const [last] = forked.slice(-1);
    last?.end(1);
    expect(await settled).toMatch(/workers die too often: 3 of them within 30 s/);
    workers.onSignal("SIGTERM");
    expect(clock.alarms).toBe(0);
  });
});
