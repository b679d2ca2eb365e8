/**
 * The command `sendall`, started in a shell or, with `PORT` and `HOST`, by a process manager: `sendall serve [file]` serves the handler
 * that a file exports by default, until a signal. Standard output gets a single line with the address; the log and error messages go to
 * standard error. For `sendall connect <url>` see `connect.ts`.
 */
import cluster from "node:cluster";
import { readFileSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SendallError } from "../api/errors.js";
import type { Handler } from "../api/handler.js";
import { workers } from "../cluster/engines/workers.js";
import { createStderrLogger, LOG_LEVELS } from "../log/log.js";
import { checkOf, type OptionRow, type ValueOf } from "../options/kinds.js";
import { serverTable } from "../options/server-options.js";
import { createClock } from "../runtime/clock.js";
import { show } from "../runtime/show.js";
import { isError, messageOf } from "../runtime/thrown.js";
import { serve } from "../server/serve.js";
import type { Server } from "../server/server.js";
import { connectCommand } from "./connect.js";
import { exitWithError, exitWithText, usageError } from "./exit.js";
import { explain, loadHandler } from "./load-handler.js";
import { ProcessShutdown } from "./process-shutdown.js";
import { shutDownWithWatcher, Watcher } from "./watch.js";
import { keepChannelOpen, listenToPrimary, reportStarted, workerPort } from "./worker-process.js";
import { forkWorker, WorkerSupervisor } from "./worker-supervisor.js";

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

/** The checked command line of `sendall serve`. */
interface ServeTask {
  readonly file: string | undefined;
  readonly port: number;
  readonly host: string;
  readonly static: string | undefined;
  readonly sockjs: boolean;
  /** 0: no workers, the server runs in this process. */
  readonly workers: number;
  readonly level: string;
}

export async function main(args: readonly string[]): Promise<void> {
  if (args[0] === "connect") return connectCommand(args.slice(1));
  const { values, positionals } = parse(args);
  if (values.help) return exitWithText(0, USAGE);
  if (values.version) return exitWithText(0, `${readVersion()}\n`);
  const [command, file, ...rest] = positionals;
  if (command === undefined) return exitWithText(2, USAGE);
  if (command !== "serve") throw usageError(`there is no command "${command}"`);
  if (rest.length > 0) throw usageError(`serve takes one file, got ${positionals.length - 1}`);
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
    throw usageError(messageOf(error));
  }
}

/** Checks the command line before anything is loaded, so that `--watch` does not wait for a change after a mistake there. */
function check(flags: Values, file: string | undefined): ServeTask {
  // An empty variable counts as unset: `PORT= command` means so in a shell.
  const { PORT, HOST } = process.env;
  const port = workerPort() ?? flags.port ?? (PORT || "8080");
  const level = flags["log-level"];
  if (!LOG_LEVELS.includes(level))
    throw usageError(`--log-level: expected one of ${LOG_LEVELS.join(", ")}, got ${show(level)}`);
  if (flags.workers !== undefined && flags.watch) throw usageError("--workers: does not go with --watch");
  if (flags.workers !== undefined && flags.sockjs)
    throw usageError("--workers: does not go with --sockjs, whose sessions have to stay in one process");
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
    throw usageError(`--workers: expected a whole number from 1 to 999, or auto, got ${show(given)}`);
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
  if (!accepts(value)) throw usageError(`${name}: expected ${expected}, got ${show(value)}`);
  return value;
}

async function runWorkers(task: ServeTask): Promise<void> {
  const { workers: count, host, port, level } = task;
  const print = (line: string): void => console.log(line);
  const log = createStderrLogger(level);
  const supervisor = new WorkerSupervisor({ count, host, port, clock: createClock(), log, fork: forkWorker, print });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => supervisor.onSignal(signal));
  workers();
  await supervisor.run();
  process.exit(0);
}

/** Runs the command in a child process, and again after each change of a file. */
function watch(args: readonly string[], { file }: ServeTask): void {
  const command = [fileURLToPath(new URL("../cli.js", import.meta.url)), ...args.filter((arg) => arg !== "--watch")];
  new Watcher({ command, file: file === undefined ? undefined : resolve(file), clock: createClock() }).run();
}

async function run(task: ServeTask): Promise<void> {
  const shutdown = new ProcessShutdown();
  if (isWorker(task)) listenToPrimary(shutdown.request);
  else shutdown.listenToSignals();
  shutDownWithWatcher(shutdown.request);
  // `beforeExit` means an empty event loop: the `await` below would wait forever.
  const onStuck = (): void =>
    exitWithError(
      new SendallError(
        "BAD_HANDLER",
        `${task.file} is stuck: the top level or init waits for something that never happens`,
      ),
    );
  process.once("beforeExit", onStuck);
  const handler = task.file === undefined ? echo : await loadHandler(task.file);
  if (isWorker(task)) keepChannelOpen();
  const server = await start(handler, task);
  shutdown.attach(server);
  process.off("beforeExit", onStuck);
  const line = `Listening on ${server.url}${task.static === undefined ? "" : `, pages at ${pageUrl(server)}`}`;
  if (isWorker(task)) reportStarted(line);
  else console.log(line);
  const end = await server.closed;
  if (end.reason === "handler") throw new SendallError("BAD_HANDLER", `the handler failed: ${explain(end.error)}`);
  // Explicit, since timers and sockets of the handler may keep the process alive.
  process.exit(0);
}

function isWorker(task: ServeTask): boolean {
  return task.workers > 0 && cluster.isWorker;
}

const echo: Handler = (event, bus) => {
  if (event.type === "message") bus.unicast(event.data, event.connection);
};

async function start(handler: Handler, task: ServeTask): Promise<Server> {
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
    // The options were checked before, so `init` is the only other source of errors.
    throw new SendallError("BAD_HANDLER", `init of ${file} failed: ${explain(error)}`, { cause: error });
  }
}

function pageUrl(server: Server): string {
  return server.url.replace(/^ws/, "http");
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return version;
}
