/** The command `sendall asyncapi` as people run it: a process with arguments, files, outputs and an exit code. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { asyncapi } from "sendall/asyncapi";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { problemsOf } from "../unit/asyncapi/validator.js";
import { type Program, runShell, start, startInTerminal, stopPrograms } from "./programs.js";

const require = createRequire(import.meta.url);
const COMMAND = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const PROTOCOL = new URL("../../dist/protocol.js", import.meta.url).href;
const ZOD = pathToFileURL(require.resolve("zod")).href;
const IMPORTS = `import { protocol } from "${PROTOCOL}";\nimport { z } from "${ZOD}";\n`;
const CHAT = `protocol({
  fromClient: {
    say: z.object({ text: z.string() }),
    join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) },
  },
  fromServer: { said: z.object({ text: z.string() }) },
})`;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sendall-"));
});

afterEach(async () => {
  await stopPrograms();
  await rm(folder, { recursive: true });
});

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text);
}

/** Starts the command in the temporary folder. */
function run(args: string): Program {
  return start("dist/cli.js", ["asyncapi", ...args.split(" ").filter((arg) => arg !== "")], { cwd: folder });
}

/** The document that the command prints, when the command succeeds without a word beside. */
async function documentOf(args: string): Promise<ReturnType<typeof asyncapi>> {
  const { code, stdout, stderr } = await run(args).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
  return JSON.parse(stdout.join("\n"));
}

describe("sendall asyncapi", () => {
  it("prints the document of what a file exports by default, which the official parser takes", async () => {
    await write("chat.mjs", `${IMPORTS}export default ${CHAT};`);
    const document = await documentOf("chat.mjs");
    expect(await problemsOf(document)).toEqual([]);
    const { default: chat } = await import(pathToFileURL(join(folder, "chat.mjs")).href);
    expect(document).toEqual(asyncapi(chat, { title: "chat", version: "0.0.0" }));
  });

  it("ends each document with a line break, and indents by two", async () => {
    await write("chat.mjs", `${IMPORTS}export default ${CHAT};`);
    const { stdout } = spawnSync(process.execPath, [COMMAND, "asyncapi", "chat.mjs"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(stdout).toBe(`${JSON.stringify(JSON.parse(stdout), null, 2)}\n`);
  });

  it.each([
    ["the only protocol among exports", "chat.mjs", `export const chat = ${CHAT}; export const limit = 5;`],
    [
      "the only protocol beside a default that is none",
      "chat.mjs",
      `export const chat = ${CHAT}; export default () => {};`,
    ],
    ["a protocol with two names", "chat.mjs", `export const chat = ${CHAT}; export { chat as talk };`],
    ["the default among protocols", "chat.mjs", `export default ${CHAT}; export const admin = protocol({});`],
  ])("takes %s", async (_case, name, code) => {
    await write(name, IMPORTS + code);
    expect(Object.keys((await documentOf(name)).operations)).toEqual(["say", "join", "said", "messageRefused"]);
  });

  it.each([
    ["module.exports = chat;"],
    ["module.exports = { limit: 5, ...{ chat } };"],
    ["exports.default = chat; exports.admin = protocol({});"],
  ])("takes a file in CommonJS: %s", async (code) => {
    await write(
      "chat.cjs",
      `const { protocol } = require(${JSON.stringify(fileURLToPath(PROTOCOL))});
const { z } = require(${JSON.stringify(require.resolve("zod"))});
const chat = ${CHAT};
${code}`,
    );
    const { code: exit, stdout, stderr } = await run("chat.cjs").ended;
    // Some versions of Node warn of a module that is required.
    expect([exit, stderr.filter((line) => line.startsWith("sendall:"))]).toEqual([0, []]);
    expect(Object.keys(JSON.parse(stdout.join("\n")).operations)).toContain("said");
  });

  it("takes TypeScript where Node does, and says what to do where it does not", async () => {
    await write("chat.ts", `${IMPORTS}export const limit: number = 5;\nexport const chat = ${CHAT};`);
    await write("package.json", '{ "type": "module" }');
    const { code, stdout, stderr } = await run("chat.ts").ended;
    if (!("typescript" in process.features) || process.features.typescript === false) {
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: [],
        stderr: [expect.stringMatching(/^sendall: cannot load chat\.ts: Node v.* does not run TypeScript: /)],
      });
      return;
    }
    expect([code, JSON.parse(stdout.join("\n")).info.title]).toEqual([0, "chat"]);
  });

  it("takes title, version and path from the command line", async () => {
    await write("chat.mjs", `${IMPORTS}export default ${CHAT};`);
    const { info, channels } = await documentOf("chat.mjs --title Talk --version 2.0.0 --path /room/:name");
    expect([info.title, info.version, channels.connection.address]).toEqual(["Talk", "2.0.0", "/room/{name}"]);
  });

  it("takes the version from the nearest package.json that has a version", async () => {
    await mkdir(join(folder, "a/b"), { recursive: true });
    await write("package.json", '{ "version": "3.2.1" }');
    await write("a/package.json", '{ "type": "module" }');
    await write("a/b/chat.js", `${IMPORTS}export default ${CHAT};`);
    expect((await documentOf("a/b/chat.js")).info).toMatchObject({ title: "chat", version: "3.2.1" });
  });

  it("writes the document to the file of --out, over what was there, and says so alone", async () => {
    await write("chat.mjs", `${IMPORTS}export default ${CHAT};`);
    await write("chat.json", "x".repeat(100_000));
    expect(await run("chat.mjs --out chat.json").ended).toMatchObject({
      code: 0,
      stdout: ["Wrote chat.json"],
      stderr: [],
    });
    const text = await readFile(join(folder, "chat.json"), "utf8");
    expect(JSON.parse(text)).toEqual(await documentOf("chat.mjs"));
    expect(text).toMatch(/\}\n$/);
  });

  it("names each payload without JSON Schema on standard error, and describes the rest", async () => {
    await write(
      "chat.mjs",
      `${IMPORTS}export default protocol({
  fromClient: { at: z.date(), join: { input: z.string(), output: z.bigint() } },
  fromServer: { raw: { "~standard": { version: 1, vendor: "mine", validate: (value) => ({ value }) } } },
});`,
    );
    const { code, stdout, stderr } = await run("chat.mjs").ended;
    expect([code, stderr]).toEqual([
      0,
      [
        "sendall: chat.mjs: fromClient.at is described as {}, which any payload fits: Date cannot be represented in JSON Schema",
        "sendall: chat.mjs: fromClient.join.output is described as {}, which any payload fits: BigInt cannot be represented in JSON Schema",
        "sendall: chat.mjs: fromServer.raw is described as {}, which any payload fits: schemas of mine have no ~standard.jsonSchema",
      ],
    ]);
    expect(JSON.parse(stdout.join("\n")).components.messages.at.payload.prefixItems[1]).toEqual({});
  });

  it("prints the document alone, whatever the file prints, and ends although the file keeps a timer", async () => {
    await write("chat.mjs", `${IMPORTS}console.log("loading"); setInterval(() => {}, 1000); export default ${CHAT};`);
    const { code, stdout, stderr } = await run("chat.mjs").ended;
    expect([code, stderr]).toEqual([0, ["loading"]]);
    expect(JSON.parse(stdout.join("\n")).info.title).toBe("chat");
  });

  it("prints a document that is longer than a pipe holds, and ends with 0 when the reader has gone", async () => {
    await write(
      "chat.mjs",
      `${IMPORTS}export default protocol({ fromServer: Object.fromEntries(
  Array.from({ length: 1_000 }, (_, i) => ["m" + i, z.string()])) });`,
    );
    expect(Object.keys((await documentOf("chat.mjs")).operations)).toHaveLength(1_001);
    const head = runShell(`("$NODE" dist/cli.js asyncapi ${join(folder, "chat.mjs")}; echo $? >&2) | head -n 1`);
    expect(await head.ended).toMatchObject({ stdout: ["{"], stderr: ["0"] });
  });
});

describe("the help of sendall asyncapi", () => {
  it("names every option and exit code, and sendall --help tells of it", async () => {
    const { code, stdout, stderr } = await run("--help").ended;
    expect([code, stderr, stdout[0]]).toEqual([0, [], "Usage: sendall asyncapi <file> [options]"]);
    for (const flag of ["out", "title", "version", "path", "help"]) expect(stdout.join("\n")).toContain(` --${flag} `);
    expect((await start("dist/cli.js", ["--help"]).ended).stdout.join("\n")).toContain("sendall asyncapi --help");
  });
});

describe("sendall asyncapi answers bad input with one line and no stack:", () => {
  async function refusal(args: string): Promise<{ code: unknown; line: unknown }> {
    const { code, stdout, stderr } = await run(args).ended;
    expect(stdout).toEqual([]);
    expect(stderr).toHaveLength(1);
    return { code, line: stderr[0] };
  }

  beforeEach(async () => {
    await write("chat.mjs", `${IMPORTS}export default ${CHAT};`);
    await mkdir(join(folder, "folder.mjs"));
  });

  const HELP = "(sendall asyncapi --help tells more)";
  it.each([
    ["no file", "", `asyncapi needs a file ${HELP}`],
    ["two files", "chat.mjs b.mjs", `asyncapi takes one file, got 2 ${HELP}`],
    [
      "an unknown flag",
      "chat.mjs --output x",
      `--output: unknown option: the options are --out, --title, --version, --path, --help ${HELP}`,
    ],
    ["a flag without a value", "chat.mjs --out", "Option '--out <value>' argument missing"],
    ["an empty file to write", "chat.mjs --out=", `--out: expected the path of a file ${HELP}`],
    ["an empty title", "chat.mjs --title=", `--title: expected a string that is not empty, got "" ${HELP}`],
    ["an empty version", "chat.mjs --version=", `--version: expected a string that is not empty, got "" ${HELP}`],
    ["a wrong path", "missing.mjs --path chat", `--path: expected a path that begins with "/", got "chat" ${HELP}`],
    ["a folder that does not exist", "chat.mjs --out no/chat.json", "--out: cannot write no/chat.json: ENOENT"],
    ["a folder in place of a file", "chat.mjs --out .", "--out: cannot write .: EISDIR"],
  ])("%s", async (_case, args, problem) => {
    const { code, line } = await refusal(args);
    expect(line).toContain(`sendall: ${problem}`);
    expect(code).toBe(2);
  });

  it.each([
    ["a file that does not exist", "missing.mjs", undefined, "there is no file missing.mjs"],
    ["a folder", "folder.mjs", undefined, "there is no file folder.mjs"],
    ["a file that throws", "x.mjs", "\nthrow new TypeError('no');", "cannot load x.mjs: TypeError: no (x.mjs:2)"],
    ["a file with a mistake", "x.mjs", "export default {;", "cannot load x.mjs: SyntaxError: "],
    ["a file that waits for ever", "x.mjs", "await new Promise(() => {});", "x.mjs is stuck: the top level waits"],
    [
      "a file without exports",
      "x.mjs",
      "",
      "x.mjs exports no protocol: expected what protocol() of sendall/protocol returns; the file exports nothing",
    ],
    [
      "a file with other exports",
      "x.mjs",
      "export default 1; export const chat = { fromClient: {} };",
      "x.mjs exports no protocol: expected what protocol() of sendall/protocol returns; the file exports chat, default",
    ],
    [
      "a file with several protocols",
      "x.mjs",
      `${IMPORTS}export const chat = protocol({}), admin = protocol({}), limit = 5;`,
      "x.mjs exports several protocols, admin, chat: expected a single protocol, or the default export to say which",
    ],
  ])("%s", async (_case, name, text, problem) => {
    if (text !== undefined) await write(name, text);
    const { code, line } = await refusal(name);
    expect(line).toContain(`sendall: ${problem}`);
    expect(code).toBe(1);
  });
});

const hasTerminals = spawnSync("script", ["--version"]).status === 0;
if (!hasTerminals) console.warn("Skipped: script (util-linux) is not installed, so there is no terminal to test at");

it.skipIf(!hasTerminals)("sendall asyncapi prints at a terminal what it prints to a pipe", async () => {
  await write("chat.mjs", `${IMPORTS}export default ${CHAT};`);
  const { code, stdout } = await startInTerminal(`${process.execPath} ${COMMAND} asyncapi chat.mjs`, { cwd: folder })
    .ended;
  expect([code, JSON.parse(stdout.join("\n"))]).toEqual([0, await documentOf("chat.mjs")]);
});
