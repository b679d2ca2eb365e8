/** Lines of the log for people: what becomes of a line of pino's JSON. */
import { pino } from "pino";
import { expect, test } from "vitest";
import { readableLine } from "../../../src/log/readable-line.js";

const PLAIN = { hasColors: false, hasPid: false };
const TIME = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();

function json(line: object): string {
  return `${JSON.stringify({ level: 30, time: TIME, pid: 12, hostname: "here", name: "sendall", msg: "said", ...line })}\n`;
}

test("a line has time, level, message and details, and leaves out what says nothing", () => {
  expect(readableLine(json({ connection: "a-1", bytes: 5, wasClean: true }), PLAIN)).toBe(
    "03:04:05.006 INFO  said connection=a-1 bytes=5 wasClean=true\n",
  );
});

test("a server with a name of its own, and a process among several, are named", () => {
  expect(readableLine(json({ name: "first" }), { ...PLAIN, hasPid: true })).toBe(
    "03:04:05.006 INFO  [12] first: said\n",
  );
});

test.each([
  [10, "TRACE"],
  [20, "DEBUG"],
  [30, "INFO "],
  [40, "WARN "],
  [50, "ERROR"],
  [60, "FATAL"],
  [35, "35"],
])("the level %i is %s", (level, label) => {
  expect(readableLine(json({ level }), PLAIN)).toBe(`03:04:05.006 ${label} said\n`);
});

test("colours change nothing but colours", () => {
  const line = json({ level: 50, connection: "a", err: { type: "Error", message: "no", stack: "Error: no" } });
  const coloured = readableLine(line, { ...PLAIN, hasColors: true });
  expect(coloured).toContain("\x1b[31mERROR\x1b[39m");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
  expect(coloured.replace(/\x1b\[\d+m/g, "")).toBe(readableLine(line, PLAIN));
});

test("strings with spaces, quotes or nothing in them get quotes, and objects are JSON", () => {
  expect(readableLine(json({ a: "two words", b: 'q"', c: "", d: ["x", 1], e: null }), PLAIN)).toBe(
    '03:04:05.006 INFO  said a="two words" b="q\\"" c="" d=["x",1] e=null\n',
  );
});

test("nothing that a peer has chosen breaks the line or reaches the terminal", () => {
  const bad = "a\nb\x1b[2J\x07\x9b1m\x7f";
  const line = json({ msg: bad, path: bad, name: bad, [bad]: 1, err: { type: "E", message: bad, stack: `E: ${bad}` } });
  const shown = readableLine(line, PLAIN);
  expect(shown.indexOf("\n")).toBe(shown.length - 1);
  expect(shown.slice(0, -1)).not.toMatch(/[\p{Cc}]/u);
  expect(shown).toContain("a b\\x1b[2J");
});

test("an error comes last, in one line, with the places in the user's code and its causes", () => {
  const lines: string[] = [];
  const logger = pino({ name: "sendall" }, { write: (line: string) => void lines.push(line) });
  const error = new TypeError("it\nfailed", { cause: new Error("why") });
  error.stack = `TypeError: it\nfailed\n    at mine (file:///mine.js:1:2)\n    at run (node:internal/a:3:4)\n    at ours (${new URL("../../../src/a.js", import.meta.url)}:5:6)`;
  logger.error({ err: error, connection: "a" }, "handler failed");
  expect(readableLine(lines[0] ?? "", PLAIN)).toMatch(
    /^\S+ ERROR handler failed connection=a err=TypeError: it failed at mine \(file:\/\/\/mine\.js:1:2\) caused by: Error: why at .*readable-line\.test\.ts.*\n$/,
  );
  expect(readableLine(lines[0] ?? "", PLAIN)).not.toMatch(/node:internal\/a|src\/a\.js/);
});

test("an error from nobody's code but Node's and Sendall's keeps its places", () => {
  const stack = "Error: no\n    at listen (node:net:1:2)";
  expect(readableLine(json({ err: { type: "Error", message: "no", stack } }), PLAIN)).toContain(
    "err=Error: no at listen (node:net:1:2)",
  );
});

test.each(["no JSON\n", "5\n", "[1]\n", "null\n"])("%j stays as it is", (line) => {
  expect(readableLine(line, PLAIN)).toBe(line);
});
