/** A runtime under a budget whose handler notes what it is told, and when. */
import type { BudgetOptions, ServerEvent } from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime, type TestRuntimeOptions } from "sendall/testing";
import type { HandStage } from "../stage.js";

interface Handled {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

/** The query `nick` of a request says who a connection is. */
export function noting(budget: Partial<BudgetOptions>, options: Partial<TestRuntimeOptions> = {}) {
  const handled: Handled[] = [];
  const note = (event: ServerEvent): void => {
    const { connection, type } = event;
    const what = type === "message" ? event.text : type === "info" ? `info ${event.data}` : type;
    handled.push({ at: runtime.now(), who: connection?.query.get("nick") ?? "", what });
  };
  const runtime: TestRuntime = createTestRuntime({ budget, handler: note, ...options } as TestRuntimeOptions);
  return {
    runtime,
    note,
    connect: (nick: string) => runtime.connect({ query: { nick } }),
    /** What was handled since the last call, with the time, without `open`. */
    take: (who?: string): string[] =>
      handled
        .splice(0)
        .filter((one) => one.what !== "open" && (who ?? one.who) === one.who)
        .map(({ at, what }) => `${at} ${what}`),
    /** The same with the names. */
    takeAll: (): string[] =>
      handled
        .splice(0)
        .filter(({ what }) => what !== "open")
        .map(({ at, who, what }) => `${at} ${who} ${what}`),
    stats: () => runtime.server.stats(),
    [Symbol.asyncDispose]: () => runtime.close(),
  };
}

export async function closeHand(stage: HandStage): Promise<void> {
  const closed = stage.server.close();
  await stage.settle();
  await closed;
}

/** Sends the numbers from `from` on. */
export function sendMany(client: Pick<TestClient, "send">, count: number, from = 0): void {
  for (let i = from; i < from + count; i++) client.send(String(i));
}

/** `[{ at: 0, 0 }, { at: everyMs, 1 }, …]` as a stage notes these messages. */
export function steps(count: number, { at = 0, everyMs = 0, from = 0 } = {}): string[] {
  return Array.from({ length: count }, (_, i) => `${at + i * everyMs} ${from + i}`);
}
