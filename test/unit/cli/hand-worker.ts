/** A worker of `--workers` in the hands of a test. */
import { EventEmitter } from "node:events";
import type { WorkerHandle } from "../../../src/cli/worker-supervisor.js";

/** A worker that records every message and signal, and only acts on behalf of the test. */
export class HandWorker extends EventEmitter implements WorkerHandle {
  readonly heard: string[] = [];
  isUp = true;
  readonly process = {
    pid: 1,
    kill: (signal: NodeJS.Signals): boolean => {
      this.heard.push(signal);
      return true;
    },
  };

  isConnected(): boolean {
    return this.isUp;
  }

  send(message: string): boolean {
    this.heard.push(message);
    return true;
  }

  start(): void {
    this.emit("message", { sendall: "started", line: "Listening" });
  }

  end(code: number | null, signal: string | null = null): void {
    this.isUp = false;
    this.emit("exit", code, signal);
  }
}
