/** The chat demo as people meet it: its server as a process of its own, its page in Chromium. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { Line } from "./line.js";
import { freePort } from "./programs.js";
import { requires } from "./requires.js";

const SERVER = fileURLToPath(new URL("../../examples/chat/server.js", import.meta.url));
// Long enough for a loaded machine; nothing waits this long unless it fails.
const PATIENCE_MS = 20_000;

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
    await guest.getByTestId("open-rooms").getByRole("button", { name: "#garden" }).waitFor({ state: "detached" });
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

  /**
   * The messages that a page sends, for each of its sockets, without what it tells of its keys (`typing`); frames of the session itself
   * begin with "~".
   */
  function watchSent(page: Page): unknown[][][] {
    const sockets: unknown[][][] = [];
    page.on("websocket", (socket) => {
      const sent: unknown[][] = [];
      sockets.push(sent);
      socket.on("framesent", ({ payload }) => {
        const message = String(payload).startsWith("~") ? ["typing"] : JSON.parse(String(payload));
        if (message[0] !== "typing") sent.push(message);
      });
    });
    return sockets;
  }

  it("counts down while the server is away, and then sends what was said meanwhile, once, after the join", async () => {
    const ada = await open();
    const sockets = watchSent(ada);
    // No chance: a wait is as long as it may be.
    await ada.addInitScript("Math.random = () => 0");
    await ada.goto(`${url}?nick=Ada&room=lobby`);
    await ada.getByTestId("join-button").click();
    await ada.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
    const bob = await enter("Bob", "lobby");
    await notice(ada, "Bob joined").waitFor();
    await ada.evaluate(`
      const pill = document.querySelector("[data-testid=state]");
      window.seen = [];
      new MutationObserver(() => seen.push(pill.textContent)).observe(pill, { childList: true });
    `);

    await stopServer(server);
    await ada.getByTestId("state").filter({ hasText: "Reconnecting in" }).waitFor();
    await say(ada, "said meanwhile");
    await ada.getByTestId("waiting").filter({ hasText: "said meanwhile" }).waitFor();
    expect(await ada.getByTestId("text").inputValue()).toBe("");
    await ada.getByTestId("text").fill("half a thought");
    const seconds = /Reconnecting in (\d) s/;
    let seen: string[] = [];
    const isCountedDown = (text: string, i: number): boolean =>
      Number(seconds.exec(seen[i + 1] ?? "")?.[1]) < Number(seconds.exec(text)?.[1]);
    while (!seen.some(isCountedDown)) seen = await ada.evaluate("seen");

    ({ child: server } = await startServer(port));
    await message(ada, "said meanwhile").waitFor();
    // Bob may have come back later than Ada, and then has missed her message.
    await notice(bob, "You are back").waitFor();
    await say(bob, "got it");
    await message(ada, "got it").waitFor();
    expect(await ada.getByTestId("message").locator(".bubble").allTextContents()).toEqual(["said meanwhile", "got it"]);
    expect(await ada.getByTestId("waiting").count()).toBe(0);
    expect(await ada.getByTestId("text").inputValue()).toBe("half a thought");
    const place = { nick: "Ada", room: "lobby" };
    const join = ["join", place, expect.any(Number)];
    // The page says what it has.
    const again = ["join", { ...place, after: expect.any(String) }, expect.any(Number)];
    expect(sockets.filter((sent) => sent.length > 0)).toEqual([[join], [again, ["say", { text: "said meanwhile" }]]]);
  });

  it("takes its seat again while the server has not noticed that the connection is lost, and nobody leaves or joins", async () => {
    let lose = async (): Promise<void> => {};
    const ada = await open();
    await ada.routeWebSocket(/chat\?who=/, (route) => {
      const end = route.connectToServer();
      // The loss of either end stays its own affair.
      end.onClose(() => {});
      route.onClose(() => {});
      lose = () => route.close({ code: 1001 });
    });
    await ada.goto(`${url}?nick=Ada&room=lobby`);
    await ada.getByTestId("join-button").click();
    await ada.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
    const bob = await enter("Bob", "lobby");
    await lose();
    await notice(ada, "You are back").waitFor();
    await say(ada, "still here");
    await message(bob, "still here").waitFor();
    expect(await peopleOn(bob)).toEqual(["Ada", "Bob"]);
    expect(await notice(bob, "Ada").count()).toBe(0);
  });

  it("keeps what is said until somebody who has taken the nickname leaves", async () => {
    const line = await Line.to(port);
    const ada = await open();
    await ada.goto(`http://${line.host}/?nick=Ada&room=lobby`);
    await ada.getByTestId("join-button").click();
    await ada.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
    line.cut();
    await stopServer(server);
    ({ child: server } = await startServer(port));
    const other = await enter("Ada", "lobby");
    const bob = await enter("Bob", "lobby");
    line.restore();
    await ada.getByTestId("say-error").filter({ hasText: "keeps trying" }).waitFor();
    await say(ada, "still here");
    await ada.getByTestId("waiting").filter({ hasText: "still here" }).waitFor();
    await other.close();
    await message(ada, "still here").waitFor();
    await message(bob, "still here").waitFor();
    expect(await ada.getByTestId("waiting").count()).toBe(0);
  });

  it("keeps its seat over a lost connection: others see that one is away, nobody leaves or joins, and nothing is missing", async () => {
    const line = await Line.to(port);
    const ada = await open();
    const sockets = watchSent(ada);
    await ada.goto(`http://${line.host}/?nick=Ada&room=lobby`);
    await ada.getByTestId("join-button").click();
    await ada.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
    const bob = await enter("Bob", "lobby");
    await notice(ada, "Bob joined").waitFor();
    const isAway = bob.getByTestId("people").locator("li").filter({ hasText: "Ada" }).filter({ hasText: "away" });

    line.cut();
    await notice(ada, "The connection is lost").waitFor();
    await isAway.waitFor({ state: "attached" });
    await say(ada, "I am in a tunnel");
    await ada.getByTestId("waiting").filter({ hasText: "tunnel" }).waitFor();
    await say(bob, "nobody hears me");
    await message(bob, "nobody hears me").waitFor();
    line.restore();
    await message(bob, "I am in a tunnel").waitFor();
    await isAway.waitFor({ state: "detached" });
    await message(ada, "I am in a tunnel").waitFor();
    expect(await ada.getByTestId("message").locator(".bubble").allTextContents()).toEqual([
      "nobody hears me",
      "I am in a tunnel",
    ]);
    expect(await notice(bob, "Ada").count()).toBe(0);
    const said = ["You joined", "Bob joined", "The connection is lost", "You are back"];
    expect(await ada.getByTestId("notice").count()).toBe(said.length);
    await notice(ada, "You are back").waitFor();
    expect(sockets.flat().map(([name]) => name)).toEqual(["join", "say"]);
  });

  it("gives back what was said to a room that one has left before it could be sent", async () => {
    const ada = await enter("Ada", "lobby");
    await stopServer(server);
    await ada.getByTestId("state").filter({ hasText: "Reconnecting" }).waitFor();
    await say(ada, "for the lobby");
    await ada.getByTestId("waiting").waitFor();
    await ada.getByTestId("leave").click();
    await ada.getByTestId("room").fill("garden");
    await ada.getByTestId("join-button").click();
    ({ child: server } = await startServer(port));
    await ada.getByTestId("here").filter({ hasText: "#garden" }).waitFor();
    await notice(ada, "You opened #garden").waitFor();
    expect(await ada.getByTestId("text").inputValue()).toBe("for the lobby");
    expect(await ada.locator(".message").count()).toBe(0);
  });

  it("is back by itself when the server restarts, and keeps what was said", async () => {
    const ada = await enter("Ada", "lobby");
    const bob = await enter("Bob", "lobby");
    await say(ada, "before");
    await message(bob, "before").waitFor();

    expect(await stopServer(server)).toBe(0);
    for (const page of [ada, bob]) await page.getByTestId("state").filter({ hasText: "Reconnecting" }).waitFor();
    ({ child: server } = await startServer(port));
    for (const page of [ada, bob]) {
      await page.getByTestId("state").filter({ hasText: "Online" }).waitFor();
      await notice(page, "You are back").waitFor();
      await page.getByTestId("people").locator("li").nth(1).waitFor({ state: "attached" });
    }
    await say(ada, "after");
    await message(bob, "after").waitFor();
    const said = ["before", "after"];
    for (const page of [ada, bob]) {
      expect(await page.getByTestId("message").locator(".bubble").allTextContents()).toEqual(said);
    }
  });

  it("keeps what the protocol refuses in the field, says why, and sends nothing", async () => {
    const ada = await open();
    const sockets = watchSent(ada);
    await ada.goto(`${url}?nick=Ada&room=lobby`);
    await ada.getByTestId("join-button").click();
    await ada.getByTestId("here").filter({ hasText: "#lobby" }).waitFor();
    // As long as nobody can type, but what waited for the server may become as long together.
    await ada.evaluate(`document.querySelector("[data-testid=text]").value = "w".repeat(1001)`);
    await ada.getByTestId("text").press("Enter");
    await ada.getByTestId("say-error").filter({ hasText: "A message has 1 to 1000 characters." }).waitFor();
    expect((await ada.getByTestId("text").inputValue()).length).toBe(1001);
    await say(ada, "short");
    await message(ada, "short").waitFor();
    expect(sockets.flat().map(([name]) => name)).toEqual(["join", "say"]);
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
