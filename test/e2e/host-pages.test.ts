/** The pages of the examples with a host of their own, in Chromium: each talks to its host's routes and to our sockets. */
import { describe, expect, it } from "vitest";
import { ExampleBrowser, fitsThePhone, hasState, hasText } from "./example-browser.js";
import { requires } from "./requires.js";

const HTML = "<img src=x onerror=\"document.title='broken'\">";

const required = requires("chromium");

describe.skipIf(required.skip)("in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(required.path);

  describe("the page of the Express example", () => {
    /** Whoever has not logged in is refused with 401, which Chromium shows in its console. */
    function forgiveRefusals(): void {
      stage.complaints = stage.complaints.filter((text) => !/401|HTTP Authentication failed/.test(text));
    }

    it("logs in, chats by that name, and is still logged in when it is loaded anew", async () => {
      await stage.startExample("express");
      const [ann, bob] = [await stage.open(), await stage.open()];
      for (const [page, name] of [[ann, "Ann"] as const, [bob, "<b>Bob</b>"] as const]) {
        await page.getByTestId("name").fill(name);
        await page.getByRole("button", { name: "Log in" }).click();
        await hasState(page, "Connected");
      }
      await bob.getByLabel("Message").fill(HTML);
      await bob.getByRole("button", { name: "Send" }).click();
      for (const page of [ann, bob]) await hasText(page.getByTestId("line"), `<b>Bob</b>: ${HTML}`);
      expect(await ann.title()).toBe("Express · Sendall");
      await fitsThePhone(ann);
      await ann.reload();
      await hasState(ann, "Connected");
      expect(await ann.getByTestId("name").isVisible()).toBe(false);
      forgiveRefusals();
    });

    it("asks for the name again when a new server does not know the cookie", async () => {
      await stage.startExample("express");
      const page = await stage.open();
      await page.getByTestId("name").fill("Ann");
      await page.getByRole("button", { name: "Log in" }).click();
      await hasState(page, "Connected");
      await stage.replaceServer("express", page);
      await page.getByRole("button", { name: "Log in" }).click();
      await hasState(page, "Connected");
      await page.getByLabel("Message").fill("back");
      await page.getByRole("button", { name: "Send" }).click();
      await hasText(page.getByTestId("line"), "Ann: back");
      forgiveRefusals();
    });
  });

  describe("the page of the Fastify example", () => {
    it("hears what is posted to the route, and is back by itself when the server is", async () => {
      await stage.startExample("fastify");
      const [page, other] = [await stage.open(), await stage.open()];
      for (const each of [page, other]) await hasState(each, "Connected");
      await page.getByLabel("Tell all pages").fill(HTML);
      await page.getByRole("button", { name: "Say" }).click();
      for (const each of [page, other]) await hasText(each.getByTestId("line"), HTML);
      await hasText(page.getByTestId("answer"), '"targeted":2');
      expect(await other.title()).toBe("Fastify · Sendall");
      await fitsThePhone(page);
      await stage.restart("fastify", page);
      await page.getByLabel("Tell all pages").fill("back");
      await page.getByRole("button", { name: "Say" }).click();
      await hasText(page.getByTestId("line"), "back");
    });
  });
});
