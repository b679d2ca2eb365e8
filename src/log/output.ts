/**
 * The output of the log: standard output or standard error, with a single `Output` for each in a process, until the process exits.
 * `log.ts` hands the output to pino. A line is written at once, so that nothing is lost when the process ends, and writing never
 * blocks: not on a full disk, nor on a pipe without a reader.
 *
 * Pino's own sonic-boom meets only one of these aims: with `sync`, a full pipe stops the event loop; without `sync`, the flush at the
 * exit retries forever on a full disk, and the lines that wait for a pipe have no limit.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";

export interface OutputParts {
  /** Writes as many bytes as can be written at once, and returns the number. Throws the system's error. */
  readonly write: (bytes: Buffer) => number;
  /** Calls `retry` after `ms`, unless the process ends before. */
  readonly schedule: (retry: () => void, ms: number) => void;
  /** Makes the line that says how many lines are missing. */
  readonly dropNotice: (dropped: number) => string;
}

/** A line that waits, or the rest of a partly written line. */
interface WaitingLine {
  bytes: Buffer;
  /** The number of lines lost if this line is dropped: a drop notice counts the lines dropped before. */
  readonly lines: number;
}

/** The result of writing: everything is written, a reader has to read first, or writing fails. */
type WriteResult = "written" | "busy" | "broken";

/** At most 1 MiB waits for a reader; further lines are dropped. */
const MAX_WAITING_BYTES = 1_048_576;
/** The wait before the next attempt to write: short at first, since a full pipe may just have a slow reader. */
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 1_000;
/** The longest wait of an exiting process for a reader. */
const MAX_EXIT_WAIT_MS = 2_000;

export class Output {
  readonly #parts: OutputParts;
  #waitingLines: WaitingLine[] = [];
  #waitingBytes = 0;
  /** Part of the first line is written: the rest has to follow before anything else. */
  #isFirstPartlyWritten = false;
  #droppedLines = 0;
  #retryMs = FIRST_RETRY_MS;
  #willRetry = false;

  constructor(parts: OutputParts) {
    this.#parts = parts;
  }

  write(line: string): void {
    this.#add(line);
    this.#flush();
  }

  /**
   * Writes the waiting lines when the process exits, if a reader reads within `maxWaitMs`. @param sleep blocks for the given
   * milliseconds
   */
  flushAtExit(sleep: (ms: number) => void, maxWaitMs: number = MAX_EXIT_WAIT_MS): void {
    this.#addDropNotice();
    for (let waited = 0; this.#writeWaiting() === "busy" && waited < maxWaitMs; waited += FIRST_RETRY_MS)
      sleep(FIRST_RETRY_MS);
  }

  #add(line: string): void {
    // Only once half of the space is free: otherwise a slow reader would get a notice for each line.
    if (this.#droppedLines > 0 && this.#waitingBytes <= MAX_WAITING_BYTES / 2) this.#addDropNotice();
    const bytes = Buffer.from(line);
    if (this.#droppedLines > 0 || this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) this.#droppedLines++;
    else this.#push(bytes, 1);
  }

  #push(bytes: Buffer, lines: number): void {
    this.#waitingLines.push({ bytes, lines });
    this.#waitingBytes += bytes.length;
  }

  #addDropNotice(): void {
    if (this.#droppedLines === 0) return;
    this.#push(Buffer.from(this.#parts.dropNotice(this.#droppedLines)), this.#droppedLines);
    this.#droppedLines = 0;
  }

  #flush(): void {
    if (this.#writeWaiting() !== "written" || this.#droppedLines > 0) this.#retryLater();
  }

  #writeWaiting(): WriteResult {
    for (let first = this.#waitingLines[0]; first !== undefined; first = this.#waitingLines[0]) {
      const state = this.#writeLine(first);
      if (state === "broken") this.#dropWaiting();
      if (state !== "written") return state;
      this.#waitingLines.shift();
      this.#isFirstPartlyWritten = false;
    }
    return "written";
  }

  #writeLine(line: WaitingLine): WriteResult {
    while (line.bytes.length > 0) {
      try {
        const written = this.#parts.write(line.bytes);
        if (written === 0) return "busy";
        line.bytes = line.bytes.subarray(written);
        this.#waitingBytes -= written;
        this.#isFirstPartlyWritten = true;
        this.#retryMs = FIRST_RETRY_MS;
      } catch (error) {
        return isBusy(error) ? "busy" : "broken";
      }
    }
    return "written";
  }

  /** Keeps a partly written line: without its end, the next line would be garbled. */
  #dropWaiting(): void {
    const kept = this.#isFirstPartlyWritten ? this.#waitingLines.slice(0, 1) : [];
    for (const { lines } of this.#waitingLines.slice(kept.length)) this.#droppedLines += lines;
    this.#waitingLines = kept;
    this.#waitingBytes = kept[0]?.bytes.length ?? 0;
  }

  #retryLater(): void {
    if (this.#willRetry) return;
    this.#willRetry = true;
    this.#parts.schedule(() => {
      this.#willRetry = false;
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
      if (this.#waitingBytes <= MAX_WAITING_BYTES / 2) this.#addDropNotice();
      this.#flush();
    }, this.#retryMs);
  }
}

/** Whether the error means a pipe with a full buffer. */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EAGAIN" || code === "EBUSY" || code === "EINTR";
}

// A process has a single standard output and a single standard error, shared by every server in the process.
const outputs = new Map<number, Output>();
// Captured when the file is loaded: a test runner that later replaces the globals must not stop a running server.
const { setTimeout } = globalThis;

/** The output to standard output (1) or standard error (2) of the process. */
export function outputOf(fd: 1 | 2, dropNotice: OutputParts["dropNotice"]): Output {
  const known = outputs.get(fd);
  if (known !== undefined) return known;
  const descriptor = openNonBlocking(fd);
  const output = new Output({
    write: (bytes) => writeSync(descriptor, bytes),
    schedule: (retry, ms) => void setTimeout(retry, ms).unref(),
    dropNotice,
  });
  outputs.set(fd, output);
  process.on("exit", () => output.flushAtExit(sleepSync));
  return output;
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/**
 * A descriptor that answers "busy" (`EAGAIN`) in place of blocking. On Linux, a pipe or terminal is opened a second time, so that only
 * the new descriptor is non-blocking, not the descriptors of other processes. On other systems, and for sockets, Node's own stream
 * makes the descriptor non-blocking.
 */
function openNonBlocking(fd: 1 | 2): number {
  try {
    if (isatty(fd) || fstatSync(fd).isFIFO())
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // There is no /proc here, or the pipe belongs to another user.
  }
  void (fd === 1 ? process.stdout : process.stderr);
  return fd;
}
