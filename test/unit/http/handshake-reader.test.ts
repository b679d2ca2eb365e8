/** What is read without Node's parser, and that Node's parser would have read the same. */
import { createServer, IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { CommonHeaders } from "../../../src/admission/common-headers.js";
import { ParsedHead } from "../../../src/admission/request-head.js";
import { HandshakeReader } from "../../../src/http/handshake-reader.js";
import { SeededRandom } from "../../../src/testing/runtime/random.js";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** The lines of a request, as Chromium sends them. */
const CHROMIUM = [
  "GET /chat/a%20b?name=ada HTTP/1.1",
  "Host: chat.example:8080",
  "Connection: Upgrade",
  "Pragma: no-cache",
  "Cache-Control: no-cache",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  "Upgrade: websocket",
  "Origin: http://chat.example:8080",
  "Sec-WebSocket-Version: 13",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9",
  "Cookie: session=5f0c2f1e9d7b; theme=dark",
  `Sec-WebSocket-Key: ${KEY}`,
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
];
const FIREFOX = [
  "GET / HTTP/1.1",
  "Host: chat.example",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
  "Accept: */*",
  "Sec-WebSocket-Version: 13",
  "Origin: https://chat.example",
  "Sec-WebSocket-Protocol: chat.v2, chat.v1",
  "Sec-WebSocket-Extensions: permessage-deflate",
  `Sec-WebSocket-Key: ${KEY}`,
  "Connection: keep-alive, Upgrade",
  "Sec-Fetch-Mode: websocket",
  "Sec-Fetch-Site: same-origin",
  "Upgrade: websocket",
];
/** The package `ws`, behind a proxy. */
const PROXIED = [
  "GET /chat HTTP/1.1",
  "X-Forwarded-For: 192.0.2.7, 198.51.100.3",
  "X-Forwarded-Proto: https",
  "Host: chat.example",
  "Connection: upgrade",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${KEY}`,
  "Upgrade: websocket",
];
const RESUMED = [
  ...FIREFOX.slice(0, 6),
  "Sec-WebSocket-Protocol: chat.v2.sendall.1, sendall.1, sendall.resume.AAAAAAAAAAAAAAAAAAAAAA.3.0.2",
  ...FIREFOX.slice(7),
];

const bytesOf = (lines: readonly string[], rest = ""): Buffer =>
  Buffer.from(`${lines.join("\r\n")}\r\n\r\n${rest}`, "latin1");
const newReader = (): HandshakeReader => new HandshakeReader(new CommonHeaders());

/** A connection to Node's HTTP server without a port. */
class Pipe extends Duplex {
  override _read(): void {}
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly rest: Buffer;
}

/** What Node's parser makes of the first bytes of a connection: `undefined` for anything but an upgrade. */
function readByNode(bytes: Buffer): Upgrade | undefined {
  const server = createServer(() => {});
  const pipe = new Pipe();
  let upgrade: Upgrade | undefined;
  server.on("clientError", () => pipe.destroy());
  server.on("upgrade", (request, _socket, rest) => {
    upgrade = { request, rest };
  });
  server.emit("connection", pipe);
  pipe.emit("data", bytes);
  pipe.destroy();
  return upgrade;
}

/** The own properties of a request, but for those that say how Node has come to them. */
const shown = (request: IncomingMessage) => {
  const { method, url, httpVersion, httpVersionMajor, httpVersionMinor, rawHeaders, headers, headersDistinct } =
    request;
  const { complete, aborted, trailers, rawTrailers, readableEnded, statusCode } = request;
  const { upgrade } = request as unknown as { upgrade: unknown };
  const read = { complete, aborted, trailers, rawTrailers, readableEnded, statusCode, upgrade };
  return {
    ...{ method, url, httpVersion, httpVersionMajor, httpVersionMinor, rawHeaders },
    ...{
      headers: { ...headers },
      headersDistinct,
      prototypeOfDistinct: Object.getPrototypeOf(headersDistinct),
      keys: Object.keys(request)
        .filter((key) => key !== "parser")
        .sort(),
      ...read,
    },
  };
};

describe.each([
  ["Chromium", CHROMIUM],
  ["Firefox", FIREFOX],
  ["the package ws behind a proxy", PROXIED],
  ["a client that takes up a session", RESUMED],
])("a handshake of %s", (_name, lines) => {
  test("is read without Node's parser, the first time and the next", () => {
    const reader = newReader();
    for (const _time of ["first", "next"]) {
      const request = reader.read(new Socket(), bytesOf(lines, "rest"));
      expect(request?.url).toBe(lines[0]?.split(" ")[1]);
      expect(request?.rest.toString()).toBe("rest");
    }
  });

  test("is to the program as Node would have it", () => {
    const reader = newReader();
    for (const _time of ["first", "next"]) {
      const request = reader.read(new Socket(), bytesOf(lines));
      const byNode = readByNode(bytesOf(lines));
      expect(byNode).toBeDefined();
      if (request === undefined || byNode === undefined) continue;
      expect(shown(request.message)).toEqual(shown(byNode.request));
      expect(request.message).toBeInstanceOf(IncomingMessage);
      expect(request.message.socket).toBe(request.socket);
    }
  });
});

test("blanks around a value, however many, are no part of it, and take no time", () => {
  const blanks = " \t".repeat(1_000);
  const padded = bytesOf([...CHROMIUM, `X-Padded:${blanks}a b${blanks}`, `X-Empty:${blanks}`]);
  expect(newReader().read(new Socket(), padded)?.message.headers).toMatchObject({ "x-padded": "a b", "x-empty": "" });
  const broken = bytesOf([...CHROMIUM, `X-Broken:${blanks}${blanks}\x01`]);
  const reader = newReader();
  // With an expression that tries every number of blanks, each would take a tenth of a second.
  for (let i = 0; i < 5_000; i++) expect(reader.read(new Socket(), broken)).toBeUndefined();
});

test("values of their own stay apart, of requests whose heads are else the same", () => {
  const reader = newReader();
  const read = (cookie: string, address: string) => {
    const request = reader.read(
      new Socket(),
      bytesOf([...PROXIED.slice(0, 1), `Cookie: ${cookie}`, `X-Forwarded-For: ${address}`, ...PROXIED.slice(2)]),
    );
    if (request === undefined) throw new Error("not read");
    const head = { url: "/", version: 13, remoteAddress: "", remotePort: 0, localAddress: "", secure: false };
    const { cookies, headers } = new ParsedHead({ ...head, ...request.split });
    return [cookies.user, headers["x-forwarded-for"], request.split.admission["x-forwarded-for"]];
  };
  expect(read("user=ada", "192.0.2.1")).toEqual(["ada", "192.0.2.1", "192.0.2.1"]);
  expect(read("user=bob", "192.0.2.2")).toEqual(["bob", "192.0.2.2", "192.0.2.2"]);
  expect(read("user=ada", "192.0.2.1")).toEqual(["ada", "192.0.2.1", "192.0.2.1"]);
});

test("paths stay apart, of requests whose heads are else the same", () => {
  const reader = newReader();
  const paths = ["/", "/a", "/b", "/a?b=c", "/a?b=d", "/"];
  const urls = paths.map(
    (path) => reader.read(new Socket(), bytesOf([`GET ${path} HTTP/1.1`, ...CHROMIUM.slice(1)]))?.url,
  );
  expect(urls).toEqual(paths);
});

test("a head is found among many others", () => {
  const reader = newReader();
  const agents = Array.from({ length: 40 }, (_, i) => `User-Agent: agent ${i}`);
  for (const agent of [...agents, ...agents.toReversed(), ...agents])
    expect(reader.read(new Socket(), bytesOf([...PROXIED, agent]))?.message.headers["user-agent"]).toBe(
      agent.slice(12),
    );
});

describe("is left to Node", () => {
  const replaced = (name: string, ...lines: string[]): readonly string[] =>
    CHROMIUM.flatMap((line) => (line.startsWith(`${name}:`) ? lines : [line]));
  test.each<[what: string, bytes: Buffer]>([
    ["a head that is not whole yet", bytesOf(CHROMIUM).subarray(0, -2)],
    ["nothing", Buffer.alloc(0)],
    ["a plain request", bytesOf(["GET / HTTP/1.1", "Host: a"])],
    ["another method", bytesOf(["POST / HTTP/1.1", ...CHROMIUM.slice(1)])],
    ["HTTP/1.0", bytesOf(["GET / HTTP/1.0", ...CHROMIUM.slice(1)])],
    ["a target with a host", bytesOf(["GET http://chat.example/ HTTP/1.1", ...CHROMIUM.slice(1)])],
    ["a header that occurs twice", bytesOf([...CHROMIUM, "Origin: http://other.example"])],
    ["a key that occurs twice", bytesOf([...CHROMIUM, `sec-websocket-key: ${KEY}`])],
    ["a body", bytesOf([...CHROMIUM, "Content-Length: 4"], "body")],
    ["a length that is no number", bytesOf([...CHROMIUM, "Content-Length: 0x0"])],
    ["a body in parts", bytesOf([...CHROMIUM, "Transfer-Encoding: chunked"])],
    ["a header over two lines", bytesOf([...CHROMIUM, "X-Long: a", " b"])],
    ["a name with a space", bytesOf([...CHROMIUM, "X-Long : a"])],
    ["a value that is not ASCII", bytesOf([...CHROMIUM, "X-Name: J\xfcrgen"])],
    ["a control character", bytesOf([...CHROMIUM, "X-Name: a\x01"])],
    ["a line end without a carriage return", Buffer.from(`${CHROMIUM.join("\n")}\n\n`)],
    ["a carriage return in a value", bytesOf([...CHROMIUM, "X-Name: a\rb"])],
    ["a long head", bytesOf([...CHROMIUM, `X-Long: ${"a".repeat(9_000)}`])],
    ["another protocol", bytesOf(replaced("Upgrade", "Upgrade: h2c"))],
    ["a list of protocols", bytesOf(replaced("Upgrade", "Upgrade: h2c, websocket"))],
    ["no Connection", bytesOf(replaced("Connection"))],
    ["a Connection that closes", bytesOf(replaced("Connection", "Connection: close, Upgrade"))],
    ["a tab in Connection", bytesOf(replaced("Connection", "Connection: keep-alive\t, Upgrade"))],
    ["a tab after Connection", bytesOf(replaced("Connection", "Connection: Upgrade\t"))],
    ["no Host", bytesOf(replaced("Host"))],
    ["another version", bytesOf(replaced("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"))],
    ["no key", bytesOf(replaced("Sec-WebSocket-Key"))],
    ["a short key", bytesOf(replaced("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAA"))],
    ["a broken list of subprotocols", bytesOf([...CHROMIUM, "Sec-WebSocket-Protocol: a,,b"])],
  ])("%s", (_what, bytes) => {
    const reader = newReader();
    expect(reader.read(new Socket(), bytes)).toBeUndefined();
    // A known head must not help.
    expect(reader.read(new Socket(), bytesOf(CHROMIUM))).toBeDefined();
    expect(reader.read(new Socket(), bytes)).toBeUndefined();
  });
});

/** Changes a head in a few places, in ways that parsers have disagreed about. */
class Mangler {
  readonly #random;
  static readonly PIECES = [
    ...[
      "\r\n",
      "\n",
      "\r",
      "\0",
      " ",
      "\t",
      ":",
      ",",
      ";",
      "\x7f",
      "\xfc",
      "#",
      "%",
      "\\",
      '"',
      "(",
      "\x0b",
      "  ",
      "\r\n ",
    ],
    ...[
      "\r\n\r\n",
      "HTTP/1.1",
      "HTTP/1.0",
      "GET ",
      "\r\nContent-Length: 3",
      "\r\nTransfer-Encoding: chunked",
      "\r\nConnection: close",
    ],
    ...[
      "\r\nUpgrade: websocket",
      "\r\nUpgrade: h2c",
      "\r\nHost: b",
      "\r\n__proto__: c",
      "\r\nX-Forwarded-For: 192.0.2.1",
      "\r\n:",
      "\r\nA:",
    ],
  ];

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  mangle(lines: readonly string[]): Buffer {
    const random = this.#random;
    let text = `${this.#shuffled(lines).join("\r\n")}\r\n\r\n${"rest".slice(random.below(5))}`;
    for (let changes = random.below(3); changes > 0; changes--) {
      const at = random.below(text.length);
      const piece = Mangler.PIECES[random.below(Mangler.PIECES.length)] ?? "";
      text = text.slice(0, at) + piece + text.slice(at + random.below(3));
    }
    return Buffer.from(text, "latin1");
  }

  #shuffled([first = "", ...rest]: readonly string[]): string[] {
    for (let swaps = this.#random.below(4); swaps > 0; swaps--) {
      const [a, b] = [this.#random.below(rest.length), this.#random.below(rest.length)];
      [rest[a], rest[b]] = [rest[b] ?? "", rest[a] ?? ""];
    }
    return [first, ...rest];
  }
}

test("whatever is read without Node's parser, Node's parser reads as the same upgrade", () => {
  const reader = newReader();
  const mangler = new Mangler(1);
  let read = 0;
  for (let i = 0; i < 12_000; i++) {
    const bytes = mangler.mangle([CHROMIUM, FIREFOX, PROXIED][i % 3] ?? CHROMIUM);
    const request = reader.read(new Socket(), bytes);
    if (request === undefined) continue;
    read++;
    const byNode = readByNode(bytes);
    const what = JSON.stringify(bytes.toString("latin1"));
    expect(byNode, what).toBeDefined();
    if (byNode === undefined) continue;
    expect(shown(request.message), what).toEqual(shown(byNode.request));
    expect(request.rest.toString("latin1"), what).toBe(byNode.rest.toString("latin1"));
  }
  // Neither all nor none: the changes do matter.
  expect(read).toBeGreaterThan(3_000);
  expect(read).toBeLessThan(9_000);
});
