/**
 * The command `sendall connect <url>`: a WebSocket client in the shell, for people at a terminal and for scripts. Messages go to standard
 * output, everything else to standard error. Uses `sendall/client` without reconnecting: the command exits when the connection closes.
 */
import { createInterface } from "node:readline";
import { ABNORMAL, closeCodeText, isNormalEnd } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import type { Client } from "../client/client.js";
import { connect } from "../client/connect.js";
import { problemOf } from "../client/node-socket.js";
import type { ClientClosing } from "../client/options.js";
import { createClock, type Timer } from "../runtime/clock.js";
import { messageOf } from "../runtime/thrown.js";
import { type ConnectTask, readTask, USAGE } from "./connect-task.js";
import { certificateHint, Dialer } from "./dialer.js";
import { exitCodeOf, exitWithError, exitWithText } from "./exit.js";
import { COMMAND_HELP, type PromptCommand, readCommand } from "./prompt-command.js";
import { createScreen, type Screen } from "./screen.js";

const EXIT = { done: 0, notConnected: 1, badInput: 2, lost: 3, closedWithError: 4 } as const;

export async function connectCommand(args: readonly string[]): Promise<void> {
  const task = readTask(args);
  if (task === undefined) exitWithText(EXIT.done, USAGE);
  else exitWithText(await new ConnectSession(task).run(), "");
}

interface Ending {
  readonly code: number;
  readonly reason: string;
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
  readonly #dialer: Dialer;
  readonly #clock = createClock();
  readonly #closing: Promise<ClientClosing>;
  /** How the connection began: `"plain"`, or what the server says of the session. */
  #why = "";
  #quietTimer: Timer | undefined;
  #hasInputEnded = false;
  #hasBadInput = false;
  /** How the user wants to close. */
  #ending: Ending | undefined;
  #signal: "SIGINT" | "SIGTERM" | undefined;
  /** The error of the socket, if a socket error broke the connection. */
  #cause: unknown;

  constructor(task: ConnectTask) {
    this.#task = task;
    const { url, protocols, isSession } = task;
    this.#dialer = new Dialer(task, (roundTripMs) => this.#onPong(roundTripMs));
    let onClose: (closing: ClientClosing) => void = () => {};
    this.#closing = new Promise((resolve) => {
      onClose = resolve;
    });
    this.#client = connect(url, {
      protocols,
      session: isSession,
      WebSocket: this.#dialer.socketClass,
      reconnect: false,
      onOpen: ({ why }) => {
        this.#why = why;
      },
      onMessage: (data) => this.#onMessage(data),
      onError: (error) => {
        if (error instanceof SendallError && error.code === "CONNECTION_FAILED") this.#cause = error.cause;
      },
      onClose,
    });
    this.#screen = createScreen({
      onLine: (line) => this.#onLine(line, "this line"),
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
      // The client names its option.
      const problem = messageOf(error).replace("needs session: false", "is spoken to without --session");
      this.#screen.failure(`${problem}${certificateHint(this.#cause)}`);
      return EXIT.notConnected;
    }
    const session = this.#task.isSession ? `session: ${this.#why}` : "";
    const names = [this.#client.protocol, session].filter((name) => name !== "");
    // Before the status line, so that a user who reads "Connected" can type at once. Until now Ctrl-C was a signal from the terminal.
    const isPrompting = this.#screen.startPrompt();
    this.#screen.status(`Connected to ${this.#task.url}${names.length === 0 ? "" : ` (${names.join(", ")})`}`);
    if (!isPrompting) this.#sendPipe().catch((error) => exitWithError(new Error(`cannot read: ${messageOf(error)}`)));
    const closing = await this.#closing;
    this.#quietTimer?.cancel();
    this.#screen.stop();
    return this.#exitCode(closing);
  }

  async #sendPipe(): Promise<void> {
    let count = 0;
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
      this.#onLine(line, `line ${++count}`);
      if (this.#ending !== undefined) break;
      if (this.#client.bufferedAmount > HIGH_WATER_BYTES) await this.#untilDrained();
    }
    this.#hasInputEnded = true;
    this.#restartQuietTimer();
  }

  /** @param name how an error names the line */
  #onLine(line: string, name: string): void {
    const { hasCommands } = this.#task;
    this.#obey(hasCommands || this.#screen.isInteractive ? readCommand(line) : { type: "send", text: line }, name);
  }

  #obey(command: PromptCommand, name: string): void {
    switch (command.type) {
      case "send":
        this.#send(command.text, name);
        break;
      case "ping":
        this.#dialer.ping();
        break;
      case "close":
        this.#ending = command;
        // In a pipe, what was sent before may still be answered.
        if (this.#screen.isInteractive) this.#close();
        break;
      case "help":
        this.#screen.status(COMMAND_HELP);
        break;
      case "refuse":
        this.#refuse(`${name} was not sent: ${command.problem}`);
    }
  }

  #send(text: string, name: string): void {
    const problem = this.#task.isJson ? jsonProblem(text) : undefined;
    if (problem === undefined) this.#client.send(this.#task.isBinary ? new TextEncoder().encode(text) : text);
    else this.#refuse(`${name} is not JSON and was not sent: ${problem}`);
  }

  #refuse(problem: string): void {
    this.#hasBadInput = true;
    this.#screen.failure(problem);
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

  #onPong(roundTripMs: number): void {
    this.#screen.status(`Pong after ${roundTripMs.toFixed(1)} ms`);
    this.#restartQuietTimer();
  }

  /** Closes after a time without messages: a WebSocket has no half-close, and no answer is marked as the last. */
  #restartQuietTimer(): void {
    if (!this.#hasInputEnded) return;
    this.#quietTimer?.cancel();
    this.#quietTimer = this.#clock.after(this.#task.waitMs, () => {
      if (this.#client.bufferedAmount > 0) this.#restartQuietTimer();
      else this.#close();
    });
  }

  #close(): void {
    this.#client.close(this.#ending?.code, this.#ending?.reason);
  }

  #onSignal(signal: "SIGINT" | "SIGTERM"): void {
    if (this.#signal !== undefined) process.exit(exitCodeOf(signal));
    this.#signal = signal;
    if (this.#client.state === "open") this.#screen.status(`Closing (${signal} once more leaves at once)`);
    this.#client.close();
  }

  #exitCode({ code, reason, wasClean, uncertain }: ClientClosing): number {
    const words = [String(code), reason || closeCodeText(code)].join(" ").trimEnd();
    this.#screen.status(wasClean ? `Closed: ${words}` : this.#lossText());
    // Of a session alone: elsewhere nobody acknowledges.
    if (!wasClean && uncertain.length > 0) this.#screen.status(`Messages not acknowledged: ${uncertain.length}`);
    if (code === ABNORMAL || !wasClean) return EXIT.lost;
    if (!isNormalEnd(code) && code !== this.#ending?.code) return EXIT.closedWithError;
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
