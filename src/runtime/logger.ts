/** The contract of a logger, which the option `logger` takes and every room writes to. */

/** The methods that Sendall calls on a logger; every pino logger has them. Details are cut, so that a line has about 2 KB at most. */
export interface Logger {
  /** The lowest level that is written: at `"debug"` each frame is logged, too. */
  readonly level: string;
  /** Each event and each frame. */
  debug(details: object, line: string): void;
  /** The server's life, connections opened and closed, upgrades refused. */
  info(details: object, line: string): void;
  /** Slow consumers, slow handlers, refused origins, connections lost. */
  warn(details: object, line: string): void;
  /** Failures of the handler. */
  error(details: object, line: string): void;
  /** A logger whose lines carry the bindings, too. */
  child(bindings: Record<string, unknown>): Logger;
}

/** What tells the level of a logger, at the time. */
export type LevelSource = Pick<Logger, "level">;

/** Whether events and frames are logged one by one. Asked twice for each message, so no table is looked up. */
export function logsEachEvent({ level }: LevelSource): boolean {
  return level === "debug" || level === "trace";
}
