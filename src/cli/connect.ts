/**
 * The command `sendall connect <url>`: a client in the shell, for people at a terminal and for scripts. Messages go to standard
 * output, all else to standard error. It runs on `sendall/client`, without its reconnecting: a tool ends with its connection.
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
import { complain, leave, wrongUsage } from "./exit.js";
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

/** What `sendall connect` was asked to do, checked. */
interface Task {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly isJson: boolean;
  readonly isBinary: boolean;
  readonly waitMs: number;
}

export async function connectCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) return leave(EXIT.done, USAGE);
  const [url, ...rest] = positionals;
  if (url === undefined) throw misuse("connect needs a URL");
  if (rest.length > 0) throw misuse(`connect takes one URL, got ${positionals.length}`);
  const task: Task = {
    url,
    protocols: values.protocol,
    headers: readHeaders(values.header),
    isJson: values.json,
    isBinary: values.binary,
    waitMs: readWait(values.wait),
  };
  leave(await new Talk(task).run(), "");
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw misuse(messageOf(error));
  }
}

function misuse(problem: string): SendallError {
  return wrongUsage(problem, "sendall connect --help");
}

/** Headers of one name are one header, as HTTP has it (RFC 9110 section 5.2). */
function readHeaders(lines: readonly string[]): Record<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === "") throw misuse(`--header: expected "name: value", got ${JSON.stringify(line)}`);
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}

function readWait(text: string): number {
  if (!/^\d{1,6}(\.\d+)?$/.test(text))
    throw misuse(`--wait: expected a number of seconds, got ${JSON.stringify(text)}`);
  return Number(text) * 1000;
}

/** So many bytes may wait for the network before no more is read from a pipe. */
const HIGH_WATER_BYTES = 1_048_576;
/** How often to look whether they have left: a socket of a client does not say. */
const LOOK_MS = 20;

/** One connection, from dialling to the exit code. */
class Talk {
  readonly #task: Task;
  readonly #screen: Screen;
  readonly #client: Client;
  readonly #clock = createClock();
  readonly #closing: Promise<ClientClosing>;
  #quiet: Timer | undefined;
  #hasInputEnded = false;
  #hasBadInput = false;
  #signal: "SIGINT" | "SIGTERM" | undefined;
  /** What the connection broke by, if its socket has said so. */
  #cause: unknown;

  constructor(task: Task) {
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
      onLeave: () => this.#onSignal("SIGINT"),
      onEnd: () => void this.#client.close(),
      // Whoever read the messages has had enough.
      onBroken: () => leave(EXIT.done, ""),
    });
  }

  async run(): Promise<number> {
    process.on("SIGINT", () => this.#onSignal("SIGINT")).on("SIGTERM", () => this.#onSignal("SIGTERM"));
    try {
      await this.#client.opened;
    } catch (error) {
      if (this.#signal !== undefined) return signalCode(this.#signal);
      this.#screen.failure(messageOf(error));
      return EXIT.notConnected;
    }
    const { protocol } = this.#client;
    // First, so that whoever reads that we are connected can type: before, Ctrl-C was the terminal's, and a signal.
    const isAsking = this.#screen.ask();
    this.#screen.status(`Connected to ${this.#task.url}${protocol === "" ? "" : ` (${protocol})`}`);
    if (!isAsking) this.#sendPipe().catch((error) => complain(new Error(`cannot read: ${messageOf(error)}`)));
    const closing = await this.#closing;
    this.#quiet?.cancel();
    this.#screen.stop();
    return this.#exitCode(closing);
  }

  async #sendPipe(): Promise<void> {
    let count = 0;
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
      this.#sendLine(line, `line ${++count}`);
      if (this.#client.bufferedAmount > HIGH_WATER_BYTES) await this.#drained();
    }
    this.#hasInputEnded = true;
    this.#awaitQuiet();
  }

  #sendLine(line: string, name: string): void {
    const problem = this.#task.isJson ? jsonProblem(line) : undefined;
    if (problem === undefined) this.#client.send(this.#task.isBinary ? new TextEncoder().encode(line) : line);
    else {
      this.#hasBadInput = true;
      this.#screen.failure(`${name} is not JSON and was not sent: ${problem}`);
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#client.bufferedAmount <= HIGH_WATER_BYTES) resolve();
        else this.#clock.after(LOOK_MS, look);
      };
      look();
    });
  }

  #onMessage(data: string | Uint8Array): void {
    const text = typeof data === "string" ? data : Buffer.from(data).toString("hex");
    this.#screen.message(this.#task.isJson && typeof data === "string" ? indent(text) : text);
    this.#awaitQuiet();
  }

  /** A WebSocket has no half-close, and no answer says that it is the last: only silence does. */
  #awaitQuiet(): void {
    if (!this.#hasInputEnded) return;
    this.#quiet?.cancel();
    this.#quiet = this.#clock.after(this.#task.waitMs, () => {
      if (this.#client.bufferedAmount > 0) this.#awaitQuiet();
      else this.#client.close();
    });
  }

  #onSignal(signal: "SIGINT" | "SIGTERM"): void {
    if (this.#signal !== undefined) process.exit(signalCode(signal));
    this.#signal = signal;
    if (this.#client.state === "open") this.#screen.status(`Closing (${signal} once more leaves at once)`);
    this.#client.close();
  }

  #exitCode({ code, reason, wasClean }: ClientClosing): number {
    const words = [String(code), reason || closeCodeText(code)].join(" ").trimEnd();
    this.#screen.status(wasClean ? `Closed: ${words}` : this.#loss());
    if (code === ABNORMAL || !wasClean) return EXIT.lost;
    if (!isNormalEnd(code)) return EXIT.closedWithError;
    return this.#hasBadInput && !this.#screen.isInteractive ? EXIT.badInput : EXIT.done;
  }

  /** A socket that ends without a word has no cause. */
  #loss(): string {
    const lost = "The connection was lost";
    return this.#cause === undefined ? lost : `${lost}: ${problemOf(this.#cause).replace(/\s*\n\s*/g, " ")}`;
  }
}

/** What a shell reports for a program that a signal ended. */
function signalCode(signal: "SIGINT" | "SIGTERM"): number {
  return signal === "SIGINT" ? 130 : 143;
}

function jsonProblem(line: string): string | undefined {
  try {
    JSON.parse(line);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Text that is not JSON stays as it is. */
function indent(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
