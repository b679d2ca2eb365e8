/** Reads the built site in Chromium, from a static file server without rules of its own. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import sirv from "sirv";
import { CHROMIUM_FLAGS } from "../../e2e/chromium.js";

const PATIENCE_MS = 30_000;

export const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
export const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

export class Reader {
  /** Requests that left the server of the site, and what pages have reported as errors. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #server: Server;

  private constructor(browser: Browser, server: Server) {
    this.#browser = browser;
    this.#server = server;
  }

  static async start(folder: string, executablePath: string): Promise<Reader> {
    const serveFile = sirv(folder);
    const server = createServer((request, response) => {
      serveFile(request, response, () => {
        response.statusCode = 404;
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Reader(await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] }), server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A tab of its own; ends with the reader. */
  async open(path: string, options: BrowserContextOptions = DESKTOP): Promise<Page> {
    const context = await this.#browser.newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(`${page.url()}: ${message.text()}`);
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${this.origin}/`) && !/^(data|blob):/.test(url))
        this.complaints.push(`${page.url()}: ${url}`);
    });
    await page.goto(this.origin + path);
    return page;
  }

  /** The path and the id in the page's address. */
  placeOf(page: Page): string {
    return page.url().slice(this.origin.length);
  }
}
