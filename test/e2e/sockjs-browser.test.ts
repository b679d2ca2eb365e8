/** The SockJS client as npm has it, unmodified, in Chromium, over every transport that a browser of today can be made to use. */
import { readFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Server } from "../../src/server/server.js";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { closeByHand, openByHand, until } from "./peers.js";
import { requires } from "./requires.js";
import { KILLERS } from "./sockjs-killers.js";
import { services } from "./sockjs-peers.js";

const program = requires("chromium");
const CLIENT = readFileSync(createRequire(import.meta.url).resolve("sockjs-client/dist/sockjs.min.js"));
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"];

/** What the page does: opens a session, sends in two batches, and says what came back and how it ended. */
const PAGE = `<!doctype html><meta charset="utf-8"><script src="/client.js"></script><script>
function play({ url, transport, send, count, close }) {
  return new Promise((resolve) => {
    const received = [];
    const socket = new SockJS(url, null, { transports: transport, timeout: 60000 });
    let wasOpen = false;
    let used;
    const half = send.length >> 1;
    socket.onopen = () => {
      wasOpen = true;
      used = socket.transport;
      for (const text of send.slice(0, half)) socket.send(text);
      if (count === 0 && close) socket.close(close.code, close.reason);
      else if (half === 0) for (const text of send) socket.send(text);
    };
    socket.onmessage = ({ data }) => {
      received.push(data);
      if (half > 0 && received.length === half) for (const text of send.slice(half)) socket.send(text);
      if (received.length === count) socket.close(close.code, close.reason);
    };
    socket.onclose = ({ code, reason, wasClean }) => resolve({ received, transport: used, wasOpen, code, reason, wasClean });
  });
}
</script>`;

interface Played {
  readonly received: readonly string[];
  readonly transport: string;
  readonly wasOpen: boolean;
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** The transports, and whose page uses each: htmlfile is for pages of the server's own origin. */
const TRANSPORTS = [
  ["websocket", "other"],
  ["xhr-streaming", "other"],
  ["eventsource", "other"],
  ["xhr-polling", "other"],
  ["iframe-eventsource", "other"],
  ["iframe-htmlfile", "other"],
  ["iframe-xhr-polling", "other"],
  ["jsonp-polling", "other"],
  ["htmlfile", "own"],
  ["xhr-streaming", "own"],
] as const;

describe.skipIf(program.skip)("sockjs-client in Chromium", () => {
  let browser: Browser;
  let host: HttpServer;
  let server: Server;
  let clock: HandClock;
  /** A page of the server's own origin, and one of another. */
  let pages: { readonly own: Page; readonly other: Page };

  beforeAll(async () => {
    host = createServer((request, response) => answer(request.url ?? "", response));
    await new Promise<void>((resolve) => {
      host.listen(0, "127.0.0.1", resolve);
    });
    const bound = host.address();
    const other = `http://127.0.0.1:${bound !== null && typeof bound === "object" ? bound.port : 0}`;
    ({ server, clock } = await openByHand({
      origins: "any",
      sockjs: { clientUrl: `${other}/client.js` },
      onRequest: (request, response) => answer(request.url ?? "", response),
      ...services,
    }));
    browser = await chromium.launch({ executablePath: program.path, args: FLAGS });
    const open = async (url: string): Promise<Page> => {
      const page = await browser.newPage();
      await page.goto(url);
      return page;
    };
    pages = { own: await open(`${server.url.replace("ws", "http")}page`), other: await open(`${other}/page`) };
  });

  afterAll(async () => {
    await browser?.close();
    host?.close();
    host?.closeAllConnections();
    if (server !== undefined) await closeByHand(server, clock);
  });

  function answer(url: string, response: import("node:http").ServerResponse): void {
    const isClient = url.startsWith("/client.js");
    response.setHeader("Content-Type", isClient ? "text/javascript" : "text/html");
    response.end(isClient ? CLIENT : url === "/page" ? PAGE : "");
  }

  interface Task {
    readonly service: string;
    readonly transport: string;
    readonly send?: readonly string[];
    readonly count?: number;
    readonly close?: { readonly code: number; readonly reason: string };
  }

  async function play(page: Page, { service, send = [], count = send.length, ...task }: Task): Promise<Played> {
    const url = `${server.url.replace("ws", "http")}${service}`;
    const close = { code: 3001, reason: "done" };
    return page.evaluate(`play(${JSON.stringify({ close, url, send, count, ...task })})`);
  }

  /** The client's end is seen at once, or after a while if it was between two polls. */
  async function empty(): Promise<void> {
    await until(() => {
      clock.pass(100);
      return server.stats().connections === 0;
    });
  }

  describe.each(TRANSPORTS)("over %s, on a page of the %s origin", (transport, origin) => {
    test("gets back what it sends", async () => {
      const played = await play(pages[origin], { service: "echo", transport, send: KILLERS });
      expect(played).toMatchObject({ transport, code: 3001, reason: "done", wasOpen: true });
      expect(played.received).toEqual(KILLERS);
      await empty();
    });

    test("gets back a batch in order", async () => {
      const send = Array.from({ length: 200 }, (_, i) => String(i));
      const played = await play(pages[origin], { service: "echo", transport, send });
      expect(played.received).toEqual(send);
      await empty();
    });

    test("hears the server's code and reason", async () => {
      const played = await play(pages[origin], { service: "close", transport, count: -1 });
      expect(played).toMatchObject({ code: 3000, reason: "Go away!", wasClean: true, wasOpen: true, received: [] });
      await empty();
    });

    test("leaves, and the server sees it", async () => {
      const played = await play(pages[origin], { service: "echo", transport, count: 0 });
      expect(played).toMatchObject({ code: 3001, reason: "done", wasOpen: true });
      await empty();
    });

    test("gets a large message, past the limit of a response", async () => {
      const played = await play(pages[origin], { service: "amplify", transport, send: ["18", "17"] });
      expect(played.received.map((text) => text.length)).toEqual([262_144, 131_072]);
      await empty();
    });
  });
});
