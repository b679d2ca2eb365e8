/** The files of `static`: under every name that a file can have, none from outside, and none held open by a peer that takes nothing. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Server, serve } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Answer, answerTo } from "./asking.js";
import { serveByHand, until } from "./peers.js";

/** A folder `public` with these files, and a secret beside it; gone when the test is over. */
function makeFolder(files: readonly string[] = []): { readonly root: string; readonly outside: string } {
  const outside = mkdtempSync(join(tmpdir(), "sendall-files-"));
  onTestFinished(() => rmSync(outside, { recursive: true }));
  const root = join(outside, "public");
  for (const folder of ["sub", "empty"]) mkdirSync(join(root, folder), { recursive: true });
  for (const file of files) writeFileSync(join(root, file), `this is ${file}`);
  writeFileSync(join(outside, "secret.txt"), "SECRET");
  return { root, outside };
}

async function open(root: string): Promise<Server> {
  const server = await serve({ port: 0, logger: false, static: root, routes: { "/chat": { handler() {} } } });
  onTestFinished(() => server.close());
  return server;
}

/** Asks for a target as it stands. */
function ask(server: Server, target: string, method = "GET"): Promise<Answer> {
  return answerTo(server.port, `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
}

describe("a file", () => {
  test.each([
    ["c&d.txt", "/c%26d.txt", "/c&d.txt"],
    ["a#b.txt", "/a%23b.txt"],
    ["a?b.txt", "/a%3Fb.txt", "/a%3fb.txt?x=1"],
    ["a+b.txt", "/a%2Bb.txt", "/a+b.txt"],
    ["a@b.txt", "/a%40b.txt", "/a@b.txt"],
    ["a,b;c.txt", "/a%2Cb%3Bc.txt", "/a,b;c.txt"],
    ["a=b$c:d.txt", "/a%3Db%24c%3Ad.txt", "/a=b$c:d.txt"],
    ["100%.txt", "/100%25.txt", "/100%.txt"],
    ["a%26b.txt", "/a%2526b.txt"],
    ["%zz.txt", "/%zz.txt", "/%25zz.txt"],
    ["ü b.txt", "/%C3%BC%20b.txt", "/%c3%bc%20b.txt"],
    ["(a)'b!.txt", "/(a)'b!.txt", "/%28a%29%27b%21.txt"],
    [
      "plain.txt",
      "/plain.txt",
      "/%70lain%2Etxt",
      "/plain.txt?a#b",
      "http://127.0.0.1/plain.txt",
      "HTTPS://x.example:81/plain.txt?x",
    ],
    ["sub/index.html", "/sub/", "/sub", "/sub/index.html", "http://h/sub/", "/sub/index"],
    ["page.html", "/page", "/page.html", "http://h/page"],
  ])("named %s is served", async (file, ...targets) => {
    const server = await open(makeFolder([file]).root);
    for (const target of targets) {
      const { status, body } = await ask(server, target);
      expect([target, status, body]).toEqual([target, 200, `this is ${file}`]);
    }
  });

  test("is not served at a target that only looks like its path", async () => {
    const { root } = makeFolder(["sub/index.html", "plain.txt", "a&b.txt"]);
    const server = await open(root);
    for (const target of [
      "/sub%2Findex.html",
      "/sub%2findex.html",
      "/plain.txt%00",
      "/plain.txt%23x",
      "/plain.txt%3Fx",
      "/a%2526b.txt",
      "/empty/",
      "/empty",
      "plain.txt",
      "http:plain.txt",
      "http://plain.txt",
    ])
      expect([target, (await ask(server, target)).status]).not.toContain(200);
  });
});

describe("no file outside of the folder", () => {
  const forms: readonly ((path: string) => string)[] = [
    (path) => path,
    (path) => `${path}?x`,
    (path) => `${path}#x`,
    (path) => `http://127.0.0.1${path}`,
    (path) => `http://127.0.0.1${path}#`,
    (path) => path.replaceAll(/[.a-z]/g, (one) => `%${one.charCodeAt(0).toString(16)}`),
  ];

  test.each(["file.txt", "index", "index.html", "page.html", "page.htm"])(
    "is served by a symbolic link %s in any form of a target",
    async (link) => {
      const { root, outside } = makeFolder();
      symlinkSync(join(outside, "secret.txt"), join(root, "sub", link));
      symlinkSync(outside, join(root, "up"));
      const server = await open(root);
      for (const path of [`/sub/${link}`, "/sub/", "/sub", "/sub/page", "/up/secret.txt", "//sub/", `/sub//${link}`])
        for (const form of forms) {
          const { status, body } = await ask(server, form(path));
          expect([form(path), status, body.includes("SECRET")]).toEqual([form(path), 404, false]);
        }
    },
  );

  test("is served by climbing, in whatever way it is written", async () => {
    const server = await open(makeFolder(["plain.txt"]).root);
    const ups = [
      "..",
      "%2e%2e",
      ".%2E",
      "%2e.",
      "..%2f..",
      "..%5c..",
      "..\\..",
      "%252e%252e",
      "%c0%ae%c0%ae",
      "..%00",
      "..;",
    ];
    for (const up of ups)
      for (const form of [
        `/${up}/secret.txt`,
        `/${up}%2fsecret.txt`,
        `/${up}%5csecret.txt`,
        `/sub/${up}/${up}/secret.txt`,
      ])
        for (const target of [form, `http://127.0.0.1${form}`, `${form}#`, `/${form}`]) {
          const { status, body } = await ask(server, target);
          expect([target, status, body.includes("SECRET")]).toEqual([target, 404, false]);
        }
    expect((await ask(server, "/plain.txt")).status).toBe(200);
  });

  test("is served, and no hidden file inside, by an ending that a page may leave out", async () => {
    const server = await open(makeFolder(["sub/.html", ".htm", ".env", "sub/.env"]).root);
    for (const target of [
      "/",
      "//",
      "/sub/",
      "/sub//",
      "/.env",
      "/sub/%2eenv",
      "http://h/.env",
      "http://h//",
      "/.html",
      "/sub//.html",
    ])
      expect([target, (await ask(server, target)).status]).toEqual([target, 404]);
  });

  test("a named pipe inside the folder is 404 at once, and not waited for", async () => {
    const { root } = makeFolder(["plain.txt"]);
    execFileSync("mkfifo", [join(root, "pipe.txt")]);
    const server = await open(root);
    for (let i = 0; i < 5; i++) expect((await ask(server, "/pipe.txt")).status).toBe(404);
    expect((await ask(server, "/plain.txt")).status).toBe(200);
  });
});

describe("a large file", () => {
  const SIZE = 64 * 1_048_576;
  const STALL_MS = 120_000;

  async function stage() {
    const { root } = makeFolder(["big.bin"]);
    const file = join(root, "big.bin");
    truncateSync(file, SIZE);
    const { server, clock } = await serveByHand({ static: root, handler() {} });
    const descriptors = (): number =>
      readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === file;
        } catch {
          return false;
        }
      }).length;
    const socket = connect({ port: server.port, host: "127.0.0.1" }).pause();
    socket.on("error", () => {});
    onTestFinished(() => void socket.destroy());
    await once(socket, "connect");
    socket.write("GET /big.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    await until(() => descriptors() === 1);
    return { clock, socket, descriptors };
  }

  /** Reads so many bytes, more than what the system holds for both sides, and then no more. */
  async function take(socket: Socket, bytes: number): Promise<void> {
    for (let left = bytes; left > 0; ) {
      const chunk: Buffer | null = socket.read();
      if (chunk !== null) left -= chunk.length;
      else await once(socket, "readable");
    }
  }

  test("is closed when its reader takes nothing, and the reader is cut off", async () => {
    const { clock, socket, descriptors } = await stage();
    clock.pass(STALL_MS - 1);
    expect(descriptors()).toBe(1);
    // What was handed over at first may count as taken at the first look, never at the second.
    clock.pass(1);
    clock.pass(STALL_MS);
    await until(() => descriptors() === 0);
    socket.resume();
    await once(socket, "close");
    expect(socket.bytesRead).toBeLessThan(SIZE);
  });

  test("arrives whole at a reader that is slow, however long that takes", async () => {
    const { clock, socket, descriptors } = await stage();
    const step = 12 * 1_048_576;
    for (let read = 0; read + step < SIZE; read += step) {
      await take(socket, step);
      clock.pass(STALL_MS);
    }
    expect(descriptors()).toBe(1);
    socket.resume();
    await until(() => socket.bytesRead > SIZE);
    await until(() => descriptors() === 0);
    // The connection is kept for the next request, and nothing watches it any more.
    clock.pass(3 * STALL_MS);
    expect([socket.destroyed, clock.alarms]).toEqual([false, 0]);
  });

  test("is closed at once when its reader leaves", async () => {
    const { clock, socket, descriptors } = await stage();
    socket.resetAndDestroy();
    await until(() => descriptors() === 0);
    await until(() => clock.alarms === 0);
  });
});
