/**
 * A line of the log for people at a terminal, made from a line of pino's JSON: time, level, message and details in a single line.
 * `log.ts` puts the function between pino and the output, so a readable line is written as soon as a JSON line would be.
 *
 * Not pino-pretty, which would bring 15 more packages to every program that uses Sendall, and which writes the control characters of
 * messages and stacks as they are, although a peer may have chosen them.
 */
import { showControls } from "../runtime/control-characters.js";

export interface LineStyle {
  readonly hasColors: boolean;
  /** Whether the line names its process, for a terminal that shows the lines of several processes. */
  readonly hasPid: boolean;
}

const RED = 31;
const GREEN = 32;
const YELLOW = 33;
const GREY = 90;

/** Pino's levels, each with a label of five characters and a colour. */
const LEVELS: ReadonlyMap<unknown, readonly [label: string, color: number]> = new Map([
  [10, ["TRACE", GREY]],
  [20, ["DEBUG", GREY]],
  [30, ["INFO ", GREEN]],
  [40, ["WARN ", YELLOW]],
  [50, ["ERROR", RED]],
  [60, ["FATAL", RED]],
]);

/** The name of a server without a name of its own: not worth a word. */
const PRESET_NAME = "sendall";

/** @param json a line of pino; anything but a JSON object stays as it is */
export function readableLine(json: string, { hasColors, hasPid }: LineStyle): string {
  const line = parse(json);
  if (line === undefined) return json;
  const { level, time, pid, hostname, name, msg = "", ...details } = line;
  const paint = (color: number, text: string): string => (hasColors ? `\x1b[${color}m${text}\x1b[39m` : text);
  const [label, color] = LEVELS.get(level) ?? [showValue(level), GREY];
  const parts = [paint(GREY, timeOfDay(time)), paint(color, label)];
  if (hasPid) parts.push(paint(GREY, `[${showValue(pid)}]`));
  if (name !== undefined && name !== PRESET_NAME) parts.push(`${showText(String(name))}:`);
  parts.push(showText(String(msg)));
  const shown = (key: string, text: string): string => `${paint(GREY, `${showText(key)}=`)}${text}`;
  const entries = Object.entries(details);
  for (const [key, value] of entries) if (!isThrown(value)) parts.push(shown(key, showValue(value)));
  // At the end, because a stack is long.
  for (const [key, value] of entries) if (isThrown(value)) parts.push(shown(key, showThrown(value)));
  return `${parts.join(" ")}\n`;
}

function parse(json: string): Record<string, unknown> | undefined {
  try {
    const line: unknown = JSON.parse(json);
    return isObject(line) && !Array.isArray(line) ? line : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The local time. The date is missing: the reader of a terminal knows the day. */
function timeOfDay(time: unknown): string {
  const date = new Date(Number(time));
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => pad(n, 2));
  return `${hours}:${minutes}:${seconds}.${pad(date.getMilliseconds(), 3)}`;
}

function pad(number: number, digits: number): string {
  return String(number).padStart(digits, "0");
}

function showText(text: string): string {
  return showControls(text.replace(/\s+/g, " "));
}

/** A word stays as it is; a string with spaces, quotes or control characters gets quotes. */
function showValue(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=\p{Cc}]+$/u.test(value)) return value;
  return showControls(JSON.stringify(value) ?? String(value));
}

/** An error as pino's serializer writes one. */
interface Thrown {
  readonly stack: string;
}

function isThrown(value: unknown): value is Thrown {
  return isObject(value) && typeof value.type === "string" && typeof value.stack === "string" && value.stack !== "";
}

const FRAME = /^\s+at /;
/** Sendall's own files, which say nothing about an error in the user's code. */
const OUR_FOLDER: string = new URL("..", import.meta.url).href;

/** The stack in a single line, without the frames of Node and Sendall as long as others are left. */
function showThrown({ stack }: Thrown): string {
  const lines = stack.split("\n");
  const isForeign = (line: string): boolean => FRAME.test(line) && !line.includes(OUR_FOLDER) && !/\(?node:/.test(line);
  const kept = lines.some(isForeign) ? lines.filter((line) => !FRAME.test(line) || isForeign(line)) : lines;
  return showText(kept.join(" "));
}
