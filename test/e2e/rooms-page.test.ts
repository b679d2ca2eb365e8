/** The page of `npm run example rooms` in Chromium: who is on either of two nodes, and what is said. */
import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { Engine, REDIS } from "./engines.js";
import { ExampleBrowser, fitsThePhone, hasState, hasText } from "./example-browser.js";
import { connect, freePair } from "./programs.js";
import { requires } from "./requires.js";

const required = requires("chromium");

describe.skipIf(required.skip)("the page of the rooms in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(required.path);

  const rows = (page: Page): Locator => page.getByTestId("people").getByRole("listitem");

  async function rename(page: Page, name: string): Promise<void> {
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button", { name: "Change" }).click();
    await hasText(rows(page).filter({ hasText: "you" }), name);
  }

  it("shows who is on either node, as somebody else and as oneself, and what each shows", async () => {
    await stage.startExample("rooms");
    const ann = await stage.open();
    await hasText(ann.getByTestId("node"), 'You are on the node "first"');
    await rename(ann, "Ann");
    const links = ann.getByTestId("other").getByRole("link");
    const [asOther, asMe] = await Promise.all([0, 1].map((i) => links.nth(i).getAttribute("href")));
    const bob = await stage.open({}, asOther ?? "");
    await hasText(bob.getByTestId("node"), 'You are on the node "second"');
    await rename(bob, "<b>Bob</b>");
    for (const page of [ann, bob]) {
      await hasText(page.getByTestId("count"), "2 people in #lobby");
      await hasText(rows(page).filter({ hasText: "Ann" }), "first");
      await hasText(rows(page).filter({ hasText: "<b>Bob</b>" }), "second");
    }
    await bob.getByLabel("Busy").check();
    for (const page of [ann, bob]) await hasText(rows(page).filter({ hasText: "Bob" }), "Busy");

    const tab = await stage.open({}, asMe ?? "");
    await hasText(rows(tab).filter({ hasText: "you" }), "Ann");
    for (const page of [ann, bob, tab]) await hasText(rows(page).filter({ hasText: "Ann" }), "second");
    await tab.reload();
    await hasText(rows(tab).filter({ hasText: "you" }), "Ann");
    await ann.close();
    await bob.close();
    await hasText(tab.getByTestId("count"), "1 person in #lobby");
    expect(await rows(tab).count()).toBe(1);
    await fitsThePhone(tab);
  });

  it("is back in the list when the nodes are started again", async () => {
    const port = `${await freePair()}`;
    await stage.startExample("rooms", port);
    const ann = await stage.open();
    await rename(ann, "Ann");
    await ann.getByLabel("Away").check();
    await hasText(rows(ann), "Away");
    stage.program.kill("SIGTERM");
    await stage.program.ended;
    await hasState(ann, "Trying again");
    await stage.startExample("rooms", port);
    await hasState(ann, "Connected");
    const bob = await stage.open();
    await hasText(rows(bob).filter({ hasText: "Ann" }), "Away");
    await hasText(ann.getByTestId("count"), "2 people");
  });

  const said = (page: Page): Locator => page.getByTestId("said").getByRole("listitem");

  async function say(page: Page, text: string): Promise<void> {
    await page.getByLabel("Message").fill(text);
    await page.getByRole("button", { name: "Say" }).click();
  }

  /** The other node's page, of somebody else. */
  async function openOther(page: Page): Promise<Page> {
    const link = page.getByTestId("other").getByRole("link").first();
    return stage.open({}, (await link.getAttribute("href")) ?? "");
  }

  it("shows what others say as text, without an engine too", async () => {
    await stage.startExample("rooms");
    const ann = await stage.open();
    const bob = await openOther(ann);
    await hasText(ann.getByTestId("count"), "2 people");
    await say(ann, "<b>hello</b>");
    for (const page of [ann, bob]) await hasText(said(page), "<b>hello</b>");
    await say(bob, "hi");
    for (const page of [ann, bob]) await hasText(said(page), "hi");
    await bob.reload();
    await hasState(bob, "Connected");
    await hasText(bob.getByTestId("count"), "2 people");
    await hasText(said(bob), "<b>hello</b>");
    await fitsThePhone(bob);
  });

  it.skipIf(requires("redis").skip)("goes on after a reload, and tells what was not sent", async () => {
    const keeping = ["--appendonly", "yes", "--appendfsync", "always"];
    const engine = await Engine.start(REDIS, ...keeping);
    await stage.startExample("rooms", "0", "--engine", engine.url);
    const ann = await stage.open();
    const bob = await openOther(ann);
    await hasText(ann.getByTestId("count"), "2 people");
    await say(ann, "one");
    await hasText(said(bob), "one");
    // More than a newcomer gets.
    const cid = await connect(stage.url.replace("http", "ws"));
    cid.send('{"name":"Cid","state":"here"}');
    for (let i = 1; i <= 40; i++) cid.send(JSON.stringify({ id: `${i}`, text: `number ${i}` }));
    await hasText(said(bob), "number 40");
    cid.socket.close();
    const address = bob.url();
    await bob.goto("about:blank");
    await say(ann, "two");
    await hasText(said(ann), "two");
    await expect.poll(() => ann.getByTestId("pending").count()).toBe(0);
    await bob.goto(address);
    await hasText(said(bob), "two");
    expect(
      await said(bob)
        .getByText(/^(one|two)$/)
        .allTextContents(),
    ).toEqual(["one", "two"]);
    const newcomer = await openOther(bob);
    await hasText(said(newcomer), "two");
    expect(
      await said(newcomer)
        .getByText(/^(one|two)$/)
        .allTextContents(),
    ).toEqual(["two"]);

    await engine.kill();
    await stage.program.stdout.next(/redis is away/);
    await stage.program.stdout.next(/redis is away/);
    await say(ann, "three");
    await hasText(ann.getByTestId("pending"), "Not sent");
    await engine.start(...keeping);
    await stage.program.stdout.next(/redis is back/);
    await stage.program.stdout.next(/redis is back/);
    await ann.getByRole("button", { name: "Send again" }).click();
    await hasText(said(bob), "three");
    await expect.poll(() => ann.getByTestId("pending").count()).toBe(0);
  });
});
