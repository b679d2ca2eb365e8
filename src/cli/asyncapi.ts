/**
 * The command `sendall asyncapi <file>`: describes the protocol that a file exports as an AsyncAPI document. Standard output gets the
 * document alone; warnings, and what the file prints, go to standard error.
 */
import { Console } from "node:console";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, parse as parsePath, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SendallError } from "../api/errors.js";
import { type AsyncApiOptions, createDocument, isProtocol, readOptions } from "../asyncapi/asyncapi.js";
import { isRecord } from "../options/kinds.js";
import type { Protocol } from "../protocol/protocol.js";
import { messageOf } from "../runtime/thrown.js";
import { exitWithError, exitWithText, usageError } from "./exit.js";
import { explainFlags } from "./explain-flags.js";
import { loadFile } from "./load-file.js";

const USAGE = `Usage: sendall asyncapi <file> [options]

Describes the protocol of a file, a JavaScript or TypeScript module, as an AsyncAPI 3.1 document in JSON: the
protocol that the file exports by default, or the only protocol that the file exports. Operations are seen from
the server, which receives what clients send.

Options:
  --out <file>      write the document to this file (default: to standard output)
  --title <text>    the name of the interface (default: the name of the file)
  --version <text>  the version of the interface (default: the version in the nearest package.json, or 0.0.0)
  --path <path>     the path that speaks the protocol, as in routes (default: /)
  -h, --help        show this help

Standard error names each payload whose schema has no JSON Schema; such a payload is described as {}.
Exit codes: 0 the document is written; 1 the file cannot be loaded, or has no protocol; 2 the command line is
wrong, or the document cannot be written.
`;

const FLAGS = {
  out: { type: "string" },
  title: { type: "string" },
  version: { type: "string" },
  path: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

interface AsyncApiTask {
  readonly file: string;
  readonly out: string | undefined;
  readonly options: AsyncApiOptions;
}

export async function asyncapiCommand(args: readonly string[]): Promise<void> {
  const task = readTask(args);
  if (task === undefined) return exitWithText(0, USAGE);
  const { file, out, options } = task;
  globalThis.console = new Console(process.stderr);
  const protocol = await loadProtocol(file);
  const warn = (text: string): void => void process.stderr.write(`sendall: ${file}: ${text}\n`);
  const text = `${JSON.stringify(createDocument(protocol, options, warn), null, 2)}\n`;
  if (out === undefined) printAndExit(text);
  else {
    write(out, text);
    exitWithText(0, `Wrote ${out}\n`);
  }
}

function asyncapiUsageError(problem: string): SendallError {
  return usageError(problem, "sendall asyncapi --help");
}

type Parsed = ReturnType<typeof parseArgs<{ options: typeof FLAGS; allowPositionals: true }>>;

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw asyncapiUsageError(explainFlags(error, FLAGS));
  }
}

/** @returns `undefined` if the command line asks for help. Throws `BAD_OPTION`, and `BAD_HANDLER` for a file that does not exist */
function readTask(args: readonly string[]): AsyncApiTask | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [file, ...rest] = positionals;
  if (file === undefined) throw asyncapiUsageError("asyncapi needs a file");
  if (rest.length > 0) throw asyncapiUsageError(`asyncapi takes one file, got ${positionals.length}`);
  const { out, title = parsePath(file).name, version = versionNear(file), path } = values;
  if (out === "") throw asyncapiUsageError("--out: expected the path of a file");
  const options = { title, version, ...(path !== undefined && { path }) };
  try {
    readOptions(options);
  } catch (error) {
    throw asyncapiUsageError(`--${messageOf(error)}`);
  }
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new SendallError("BAD_HANDLER", `there is no file ${file}`);
  return { file, out, options };
}

/** The version of the package that the file belongs to. */
function versionNear(file: string): string {
  const { root } = parsePath(resolve(file));
  for (let folder = dirname(resolve(file)); ; folder = dirname(folder)) {
    try {
      const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (typeof version === "string" && version !== "") return version;
    } catch {
      // No package.json here: the package may begin further up.
    }
    if (folder === root) return "0.0.0";
  }
}

async function loadProtocol(file: string): Promise<Protocol> {
  // An empty event loop: the `await` would wait forever, and the process end without a word.
  const onStuck = (): void =>
    exitWithError(
      new SendallError("BAD_HANDLER", `${file} is stuck: the top level waits for something that never happens`),
    );
  process.once("beforeExit", onStuck);
  const exported: Readonly<Record<string, unknown>> = { ...(await loadFile(file)) };
  process.off("beforeExit", onStuck);
  return findProtocol(file, exported);
}

function findProtocol(file: string, exported: Readonly<Record<string, unknown>>): Protocol {
  // Of a file in CommonJS the default is the object of exports, in which Node may not have found the names.
  const inner = isRecord(exported.default) ? exported.default : {};
  const byDefault = [exported.default, inner.default].find(isProtocol);
  if (byDefault !== undefined) return byDefault;
  const all = { ...inner, ...exported };
  const found = new Map<Protocol, string>();
  for (const [name, value] of Object.entries(all)) if (isProtocol(value) && !found.has(value)) found.set(value, name);
  const [protocol, ...more] = found.keys();
  if (protocol === undefined) {
    const names = Object.keys(exported).join(", ") || "nothing";
    throw new SendallError(
      "BAD_HANDLER",
      `${file} exports no protocol: expected what protocol() of sendall/protocol returns; the file exports ${names}`,
    );
  }
  if (more.length > 0)
    throw new SendallError(
      "BAD_HANDLER",
      `${file} exports several protocols, ${[...found.values()].join(", ")}: expected a single protocol, or the default export to say which`,
    );
  return protocol;
}

function write(out: string, text: string): void {
  try {
    writeFileSync(out, text);
  } catch (error) {
    throw asyncapiUsageError(`--out: cannot write ${out}: ${messageOf(error)}`);
  }
}

/** Waits for a slow reader, such as a pager; a reader that has gone, such as `head`, wants no more. */
function printAndExit(text: string): void {
  process.stdout.on("error", () => process.exit(0));
  process.stdout.write(text, () => process.exit(0));
}
