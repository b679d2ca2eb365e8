/** The command `sendall connect` as people run it: in pipes, at a terminal, with its exit codes. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Server, serve } from "sendall";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { clientFrame, serveRaw, until } from "./peers.js";
import { type End, type Program, start, startInTerminal, stopPrograms } from "./programs.js";

let server: Server;
let url: string;
/** The text of each message that the server got. */
let heard: string[];

beforeEach(async () => {
  heard = [];
  server = await serve({
    port: 0,
    logger: false,
    protocols: ["one", "two"],
    handler(event, bus) {
      if (event.type !== "message") return;
      const { connection, data, text } = event;
      heard.push(text);
      const [, code] = /^\W*close\W+(\d+)/.exec(text) ?? [];
      if (code !== undefined) connection.close(Number(code), "as asked");
      else if (text === "vanish") connection.terminate();
      else if (text === "headers") bus.unicast(JSON.stringify(connection.headers), connection);
      else if (text !== "silence") bus.unicast(data, connection);
    },
  });
  ({ url } = server);
});

afterEach(async () => {
  await stopPrograms();
  await server.close();
});

/** Starts the command; what is given to its `stdin` is what somebody pipes into it. */
function run(...args: string[]): Program {
  return start("dist/cli.js", ["connect", ...args], { hasInput: true });
}

/** `printf input | sendall connect …` */
function pipe(input: string, ...args: string[]): Promise<End> {
  const program = run(...args);
  program.stdin?.end(input);
  return program.ended;
}

describe("sendall connect in a pipe", () => {
  it("sends each line, prints each answer, says on standard error what happens, and ends with 0", async () => {
    // Patient, for a busy machine: the answers have this long to come.
    const { code, stdout, stderr } = await pipe("a\n\nlast, without an end", url, "--wait", "5");
    expect(stdout).toEqual(["a", "", "last, without an end"]);
    expect(stderr).toEqual([`Connected to ${url}`, "Closed: 1000 normal closure"]);
    expect([code, heard]).toEqual([0, ["a", "", "last, without an end"]]);
  });

  it("waits for answers as long as --wait says, and ends earlier when the server closes", async () => {
    const { code, stdout, stderr } = await pipe("a\nclose 1000\n", url, "--wait", "99999");
    expect([code, stdout, stderr.at(-1)]).toEqual([0, ["a"], "Closed: 1000 as asked"]);
  });

  it("closes by itself when no answer comes; with --wait 0 once everything has been sent", async () => {
    for (const wait of ["0", "0.05"]) expect((await pipe("silence\n".repeat(100), url, "--wait", wait)).code).toBe(0);
    expect(heard).toHaveLength(200);
  });

  it("sends a line when it comes, and prints an answer when it comes", async () => {
    const program = run(url);
    await program.stderr.next(/^Connected/);
    program.stdin?.write("one\n");
    await program.stdout.next(/^one$/);
    server.sendall("by itself");
    await program.stdout.next(/^by itself$/);
    program.stdin?.write("close 1000\n");
    // Its input is still open: the end of the connection is the end.
    expect((await program.ended).code).toBe(0);
  });

  it("carries a long input whole and in order", async () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => `${i} ${"x".repeat(100)}`);
    const { code, stdout } = await pipe(`${lines.join("\n")}\nclose 1000\n`, url, "--wait", "60");
    expect([code, heard, stdout]).toEqual([0, [...lines, "close 1000"], lines]);
  });

  it("waits for a network that is slower than its input, and loses nothing", async () => {
    const sizes: number[] = [];
    const slow = await servePlain((socket) => {
      socket.pause();
      setImmediate(() => socket.resume());
      socket.on("message", (data: Buffer) => {
        if (sizes.push(data.length) === 50) socket.close(1000);
      });
    });
    const { code } = await pipe(`${"x".repeat(100_000)}\n`.repeat(50), slow, "--wait", "60");
    expect([code, sizes]).toEqual([0, Array.from({ length: 50 }, () => 100_000)]);
  });

  it("sends only JSON with --json, indents what comes back, and says which line was none", async () => {
    const { code, stdout, stderr } = await pipe('{"a":[1]}\nnot\n"x"\n\n{"close":1000}\n', url, "--json");
    expect(stdout).toEqual(["{", '  "a": [', "    1", "  ]", "}", '"x"']);
    expect(stderr.slice(1, -1)).toEqual([
      expect.stringMatching(/^sendall: line 2 is not JSON and was not sent: .*"not"/),
      expect.stringMatching(/^sendall: line 4 is not JSON and was not sent: /),
    ]);
    expect([code, heard]).toEqual([2, ['{"a":[1]}', '"x"', '{"close":1000}']]);
  });

  it("prints text that is no JSON as it is, and binary messages in hex", async () => {
    const program = run(url, "--json");
    await program.stderr.next(/^Connected/);
    server.sendall("no JSON");
    server.sendall(new Uint8Array([0, 171, 255]));
    server.sendall("two\nlines\x1b[2J");
    await program.stdout.next(/lines/);
    expect(program.stdout.all).toEqual(["no JSON", "00abff", "two", "lines\x1b[2J"]);
  });

  it("sends binary messages with --binary", async () => {
    const { code, stdout } = await pipe("é\n\nclose 1000\n", url, "--binary");
    expect([code, stdout]).toEqual([0, ["c3a9", ""]]);
    expect(heard).toEqual(["é", "", "close 1000"]);
  });

  it("speaks with a session for --session", async () => {
    const program = run(url, "--session", "--protocol", "two");
    await program.stderr.next(/^Connected to .* \(two, session: off\)$/);
    program.stdin?.end("~x\n~~\n");
    expect((await program.ended).stdout).toEqual(["~x", "~~"]);
  });

  it("speaks plain without --session, and with it tells what another server needs", async () => {
    const other = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    const offers: unknown[] = [];
    other.on("connection", (socket, request) => {
      offers.push(request.headers["sec-websocket-protocol"]);
      socket.send("hello");
    });
    await once(other, "listening");
    onTestFinished(() => other.close());
    const { port } = other.address() as AddressInfo;
    expect((await pipe("a\n", `127.0.0.1:${port}`, "--wait", "0.1")).stdout).toEqual(["hello"]);
    const { code, stderr } = await pipe("a\n", `127.0.0.1:${port}`, "--session");
    expect([code, stderr]).toEqual([
      1,
      [
        expect.stringMatching(
          /the first frame is no welcome; a server other than Sendall is spoken to without --session$/,
        ),
      ],
    ]);
    expect(offers).toEqual([undefined, "sendall.1"]);
  });

  it("offers its protocols and sends its headers", async () => {
    const args = [
      "--protocol",
      "two",
      "--protocol",
      "three",
      "--header",
      "X-Ann: a:b ",
      "--header",
      "X-Bob:",
      "--json",
    ];
    const program = run(url, ...args, "--header", "X-Ann: c");
    await program.stderr.next(/^Connected to .* \(two\)$/);
    const [connection] = server.connections();
    expect(connection?.headers).toMatchObject({
      "x-ann": "a:b, c",
      "x-bob": "",
      "sec-websocket-protocol": "two,three",
    });
  });
});

describe("an address without a scheme", () => {
  it.each(["127.0.0.1", "localhost"])("with the host %s gets ws://, and keeps path and query", async (host) => {
    const paths: string[] = [];
    const plain = await servePlain((socket, request) => {
      paths.push(request.url ?? "");
      socket.close(1000);
    });
    const address = `${host}:${new URL(plain).port}/a/b?c=d`;
    const { code, stderr } = await pipe("", address, "--wait", "60");
    expect([code, stderr[0], paths]).toEqual([0, `Connected to ws://${address}`, ["/a/b?c=d"]]);
  });

  it.each([
    ["with port 443", ["127.0.0.1:443/a"], "wss://127.0.0.1:443/a"],
    ["with --insecure", ["127.0.0.1:1", "--insecure"], "wss://127.0.0.1:1/"],
    ["with another port", ["127.0.0.1:1/a"], "ws://127.0.0.1:1/a"],
    ["without a port", ["no.such.host.invalid"], "ws://no.such.host.invalid/"],
  ])("%s is completed as people mean it", async (_case, args, dialed) => {
    const { code, stderr } = await run(...args).ended;
    expect(code).toBe(1);
    // A URL has no usual port.
    expect(stderr[0]?.replace("wss://127.0.0.1/a", "wss://127.0.0.1:443/a")).toContain(`cannot connect to ${dialed}: `);
  });
});

describe("sendall connect to a server with TLS", () => {
  const authority = makeCertificate("our authority");
  let folder: string;
  let address: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sendall-"));
    await writeFile(join(folder, "ours.pem"), authority.cert);
    await writeFile(join(folder, "another.pem"), makeCertificate("another").cert);
    const { cert, key } = makeCertificate("our server", authority);
    const secure = await serve({
      port: 0,
      logger: false,
      tls: { cert, key },
      handler(event, bus) {
        if (event.type !== "message") return;
        bus.unicast(event.connection.headers["x-ann"] ?? "none", event.connection);
        event.connection.close(1000);
      },
    });
    onTestFinished(async () => {
      await secure.close();
      await rm(folder, { recursive: true });
    });
    address = `127.0.0.1:${secure.port}`;
  });

  it.each(["--insecure", "--ca"])("comes through with %s, headers and all", async (flag) => {
    const trust = flag === "--ca" ? [flag, join(folder, "ours.pem")] : [flag];
    for (const url of [address, `wss://${address}/`, `https://${address}/`]) {
      const { code, stdout } = await pipe("a\n", url, ...trust, "--header", "X-Ann: here", "--wait", "60");
      expect([code, stdout]).toEqual([0, ["here"]]);
    }
  });

  it("trusts nobody else's certificate, and says which options help", async () => {
    for (const trust of [[], ["--ca", join(folder, "another.pem")]]) {
      const { code, stderr } = await pipe("a\n", `wss://${address}`, ...trust);
      expect([code, stderr]).toEqual([
        1,
        [
          expect.stringMatching(
            /^sendall: cannot connect to wss:.* certificate\b.*\(--ca <file> names .*, --insecure accepts any certificate\)$/,
          ),
        ],
      ]);
    }
  });
});

describe("lines that look like commands", () => {
  it("are messages in a pipe", async () => {
    const lines = ["/ping", "//", "/close", "/help", "/other"];
    const { code, stdout } = await pipe(`${lines.join("\n")}\nclose 1000\n`, url, "--wait", "60");
    expect([code, stdout, heard]).toEqual([0, lines, [...lines, "close 1000"]]);
  });

  it("are obeyed in a pipe under --commands: ping, close with a code and a reason, a slash to send", async () => {
    const closings: unknown[] = [];
    const plain = await servePlain((socket) => {
      socket.on("message", (data: Buffer) => socket.send(data.toString()));
      socket.on("close", (code, reason: Buffer) => closings.push([code, reason.toString()]));
    });
    const program = run(plain, "--commands", "--wait", "5");
    program.stdin?.write("//slash\n/ping\n");
    await program.stdout.next(/^\/slash$/);
    await program.stderr.next(/^Pong after \d+\.\d ms$/);
    program.stdin?.write("last\n/close 4000 good bye \nnot read\n");
    const { code, stdout, stderr } = await program.ended;
    expect([code, stdout, stderr.at(-1)]).toEqual([0, ["/slash", "last"], "Closed: 4000 good bye"]);
    await until(() => closings.length > 0);
    expect(closings).toEqual([[4000, "good bye"]]);
  });

  it("that are none are refused under --commands, with the line's number", async () => {
    const input = "/pong\n/ping now\n/close bye\n/close 1001\n/\nclose 1000\n";
    const { code, stderr } = await pipe(input, url, "--commands", "--wait", "60");
    expect([code, heard]).toEqual([2, ["close 1000"]]);
    expect(stderr.slice(1, -1)).toEqual([
      expect.stringMatching(/^sendall: line 1 was not sent: there is no command "\/pong": \/help shows/),
      'sendall: line 2 was not sent: /ping takes nothing, got "now"',
      'sendall: line 3 was not sent: /close: close code: a client may send 1000 or 3000-4999, got "bye"',
      "sendall: line 4 was not sent: /close: close code: a client may send 1000 or 3000-4999, got 1001",
      expect.stringMatching(/^sendall: line 5 was not sent: there is no command "\/": /),
    ]);
  });

  it("show one round trip for each ping, however many pongs the server sends", async () => {
    const plain = await servePlain((socket) => {
      // `ws` has answered already.
      socket.on("ping", (payload: Buffer) => {
        for (const more of [payload, "2", "x"]) socket.pong(more);
        socket.close(1000);
      });
    });
    const { code, stderr } = await pipe("/ping\n", plain, "--commands", "--wait", "60");
    expect([code, stderr.length]).toEqual([0, 3]);
    expect(stderr[1]).toMatch(/^Pong after /);
  });
});

describe("the exit code of sendall connect is", () => {
  it.each([
    ["0 after a close with 1000", "close 1000", 0, "Closed: 1000 as asked"],
    ["0 after a close with 1001", "close 1001", 0, "Closed: 1001 as asked"],
    ["4 after a close with 1008", "close 1008", 4, "Closed: 1008 as asked"],
    ["4 after a close with a code of an application", "close 4321", 4, "Closed: 4321 as asked"],
    ["3 when the connection is lost", "vanish", 3, "The connection was lost"],
  ])("%s", async (_case, line, expected, words) => {
    const { code, stderr } = await pipe(`${line}\n`, url, "--wait", "60");
    expect([code, stderr.at(-1)]).toEqual([expected, words]);
  });

  it("0 after a close without a code", async () => {
    const plain = await servePlain((socket) => socket.close());
    const { code, stderr } = await pipe("", plain, "--wait", "60");
    expect([code, stderr.at(-1)]).toEqual([0, "Closed: 1005 no code"]);
  });

  it("1 when it is refused, with the status and the server's words", async () => {
    const { code, stdout, stderr } = await pipe("a\n", url, "--header", "Origin: http://elsewhere");
    expect([code, stdout]).toEqual([1, []]);
    expect(stderr).toEqual([
      expect.stringMatching(/^sendall: .* refused the connection: HTTP 403 .*http:\/\/elsewhere/),
    ]);
  });

  it("1 when nobody listens", async () => {
    const { port } = server;
    await server.close();
    const { code, stderr } = await pipe("a\n", url);
    expect([code, stderr]).toEqual([1, [`sendall: cannot connect to ${url}: connect ECONNREFUSED 127.0.0.1:${port}`]]);
  });

  it.each([
    ["no URL", [], "connect needs a URL"],
    ["two URLs", ["ws://a", "ws://b"], "connect takes one URL, got 2"],
    [
      "an address with a wrong port",
      ["server:x"],
      'url: expected a URL, or an address such as localhost:8080/chat, got "server:x"',
    ],
    ["a path alone", ["/chat"], 'url: expected a URL, or an address such as localhost:8080/chat, got "/chat"'],
    ["a URL that is none", ["ws://"], 'in a page alone, got "ws://"'],
    ["another scheme", ["ftp://server"], "url: expected a URL that begins with ws://, wss://, "],
    ["a header without a colon", ["ws://a", "--header", "x"], '--header: expected "name: value", got "x"'],
    [
      "a header with a bad name",
      ["ws://a", "--header", "a b: c"],
      "headers: expected an object of header names and strings, ",
    ],
    ["a bad protocol", ["ws://a", "--protocol", "a b"], "protocols: expected the name of a subprotocol, "],
    ["a wait that is no number", ["ws://a", "--wait", "long"], '--wait: expected a number of seconds, got "long"'],
    ["a file that is not there", ["a", "--ca", "no.pem"], "--ca: cannot read no.pem: ENOENT"],
    [
      "a file without certificates",
      ["a", "--ca", "package.json"],
      '--ca: expected a file with certificates (PEM), got "package.json"',
    ],
    ["two ways to trust", ["a", "--ca", "package.json", "--insecure"], "--insecure: does not go with --ca"],
    [
      "trust without TLS",
      ["ws://a", "--insecure"],
      '--insecure and --ca: expected an address that begins with wss://, got "ws://a"',
    ],
    ["an unknown flag", ["ws://a", "--port", "1"], "--port: unknown option: the options are --"],
  ])("2 after %s", async (_case, args, problem) => {
    const { code, stdout, stderr } = await run(...args).ended;
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: [],
      stderr: [expect.stringMatching(/^sendall: /)],
    });
    expect(stderr[0]).toContain(problem);
  });
});

async function servePlain(onConnection: (socket: WebSocket, request: IncomingMessage) => void): Promise<string> {
  const plain = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(plain, "listening");
  plain.on("connection", onConnection);
  onTestFinished(() => {
    for (const socket of plain.clients) socket.terminate();
    plain.close();
  });
  const address = plain.address();
  if (typeof address !== "object" || address === null) throw new Error("it has a port");
  return `ws://127.0.0.1:${address.port}/`;
}

describe("sendall connect whose connection breaks", () => {
  const LENGTH_OF_256_MIB = [0, 0, 0, 0, 0x10, 0, 0, 0];
  it.each([
    ["a masked frame", clientFrame("x"), "MASK must be clear"],
    ["text that is not UTF-8", [0x81, 1, 0xff], "invalid UTF-8 sequence"],
    ["a reserved bit", [0xc1, 1, 0x41], "RSV1 must be clear"],
    ["an unknown opcode", [0x83, 0], "invalid opcode 3"],
    ["a continuation of nothing", [0x80, 0], "invalid opcode 0"],
    ["a ping in pieces", [0x09, 0], "FIN must be set"],
    ["a ping of 126 bytes", [0x89, 126, 0, 126], "invalid payload length 126"],
    ["a length beyond 2^53", [0x82, 127, ...Array(8).fill(0x7f)], "payload length > 2\\^53 - 1"],
    ["a message of 256 MiB", [0x82, 127, ...LENGTH_OF_256_MIB], "Max payload size exceeded"],
    ["half a close code", [0x88, 1, 3], "invalid payload length 1"],
    ["a close code that nobody may send", [0x88, 2, 3, 0xed], "invalid status code 1005"],
  ])("by %s is told with that cause, and ends with 3", async (_case, bytes, cause) => {
    const broken = await serveRaw((socket) => socket.write(Buffer.from(bytes)));
    const { code, stderr } = await run(broken).ended;
    expect([code, stderr]).toEqual([
      3,
      [`Connected to ${broken}`, expect.stringMatching(new RegExp(`^The connection was lost: .*${cause}$`))],
    ]);
  });

  it("by what cannot be decompressed is told with that cause", async () => {
    const bytes = Buffer.from([0xc1, 3, 0xff, 0xff, 0xff]);
    const broken = await serveRaw((socket) => socket.write(bytes), "permessage-deflate");
    const { code, stderr } = await run(broken).ended;
    expect([code, stderr.at(-1)]).toEqual([
      3,
      expect.stringMatching(/^The connection was lost: a compressed message cannot be read: invalid /),
    ]);
  });

  it("by a reset is told with that cause", async () => {
    const broken = await serveRaw((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const program = run(broken);
    await program.stderr.next(/^Connected/);
    program.stdin?.write("a\n");
    const { code, stderr } = await program.ended;
    expect([code, stderr.at(-1)]).toEqual([3, expect.stringMatching(/^The connection was lost: .*(ECONNRESET|EPIPE)/)]);
  });

  it("during the close handshake is told with its cause, too", async () => {
    // The answer to the close frame.
    const broken = await serveRaw((socket) => socket.once("data", () => socket.write(clientFrame("x"))));
    const { code, stderr } = await pipe("", broken, "--wait", "0");
    expect([code, stderr.at(-1)]).toEqual([
      3,
      expect.stringMatching(/^The connection was lost: .*MASK must be clear$/),
    ]);
  });

  it("by a socket that ends without a word has no cause", async () => {
    const broken = await serveRaw((socket) => socket.end());
    const { code, stderr } = await run(broken).ended;
    expect([code, stderr.at(-1)]).toEqual([3, "The connection was lost"]);
  });
});

describe("sendall connect that is interrupted", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("by %s closes with 1000 and ends with 0", async (signal) => {
    const program = run(url);
    await program.stderr.next(/^Connected/);
    program.kill(signal);
    expect((await program.ended).code).toBe(0);
    await until(() => server.connections().length === 0);
  });

  it("twice leaves at once, although the server does not answer", async () => {
    const silent = await servePlain((socket) => socket.pause());
    const program = run(silent);
    await program.stderr.next(/^Connected/);
    program.kill("SIGINT");
    await program.stderr.next(/^Closing \(SIGINT once more/);
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(143);
  });

  it("before it is connected ends as a program does that a signal ended", async () => {
    // It takes the call and never says anything.
    const mute = createServer().listen(0, "127.0.0.1");
    await once(mute, "listening");
    const address = mute.address();
    const program = run(`ws://127.0.0.1:${typeof address === "object" && address?.port}/`);
    const [socket] = await once(mute, "connection");
    program.kill("SIGINT");
    const end = await program.ended;
    socket.destroy();
    mute.close();
    expect(end).toMatchObject({ code: 130, stdout: [], stderr: [] });
  });

  it("by a reader that has had enough ends with 0 and no complaint", async () => {
    const program = run(url);
    await program.stderr.next(/^Connected/);
    server.sendall("first");
    await program.stdout.next(/^first$/);
    program.breakOutput();
    let isOver = false;
    void program.ended.then(() => {
      isOver = true;
    });
    await until(() => {
      server.sendall("more");
      return isOver;
    });
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stderr: [`Connected to ${url}`] });
  });
});

describe("the help of sendall connect", () => {
  it("names every option and exit code, and sendall --help tells of it", async () => {
    const { code, stdout, stderr } = await run("--help").ended;
    expect([code, stderr, stdout[0]]).toEqual([0, [], "Usage: sendall connect <url> [options]"]);
    for (const flag of [
      "--json",
      "--binary",
      "--protocol",
      "--session",
      "--header",
      "--insecure",
      "--ca",
      "--commands",
      "--wait",
    ])
      expect(stdout.join("\n")).toContain(flag);
    for (const command of ["/ping", "/close", "/help", "//"]) expect(stdout.join("\n")).toContain(`  ${command}`);
    expect((await start("dist/cli.js", ["--help"]).ended).stdout.at(-1)).toContain("sendall connect --help");
  });
});

const hasTerminals = spawnSync("script", ["--version"]).status === 0;
if (!hasTerminals) console.warn("Skipped: script (util-linux) is not installed, so there is no terminal to test at");

describe.skipIf(!hasTerminals)("sendall connect at a terminal", () => {
  const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

  function type(args: string, env: Record<string, string> = {}): Program {
    return startInTerminal(`"${process.execPath}" "${CLI}" connect ${args}`, { env: { TERM: "xterm", ...env } });
  }

  function coloured(color: number | string, text: string): RegExp {
    return new RegExp(`\x1b\\[${color}m${text}`);
  }

  it("asks for lines, shows answers in colour, and leaves at Ctrl-D", async () => {
    const program = type(url);
    await program.stdout.next(/Connected to/);
    program.stdin?.write("hello\r");
    await program.stdout.next(coloured(32, "hello"));
    // Enter alone sends nothing.
    program.stdin?.write("\r");
    program.stdin?.write("\x04");
    const { code, stdout } = await program.ended;
    expect(code).toBe(0);
    expect(stdout.join("\n")).toContain("> ");
    expect(stdout.at(-1)).toMatch(coloured(90, "Closed: 1000 normal closure"));
    expect(heard).toEqual(["hello"]);
  });

  it("leaves at Ctrl-C", async () => {
    const program = type(url);
    await program.stdout.next(/Connected to/);
    program.stdin?.write("half a line\x03");
    expect((await program.ended).code).toBe(0);
    expect(heard).toEqual([]);
  });

  it("has no colours under NO_COLOR, and shows control characters instead of obeying them", async () => {
    const program = type(url, { NO_COLOR: "1" });
    await program.stdout.next(/Connected to/);
    server.sendall("bad\x1b]0;title\x07\r\tgood");
    const line = await program.stdout.next(/bad.*good/);
    expect(line[0]).toBe("bad\\x1b]0;title\\x07\\x0d\tgood");
    expect(program.stdout.all.join("\n")).not.toMatch(coloured("\\d+", ""));
  });

  it("says what is no JSON, and lets one try again", async () => {
    const program = type(`${url} --json`);
    await program.stdout.next(/Connected to/);
    program.stdin?.write("{oops\r");
    await program.stdout.next(/this line is not JSON and was not sent/);
    program.stdin?.write("[1]\r");
    await program.stdout.next(/^.*\]/);
    program.stdin?.write("\x04");
    expect((await program.ended).code).toBe(0);
    expect(heard).toEqual(["[1]"]);
  });

  it("obeys commands: help, the round trip of a ping, a slash to send, and close with a code and a reason", async () => {
    const program = type(url);
    await program.stdout.next(/Connected to/);
    program.stdin?.write("/help\r");
    await program.stdout.next(/\/close \[code \[reason\]\]/);
    program.stdin?.write("/ping\r");
    await program.stdout.next(coloured(90, "Pong after \\d+\\.\\d ms"));
    program.stdin?.write("/pin\r");
    await program.stdout.next(coloured(31, 'sendall: this line was not sent: there is no command "/pin"'));
    program.stdin?.write("//nick ann\r");
    await program.stdout.next(coloured(32, "/nick ann"));
    program.stdin?.write("/close 4000 good bye\r");
    const { code, stdout } = await program.ended;
    expect(stdout.at(-1)).toMatch(coloured(90, "Closed: 4000 good bye"));
    expect([code, heard]).toEqual([0, ["/nick ann"]]);
  });
});
