/**
 * The server of a test runtime within what stands for its process: a clock, a listener, a link to the cluster, all of which end at once
 * when the process is killed. `live.ts` makes a process for each runtime; a process ends with its server.
 */
import type { UnfinishedEvent } from "../../actors/route/observer.js";
import type { Failure } from "../../api/stats.js";
import type { OptionTable } from "../../options/table.js";
import type { Logger } from "../../runtime/logger.js";
import { createServer } from "../../server/create-server.js";
import type { LiveServer } from "../../server/live-server.js";
import { MemoryListener } from "../memory-transport/memory-listener.js";
import type { RuntimeEnvironment } from "./environment.js";
import { ProcessClock } from "./process-clock.js";

export interface ServerProcessParts {
  /** The options of the server. */
  readonly options: { readonly logger?: Logger | false };
  /** The options of the runtime itself, which `serve` does not have. */
  readonly ownOptions: OptionTable;
  readonly environment: RuntimeEnvironment;
  /** A handler has failed. The error of the failure is the thrown value itself. */
  readonly onFailed: (failure: Failure) => void;
}

const NO_WORK = { events: [], sleepers: 0, undecided: 0 };

export class ServerProcess {
  /** The server's name in traces. */
  readonly name: string;
  readonly clock: ProcessClock;
  readonly listener: MemoryListener;
  readonly server: LiveServer;
  readonly #killed: Promise<void>;
  #onKilled: () => void = () => {};
  #isKilled = false;
  #isListening = false;

  constructor({ options, ownOptions, environment, onFailed }: ServerProcessParts) {
    const { deliveryScheduler, newEpoch, newId, newNode, newToken } = environment;
    this.name = environment.newServerName();
    this.clock = new ProcessClock(environment.clock);
    this.#killed = new Promise((resolve) => {
      this.#onKilled = resolve;
    });
    const listener = new MemoryListener(environment.clock, deliveryScheduler);
    this.listener = listener;
    const observer = environment.observe?.(this.name);
    this.server = createServer(
      { ...options, logger: options.logger ?? false },
      {
        clock: this.clock,
        newId,
        newNode,
        newToken,
        newEpoch,
        createListener: () => listener,
        optionNames: { taken: ownOptions },
        observer: {
          handling: (event) => observer?.handling(event),
          failed: (failure, error) => {
            // What a call that was under way throws later, nobody is told.
            if (this.#isKilled) return;
            observer?.failed(failure, error);
            onFailed({ ...failure, error });
          },
        },
      },
    );
  }

  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** The server has started, and neither closes nor was killed. */
  get isRunning(): boolean {
    return this.#isListening && !this.#isKilled && this.server.isReady;
  }

  /** Settles like the start of the server; resolves if the process is killed. */
  async start(): Promise<void> {
    if (!this.#isKilled) await Promise.race([this.server.start(), this.#killed]);
    this.#isListening = true;
  }

  /** Resolves when the server has closed, or the process is killed. */
  async close(): Promise<void> {
    if (!this.#isKilled) await Promise.race([this.server.close(), this.#killed]);
  }

  /** The unfinished work of the server; none after the process was killed. */
  underWay(): { readonly events: readonly UnfinishedEvent[]; readonly sleepers: number; readonly undecided: number } {
    return this.#isKilled ? NO_WORK : this.server.underWay();
  }

  /** Ends the process without a word. Does nothing if the process was killed before. */
  kill(): void {
    if (this.#isKilled) return;
    this.#isKilled = true;
    this.clock.stop();
    this.listener.terminate();
    this.server.terminate();
    this.#onKilled();
  }
}
