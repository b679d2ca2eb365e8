/** The chat demo as people meet it: its server as a process of its own, its page in Chromium. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { requires } from "./requires.js";

const SERVER = fileURLToPath(new URL("../../examples/chat/server.js", import.meta.url));
// Long enough for a loaded machine; nothing waits this long unless it fails.
const PATIENCE_MS = 20_000;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

function spawnServer(port: number): ChildProcess {
  return spawn(process.execPath, [SERVER], { env: { ...process.env, PORT: String(port) }, stdio: "pipe" });
}

/** Resolves with the address that the server prints once it listens. */
async function startServer(port: number): Promise<{ child: ChildProcess; url: string }> {
  const child = spawnServer(port);
  // Nobody reads what it logs, and a full pipe would stop it.
  child.stderr?.resume();
  if (child.stdout === null) throw new Error("the server's output is piped");
  const lines = createInterface(child.stdout);
  const url = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const [, address] = /^Chat: (http:\S+)$/.exec(line) ?? [];
      if (address !== undefined) resolve(address);
    });
    child.once("exit", (code) => reject(new Error(`the chat's server ended with ${code} before it listened`)));
  });
  return { child, url };
}

async function stopServer(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  return child.exitCode;
}

describe("the chat's server", () => {
  it("names the port in one line and fails when it is in use", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const address = holder.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    const child = spawnServer(port);
    let output = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stdout?.resume();
    const [code] = await once(child, "close");
    holder.close();
    expect(code).toBe(1);
    expect(output.trim().split("\n")).toEqual([expect.stringContaining(String(port))]);
  });
});

const program = requires("chromium");

describe.skipIf(program.skip)("the chat's page in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser;
  let port: number;
  let server: ChildProcess;
  let url: string;
  let pageErrors: Error[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
  }, 60_000);

  afterAll(() => browser.close());

  beforeEach(async () => {
    pageErrors = [];
    port = await freePort();
    ({ child: server, url } = await startServer(port));
  });

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await stopServer(server);
    expect(pageErrors).toEqual([]);
  });

  async function open(query = "", stored?: Record<string, unknown>): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 } });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => pageErrors.push(error));
    if (stored) await page.addInitScript(`sessionStorage.setItem("chat", '${JSON.stringify(stored)}')`);
    await page.goto(url + query);
    return page;
  }

  async function enter(nick: string, room: string): Promise<Page> {
    const page = await open();
    await page.getByTestId("nick").fill(nick);
    await page.getByTestId("room").fill(room);
    await page.getByTestId("join-button").click();
    await page
      .getByTestId("here")
      .filter({ hasText: `#${room}` })
      .waitFor();
    return page;
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.getByTestId("text").fill(text);
    await page.getByTestId("text").press("Enter");
  }

  function message(page: Page, text: string): Locator {
    return page.getByTestId("message").filter({ hasText: text });
  }

  function notice(page: Page, text: string): Locator {
    return page.getByTestId("notice").filter({ hasText: text });
  }

  async function peopleOn(page: Page): Promise<string[]> {
    return page.getByTestId("people").locator(".name").allTextContents();
  }

  it("shows two people in a room each other's messages and notices, and a third elsewhere none", async () => {
    const ada = await enter("Ada", "lobby");
    const bob = await enter("Bob", "lobby");
    const eve = await enter("Eve", "garden");
    await notice(ada, "Bob joined").waitFor();
    expect(await peopleOn(ada)).toEqual(["Ada", "Bob"]);
    expect(await peopleOn(bob)).toEqual(["Ada", "Bob"]);

    await say(ada, "hello Bob");
    await message(bob, "hello Bob").waitFor();
    await say(bob, "hello Ada");
    await message(ada, "hello Ada").waitFor();
    expect(await ada.getByTestId("message").locator(".bubble").allTextContents()).toEqual(["hello Bob", "hello Ada"]);
    expect(await message(ada, "hello Bob").getAttribute("class")).toContain("own");

    await bob.close();
    await notice(ada, "Bob left").waitFor();
    expect(await peopleOn(ada)).toEqual(["Ada"]);

    // What Eve says comes back to her after all that could have been sent to her by mistake.
    await say(eve, "quiet here");
    await message(eve, "quiet here").waitFor();
    expect(await eve.getByTestId("message").count()).toBe(1);
    expect(await notice(eve, "Bob").count()).toBe(0);
  });

  it("counts the people of each room, and takes one to another room with a click", async () => {
    const guest = await open();
    await enter("Ada", "lobby");
    const bob = await enter("Bob", "garden");
    await bob.getByRole("button", { name: "Rooms and people" }).click();
    await bob.getByTestId("rooms").getByRole("button", { name: "#lobby" }).click();
    await bob.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
    expect(await peopleOn(bob)).toEqual(["Ada", "Bob"]);
    await guest.getByTestId("open-rooms").getByRole("button", { name: "#lobby 2 people" }).waitFor();
    expect(await guest.getByTestId("open-rooms").getByRole("button").count()).toBe(1);
  });

  it("shows what looks like HTML as the text it is", async () => {
    const html = "<img src=x onerror=\"document.title='broken'\">";
    const ada = await enter("<b>Ada</b>", "<i>room</i>");
    const bob = await enter("Bob", "<i>room</i>");
    await say(ada, html);
    await message(bob, html).waitFor();
    expect(await bob.getByTestId("message").locator(".bubble").textContent()).toBe(html);
    expect(await peopleOn(bob)).toEqual(["<b>Ada</b>", "Bob"]);
    for (const page of [ada, bob]) {
      expect(await page.locator("#chat :is(img[src=x], h1 i, .name b, .name i)").count()).toBe(0);
      expect(await page.title()).not.toContain("broken");
    }
  });

  it("tells at the entrance that a nickname is taken", async () => {
    await enter("Ada", "lobby");
    const other = await open("?room=lobby&nick=ada");
    await other.getByTestId("join-button").click();
    await other.getByTestId("join-error").filter({ hasText: "called ada already" }).waitFor();
    await other.getByTestId("nick").fill("Ada II");
    await other.getByTestId("join-button").click();
    await other.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
  });

  it("is back in its room after a reload, and asks again after leaving", async () => {
    const ada = await enter("Ada", "lobby");
    await ada.reload();
    await ada.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
    await ada.getByTestId("leave").click();
    await ada.getByTestId("entrance").waitFor();
    await ada.reload();
    await ada.getByTestId("entrance").waitFor();
    expect(await ada.getByTestId("nick").inputValue()).toBe("Ada");
  });

  it("gets its seat back once the server lets go of its lost connection", async () => {
    const lost = await enter("Ada", "lobby");
    const ada = await open("", { nick: "Ada", room: "lobby", joined: true });
    await ada.getByTestId("join-error").filter({ hasText: "keeps trying" }).waitFor();
    await lost.close();
    await ada.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
  });

  it("is back by itself when the server restarts, and keeps what was said and what was typed", async () => {
    const ada = await enter("Ada", "lobby");
    const bob = await enter("Bob", "lobby");
    await say(ada, "before");
    await message(bob, "before").waitFor();

    expect(await stopServer(server)).toBe(0);
    for (const page of [ada, bob]) await page.getByTestId("state").filter({ hasText: "Reconnecting" }).waitFor();
    await say(bob, "half a thought");
    await bob.getByTestId("say-error").filter({ hasText: "Not sent" }).waitFor();

    ({ child: server } = await startServer(port));
    for (const page of [ada, bob]) {
      await page.getByTestId("state").filter({ hasText: "Online" }).waitFor();
      await notice(page, "You are back").waitFor();
      await page.getByTestId("people").locator("li").nth(1).waitFor({ state: "attached" });
    }
    await bob.getByTestId("send").click();
    await message(ada, "half a thought").waitFor();
    await say(ada, "after");
    await message(bob, "after").waitFor();
    const said = ["before", "half a thought", "after"];
    for (const page of [ada, bob]) {
      expect(await page.getByTestId("message").locator(".bubble").allTextContents()).toEqual(said);
    }
  });

  it("fits a phone: nothing is wider than the screen", async () => {
    const ada = await enter("Ada", "a room with a name of 32 letters");
    await say(ada, "w".repeat(1000));
    await message(ada, "www").waitFor();
    expect(await ada.evaluate("document.documentElement.scrollWidth - window.innerWidth")).toBe(0);
    const box = await ada.getByTestId("send").boundingBox();
    expect(box && box.x + box.width).toBeLessThanOrEqual(360);
    expect(box && box.y + box.height).toBeLessThanOrEqual(740);
  });
});
