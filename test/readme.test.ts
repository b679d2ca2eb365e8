/** Holds the README to its word where no reader's hand can: its length, its links, its commands, and a page that outlives its server. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { CHROMIUM_FLAGS } from "./e2e/chromium.js";
import { requires } from "./e2e/requires.js";
import { pageOf } from "./site/all-pages.js";

const root = fileURLToPath(new URL("../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const chromiumProgram = requires("chromium");

function blockNamed(name: string): string {
  const block = pageOf("README").parts.find((part) => part.kind === "block" && part.name === name);
  if (block === undefined) throw new Error(`README.md has no block named ${name}`);
  return block.code;
}

/** Resolves once the server tells its address in its log. */
async function serve(code: string): Promise<ChildProcess & { url: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill());
  let output = "";
  for await (const chunk of child.stdout) {
    output += chunk;
    const [url] = /ws:\/\/127\.0\.0\.1:\d+/.exec(output) ?? [];
    if (url !== undefined) return Object.assign(child, { url });
  }
  throw new Error(`the server ended without an address: ${output}`);
}

describe("the README", () => {
  test("can be read in one sitting", () => {
    expect(readme.split("\n").length - 1).toBeLessThanOrEqual(250);
  });

  test("links to files that exist", () => {
    const links = Array.from(readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g), ([, path = ""]) => path);
    expect(links.length).toBeGreaterThan(30);
    expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test("names commands that exist", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const named = Array.from(readme.matchAll(/npm run (\w+)(?: (\w+))?/g), ([, script = "", argument]) => ({
      script,
      argument,
    }));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter(({ script }) => !(script in scripts))).toEqual([]);
    const examples = named.filter(({ script, argument }) => script === "example" && argument !== undefined);
    expect(examples.filter(({ argument = "" }) => !existsSync(join(root, "examples", argument)))).toEqual([]);
  });

  test.skipIf(chromiumProgram.skip)("shows a page that is back when its server is", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sendall-readme-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, "public"));
    writeFileSync(join(folder, "public/index.html"), blockNamed("public/index.html"));
    const server = blockNamed("server.js").replace(`"public"`, JSON.stringify(join(folder, "public")));
    const first = await serve(server.replace("port: 8080", "port: 0"));
    const { port } = new URL(first.url);
    const browser = await chromium.launch({ executablePath: chromiumProgram.path, args: [...CHROMIUM_FLAGS] });
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port}`);
    const log = page.locator("#log");
    await log.filter({ hasText: "welcome" }).waitFor();

    first.kill("SIGKILL");
    await once(first, "exit");
    const again = await serve(server.replace("port: 8080", `port: ${port}`));
    expect(new URL(again.url).port).toBe(port);
    await log.filter({ hasText: /welcome[\s\S]*welcome/ }).waitFor();
  });
});
