/**
 * What `sendall connect` shows and asks: messages on standard output, status lines and the prompt on standard error. Colours,
 * a prompt and care for control characters only where a terminal is; into a pipe goes every message as it came.
 */
import { clearScreenDown, createInterface, cursorTo, type Interface } from "node:readline";
import type { WriteStream } from "node:tty";

export interface ScreenEvents {
  /** A line was typed. */
  onLine(line: string): void;
  /** Ctrl-C was typed. */
  onLeave(): void;
  /** Ctrl-D was typed, or the screen was stopped. */
  onEnd(): void;
  /** Nobody reads standard output any more. */
  onBroken(): void;
}

export interface Screen {
  /** Somebody sits there and types. */
  readonly isInteractive: boolean;
  message(text: string): void;
  status(text: string): void;
  failure(text: string): void;
  /** Takes lines from now on, and asks for the first after the next status; `false` if nobody could type any. */
  ask(): boolean;
  /** Asks no more. */
  stop(): void;
}

const GREEN = 32;
const RED = 31;
const GREY = 90;

export function createScreen(events: ScreenEvents): Screen {
  const { stdin, stdout, stderr } = process;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    events.onBroken();
  });
  // With nobody there to read a status line there is nobody to tell.
  stderr.on("error", () => {});
  let lines: Interface | undefined;

  /** Writes a line above the one that is being typed. */
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
    ask() {
      if (!stdin.isTTY) return false;
      const isShown = stderr.isTTY === true;
      lines = createInterface({ input: stdin, ...(isShown && { output: stderr }), prompt: "> ", terminal: isShown });
      lines.on("line", (line) => {
        // Enter alone is how people look whether somebody is still there.
        if (line !== "") events.onLine(line);
        lines?.prompt();
      });
      lines.on("SIGINT", () => events.onLeave());
      lines.on("close", () => {
        clearPrompt();
        lines = undefined;
        events.onEnd();
      });
      return true;
    },
    stop: () => lines?.close(),
  };
}

function paint(stream: WriteStream, text: string, color: number): string {
  return stream.hasColors() ? `\x1b[${color}m${text}\x1b[39m` : text;
}

/** What could move the cursor or worse is shown, not obeyed: all control characters but tab and line feed. */
function showControls(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
