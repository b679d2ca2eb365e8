/**
 * The command line of `sendall serve`: flags, help, and the checks that come before any of the user's code is loaded, so that `--watch`
 * does not wait for a change after a mistake in the command line.
 */
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { SendallError } from "../api/errors.js";
import { formatOfEnvironment, LOG_FORMATS, type LogFormat } from "../log/format.js";
import { LOG_LEVELS } from "../log/log.js";
import { checkOf, type OptionRow, type ValueOf } from "../options/kinds.js";
import { serverTable } from "../options/server-options.js";
import { show } from "../runtime/show.js";
import { usageError } from "./exit.js";
import { explainFlags } from "./explain-flags.js";
import { type MetricsAddress, readMetricsAddress } from "./metrics-port.js";
import { workerPort } from "./worker-process.js";

export const USAGE: string = `Usage: sendall serve [file] [options]

Serves what file, a JavaScript module, exports by default:
  a handler: a function (event, bus), or an object { init, handle, stop? };
  or options of serve: { handler, authorize, ... }, or { routes, ... }.
Without a file every message goes back to its sender.

Options, which come before what the file says:
  --port <number>      where to listen (default: $PORT, or 8080; 0 picks a free port)
  --host <address>     the address to listen on (default: $HOST, or 127.0.0.1)
  --static <folder>    also serve this folder over HTTP
  --client <path>      also serve sendall/client to pages, at this path: /sendall/client.js
  --sockjs             also speak SockJS, at every path
  --workers <number>   this number of processes on one port, or "auto" for one per core; each has its own handler and state
  --metrics <address>  also answer /metrics (for Prometheus), /healthz and /readyz there: 127.0.0.1:9464
  --histograms         also measure how long events wait and the handler takes, for --metrics
  --log-level <level>  ${LOG_LEVELS.join(", ")} (default: info)
  --log-format <name>  pretty (lines for people) or json (default: $SENDALL_LOG_FORMAT, or pretty at a terminal, else json)
  --watch              restart when the file, or what it imports, changes
  -h, --help           show this help
  -v, --version        show the version

SIGINT and SIGTERM let the handler finish and say goodbye to every client; the second one leaves at once.
Exit codes: 0 after a signal, 1 if something failed, 2 if the command line is wrong.

sendall asyncapi <file> describes a protocol as an AsyncAPI document; sendall asyncapi --help tells how.
sendall connect <url> talks to a server; sendall connect --help tells how.
`;

const FLAGS = {
  port: { type: "string" },
  host: { type: "string" },
  static: { type: "string" },
  client: { type: "string" },
  sockjs: { type: "boolean", default: false },
  workers: { type: "string" },
  metrics: { type: "string" },
  histograms: { type: "boolean", default: false },
  "log-level": { type: "string" },
  "log-format": { type: "string" },
  watch: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
  version: { type: "boolean", short: "v", default: false },
} as const;

/** The checked command line of `sendall serve`. `undefined`: the command line says nothing, so the file may. */
export interface ServeTask {
  readonly file: string | undefined;
  readonly port: number | undefined;
  readonly host: string | undefined;
  readonly static: string | undefined;
  readonly client: string | undefined;
  readonly sockjs: boolean;
  /** 0: no workers, the server runs in this process. */
  readonly workers: number;
  /** Where the metrics are. */
  readonly metrics: MetricsAddress | undefined;
  readonly histograms: boolean;
  readonly logLevel: string;
  readonly logFormat: LogFormat;
  /** The command line says how to log, so a logger of the file is left out. */
  readonly hasLogFlags: boolean;
}

/** The flags as given. */
type Flags = ReturnType<typeof parseArgs<{ options: typeof FLAGS }>>["values"];

/** A command line whose words are known, and whose values are unchecked. */
export interface CommandLine {
  readonly values: Flags;
  readonly positionals: readonly string[];
}

export function parseFlags(args: readonly string[]): CommandLine {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw usageError(explainFlags(error, FLAGS));
  }
}

export function checkFlags(flags: Flags, file: string | undefined): ServeTask {
  // An empty variable counts as unset: `PORT= command` means so in a shell.
  const { PORT, HOST } = process.env;
  const port = workerPort() ?? flags.port ?? (PORT || undefined);
  const { "log-level": level, "log-format": format } = flags;
  if (flags.workers !== undefined && flags.watch) throw usageError("--workers: does not go with --watch");
  if (flags.workers !== undefined && flags.sockjs)
    throw usageError(`--workers: does not go with --sockjs, ${ONE_PROCESS}`);
  if (flags.histograms && flags.metrics === undefined)
    throw usageError("--histograms: needs --metrics, which says where to show them");
  if (file !== undefined && !isFile(file)) throw new SendallError("BAD_HANDLER", `there is no handler file ${file}`);
  return {
    file,
    port: accept(serverTable.port, flags.port === undefined ? "PORT" : "--port", numberIn(port)),
    host: accept(serverTable.host, flags.host === undefined ? "HOST" : "--host", flags.host ?? (HOST || undefined)),
    static: accept(serverTable.static, "--static", flags.static),
    client: accept(serverTable.client, "--client", flags.client),
    sockjs: flags.sockjs,
    workers: countWorkers(flags.workers),
    metrics: readMetricsAddress(flags.metrics),
    histograms: flags.histograms,
    logLevel: oneOf(LOG_LEVELS, "--log-level", level) ?? "info",
    logFormat: oneOf(LOG_FORMATS, "--log-format", format) ?? formatOfEnvironment() ?? formatOfTerminal(),
    hasLogFlags: level !== undefined || format !== undefined,
  };
}

/** Why workers cannot speak SockJS. */
export const ONE_PROCESS = "whose sessions have to stay in one process";

function formatOfTerminal(): LogFormat {
  return process.stderr.isTTY ? "pretty" : "json";
}

function oneOf<T extends string>(words: readonly T[], flag: string, given: string | undefined): T | undefined {
  if (given === undefined) return undefined;
  const known = words.find((word) => word === given);
  if (known === undefined) throw usageError(`${flag}: expected one of ${words.join(", ")}, got ${show(given)}`);
  return known;
}

function numberIn(text: string | undefined): unknown {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

function accept<R extends OptionRow>(row: R, name: string, value: unknown): ValueOf<R> | undefined {
  if (value === undefined) return undefined;
  const { expected, accepts } = checkOf(row);
  if (!accepts(value)) throw usageError(`${name}: expected ${expected}, got ${show(value)}`);
  return value;
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
