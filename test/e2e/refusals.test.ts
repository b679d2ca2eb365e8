/** Refusals on the wire: they arrive whole, whatever the peer still sends, and hold no socket for longer than they need. */
import { connect, type Socket } from "node:net";
import { type AccessEntry, reject, type ServeOptions } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { answerTo, upgradeWith } from "./asking.js";
import { nextRound, serveByHand, until, upgradeRequest } from "./peers.js";
import { ask, newSession } from "./sockjs-peers.js";

const LINGER_MS = 10_000;
const LONG = "a long answer, ".repeat(70_000);

/** A peer that reads only when the test says so, and may keep its side open. */
class Reader {
  readonly socket: Socket;
  isClosed = false;
  #text = "";

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    this.socket.pause();
    onTestFinished(() => void this.socket.destroy());
  }

  /** Reads to the end of what the server sends. */
  async readAll(): Promise<string> {
    this.socket.on("data", (chunk) => {
      this.#text += chunk.toString("latin1");
    });
    this.socket.resume();
    await until(() => this.socket.readableEnded || this.isClosed);
    return this.#text;
  }
}

async function stage(options: Partial<ServeOptions> = {}) {
  const { server, clock } = await serveByHand({ handler() {}, ...options } as ServeOptions);
  const { port } = server;
  return { server, clock, port, reader: () => new Reader(port) };
}

/** Goes on until the server has closed the sockets, as told by its clock, which has nothing else to wait for. */
async function untilQuiet(clock: HandClock): Promise<void> {
  await until(() => clock.alarms === 0);
}

describe("a refusal", () => {
  test.each([
    ["after its upgrade", upgradeRequest(), 403, LONG],
    ["on the path of a SockJS session", upgradeRequest("/000/abc/websocket"), 403, LONG],
    ["after the bytes that were no request", "nonsense\r\n\r\n", 400, "this is not an HTTP request"],
    [
      "in the middle of a head that is too large",
      `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}`,
      431,
      "the request's head is too large",
    ],
  ])("arrives whole at a peer that sends on %s", async (_when, request, status, body) => {
    const entries: AccessEntry[] = [];
    const { port, clock } = await stage({
      sockjs: true,
      authorize: () => reject(403, LONG),
      onAccess: (entry) => void entries.push(entry),
    });
    const peer = new Reader(port);
    peer.socket.write(request);
    // More than the server reads at once.
    for (let i = 0; i < 16; i++) peer.socket.write("y".repeat(65_536));
    await until(() => entries.length > 0 && peer.socket.writableLength === 0);
    const text = await peer.readAll();
    expect([text.split(" ")[1], text.slice(text.indexOf("\r\n\r\n") + 4)]).toEqual([String(status), body]);
    peer.socket.end();
    await untilQuiet(clock);
    expect(entries.map((entry) => entry.status)).toEqual([status]);
  });

  test("of a head that is late arrives whole, and what comes of the head later is no request", async () => {
    const seen: string[] = [];
    const { clock, reader } = await stage({
      onRequest(request, response) {
        seen.push(request.url ?? "");
        response.end();
      },
    });
    const peer = reader();
    peer.socket.write("GET /late HTTP/1.1\r\nHost: a\r\n");
    await until(() => clock.alarms === 1);
    clock.pass(10_000);
    peer.socket.write("\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await peer.readAll()).toMatch(/^HTTP\/1\.1 408 [\s\S]*the request's head took too long$/);
    peer.socket.end();
    await untilQuiet(clock);
    expect(seen).toEqual([]);
  });

  test("leaves a peer that keeps its side open a limited time", async () => {
    const { clock, reader } = await stage({ authorize: () => reject(403, "no") });
    const peer = reader();
    peer.socket.write(upgradeRequest());
    expect(await peer.readAll()).toMatch(/no$/);
    await until(() => clock.alarms === 1);
    clock.pass(LINGER_MS - 1);
    await nextRound();
    expect(clock.alarms).toBe(1);
    clock.pass(1);
    await untilQuiet(clock);
    // The socket is gone: what is sent to it is answered with a reset.
    await until(() => {
      if (!peer.isClosed) peer.socket.write("y");
      return peer.isClosed;
    });
  });

  test("is cut off if the peer reads nothing", async () => {
    let asked = 0;
    const { clock, reader } = await stage({
      authorize: () => {
        asked++;
        return reject(403, "x".repeat(64 * 1_048_576));
      },
    });
    const peer = reader();
    peer.socket.write(upgradeRequest());
    await until(() => asked > 0 && clock.alarms === 1);
    for (let i = 0; i < 3; i++) clock.pass(LINGER_MS);
    await untilQuiet(clock);
    expect((await peer.readAll()).length).toBeLessThan(64 * 1_048_576);
  });

  test("does not hold up a server that closes", async () => {
    const { server, clock, reader } = await stage({ authorize: () => reject(403, "no") });
    const peer = reader();
    peer.socket.write(upgradeRequest());
    expect(await peer.readAll()).toMatch(/no$/);
    await server.close();
    expect(clock.alarms).toBe(0);
  });
});

describe("reject", () => {
  const answers: readonly [how: string, authorize: NonNullable<ServeOptions["authorize"]>][] = [
    ["returned", () => reject(401, "who are you?", { "WWW-Authenticate": "Basic" })],
    [
      "thrown",
      () => {
        throw reject(401, "who are you?", { "WWW-Authenticate": "Basic" });
      },
    ],
    [
      "thrown later",
      async () => {
        await nextRound();
        throw reject(401, "who are you?", { "WWW-Authenticate": "Basic" });
      },
    ],
    ["a promise's rejection", () => Promise.reject(reject(401, "who are you?", { "WWW-Authenticate": "Basic" }))],
  ];

  test.each(answers)("is a refusal in authorize: %s", async (_how, authorize) => {
    const { port } = await stage({ authorize, sockjs: true });
    const { status, head, body } = await answerTo(port, upgradeRequest());
    expect([status, head.includes("WWW-Authenticate: Basic"), body]).toEqual([401, true, "who are you?"]);
    const plain = await ask(port, "POST", `${newSession("")}/xhr`);
    expect([plain.status, plain.headers["www-authenticate"], plain.body]).toEqual([401, "Basic", "who are you?"]);
  });
});

test("an address counts as one for maxConnectionsPerAddress, however a proxy writes it", async () => {
  const { port } = await stage({ trustProxy: 1, maxConnectionsPerAddress: 1 });
  const ask = async (address: string): Promise<number> =>
    (await answerTo(port, upgradeWith({ "X-Forwarded-For": address }))).status;
  expect(await ask("1.1.1.1")).toBe(101);
  for (const same of ["::ffff:1.1.1.1", "[::FFFF:1.1.1.1]:5678", "1.1.1.1:80", "::ffff:101:101"])
    expect([same, await ask(same)]).toEqual([same, 503]);
  expect(await ask("2001:DB8::1")).toBe(101);
  expect(await ask("2001:db8:0::1")).toBe(503);
});
