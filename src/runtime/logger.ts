/** What Sendall asks of a logger. */

/** What Sendall asks of a logger; every pino logger has it. Details are cut, so that a line has about 2 KB at most. */
export interface Logger {
  /** The least of the levels that are written: at `"debug"` each frame is logged, too. */
  readonly level: string;
  /** Each event and each frame. */
  debug(details: object, line: string): void;
  /** The server's life, connections opened and closed, upgrades refused. */
  info(details: object, line: string): void;
  /** Slow consumers, slow handlers, refused origins, connections lost. */
  warn(details: object, line: string): void;
  /** Failures of the handler. */
  error(details: object, line: string): void;
  /** A logger whose lines carry these bindings, too. */
  child(bindings: Record<string, unknown>): Logger;
}

/** What tells the level of a logger, at the time. */
export type LevelSource = Pick<Logger, "level">;

/** The levels at which events and frames are logged one by one. */
export const EACH_EVENT: ReadonlySet<string> = new Set(["trace", "debug"]);
