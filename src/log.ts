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
