/** The examples of sessions: their pages in Chromium, whose cables are pulled, and the handler of the tokens in virtual time. */
import { once } from "node:events";
import type { Locator, Page } from "playwright-core";
import { createTestRuntime } from "sendall/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { answer } from "../../examples/tokens/model.js";
import { createTokens } from "../../examples/tokens/tokens.js";
import { ExampleBrowser, fitsThePhone, hasState, hasText } from "./example-browser.js";
import { requires } from "./requires.js";

const HTML = "<img src=x onerror=\"document.title='broken'\">";
const QUESTION = "Who keeps <b>what</b>?";

const required = requires("chromium");

describe.skipIf(required.skip)("in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(required.path);

  const pull = (page: Page): Locator => page.getByRole("button", { name: "Pull the cable" });
  const plugIn = (page: Page): Locator => page.getByRole("button", { name: "Plug the cable in" });

  describe("the page of the sessions", () => {
    async function say(page: Page, end: "page" | "server", text: string): Promise<void> {
      await page.getByLabel(`The ${end} says`).fill(text);
      await page.getByLabel(`The ${end} says`).press("Enter");
    }

    /** What was said on a side, and what became of it, once that is known of all of it. */
    async function fates(side: Locator, count: number): Promise<string[]> {
      const texts = side.getByTestId("text").filter({ hasNotText: "under way" });
      await texts.nth(count - 1).waitFor();
      return texts.allTextContents();
    }

    const number = async (side: Locator, testId: string): Promise<number> =>
      Number(await side.getByTestId(testId).textContent());

    async function bothSides(page: Page): Promise<[session: Locator, plain: Locator]> {
      const sides: [Locator, Locator] = [page.getByTestId("session"), page.getByTestId("plain")];
      for (const side of sides) {
        await hasText(side.getByTestId("page-state"), "Connected");
        await hasText(side.getByTestId("server-state"), "Connected");
      }
      return sides;
    }

    it("shows that a session loses nothing of what both ends say while the cable is pulled, and a plain socket all of it", async () => {
      await stage.startExample("sessions");
      const page = await stage.open({ hasTouch: true });
      const [session, plain] = await bothSides(page);
      await say(page, "page", "before");
      await say(page, "server", HTML);
      const known = ["↑ beforearrived", `↓ ${HTML}arrived`];
      for (const side of [session, plain]) expect((await fates(side, 2)).toSorted()).toEqual(known.toSorted());
      expect(await session.getByTestId("why").textContent()).toBe("new");

      await pull(page).press("Enter");
      await hasState(page, "The cable is pulled");
      await say(page, "page", "is anybody there?");
      await say(page, "server", "yes, but");
      // The server finds out, and of the two ends of the plain socket nobody tells the page's.
      await hasText(session.getByTestId("server-state"), "Away");
      await hasText(plain.getByTestId("server-state"), "Gone");
      expect(await plain.getByTestId("page-state").textContent()).toBe("Connected");
      await session.getByTestId("page-state").filter({ hasNotText: "Connected" }).waitFor();
      await say(page, "page", "I wait");
      await say(page, "server", "so do I");

      await plugIn(page).tap();
      await bothSides(page);
      expect((await fates(session, 6)).slice(2)).toEqual([
        "↑ is anybody there?arrived",
        "↓ yes, butarrived",
        "↑ I waitarrived",
        "↓ so do Iarrived",
      ]);
      expect((await fates(plain, 6)).slice(2)).toEqual([
        "↑ is anybody there?lost",
        "↓ yes, butlost",
        "↑ I waitlost",
        "↓ so do Ilost",
      ]);
      await hasText(session.getByTestId("verdict"), "Nothing lost, nothing twice");
      await hasText(plain.getByTestId("verdict"), /^\d+ lost, nothing twice$/);
      for (const way of ["up", "down"]) {
        expect(await number(plain, `${way}-lost`)).toBeGreaterThanOrEqual(2);
        expect([await number(session, `${way}-lost`), await number(session, `${way}-twice`)]).toEqual([0, 0]);
      }
      const facts = ["why", "lost", "uncertain", "resumed"].map((name) => session.getByTestId(name).textContent());
      expect(await Promise.all(facts)).toEqual(["resumed", "0", "0", "1"]);
      expect(await number(session, "replayed")).toBeGreaterThanOrEqual(2);
      expect(await plain.getByTestId("why").textContent()).toBe("plain");
      expect(await page.title()).not.toContain("broken");
      await fitsThePhone(page);
    });

    it("pulls the cable of one page and of no other", async () => {
      await stage.startExample("sessions");
      const [ann, bob] = [await stage.open(), await stage.open()];
      await pull(ann).click();
      await hasState(ann, "The cable is pulled");
      const [session, plain] = await bothSides(bob);
      await say(bob, "page", "mine");
      for (const side of [session, plain]) expect(await fates(side, 1)).toEqual(["↑ minearrived"]);
      expect(await ann.getByTestId("text").count()).toBe(0);
      await hasState(bob, "The cable is plugged in");
    });

    it("begins anew when the server is started again, with a cable that is plugged in", async () => {
      await stage.startExample("sessions");
      const page = await stage.open();
      await bothSides(page);
      await say(page, "page", "of another life");
      await fates(page.getByTestId("plain"), 1);
      await pull(page).click();
      await hasState(page, "The cable is pulled");
      await stage.replaceServer("sessions", page);
      await hasState(page, "The cable is plugged in");
      for (const side of await bothSides(page)) {
        await hasText(side.getByTestId("why"), /^(?:new|plain)$/);
        expect(await side.getByTestId("text").count()).toBe(0);
      }
      await say(page, "server", "hello again");
      for (const side of await bothSides(page)) expect(await fates(side, 1)).toEqual(["↓ hello againarrived"]);
    });
  });

  describe("the page of the tokens", () => {
    const text = (page: Page): Locator => page.getByTestId("answer");

    async function ask(page: Page): Promise<void> {
      await page.getByLabel("Question").fill(QUESTION);
      await page.getByRole("button", { name: "Ask" }).click();
    }

    it("misses no token of an answer in whose midst the cable was pulled, nor does a page that comes later", async () => {
      await stage.startExample("tokens");
      const page = await stage.open();
      await ask(page);
      await hasText(page.getByTestId("tokens"), /^[1-9]/);
      await pull(page).click();
      await page.getByTestId("state").filter({ hasNotText: "Connected" }).waitFor();
      const had = Number(await page.getByTestId("tokens").textContent());
      const whole = answer(QUESTION);
      expect(had).toBeLessThan(whole.length);

      const late = await stage.open();
      await hasText(late.getByTestId("question"), QUESTION);
      await hasText(late.getByTestId("tokens"), /^[1-9]/);
      await plugIn(page).click();
      await hasState(page, "Connected");
      for (const each of [page, late]) {
        await hasText(each.getByTestId("tokens"), `${whole.length}`);
        expect(await text(each).textContent()).toBe(whole.join(""));
        const facts = ["missing", "twice"].map((name) => each.getByTestId(name).textContent());
        expect(await Promise.all(facts)).toEqual(["0", "0"]);
      }
      expect(await page.getByTestId("resumed").textContent()).toBe("1");
      expect(Number(await page.getByTestId("replayed").textContent())).toBeGreaterThan(0);
      expect(await late.getByTestId("resumed").textContent()).toBe("0");
      await page.reload();
      await hasText(text(page), whole.join(""));
      await fitsThePhone(page);
    });

    it("is back by itself when the server is", async () => {
      await stage.startExample("tokens");
      const page = await stage.open();
      await hasState(page, "Connected");
      await stage.restart("tokens", page);
      await ask(page);
      await hasText(page.getByTestId("question"), QUESTION);
      await hasText(page.getByTestId("tokens"), /^[1-9]/);
    });
  });

  it("what hangs on a cable is not for pages of other sites", async () => {
    await stage.startExample("tokens");
    const address = `${stage.url.replace("http", "ws")}/answers`;
    const open = async (origin?: string): Promise<number> => {
      const socket = new WebSocket(address, { ...(origin !== undefined && { origin }) });
      onTestFinished(() => socket.terminate());
      const opened = once(socket, "open").then(() => 101);
      const refused = once(socket, "unexpected-response").then(([, response]) => response.statusCode);
      socket.on("error", () => {});
      return Promise.race([opened, refused]);
    };
    expect(await open()).toBe(101);
    expect(await open("http://127.0.0.1:1")).toBe(101);
    expect(await open("http://example.com")).toBe(403);
    expect(await open("null")).toBe(403);
  });
});

describe("the handler of the tokens", () => {
  it("gives newcomers what there is of the answer, and a client that was away what it has missed", async () => {
    const runtime = createTestRuntime({ resume: true, handler: createTokens() });
    onTestFinished(() => runtime.close());
    const whole = answer(QUESTION);
    const reader = () => {
      const read = { text: "", question: "", isDone: false, numbers: [] as number[] };
      const client = runtime.dial("/", {
        reconnect: { minMs: 1_000, jitter: 0 },
        onMessage(json) {
          const { question, text, token, n, isDone } = JSON.parse(String(json));
          if (question !== undefined) Object.assign(read, { question, text });
          if (token !== undefined) {
            read.text += token;
            read.numbers.push(n);
          }
          read.isDone = isDone === true;
        },
      });
      return { client, read };
    };
    const ann = reader();
    await runtime.settle();
    expect(ann.read).toMatchObject({ question: "", text: "", isDone: true });
    for (const junk of ["{", "null", '{"ask":7}', '{"ask":"  "}']) ann.client.send(junk);
    ann.client.send(JSON.stringify({ ask: ` ${QUESTION} ` }));
    ann.client.send(JSON.stringify({ ask: "and this?" }));
    await runtime.advance(1_200);
    expect(ann.read.text).toBe(whole.slice(0, 20).join(""));
    ann.client.disconnect();
    await runtime.advance(600);
    const bob = reader();
    await runtime.settle();
    expect(bob.read).toMatchObject({ question: QUESTION, text: whole.slice(0, 30).join(""), numbers: [] });
    expect(ann.read.numbers.length).toBe(20);
    await runtime.advance(60 * whole.length);
    for (const { read } of [ann, bob])
      expect(read).toMatchObject({ question: QUESTION, text: whole.join(""), isDone: true });
    expect(ann.read.numbers).toEqual(whole.map((_, i) => i + 1));
    expect(runtime.server.stats()).toMatchObject({ resumed: 1, gaps: 0 });
  });
});
