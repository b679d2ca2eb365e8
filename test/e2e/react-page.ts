/** How tests play components in Chromium and on a server, with React 18 and React 19: the sources of `sendall/react`, bundled with either. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { rolldown } from "rolldown";
import { type Server, serve } from "sendall";
import { onTestFinished } from "vitest";

export const VERSIONS = [18, 19] as const;
export type Version = (typeof VERSIONS)[number];

const SRC = fileURLToPath(new URL("../../src/", import.meta.url));

/** A program in a single file: `entry`, which may be JSX, with one version of React. */
export async function bundle(version: Version, entry: string, platform: "browser" | "node"): Promise<string> {
  const from = createRequire(
    new URL(version === 18 ? "../react-18/package.json" : "../../package.json", import.meta.url),
  );
  const packages = ["react", "react-dom"].map((name) => [name, dirname(from.resolve(`${name}/package.json`))]);
  const built = await rolldown({
    input: "entry",
    platform,
    external: /\/node-socket\.js$/,
    resolve: {
      alias: {
        ...Object.fromEntries(packages),
        "sendall/react": `${SRC}react.ts`,
        "sendall/client": `${SRC}client.ts`,
        "sendall/protocol": `${SRC}protocol.ts`,
      },
    },
    transform: { define: { "process.env.NODE_ENV": '"development"' } },
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "entry" ? "\0entry" : null),
        load: (id) => (id === "\0entry" ? { code: entry, moduleType: "jsx" } : null),
      },
    ],
    onLog(level, log, handle) {
      // Said of every package with hooks.
      if (log.code !== "MODULE_LEVEL_DIRECTIVE") handle(level, log);
    },
  });
  const { output } = await built.generate({ format: "esm", codeSplitting: false });
  return output[0].code;
}

/** A module of Node out of `entry`. */
export async function load<T>(version: Version, entry: string): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "sendall-react-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "program.mjs");
  writeFileSync(file, await bundle(version, entry, "node"));
  return import(/* @vite-ignore */ pathToFileURL(file).href);
}

/** What the code of tests finds in a page, as globals. */
const PAGE = `
import * as React from "react";
import { flushSync } from "react-dom";
import { createRoot, hydrateRoot } from "react-dom/client";
import { connect, SendallError } from "sendall/client";
import { protocol } from "sendall/protocol";
import { useClient, useClientState, useMessages } from "sendall/react";

const { createElement: h, Component, StrictMode, Suspense } = React;
const tick = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(port1.close());
  port2.postMessage(0);
});
/** Waits for a fact. */
const until = async (isTrue) => {
  while (!isTrue()) await tick();
};
const text = () => document.querySelector("main").textContent;
let root;
/** Renders into the page; errors that no boundary catches are noted. */
const show = (node) => {
  root ??= createRoot(document.querySelector("main"), { onUncaughtError: (error) => errors.push(error) });
  flushSync(() => root.render(node));
};
/** A client in the test's hands. */
const createSource = (status = { state: "open", retryAt: undefined, resumed: false }) => {
  const listeners = new Set();
  return {
    status,
    listeners,
    on(type, listener) {
      if (type !== "message") throw new Error(type);
      const own = (message) => listener(message);
      listeners.add(own);
      return () => listeners.delete(own);
    },
    subscribe: () => () => {},
    emit: (message) => [...listeners].forEach((listener) => listener(message)),
  };
};
class Boundary extends Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  render() {
    const { error } = this.state;
    return error ? [error.name, error.code, error.message].join("|") : this.props.children;
  }
}
Object.assign(window, {
  React, h, StrictMode, Suspense, flushSync, createRoot, hydrateRoot, connect, SendallError, protocol, useClient, useClientState, useMessages,
  tick, until, text, show, createSource, Boundary,
});
`;

/** Runs before the page: sockets and complaints are noted. */
const NOTES = `
window.sockets = [];
window.errors = [];
window.complaints = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    sockets.push(this);
  }
};
for (const level of ["error", "warn"]) console[level] = (...words) => complaints.push(words.map(String).join(" "));
addEventListener("error", ({ error }) => errors.push(error));
`;

const programs = new Map<Version, Promise<string>>();

export interface PlayedPage {
  readonly page: Page;
  readonly server: Server;
  /** What the server was told, with the path in front. */
  readonly heard: string[];
  /** Runs code in the page, as the body of an async function. */
  run(code: string): Promise<unknown>;
}

interface PageOptions {
  readonly isPaused?: boolean;
  readonly html?: string;
  readonly script?: string;
}

/**
 * A page with React, and its server: a message "burst n" is answered by n numbers, everything else is said back; at "/greeting" 100 numbers
 * come at once.
 * @param options.isPaused whether time stands still but for `page.clock`
 * @param options.script runs in place of what the tests' code finds as globals
 */
export async function openPage(
  browser: Browser,
  version: Version,
  { isPaused = false, html = "", script: own }: PageOptions = {},
): Promise<PlayedPage> {
  const program = programs.get(version) ?? bundle(version, PAGE, "browser");
  programs.set(version, program);
  const script = own ?? (await program);
  const heard: string[] = [];
  const server = await serve({
    port: 0,
    logger: false,
    onRequest(request, response) {
      const isScript = request.url === "/page.js";
      const page = `<!doctype html><link rel="icon" href="data:,"><main>${html}</main><script type="module" src="/page.js"></script>`;
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html").end(isScript ? script : page);
    },
    handler(event, bus) {
      if (event.type !== "open" && event.type !== "message" && event.type !== "closed") return;
      const { connection } = event;
      const countTo = (count: number): void => {
        for (let i = 0; i < count; i++) bus.unicast(String(i), connection);
      };
      if (event.type === "open") {
        heard.push(`${connection.path} open`);
        if (connection.path === "/greeting") countTo(100);
      } else if (event.type === "closed") heard.push(`${connection.path} closed ${event.code}`);
      else {
        heard.push(`${connection.path} ${event.text}`);
        const [, count] = /^burst (\d+)$/.exec(event.text) ?? [];
        if (count === undefined) bus.unicast(event.text, connection);
        else countTo(Number(count));
      }
    },
  });
  onTestFinished(() => server.close());
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.addInitScript(NOTES);
  if (isPaused) await page.clock.install({ time: 0 });
  await page.goto(server.url.replace("ws", "http"));
  if (own === undefined) await page.waitForFunction("window.show !== undefined");
  if (isPaused) await page.clock.pauseAt(3_600_000);
  return { page, server, heard, run: (code) => page.evaluate(`(async () => {${code}})()`) };
}
