/** `sendall serve` of a file that exports options of `serve`, and which come first: the file's, the variables' or the flags'. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { openClients, until } from "./peers.js";
import { connect, type Program, start, stopPrograms } from "./programs.js";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sendall-"));
});

afterEach(async () => {
  await stopPrograms();
  await rm(folder, { recursive: true });
});

/** Options with a store of history that cannot be opened. */
const STORED =
  '{ history: { store: { name: "full", open() { throw new Error("no space") }, append() {}, read() {}, trim() {}, close() {} } }, handler() {} }';

/** Writes `h.mjs`, and starts the command with the file in the temporary folder. */
async function serveFile(text: string, args = "--port 0", env: Record<string, string> = {}): Promise<Program> {
  await writeFile(join(folder, "h.mjs"), text);
  return start("dist/cli.js", ["serve", "h.mjs", ...args.split(" ").filter((arg) => arg !== "")], { cwd: folder, env });
}

/** The address that the command prints. */
async function address({ stdout }: Program): Promise<string> {
  const [, url = ""] = await stdout.next(/^Listening on (wss?:\S+\/)/);
  return url;
}

async function ask(url: string, question: string): Promise<unknown> {
  const client = await connect(url);
  client.send(question);
  return client.next();
}

async function statusOf(url: string): Promise<number> {
  return (await fetch(url.replace("ws", "http"))).status;
}

const ECHO = `(event, bus) => { if (event.type === "message") bus.unicast(event.text, event.connection); }`;
const STATEFUL = `{
  init: () => 0,
  handle(event, count, bus) {
    if (event.type !== "message") return;
    bus.unicast(String(count + 1), event.connection);
    return count + 1;
  },
}`;

describe("a file of sendall serve that exports", () => {
  it.each([
    ["a handler and options", `{ handler: ${ECHO}, maxPayloadBytes: 5 }`],
    ["a handler with a state and options", `{ handler: ${STATEFUL}, maxPayloadBytes: 5 }`],
  ])("%s is served with both", async (_case, exported) => {
    const url = await address(await serveFile(`export default ${exported};`));
    expect(await ask(url, "1")).toBe("1");
    const client = await connect(url);
    client.send("123456");
    expect((await client.closed).code).toBe(1009);
  });

  it("authorize lets in only whom authorize lets in", async () => {
    const text = `import { reject } from "${new URL("../../dist/index.js", import.meta.url)}";
      export default { handler: ${ECHO}, authorize: ({ query }) => query.get("key") === "yes" ? {} : reject(401) };`;
    const url = await address(await serveFile(text));
    expect(await ask(`${url}?key=yes`, "in")).toBe("in");
    await expect(connect(`${url}?key=no`)).rejects.toThrow("401");
  });

  it("routes has a handler for each path, each of its own shape, and no other path", async () => {
    const url = await address(
      await serveFile(
        `export default { routes: { "/echo": { handler: ${ECHO} }, "/count": { handler: ${STATEFUL} } } };`,
      ),
    );
    expect(await ask(`${url}echo`, "hello")).toBe("hello");
    expect(await ask(`${url}count`, "hello")).toBe("1");
    await expect(connect(`${url}other`)).rejects.toThrow("404");
  });

  it("options from CommonJS is served too", async () => {
    await writeFile(join(folder, "h.cjs"), `module.exports = { handler: ${ECHO}, name: "mine" };`);
    const program = start("dist/cli.js", ["serve", "h.cjs", "--port", "0"], { cwd: folder });
    expect(await ask(await address(program), "a")).toBe("a");
    await program.stderr.next(/"name":"mine"/);
  });

  it("a handler object of a class is a handler, whatever else the object holds", async () => {
    const text = `class Game {
      routes = [];
      name = "game";
      handler = undefined;
      init() { return 0; }
      handle(event, state, bus) { if (event.type === "message") bus.unicast(this.name, event.connection); }
    }
    export default new Game();`;
    expect(await ask(await address(await serveFile(text)), "?")).toBe("game");
  });

  it("port, host, static and logger is obeyed where the command line says nothing", async () => {
    await writeFile(join(folder, "index.html"), "page");
    const text = `export default { handler: ${ECHO}, port: 0, host: "localhost", static: ".", logger: false };`;
    const program = await serveFile(text, "");
    const [, url = "", page = ""] = await program.stdout.next(/^Listening on (ws:\S+\/), pages at (http:\S+\/)$/);
    expect(url).toMatch(/^ws:\/\/localhost:(?!8080)\d+\/$/);
    expect(await (await fetch(page)).text()).toBe("page");
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, stderr: [] });
  });

  it("tls listens with TLS", async () => {
    const { cert, key } = makeCertificate("ours");
    const text = `export default { handler: ${ECHO}, tls: ${JSON.stringify({ cert, key })} };`;
    expect(await address(await serveFile(text))).toMatch(/^wss:/);
  });
});

describe("the command line of sendall serve comes before the file:", () => {
  const FILE = `export default { handler: ${ECHO}, port: 1, host: "no.such.host.invalid", static: "nowhere-else", logger: false };`;

  it("--port, --host, --static and --log-level", async () => {
    await writeFile(join(folder, "index.html"), "page");
    const text = FILE.replace("nowhere-else", folder);
    const program = await serveFile(text, "--port 0 --host 127.0.0.1 --static . --log-level info");
    expect(await address(program)).toMatch(/^ws:\/\/127\.0\.0\.1:/);
    await program.stderr.next(/"listening"/);
  });

  it("PORT and HOST, and flags before both", async () => {
    const text = `export default { handler: ${ECHO}, port: 1, host: "no.such.host.invalid" };`;
    expect(await address(await serveFile(text, "", { PORT: "0", HOST: "localhost" }))).toMatch(/^ws:\/\/localhost:/);
    const both = await serveFile(text, "--host 127.0.0.1", { PORT: "0", HOST: "localhost" });
    expect(await address(both)).toMatch(/^ws:\/\/127\.0\.0\.1:/);
  });

  it("--sockjs, at every path, also where a route says no", async () => {
    const routes = `{ "/a": { handler: ${ECHO}, sockjs: false }, "/b": { handler: ${ECHO} } }`;
    const text = `export default { routes: ${routes} };`;
    const url = await address(await serveFile(text, "--port 0 --sockjs"));
    expect([await statusOf(`${url}a/info`), await statusOf(`${url}b/info`)]).toEqual([200, 200]);
    const plain = await address(await serveFile(text));
    expect(await statusOf(`${plain}a/info`)).not.toBe(200);
  });
});

describe("a file of options under --workers", () => {
  it("is served by every worker, on the port of the file", async () => {
    const routes = `{ "/all": { handler(event, bus) { if (event.type === "message") bus.sendall(event.text); } } }`;
    const program = await serveFile(`export default { port: 0, routes: ${routes} };`, "--workers 2");
    const [one, two] = await openClients(`${await address(program)}all`, 2);
    // A message reaches the other worker once the primary process knows of the worker.
    for (let round = 0; two?.received.length === 0; round++) {
      one?.send(`round ${round}`);
      await until(() => one?.received.includes(`round ${round}`) === true);
    }
    expect(two?.received[0]).toMatch(/^round /);
    program.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  it.each([
    ["sockjs", `{ handler: ${ECHO}, sockjs: true }`, "sockjs"],
    ["sockjs of a route", `{ routes: { "/a": { handler: ${ECHO}, sockjs: {} } } }`, 'routes["/a"].sockjs'],
  ])("may not have %s", async (_case, exported, name) => {
    const { code, stdout, stderr } = await (await serveFile(`export default ${exported};`, "--port 0 --workers 2"))
      .ended;
    const problem = "SockJS, whose sessions have to stay in one process, does not go with --workers";
    expect([code, stdout, stderr]).toEqual([1, [], [`sendall: h.mjs: ${name}: ${problem}`]]);
  });

  it("may not have a history that nodes cannot share", async () => {
    const { code, stdout, stderr } = await (await serveFile(`export default ${STORED};`, "--port 0 --workers 2")).ended;
    expect([code, stdout]).toEqual([1, []]);
    expect(stderr).toEqual([
      expect.stringMatching(
        /^sendall: h\.mjs: history\.store: expected a store that several nodes share, .*; got full$/,
      ),
    ]);
  });
});

it("a history that cannot be opened is told as such", async () => {
  const { code, stdout, stderr } = await (await serveFile(`export default ${STORED};`)).ended;
  expect([code, stdout]).toEqual([1, []]);
  expect(stderr).toEqual(["sendall: history: the full cannot be opened: no space"]);
});

describe("a file of options under --watch", () => {
  it("is read again after a change, and a mistake waits for the next change", async () => {
    const program = await serveFile(`export default { handler: ${ECHO} };`, "--port 0 --watch");
    expect(await ask(await address(program), "a")).toBe("a");
    await writeFile(join(folder, "h.mjs"), `export default { handler: ${ECHO}, orgins: "any" };`);
    await program.stderr.next(/^sendall: h\.mjs: orgins: unknown option: did you mean "origins"\?/);
    await writeFile(join(folder, "h.mjs"), `export default { routes: { "/b": { handler: ${ECHO} } } };`);
    expect(await ask(`${await address(program)}b`, "b")).toBe("b");
  });
});

describe("a file of sendall serve is refused with its name and one line if it exports", () => {
  const BESIDE = "stands beside init and handle: expected { handler: { init, handle }";
  it.each([
    [
      "an unknown option",
      `{ handler: ${ECHO}, authorise() {} }`,
      'authorise: unknown option: did you mean "authorize"?',
    ],
    ["a wrong value", `{ handler: ${ECHO}, authorize: 5 }`, "authorize: expected a function, got 5"],
    ["no handler", "{ handler: undefined }", "handler: expected a function (event, bus) => void, an object { init"],
    ["half a handler", "{ handler: { init() {} } }", "handler: expected a function (event, bus) => void, an object {"],
    [
      "handler beside routes",
      `{ handler: ${ECHO}, routes: {} }`,
      "handler: expected either handler or routes, got both",
    ],
    ["no routes", "{ routes: {} }", "routes: expected at least one route"],
    ["a route without a handler", `{ routes: { "/a": {} } }`, 'routes["/a"].handler: expected a function'],
    ["a wrong port", `{ handler: ${ECHO}, port: "http" }`, "port: expected a whole number from 0 to 65535, got"],
    [
      "options beside init and handle",
      "{ init() {}, handle() {}, authorize() {} }",
      `authorize: ${BESIDE}, authorize }`,
    ],
    ["a handler of both kinds", `{ init() {}, handle() {}, handler: ${ECHO} }`, `handler: ${BESIDE}, handler }`],
    ["half a state beside a handler", `{ init() {}, handler: ${ECHO} }`, "init: unknown option: "],
    ["a key that is none", `{ handler: ${ECHO}, tls: { key: "x" } }`, "tls.key: expected the content of a PEM file"],
  ])("%s", async (_case, exported, problem) => {
    const { code, stdout, stderr } = await (await serveFile(`export default ${exported};`)).ended;
    expect([code, stdout, stderr.length]).toEqual([1, [], 1]);
    expect(stderr[0]).toContain(`sendall: h.mjs: ${problem}`);
  });
});
