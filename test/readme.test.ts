/** Holds the README to its word: its code runs, its commands exist. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { CHROMIUM_FLAGS } from "./e2e/chromium.js";
import { requires } from "./e2e/requires.js";

const root = fileURLToPath(new URL("../", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

interface Block {
  readonly language: string;
  readonly code: string;
}

const blocks: Block[] = Array.from(readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm), ([, language = "", code = ""]) => ({
  language,
  code,
}));
/** What only the program with processes of its own says. */
const FORKS = "cluster.fork()";
const programs = blocks.filter(({ language }) => language === "js").map(({ code }) => code);
const tests = blocks.filter(({ language }) => language === "ts").map(({ code }) => code);

const required = requires("chromium");
const promtool = requires("prometheus");

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

/** Runs a program of the README as a user would, but for its port. */
function run(code: string): ChildProcess {
  const child = spawn(process.execPath, ["--input-type=module", "-e", code.replaceAll("port: 9000", "port: 0")], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

/** The first line that says where a program listens; its logs stand around it. */
async function urlOf(child: ChildProcess): Promise<string> {
  let output = "";
  for await (const chunk of child.stdout ?? []) {
    output += chunk;
    const line = output.split("\n").find((text) => text.startsWith("ws://"));
    if (line !== undefined) return line;
  }
  throw new Error(`it ended without a url: ${output}`);
}

describe("the README", () => {
  test("shows programs and a test, and nothing that this file does not run", () => {
    const languages = [
      "sh",
      "js",
      "html",
      "sh",
      "js",
      "js",
      "js",
      "js",
      "js",
      "js",
      "mermaid",
      "js",
      "html",
      "jsx",
      "jsx",
      "sh",
      "js",
      "js",
      "html",
      "ts",
      "ts",
      "js",
      "js",
      "ts",
      "ts",
      "ts",
      "js",
      "ts",
      "js",
      "sh",
      "js",
      "yaml",
      "yaml",
      "ts",
      "sh",
      "js",
      "js",
      "ts",
      "ts",
      "ts",
      "ts",
      "ts",
      "js",
      "js",
      "ts",
      "js",
      "sh",
      "sh",
    ];
    expect(blocks.map(({ language }) => language)).toEqual(languages);
  });

  test("begins with a handler of ten lines that welcomes, relays and says who left", async () => {
    const child = run(programs[0] ?? "");
    const url = await urlOf(child);
    const alice = new WebSocket(url);
    const [welcome] = await once(alice, "message");
    const bob = new WebSocket(url);
    await once(bob, "message");
    bob.send("hi");
    const [hi] = await once(alice, "message");
    bob.close();
    const [left] = await once(alice, "message");
    alice.terminate();
    expect([String(welcome), String(hi)]).toEqual(["welcome", "hi"]);
    expect(String(left)).toMatch(/^[0-9a-f-]{36} left$/);
  });

  test.skipIf(required.skip)(
    "shows a page of that server, which sends and shows, and is back when the server is",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "sendall-readme-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      writeFileSync(join(folder, "index.html"), blocks.find(({ language }) => language === "html")?.code ?? "");
      const serve = async (port: string): Promise<ChildProcess & { url: string }> => {
        const beside = `port: ${port}, static: ${JSON.stringify(folder)}, client: "/sendall/client.js"`;
        const child = run((programs[0] ?? "").replace("port: 9000", beside));
        return Object.assign(child, { url: await urlOf(child) });
      };
      const first = await serve("0");
      const { port } = new URL(first.url);
      const browser = await chromium.launch({ executablePath: required.path, args: [...CHROMIUM_FLAGS] });
      onTestFinished(() => browser.close());
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${port}`);
      const log = page.locator("#log");
      await log.filter({ hasText: "welcome" }).waitFor();
      const alice = new WebSocket(first.url);
      await once(alice, "message");
      const heard = once(alice, "message");
      await page.locator("#line").fill("hello");
      await page.locator("#line").press("Enter");
      expect(String((await heard)[0])).toBe("hello");
      alice.send("<b>hi</b>");
      await log.filter({ hasText: "<b>hi</b>" }).waitFor();

      const gone = once(alice, "close");
      first.kill();
      await gone;
      await page.locator("#line").fill("meanwhile");
      await page.locator("#line").press("Enter");
      expect(await page.locator("#line").inputValue()).toBe("");
      await serve(port);
      await log.filter({ hasText: /welcome\n.*\nwelcome\n$/ }).waitFor();
    },
    60_000,
  );

  test("shows a server with each shape of handler, which answers as its comments say", async () => {
    const url = await urlOf(run(programs[1]?.replace("await server.close();", "console.log(server.url);") ?? ""));
    const said: Record<string, [sent: string[], expected: unknown[]]> = {
      function: [["hi"], ["somebody says hi"]],
      state: [
        ["a", "b"],
        ["message number 1", "message number 2"],
      ],
      logic: [
        ["a", "b"],
        ["message number 1", "message number 2"],
      ],
      protocol: [
        ['["say","hi"]', '["count",1]', '["say",7]'],
        ['["said","hi"]', "[1,1]", expect.stringMatching(/^\["!",\{"reason":"INVALID_MESSAGE",/)],
      ],
      module: [
        ["a", "b"],
        ["your message number 1", "your message number 2"],
      ],
      loop: [["hi"], ["hi"]],
      channels: [
        ["sub,news", "sub,echo", "msg,echo,a,b"],
        ["msg,news,nothing new", "msg,echo,a,b"],
      ],
    };
    for (const [path, [sent, expected]] of Object.entries(said)) {
      const socket = new WebSocket(url + path);
      const received: string[] = [];
      const all = new Promise<void>((resolve) => {
        socket.on("message", (data) => {
          if (received.push(String(data)) === expected.length) resolve();
        });
      });
      await once(socket, "open");
      for (const message of sent) socket.send(message);
      await all;
      socket.terminate();
      expect([path, received]).toEqual([path, expected]);
    }
  });

  test.skipIf(required.skip)(
    "shows a page that speaks a protocol of schemas by hand, without a build step",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "sendall-readme-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const schemas = programs.find((code) => code.includes('vendor: "by hand"')) ?? "";
      const page = blocks.find(({ language, code }) => language === "html" && code.includes("importmap"))?.code ?? "";
      writeFileSync(join(folder, "chat-protocol.js"), schemas.replace("const chat =", "export const chat ="));
      writeFileSync(join(folder, "index.html"), page);
      const child = run(`${schemas}
        const { serve } = await import("sendall");
        const handler = chat.handler({
          say: ({ text }, { bus }) => bus.sendall(chat.fromServer.said({ nick: "Ann", text })),
        });
        const server = await serve({ port: 9000, static: ${JSON.stringify(folder)}, client: "/sendall/client.js", handler });
        console.log(server.url);`);
      const url = await urlOf(child);
      const browser = await chromium.launch({ executablePath: required.path, args: [...CHROMIUM_FLAGS] });
      onTestFinished(() => browser.close());
      const tab = await browser.newPage();
      await tab.goto(url.replace("ws", "http"));
      await tab.locator("#log").filter({ hasText: "Ann: hi" }).waitFor();
    },
    60_000,
  );

  test("shows other programs that start and close", async () => {
    for (const program of programs.slice(1).filter((code) => !code.includes(FORKS))) {
      const [code] = await once(run(program), "exit");
      expect(code).toBe(0);
    }
  });

  test("shows a program that forks itself, whose workers share their clients", async () => {
    // A file, since that is what a worker is given to run.
    const file = new URL("./.readme-workers.js", import.meta.url);
    writeFileSync(file, programs.find((code) => code.includes(FORKS))?.replaceAll("port: 9000", "port: 0") ?? "");
    try {
      const child = spawn(process.execPath, [fileURLToPath(file)], { stdio: ["ignore", "pipe", "inherit"] });
      children.push(child);
      const urls: string[] = [];
      for await (const chunk of child.stdout) {
        urls.push(...String(chunk).trim().split("\n"));
        if (urls.length === 2) break;
      }
      const clients = Array.from({ length: 4 }, () => new WebSocket(urls[0] ?? ""));
      await Promise.all(clients.map((client) => once(client, "open")));
      const [first, ...others] = clients;
      let isOver = false;
      const heard = Promise.all(others.map((other) => once(other, "message"))).finally(() => {
        isOver = true;
      });
      // A worker hears the other one once its subscription is confirmed, which nobody outside is told of.
      while (!isOver) {
        first?.send("hi");
        await new Promise(setImmediate);
      }
      expect((await heard).map(([data]) => String(data))).toEqual(["hi", "hi", "hi"]);
      for (const client of clients) client.terminate();
    } finally {
      rmSync(file);
    }
  });

  test("shows a client's states as its machine has them", () => {
    const drawn = Array.from(
      readme.matchAll(/^ {2}(\w+|\[\*\]) --> (\w+|\[\*\])/gm),
      ([, from, to]) => `${from} ${to}`,
    );
    const states = new Set(drawn.flatMap((arrow) => arrow.split(" ")).filter((name) => name !== "[*]"));
    expect([...states]).toEqual(["connecting", "open", "waiting", "closing", "closed"]);
  });

  test("shows a pipe to a server, and what comes back", async () => {
    const [, serving = "", piping = ""] = /^(npx sendall serve) &\n(printf .*)$/m.exec(readme) ?? [];
    const cli = `${process.execPath} ${fileURLToPath(new URL("../dist/cli.js", import.meta.url))}`;
    const server = spawn("sh", ["-c", `exec ${serving.replace("npx sendall", cli)} --port 0`], {
      cwd: root,
      stdio: ["ignore", "pipe", "ignore"],
    });
    children.push(server);
    const [line] = await once(server.stdout, "data");
    const [url = ""] = /ws:\S+/.exec(String(line)) ?? [];
    const command = piping.replace("npx sendall", cli).replace("localhost:8080", new URL(url).host);
    const pipe = spawn("sh", ["-c", command], { cwd: root, stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    for await (const chunk of pipe.stdout) output += chunk;
    expect(output).toBe("a\nb\n");
  });

  test("begins its tests with plain JavaScript, which every supported Node can read", () => {
    const [first = ""] = tests;
    expect(first).toContain("createTestRuntime(");
    const { status, stderr } = spawnSync(process.execPath, ["--check", "--input-type=module", "-"], {
      input: first,
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
    // Node reads `await using` from version 24 on.
    expect(first).not.toMatch(/\busing\b/);
  });

  test.skipIf(promtool.skip)("shows a configuration and alerts that Prometheus takes", () => {
    const folder = mkdtempSync(join(tmpdir(), "sendall-readme-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const check = (what: string, text: string): string => {
      writeFileSync(join(folder, "file.yml"), text);
      const { stdout, stderr } = spawnSync(promtool.path, ["check", what, join(folder, "file.yml")], {
        encoding: "utf8",
      });
      return stdout + stderr;
    };
    const [config = "", rules = ""] = blocks.filter(({ language }) => language === "yaml").map(({ code }) => code);
    expect(check("config", config)).toContain("SUCCESS");
    expect(check("rules", rules)).toMatch(/SUCCESS: \d+ rules found/);
    expect(check("rules", rules.replace("== 0", "= 0"))).not.toContain("SUCCESS");
  });

  test("names commands that exist", () => {
    const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    const named = Array.from(readme.matchAll(/npm run (\w+)(?: (\w+))?/g));
    for (const [, script = ""] of named) expect(Object.keys(scripts)).toContain(script);
    const examples = /npm run example \w+ +# also: (.*)/.exec(readme)?.[1]?.split(", ") ?? [];
    for (const name of ["echo", ...examples])
      expect([name, ["js", "ts"].some((kind) => existsSync(`${root}examples/${name}/server.${kind}`))]).toEqual([
        name,
        true,
      ]);
  });
});

// The README's tests run as tests of ours: each as the file that a reader would make of it.
for (const [i, code] of tests.entries()) {
  const file = new URL(`./.readme-${i}.ts`, import.meta.url);
  writeFileSync(file, code);
  try {
    await import(/* @vite-ignore */ file.href);
  } finally {
    rmSync(file);
  }
}
