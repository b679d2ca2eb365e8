/**
 * Output and prompt of `sendall connect`: messages on standard output, status lines and the prompt on standard error. Colours, the prompt
 * and the escaping of control characters are for terminals only; a pipe gets every message unchanged. The command makes the screen, and
 * stops the prompt when the connection has closed.
 */
import { clearScreenDown, createInterface, cursorTo, type Interface } from "node:readline";
import type { WriteStream } from "node:tty";
import { showControls } from "../runtime/control-characters.js";

export interface ScreenListener {
  /** The user has typed a line. */
  onLine(line: string): void;
  /** The user has typed Ctrl-C at the prompt. */
  onInterrupt(): void;
  /** The user has typed Ctrl-D, or the screen was stopped. */
  onInputClosed(): void;
  /** The reader of standard output has closed the pipe. */
  onOutputClosed(): void;
}

export interface Screen {
  /** Whether standard input is a terminal. */
  readonly isInteractive: boolean;
  message(text: string): void;
  status(text: string): void;
  failure(text: string): void;
  /** Reads lines from now on, and shows the prompt after the next status line. @returns `false` if standard input is no terminal */
  startPrompt(): boolean;
  /** Ends the prompt. */
  stop(): void;
}

const GREEN = 32;
const RED = 31;
const GREY = 90;

export function createScreen(listener: ScreenListener): Screen {
  const { stdin, stdout, stderr } = process;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    listener.onOutputClosed();
  });
  // A closed standard error has no reader, so nothing is left to report.
  stderr.on("error", () => {});
  let lines: Interface | undefined;

  /** Writes a line above the prompt. */
  function write(stream: WriteStream, text: string, color: number): void {
    const shown = stream.isTTY ? paint(stream, showControls(text), color) : text;
    if (lines !== undefined) clearPrompt();
    stream.write(`${shown}\n`);
    lines?.prompt(true);
  }

  function clearPrompt(): void {
    if (!stderr.isTTY) return;
    cursorTo(stderr, 0);
    clearScreenDown(stderr);
  }

  return {
    isInteractive: stdin.isTTY === true,
    message: (text) => write(stdout, text, GREEN),
    status: (text) => write(stderr, text, GREY),
    failure: (text) => write(stderr, `sendall: ${text}`, RED),
    startPrompt() {
      if (!stdin.isTTY) return false;
      const isShown = stderr.isTTY === true;
      lines = createInterface({ input: stdin, ...(isShown && { output: stderr }), prompt: "> ", terminal: isShown });
      lines.on("line", (line) => {
        // Not an empty line: people press Enter to see whether the program still answers.
        if (line !== "") listener.onLine(line);
        lines?.prompt();
      });
      lines.on("SIGINT", () => listener.onInterrupt());
      lines.on("close", () => {
        clearPrompt();
        lines = undefined;
        listener.onInputClosed();
      });
      return true;
    },
    stop: () => lines?.close(),
  };
}

function paint(stream: WriteStream, text: string, color: number): string {
  return stream.hasColors() ? `\x1b[${color}m${text}\x1b[39m` : text;
}
