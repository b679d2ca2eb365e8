/**
 * Logs: the only importer of pino. `server.ts` makes one logger per server and hands it down. All of them are guarded: no line
 * costs more than itself, whatever is told in it and whatever the user's logger does.
 */
import { hostname } from "node:os";
import { pino } from "pino";
import type { LevelSource, Logger } from "../runtime/logger.js";
import { isPromiseLike } from "../runtime/promises.js";
import { tellDetails, tellPlainly } from "./excerpt.js";
import { type Output, outputOf } from "./output.js";

const silent: Logger = { level: "silent", debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** The logger of one server: the given pino logger, a new one at `info`, or one that says nothing (`false`). */
export function createLogger(option: Logger | false | undefined, name: string): Logger {
  if (option === false) return silent;
  return option === undefined ? new Guarded(createPino(1, { name, level: "info" })) : guard(option).child({ name });
}

/**
 * Where the level of a logger is read for each event and frame; a program may change the level at any time. The level of a pino logger
 * is read without the guard, since pino does not throw there.
 */
export function levelOf(log: Logger): LevelSource {
  return log instanceof Guarded ? log.levelSource : log;
}

/** The words for a logger's `level`, the chattiest first. */
export const LOG_LEVELS: readonly string[] = [...Object.keys(pino.levels.values), "silent"];

/** For a program whose standard output is its own: lines go to standard error. */
export function createStderrLogger(level: string): Logger {
  return new Guarded(createPino(2, { level }));
}

function createPino(fd: 1 | 2, options: { readonly name?: string; readonly level: string }): Logger {
  // Where somebody has replaced the stream's `write`, to capture what is printed, lines go there, as pino has it.
  if (fd === 1 && process.stdout.write !== Reflect.get(process.stdout.constructor.prototype, "write"))
    return pino(options, process.stdout);
  const output: Output = outputOf(fd, notice);
  return pino(options, output);
}

/** The line for those that are missing, in pino's form. */
function notice(dropped: number): string {
  const { pid } = process;
  const msg = "lines of the log are lost: they could not be written";
  return `${JSON.stringify({ level: 40, time: Date.now(), pid, hostname: hostname(), name: "sendall", dropped, msg })}\n`;
}

type Level = "debug" | "info" | "warn" | "error";

/**
 * The one door to a logger of pino's or the user's. What it throws ends here; a line whose details it cannot read is written
 * again with what can be said of them. Details are cut, so that no peer decides how long a line is.
 */
class Guarded implements Logger {
  readonly #logger: Logger;
  readonly levelSource: LevelSource;
  /** Lines that the logger has thrown at, since it last took one. */
  #lost = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.levelSource = isPino(logger) ? logger : this;
  }

  /** The program may change it at any time. */
  get level(): string {
    try {
      return this.#logger.level;
    } catch {
      return "info";
    }
  }

  debug(details: object, line: string): void {
    this.#tell("debug", details, line);
  }
  info(details: object, line: string): void {
    this.#tell("info", details, line);
  }
  warn(details: object, line: string): void {
    this.#tell("warn", details, line);
  }
  error(details: object, line: string): void {
    this.#tell("error", details, line);
  }

  child(bindings: Record<string, unknown>): Logger {
    try {
      return new Guarded(this.#logger.child(bindings));
    } catch {
      return this;
    }
  }

  #tell(level: Level, details: object, line: string): void {
    const isWritten =
      this.#write(level, tellDetails(details), line) ||
      this.#write(level, tellPlainly(details), line) ||
      this.#write(level, {}, line);
    if (!isWritten) this.#lost++;
    else if (this.#lost > 0) this.#tellLost();
  }

  /** @returns `false` if the logger has thrown */
  #write(level: Level, details: object, line: string): boolean {
    try {
      // A logger is not asked to return anything; one that is an async function may reject.
      const result: unknown = this.#logger[level](details, line);
      if (isPromiseLike(result)) result.then(undefined, () => this.#lost++);
      return true;
    } catch {
      return false;
    }
  }

  #tellLost(): void {
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

function guard(logger: Logger): Guarded {
  return logger instanceof Guarded ? logger : new Guarded(logger);
}
