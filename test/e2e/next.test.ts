/**
 * The Next.js app of `docs/guides/next.md`, from the very blocks of the page: built and started for real, and used from Chromium, on one server
 * with Sendall and as two processes.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { freePort, type Program, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGE = "docs/guides/next.md";

const next = requires("next");
const program = requires("chromium");

/** The named blocks of the page, by name. */
function readBlocks(): Map<string, string> {
  const blocks = readFileSync(join(ROOT, PAGE), "utf8").matchAll(/^```\w+ \[(.+?)\]\n(.*?)^```$/gms);
  return new Map([...blocks].map(([, name = "", code = ""]) => [name, code]));
}

describe.skipIf(next.skip || program.skip)("the Next.js app of the documentation", () => {
  const blocks = readBlocks();
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    // Below the folder of Next.js, where the app finds it. A copy of this package, since Next.js follows no links out of the project.
    folder = mkdtempSync(join(ROOT, "test/next/app-"));
    for (const part of ["package.json", "dist"]) {
      cpSync(join(ROOT, part), join(folder, "node_modules/sendall", part), { recursive: true });
    }
    write("package.json", '{ "private": true, "type": "module" }');
    for (const [name, code] of blocks) if (name !== "next.config.js") write(name, code);
    browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
    await build();
  });

  afterEach(stopPrograms);

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  function write(name: string, code: string): void {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), code);
  }

  function run(file: string, args: readonly string[], env: Record<string, string>): Program {
    return start(relative(ROOT, file), args, {
      cwd: folder,
      env: { NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1", SESSION_SECRET: "of the test", ...env },
    });
  }

  async function build(env: Record<string, string> = {}): Promise<void> {
    const { code, stdout, stderr } = await run(next.path, ["build"], env).ended;
    expect([...stdout, ...stderr].join("\n")).toContain("Compiled successfully");
    expect(code).toBe(0);
  }

  /** Starts `server.js`; resolves to its address. */
  async function startServer(
    env: Record<string, string> = {},
  ): Promise<{ readonly url: string; readonly own: Program }> {
    const own = run(join(folder, "server.js"), [], { PORT: String(await freePort()), ...env });
    const [url] = await own.stdout.next(/^http:\S+$/);
    return { url, own };
  }

  /** A page in a browser of its own, logged in, whose chat is open. */
  async function enter(url: string, name: string): Promise<{ readonly page: Page; readonly sockets: string[] }> {
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const sockets: string[] = [];
    page.on("websocket", (socket) => sockets.push(new URL(socket.url()).pathname));
    await page.goto(url);
    await page.fill("[name=name]", name);
    await page.click("button");
    await page.getByText(`${name} (open)`).waitFor();
    return { page, sockets };
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.fill("[name=text]", text);
    await page.press("[name=text]", "Enter");
  }

  /** How a handshake with these headers ends. */
  async function knock(url: string, headers: Record<string, string> = {}): Promise<string> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/live`, { headers });
    return new Promise((resolve) => {
      socket.once("open", () => {
        socket.terminate();
        resolve("open");
      });
      socket.once("unexpected-response", (_request, response) => {
        socket.terminate();
        resolve(`HTTP ${response.statusCode}`);
      });
      socket.once("error", ({ message }) => resolve(message));
    });
  }

  async function cookieOf(page: Page): Promise<string> {
    const cookies = await page.context().cookies();
    return cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  }

  test("one server: who has logged in hears the others, and nobody else comes in", async () => {
    const { url, own } = await startServer();
    const ann = await enter(url, "Ann");
    const bob = await enter(url, "Bob");
    await say(ann.page, "hello, Bob");
    await bob.page.getByText("Ann: hello, Bob").waitFor();
    await say(bob.page, "hello, Ann");
    await ann.page.getByText("Bob: hello, Ann").waitFor();
    expect(await ann.page.locator("li").allTextContents()).toEqual(["Ann: hello, Bob", "Bob: hello, Ann"]);
    expect(ann.sockets).toEqual(["/live"]);

    expect(await knock(url)).toBe("HTTP 401");
    expect(await knock(url, { Cookie: "session=QW5u.forged" })).toBe("HTTP 401");
    const cookie = await cookieOf(ann.page);
    expect(await knock(url, { Cookie: cookie })).toBe("open");
    // What the server renders: nothing is open.
    const rendered = await (await fetch(url, { headers: { Cookie: cookie } })).text();
    expect(rendered.replaceAll("<!-- -->", "")).toContain("Ann (connecting)");

    own.kill("SIGTERM");
    expect(await own.ended).toMatchObject({ code: 0 });
  });

  test("one server: Next.js ends the upgrades of a path that a page has", async () => {
    write("app/[...slug]/page.jsx", "export default () => null;");
    onTestFinished(() => rmSync(join(folder, "app/[...slug]"), { recursive: true }));
    await build();
    const { url, own } = await startServer();
    expect(await knock(url)).toBe("HTTP 401");
    await fetch(url);
    expect(await knock(url)).toBe("socket hang up");
    await own.stdout.next(/upgrade left alone: another upgrade listener of this HTTP server has taken its socket/);
  });

  test("in development: StrictMode opens one socket, and saving a file keeps it", async () => {
    const { url } = await startServer({ NODE_ENV: "development" });
    const { page, sockets } = await enter(url, "Ann");
    await say(page, "hello");
    await page.getByText("Ann: hello").waitFor();
    const code = blocks.get("app/chat.jsx") ?? "";
    write("app/chat.jsx", code.replace("Say something", "Say something new"));
    onTestFinished(() => write("app/chat.jsx", code));
    await page.getByPlaceholder("Say something new").waitFor();
    await say(page, "still here");
    await page.getByText("Ann: still here").waitFor();
    expect(sockets.filter((path) => path === "/live")).toEqual(["/live"]);
    expect(sockets).toContain("/_next/hmr");
  });

  test("two processes: the rewrite brings pages to Sendall, by the name that the browser has asked for", async () => {
    const port = await freePort();
    write("next.config.js", blocks.get("next.config.js") ?? "");
    await build({ LIVE_URL: `http://127.0.0.1:${port}` });
    const live = run(join(folder, "live.js"), [], { LIVE_PORT: String(port) });
    await live.stdout.next(/^ws:/);
    const pagesPort = await freePort();
    const pages = run(next.path, ["start", "-p", String(pagesPort)], {});
    await pages.stdout.next(/Ready/);
    const url = `http://localhost:${pagesPort}`;
    const { page, sockets } = await enter(url, "Ann");
    await say(page, "hello");
    await page.getByText("Ann: hello").waitFor();
    expect(sockets).toEqual(["/live"]);

    const Cookie = await cookieOf(page);
    expect(await knock(url)).toBe("HTTP 401");
    expect(await knock(url, { Cookie, Host: "example.com", Origin: "http://example.com" })).toBe("open");
    expect(await knock(url, { Cookie, Host: "example.com", Origin: "http://example.org" })).toBe("HTTP 403");
  });
});
