/** How the command ends when it cannot do what it was asked for: one line, and an exit code. Both `sendall` commands end here. */
import { SendallError, show } from "../errors.js";

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : show(error);
}

export function wrongUsage(problem: string, help = "sendall --help"): SendallError {
  return new SendallError("BAD_OPTION", `${problem} (${help} tells more)`);
}

/** Says in one line what went wrong and ends the process; an error that is not ours is a bug of ours and keeps its stack. */
export function complain(error: unknown): void {
  const isOurs = error instanceof SendallError;
  const problem = isOurs ? error.message.replace(/\s*\n\s*/g, " ") : error instanceof Error ? error.stack : show(error);
  leave(isOurs && error.code === "BAD_OPTION" ? 2 : 1, `sendall: ${problem}\n`);
}

export function leave(code: number, text: string): void {
  (code === 0 ? process.stdout : process.stderr).write(text, () => process.exit(code));
}
