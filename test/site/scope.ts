/** What the checks of a page have at hand. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type Page as BrowserPage, chromium } from "playwright-core";
import { rolldown } from "rolldown";
import { expect } from "vitest";
import { WebSocket } from "ws";
import { CHROMIUM_FLAGS } from "../e2e/chromium.js";
import { requires as findProgram, type Program as Outside } from "../e2e/requires.js";
import { caddy } from "./caddy.js";
import { nginx } from "./nginx.js";
import { CLI, type Program, type Programs, type RunOptions } from "./programs.js";
import type { ProxyOptions, RunningProxy } from "./proxy.js";

/** What has not come by then will not come: the check fails with words of its own, before the whole test is given up. */
const DEADLINE_MS = 45_000;

/** A check that needs what this machine does not have, and what SENDALL_REQUIRE does not ask for. */
export class Skipped extends Error {}

export interface DialOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
}

/** A plain WebSocket peer, whose messages wait to be asked for. */
export interface Peer {
  readonly socket: WebSocket;
  send(data: string | Buffer): void;
  /** A string from a text frame, a Buffer from a binary one; fails if the socket closes first. */
  next(): Promise<string | Buffer>;
  close(code?: number, reason?: string): void;
  readonly closed: Promise<{ code: number; reason: string }>;
}

export async function openPeer(url: string, { headers, protocols = [] }: DialOptions = {}): Promise<Peer> {
  const socket = new WebSocket(url, [...protocols], headers === undefined ? {} : { headers });
  const messages: (string | Buffer)[] = [];
  let wake = (): void => {};
  let ending: { code: number; reason: string } | undefined;
  socket.on("message", (data: Buffer, isBinary) => {
    messages.push(isBinary ? data : String(data));
    wake();
  });
  const closed = once(socket, "close").then(([code, reason]) => {
    ending = { code, reason: String(reason) };
    wake();
    return ending;
  });
  closed.catch(() => {});
  await once(socket, "open");
  socket.on("error", () => {});
  return {
    socket,
    closed,
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    async next() {
      const deadline = AbortSignal.timeout(DEADLINE_MS);
      while (messages.length === 0 && ending === undefined) {
        await new Promise<void>((resolve, reject) => {
          wake = resolve;
          deadline.onabort = () => reject(new Error(`no message came within ${DEADLINE_MS} ms`));
        });
      }
      const message = messages.shift();
      if (message === undefined) throw new Error(`no message came before the close: ${JSON.stringify(ending)}`);
      return message;
    },
  };
}

/** What a server answers in place of an upgrade. */
export async function refusedBy(
  url: string,
  { headers, protocols = [] }: DialOptions = {},
): Promise<{ status: number; body: string }> {
  const socket = new WebSocket(url, [...protocols], headers === undefined ? {} : { headers });
  socket.on("error", () => {});
  const answer = await Promise.race([
    once(socket, "unexpected-response"),
    once(socket, "open").then(() => undefined),
    once(socket, "close").then(() => undefined),
  ]);
  if (answer === undefined) {
    socket.terminate();
    throw new Error("the handshake was not refused with an HTTP status");
  }
  const [, response] = answer;
  let body = "";
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, body };
}

let browser: Promise<Browser> | undefined;

async function openTab(): Promise<BrowserPage> {
  const { skip, path } = findProgram("chromium");
  if (skip) throw new Skipped();
  browser ??= chromium.launch({ executablePath: path, args: [...CHROMIUM_FLAGS] });
  return (await browser).newPage();
}

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
  browser = undefined;
}

function isBareUrl(text: string): boolean {
  return /^[a-z]+:\/\//.test(text);
}

/** One scope for each page; what a check leaves open ends with the page. */
export function createScope(folder: string, programs: Programs, files: { rewrite(): void }) {
  const endings: (() => unknown)[] = [];
  const last = (): Program => {
    const program = programs.last;
    if (program === undefined) throw new Error("no program of the page listens");
    return program;
  };
  const resolve = async (address: string, scheme: "ws" | "http"): Promise<string> => {
    if (isBareUrl(address)) return programs.translate(address);
    return last().url.replace(/^ws/, scheme) + address;
  };
  const outside = (name: Outside): string => {
    const { skip, path } = findProgram(name);
    if (skip) throw new Skipped();
    return path;
  };
  const through = async (name: "nginx" | "caddy", start: () => Promise<RunningProxy>): Promise<RunningProxy> => {
    outside(name);
    const proxy = await start();
    endings.push(() => proxy.kill());
    return proxy;
  };
  const scope = {
    expect,
    folder,
    get program(): Program {
      return last();
    },
    async start(file: string, { args = [], env, fails = false }: RunOptions = {}): Promise<Program> {
      const program = await programs.start(process.execPath, [file, ...args], env);
      program.isExpectedToFail = fails;
      files.rewrite();
      return program;
    },
    async dial(address = "/", options?: DialOptions): Promise<Peer> {
      const peer = await openPeer(await resolve(address, "ws"), options);
      endings.push(() => peer.socket.terminate());
      return peer;
    },
    async refusal(address = "/", options?: DialOptions) {
      return refusedBy(await resolve(address, "ws"), options);
    },
    async get(address = "/", init?: RequestInit): Promise<Response> {
      return fetch(await resolve(address, "http"), init);
    },
    async browse(address = "/"): Promise<BrowserPage> {
      const tab = await openTab();
      endings.push(() => tab.close());
      await tab.goto(await resolve(address, "http"));
      return tab;
    },
    async bundle(from: string, to: string): Promise<void> {
      const build = await rolldown({
        input: join(folder, from),
        platform: "browser",
        logLevel: "silent",
        transform: { define: { "process.env.NODE_ENV": JSON.stringify("production") } },
      });
      await build.write({ file: join(folder, to), format: "esm", codeSplitting: false });
      await build.close();
    },
    async command(line: string, env?: RunOptions["env"]): Promise<string> {
      const program = programs.spawn("sh", ["-c", await programs.translate(line)], env);
      program.isExpectedToFail = true;
      const code = await program.exited;
      if (code !== 0) throw new Error(`"${line}" ended with ${code}:\n${program.output}`);
      return program.output;
    },
    file: (name: string): string => readFileSync(join(folder, name), "utf8"),
    requires: outside,
    nginx: (block: string, options: ProxyOptions) => through("nginx", () => nginx(block, options)),
    caddy: (block: string, options: ProxyOptions) => through("caddy", () => caddy(block, options)),
    /** Runs when the page is over, whether it passed or not. */
    afterwards(ending: () => unknown): void {
      endings.push(ending);
    },
    cli: CLI,
  };
  const close = async (): Promise<void> => {
    for (const ending of endings.reverse()) await ending();
  };
  return { scope, close };
}
