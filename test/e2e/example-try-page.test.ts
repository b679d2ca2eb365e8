/** The page of the examples that have no page of their own (`tryPage` in examples/page/parts.js): what it says, and what it does. */
import { afterEach, describe, expect, it } from "vitest";
import { ExampleBrowser, fitsThePhone, hasState, hasText } from "./example-browser.js";
import { type Program, runShell, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

const HTML = "<img src=x onerror=\"document.title='broken'\">";

afterEach(stopPrograms);

async function startExample(name: string): Promise<{ program: Program; url: string }> {
  const program = start("examples/run.js", [name], { env: { PORT: "0" } });
  const [, url = ""] = await program.stdout.next(/^Page: (http:\S+)$/);
  return { program, url };
}

describe("an example without a page of its own", () => {
  it.each([
    ["echo", "Echo"],
    ["counter", "Counter"],
    ["general", "General"],
    ["replies", "Replies"],
    ["multi", "Multi: public"],
  ])("answers a browser with a page to try the server: %s", async (name, title) => {
    const { url } = await startExample(name);
    const page = await fetch(url);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const text = await page.text();
    expect(text).toContain(`<h1>${title}</h1>`);
    expect(text).not.toContain("{{");
    const named = Array.from(text.matchAll(/(?:href|src)="([^"]+)"/g), ([, path = ""]) => path);
    expect(named.toSorted()).toEqual(["icon.svg", "page.css", "try.js"]);
    for (const path of [...named, "page.js", "sendall/client.js"])
      expect((await fetch(new URL(path, url))).status).toBe(200);
    for (const path of ["nothing", "try.html", "parts.js"]) expect((await fetch(new URL(path, url))).status).toBe(404);
    expect((await fetch(url, { method: "POST" })).status).toBe(404);
  });
});

const required = requires("chromium");

describe.skipIf(required.skip)("the page to try an example, in Chromium", { timeout: 60_000 }, () => {
  const stage = new ExampleBrowser(required.path);

  it("sends, shows what comes back as text, and is back by itself when the server is", async () => {
    await stage.startExample("echo");
    const page = await stage.open();
    const lines = page.getByTestId("line");
    await hasState(page, "Connected");
    await page.getByLabel("Message").fill(HTML);
    await page.getByRole("button", { name: "Send" }).click();
    await hasText(lines.nth(2), HTML);
    await stage.restart("echo", page);
    await page.getByLabel("Message").fill("again");
    await page.getByRole("button", { name: "Send" }).click();
    await hasText(lines.nth(6), "again");
    expect(await lines.allTextContents()).toEqual([
      "The connection is open",
      HTML,
      HTML,
      "The connection is closed: 1001 going away",
      "The connection is open",
      "again",
      "again",
    ]);
    expect(await page.title()).toBe("Echo · Sendall");
    await fitsThePhone(page);
  });

  it("shows bytes in hex, and each ending with its code", async () => {
    await stage.startExample("replies");
    const page = await stage.open();
    await hasState(page, "Connected");
    await page.getByLabel("Message").fill("bytes");
    await page.getByRole("button", { name: "Send" }).click();
    await hasText(page.getByTestId("line"), /^3 bytes: 01 02 03$/);
    await page.getByLabel("Message").fill("bye 4001 enough");
    await page.getByRole("button", { name: "Send" }).click();
    await hasText(page.getByTestId("line"), "The connection is closed: 4001 enough");
    await hasState(page, "Connected");
  });

  it("stays away after a normal closure, until its user connects again", async () => {
    await stage.startExample("replies");
    const page = await stage.open();
    await hasState(page, "Connected");
    await page.getByLabel("Message").fill("bye");
    await page.getByRole("button", { name: "Send" }).click();
    await hasState(page, "Not connected");
    await page.getByRole("button", { name: "Connect" }).click();
    await hasState(page, "Connected");
    await page.getByLabel("Message").fill("hello again");
    await page.getByRole("button", { name: "Send" }).click();
    // What was sent, and the answer.
    await hasText(page.getByTestId("line").nth(5), "hello again");
    expect(await page.getByTestId("line").allTextContents()).toEqual([
      "The connection is open",
      "bye",
      "The connection is closed: 1000 ",
      "The connection is open",
      "hello again",
      "hello again",
    ]);
  });

  it("passes its query on to the socket, and quotes the address for the shell", async () => {
    await stage.startExample("general");
    const url = `${stage.url}?idle=1&after=60000`;
    const page = await stage.open({}, url);
    await hasText(page.getByTestId("line"), "are you asleep?");
    await hasText(page.getByTestId("command"), `npx sendall connect "${url.replace("http", "ws")}"`);
  });

  it("is at each of the two servers of the multi example", async () => {
    await stage.startExample("multi");
    const [, adminUrl = ""] = await stage.program.stdout.next(/^Page: (http:\S+)$/);
    const [visitor, admin] = [await stage.open(), await stage.open({}, adminUrl)];
    await hasState(admin, "Connected");
    await hasText(admin.getByTestId("command"), `npx sendall connect ${adminUrl.replace("http", "ws")}`);
    await admin.getByLabel("Message").fill("closing soon");
    await hasState(visitor, "Connected");
    await admin.getByRole("button", { name: "Send" }).click();
    await hasText(visitor.getByTestId("line"), "Announcement: closing soon");
  });

  it.each([
    ["echo", "npx sendall connect ws:"],
    ["tls", "npx sendall connect --insecure wss:"],
  ])("names a command that connects from a shell: %s", async (name, beginning) => {
    await stage.startExample(name);
    const page = await stage.open({ ignoreHTTPSErrors: true });
    await hasState(page, "Connected");
    const command = (await page.getByTestId("command").textContent()) ?? "";
    expect(command).toBe(`${beginning}${stage.url.replace(/^https?:/, "")}`);
    const shell = runShell(`echo hello | ${command.replace("npx sendall", '"$NODE" dist/cli.js')}`);
    expect(await shell.ended).toMatchObject({ code: 0, stdout: ["hello"] });
  });
});
