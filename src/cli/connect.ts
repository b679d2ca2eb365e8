/**
 * The command `sendall connect <url>`: a WebSocket client in the shell, for people at a terminal and for scripts. Messages go to standard
 * output, everything else to standard error. Uses `sendall/client` without reconnecting: the command exits when the connection closes.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { ABNORMAL, closeCodeText, isNormalEnd } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import type { Client } from "../client/client.js";
import { connect } from "../client/connect.js";
import type { ClientClosing } from "../client/options.js";
import { problemOf } from "../client/socket.js";
import { createClock, type Timer } from "../runtime/clock.js";
import { messageOf } from "../runtime/thrown.js";
import { exitCodeOf, exitWithError, exitWithText, usageError } from "./exit.js";
import { createScreen, type Screen } from "./screen.js";

const USAGE = `Usage: sendall connect <url> [options]

Connects to a WebSocket server. Each line of standard input is sent as a message; each message
that arrives is written to standard output, binary ones in hex. At a terminal it asks for lines
until Ctrl-D or Ctrl-C; of a pipe it sends every line, then waits for answers until none has come
for a while, and closes:

  printf 'a\\nb\\n' | sendall connect ws://127.0.0.1:8080

Options:
  --json                 send only lines that are JSON; indent the JSON that arrives
  --binary               send each line as a binary message, its bytes in UTF-8
  --protocol <name>      offer this subprotocol (may be repeated, in order of preference)
  --header <name:value>  send this header with the handshake (may be repeated)
  --wait <seconds>       how long no message may come or go after the end of a pipe (default: 1)
  -h, --help             show this help

Exit codes: 0 the connection was closed by this side, or by the server with 1000, 1001 or no code;
1 there was none: refused, or no server; 2 the command line is wrong, or a line of a pipe is not
JSON; 3 it was lost; 4 the server closed it with another code; 130, 143 ended by a second signal,
or by one before it was open.
`;

const FLAGS = {
  json: { type: "boolean", default: false },
  binary: { type: "boolean", default: false },
  protocol: { type: "string", multiple: true, default: [] as string[] },
  header: { type: "string", multiple: true, default: [] as string[] },
  wait: { type: "string", default: "1" },
  help: { type: "boolean", short: "h", default: false },
} as const;

const EXIT = { done: 0, notConnected: 1, badInput: 2, lost: 3, closedWithError: 4 } as const;

/** The checked command line of `sendall connect`. */
interface ConnectTask {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly isJson: boolean;
  readonly isBinary: boolean;
  readonly waitMs: number;
}

export async function connectCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) return exitWithText(EXIT.done, USAGE);
  const [url, ...rest] = positionals;
  if (url === undefined) throw connectUsageError("connect needs a URL");
  if (rest.length > 0) throw connectUsageError(`connect takes one URL, got ${positionals.length}`);
  const task: ConnectTask = {
    url,
    protocols: values.protocol,
    headers: readHeaders(values.header),
    isJson: values.json,
    isBinary: values.binary,
    waitMs: readWait(values.wait),
  };
  exitWithText(await new ConnectSession(task).run(), "");
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw connectUsageError(messageOf(error));
  }
}

function connectUsageError(problem: string): SendallError {
  return usageError(problem, "sendall connect --help");
}

/** Repeated headers are joined into a single header, as in HTTP (RFC 9110 section 5.2). */
function readHeaders(lines: readonly string[]): Record<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === "") throw connectUsageError(`--header: expected "name: value", got ${JSON.stringify(line)}`);
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}

function readWait(text: string): number {
  if (!/^\d{1,6}(\.\d+)?$/.test(text))
    throw connectUsageError(`--wait: expected a number of seconds, got ${JSON.stringify(text)}`);
  return Number(text) * 1000;
}

/** A pipe is not read further while more than 1 MiB waits for the network. */
const HIGH_WATER_BYTES = 1_048_576;
/** How often the waiting bytes are checked: the client has no event for a drained socket. */
const POLL_MS = 20;

/** A connection, from the handshake to the exit code. */
class ConnectSession {
  readonly #task: ConnectTask;
  readonly #screen: Screen;
  readonly #client: Client;
  readonly #clock = createClock();
  readonly #closing: Promise<ClientClosing>;
  #quietTimer: Timer | undefined;
  #hasInputEnded = false;
  #hasBadInput = false;
  #signal: "SIGINT" | "SIGTERM" | undefined;
  /** The error of the socket, if a socket error broke the connection. */
  #cause: unknown;

  constructor(task: ConnectTask) {
    this.#task = task;
    const { url, protocols, headers } = task;
    let onClose: (closing: ClientClosing) => void = () => {};
    this.#closing = new Promise((resolve) => {
      onClose = resolve;
    });
    this.#client = connect(url, {
      protocols,
      headers,
      reconnect: false,
      onMessage: (data) => this.#onMessage(data),
      onError: (error) => {
        if (error instanceof SendallError && error.code === "CONNECTION_FAILED") this.#cause = error.cause;
      },
      onClose,
    });
    this.#screen = createScreen({
      onLine: (line) => this.#sendLine(line, "this line"),
      onInterrupt: () => this.#onSignal("SIGINT"),
      onInputClosed: () => void this.#client.close(),
      // The reader of the messages, such as `head`, has closed the pipe.
      onOutputClosed: () => exitWithText(EXIT.done, ""),
    });
  }

  async run(): Promise<number> {
    process.on("SIGINT", () => this.#onSignal("SIGINT")).on("SIGTERM", () => this.#onSignal("SIGTERM"));
    try {
      await this.#client.opened;
    } catch (error) {
      if (this.#signal !== undefined) return exitCodeOf(this.#signal);
      this.#screen.failure(messageOf(error));
      return EXIT.notConnected;
    }
    const { protocol } = this.#client;
    // Before the status line, so that a user who reads "Connected" can type at once. Until now Ctrl-C was a signal from the terminal.
    const isPrompting = this.#screen.startPrompt();
    this.#screen.status(`Connected to ${this.#task.url}${protocol === "" ? "" : ` (${protocol})`}`);
    if (!isPrompting) this.#sendPipe().catch((error) => exitWithError(new Error(`cannot read: ${messageOf(error)}`)));
    const closing = await this.#closing;
    this.#quietTimer?.cancel();
    this.#screen.stop();
    return this.#exitCode(closing);
  }

  async #sendPipe(): Promise<void> {
    let count = 0;
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
      this.#sendLine(line, `line ${++count}`);
      if (this.#client.bufferedAmount > HIGH_WATER_BYTES) await this.#untilDrained();
    }
    this.#hasInputEnded = true;
    this.#restartQuietTimer();
  }

  #sendLine(line: string, name: string): void {
    const problem = this.#task.isJson ? jsonProblem(line) : undefined;
    if (problem === undefined) this.#client.send(this.#task.isBinary ? new TextEncoder().encode(line) : line);
    else {
      this.#hasBadInput = true;
      this.#screen.failure(`${name} is not JSON and was not sent: ${problem}`);
    }
  }

  #untilDrained(): Promise<void> {
    return new Promise((resolve) => {
      const poll = (): void => {
        if (this.#client.bufferedAmount <= HIGH_WATER_BYTES) resolve();
        else this.#clock.after(POLL_MS, poll);
      };
      poll();
    });
  }

  #onMessage(data: string | Uint8Array): void {
    const text = typeof data === "string" ? data : Buffer.from(data).toString("hex");
    this.#screen.message(this.#task.isJson && typeof data === "string" ? indent(text) : text);
    this.#restartQuietTimer();
  }

  /** Closes after a time without messages: a WebSocket has no half-close, and no answer is marked as the last. */
  #restartQuietTimer(): void {
    if (!this.#hasInputEnded) return;
    this.#quietTimer?.cancel();
    this.#quietTimer = this.#clock.after(this.#task.waitMs, () => {
      if (this.#client.bufferedAmount > 0) this.#restartQuietTimer();
      else this.#client.close();
    });
  }

  #onSignal(signal: "SIGINT" | "SIGTERM"): void {
    if (this.#signal !== undefined) process.exit(exitCodeOf(signal));
    this.#signal = signal;
    if (this.#client.state === "open") this.#screen.status(`Closing (${signal} once more leaves at once)`);
    this.#client.close();
  }

  #exitCode({ code, reason, wasClean }: ClientClosing): number {
    const words = [String(code), reason || closeCodeText(code)].join(" ").trimEnd();
    this.#screen.status(wasClean ? `Closed: ${words}` : this.#lossText());
    if (code === ABNORMAL || !wasClean) return EXIT.lost;
    if (!isNormalEnd(code)) return EXIT.closedWithError;
    return this.#hasBadInput && !this.#screen.isInteractive ? EXIT.badInput : EXIT.done;
  }

  /** Names the cause if the socket reported an error. */
  #lossText(): string {
    const lost = "The connection was lost";
    return this.#cause === undefined ? lost : `${lost}: ${problemOf(this.#cause).replace(/\s*\n\s*/g, " ")}`;
  }
}

function jsonProblem(line: string): string | undefined {
  try {
    JSON.parse(line);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Text which is not JSON stays unchanged. */
function indent(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
