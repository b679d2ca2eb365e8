/**
 * The shutdown of a process of `sendall serve`. A signal, the primary process of `--workers` or the watcher of `--watch` may request the
 * shutdown at any moment, even before there is a server; so the command makes the object before it loads any of the user's code.
 */
import type { Server } from "../server/server.js";
import { exitCodeOf } from "./exit.js";

/**
 * The longest time between the request and the exit. Closing a server takes 15 s at most (drain, close, stop), so the handler's own code
 * blocks a process that takes longer, which has to be killed.
 */
export const SHUTDOWN_MS = 30_000;

export class ProcessShutdown {
  #server: Pick<Server, "close"> | undefined;
  #isRequested = false;

  /** Closes the server. Without a server no client is connected, and the process exits at once. */
  readonly request = (): void => {
    if (this.#server === undefined) process.exit(0);
    this.#isRequested = true;
    void this.#server.close();
  };

  /** Names the server that a request closes. */
  attach(server: Pick<Server, "close">): void {
    this.#server = server;
  }

  /**
   * The first signal requests the shutdown, the second signal exits at once. Process 1 of a container needs the listener, since a
   * signal without a listener has no effect there.
   */
  listenToSignals(): void {
    const onSignal = (signal: NodeJS.Signals): void => {
      if (this.#isRequested) process.exit(exitCodeOf(signal));
      this.request();
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  }
}
