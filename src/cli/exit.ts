/** How the `sendall` commands exit: with a text or an error message on an output stream, and an exit code. */
import { constants } from "node:os";
import { SendallError } from "../api/errors.js";
import { isError, messageOf, readProperty } from "../runtime/thrown.js";

export function usageError(problem: string, help = "sendall --help"): SendallError {
  return new SendallError("BAD_OPTION", `${problem} (${help} tells more)`);
}

/** Writes what went wrong as a single line and exits. An error other than a `SendallError` is a bug of Sendall, shown with the stack. */
export function exitWithError(error: unknown): void {
  const isOurs = isError(error) && error instanceof SendallError;
  const stack = isError(error) ? readProperty(error, "stack") : undefined;
  const problem = !isOurs && typeof stack === "string" ? stack : messageOf(error).replace(/\s*\n\s*/g, " ");
  exitWithText(isOurs && error.code === "BAD_OPTION" ? 2 : 1, `sendall: ${problem}\n`);
}

/** The longest time that a text waits for a reader. */
const WRITE_MS = 2_000;

/** Writes to standard output for code 0, otherwise to standard error. */
export function exitWithText(code: number, text: string): void {
  setTimeout(() => process.exit(code), WRITE_MS);
  (code === 0 ? process.stdout : process.stderr).write(text, () => process.exit(code));
}

/** The code that a shell reports for a program ended by a signal. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
