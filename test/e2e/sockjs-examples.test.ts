/** The examples that speak SockJS, started as `npm run example <name>` starts them: the test services, and the shared cursors. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import SockJS from "sockjs-client";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { ExampleBrowser, fitsThePhone, hasState, hasText } from "./example-browser.js";
import { connect, holdPort, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

afterEach(stopPrograms);

async function startExample(name: string): Promise<string> {
  const program = start("examples/run.js", [name], { env: { PORT: "0" } });
  const [, url = ""] = await program.stdout.next(/^[A-Z]\w+: (http:\S+)$/);
  return url;
}

/** What a client got, and how it ended. */
interface Heard {
  readonly received: string[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  next(): Promise<string>;
  send(text: string): void;
  close(): void;
}

async function open(url: string): Promise<Heard> {
  const socket = new SockJS(url, undefined, { timeout: 60_000 });
  onTestFinished(() => socket.close());
  const received: string[] = [];
  let wake = (): void => {};
  let read = 0;
  socket.onmessage = ({ data }) => {
    received.push(data);
    wake();
  };
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });
  await new Promise<void>((resolve) => {
    socket.onopen = () => resolve();
  });
  return {
    received,
    closed,
    send: (text) => socket.send(text),
    close: () => socket.close(),
    async next() {
      while (received.length === read)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return received[read++] ?? "";
    },
  };
}

describe("the sockjs example", () => {
  it("has the services that clients are tried against", async () => {
    const url = await startExample("sockjs");
    const echo = await open(`${url}echo`);
    echo.send("x");
    expect(await echo.next()).toBe("x");
    const [ann, bob] = [await open(`${url}broadcast`), await open(`${url}broadcast`)];
    ann.send("to all");
    expect([await ann.next(), await bob.next()]).toEqual(["to all", "to all"]);
    const amplify = await open(`${url}amplify`);
    for (const n of ["1", "18", "0", "19", "x", "3"]) amplify.send(n);
    const lengths = [];
    for (let i = 0; i < 6; i++) lengths.push((await amplify.next()).length);
    expect(lengths).toEqual([2, 262_144, 2, 2, 2, 8]);
    expect(await (await open(`${url}close`)).closed).toEqual({ code: 3000, reason: "Go away!" });
    const ticker = await open(`${url}ticker`);
    expect([await ticker.next(), await ticker.next()]).toEqual(["tick!", "tick!"]);
    const disabled = await fetch(`${url}disabled_websocket_echo/info`);
    expect(await disabled.json()).toMatchObject({ websocket: false, cookie_needed: false });
    const needed = await fetch(`${url}cookie_needed_echo/info`, { headers: { Origin: "http://anywhere.example" } });
    expect(await needed.json()).toMatchObject({ websocket: true, cookie_needed: true });
    expect(needed.headers.get("access-control-allow-origin")).toBe("http://anywhere.example");
    expect((await fetch(`${url}nothing`)).status).toBe(404);
    const plain = await connect(new URL("/echo", url).href.replace("http", "ws"));
    plain.send("plain");
    expect(await plain.next()).toBe("plain");
  });

  it("ends a streaming response of the echo after 4,096 characters", async () => {
    const url = await startExample("sockjs");
    const root = `${url}echo/000/limited`;
    const stream = fetch(`${root}/xhr_streaming`, { method: "POST" }).then((response) => response.text());
    const message = "x".repeat(4_096);
    let status = 404;
    // The stream may still be on its way.
    while (status === 404)
      ({ status } = await fetch(`${root}/xhr_send`, { method: "POST", body: JSON.stringify([message]) }));
    expect(await stream).toBe(`${"h".repeat(2_048)}\no\na["${message}"]\n`);
    // Its client leaves: a session that nobody polls would be waited for when the server closes.
    const leaving = new AbortController();
    await fetch(`${root}/xhr_streaming`, { method: "POST", signal: leaving.signal });
    leaving.abort();
  });

  it("serves the client of npm, and names it in the iframe page", async () => {
    const url = await startExample("sockjs");
    const file = createRequire(import.meta.url).resolve("sockjs-client/dist/sockjs.min.js");
    const client = await fetch(`${url}client/sockjs.min.js`);
    expect(client.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(await client.text()).toBe(readFileSync(file, "utf8"));
    expect(await (await fetch(`${url}echo/iframe.html`)).text()).toContain('<script src="/client/sockjs.min.js">');
  });
});

describe("sendall serve --sockjs", () => {
  it("speaks SockJS at every path, and not without the flag", async () => {
    const program = start("dist/cli.js", ["serve", "--port", "0", "--sockjs"]);
    const [, url = ""] = await program.stdout.next(/^Listening on ws(:\S+)$/);
    for (const path of ["", "some/path"]) {
      const client = await open(`http${url}${path}`);
      client.send(path);
      expect(await client.next()).toBe(path);
      client.close();
    }
    const without = start("dist/cli.js", ["serve", "--port", "0"]);
    const [, other = ""] = await without.stdout.next(/^Listening on ws(:\S+)$/);
    expect((await fetch(`http${other}info`)).status).toBe(426);
  });
});

describe("the examples that speak SockJS", () => {
  it.each(["sockjs", "cursors"])("leave on a signal, with everybody told: %s", async (name) => {
    const program = start("examples/run.js", [name], { env: { PORT: "0" } });
    const [, url = ""] = await program.stdout.next(/^[A-Z]\w+: (http:\S+)$/);
    const client = await open(`${url}${name === "sockjs" ? "echo" : "cursors"}`);
    program.kill("SIGINT");
    expect(await client.closed).toEqual({ code: 1001, reason: "going away" });
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stderr: [] });
  });

  it.each(["sockjs", "cursors"])("say in one line that their port is in use: %s", async (name) => {
    const port = await holdPort();
    const { code, stderr } = await start("examples/run.js", [name], { env: { PORT: String(port) } }).ended;
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
  });
});

const program = requires("chromium");
const WINDOW = { viewport: { width: 800, height: 400 } };

describe.skipIf(program.skip)("the cursors' page in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(program.path);
  const openPage = (url: string): Promise<Page> => stage.open(WINDOW, url);

  it.each(["", "?transport=xhr-polling"])("shows everybody's pointer to everybody else: %j", async (query) => {
    const url = await startExample("cursors");
    const ann = await openPage(url + query);
    await ann.getByTestId("count").filter({ hasText: "Nobody else" }).waitFor();
    const bob = await openPage(url);
    await ann.getByTestId("count").filter({ hasText: "2 are here" }).waitFor();
    await ann.mouse.move(200, 100);
    const cursor = bob.getByTestId("cursor");
    await cursor.waitFor();
    await bob.waitForFunction(
      'document.querySelector("[data-testid=cursor]").style.transform === "translate(200px, 100px)"',
    );
    expect(await ann.getByTestId("cursor").count()).toBe(0);
    await ann.goto("about:blank");
    await cursor.waitFor({ state: "detached", timeout: 30_000 });
    await bob.getByTestId("count").filter({ hasText: "Nobody else" }).waitFor();
  });

  it("passes over what is no place", async () => {
    const url = await startExample("cursors");
    const page = await openPage(url);
    await page.getByTestId("count").filter({ hasText: "Nobody else" }).waitFor();
    const guest = await open(`${url}cursors`);
    for (const odd of ["x", "null", "{}", '{"x":2,"y":0}', '{"x":"<b>","y":0}']) guest.send(odd);
    guest.send('{"x":0.5,"y":0.25}');
    await page.getByTestId("cursor").waitFor();
    await page.waitForFunction(
      'document.querySelector("[data-testid=cursor]").style.transform === "translate(400px, 100px)"',
    );
    expect(await page.getByTestId("cursor").count()).toBe(1);
  });
  it("is back by itself when the server is, without the cursors of before", async () => {
    await stage.startExample("cursors");
    const [ann, bob] = [await stage.open(WINDOW), await stage.open(WINDOW)];
    await hasText(ann.getByTestId("count"), "2 are here");
    await bob.mouse.move(200, 100);
    await ann.getByTestId("cursor").waitFor();
    await stage.restart("cursors", ann);
    await hasText(ann.getByTestId("count"), "2 are here");
    expect(await ann.getByTestId("cursor").count()).toBe(0);
    await bob.mouse.move(300, 100);
    await ann.getByTestId("cursor").waitFor();
  });
});

describe.skipIf(program.skip)("the page of the SockJS services in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(program.path);
  const connectButton = (page: Page) => page.getByRole("button", { name: "Connect", exact: true });

  it.each([
    ["", "websocket"],
    ["websocket", "websocket"],
    ["xhr-streaming", "xhr-streaming"],
    ["eventsource", "eventsource"],
    ["xhr-polling", "xhr-polling"],
    ["jsonp-polling", "jsonp-polling"],
  ])("sends and receives by the chosen transport: %j", async (transport, shown) => {
    await stage.startExample("sockjs");
    const page = await stage.open();
    await page.getByTestId("transport").selectOption(transport);
    await connectButton(page).click();
    await hasText(page.getByTestId("line"), `The connection is open, by ${shown}`);
    await page.getByRole("textbox", { name: "Message" }).fill("<b>hi</b>");
    await page.getByRole("button", { name: "Send" }).click();
    await hasText(page.getByTestId("line").nth(2), /^<b>hi<\/b>$/);
    await page.getByRole("button", { name: "Disconnect" }).click();
    await hasState(page, "Not connected");
    await fitsThePhone(page);
  });

  it("offers every service of the server", async () => {
    await stage.startExample("sockjs");
    const page = await stage.open();
    const names = await page.evaluate("Array.from(service.options, ({ value }) => value).toSorted()");
    const services = [
      "amplify",
      "broadcast",
      "close",
      "cookie_needed_echo",
      "disabled_websocket_echo",
      "echo",
      "ticker",
    ];
    expect(names).toEqual(services);
    for (const name of services) {
      const greeting = await fetch(new URL(`/${name}`, stage.url));
      expect([name, await greeting.text()]).toEqual([name, "Welcome to SockJS!\n"]);
    }
  });

  it("is back by itself when the server is, and stays away when a service has closed it", async () => {
    await stage.startExample("sockjs");
    const page = await stage.open();
    await connectButton(page).click();
    await hasState(page, "Connected");
    await stage.restart("sockjs", page);
    await page.getByRole("button", { name: "Disconnect" }).click();
    await hasState(page, "Not connected");
    await page.getByTestId("service").selectOption("close");
    await connectButton(page).click();
    await hasText(page.getByTestId("line"), "The connection is closed: 3000 Go away!");
    await hasState(page, "Not connected");
    expect(await connectButton(page).isEnabled()).toBe(true);
  });
});
