/**
 * Loads the file of `sendall serve` or `sendall asyncapi`, and explains an error in the user's code in a single sentence with file and line.
 * The command loads the file once; every message of the command about the user's code goes through `explain`.
 */
import { spawnSync } from "node:child_process";
import { relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { SendallError } from "../api/errors.js";
import { isError, messageOf, readProperty } from "../runtime/thrown.js";
import { reportFiles } from "./watch.js";

/** The folder of Sendall's own code, which `explain` does not blame. */
const OUR_FOLDER = new URL("..", import.meta.url).href;

/** What a file exports is for `file-options.ts` and `asyncapi.ts` to read. */
export interface LoadedModule {
  readonly default?: unknown;
}

/** Throws `BAD_HANDLER` if the file cannot be loaded. */
export async function loadFile(file: string): Promise<LoadedModule> {
  const { href } = pathToFileURL(resolve(file));
  try {
    return await import(href);
  } catch (error) {
    const place = placeOf(error) ?? placeOfSyntaxError(error, href);
    await reportFiles([resolve(file), ...(place === undefined ? [] : [place.path])]);
    throw new SendallError("BAD_HANDLER", `cannot load ${file}: ${explain(error, place)}`, { cause: error });
  }
}

/** A line in the user's code. */
interface Place {
  readonly path: string;
  readonly line: string;
}

/** The topmost line of the user's code in an error's stack. */
function placeOf(error: unknown): Place | undefined {
  const stack = isError(error) ? readProperty(error, "stack") : undefined;
  return typeof stack === "string" ? placeIn(stack) : undefined;
}

/**
 * Node prints the place of a syntax error in an ES module only when the error ends a process: so a child process imports the module
 * again. The child runs none of the user's code, unless the error came from an `import()` of code already running.
 */
function placeOfSyntaxError(error: unknown, href: string): Place | undefined {
  if (!isError(error) || !(error instanceof SyntaxError)) return undefined;
  const command = [...process.execArgv, "--input-type=module", "--eval", `import ${JSON.stringify(href)}`];
  return placeIn(spawnSync(process.execPath, command, { encoding: "utf8", timeout: 10_000 }).stderr);
}

function placeIn(report: string): Place | undefined {
  for (const text of report.split("\n")) {
    const [, at = "", line = ""] = /(?:^|[\s(])((?:file:\/\/|\/|[A-Z]:\\)[^()]*?):(\d+)(?::\d+)?\)?$/.exec(text) ?? [];
    if (line !== "" && !at.startsWith(OUR_FOLDER))
      return { path: at.startsWith("file:") ? fileURLToPath(at) : at, line };
  }
  return undefined;
}

/** Describes an error in the user's code, with file and line, in a single sentence. */
export function explain(error: unknown, place: Place | undefined = placeOf(error)): string {
  const isUnknown = isError(error) && readProperty(error, "code") === "ERR_UNKNOWN_FILE_EXTENSION";
  if (isUnknown && /\.[cm]?ts"/.test(messageOf(error)))
    return `Node ${process.version} does not run TypeScript: compile it first, or use Node 22.18 or later`;
  const name = isError(error) ? readProperty(error, "name") : undefined;
  const kind = typeof name === "string" && name !== "Error" ? `${name}: ` : "";
  return `${kind}${messageOf(error)}${place === undefined ? "" : ` (${relative("", place.path)}:${place.line})`}`;
}
