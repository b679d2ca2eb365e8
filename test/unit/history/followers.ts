/** Routes with history in the hands of a test, and a store that answers when the test says so. */
import type {
  Bus,
  Connection,
  HistoryHost,
  HistoryOptions,
  HistoryQuery,
  HistoryReading,
  HistoryStore,
  MessageToKeep,
} from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { onTestFinished } from "vitest";
import { MemoryHistory } from "../../../src/history/memory.js";

export interface KeepingRoute {
  readonly runtime: TestRuntime;
  readonly bus: Bus;
  /** @returns a client, and its connection at the server */
  connect(protocol?: string): Promise<readonly [TestClient, Connection]>;
  keep(room: string, ...texts: string[]): void;
}

export async function openRoute(
  history: Partial<HistoryOptions> | true = true,
  options: object = {},
): Promise<KeepingRoute> {
  const runtime = createTestRuntime({ history, handler() {}, ...options });
  onTestFinished(async () => runtime.close());
  await runtime.settle();
  const bus = runtime.server.route("*");
  return {
    runtime,
    bus,
    async connect(protocol) {
      const client = await runtime.connect(protocol === undefined ? {} : { protocols: [protocol] });
      return [client, bus.connections().at(-1) as Connection];
    },
    keep(room, ...texts) {
      for (const text of texts) bus.sendall(text, { room, keep: true });
    },
  };
}

/** Reads as of the call, and answers when the test lets the store answer. */
export class HesitantStore implements HistoryStore {
  readonly waiting: (() => void)[] = [];
  readonly #memory = new MemoryHistory();

  open(host: HistoryHost): void {
    this.#memory.open(host);
  }
  append(entry: MessageToKeep): string | undefined {
    return this.#memory.append(entry);
  }
  read(room: string, query: HistoryQuery): Promise<HistoryReading> {
    const reading = this.#memory.read(room, query);
    return new Promise((resolve) => {
      this.waiting.push(() => resolve(reading));
    });
  }
  answer(): void {
    for (const answer of this.waiting.splice(0)) answer();
  }
  trim(): void {
    this.#memory.trim();
  }
  close(): void {
    this.#memory.close();
  }
}
