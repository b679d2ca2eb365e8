/** The log of whole programs: where nobody takes its lines, at the exit, and what peers can bring into it. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { ServeOptions } from "sendall";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UNREADABLE } from "../unit/unreadable.js";
import { answerTo, upgradeWith } from "./asking.js";
import { Client, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";
import { connect, type Program, runCode, runShell, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

/** A server with the default logger. Its address goes to standard error, and SIGTERM closes it. */
const SERVER = `
import { serve } from "sendall";
const server = await serve({
  port: 0,
  handler(event, bus) {
    if (event.type === "message") bus.unicast(event.data, event.connection);
  },
});
process.once("SIGTERM", () => server.close());
console.error("at " + server.url);
`;

async function isServed(url: string): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const client = await connect(url);
    client.send("hello");
    expect(await client.next()).toBe("hello");
  }
}

async function addressOf(program: Program): Promise<string> {
  const [, url = ""] = await Promise.any(
    [program.stderr, program.stdout].map((lines) => lines.next(/(ws:\/\/[^"\s]*)/)),
  );
  return url;
}

describe.skipIf(!existsSync("/dev/full"))("a full log disk", () => {
  test("costs a program its lines and nothing else, and SIGTERM is heard", async () => {
    const program = runShell(`exec "$NODE" --input-type=module --eval '${SERVER}' > /dev/full`);
    await isServed(await addressOf(program));
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  test.each(["2> /dev/full", "> /dev/full"])("does not end the command: sendall serve %s", async (where) => {
    const program = runShell(`exec "$NODE" dist/cli.js serve --port 0 ${where}`);
    await isServed(await addressOf(program));
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  test("does not change the exit code of the command", async () => {
    const program = runShell('exec "$NODE" dist/cli.js serve --port none 2> /dev/full');
    expect((await program.ended).code).toBe(2);
  });
});

describe("a log that is a pipe", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sendall-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("whose reader has gone costs its lines and nothing else", async () => {
    const program = runCode(SERVER);
    const [, url = ""] = await program.stdout.next(/"url":"([^"]+)"/);
    program.breakOutput();
    await isServed(url);
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  test.skipIf(process.platform !== "linux")("that is full and that nobody reads holds up nobody", async () => {
    // The shell holds its other end, and so does the program: it is never closed.
    const pipe = join(folder, "pipe");
    const program = runShell(
      `mkfifo ${pipe} && exec 3<> ${pipe} && exec "$NODE" dist/cli.js serve --port 0 --log-level debug 2> ${pipe}`,
    );
    const client = await connect(await addressOf(program));
    // Two lines for each: ten times what the pipe holds.
    for (let i = 0; i < 3_000; i++) client.send(String(i));
    for (let i = 0; i < 3_000; i++) expect(await client.next()).toBe(String(i));
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  test("gets every line when the program exits while lines wait", async () => {
    const program = runCode(`
      import { createLogger } from "./dist/log/log.js";
      const log = createLogger(undefined, "test");
      for (let i = 0; i < 4_000; i++) log.info({ i }, "x".repeat(100));
      process.exit(0);
    `);
    const { code, stdout } = await program.ended;
    expect([code, stdout.map((line) => JSON.parse(line).i)]).toEqual([0, Array.from({ length: 4_000 }, (_, i) => i)]);
  });
});

/** A logger of pino's, and the lines that it has written. */
function written() {
  const lines: string[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
  return { logger, lines, has: (text: string) => lines.some((line) => line.includes(`"msg":"${text}"`)) };
}

const LONG = "x".repeat(14_000);
const MAX_LINE_BYTES = 2_048;

describe("what a peer sends", () => {
  test.each<[what: string, request: string, text: string, options?: Partial<ServeOptions>]>([
    ["a path", upgradeRequest(`/${LONG}`), "upgrade refused", { routes: { "/a": { handler() {} } } } as object],
    ["a path that is taken", upgradeRequest(`/${LONG}`), "connection opened"],
    ["an origin", upgradeWith({ Origin: `https://${LONG}` }), "upgrade refused"],
    [
      "a path to an authorize that fails",
      upgradeRequest(`/${LONG}`),
      "authorize failed",
      { authorize: () => Promise.reject() },
    ],
    [
      "a path to a page that fails",
      `GET /${LONG} HTTP/1.1\r\nHost: a\r\n\r\n`,
      "onRequest failed",
      { onRequest: () => Promise.reject() },
    ],
    ["bytes that are no request", `s3cret\u0000${"\u0001".repeat(60_000)}\r\n\r\n`, "request refused"],
    ["a head without an end", `GET / HTTP/1.1\r\nX: ${LONG}${LONG}\r\n\r\n`, "request refused"],
    ["an address", upgradeWith({ "X-Forwarded-For": LONG }), "connection opened", { trustProxy: true }],
    ["a subprotocol", upgradeWith({ "Sec-WebSocket-Protocol": LONG }), "connection opened", { protocols: ["a"] }],
  ])("makes no line longer than 2 KB: %s", async (_what, request, text, options = { handler() {} }) => {
    const { logger, lines, has } = written();
    const { server } = await serveByHand({
      logger,
      ...("routes" in options ? {} : { handler() {} }),
      ...options,
    } as ServeOptions);
    const peer = new RawPeer(server.port);
    peer.write(request);
    await until(() => has(text));
    peer.socket.destroy();
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(MAX_LINE_BYTES);
    expect(lines.join("")).not.toContain("s3cret");
  });

  test("stands in an answer in short, and says what was wrong", async () => {
    const { server } = await serveByHand({ routes: { "/a": { handler() {} } } } as object as ServeOptions);
    const { status, body } = await answerTo(server.port, upgradeRequest(`/${LONG}`));
    expect([status, body]).toEqual([404, `there is no route /${"x".repeat(255)}...`]);
  });

  test("with a Close frame stands in a line of at most 2 KB", async () => {
    const { logger, lines, has } = written();
    const { server } = await serveByHand({ logger, handler() {} });
    const client = await Client.open(server.url);
    client.ws.close(4_000, "\u0001".repeat(123));
    await until(() => has("connection closed"));
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(MAX_LINE_BYTES);
  });
});

describe("an error that cannot be read", () => {
  test.each(UNREADABLE)(
    "costs one answer when onRequest throws it, and no answer when onAccess throws it: %s",
    async (_what, make) => {
      const { logger, has } = written();
      const { server } = await serveByHand({
        logger,
        onRequest(request) {
          if (request.url === "/now") throw make();
          return Promise.reject(make());
        },
        onAccess() {
          throw make();
        },
        handler() {},
      });
      for (const path of ["/now", "/later"]) {
        const { status } = await answerTo(server.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
        expect(status).toBe(500);
      }
      await Client.open(server.url);
      expect([has("onRequest failed"), has("onAccess failed")]).toEqual([true, true]);
    },
  );
});
