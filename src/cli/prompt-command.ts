/** What a line at the prompt of `sendall connect` asks for: a message, or a command that begins with a slash. */
import { checkClientCloseCode, NORMAL } from "../api/close-codes.js";
import { show } from "../runtime/show.js";
import { messageOf } from "../runtime/thrown.js";

export type PromptCommand =
  | { readonly type: "send"; readonly text: string }
  | { readonly type: "ping" }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "help" }
  /** No command, and no message either: a misspelt command is not sent. */
  | { readonly type: "refuse"; readonly problem: string };

/** The commands, a line for each. */
export const COMMAND_HELP: string = `/ping                   send a ping, and show how long the pong takes
/close [code [reason]]  close with 1000, or a code from 3000 to 4999
/help                   show these commands
//...                   send the line without its first slash`;

export function readCommand(line: string): PromptCommand {
  if (!line.startsWith("/")) return { type: "send", text: line };
  if (line.startsWith("//")) return { type: "send", text: line.slice(1) };
  const [, name = "", rest = ""] = /^\/(\S*)\s*(.*?)\s*$/s.exec(line) ?? [];
  switch (name) {
    case "close":
      return readClose(rest);
    case "ping":
    case "help":
      return rest === "" ? { type: name } : refuse(`/${name} takes nothing, got ${show(rest)}`);
    default:
      return refuse(
        `there is no command ${show(`/${name}`)}: /help shows the commands, // at the beginning sends the line`,
      );
  }
}

function readClose(rest: string): PromptCommand {
  const [, code = "", reason = ""] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
  if (code === "") return { type: "close", code: NORMAL.code, reason: "" };
  try {
    // A word is refused as a number that no close frame may have.
    const number = /^\d+$/.test(code) ? Number(code) : code;
    checkClientCloseCode(number);
    return { type: "close", code: number, reason };
  } catch (error) {
    return refuse(`/close: ${messageOf(error)}`);
  }
}

function refuse(problem: string): PromptCommand {
  return { type: "refuse", problem };
}
