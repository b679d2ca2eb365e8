/** `sendall/client` in Chromium, as a page without a bundler has it: the file of `dist/`, and an import map for its name. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { attach, type Server, serve } from "sendall";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { Line } from "./line.js";
import { until } from "./peers.js";
import { requires } from "./requires.js";

const FOLDERS: Readonly<Record<string, URL>> = {
  sendall: new URL("../../dist/", import.meta.url),
};

/** A page as users write it, which names the client's file and a path alone. */
const PLAIN_PAGE = `<script type="module">
  import { connect } from "/sendall/client.js";
  const client = connect("/chat");
</script>`;

/** What a page needs that has no bundler. */
const PAGE = `<!doctype html>
<script type="importmap">
  { "imports": { "sendall/client": "/sendall/client.js" } }
</script>
<script type="module">
  import * as client from "sendall/client";
  window.client = client;
  document.title = "ready";
</script>`;

/** A page's server. The files that were asked for are noted. */
async function servePage(
  port = 0,
): Promise<{ server: Server; url: string; port: number; files: string[]; stop(): Promise<void> }> {
  const files: string[] = [];
  const host = createServer(async (request, response) => {
    const [, folder = "", name = ""] = /^\/(\w+)\/([\w./-]+\.js)$/.exec(request.url ?? "") ?? [];
    const root = FOLDERS[folder];
    if (request.url === "/plain") response.setHeader("content-type", "text/html").end(PLAIN_PAGE);
    else if (request.url === "/") response.setHeader("content-type", "text/html").end(PAGE);
    else if (root === undefined) response.writeHead(404).end();
    else {
      files.push(`${folder}/${name}`);
      response.setHeader("content-type", "text/javascript").end(await readFile(fileURLToPath(new URL(name, root))));
    }
  });
  const server = await attach(host, {
    logger: false,
    handler(event, bus) {
      if (event.type !== "message") return;
      const { connection, text, data } = event;
      if (text.startsWith("close ")) connection.close(Number(text.slice(6)), "as asked");
      else if (text.startsWith("sub,")) bus.unicast(`msg,${text.slice(4)},welcome, friend`, connection);
      else bus.unicast(data, connection);
    },
  });
  host.listen(port, "127.0.0.1");
  await once(host, "listening");
  const address = host.address();
  if (address === null || typeof address === "string") throw new Error("it has a port");
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await server.close();
    host.close();
    host.closeAllConnections();
    await once(host, "close");
  };
  onTestFinished(stop);
  return { server, url: `http://127.0.0.1:${address.port}/`, port: address.port, files, stop };
}

/** Runs in the page: a client whose log is `window.log`. */
const OPEN = `
  window.log = [];
  const say = (data) => log.push(typeof data === "string" ? data : [...data]);
  window.one = client.connect("/", {
    reconnect: { minMs: 10, maxMs: 50 },
    onOpen: () => say("open"),
    onMessage: say,
    onClose: ({ code, reason, willRetry }) => say(["close", code, reason, willRetry]),
    onError: (error) => say(error.code),
  });
`;

const program = requires("chromium");

describe.skipIf(program.skip)("the client in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
  }, 60_000);

  afterAll(() => browser.close());

  async function openPage(url: string): Promise<{ page: Page; errors: Error[] }> {
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const errors: Error[] = [];
    page.on("pageerror", (error) => errors.push(error));
    await page.goto(url);
    await page.waitForFunction("document.title === 'ready'");
    return { page, errors };
  }

  it("connects to a path of the server that the page is from", async () => {
    const { url } = await servePage();
    const page = await browser.newPage();
    const socket = page.waitForEvent("websocket");
    await page.goto(`${url}plain`);
    expect((await socket).url()).toBe(`${url.replace("http", "ws")}chat`);
  });

  it("needs no bundler, and nothing of Node", async () => {
    const { url, files } = await servePage();
    const { page, errors } = await openPage(url);
    await page.evaluate(`${OPEN} one.opened`);
    expect(files).toEqual(["sendall/client.js"]);
    expect(errors).toEqual([]);
  });

  it("sends what waited, in order, text and bytes, and closes with its code", async () => {
    const { server, url } = await servePage();
    const { page, errors } = await openPage(url);
    await page.evaluate(
      `${OPEN} one.send("a"); one.send(new Uint8Array([1, 2])); one.send(new Uint8Array([3]).buffer)`,
    );
    await page.waitForFunction("log.length === 4");
    expect(await page.evaluate("log")).toEqual(["open", "a", [1, 2], [3]]);
    expect(await page.evaluate("one.close(4001, 'bye')")).toBe(true);
    await page.waitForFunction("one.state === 'closed'");
    expect(await page.evaluate("log.at(-1)")).toEqual(["close", 4001, "bye", false]);
    expect([server.connections(), errors]).toEqual([[], []]);
  });

  it("comes back when the server restarts, with its channel and what was said meanwhile", async () => {
    const first = await servePage();
    const { page, errors } = await openPage(first.url);
    await page.evaluate(`${OPEN}
      window.ann = one.channel("ann", { onOpen: () => say("ann open"), onMessage: (data) => say("ann: " + data) });
      ann.opened`);
    await page.waitForFunction("log.length === 3");
    await first.stop();
    await page.waitForFunction("one.state === 'waiting' || one.state === 'connecting'");
    await page.evaluate("one.send('meanwhile')");
    await servePage(first.port);
    await page.waitForFunction("log.includes('meanwhile')");
    const log = (await page.evaluate("log")) as unknown[];
    expect(log.slice(0, 4)).toEqual(["open", "ann open", "ann: welcome, friend", ["close", 1001, "going away", true]]);
    expect(log.slice(log.lastIndexOf("open"))).toEqual(["open", "ann open", "ann: welcome, friend", "meanwhile"]);
    await page.evaluate("one.close()");
    expect(errors).toEqual([]);
  });

  it("stays away after 1008, and refuses what a browser cannot do", async () => {
    const { url } = await servePage();
    const { page, errors } = await openPage(url);
    await page.evaluate(`${OPEN} one.send("close 1008")`);
    await page.waitForFunction("one.state === 'closed'");
    expect(await page.evaluate("log.at(-1)")).toEqual(["close", 1008, "as asked", false]);
    const refusal = `(() => { try { client.connect("/", { headers: { a: "b" } }); } catch (error) {
      return [error instanceof client.SendallError, error.code, error.option];
    } })()`;
    expect(await page.evaluate(refusal)).toEqual([true, "BAD_OPTION", "headers"]);
    expect(errors).toEqual([]);
  });

  it("that cannot connect says so and causes no unhandled rejection", async () => {
    const { url } = await servePage();
    const { page, errors } = await openPage(url);
    await page.evaluate(`window.failures = [];
      window.two = client.connect("ws://127.0.0.1:1/", { reconnect: { attempts: 1, minMs: 1 }, onError: (error) => failures.push(error.code) })`);
    await page.waitForFunction("two.state === 'closed'");
    expect(await page.evaluate("failures")).toEqual(["CONNECTION_FAILED", "CONNECTION_FAILED"]);
    expect(errors).toEqual([]);
  });
});

describe.skipIf(program.skip)("the client of serve's option client in Chromium", { timeout: 60_000 }, () => {
  it("notices a line that falls silent both ways, and comes back when the line does, with what was said meanwhile", async () => {
    const server = await serve({
      port: 0,
      logger: false,
      origins: "any",
      client: "/sendall/client.js",
      onRequest: (_request, response) => void response.setHeader("content-type", "text/html").end(PAGE),
      heartbeat: { intervalMs: 500, timeoutMs: 1_500 },
      handler(event, bus) {
        if (event.type === "message") bus.unicast(event.data, event.connection);
      },
    });
    onTestFinished(() => server.close());
    const line = await Line.to(server.port);
    const browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    const errors: Error[] = [];
    page.on("pageerror", (error) => errors.push(error));
    await page.goto(`http://${line.host}/`);
    await page.waitForFunction("document.title === 'ready'");
    await page.evaluate(`${OPEN} one.opened`);
    await page.evaluate("one.send('before')");
    await page.waitForFunction("log.includes('before')");
    const { connections } = line;
    line.silence();
    await page.evaluate("one.send('lost')");
    await page.waitForFunction("one.state !== 'open'");
    await until(() => line.connections > connections);
    await page.evaluate("one.send('after')");
    line.restore();
    await page.waitForFunction("log.includes('after')");
    expect(await page.evaluate("log")).toEqual([
      "open",
      "before",
      "CONNECTION_FAILED",
      ["close", 1006, "", true],
      "open",
      "after",
    ]);
    expect(errors).toEqual([]);
  });
});
