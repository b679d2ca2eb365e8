/** What is shipped for pages: `dist/client.js`, `dist/client.min.js` and `dist/protocol.js`, each a whole program in a single file. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { type Server, serve } from "sendall";
import { protocol, refuse } from "sendall/protocol";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import * as source from "../../src/client.js";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const WS = pathToFileURL(createRequire(import.meta.url).resolve("ws")).href;
const MAX_BYTES = 6_000;
const MAX_PROTOCOL_BYTES = 2_500;

afterEach(stopPrograms);

/** An empty folder, gone when the test is over. */
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sendall-bundle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A server that says what a header of the handshake was, and after that whatever it is told. */
async function openEcho(onRequest?: Parameters<typeof createServer>[1]): Promise<Server> {
  const server = await serve({
    port: 0,
    logger: false,
    ...(onRequest !== undefined && { onRequest }),
    handler(event, bus) {
      if (event.type === "open") bus.unicast(`x-from: ${event.connection.headers["x-from"]}`, event.connection);
      if (event.type === "message") bus.unicast(event.data, event.connection);
    },
  });
  onTestFinished(() => server.close());
  return server;
}

/** A program which sends a message, and prints whatever comes until the message is back. */
function programOf(client: string, url: string, options: string, before = ""): string {
  return `import ws from ${JSON.stringify(WS)};
import { connect } from ${JSON.stringify(client)};
${before}
const client = connect(${JSON.stringify(url)}, {
  onMessage(data) {
    console.log(data);
    if (data === "hello") client.close();
  },
  onError: (error) => console.log(error.message),
  reconnect: false,
  ...${options},
});
client.send("hello");
`;
}

/** What a program in this folder prints. */
async function run(folder: string, code: string): Promise<readonly string[]> {
  const file = join(folder, "main.mjs");
  writeFileSync(file, code);
  const { stdout, stderr } = await start(pathToFileURL(file).href).ended;
  return [...stdout, ...stderr];
}

describe.each(["client.js", "client.min.js"])("%s", (name) => {
  test("has the exports of sendall/client", async () => {
    const code = `console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(pathToFileURL(DIST + name))}))))`;
    const [printed = ""] = await run(makeFolder(), code);
    expect(JSON.parse(printed)).toEqual(Object.keys(source).sort());
  });

  test("connects from Node, with headers", async () => {
    const server = await openEcho();
    const code = programOf(pathToFileURL(DIST + name).href, server.url, `{ headers: { "X-From": "Node" } }`);
    expect(await run(makeFolder(), code)).toEqual(["x-from: Node", "hello"]);
  });

  test.each([
    ["the option WebSocket", "{ WebSocket: ws.WebSocket }", ""],
    ["the global class", "{}", "globalThis.WebSocket = ws.WebSocket;"],
  ])("alone in a folder connects from Node with %s", async (_what, options, before) => {
    const server = await openEcho();
    const folder = makeFolder();
    copyFileSync(DIST + name, join(folder, "client.mjs"));
    const printed = await run(folder, programOf("./client.mjs", server.url, options, before));
    expect(printed).toEqual(["x-from: undefined", "hello"]);
  });

  test("has a source map which leads to the TypeScript of the client", () => {
    const { sources }: { readonly sources: readonly string[] } = JSON.parse(readFileSync(`${DIST}${name}.map`, "utf8"));
    expect(sources).toContain("../src/client/connect.ts");
  });

  const program = requires("chromium");

  test.skipIf(program.skip)("alone is all that a page in Chromium needs", async () => {
    const asked: string[] = [];
    const server = await openEcho((request, response) => {
      asked.push(request.url ?? "");
      const [type, content] =
        request.url === "/client.js"
          ? ["text/javascript", readFileSync(DIST + name)]
          : ["text/html", '<!doctype html><link rel="icon" href="data:,">'];
      response.setHeader("Content-Type", type).end(content);
    });
    const browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(server.url.replace("ws", "http"));
    const heard = page.evaluate(`import("/client.js").then(({ connect }) => new Promise((resolve, reject) => {
      const heard = [];
      const client = connect("/", {
        onMessage(data) {
          heard.push(data);
          if (data === "hello") client.close();
        },
        onError: reject,
        onClose: () => resolve(heard),
      });
      client.send("hello");
    }))`);
    expect(await heard).toEqual(["x-from: undefined", "hello"]);
    expect(asked).toEqual(["/", "/client.js"]);
  });
});

test(`client.min.js has at most ${MAX_BYTES} bytes in gzip`, () => {
  expect(gzipSync(readFileSync(`${DIST}client.min.js`), { level: 9 }).length).toBeLessThanOrEqual(MAX_BYTES);
});

test(`protocol.js has at most ${MAX_PROTOCOL_BYTES} bytes in gzip`, () => {
  expect(gzipSync(readFileSync(`${DIST}protocol.js`), { level: 9 }).length).toBeLessThanOrEqual(MAX_PROTOCOL_BYTES);
});

test.each(["client.js", "client.min.js"])("%s and protocol.js alone in a folder speak a protocol", async (name) => {
  const text = (value: unknown) =>
    typeof value === "string" ? { value } : { issues: [{ message: "no text", path: ["here"] }] };
  const schema = { "~standard": { version: 1 as const, vendor: "hand", validate: text } };
  const spec = { fromClient: { say: schema, ask: { input: schema, output: schema } }, fromServer: { said: schema } };
  const chat = protocol(spec);
  const server = await serve({
    port: 0,
    logger: false,
    handler: chat.handler({
      say: (said, { connection }) => connection.send(chat.fromServer.said(said)),
      ask: (asked) => {
        if (asked === "no") throw refuse("NO", "never", [1]);
        return `${asked}!`;
      },
    }),
  });
  onTestFinished(() => server.close());
  const folder = makeFolder();
  copyFileSync(DIST + name, join(folder, "client.mjs"));
  copyFileSync(`${DIST}protocol.js`, join(folder, "protocol.mjs"));
  const code = `import ws from ${JSON.stringify(WS)};
import { connect } from "./client.mjs";
import { protocol, refuse } from "./protocol.mjs";
const validate = ${text.toString()};
const schema = { "~standard": { version: 1, vendor: "hand", validate } };
const chat = protocol({ fromClient: { say: schema, ask: { input: schema, output: schema } }, fromServer: { said: schema } });
const tell = ({ code, reason, issues, data, option }) => console.log(JSON.stringify({ code, reason, issues, data, option }));
for (const wrong of [{ protocol: {} }, { protocol: chat, on: { sayd() {} } }, { on: {} }])
  try {
    connect(${JSON.stringify(server.url)}, { WebSocket: ws.WebSocket, ...wrong });
  } catch (error) {
    tell(error);
  }
const client = connect(${JSON.stringify(server.url)}, {
  WebSocket: ws.WebSocket,
  protocol: chat,
  on: { said: (said) => console.log("said", said) },
  onError: tell,
});
client.send("say", "hi");
console.log(await client.call("ask", "hello", { timeoutMs: 60_000 }));
await client.call("ask", "no").catch(tell);
await client.call("ask", 5).catch(tell);
await client.call("say").catch(tell);
await client.call("say").catch(({ message }) => console.log(message));
await client.call("ask", "late", { signal: AbortSignal.abort("enough") }).catch(console.log);
const last = client.call("ask", "last").catch(tell);
client.close();
await last;
`;
  const told = (details: object): string => JSON.stringify(details);
  expect(await run(folder, code)).toEqual([
    told({ code: "BAD_OPTION", option: "protocol" }),
    told({ code: "BAD_OPTION", option: "on.sayd" }),
    told({ code: "BAD_OPTION", option: "protocol" }),
    "said hi",
    "hello!",
    told({ code: "CALL_REFUSED", reason: "NO", data: [1] }),
    told({ code: "INVALID_MESSAGE", issues: [{ path: "here", message: "no text" }] }),
    told({ code: "BAD_DATA", option: "say" }),
    "say: expected ask",
    "enough",
    told({ code: "CLOSED" }),
  ]);
});

test("protocol.js has the exports of sendall/protocol, and Node loads the modules that sendall has", async () => {
  const code = `import { SendallError } from "sendall";
import * as protocol from "sendall/protocol";
const page = await import(${JSON.stringify(pathToFileURL(`${DIST}protocol.js`).href)});
console.log(JSON.stringify([Object.keys(page), Object.keys(protocol), protocol.SendallError === SendallError]));`;
  const folder = makeFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(fileURLToPath(new URL("../../", import.meta.url)), join(folder, "node_modules/sendall"));
  const names = ["SendallError", "protocol", "refuse"];
  expect(await run(folder, code)).toEqual([JSON.stringify([names, names, true])]);
});
