/**
 * `sendall serve [file]`: serves what a file exports by default, until a signal. Standard output gets a single line with the address; the
 * log and error messages go to standard error. Started in a shell or, with `PORT` and `HOST`, by a process manager.
 */
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { SendallError } from "../api/errors.js";
import type { Handler } from "../api/handler.js";
import type { ServeOptions } from "../api/serve-options.js";
import { workers } from "../cluster/engines/workers.js";
import { createStderrLogger } from "../log/log.js";
import type { EndpointSource } from "../metrics/endpoint.js";
import { serverTable } from "../options/server-options.js";
import { createClock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { isError } from "../runtime/thrown.js";
import { serve } from "../server/serve.js";
import type { Server } from "../server/server.js";
import { exitWithError, exitWithText, usageError } from "./exit.js";
import { badFile, checkForWorkers, readExport, withFlags } from "./file-options.js";
import { explain, loadFile } from "./load-file.js";
import { explainTakenPort, openMetricsPort, ServerMetrics } from "./metrics-port.js";
import { ProcessShutdown } from "./process-shutdown.js";
import { checkFlags, parseFlags, type ServeTask, USAGE } from "./serve-task.js";
import { shutDownWithWatcher, Watcher } from "./watch.js";
import { answerMeasures, WorkerMetrics } from "./worker-metrics.js";
import { keepChannelOpen, listenToPrimary, reportStarted } from "./worker-process.js";
import { forkWorker, type WorkerHandle, WorkerSupervisor } from "./worker-supervisor.js";

const COMMANDS = "serve, connect or asyncapi";

/** @param args what follows `sendall`: also `--help` and `--version` alone, which belong to no command */
export async function serveCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseFlags(args);
  if (values.help || args.length === 0) return exitWithText(0, USAGE);
  if (values.version) return exitWithText(0, `${readVersion()}\n`);
  const [command, file, ...rest] = positionals;
  if (command === undefined) throw usageError(`expected a command, ${COMMANDS}`);
  if (command !== "serve") throw usageError(`there is no command "${command}": expected ${COMMANDS}`);
  if (rest.length > 0) throw usageError(`serve takes one file, got ${positionals.length - 1}`);
  const task = checkFlags(values, file);
  if (values.watch) watch(args, task);
  else if (task.workers > 0 && cluster.isPrimary) await runWorkers(task);
  else await run(task);
}

async function runWorkers(task: ServeTask): Promise<void> {
  const { workers: count, host = serverTable.host.default, port } = task;
  const [clock, log] = [createClock(), createLog(task)];
  let metricsUrl = "";
  const print = (line: string): void => console.log(line + metricsUrl);
  const fork = (workersPort: number | undefined): WorkerHandle => {
    const worker = forkWorker(workersPort);
    metrics.watch(worker);
    return worker;
  };
  const supervisor = new WorkerSupervisor({ count, host, port, clock, log, fork, print });
  const metrics = new WorkerMetrics(clock, () => supervisor.isStopping);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => supervisor.onSignal(signal));
  metricsUrl = await openPort(task, metrics, log);
  workers();
  if (!supervisor.isStopping) await supervisor.run();
  process.exit(0);
}

/** Opens the port of `--metrics`. @returns the end of the line that says where the server listens */
async function openPort({ metrics: address }: ServeTask, source: EndpointSource, log: Logger): Promise<string> {
  return address === undefined ? "" : `, metrics at ${await openMetricsPort(address, source, log)}`;
}

function createLog({ logLevel, logFormat, workers: count }: ServeTask): Logger {
  return createStderrLogger({ level: logLevel, format: logFormat, hasPid: count > 0 });
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
  const metrics = new ServerMetrics();
  const metricsUrl = isWorker(task) ? "" : await openPort(task, metrics, createLog(task));
  const options = task.file === undefined ? { handler: echo } : readExport(task.file, await loadFile(task.file));
  if (isWorker(task)) keepChannelOpen();
  const complete = optionsOf(options, task);
  const server = await start(complete, task);
  shutdown.attach(server);
  process.off("beforeExit", onStuck);
  const { histograms } = task;
  if (task.metrics !== undefined && isWorker(task)) answerMeasures(server, { histograms });
  else if (task.metrics !== undefined) metrics.attach(server, { histograms });
  const pages = complete.static === undefined ? "" : `, pages at ${pageUrl(server)}`;
  const line = `Listening on ${server.url}${pages}${metricsUrl}`;
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

/** The options of the file, those of the command line, and the logger of the command unless the file has its own. */
function optionsOf(exported: ServeOptions, task: ServeTask): ServeOptions {
  const options = withFlags(exported, task);
  const logger = task.hasLogFlags || options.logger === undefined ? createLog(task) : options.logger;
  if (!isWorker(task)) return { ...options, logger };
  // An adapter of the file joins the workers as well as other machines.
  const complete = { ...options, logger, cluster: options.cluster ?? workers() };
  if (task.file !== undefined) checkForWorkers(task.file, complete);
  return complete;
}

async function start(options: ServeOptions, { file = "", metrics: address }: ServeTask): Promise<Server> {
  try {
    return await serve(options);
  } catch (error) {
    const problem = isError(error) && error instanceof SendallError ? error : undefined;
    if (problem?.code === "LISTEN_FAILED")
      throw explainTakenPort(problem, options.port ?? serverTable.port.default, address);
    if (problem?.code === "CLUSTER_UNAVAILABLE" || problem?.code === "HISTORY_UNAVAILABLE") throw error;
    // Keys and certificates are read only here.
    if (problem?.code === "BAD_OPTION" && /^tls\b/.test(problem.option ?? "")) throw badFile(file, problem.message);
    // The other options were checked before, so `init` is the only other source of errors.
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
