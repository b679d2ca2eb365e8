/**
 * When a process of `sendall serve` ends: a signal, the primary process of `--workers` or the watcher of `--watch` may ask for that
 * at any moment, also before there is a server. The command makes one before it loads anything of the user's.
 */
import { constants } from "node:os";
import type { Server } from "../server/server.js";

/** What a shell reports for a program that a signal ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/**
 * How long a process that was asked to end may take. Closing a server takes 15 s at most (drain, close, stop), so a process that
 * needs longer is blocked by the handler's own code and has to be killed.
 */
export const ENDING_MS = 30_000;

export class ProcessEnd {
  #server: Pick<Server, "close"> | undefined;
  #isAsked = false;

  /** Nobody is connected before the server has started, so there is nothing to wait for. */
  readonly ask = (): void => {
    if (this.#server === undefined) process.exit(0);
    this.#isAsked = true;
    void this.#server.close();
  };

  /** From now on asking drains this server. */
  drain(server: Pick<Server, "close">): void {
    this.#server = server;
  }

  /** The first signal asks, the second one leaves at once. Without a listener a signal is lost on process 1 of a container. */
  obeySignals(): void {
    const onSignal = (signal: NodeJS.Signals): void => {
      if (this.#isAsked) process.exit(exitCodeOf(signal));
      this.ask();
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  }
}
