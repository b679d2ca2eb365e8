/** How lines of the log look: JSON for programs, or readable for people. The format is chosen once, when a logger is made. */
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";

/** `"json"` is pino's format, `"pretty"` the lines of `readable-line.ts`. */
export type LogFormat = "pretty" | "json";

export const LOG_FORMATS: readonly LogFormat[] = ["pretty", "json"];

/** The variable that chooses the format for the loggers which Sendall makes itself, where no option does. */
const VARIABLE = "SENDALL_LOG_FORMAT";

/** The format that the environment asks for. An empty variable counts as unset. Throws `BAD_OPTION` for an unknown format. */
export function formatOfEnvironment(): LogFormat | undefined {
  const asked = process.env[VARIABLE] || undefined;
  if (asked === undefined) return undefined;
  const format = LOG_FORMATS.find((known) => known === asked);
  if (format !== undefined) return format;
  const problem = `expected ${LOG_FORMATS.join(" or ")}, got ${show(asked)}`;
  throw new SendallError("BAD_OPTION", `${VARIABLE}: ${problem}`, { option: VARIABLE });
}
