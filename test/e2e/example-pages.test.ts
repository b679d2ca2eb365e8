/** The pages of the examples in Chromium, each from its server as a process of its own. The chat's page has its own test. */
import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ExampleBrowser, fitsThePhone, hasState, hasText } from "./example-browser.js";
import { type Client, connect } from "./programs.js";
import { requires } from "./requires.js";

const HTML = "<img src=x onerror=\"document.title='broken'\">";

const required = requires("chromium");

describe.skipIf(required.skip)("in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(required.path);

  function script(): Promise<Client> {
    return connect(stage.url.replace("http", "ws"));
  }

  /** Asks until it holds. The page itself may not evaluate text, so it cannot do the asking. */
  async function becomesTrue(page: Page, expression: string): Promise<void> {
    while (!(await page.evaluate(expression)));
  }

  describe("the page of the loop", () => {
    it("connects, sends, shows what comes back as text, and disconnects", async () => {
      await stage.startExample("loop");
      const page = await stage.open();
      const lines = page.getByTestId("line");
      const button = (name: string): Locator => page.getByRole("button", { name, exact: true });
      await hasState(page, "Not connected");
      expect(await button("Send").isDisabled()).toBe(true);
      await button("Connect").click();
      await hasState(page, "Connected");
      await page.getByLabel("Message").fill(HTML);
      await button("Send").click();
      await hasText(lines, `received '${HTML}'`);
      await button("Disconnect").click();
      await hasState(page, "Not connected");
      await hasText(lines, /^The connection is closed: 1\d+/);
      expect(await button("Send").isDisabled()).toBe(true);
      expect(await button("Connect").isEnabled()).toBe(true);
      expect(await lines.allTextContents()).toEqual([
        "The connection is open",
        HTML,
        `received '${HTML}'`,
        expect.stringMatching(/^The connection is closed/),
      ]);
      expect(await page.title()).not.toContain("broken");
      await fitsThePhone(page);
    });

    it("says when the server has gone, and comes back by itself unless it was told to disconnect", async () => {
      await stage.startExample("loop");
      const page = await stage.open();
      const button = (name: string): Locator => page.getByRole("button", { name, exact: true });
      await button("Connect").click();
      await hasState(page, "Connected");
      await stage.restart("loop", page);
      expect(await page.getByTestId("line").allTextContents()).toEqual([
        "The connection is open",
        "The connection is closed: 1001 going away",
        "The connection is open",
      ]);
      await button("Send").click();
      await hasText(page.getByTestId("line"), "received 'hello'");
      stage.program.kill("SIGTERM");
      await hasState(page, "Trying again");
      expect(await button("Send").isDisabled()).toBe(true);
      await button("Disconnect").click();
      await hasState(page, "Not connected");
      expect(await button("Connect").isEnabled()).toBe(true);
    });
  });

  describe("the page of the channels", () => {
    it("holds three conversations over one socket, and can leave and enter each", async () => {
      await stage.startExample("channels");
      const page = await stage.open();
      const [ann, bob, carl] = ["ann", "bob", "carl"].map((name) => page.getByTestId(name)) as [
        Locator,
        Locator,
        Locator,
      ];
      const said = (pane: Locator): Promise<string[]> => pane.getByTestId("line").allTextContents();
      const tell = async (pane: Locator, text: string): Promise<void> => {
        await pane.getByRole("textbox").fill(text);
        await pane.getByRole("textbox").press("Enter");
      };
      await hasText(carl.getByTestId("line"), "The channel was closed");
      expect(await said(carl)).toEqual(["Carl says goodbye!", "The channel was closed"]);
      expect(await carl.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
      await tell(ann, `a, b, ${HTML}`);
      await hasText(ann.getByTestId("line"), "Ann nods");
      expect(await said(ann)).toEqual(["Ann says hi!", `a, b, ${HTML}`, `Ann nods: a, b, ${HTML}`]);
      await tell(bob, "yes");
      await hasText(bob.getByTestId("line"), "Bob disagrees (1): yes");

      await bob.getByRole("button", { name: "Unsubscribe" }).click();
      expect(await bob.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
      await bob.getByRole("button", { name: "Subscribe", exact: true }).click();
      await tell(bob, "again");
      await hasText(bob.getByTestId("line"), "Bob disagrees (1): again");
      await carl.getByRole("button", { name: "Subscribe", exact: true }).click();
      await hasText(carl.getByTestId("line").nth(2), "Carl says goodbye!");
      await fitsThePhone(page);
    });

    it("subscribes again when the server is back, but not to a channel that was left", async () => {
      await stage.startExample("channels");
      const page = await stage.open();
      const [ann, bob] = [page.getByTestId("ann"), page.getByTestId("bob")];
      await hasText(ann.getByTestId("line"), "Ann says hi!");
      await bob.getByRole("button", { name: "Unsubscribe" }).click();
      await stage.restart("channels", page);
      await hasText(ann.getByTestId("line").nth(1), "Ann says hi!");
      await bob.getByRole("button", { name: "Subscribe", exact: true }).click();
      await hasText(bob.getByTestId("line").nth(2), "Bob doesn't agree.");
      expect(await bob.getByTestId("line").allTextContents()).toEqual([
        "Bob doesn't agree.",
        "You unsubscribed",
        "Bob doesn't agree.",
      ]);
    });
  });

  describe("the page of the canvas", () => {
    /** The pixels of the shared drawing that are not empty. */
    const PAINTED = `canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 3).filter(Boolean).length`;

    const isPainted = (page: Page): Promise<void> => becomesTrue(page, `${PAINTED} > 100`);
    const isEmpty = (page: Page): Promise<void> => becomesTrue(page, `${PAINTED} === 0`);
    const here = (page: Page): Locator => page.getByTestId("people").getByRole("listitem");

    async function place(page: Page): Promise<{ x: number; y: number; width: number; height: number }> {
      const box = await page.getByTestId("canvas").boundingBox();
      if (box === null) throw new Error("the canvas is shown");
      return box;
    }

    async function drawWithMouse(page: Page): Promise<void> {
      const { x, y, width, height } = await place(page);
      await page.mouse.move(x + width / 4, y + height / 4);
      await page.mouse.down();
      await page.mouse.move(x + width / 2, y + height / 2, { steps: 5 });
      await page.mouse.up();
    }

    async function enter(name: string, options?: BrowserContextOptions): Promise<Page> {
      const page = await stage.open(options);
      await hasState(page, "Connected");
      // The own entry is there also for a visitor who is alone.
      await hasText(here(page), "(you)");
      await page.getByTestId("name").fill(name);
      await page.getByTestId("name").press("Enter");
      return page;
    }

    it("shows others what one draws and where one points, and newcomers all of it, until somebody clears", async () => {
      await stage.startExample("canvas");
      const ann = await enter("Ann");
      const bob = await enter("<b>Bob</b>");
      await hasText(here(ann), "<b>Bob</b>");
      await drawWithMouse(ann);
      await isPainted(bob);
      await hasText(bob.getByTestId("pointer"), "Ann");
      const eve = await enter("Eve");
      await isPainted(eve);
      expect(await eve.evaluate(PAINTED)).toBe(await ann.evaluate(PAINTED));
      expect((await here(eve).allTextContents()).toSorted()).toEqual(["<b>Bob</b>", "Ann", "Eve (you)"]);

      await bob.getByRole("button", { name: "Clear" }).click();
      for (const page of [ann, bob, eve]) await isEmpty(page);
      const late = await script();
      expect(String(await late.next())).toMatch(/^@ID:/);
      expect(String(await late.next()).split(",").length).toBe(3);
      for (const page of [ann, bob, eve]) await fitsThePhone(page);
    });

    it("draws with a finger", async () => {
      await stage.startExample("canvas");
      const ann = await enter("Ann", { hasTouch: true });
      const bob = await enter("Bob");
      const { x, y, width, height } = await place(ann);
      const finger = await ann.context().newCDPSession(ann);
      const touch = (type: "touchStart" | "touchMove" | "touchEnd", at?: number): Promise<unknown> =>
        finger.send("Input.dispatchTouchEvent", {
          type,
          touchPoints: at === undefined ? [] : [{ x: x + width * at, y: y + height * at }],
        });
      await touch("touchStart", 0.2);
      await touch("touchMove", 0.5);
      await touch("touchMove", 0.8);
      await touch("touchEnd");
      await isPainted(bob);
      // The finger has drawn from one end to the other, and has not scrolled.
      await becomesTrue(bob, `canvas.getContext("2d").getImageData(1200, 750, 1, 1).data[3] > 0`);
      expect(await bob.evaluate(`canvas.getContext("2d").getImageData(800, 500, 1, 1).data[3] > 0`)).toBe(true);
    });

    it("takes strokes and words from others for what they are, and nothing else", async () => {
      await stage.startExample("canvas");
      const ann = await enter("Ann");
      const other = await script();
      await hasText(here(ann), "Guest");
      for (const junk of [
        "no stroke",
        "{",
        "null",
        '{"c":"url(x)","w":1,"p":[1,1,2,2]}',
        '{"c":"#ffffff","w":1,"p":"x"}',
      ])
        other.send(junk);
      other.send(`@NM:${HTML}, "quoted"`);
      await hasText(here(ann), HTML.slice(0, 24));
      expect(await ann.evaluate(PAINTED)).toBe(0);
      other.send(JSON.stringify({ c: "#ff0000", w: 20, p: [100, 100, 400, 100] }));
      await isPainted(ann);
      other.send("@MV:800,500");
      await ann.getByTestId("pointer").waitFor();
      other.socket.close();
      await here(ann).nth(1).waitFor({ state: "detached" });
      expect(await ann.getByTestId("pointer").count()).toBe(0);
      expect(await ann.title()).not.toContain("broken");
    });

    it("leaves and joins, and is back by itself when the server is", async () => {
      await stage.startExample("canvas");
      const ann = await enter("Ann");
      const bob = await enter("Bob");
      await hasText(here(bob), "Ann");
      await ann.getByTestId("leave").click();
      await hasState(ann, "Not connected");
      await here(bob).nth(1).waitFor({ state: "detached" });
      // Nobody would see it.
      await drawWithMouse(ann);
      await ann.getByTestId("leave").click();
      await hasText(here(bob), "Ann");
      expect(await bob.evaluate(PAINTED)).toBe(0);
      await drawWithMouse(ann);
      await isPainted(bob);
      await stage.restart("canvas", bob);
      await hasState(ann, "Connected");
      await hasText(here(ann), "Bob");
      await isEmpty(ann);
    });
  });

  describe("the page of the machine", () => {
    async function enter(name: string): Promise<Page> {
      const page = await stage.open();
      await page.getByTestId("name").fill(name);
      await page.getByRole("button", { name: "Play" }).click();
      return page;
    }

    it("waits for enough players, counts down, and shows who tapped first", async () => {
      await stage.startExample("machine");
      const phase = (page: Page, text: string): Promise<void> => hasText(page.getByTestId("phase"), text);
      const ann = await enter("Ann");
      const tap = (page: Page): Locator => page.getByRole("button", { name: "Tap" });
      await phase(ann, "Waiting for 1 more");
      expect(await tap(ann).isDisabled()).toBe(true);
      const bob = await enter("<i>Bob</i>");
      await phase(ann, "The round starts in");
      await phase(ann, "Tap!");
      await tap(bob).click();
      await phase(bob, "You came in at number 1");
      expect(await tap(bob).isDisabled()).toBe(true);
      await tap(ann).click();
      await phase(ann, "<i>Bob</i> wins");
      const people = await ann.getByTestId("people").getByRole("listitem").allTextContents();
      expect(people).toEqual(["1. <i>Bob</i>", "2. Ann (you)"]);
      await bob.getByRole("button", { name: "Leave" }).click();
      await bob.getByTestId("name").waitFor();
      await fitsThePhone(ann);
    });
  });

  describe("the chat's page with the bot of the client example", () => {
    it("shows the bot among the people, and what it says", async () => {
      await stage.startExample("client");
      const page = await stage.open();
      await page.getByTestId("nick").fill("Ada");
      await page.getByTestId("join-button").click();
      await hasText(page.getByTestId("people").locator(".name"), /^Bot$/);
      await page.getByTestId("text").fill("Bot, roll");
      await page.getByTestId("text").press("Enter");
      await hasText(page.getByTestId("message"), /Ada, you rolled [1-6]\./);
    });
  });

  describe("the page of the push example", () => {
    it("shows prices and news as they come, and pushes news by a request", async () => {
      await stage.startExample("push");
      const [page, other] = [await stage.open(), await stage.open()];
      await hasText(page.getByTestId("prices").getByRole("definition").first(), /^\d+\.\d\d$/);
      await page.getByLabel("Tell everybody").fill(HTML);
      await page.getByRole("button", { name: "Push" }).click();
      for (const seen of [page, other]) await hasText(seen.getByTestId("line"), HTML);
      await hasText(page.getByTestId("answer"), "told 2");
      expect(await other.title()).not.toContain("broken");
      const late = await stage.open();
      await hasText(late.getByTestId("line"), HTML);
      await fitsThePhone(page);
    });

    it("is back by itself when the server is", async () => {
      await stage.startExample("push");
      const page = await stage.open();
      await hasState(page, "Connected");
      await stage.restart("push", page);
      await page.getByLabel("Tell everybody").fill("back");
      await page.getByRole("button", { name: "Push" }).click();
      await hasText(page.getByTestId("line"), "back");
    });
  });
});
