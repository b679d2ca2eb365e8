/** How the command ends when it cannot do what it was asked for: one line, and an exit code. Both `sendall` commands end here. */
import { SendallError } from "../api/errors.js";
import { isError, messageOf, readProperty } from "../runtime/thrown.js";

export function wrongUsage(problem: string, help = "sendall --help"): SendallError {
  return new SendallError("BAD_OPTION", `${problem} (${help} tells more)`);
}

/** Says in one line what went wrong and ends the process; an error that is not ours is a bug of ours and keeps its stack. */
export function complain(error: unknown): void {
  const isOurs = isError(error) && error instanceof SendallError;
  const stack = isError(error) ? readProperty(error, "stack") : undefined;
  const problem = !isOurs && typeof stack === "string" ? stack : messageOf(error).replace(/\s*\n\s*/g, " ");
  leave(isOurs && error.code === "BAD_OPTION" ? 2 : 1, `sendall: ${problem}\n`);
}

/** So long the last words wait for a reader. */
const LAST_WORDS_MS = 2_000;

export function leave(code: number, text: string): void {
  setTimeout(() => process.exit(code), LAST_WORDS_MS);
  (code === 0 ? process.stdout : process.stderr).write(text, () => process.exit(code));
}
