/** What was said in a room of the chat before a page came, or came back, as people see it in Chromium. And the days that head it. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ExampleBrowser, fitsThePhone, hasText } from "./example-browser.js";
import { Line } from "./line.js";
import { type Client, connect, runCode } from "./programs.js";
import { requires } from "./requires.js";

const required = requires("chromium");

/** What a made-up server answers to one join after another. */
interface Stretch {
  readonly isComplete?: boolean;
  readonly said: readonly { readonly text: string; readonly at?: number; readonly position?: string }[];
}

describe.skipIf(required.skip)("the past of the chat in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(required.path);

  async function join(page: Page, nick: string): Promise<Page> {
    await page.getByTestId("nick").fill(nick);
    await page.getByTestId("join-button").click();
    await hasText(page.getByTestId("here"), "#lobby");
    return page;
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.getByTestId("text").fill(text);
    await page.getByTestId("text").press("Enter");
  }

  function texts(page: Page): Promise<string[]> {
    return page.locator(".message .bubble").allTextContents();
  }

  function notices(page: Page): Promise<string[]> {
    return page.getByTestId("notice").locator("span").allTextContents();
  }

  async function dayNames(page: Page): Promise<string[]> {
    const names = await page.getByRole("heading", { level: 2 }).and(page.getByTestId("day")).allTextContents();
    return names.map((name) => name.replace(",", ""));
  }

  /** How far the log is from its end, in pixels. */
  function toTheEnd(page: Page): Promise<number> {
    return page.evaluate(`(({ scrollHeight, scrollTop, clientHeight }) => Math.round(scrollHeight - scrollTop - clientHeight))
      (document.querySelector("[data-testid=log]"))`);
  }

  function numbered(from: number, to: number): string[] {
    return Array.from({ length: to - from + 1 }, (_, i) => `message ${from + i}`);
  }

  /** Somebody in the lobby, without a page. */
  async function enterLobby(nick: string, url = stage.url): Promise<(...lines: string[]) => Promise<void>> {
    const client: Client = await connect(`${url.replace("http", "ws")}/chat`);
    client.send(JSON.stringify(["join", { nick, room: "lobby" }, 1]));
    return async (...lines) => {
      for (const text of lines) client.send(JSON.stringify(["say", { text }]));
      const last = lines.at(-1);
      for (;;) {
        const [name, message] = JSON.parse(String(await client.next()));
        if (name === "said" && message.text === last) return;
      }
    };
  }

  /** A chat that has no sessions: whoever loses the line has to join again. */
  async function startWithoutSessions(): Promise<string> {
    const program = runCode(`
      import { serve } from "sendall";
      import { createChat } from "./examples/chat/chat.js";
      const server = await serve({
        port: 0, static: "examples/chat/public", client: "/sendall/client.js", routes: { "/chat": createChat() },
      });
      console.log("Chat: " + server.url.replace("ws", "http"));
    `);
    const [, url = ""] = await program.stdout.next(/^Chat: (http:\S+)\/$/);
    return url;
  }

  /** A server that speaks as the test says. What a page says comes from Ann, now or when the page has said; "bye" ends the line. */
  async function startTeller(...stretches: readonly Stretch[]): Promise<string> {
    const program = runCode(`
      import { serve } from "sendall";
      import { chat } from "./examples/chat/public/chat-protocol.js";
      const { entered, people, said } = chat.fromServer;
      const ann = { key: "ann", nick: "Ann", isTyping: false, isAway: false };
      const stretches = ${JSON.stringify(stretches)};
      const speak = (message) => said({ key: "ann", nick: "Ann", at: Date.now(), ...message });
      const server = await serve({
        port: 0, static: "examples/chat/public", client: "/sendall/client.js",
        routes: { "/chat": { handler: chat.handler({
          typing() {},
          leave() {},
          join({ nick, room }, { connection }) {
            const { said = [], isComplete = true } = stretches.shift() ?? {};
            connection.send(entered(room));
            for (const message of said) connection.send(speak(message));
            connection.send(people({ you: "you", count: 2, people: [ann, { ...ann, key: "you", nick }] }));
            return { nick, room, isComplete, position: said.at(-1)?.position };
          },
          say({ text }, { connection }) {
            if (text === "bye") connection.close(1001);
            else connection.send(speak(JSON.parse(text)));
          },
        }) } },
      });
      console.log("Chat: " + server.url.replace("ws", "http"));
    `);
    const [, url = ""] = await program.stdout.next(/^Chat: (http:\S+)\/$/);
    return url;
  }

  it("shows a newcomer the last 50 messages once, in order, down to the newest, and again after a reload", async () => {
    await stage.startExample("chat");
    const speak = await enterLobby("Ada");
    await speak(...numbered(1, 60));
    const bob = await join(await stage.open(), "Bob");
    await hasText(bob.getByTestId("notice"), "You joined #lobby with one other person");
    expect(await texts(bob)).toEqual(numbered(11, 60));
    expect(await toTheEnd(bob)).toBe(0);
    // What is new comes below, and the notice stands between.
    await speak("message 61");
    await hasText(bob.getByTestId("message"), "message 61");
    expect(await texts(bob)).toEqual(numbered(11, 61));
    await bob.reload();
    await hasText(bob.getByTestId("notice"), "You joined");
    expect(await texts(bob)).toEqual(numbered(12, 61));
    expect(await toTheEnd(bob)).toBe(0);
    expect(await bob.getByTestId("day").allTextContents()).toEqual(["Today"]);
    await fitsThePhone(bob);
  });

  it("shows the past as it was: links, hostile text, names of then, and what one has said oneself", async () => {
    await stage.startExample("chat");
    const hostile = `<img src=x onerror="document.title='broken'"> <a href="javascript:alert(1)">x</a>`;
    const bob = await join(await stage.open(), "Bob");
    const speak = await enterLobby("<b>Ada</b>");
    await say(bob, "I am Bob");
    await speak(hostile, "see https://a.example/b.");
    await hasText(bob.getByTestId("message"), "see");
    await bob.reload();
    await hasText(bob.getByTestId("notice"), "You joined");
    expect(await texts(bob)).toEqual(["I am Bob", hostile, "see https://a.example/b."]);
    expect(await bob.locator(".message header b").allTextContents()).toEqual(["You", "<b>Ada</b>", "<b>Ada</b>"]);
    expect(await bob.locator(".message.own .bubble").allTextContents()).toEqual(["I am Bob"]);
    const links = bob.locator(".bubble :is(a, img, b)");
    expect(await links.allTextContents()).toEqual(["https://a.example/b"]);
    expect(await links.getAttribute("href")).toBe("https://a.example/b");
    expect(await bob.title()).toBe("#lobby · Sendall chat");
  });

  it("has a screen reader say what is new, and not the past", async () => {
    await stage.startExample("chat");
    const speak = await enterLobby("Ada");
    await speak("one", "two");
    const bob = await stage.open();
    await bob.evaluate(`
      window.seen = [];
      const log = document.querySelector("[role=log]");
      new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) =>
        node.matches(".message") && seen.push([node.querySelector(".bubble").textContent, log.getAttribute("aria-live")]),
      ))).observe(log, { childList: true });
    `);
    await join(bob, "Bob");
    await bob.locator("[role=log][aria-live=polite]").waitFor();
    await speak("three");
    await hasText(bob.getByTestId("message"), "three");
    expect(await bob.evaluate("seen")).toEqual([
      ["one", "off"],
      ["two", "off"],
      ["three", "polite"],
    ]);
  });

  it("shows another room's past alone, and the first room's again on return", async () => {
    await stage.startExample("chat");
    const speak = await enterLobby("Ada");
    await speak("in the lobby");
    const bob = await join(await stage.open({ viewport: { width: 1_000, height: 700 } }), "Bob");
    await bob.getByLabel("Go to another room").fill("garden");
    await bob.getByLabel("Go to another room").press("Enter");
    await hasText(bob.getByTestId("here"), "#garden");
    await say(bob, "in the garden");
    await hasText(bob.getByTestId("message"), "in the garden");
    expect(await texts(bob)).toEqual(["in the garden"]);
    await bob.getByTestId("rooms").getByRole("button", { name: "#lobby" }).click();
    await hasText(bob.getByTestId("here"), "#lobby");
    expect(await texts(bob)).toEqual(["in the lobby"]);
    await bob.getByLabel("Go to another room").fill("garden");
    await bob.getByLabel("Go to another room").press("Enter");
    await hasText(bob.getByTestId("notice"), "You are alone in #garden");
    expect(await texts(bob)).toEqual(["in the garden"]);
  });

  it("brings a page that has lost its seat all that it has missed, and nothing twice, and stays where one reads", async () => {
    const url = await startWithoutSessions();
    const line = await Line.to(Number(new URL(url).port));
    const bob = await stage.open({}, `http://${line.host}`);
    /** How many messages have come over each of the page's lines. */
    const came: number[] = [];
    bob.on("websocket", (socket) => {
      const mine = came.push(0) - 1;
      socket.on("framereceived", ({ payload }) => {
        if (String(payload).startsWith('["said"')) came[mine] = (came[mine] ?? 0) + 1;
      });
    });
    await bob.reload();
    await join(bob, "Bob");
    const speak = await enterLobby("Ada", url);
    await speak(...numbered(1, 30));
    await hasText(bob.getByTestId("message"), "message 30");
    await bob.evaluate(`document.querySelector("[data-testid=log]").scrollTop = 0`);
    line.cut();
    await hasText(bob.getByTestId("notice"), "The connection is lost");
    await speak(...numbered(31, 100));
    line.restore();
    await hasText(bob.getByTestId("notice"), "You are back");
    expect(await texts(bob)).toEqual(numbered(1, 100));
    expect(await notices(bob)).toEqual([
      "You opened #lobby. Send a friend this page's address",
      "Ada joined",
      "The connection is lost",
      "You are back",
    ]);
    expect(await bob.evaluate(`document.querySelector("[data-testid=log]").scrollTop`)).toBe(0);
    await bob.getByRole("button", { name: "New messages" }).click();
    expect(await toTheEnd(bob)).toBe(0);
    // The page has got on: the next time it asks for what comes from here on.
    await speak("message 101");
    await hasText(bob.getByTestId("message"), "message 101");
    line.cut();
    await speak("message 102");
    line.restore();
    await hasText(bob.getByTestId("message"), "message 102");
    expect(await texts(bob)).toEqual(numbered(1, 102));
    expect(came.filter((count) => count > 0)).toEqual([30, 71, 1]);
  });

  it("keeps what it shows, marks where messages may be missing, and shows nothing twice, when a server has lost some", async () => {
    const said = (n: number, position = `p${n}`) => ({ text: `message ${n}`, position });
    const url = await startTeller(
      { said: [said(1), said(2), said(3)] },
      { said: [said(1), said(2), said(5), said(6)], isComplete: false },
    );
    const bob = await join(await stage.open({}, url), "Bob");
    await hasText(bob.getByTestId("message").nth(2), "message 3");
    await say(bob, JSON.stringify({ text: "message 4", position: "p4" }));
    await hasText(bob.getByTestId("message"), "message 4");
    await say(bob, "bye");
    await hasText(bob.getByTestId("notice"), "You are back");
    expect(await texts(bob)).toEqual(numbered(1, 6));
    const entries = await bob.locator(".message .bubble, .notice > span").allTextContents();
    expect(entries.slice(4)).toEqual([
      "message 4",
      "The connection is lost",
      "Messages may be missing here",
      "message 5",
      "message 6",
      "You are back",
    ]);
  });

  it("heads each day, in words for today and yesterday, which change at midnight", async () => {
    const said = [
      { text: "long ago", at: Date.UTC(2023, 11, 31, 23, 59) },
      { text: "in the morning", at: Date.UTC(2024, 1, 28, 6) },
      { text: "yesterday", at: Date.UTC(2024, 1, 28, 23, 59) },
      { text: "today", at: Date.UTC(2024, 1, 29, 0, 0) },
    ];
    const url = await startTeller({ said });
    const page = await stage.open({ locale: "en-GB", timezoneId: "UTC" }, "about:blank");
    await page.clock.install({ time: Date.UTC(2024, 1, 29, 12) });
    await page.goto(url);
    await join(page, "Bob");
    await hasText(page.getByTestId("notice"), "You joined");
    expect(await dayNames(page)).toEqual(["Sunday 31 December 2023", "Yesterday", "Today"]);
    const entries = page.locator(".message .bubble, .day");
    expect(await entries.allTextContents()).toEqual([
      expect.stringContaining("2023"),
      "long ago",
      "Yesterday",
      "in the morning",
      "yesterday",
      "Today",
      "today",
    ]);
    // A group of messages does not go over midnight.
    expect(await page.locator(".message.together").count()).toBe(0);
    await page.clock.fastForward("12:00:00");
    await hasText(page.getByTestId("day").nth(2), "Yesterday");
    expect(await dayNames(page)).toEqual(["Sunday 31 December 2023", "Wednesday 28 February 2024", "Yesterday"]);
    await say(page, JSON.stringify({ text: "the day after", at: Date.UTC(2024, 2, 1, 0, 0, 5) }));
    await hasText(page.getByTestId("message"), "the day after");
    expect((await dayNames(page)).slice(2)).toEqual(["Yesterday", "Today"]);
    // What was said just before midnight may come just after.
    await say(page, JSON.stringify({ text: "the day before", at: Date.UTC(2024, 1, 29, 23, 59, 59) }));
    await hasText(page.getByTestId("message"), "the day before");
    expect((await entries.allTextContents()).slice(-3)).toEqual(["Today", "the day after", "the day before"]);
  });

  it("heads days by the clock of the place, also where a day has 23 hours", async () => {
    // In Berlin the clocks go forward on 31 March 2024, an hour after midnight UTC.
    const said = [30, 31].map((day) => ({ text: `${day} March`, at: Date.UTC(2024, 2, day, 0, 30) }));
    const url = await startTeller({ said: [{ text: "29 March", at: Date.UTC(2024, 2, 29, 22, 30) }, ...said] });
    const page = await stage.open({ locale: "de-DE", timezoneId: "Europe/Berlin" }, "about:blank");
    await page.clock.install({ time: Date.UTC(2024, 2, 31, 21, 59) });
    await page.goto(url);
    await join(page, "Bob");
    await hasText(page.getByTestId("notice"), "You joined");
    expect(await dayNames(page)).toEqual(["Freitag 29. März 2024", "Yesterday", "Today"]);
    await page.clock.fastForward("01:00");
    await hasText(page.getByTestId("day").nth(2), "Yesterday");
    expect(await dayNames(page)).toEqual(["Freitag 29. März 2024", "Samstag 30. März 2024", "Yesterday"]);
  });

  it("keeps the heading of a day when old messages are dropped", async () => {
    const days = [Date.UTC(2024, 1, 29, 23, 59), Date.UTC(2024, 2, 1, 0, 0)];
    const said = days.flatMap((at) => numbered(1, 400).map((text) => ({ text, at })));
    const url = await startTeller({ said });
    const page = await join(await stage.open({ locale: "en-GB", timezoneId: "UTC" }, url), "Bob");
    await hasText(page.getByTestId("notice"), "You joined");
    expect(await dayNames(page)).toEqual(["Thursday 29 February 2024", "Friday 1 March 2024", "Today"]);
    expect(await page.evaluate(`document.querySelector("[data-testid=log]").firstElementChild.className`)).toBe("day");
    // 500 entries: three headings and a notice are among them.
    expect(await texts(page)).toEqual([...numbered(305, 400), ...numbered(1, 400)]);
  });
});
