/** How the log of whole programs looks: readable at a terminal, JSON elsewhere, or as somebody has said. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { type Program, runCode, start, startInTerminal, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../examples/run.js", import.meta.url));

const READABLE = /^\d\d:\d\d:\d\d\.\d{3} INFO {2}listening url=ws:\/\/127\.0\.0\.1:\d+\/$/;
const JSON_LINE = /^\{"level":30,.*"msg":"listening"\}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours
const COLOURED = /^\x1b\[90m[\d:.]+\x1b\[39m \x1b\[32mINFO \x1b\[39m listening \x1b\[90murl=\x1b\[39mws:/;

const SERVER = `
import { serve } from "sendall";
await serve({ port: 0, handler() {} });
`;

describe("sendall serve whose standard error is no terminal", () => {
  test.each([
    ["logs JSON", [], {}, JSON_LINE],
    ["logs readable lines without colours under --log-format pretty", ["--log-format", "pretty"], {}, READABLE],
    ["logs readable lines if the environment says so", [], { SENDALL_LOG_FORMAT: "pretty" }, READABLE],
    ["takes an empty variable for none", [], { SENDALL_LOG_FORMAT: "" }, JSON_LINE],
    ["takes the flag before the variable", ["--log-format", "json"], { SENDALL_LOG_FORMAT: "pretty" }, JSON_LINE],
  ])("%s", async (_case, args, env, pattern) => {
    const program = start("dist/cli.js", ["serve", "--port", "0", ...args], { env });
    await program.stdout.next(/^Listening on/);
    program.kill("SIGTERM");
    const { stdout, stderr } = await program.ended;
    expect(stdout).toHaveLength(1);
    expect(stderr[0]).toMatch(pattern);
  });

  test("names the process in the readable lines of workers", async () => {
    const program = start("dist/cli.js", ["serve", "--port", "0", "--workers", "2", "--log-format", "pretty"]);
    await program.stdout.next(/^Listening on/);
    program.kill("SIGTERM");
    const { stderr } = await program.ended;
    const pids = stderr.map((line) => /^[\d:.]+ INFO {2}\[(\d+)\] listening url=/.exec(line)?.[1]);
    expect(new Set(pids.filter((pid) => pid !== undefined)).size).toBe(2);
  });
});

describe("a program of somebody's own", () => {
  test("logs JSON, and readable lines only if the environment says so", async () => {
    for (const [before, pattern] of [
      ["", JSON_LINE],
      ['process.env.SENDALL_LOG_FORMAT = "pretty";', READABLE],
    ] as const) {
      const program = runCode(`${before}${SERVER}`);
      await program.stdout.next(pattern);
    }
  });

  test("is told of a format that does not exist", async () => {
    const { code, stderr } = await runCode(`process.env.SENDALL_LOG_FORMAT = "xml";${SERVER}`).ended;
    expect(code).toBe(1);
    expect(stderr.join("\n")).toContain('SENDALL_LOG_FORMAT: expected pretty or json, got "xml"');
  });

  test("that captures its own output captures the lines in the format that it asks for", async () => {
    const capture = `process.env.SENDALL_LOG_FORMAT = "pretty";
      process.stdout.write = (text) => { process.stderr.write("caught " + text); return true; };`;
    const program = runCode(`${capture}${SERVER}`);
    await program.stderr.next(/^caught [\d:.]+ INFO {2}listening url=/);
  });
});

const hasTerminals = spawnSync("script", ["--version"]).status === 0;
if (!hasTerminals) console.warn("Skipped: script (util-linux) is not installed, so there is no terminal to test at");

describe.skipIf(!hasTerminals)("at a terminal", () => {
  function type(file: string, args: string, env: Record<string, string> = {}): Program {
    return startInTerminal(`"${process.execPath}" "${file}" ${args}`, { env: { TERM: "xterm", PORT: "0", ...env } });
  }

  test.each([
    ["in colour", "serve", {}, COLOURED],
    ["in colour, also under --watch", "serve --watch", {}, COLOURED],
    ["without colours under NO_COLOR", "serve", { NO_COLOR: "1" }, READABLE],
    ["without colours on a terminal that has none", "serve", { TERM: "dumb" }, READABLE],
    ["as JSON under --log-format json", "serve --log-format json", {}, JSON_LINE],
  ])("sendall serve logs %s", async (_case, args, env, pattern) => {
    await type(CLI, args, env).stdout.next(pattern);
  });

  test("an example logs readable lines, and JSON if the environment says so", async () => {
    await type(EXAMPLES, "echo").stdout.next(COLOURED);
    await type(EXAMPLES, "chat").stdout.next(COLOURED);
    await type(EXAMPLES, "echo", { SENDALL_LOG_FORMAT: "json" }).stdout.next(JSON_LINE);
  });
});

test("an example in a pipe logs JSON", async () => {
  await start("examples/run.js", ["echo"], { env: { PORT: "0" } }).stdout.next(JSON_LINE);
});
