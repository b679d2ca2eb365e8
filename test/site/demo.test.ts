/** The demo of sessions on the first page of the site, built alone into a bare page, in Chromium. */
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { bundleStage, sendallInAPage } from "../../docs/.vitepress/theme/demo/sendall-in-a-page.ts";
import { CHROMIUM_FLAGS } from "../e2e/chromium.js";
import { requires } from "../e2e/requires.js";

const { skip, path: executablePath } = requires("chromium");

const DEMO = fileURLToPath(new URL("../../docs/.vitepress/theme/demo/SessionsDemo.vue", import.meta.url));
const VARIABLES = "vitepress/dist/client/theme-default/styles/vars.css";

/** The bundler of VitePress, with VitePress's plugin for components. */
async function bundlerOfSite() {
  const vitepress = createRequire(createRequire(import.meta.url).resolve("vitepress/package.json"));
  const load = (path: string) => import(pathToFileURL(path).href);
  return {
    vite: await load(join(dirname(vitepress.resolve("vite/package.json")), "dist/node/index.js")),
    vue: await load(join(dirname(vitepress.resolve("@vitejs/plugin-vue")), "index.mjs")),
  };
}

/** Builds a page with nothing but the demo. @returns the folder of the page */
async function buildPage(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sendall-demo-"));
  const program = `import { createApp } from "vue"; import Demo from ${JSON.stringify(DEMO)}; import "${VARIABLES}"; createApp(Demo).mount("#demo");`;
  await writeFile(join(folder, "main.js"), program);
  await writeFile(
    join(folder, "index.html"),
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Demo</title><link rel="icon" href="data:,">
    <body style="margin: 0; font-family: sans-serif"><div id="demo"></div><script type="module" src="./main.js"></script>`,
  );
  const { vite, vue } = await bundlerOfSite();
  const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
  await vite.build({
    root: folder,
    configFile: false,
    logLevel: "error",
    plugins: [vue.default(), sendallInAPage()],
    resolve: { alias: { vue: `${modules}/vue`, vitepress: `${modules}/vitepress` } },
  });
  return folder;
}

describe.skipIf(skip)("the demo of sessions", () => {
  let browser: Browser;
  let folder: string;
  let origin: string;
  const server = createServer(async ({ url = "/" }, response) => {
    const file = join(folder, "dist", url === "/" ? "index.html" : url);
    const type = url === "/" ? "text/html" : url.endsWith(".js") ? "text/javascript" : "text/css";
    response.writeHead(200, { "content-type": type }).end(await readFile(file));
  });

  beforeAll(async () => {
    folder = await buildPage();
    await once(server.listen(0, "127.0.0.1"), "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
  });
  afterAll(async () => {
    await browser?.close();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Without motion the demo does not tick: then every message is one of the test's. */
  async function open(options: BrowserContextOptions = { reducedMotion: "reduce" }) {
    const context = await browser.newContext({ viewport: { width: 520, height: 700 }, ...options });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const complaints: string[] = [];
    const requested: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => complaints.push(message.text()));
    page.on("request", (request) => requested.push(request.url()));
    page.on("websocket", (socket) => requested.push(socket.url()));
    await page.goto(origin);
    return { page, complaints, requested };
  }

  const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();

  async function say(page: Page, ...texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      await page.getByRole("textbox").fill(text);
      await page.keyboard.press("Enter");
    }
  }

  const has = (page: Page, part: string, text: string | RegExp) =>
    page.getByTestId(part).filter({ hasText: text }).waitFor();

  async function arrivals(page: Page, side: string): Promise<Record<"up" | "down", string | null>> {
    const cell = page.getByTestId(`${side}-arrived`);
    return { up: await cell.getAttribute("data-up"), down: await cell.getAttribute("data-down") };
  }

  async function lost(page: Page, side: string): Promise<number> {
    return Number(await page.getByTestId(`${side}-lost`).textContent());
  }

  it("loses nothing with a session, twice in a row, and counts what the plain socket loses", async () => {
    const { page, complaints, requested } = await open();
    await press(page, "Start the demo");
    await has(page, "session-page", "new");
    await has(page, "plain-page", "plain");
    await say(page, "one", "two");
    await has(page, "session-arrived", "4 of 4");
    await has(page, "plain-arrived", "4 of 4");

    let sent = 2;
    let lostBefore = 0;
    for (const _ of [1, 2]) {
      await press(page, "Pull the cable");
      await say(page, "meanwhile", "still", "and again");
      sent += 3;
      await has(page, "session-handler", "away");
      await has(page, "plain-handler", "closed: 1006");
      await say(page, "late");
      sent += 1;
      expect(await lost(page, "session")).toBe(0);
      await press(page, "Plug it in");
      await has(page, "session-handler", "back: 4 replayed, 0 lost");
      await has(page, "session-page", "resumed: 4 replayed, 0 lost");
      await has(page, "plain-handler", "open");
      await has(page, "session-arrived", `${2 * sent} of ${2 * sent}, once, in order`);
      await page.getByRole("status").filter({ hasText: "Lost with a session: 0." }).waitFor();

      const all = Array.from({ length: sent }, (_, i) => i + 1).join();
      expect(await arrivals(page, "session")).toEqual({ up: all, down: all });
      expect(await lost(page, "session")).toBe(0);
      expect(await lost(page, "plain")).toBe(lostBefore + 8);
      lostBefore += 8;

      await say(page, "after");
      sent += 1;
      await has(page, "session-arrived", `${2 * sent} of ${2 * sent}`);
      await has(page, "plain-arrived", `${2 * sent - lostBefore} of ${2 * sent}`);
    }
    // Each cut takes the four messages from the plain side, and no other.
    expect(await arrivals(page, "plain")).toEqual({ up: "1,2,7,12", down: "1,2,7,12" });
    expect(complaints).toEqual([]);
    expect(requested.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:"))).toEqual([]);
    expect(requested.length).toBeGreaterThan(2);
  });

  it("keeps still, and loads no server, until a button is pressed; then ticks where motion is welcome", async () => {
    const { page, requested, complaints } = await open({ reducedMotion: "no-preference" });
    await page.getByRole("status").filter({ hasText: "inside this page" }).waitFor();
    expect(await page.getByRole("textbox").isDisabled()).toBe(true);
    const before = requested.length;
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    // Time goes on past the first heartbeats.
    await has(page, "session-arrived", /\b(?:[6-9]|[1-9]\d) of \d+, once, in order/);
    expect(requested.length).toBeGreaterThan(before);
    expect(complaints).toEqual([]);
  });

  it("fits a phone", async () => {
    const { page } = await open({ viewport: { width: 358, height: 700 }, reducedMotion: "reduce" });
    const { width, height } = (await page.locator(".sessions-demo").boundingBox()) ?? { width: 0, height: 0 };
    expect(width).toBeLessThanOrEqual(358);
    // Wide letters, such as those of DejaVu Sans, take a line more.
    expect(height).toBeLessThan(640);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(358);
  });

  it("takes at most 110 kB", async () => {
    expect(gzipSync(await bundleStage()).length).toBeLessThan(110_000);
  });
});
