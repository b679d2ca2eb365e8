/** Holds the built site to its word: one build, then its files, and its pages in Chromium. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../e2e/requires.js";
import { addressesOf } from "./built/html.js";
import { DESKTOP, PHONE, Reader } from "./built/reader.js";
import { buildSite, faultsOf, reachable, type Site, targetOf } from "./built/site.js";

const BUILD_MS = 600_000;
const { skip: isWithoutChromium, path: executablePath } = requires("chromium");

let site: Site;
beforeAll(async () => {
  site = await buildSite();
}, BUILD_MS);
afterAll(() => site?.remove());

/** Runs in the page. */
const overflowOf = `(selector) => {
  const { scrollWidth, clientWidth } = document.querySelector(selector);
  return scrollWidth - clientWidth;
}`;

/** Runs in the page. */
const widePagesOf = `async (paths) => {
  const wide = [];
  for (const path of paths) {
    const text = await (await fetch(path)).text();
    document.body.replaceWith(new DOMParser().parseFromString(text, "text/html").body);
    // Not innerWidth: a phone zooms out until all is inside.
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) wide.push(path);
  }
  return wide;
}`;

const isApi = (path: string): boolean => path.startsWith("/api/");

describe("the built site", () => {
  test("has at least 40 pages beside the API, and the API", () => {
    const paths = [...site.pages.keys()];
    expect(paths.filter((path) => !isApi(path)).length).toBeGreaterThanOrEqual(40);
    expect(paths.filter(isApi).length).toBeGreaterThanOrEqual(200);
  });

  test("has no link without a target", () => {
    expect(faultsOf(site)).toEqual([]);
  });

  test("loads only files of its own", () => {
    const styles = [...site.files].filter((path) => path.endsWith(".css"));
    const loads = [
      ...[...site.pages.values()].flatMap(({ path, loads }) => loads.map((address) => [path, address] as const)),
      ...styles.flatMap((path) => addressesOf(site.read(path)).map((address) => [path, address] as const)),
    ].filter(([, address]) => !address.startsWith("data:"));
    const foreign = loads.filter(([path, address]) => !site.files.has(targetOf(path, address)?.path ?? ""));
    expect(loads.length).toBeGreaterThan(site.pages.size);
    expect(new Set(foreign.map((one) => one.join(": ")))).toEqual(new Set());
  });

  test("gives each page a title, a description and one heading", () => {
    const odd = [...site.pages.values()].filter(
      ({ title, description, headings: [heading = "", ...others] }) =>
        title === "" || title === "Sendall" || description.length < 20 || heading === "" || others.length > 0,
    );
    expect(odd.map(({ path }) => path)).toEqual([]);
  });

  test("tells the pages beside the API apart by title and by description", () => {
    const pages = [...site.pages.values()].filter(({ path }) => !isApi(path));
    for (const key of ["title", "description"] as const) {
      const values = pages.map((page) => page[key]);
      expect(values.filter((value, index) => values.indexOf(value) !== index)).toEqual([]);
    }
  });

  test("has a way from the home page to every page", () => {
    const found = reachable(site);
    expect([...site.pages.keys()].filter((path) => !found.has(path))).toEqual([]);
  });

  test("draws its diagrams in the pages, with a label", () => {
    const labels = [...site.pages.values()].flatMap(({ diagrams }) => diagrams);
    expect(labels.length).toBeGreaterThanOrEqual(4);
    expect(labels.filter((label) => label.length < 10)).toEqual([]);
  });

  test("shows nothing that only the tests read", () => {
    const shown = [...site.files]
      .filter((path) => /\.(html|js)$/.test(path))
      .filter((path) => /<!--\s*(frame|check)\b|language-mermaid|fonts\.googleapis/.test(site.read(path)));
    expect(shown).toEqual([]);
  });
});

describe.skipIf(isWithoutChromium)("the built site in Chromium", () => {
  let reader: Reader;
  beforeAll(async () => {
    reader = await Reader.start(site.folder, executablePath);
  }, 60_000);
  afterAll(() => reader?.stop());

  async function search(words: string): Promise<string> {
    const page = await reader.open("/");
    await page.locator(".DocSearch-Button").click();
    await page.getByRole("searchbox").fill(words);
    await page.locator(".VPLocalSearchBox .result").first().waitFor();
    await page.getByRole("searchbox").press("Enter");
    await page.waitForURL((url) => url.pathname !== "/");
    await page.locator("h1").waitFor();
    const place = reader.placeOf(page);
    await page.context().close();
    return place;
  }

  test.each([
    ["trustProxy", /trustProxy/],
    ["1013", /1013|try again later/i],
    ["graceMs", /graceMs/],
    ["1009", /1009/],
  ])("finds %s and opens the page", async (words, text) => {
    const { path } = targetOf("/", await search(words)) ?? { path: "" };
    expect(isApi(path)).toBe(false);
    expect(site.read(path)).toMatch(text);
  });

  test.each([
    ["who is in the room", "/guides/presence.html"],
    ["last 20 messages", "/guides/history.html"],
    ["logout", "/guides/express-sessions.html"],
  ])("finds a guide by what it does: %s", async (words, path) => {
    expect(targetOf("/", await search(words))?.path).toBe(path);
  });

  test("switches between light and dark, and remembers", async () => {
    const page = await reader.open("/", { ...DESKTOP, colorScheme: "light" });
    const paper = (): Promise<string> => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const light = await paper();
    await page.locator(".VPNavBarAppearance button").click();
    await page.locator("html.dark").waitFor();
    await page.reload();
    await page.locator("html.dark").waitFor();
    expect(await paper()).not.toBe(light);
    await page.context().close();
  });

  test("answers on the first screen what it is, with an install line, ten lines and the demo", async () => {
    const page = await reader.open("/");
    const parts = ["h1", "h1 + p", ".front .language-sh", ".front .language-js", ".front-demo"];
    const bottoms = await Promise.all(
      parts.map(async (part) => {
        const box = await page.locator(part).first().boundingBox();
        return box === null ? Number.POSITIVE_INFINITY : box.y + box.height;
      }),
    );
    expect(Math.max(...bottoms)).toBeLessThanOrEqual(800);
    const lines = (await page.locator(".front .language-js pre").innerText())
      .split("\n")
      .filter((line) => line.trim() !== "");
    expect(lines).toHaveLength(10);
    expect(await page.evaluate(`(${overflowOf})(".front .language-js pre")`)).toBe(0);
    await page.context().close();
  });

  test("has no page that scrolls sideways on a phone", async () => {
    // The bodies of the pages one after another in the same tab: hundreds of visits would take minutes.
    const page = await reader.open("/", { ...PHONE, javaScriptEnabled: false });
    const wide = await page.evaluate(`(${widePagesOf})(${JSON.stringify([...site.pages.keys()])})`);
    await page.context().close();
    expect(wide).toEqual([]);
  }, 300_000);

  test("opens its menus on a phone", async () => {
    const page = await reader.open("/guides/", PHONE);
    await page.locator(".VPNavBarHamburger").click();
    await page.locator(".VPNavScreen").getByRole("link", { name: "Deploy" }).waitFor();
    await page.locator(".VPNavBarHamburger").click();
    await page.locator(".VPLocalNav .menu").click();
    await page.locator(".VPSidebar").getByRole("link", { name: "First server" }).click();
    await page.waitForURL(/first-server/);
    expect(await sideways(page)).toBe(0);
    await page.context().close();
  });

  test("reports no error, and sends no request elsewhere", async () => {
    const paths = ["/", "/guides/sessions.html", "/api/sendall/ServerOptions.html", "/reference/options.html"];
    for (const path of paths) {
      for (const size of [DESKTOP, PHONE]) {
        const page = await reader.open(path, size);
        await page.waitForLoadState("networkidle");
        expect(await sideways(page)).toBe(0);
        await page.context().close();
      }
    }
    expect(reader.complaints).toEqual([]);
  });
});

function sideways(page: Page): Promise<number> {
  return page.evaluate(`(${overflowOf})("html")`);
}
