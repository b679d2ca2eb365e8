/**
 * The command `sendall`: `sendall serve [file]` serves the handler that a file exports by default. People start it in a
 * shell, process managers with `PORT` and `HOST`. Standard output has one line, the address; the log and every complaint go
 * to standard error. `sendall connect <url>` is in `cli/connect.ts`.
 */
import { spawnSync } from "node:child_process";
import cluster from "node:cluster";
import { readFileSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { SendallError } from "../api/errors.js";
import type { Handler } from "../api/handler.js";
import { workers } from "../cluster/engines/workers.js";
import { createStderrLogger, LOG_LEVELS } from "../log/log.js";
import { checkOf, type OptionRow, type ValueOf } from "../options/kinds.js";
import { HANDLER_SHAPES, isHandler } from "../options/server-kinds.js";
import { serverTable } from "../options/server-options.js";
import { createClock } from "../runtime/clock.js";
import { show } from "../runtime/show.js";
import { isError, messageOf, readProperty } from "../runtime/thrown.js";
import { serve } from "../server/serve.js";
import type { Server } from "../server/server.js";
import { connectCommand } from "./connect.js";
import { ProcessEnd } from "./ending.js";
import { complain, leave, wrongUsage } from "./exit.js";
import { endWithWatcher, Watcher, watchAlso } from "./watch.js";
import { awaitPrimary, forkWorker, obeyPrimary, tellStarted, Workers, workerPort } from "./workers.js";

const USAGE = `Usage: sendall serve [file] [options]

Serves the handler that file, a JavaScript module, exports by default:
  a function (event, bus), or an object { init, handle, stop? }.
Without a file every message goes back to its sender.

Options:
  --port <number>      where to listen (default: $PORT, or 8080; 0 picks a free port)
  --host <address>     the address to listen on (default: $HOST, or 127.0.0.1)
  --static <folder>    also serve this folder over HTTP
  --sockjs             also speak SockJS, at every path
  --workers <number>   so many processes on one port, or "auto" for one per core; each has its own handler and state
  --log-level <level>  ${LOG_LEVELS.join(", ")} (default: info)
  --watch              restart when the file, or what it imports, changes
  -h, --help           show this help
  -v, --version        show the version

SIGINT and SIGTERM let the handler finish and say goodbye to every client; the second one leaves at once.
Exit codes: 0 after a signal, 1 if something failed, 2 if the command line is wrong.

sendall connect <url> talks to a server; sendall connect --help tells how.
`;

const FLAGS = {
  port: { type: "string" },
  host: { type: "string" },
  static: { type: "string" },
  sockjs: { type: "boolean", default: false },
  workers: { type: "string" },
  "log-level": { type: "string", default: "info" },
  watch: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
  version: { type: "boolean", short: "v", default: false },
} as const;

/** Where our own code lies, for telling it from the user's. */
const OUR_FOLDER = new URL("..", import.meta.url).href;

/** What `sendall serve` was asked to do, checked. */
interface Task {
  readonly file: string | undefined;
  readonly port: number;
  readonly host: string;
  readonly static: string | undefined;
  readonly sockjs: boolean;
  /** 0: all in this process. */
  readonly workers: number;
  readonly level: string;
}

export async function main(args: readonly string[]): Promise<void> {
  if (args[0] === "connect") return connectCommand(args.slice(1));
  const { values, positionals } = parse(args);
  if (values.help) return leave(0, USAGE);
  if (values.version) return leave(0, `${readVersion()}\n`);
  const [command, file, ...rest] = positionals;
  if (command === undefined) return leave(2, USAGE);
  if (command !== "serve") throw wrongUsage(`there is no command "${command}"`);
  if (rest.length > 0) throw wrongUsage(`serve takes one file, got ${positionals.length - 1}`);
  const task = check(values, file);
  if (values.watch) watch(args, task);
  else if (task.workers > 0 && cluster.isPrimary) await runWorkers(task);
  else await run(task);
}

type Values = ReturnType<typeof parse>["values"];

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw wrongUsage(messageOf(error));
  }
}

/** All that can be known before anything is loaded, so that `--watch` does not wait for a command line to change. */
function check(flags: Values, file: string | undefined): Task {
  // An empty variable counts as none: that is what `PORT= command` means in a shell.
  const { PORT, HOST } = process.env;
  const port = workerPort() ?? flags.port ?? (PORT || "8080");
  const level = flags["log-level"];
  if (!LOG_LEVELS.includes(level))
    throw wrongUsage(`--log-level: expected one of ${LOG_LEVELS.join(", ")}, got ${show(level)}`);
  if (flags.workers !== undefined && flags.watch) throw wrongUsage("--workers: does not go with --watch");
  if (flags.workers !== undefined && flags.sockjs)
    throw wrongUsage("--workers: does not go with --sockjs, whose sessions have to stay in one process");
  if (file !== undefined && !isFile(file)) throw new SendallError("BAD_HANDLER", `there is no handler file ${file}`);
  return {
    file,
    port: accept(serverTable.port, flags.port === undefined ? "PORT" : "--port", /^\d+$/.test(port) ? +port : port),
    host: accept(serverTable.host, "--host", flags.host ?? (HOST || serverTable.host.default)),
    static: flags.static === undefined ? undefined : accept(serverTable.static, "--static", flags.static),
    sockjs: flags.sockjs,
    workers: countWorkers(flags.workers),
    level,
  };
}

function countWorkers(given: string | undefined): number {
  if (given === undefined) return 0;
  if (given === "auto") return availableParallelism();
  if (!/^[1-9]\d{0,2}$/.test(given))
    throw wrongUsage(`--workers: expected a whole number from 1 to 999, or auto, got ${show(given)}`);
  return Number(given);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function accept<R extends OptionRow>(row: R, name: string, value: unknown): ValueOf<R> {
  const { expected, accepts } = checkOf(row);
  if (!accepts(value)) throw wrongUsage(`${name}: expected ${expected}, got ${show(value)}`);
  return value;
}

async function runWorkers(task: Task): Promise<void> {
  const { workers: count, host, port, level } = task;
  const print = (line: string): void => console.log(line);
  const log = createStderrLogger(level);
  const all = new Workers({ count, host, port, clock: createClock(), log, fork: forkWorker, print });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => all.signal(signal));
  workers();
  await all.run();
  process.exit(0);
}

/** Runs again after each change, in a process of its own. */
function watch(args: readonly string[], { file }: Task): void {
  const command = [fileURLToPath(new URL("../cli.js", import.meta.url)), ...args.filter((arg) => arg !== "--watch")];
  new Watcher({ command, file: file === undefined ? undefined : resolve(file), clock: createClock() }).run();
}

async function run(task: Task): Promise<void> {
  const ending = new ProcessEnd();
  if (isWorker(task)) obeyPrimary(ending.ask);
  else ending.obeySignals();
  endWithWatcher(ending.ask);
  // The loop has nothing left to do, so what is awaited here can never come.
  const onStuck = (): void =>
    complain(new SendallError("BAD_HANDLER", `${task.file} waits, at its top level or in init, for what cannot come`));
  process.once("beforeExit", onStuck);
  const handler = task.file === undefined ? echo : await loadHandler(task.file);
  if (isWorker(task)) awaitPrimary();
  const server = await start(handler, task);
  ending.drain(server);
  process.off("beforeExit", onStuck);
  const line = `Listening on ${server.url}${task.static === undefined ? "" : `, pages at ${pageUrl(server)}`}`;
  if (isWorker(task)) tellStarted(line);
  else console.log(line);
  const end = await server.closed;
  if (end.reason === "handler") throw new SendallError("BAD_HANDLER", `the handler failed: ${explain(end.error)}`);
  // The handler's own timers and sockets would keep the process alive.
  process.exit(0);
}

function isWorker(task: Task): boolean {
  return task.workers > 0 && cluster.isWorker;
}

const echo: Handler = (event, bus) => {
  if (event.type === "message") bus.unicast(event.data, event.connection);
};

async function start(handler: Handler, task: Task): Promise<Server> {
  const { file, port, host, static: folder, sockjs, level } = task;
  const logger = createStderrLogger(level);
  const joined = isWorker(task) && { cluster: workers() };
  try {
    const folderOf = folder !== undefined && { static: folder };
    return await serve({ handler, port, host, logger, sockjs, ...folderOf, ...joined });
  } catch (error) {
    if (
      isError(error) &&
      error instanceof SendallError &&
      ["LISTEN_FAILED", "CLUSTER_UNAVAILABLE"].includes(error.code)
    )
      throw error;
    // The options are checked, so it is what `init` threw.
    throw new SendallError("BAD_HANDLER", `init of ${file} failed: ${explain(error)}`, { cause: error });
  }
}

function pageUrl(server: Server): string {
  return server.url.replace(/^ws/, "http");
}

async function loadHandler(file: string): Promise<Handler> {
  const { href } = pathToFileURL(resolve(file));
  let module: { readonly default?: unknown };
  try {
    module = await import(href);
  } catch (error) {
    const place = placeOf(error) ?? placeOfSyntaxError(error, href);
    watchAlso([resolve(file), ...(place === undefined ? [] : [place.path])]);
    throw new SendallError("BAD_HANDLER", `cannot load ${file}: ${explain(error, place)}`, { cause: error });
  }
  if (isHandler(module.default)) return module.default;
  const found = "default" in module ? show(module.default) : "no default export";
  throw new SendallError("BAD_HANDLER", `${file} exports no handler: expected ${HANDLER_SHAPES}, got ${found}`);
}

/** A line of the user's code. */
interface Place {
  readonly path: string;
  readonly line: string;
}

/** The first line of code that is not ours in an error's stack. */
function placeOf(error: unknown): Place | undefined {
  const stack = isError(error) ? readProperty(error, "stack") : undefined;
  return typeof stack === "string" ? placeIn(stack) : undefined;
}

/**
 * Node keeps the place of a syntax error in an ES module to itself until the error ends a process: so let it end one. None of
 * the user's code runs there, unless it was an `import()` in the midst of running that failed.
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

/** What went wrong in the user's code and where, in one sentence. */
function explain(error: unknown, place = placeOf(error)): string {
  const isUnknown = isError(error) && readProperty(error, "code") === "ERR_UNKNOWN_FILE_EXTENSION";
  if (isUnknown && /\.[cm]?ts"/.test(messageOf(error)))
    return `Node ${process.version} does not run TypeScript: compile it first, or use Node 22.18 or later`;
  const name = isError(error) ? readProperty(error, "name") : undefined;
  const kind = typeof name === "string" && name !== "Error" ? `${name}: ` : "";
  return `${kind}${messageOf(error)}${place === undefined ? "" : ` (${relative("", place.path)}:${place.line})`}`;
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return version;
}
