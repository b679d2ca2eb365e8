/** Who is in a room of the chat, as people see it in Chromium: tabs, reloads, typing, names of all kinds. And links. */
import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ExampleBrowser, fitsThePhone, hasText } from "./example-browser.js";
import { connect } from "./programs.js";
import { requires } from "./requires.js";

const required = requires("chromium");

describe.skipIf(required.skip)("the people of the chat in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(required.path);

  async function join(page: Page, nick: string): Promise<Page> {
    await page.getByTestId("nick").fill(nick);
    await page.getByTestId("join-button").click();
    await hasText(page.getByTestId("here"), "#lobby");
    return page;
  }

  async function enter(nick: string): Promise<Page> {
    return join(await stage.open(), nick);
  }

  /** Another tab of the same browser. */
  async function openTab(page: Page): Promise<Page> {
    const tab = await page.context().newPage();
    await tab.goto(stage.url);
    return tab;
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.getByTestId("text").fill(text);
    await page.getByTestId("text").press("Enter");
  }

  function names(page: Page): Promise<string[]> {
    return page.getByTestId("people").locator(".name").allTextContents();
  }

  function row(page: Page, nick: string): Locator {
    return page.getByTestId("people").locator("li").filter({ hasText: nick });
  }

  /** From now on the page notes whose rows go, or come, and what is announced. */
  async function watch(page: Page): Promise<() => Promise<string[]>> {
    await page.evaluate(`
      window.seen = [];
      const note = (what, nodes) => [...nodes].forEach((node) => seen.push(what + " " + (node.querySelector(".name") ?? node.firstChild).textContent));
      new MutationObserver((changes) => changes.forEach((change) => {
        note("row gone:", change.removedNodes);
        note("row:", change.addedNodes);
      })).observe(document.querySelector("[data-testid=people]"), { childList: true });
      new MutationObserver((changes) => changes.forEach(({ addedNodes }) =>
        note("said:", [...addedNodes].filter((node) => node.matches(".notice"))),
      )).observe(document.querySelector("[data-testid=log]"), { childList: true });
    `);
    return () => page.evaluate("seen");
  }

  /** Resolves once somebody who goes only now has left: whoever went before would have left before. */
  async function graceIsOver(page: Page, who: Page, nick: string): Promise<void> {
    await who.close();
    await hasText(page.getByTestId("notice"), `${nick} left`);
  }

  it("shows a person with two tabs once, and says nothing of the tab that comes and the one that goes", async () => {
    await stage.startExample("chat");
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve")];
    await hasText(ada.getByTestId("notice"), "Eve joined");
    const seen = await watch(ada);
    const tab = await openTab(bob);
    expect(await tab.getByTestId("nick").inputValue()).toBe("Bob");
    await tab.getByTestId("join-button").click();
    await hasText(row(tab, "Bob"), "you");
    expect(await names(tab)).toEqual(["Ada", "Bob", "Eve"]);
    await say(tab, "from my second tab");
    for (const page of [bob, tab]) await page.locator(".message.own").filter({ hasText: "second tab" }).waitFor();
    await hasText(ada.getByTestId("message"), "second tab");
    await bob.close();
    await say(tab, "still here");
    await hasText(ada.getByTestId("message"), "still here");
    await graceIsOver(ada, eve, "Eve");
    expect(await names(ada)).toEqual(["Ada", "Bob"]);
    await hasText(ada.getByTestId("here-count"), "2 people here");
    expect(await seen()).toEqual(["row gone: Eve", "said: Eve left"]);
    await tab.close();
    await hasText(ada.getByTestId("notice"), "Bob left");
    expect(await names(ada)).toEqual(["Ada"]);
  });

  it("gives a person another name in all tabs and for everybody, without leaving", async () => {
    await stage.startExample("chat");
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    await hasText(ada.getByTestId("notice"), "Bob joined");
    const seen = await watch(ada);
    await join(await openTab(bob), "Robert");
    for (const page of [ada, bob]) await hasText(row(page, "Robert"), "Robert");
    await say(bob, "it is me");
    await hasText(ada.locator(".message header"), "Robert");
    expect(await names(ada)).toEqual(["Ada", "Robert"]);
    expect(await seen()).toEqual([]);
  });

  it("lets a page be loaded anew without a row that flickers, and without a word of leaving and joining", async () => {
    await stage.startExample("chat");
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve")];
    await hasText(ada.getByTestId("notice"), "Eve joined");
    const seen = await watch(ada);
    for (const text of ["back", "back again"]) {
      await bob.reload();
      await hasText(bob.getByTestId("here"), "#lobby");
      await say(bob, text);
      await hasText(ada.locator(".message .bubble"), new RegExp(`^${text}$`));
    }
    expect(await names(bob)).toEqual(["Ada", "Bob", "Eve"]);
    await graceIsOver(ada, eve, "Eve");
    expect(await seen()).toEqual(["row gone: Eve", "said: Eve left"]);
  });

  it("tells people with the same name apart, and gives the name to one of them in a room", async () => {
    await stage.startExample("chat");
    const ada = await enter("Ada");
    const other = await stage.open();
    await other.getByTestId("nick").fill("ADA");
    await other.getByTestId("join-button").click();
    await hasText(other.getByTestId("join-error"), "called ADA already");
    // The same name in another room is another person's, who says something here under another name.
    await other.getByTestId("nick").fill("Ada Two");
    await other.getByTestId("join-button").click();
    await hasText(other.getByTestId("here"), "#lobby");
    await say(other, "I am not Ada");
    await hasText(ada.getByTestId("message"), "I am not Ada");
    expect(await ada.locator(".message.own").count()).toBe(0);
  });

  it("shows who is typing until something is sent, the field is empty, the keys rest, or the page goes", async () => {
    await stage.startExample("chat");
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    const typing = ada.getByTestId("typing");
    const begins = async (): Promise<void> => {
      await bob.getByTestId("text").fill("a thought");
      await hasText(typing, /^Bob is typing…$/);
      await hasText(row(ada, "Bob"), "typing…");
    };
    const ends = async (): Promise<void> => {
      await hasText(typing, /^$/);
      expect(await row(ada, "Bob").textContent()).not.toContain("typing");
    };
    await begins();
    await bob.getByTestId("text").press("Enter");
    await hasText(ada.getByTestId("message"), "a thought");
    await ends();
    await begins();
    await bob.getByTestId("text").fill("");
    await ends();
    await begins();
    await ends();
    await begins();
    await bob.close();
    await ends();
    expect(await names(ada)).toEqual(["Ada", "Bob"]);
  });

  it("does not tell people of their own typing in another tab", async () => {
    await stage.startExample("chat");
    const bob = await enter("Bob");
    const tab = await join(await openTab(bob), "Bob");
    await tab.evaluate(`
      window.typing = [];
      new MutationObserver(() => typing.push(document.body.textContent.includes("typing…")))
        .observe(document.body, { childList: true, subtree: true });
    `);
    await bob.getByTestId("text").fill("a thought");
    await bob.getByTestId("text").press("Enter");
    await hasText(tab.getByTestId("message"), "a thought");
    expect(await tab.evaluate("typing.includes(true)")).toBe(false);
    expect(await tab.evaluate("typing.length > 0")).toBe(true);
  });

  it("shows hostile names as one short line of text each, and nobody under somebody else's name", async () => {
    await stage.startExample("chat");
    const ada = await enter("Ada");
    const address = `${stage.url.replace("http", "ws")}/chat`;
    const tried: [nick: string, shown: string | undefined][] = [
      ["<img src=x onerror=a()>", "<img src=x onerror=a()>"],
      ["__proto__", "__proto__"],
      ["\u202Eevil\u0000\u0007\n", "evil"],
      [`Z${"\u0300\u0489".repeat(11)}`, `Z${"\u0300\u0489".repeat(11)}`],
      ["\uFDFA\uFDFA", undefined],
      ["n".repeat(25), undefined],
      [" \u200B\u2060 ", undefined],
      ["A\u200Bda", undefined],
      ["\uFF21da", undefined],
    ];
    for (const [nick] of tried) {
      const peer = await connect(address);
      peer.send(JSON.stringify(["join", { nick, room: "lobby" }, 1]));
      while (JSON.parse(String(await peer.next()))[0] !== 1);
    }
    const bob = await enter("Bob");
    const shown = ["Ada", ...tried.flatMap(([, name]) => name ?? []), "Bob"];
    await hasText(row(ada, "Bob"), "Bob");
    for (const page of [ada, bob]) {
      expect((await names(page)).sort()).toEqual([...shown].sort());
      expect(await page.locator("#chat img[src=x]").count()).toBe(0);
      await fitsThePhone(page);
    }
    const heights = `[...document.querySelectorAll(".person")].map((row) => row.offsetHeight)`;
    expect(new Set(await ada.evaluate<number[]>(heights))).toEqual(new Set([40]));
  });

  it("makes links of http addresses, of nothing else, and shows where each goes", async () => {
    await stage.startExample("chat");
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    const text = [
      "see https://example.com/a_(b)?q=1&r=<i>, (HTTP://LOCALHOST:8080/x). https://a.example/~b/!",
      "javascript:alert(1) data:text/html,x ftp://a.example //a.example xhttps://no http:// http://[",
      "https://good.example\u202E/moc.live\u202C",
      'https://a.example/"onmouseover="alert(1)',
      "(https://a.example/b_(c)) [https://a.example/d] «https://a.example/e»。 https://a.example/f。",
    ].join("\n");
    await say(ada, text);
    await hasText(bob.getByTestId("message"), "see");
    const bubble = bob.getByTestId("message").locator(".bubble");
    expect(await bubble.textContent()).toBe(text);
    const links = `[...document.querySelectorAll(".bubble a")].map((link) => [link.textContent, link.getAttribute("href"), link.rel, link.target])`;
    const found = await bob.evaluate<[text: string, href: string, rel: string, target: string][]>(links);
    expect(found.map(([shown, href]) => [shown, href])).toEqual([
      ["https://example.com/a_(b)?q=1&r=", "https://example.com/a_(b)?q=1&r="],
      ["HTTP://LOCALHOST:8080/x", "http://localhost:8080/x"],
      ["https://a.example/~b/", "https://a.example/~b/"],
      ["https://good.example", "https://good.example/"],
      ["https://a.example/", "https://a.example/"],
      ["https://a.example/b_(c)", "https://a.example/b_(c)"],
      ["https://a.example/d", "https://a.example/d"],
      ["https://a.example/e", "https://a.example/e"],
      ["https://a.example/f", "https://a.example/f"],
    ]);
    for (const [, , rel, target] of found) {
      expect(rel.split(" ")).toEqual(expect.arrayContaining(["noopener", "noreferrer"]));
      expect(target).toBe("_blank");
    }
    expect(await bob.locator("[onmouseover], .bubble :not(a)").count()).toBe(0);
  });
});
