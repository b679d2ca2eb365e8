/** What the chat's command line says, and what `--store` keeps over restarts where Node has SQLite. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ExampleBrowser, hasText } from "./example-browser.js";
import { type Client, connect, type End, type Program, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

const hasSqlite = process.getBuiltinModule("node:sqlite") !== undefined;

let folder: string;
let store: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sendall-chat-"));
  store = `sqlite:${join(folder, "chat.db")}`;
});

afterEach(async () => {
  await stopPrograms();
  rmSync(folder, { recursive: true });
});

function startChat(...args: readonly string[]): Program {
  return start("examples/run.js", ["chat", ...args], { env: { PORT: "0" } });
}

/** Joins the lobby, and says one thing after another. Resolves with what has been heard. */
async function visit(url: string, nick: string, ...lines: readonly string[]): Promise<string[]> {
  const client: Client = await connect(`${url.replace("http", "ws")}/chat`);
  const texts: string[] = [];
  const until = async (isLast: (name: unknown, text: unknown) => boolean): Promise<void> => {
    for (;;) {
      const [name, payload] = JSON.parse(String(await client.next()));
      if (name === "said") texts.push(payload.text);
      if (isLast(name, payload?.text)) return;
    }
  };
  client.send(JSON.stringify(["join", { nick, room: "lobby" }, 1]));
  await until((name) => name === 1);
  for (const line of lines) {
    client.send(JSON.stringify(["say", { text: line }]));
    await until((name, text) => name === "said" && text === line);
  }
  return texts;
}

/** What a program has written to `stderr`, but for Node's warning that its SQLite is young. */
function complaints({ stderr }: End): string[] {
  return stderr.filter((line) => !/ExperimentalWarning: SQLite|--trace-warnings/.test(line));
}

describe("the chat's command line", () => {
  const expected = "expected --store sqlite:FILE, such as --store sqlite:chat.db";

  it.each([
    ["another store", ["--store", "redis:chat"], `--store redis:chat: ${expected}`],
    ["a file alone", ["--store", "chat.db"], `--store chat.db: ${expected}`],
    ["no file", ["--store", "sqlite:"], `--store sqlite:: ${expected}`],
    ["no store", ["--store"], `--store: ${expected}`],
    ["an unknown flag", ["--stor", "sqlite:chat.db"], `--stor: ${expected}, or nothing`],
    ["a word", ["sqlite:chat.db"], `sqlite:chat.db: ${expected}, or nothing`],
  ])("refuses %s in one line that says what is accepted, and ends with 2", async (_case, args, problem) => {
    const { code, stdout, stderr } = await startChat(...args).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: [], stderr: [`The chat cannot start: ${problem}`] });
  });

  it.skipIf(hasSqlite)(
    "names the Node that has SQLite where the present Node has none, and leaves nothing behind",
    async () => {
      const { code, stdout, stderr } = await startChat("--store", store).ended;
      expect({ code, stdout }).toEqual({ code: 1, stdout: [] });
      expect(stderr).toEqual([expect.stringMatching(/^The chat cannot start: .*sqlite.* needs Node 22\.13 or newer/)]);
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});

describe.skipIf(!hasSqlite)("the chat with --store sqlite:FILE", () => {
  it.each(["SIGTERM", "SIGKILL"] as const)("keeps what was said over a restart after %s", async (signal) => {
    const run = async (): Promise<{ program: Program; url: string }> => {
      const program = startChat("--store", store);
      const [, url = ""] = await program.stdout.next(/^Chat: (http:\S+)$/);
      return { program, url };
    };
    const first = await run();
    expect(await visit(first.url, "Ada", "one", "two")).toEqual(["one", "two"]);
    first.program.kill(signal);
    expect(complaints(await first.program.ended)).toEqual([]);
    const second = await run();
    expect(await visit(second.url, "Bob", "three")).toEqual(["one", "two", "three"]);
    second.program.kill("SIGTERM");
    const end = await second.program.ended;
    expect({ code: end.code, complaints: complaints(end) }).toEqual({ code: 0, complaints: [] });
    expect(existsSync(join(folder, "chat.db"))).toBe(true);
  });
});

const chromium = requires("chromium");

describe.skipIf(!hasSqlite || chromium.skip)(
  "the chat's page over a restart of a chat with a file",
  { timeout: 60_000 },
  () => {
    const stage = new ExampleBrowser(chromium.path);

    it("goes on as if nothing had been, and shows the same to a newcomer", async () => {
      await stage.startExample("chat", "0", "--store", store);
      const enter = async (nick: string) => {
        const page = await stage.open();
        await page.getByTestId("nick").fill(nick);
        await page.getByTestId("join-button").click();
        await hasText(page.getByTestId("here"), "#lobby");
        return page;
      };
      const ada = await enter("Ada");
      await visit(stage.url, "Bob", "one", "two");
      await hasText(ada.getByTestId("message"), "two");
      stage.program.kill("SIGTERM");
      await stage.program.ended;
      await hasText(ada.getByTestId("notice"), "The connection is lost");
      await stage.startExample("chat", new URL(stage.url).port, "--store", store);
      await hasText(ada.getByTestId("notice"), "You are back");
      await visit(stage.url, "Bob", "three");
      await hasText(ada.getByTestId("message"), "three");
      const eve = await enter("Eve");
      await hasText(eve.getByTestId("notice"), "You joined");
      for (const page of [ada, eve]) {
        expect(await page.locator(".message .bubble").allTextContents()).toEqual(["one", "two", "three"]);
        expect(await page.getByTestId("notice").filter({ hasText: "missing" }).count()).toBe(0);
      }
    });
  },
);
