/**
 * Loggers, made with pino; no other file imports pino. Each server has a logger, and the command has a logger for standard error. Every
 * logger is guarded: a failure costs a single line, whatever the details are and whatever the user's logger does.
 */
import { hostname } from "node:os";
import { pino } from "pino";
import type { LevelSource, Logger } from "../runtime/logger.js";
import { isPromiseLike } from "../runtime/promises.js";
import { copyDetails, shortenDetails } from "./excerpt.js";
import { formatOfEnvironment, type LogFormat } from "./format.js";
import { outputOf } from "./output.js";
import { readableLine } from "./readable-line.js";

const silent: Logger = { level: "silent", debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/**
 * Makes the logger of a server: the given pino logger, a new pino logger at `info`, or a silent logger (`false`). Throws `BAD_OPTION` if
 * the environment asks for an unknown format.
 */
export function createLogger(option: Logger | false | undefined, name: string): Logger {
  if (option === false) return silent;
  return option === undefined
    ? new GuardedLogger(createPino(1, { name, level: "info" }, formatterOf(1, formatOfEnvironment() ?? "json")))
    : guard(option).child({ name });
}

/**
 * Where the level of a logger is read for each event and frame; a program may change the level at any time. The level of a pino logger
 * is read without the guard, since pino does not throw there.
 */
export function levelOf(log: Logger): LevelSource {
  return log instanceof GuardedLogger ? log.levelSource : log;
}

/** The values of a logger's `level`, from most to fewest lines. */
export const LOG_LEVELS: readonly string[] = [...Object.keys(pino.levels.values), "silent"];

/** How the logger of the command writes to standard error. */
export interface StderrLogStyle {
  readonly level: string;
  readonly format: LogFormat;
  /** Whether readable lines name their process; JSON lines always do. */
  readonly hasPid: boolean;
}

/** Makes a logger that writes to standard error, for a program that needs standard output for itself. */
export function createStderrLogger({ level, format, hasPid }: StderrLogStyle): Logger {
  return new GuardedLogger(createPino(2, { level }, formatterOf(2, format, hasPid)));
}

type Formatter = (json: string) => string;

function formatterOf(fd: 1 | 2, format: LogFormat, hasPid = false): Formatter {
  if (format === "json") return (json) => json;
  const stream = fd === 1 ? process.stdout : process.stderr;
  const style = { hasColors: stream.isTTY === true && stream.hasColors(), hasPid };
  return (json) => readableLine(json, style);
}

function createPino(fd: 1 | 2, options: { readonly name?: string; readonly level: string }, format: Formatter): Logger {
  // If the program has replaced the stream's `write` to capture output, lines go there, as with pino's defaults.
  const isCaptured = fd === 1 && process.stdout.write !== Reflect.get(process.stdout.constructor.prototype, "write");
  const output = isCaptured ? process.stdout : outputOf(fd, (dropped) => format(dropNotice(dropped)));
  return pino(options, { write: (json: string) => void output.write(format(json)) });
}

/** The line that stands for dropped lines, in pino's form. */
function dropNotice(dropped: number): string {
  const { pid } = process;
  const msg = "lines of the log are lost: they could not be written";
  return `${JSON.stringify({ level: 40, time: Date.now(), pid, hostname: hostname(), name: "sendall", dropped, msg })}\n`;
}

type Level = "debug" | "info" | "warn" | "error";

/**
 * Wraps pino's or the user's logger. Throws of the logger end here; a line with details that the logger cannot read is written again with
 * readable copies. Details are cut, so that no peer decides how long a line is.
 */
class GuardedLogger implements Logger {
  readonly #logger: Logger;
  readonly levelSource: LevelSource;
  /** Lines that the logger has thrown at, since it last took one. */
  #lost = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.levelSource = isPino(logger) ? logger : this;
  }

  /** Read each time: the program may change the level at any time. */
  get level(): string {
    try {
      return this.#logger.level;
    } catch {
      return "info";
    }
  }

  debug(details: object, line: string): void {
    this.#log("debug", details, line);
  }
  info(details: object, line: string): void {
    this.#log("info", details, line);
  }
  warn(details: object, line: string): void {
    this.#log("warn", details, line);
  }
  error(details: object, line: string): void {
    this.#log("error", details, line);
  }

  child(bindings: Record<string, unknown>): Logger {
    try {
      return new GuardedLogger(this.#logger.child(bindings));
    } catch {
      return this;
    }
  }

  #log(level: Level, details: object, line: string): void {
    const isWritten =
      this.#write(level, shortenDetails(details), line) ||
      this.#write(level, copyDetails(details), line) ||
      this.#write(level, {}, line);
    if (!isWritten) this.#lost++;
    else if (this.#lost > 0) this.#reportLost();
  }

  /** @returns `false` if the logger has thrown */
  #write(level: Level, details: object, line: string): boolean {
    try {
      // The result of a logger is ignored, but the promise of an async logger may reject.
      const result: unknown = this.#logger[level](details, line);
      if (isPromiseLike(result)) result.then(undefined, () => this.#lost++);
      return true;
    } catch {
      return false;
    }
  }

  #reportLost(): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (!this.#write("warn", { dropped: lost }, "lines of the log are lost: the logger has thrown")) this.#lost = lost;
  }
}

/** A proxy may throw when it is asked for a property. */
function isPino(logger: Logger): boolean {
  try {
    return pino.symbols.streamSym in logger;
  } catch {
    return false;
  }
}

function guard(logger: Logger): GuardedLogger {
  return logger instanceof GuardedLogger ? logger : new GuardedLogger(logger);
}
