/** The command `sendall serve` as people run it: a process with arguments, an environment, signals and an exit code. */
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect, holdPort, type Program, start, stopPrograms } from "./programs.js";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sendall-"));
});

afterEach(async () => {
  await stopPrograms();
  await rm(folder, { recursive: true });
});

/** Starts the command in the temporary folder. */
function sendall(args: string, env: Record<string, string> = {}): Program {
  return start("dist/cli.js", args === "" ? [] : args.split(" "), { cwd: folder, env });
}

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text);
}

/** The address that the command prints. */
async function address({ stdout }: Program): Promise<string> {
  const [, url = ""] = await stdout.next(/^Listening on (ws:\S+\/)/);
  return url;
}

const REPLY = (word: string) =>
  `export default (event, bus) => { if (event.type === "message") bus.unicast("${word}", event.connection); };\n`;

/** Does not finish a message before a SIGUSR2. */
const BUSY = `import { once } from "node:events";
export default async (event, bus) => {
  if (event.type !== "message") return;
  console.log("busy");
  await once(process, "SIGUSR2");
  bus.unicast("done", event.connection);
};
`;

describe("sendall serve", () => {
  it("sends every message back when there is no file, prints its address alone, and logs to standard error", async () => {
    const program = sendall("serve --port 0");
    const url = await address(program);
    const client = await connect(url);
    client.send("hello");
    expect(await client.next()).toBe("hello");
    client.send(Buffer.from([0, 255]));
    expect(await client.next()).toEqual(Buffer.from([0, 255]));
    program.kill("SIGTERM");
    const { code, stdout, stderr } = await program.ended;
    expect(code).toBe(0);
    expect(stdout).toEqual([`Listening on ${url}`]);
    const log = stderr.map((line) => JSON.parse(line));
    expect(log[0]).toMatchObject({ level: 30, name: "sendall", msg: "listening", url });
    expect(log.map(({ msg }) => msg)).toContain("closing");
  });

  it("serves the function that a file exports by default", async () => {
    await write("handler.mjs", REPLY("from a file"));
    const client = await connect(await address(sendall("serve handler.mjs --port 0")));
    client.send("?");
    expect(await client.next()).toBe("from a file");
  });

  it("serves the handler of a protocol that a file exports, which another copy of the package may have made", async () => {
    const copy = new URL("../../dist/protocol.js", import.meta.url).href;
    await write(
      "handler.mjs",
      `import { protocol } from ${JSON.stringify(copy)};
const any = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };
export default protocol({ fromClient: { twice: { input: any, output: any } } }).handler({ twice: (x) => [x, x] });\n`,
    );
    const client = await connect(await address(sendall("serve handler.mjs --port 0")));
    client.send('["twice","hi",7]');
    expect(await client.next()).toBe('[7,["hi","hi"]]');
  });

  it("serves the function that a CommonJS file exports", async () => {
    await write("handler.cjs", REPLY("from CommonJS").replace("export default", "module.exports ="));
    const client = await connect(await address(sendall("serve handler.cjs --port 0")));
    client.send("?");
    expect(await client.next()).toBe("from CommonJS");
  });

  it("serves the handler of a protocol", async () => {
    await write(
      "chat.mjs",
      `import { protocol } from ${JSON.stringify(new URL("../../dist/protocol.js", import.meta.url))};
      const anything = { "~standard": { version: 1, vendor: "by hand", validate: (value) => ({ value }) } };
      const chat = protocol({ fromClient: { add: { input: anything, output: anything } } });
      export default chat.handler({ add: ([a, b]) => a + b });`,
    );
    const client = await connect(await address(sendall("serve chat.mjs --port 0")));
    client.send('["add",[1,2],7]');
    expect(await client.next()).toBe("[7,3]");
  });

  it("serves an object with a state, and stops it at the end", async () => {
    await write(
      "sum.mjs",
      `export default {
        init: () => 0,
        handle(event, sum, bus) {
          if (event.type !== "message") return;
          bus.unicast(String(sum + Number(event.text)), event.connection);
          return sum + Number(event.text);
        },
        stop: (sum) => console.log("stopped at", sum),
      };`,
    );
    const program = sendall("serve sum.mjs --port 0");
    const client = await connect(await address(program));
    client.send("2");
    client.send("3");
    expect([await client.next(), await client.next()]).toEqual(["2", "5"]);
    program.kill("SIGINT");
    const { code, stdout } = await program.ended;
    expect(code).toBe(0);
    expect(stdout.at(-1)).toBe("stopped at 5");
  });

  it("takes the port and the address from PORT and HOST, and flags before them", async () => {
    const byVariables = sendall("serve", { PORT: "0", HOST: "localhost" });
    expect(await address(byVariables)).toMatch(/^ws:\/\/localhost:[1-9]\d*\/$/);
    const byFlags = sendall("serve --port 0 --host 127.0.0.1", { PORT: "no port", HOST: "no.such.host.invalid" });
    expect(await address(byFlags)).toMatch(/^ws:\/\/127\.0\.0\.1:[1-9]\d*\/$/);
  });

  it("takes port 8080 and 127.0.0.1 when nobody says otherwise, also by empty variables", async () => {
    // 8080 may well be somebody's: then the complaint names it.
    const program = sendall("serve", { PORT: "", HOST: "" });
    const line = await Promise.any([program.stdout.next(/ws:/), program.stderr.next(/cannot listen/)]);
    expect(line.input).toContain("127.0.0.1:8080");
  });

  it("serves a folder on the same port", async () => {
    await write("index.html", "<h1>Hello</h1>");
    const program = sendall("serve --port 0 --static .");
    const [, url = "", page = ""] = await program.stdout.next(/^Listening on (ws:\S+\/), pages at (http:\S+\/)$/);
    expect(await (await fetch(page)).text()).toBe("<h1>Hello</h1>");
    const client = await connect(url);
    client.send("and sockets");
    expect(await client.next()).toBe("and sockets");
  });

  it("logs as much as --log-level says", async () => {
    const [silent, debug] = [sendall("serve --port 0 --log-level silent"), sendall("serve --port 0 --log-level debug")];
    for (const program of [silent, debug]) {
      const client = await connect(await address(program));
      client.send("x");
      await client.next();
      program.kill("SIGTERM");
    }
    expect((await silent.ended).stderr).toEqual([]);
    const levels = (await debug.ended).stderr.map((line) => JSON.parse(line).level);
    expect(levels).toContain(20);
  });

  it("runs a TypeScript handler where Node does, and says what to do where it does not", async () => {
    await write("handler.mts", `export default (event: { type: string }): void => console.log("typed", event.type);\n`);
    const program = sendall("serve handler.mts --port 0");
    if (!("typescript" in process.features) || process.features.typescript === false) {
      const { code, stderr } = await program.ended;
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: [expect.stringMatching(/^sendall: cannot load handler\.mts: Node v.* does not run TypeScript: /)],
      });
      return;
    }
    await connect(await address(program));
    await program.stdout.next(/^typed open$/);
  });
});

describe("a signal", () => {
  it("lets the handler finish, closes every client with 1001, and the command exits with 0", async () => {
    await write("busy.mjs", BUSY);
    const program = sendall("serve busy.mjs --port 0");
    const client = await connect(await address(program));
    client.send("work");
    await program.stdout.next(/^busy$/);
    program.kill("SIGTERM");
    await program.stderr.next(/"closing"/);
    program.kill("SIGUSR2");
    expect(await client.next()).toBe("done");
    expect(await client.closed).toEqual({ code: 1001, reason: "going away" });
    expect(await program.ended).toMatchObject({ code: 0, signal: null });
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("that is the second one leaves at once: %s exits with %i", async (signal, code) => {
    await write("busy.mjs", BUSY);
    const program = sendall("serve busy.mjs --port 0");
    const client = await connect(await address(program));
    client.send("work");
    await program.stdout.next(/^busy$/);
    program.kill("SIGTERM");
    await program.stderr.next(/"closing"/);
    program.kill(signal);
    expect(await program.ended).toMatchObject({ code, signal: null });
    expect((await client.closed).code).toBe(1006);
  });

  it.each([
    ["its top level", `console.log("under way");\nawait once(process, "SIGUSR2");\nexport default () => {};`],
    [
      "init",
      `export default { async init() { console.log("under way"); await once(process, "SIGUSR2"); }, handle() {} };`,
    ],
  ])("ends the command at once while the handler file is in %s", async (_case, text) => {
    for (const [args, signal] of [
      ["", "SIGTERM"],
      ["", "SIGINT"],
      ["--watch", "SIGTERM"],
    ] as const) {
      await write("slow.mjs", `import { once } from "node:events";\nsetInterval(() => {}, 1_000);\n${text}`);
      const program = sendall(`serve slow.mjs --port 0 ${args}`.trim());
      await program.stdout.next(/^under way$/);
      program.kill(signal);
      const { code, signal: ended, stderr } = await program.ended;
      expect({ code, ended, stderr }).toEqual({ code: 0, ended: null, stderr: [] });
    }
  });

  it("ends the command although the handler file keeps timers of its own", async () => {
    await write("timer.mjs", `setInterval(() => {}, 1000);\n${REPLY("x")}`);
    const program = sendall("serve timer.mjs --port 0");
    await address(program);
    program.kill("SIGINT");
    expect((await program.ended).code).toBe(0);
  });
});

describe("a handler that fails for good", () => {
  it("ends the command with 1 and one line, and clients get 1011", async () => {
    await write(
      "fails.mjs",
      `export default (event, bus) => {
        if (event.type === "message") for (let i = 0; i < 4; i++) bus.tell(i);
        if (event.type === "info") throw new Error("it is broken");
      };`,
    );
    const program = sendall("serve fails.mjs --port 0 --log-level silent");
    const client = await connect(await address(program));
    client.send("go");
    expect((await client.closed).code).toBe(1011);
    const { code, stderr } = await program.ended;
    expect(code).toBe(1);
    expect(stderr).toEqual(["sendall: the handler failed: it is broken (fails.mjs:3)"]);
  });
});

describe("--watch", () => {
  /** What the handler answers now, and the client that asked: it learns of the restart. */
  async function ask(program: Program) {
    const client = await connect(await address(program));
    client.send("?");
    return { client, answer: await client.next() };
  }

  it("restarts when the file or what it imports changes, and when a mistake is mended", async () => {
    await write("word.mjs", `export const word = "one";`);
    await write("handler.mjs", `import { word } from "./word.mjs";\n${REPLY("")}`.replace(`""`, "word"));
    const program = sendall("serve handler.mjs --watch --port 0");
    const first = await ask(program);
    expect(first.answer).toBe("one");

    await write("word.mjs", `export const word = "two";`);
    expect((await first.client.closed).code).toBe(1001);
    const second = await ask(program);
    expect(second.answer).toBe("two");

    await write("word.mjs", `export const = "three";`);
    await program.stderr.next(/^sendall: cannot load handler\.mjs: SyntaxError: .* \(word\.mjs:1\)$/);
    await write("word.mjs", `export const word = "three";`);
    expect((await ask(program)).answer).toBe("three");

    await write("handler.mjs", REPLY("four"));
    expect((await ask(program)).answer).toBe("four");

    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  /** How programs save a file: some write into it, others put another one in its place. */
  const saves: readonly (readonly [string, (path: string, text: string) => Promise<void>])[] = [
    ["written into", (path, text) => writeFile(path, text)],
    [
      "replaced by a rename, as sed -i does it",
      async (path, text) => {
        await writeFile(`${path}.new`, text);
        await rename(`${path}.new`, path);
      },
    ],
    [
      "moved away and written anew, as vim does it",
      async (path, text) => {
        await rename(path, `${path}~`);
        await writeFile(path, text);
        await rm(`${path}~`);
      },
    ],
    [
      "removed and written anew",
      async (path, text) => {
        await rm(path);
        await writeFile(path, text);
      },
    ],
  ];

  it.each(saves)("sees each change of a handler file, and of what it imports, that is %s", async (_case, save) => {
    await mkdir(join(folder, "lib"));
    const [handler, word] = [join(folder, "handler.mjs"), join(folder, "lib/word.cjs")];
    await write("lib/word.cjs", `module.exports = "one";`);
    const importing = (end: string) =>
      `import word from "./lib/word.cjs";\n${REPLY("")}`.replace(`""`, `word + "${end}"`);
    await write("handler.mjs", importing(""));
    const program = sendall("serve handler.mjs --watch --port 0");
    expect((await ask(program)).answer).toBe("one");
    for (const [path, text, answer] of [
      [handler, importing("!"), "one!"],
      [handler, importing("?"), "one?"],
      [word, `module.exports = "two";`, "two?"],
      [word, `module.exports = "three";`, "three?"],
      [handler, importing("."), "three."],
    ] as const) {
      await save(path, text);
      expect((await ask(program)).answer).toBe(answer);
    }
    program.kill("SIGTERM");
    const { code, stdout, stderr } = await program.ended;
    expect(code).toBe(0);
    expect(stdout.every((line) => line.startsWith("Listening on "))).toBe(true);
    expect(stderr.filter((line) => line.startsWith("sendall: "))).toEqual(
      ["handler.mjs", "handler.mjs", "lib/word.cjs", "lib/word.cjs", "handler.mjs"].map(
        (path) => `sendall: ${path} has changed`,
      ),
    );
  });

  it("follows links to another file, and folders that others take the place of", async () => {
    const release = async (name: string): Promise<void> => {
      await mkdir(join(folder, name, "lib"), { recursive: true });
      await write(`${name}/handler.mjs`, `import { word } from "./lib/word.mjs";\n${REPLY("")}`.replace(`""`, "word"));
      await write(`${name}/lib/word.mjs`, `export const word = "${name}";`);
    };
    await release("one");
    await release("two");
    await symlink("one", join(folder, "current"));
    const program = sendall("serve current/handler.mjs --watch --port 0");
    expect((await ask(program)).answer).toBe("one");
    await symlink("two", join(folder, "next"));
    await rename(join(folder, "next"), join(folder, "current"));
    expect((await ask(program)).answer).toBe("two");
    for (const word of ["three", "four"]) {
      await mkdir(join(folder, "built"));
      await write("built/word.mjs", `export const word = "${word}";`);
      await rename(join(folder, "two/lib"), join(folder, `before ${word}`));
      await rename(join(folder, "built"), join(folder, "two/lib"));
      expect((await ask(program)).answer).toBe(word);
    }
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  it("waits for a change after a failure, also for a file that is missing", async () => {
    await write("handler.mjs", `import { word } from "./word.mjs";\n${REPLY("")}`.replace(`""`, "word"));
    const program = sendall("serve handler.mjs --watch --port 0");
    await program.stderr.next(/^sendall: cannot load handler\.mjs: Cannot find module/);
    await program.stderr.next(/^sendall: waiting for a change$/);
    await write("word.mjs", `export const word = "there";`);
    expect((await ask(program)).answer).toBe("there");
    await write("word.mjs", "process.exit(3);");
    await program.stderr.next(/^sendall: waiting for a change$/);
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  it("leaves nothing behind when its own process is killed", async () => {
    await write("busy.mjs", BUSY);
    const program = sendall("serve busy.mjs --watch --port 0");
    const client = await connect(await address(program));
    program.kill("SIGKILL");
    expect((await client.closed).code).toBe(1001);
    // Over only when nobody holds its outputs any more.
    expect((await program.ended).signal).toBe("SIGKILL");
  });

  it("leaves at once at the second signal, also when the handler's code blocks its process", async () => {
    await write("blocked.mjs", `console.log("blocked");\nfor (;;);`);
    const program = sendall("serve blocked.mjs --watch --port 0");
    await program.stdout.next(/^blocked$/);
    program.kill("SIGTERM");
    program.kill("SIGINT");
    expect([130, 143]).toContain((await program.ended).code);
  });

  it("passes signals on: one drains, the second leaves at once", async () => {
    await write("busy.mjs", BUSY);
    const program = sendall("serve busy.mjs --watch --port 0");
    const client = await connect(await address(program));
    client.send("work");
    await program.stdout.next(/^busy$/);
    program.kill("SIGINT");
    await program.stderr.next(/"closing"/);
    program.kill("SIGTERM");
    // It is over only when nobody holds its outputs any more: the watcher and the server have ended too.
    expect((await program.ended).code).toBe(143);
  });

  it("drains at Ctrl-C, which a terminal sends to every process of its group", async () => {
    // Busy for a while after the signal: one that came twice would cut it short.
    const linger = `await once(process, "SIGINT");\n  await new Promise((done) => setTimeout(done, 300));`;
    await write("busy.mjs", BUSY.replace(`await once(process, "SIGUSR2");`, linger));
    const program = sendall("serve busy.mjs --watch --port 0");
    const client = await connect(await address(program));
    client.send("work");
    await program.stdout.next(/^busy$/);
    program.killGroup("SIGINT");
    expect(await client.next()).toBe("done");
    expect((await client.closed).code).toBe(1001);
    expect((await program.ended).code).toBe(0);
  });

  it("does not wait for a wrong command line to change", async () => {
    expect((await sendall("serve --watch --port x").ended).code).toBe(2);
    expect((await sendall("serve missing.mjs --watch").ended).code).toBe(1);
  });
});

describe("help", () => {
  it("is printed by --help, and when the command line is empty", async () => {
    const [help, short, nothing] = await Promise.all(["serve --help", "-h", ""].map((args) => sendall(args).ended));
    expect(help).toMatchObject({ code: 0, stderr: [] });
    expect(help?.stdout[0]).toBe("Usage: sendall serve [file] [options]");
    for (const flag of [
      "port",
      "host",
      "static",
      "client",
      "sockjs",
      "workers",
      "log-level",
      "log-format",
      "watch",
      "help",
      "version",
    ])
      expect(help?.stdout.join("\n")).toContain(` --${flag} `);
    expect(short).toEqual(help);
    expect(nothing).toEqual(help);
  });

  it("is not what --version prints: that is the version alone", async () => {
    const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await sendall("--version").ended).toMatchObject({ code: 0, stdout: [version], stderr: [] });
  });
});

describe("bad input is answered with one line and no stack, and nothing is left running:", () => {
  async function refusal(args: string, env: Record<string, string> = {}): Promise<{ code: unknown; line: unknown }> {
    const { code, stdout, stderr } = await sendall(args, env).ended;
    expect(stdout).toEqual([]);
    expect(stderr).toHaveLength(1);
    return { code, line: stderr[0] };
  }

  const PORTS = "expected a whole number from 0 to 65535, got";
  it.each([
    [
      "an unknown command",
      "frobnicate",
      `there is no command "frobnicate": expected serve, connect or asyncapi (sendall --help`,
    ],
    ["flags without a command", "--port 0", "expected a command, serve, connect or asyncapi (sendall --help"],
    ["an unknown flag", "serve --bogus", "--bogus: unknown option: the options are --port, --host, --static, "],
    ["a misspelt flag", "serve --prot 80", "--prot: unknown option: did you mean --port? (sendall --help"],
    ["an unknown letter", "serve -q", "-q: unknown option: the options are --port, "],
    ["a flag without its value", "serve --port", "'--port <value>' argument missing"],
    ["a value for a switch", "serve --watch=yes", "'--watch' does not take an argument"],
    ["two files", "serve a.mjs b.mjs", "serve takes one file, got 2"],
    ["a port that is no number", "serve --port http", `--port: ${PORTS} "http"`],
    ["a port that is too large", "serve --port 65536", `--port: ${PORTS} 65536`],
    ["a negative port", "serve --port=-1", `--port: ${PORTS} "-1"`],
    ["an empty address", "serve --host=", "--host: expected a string that is not empty"],
    ["an unknown level", "serve --log-level loud", `--log-level: expected one of trace, debug, info`],
    ["an unknown format", "serve --log-format xml", `--log-format: expected one of pretty, json, got "xml"`],
    [
      "a folder that does not exist",
      "serve --static nowhere",
      `--static: expected a folder that exists, got "nowhere"`,
    ],
    [
      "a path that does not begin with a slash",
      "serve --client client.js",
      `--client: expected a path that begins with "/" and names a file, such as "/sendall/client.js", without a query or a pattern, got "client.js"`,
    ],
  ])("%s", async (_case, args, problem) => {
    const { code, line } = await refusal(args);
    expect(code).toBe(2);
    expect(line).toMatch(/^sendall: /);
    expect(line).toContain(problem);
  });

  it("a PORT that is no number", async () => {
    const { code, line } = await refusal("serve", { PORT: "80a" });
    expect({ code, line }).toEqual({ code: 2, line: expect.stringContaining(`PORT: ${PORTS} "80a"`) });
  });

  it("a format of the environment that is none", async () => {
    const { code, line } = await refusal("serve --port 0", { SENDALL_LOG_FORMAT: "xml" });
    expect({ code, line }).toEqual({
      code: 2,
      line: 'sendall: SENDALL_LOG_FORMAT: expected pretty or json, got "xml"',
    });
  });

  it("a port in use, although the handler file keeps timers of its own", async () => {
    await write("timer.mjs", `setInterval(() => {}, 1000);\n${REPLY("x")}`);
    const port = await holdPort();
    const { code, line } = await refusal(`serve timer.mjs --port ${port}`);
    expect(code).toBe(1);
    expect(line).toMatch(new RegExp(`^sendall: cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`));
  });

  it("an address that is not ours", async () => {
    const { code, line } = await refusal("serve --host no.such.host.invalid --port 0");
    expect({ code, line }).toEqual({
      code: 1,
      line: expect.stringMatching(/^sendall: cannot listen on no\.such\.host\.invalid:0: /),
    });
  });

  it.each([
    ["does not exist", "nope.mjs"],
    ["is a folder", "."],
    ["would lie in a file", "h.mjs/h.mjs"],
  ])("a handler file that %s", async (_case, file) => {
    await write("h.mjs", REPLY("x"));
    expect(await refusal(`serve ${file}`)).toEqual({ code: 1, line: `sendall: there is no handler file ${file}` });
  });

  const SHAPES =
    "a function (event, bus) => void, an object { init(bus), handle(event, state, bus), stop?(state, bus) }, or what perConnection, fromLogic, channels or the handler of a protocol has made";
  it.each([
    [
      "a syntax error",
      "export default () => {\n  const = 1;\n};",
      /^cannot load h\.mjs: SyntaxError: .* \(h\.mjs:2\)$/,
    ],
    [
      "an import of nothing",
      `import "./no.mjs";`,
      /^cannot load h\.mjs: Cannot find module '.*no\.mjs' imported from /,
    ],
    [
      "a name that is not exported",
      `import { x } from "node:fs";`,
      /^cannot load h\.mjs: SyntaxError: .*'x' \(h\.mjs:1\)$/,
    ],
    ["a throw of two lines", `\nthrow new Error("one\\ntwo");`, /^cannot load h\.mjs: one two \(h\.mjs:2\)$/],
    ["a throw of a string", `throw "words";`, /^cannot load h\.mjs: "words"$/],
    ["a top level that never ends", "await new Promise(() => {});", /^h\.mjs is stuck: the top level/],
    [
      "an init that throws",
      `export default { init() { throw new TypeError("no") }, handle() {} };`,
      /^init of h\.mjs failed: TypeError: no \(h\.mjs:1\)$/,
    ],
    [
      "an init that asks the bus for what cannot be",
      "export default { init: (bus) => bus.sendall(5), handle() {} };",
      /^init of h\.mjs failed: SendallError: .* \(h\.mjs:1\)$/,
    ],
    [
      "an init that never ends",
      "export default { init: () => new Promise(() => {}), handle() {} };",
      /^h\.mjs is stuck: .* init waits/,
    ],
  ])("a handler file with %s", async (_case, text, problem) => {
    await write("h.mjs", text);
    const { code, line } = await refusal("serve h.mjs --port 0");
    expect(code).toBe(1);
    expect(String(line).replace(/^sendall: /, "")).toMatch(problem);
  });

  it.each([
    ["no default export", "export const handler = () => {};", "no default export"],
    ["something else", "export default 42;", "42"],
    ["half a handler", "export default { init() {} };", '{"init":"a function"}'],
  ])("a handler file that exports %s", async (_case, text, found) => {
    await write("h.mjs", text);
    const expected = `${SHAPES}; or options of serve, { handler, … } or { routes, … }`;
    const line = `sendall: h.mjs exports no handler: expected ${expected}; got ${found}`;
    expect(await refusal("serve h.mjs --port 0")).toEqual({ code: 1, line });
  });
});
