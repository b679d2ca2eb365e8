/** Logs: the only importer of pino. `server.ts` makes one logger per server and hands it down. */
import { pino } from "pino";
import type { Logger } from "./contracts.js";

const silent: Logger = { level: "silent", debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** The logger of one server: the given pino logger, a new one at `info`, or one that says nothing (`false`). */
export function createLogger(option: Logger | false | undefined, name: string): Logger {
  if (option === false) return silent;
  return option === undefined ? pino({ name, level: "info" }) : option.child({ name });
}

/** Asked before a line for each event is put together. */
export function isDebugging(log: Logger): boolean {
  return log.level === "debug" || log.level === "trace";
}

/** The words for a logger's `level`, the chattiest first. */
export const LOG_LEVELS: readonly string[] = [...Object.keys(pino.levels.values), "silent"];

/** For a program whose standard output is its own: lines go to standard error, at once, so that none is lost at its exit. */
export function createStderrLogger(level: string): Logger {
  return pino({ level }, pino.destination({ dest: 2, sync: true }));
}
