/**
 * Where our own lines go: standard output or standard error, one object for each in a process (`log.ts`). A write happens at
 * once, so that nothing is lost when the process ends, and never waits: not for a full disk, nor for a pipe that nobody reads.
 *
 * Sonic-boom, pino's own, can do one or the other: with `sync` it stops the event loop while a pipe is full, without it its
 * flush at the exit tries for ever to write to a full disk, and what waits for a pipe has no bound.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";

export interface OutputParts {
  /** Writes as many of the bytes as can be written at once, and returns how many. Throws what the system says. */
  readonly write: (bytes: Buffer) => number;
  /** Calls `again` after `ms`, unless the process ends before. */
  readonly later: (again: () => void, ms: number) => void;
  /** The line that says how many lines are missing. */
  readonly notice: (dropped: number) => string;
}

/** A line that waits, or what is left of it. */
interface Waiting {
  bytes: Buffer;
  /** How many lines are lost with it: a notice speaks for those that were lost before. */
  readonly lines: number;
}

/** How it went: all is written, a reader is waited for, or nothing can be written here. */
type State = "written" | "busy" | "broken";

/** So much waits for a reader; what comes on top of it is dropped. */
const MAX_WAITING_BYTES = 1_048_576;
/** How often writing is tried again: soon at first, since a full pipe may just have a slow reader. */
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 1_000;
/** So long a process that exits waits for a reader. */
const EXIT_MS = 2_000;

export class Output {
  readonly #parts: OutputParts;
  #waiting: Waiting[] = [];
  #bytes = 0;
  /** Part of the first line is written: it has to be finished before anything else. */
  #isBegun = false;
  #dropped = 0;
  #retryMs = FIRST_RETRY_MS;
  #willRetry = false;

  constructor(parts: OutputParts) {
    this.#parts = parts;
  }

  write(line: string): void {
    this.#add(line);
    this.#flush();
  }

  /** The process exits: what waits is written, if somebody reads it within so many milliseconds. @param pause waits for so long */
  end(pause: (ms: number) => void, patienceMs: number = EXIT_MS): void {
    this.#tellDropped();
    for (let waited = 0; this.#write() === "busy" && waited < patienceMs; waited += FIRST_RETRY_MS)
      pause(FIRST_RETRY_MS);
  }

  #add(line: string): void {
    // Not at every gap: somebody who reads slowly would get a notice for each line.
    if (this.#dropped > 0 && this.#bytes <= MAX_WAITING_BYTES / 2) this.#tellDropped();
    const bytes = Buffer.from(line);
    if (this.#dropped > 0 || this.#bytes + bytes.length > MAX_WAITING_BYTES) this.#dropped++;
    else this.#push(bytes, 1);
  }

  #push(bytes: Buffer, lines: number): void {
    this.#waiting.push({ bytes, lines });
    this.#bytes += bytes.length;
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    this.#push(Buffer.from(this.#parts.notice(this.#dropped)), this.#dropped);
    this.#dropped = 0;
  }

  #flush(): void {
    if (this.#write() !== "written" || this.#dropped > 0) this.#retryLater();
  }

  #write(): State {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const state = this.#writeLine(first);
      if (state === "broken") this.#dropWaiting();
      if (state !== "written") return state;
      this.#waiting.shift();
      this.#isBegun = false;
    }
    return "written";
  }

  #writeLine(line: Waiting): State {
    while (line.bytes.length > 0) {
      try {
        const written = this.#parts.write(line.bytes);
        if (written === 0) return "busy";
        line.bytes = line.bytes.subarray(written);
        this.#bytes -= written;
        this.#isBegun = true;
        this.#retryMs = FIRST_RETRY_MS;
      } catch (error) {
        return isBusy(error) ? "busy" : "broken";
      }
    }
    return "written";
  }

  /** What has been begun is kept: without its end the next line would be no line. */
  #dropWaiting(): void {
    const kept = this.#isBegun ? this.#waiting.slice(0, 1) : [];
    for (const { lines } of this.#waiting.slice(kept.length)) this.#dropped += lines;
    this.#waiting = kept;
    this.#bytes = kept[0]?.bytes.length ?? 0;
  }

  #retryLater(): void {
    if (this.#willRetry) return;
    this.#willRetry = true;
    this.#parts.later(() => {
      this.#willRetry = false;
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
      if (this.#bytes <= MAX_WAITING_BYTES / 2) this.#tellDropped();
      this.#flush();
    }, this.#retryMs);
  }
}

/** A pipe whose buffer is full. */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EAGAIN" || code === "EBUSY" || code === "EINTR";
}

// A process has one of each, whoever writes to it.
const outputs = new Map<number, Output>();
// Taken when this file is loaded: a test runner that later replaces the globals must not stop a running server.
const { setTimeout } = globalThis;

/** Standard output (1) or standard error (2) of this process. */
export function outputOf(fd: 1 | 2, notice: OutputParts["notice"]): Output {
  const known = outputs.get(fd);
  if (known !== undefined) return known;
  const descriptor = withoutWaiting(fd);
  const output = new Output({
    write: (bytes) => writeSync(descriptor, bytes),
    later: (again, ms) => void setTimeout(again, ms).unref(),
    notice,
  });
  outputs.set(fd, output);
  process.on("exit", () => output.end(pause));
  return output;
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/**
 * A descriptor that answers "busy" where writing would have to wait. Opened anew, a pipe or a terminal does so for us alone, and
 * stays as it is for those who share it; that is Linux's. Elsewhere, and for sockets, Node's own stream sees to it.
 */
function withoutWaiting(fd: 1 | 2): number {
  try {
    if (isatty(fd) || fstatSync(fd).isFIFO())
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // There is no /proc here, or the pipe is somebody else's.
  }
  void (fd === 1 ? process.stdout : process.stderr);
  return fd;
}
