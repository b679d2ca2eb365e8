/** Chromium for tests of the examples' pages: starts an example as a process of its own, opens its page, and restarts its server. */
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { type Program, start, stopPrograms } from "./programs.js";

// Long enough for a loaded machine; a test waits this long only when it fails.
const PATIENCE_MS = 20_000;

/** To be made inside `describe`: registers the hooks that start and end Chromium, and that end what a test has started. */
export class ExampleBrowser {
  /** The page's address, as the example has printed it. */
  url = "";
  /** What a page has reported as an error; a test may take away what it expects. The rest fails the test. */
  complaints: string[] = [];
  #browser: Browser | undefined;
  #program: Program | undefined;

  constructor(executablePath: string) {
    beforeAll(async () => {
      this.#browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
    }, 60_000);
    afterAll(() => this.#browser?.close());
    beforeEach(() => {
      this.complaints = [];
    });
    afterEach(async () => {
      await Promise.all((this.#browser?.contexts() ?? []).map((context) => context.close()));
      await stopPrograms();
      expect(this.complaints).toEqual([]);
    });
  }

  get program(): Program {
    if (this.#program === undefined) throw new Error("startExample comes first");
    return this.#program;
  }

  async startExample(name: string, port = "0", ...words: readonly string[]): Promise<void> {
    this.#program = start("examples/run.js", [name, ...words], { env: { PORT: port } });
    [, this.url = ""] = await this.#program.stdout.next(/^[A-Z]\w+: (https?:\S+)$/);
  }

  /** A phone, unless the test says otherwise. */
  async open(options: BrowserContextOptions = {}, url = this.url): Promise<Page> {
    if (this.#browser === undefined) throw new Error("Chromium is started before the first test");
    const context = await this.#browser.newContext({ viewport: { width: 360, height: 740 }, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(error.message));
    // What its content security policy has refused, say. A server that is away, or about to close, is no fault of the page's.
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && !/ERR_CONNECTION|response code: 503/.test(text)) this.complaints.push(text);
    });
    await page.goto(url);
    return page;
  }

  /** Ends the server, and starts another at the same port once the page has noticed. */
  async replaceServer(name: string, page: Page): Promise<void> {
    const { port } = new URL(this.url);
    this.program.kill("SIGTERM");
    await this.program.ended;
    await hasState(page, "Trying again");
    await this.startExample(name, port);
  }

  /** As `replaceServer`, for a page that comes back by itself. */
  async restart(name: string, page: Page): Promise<void> {
    await this.replaceServer(name, page);
    await hasState(page, "Connected");
  }
}

export async function hasText(locator: Locator, text: string | RegExp): Promise<void> {
  await locator.filter({ hasText: text }).waitFor({ state: "attached" });
}

/** What the page says of its connection, in the same case: "Not connected" is not "Connected". */
export function hasState(page: Page, text: string): Promise<void> {
  return hasText(page.getByTestId("state"), new RegExp(text));
}

export async function fitsThePhone(page: Page): Promise<void> {
  expect(await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")).toBe(0);
}
