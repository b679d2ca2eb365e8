/** A session in Chromium, over a line that is cut fifty times. */
import { type Browser, chromium } from "playwright-core";
import { type ServerEvent, serve } from "sendall";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { SeededRandom } from "../../src/testing/runtime/random.js";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { CuttingLine } from "./cutting-line.js";
import { requires } from "./requires.js";

const MESSAGES = 1_200;

/** Sends numbers to each client, one for each number that comes. */
async function serveNumbers() {
  const got: string[] = [];
  const events: string[] = [];
  const server = await serve({
    port: 0,
    logger: false,
    origins: "any",
    resume: true,
    client: "/client.js",
    heartbeat: { intervalMs: 2_000, timeoutMs: 2_000 },
    onRequest: (_request, response) => void response.setHeader("content-type", "text/html").end("<!doctype html>"),
    handler(event: ServerEvent) {
      if (event.type !== "message") events.push(event.type);
      if (event.type !== "message") return;
      got.push(event.text);
      event.connection.send(`to ${event.text.slice(5)}`);
    },
  });
  onTestFinished(() => server.close());
  return { server, got, events };
}

/** Cuts 50 sockets, half of them by a reset. The first is cut late: a welcome that is lost begins another session. */
async function cutOften(port: number): Promise<CuttingLine> {
  const random = new SeededRandom(50);
  let maxBytes = 20_000;
  const line = await CuttingLine.to(port, {
    count: 50,
    next() {
      const bytes = maxBytes === 4_000 ? 1 + Math.floor(random.fraction() * maxBytes) : maxBytes;
      maxBytes = 4_000;
      return { cut: random.fraction() < 0.5 ? "close" : "reset", bytes };
    },
  });
  onTestFinished(() => line.close());
  return line;
}

/** Runs in the page: sends a number after each that comes, and some ahead. */
const TALK = `async (messages, url) => {
  const { connect } = await import("/client.js");
  window.got = [];
  window.opens = [];
  let sent = 0;
  const say = () => { if (sent < messages) window.client.send("from " + sent++ + "x".repeat(sent % 97)); };
  window.client = connect(url, {
    reconnect: { minMs: 1, maxMs: 20 },
    onOpen: ({ why, lost, uncertain }) => window.opens.push([why, lost, uncertain.length]),
    onMessage: (text) => { window.got.push(text); say(); },
  });
  for (let i = 0; i < 20; i++) say();
}`;

const program = requires("chromium");

describe.skipIf(program.skip)("a page", { timeout: 120_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
  }, 60_000);
  afterAll(() => browser.close());

  it("behind a line that is cut 50 times loses nothing, gets nothing twice, and is sent nothing twice", async () => {
    const { server, got, events } = await serveNumbers();
    const line = await cutOften(server.port);
    const page = await browser.newPage();
    // The page itself comes over a line that holds.
    await page.goto(`http://127.0.0.1:${server.port}/`);
    await page.evaluate(`(${TALK})(${MESSAGES}, "ws://${line.host}/")`);
    await page.waitForFunction(`window.got.length >= ${MESSAGES}`, undefined, { timeout: 90_000 });
    const said = Array.from({ length: MESSAGES }, (_, i) => `${i}${"x".repeat((i + 1) % 97)}`);
    expect(got).toEqual(said.map((text) => `from ${text}`));
    expect(await page.evaluate("window.got")).toEqual(said.map((text) => `to ${text}`));
    expect(line.cut).toBe(50);
    const opens = (await page.evaluate("window.opens")) as [string, number, number][];
    expect(opens.filter(([why], i) => why !== (i === 0 ? "new" : "resumed"))).toEqual([]);
    expect(events.filter((type) => type !== "away" && type !== "back")).toEqual(["open"]);
    expect(server.stats()).toMatchObject({ connections: 1, opened: 1, closed: 0, gaps: 0, expired: 0, dropped: 0 });
    await page.close();
  });
});
