/** `npm run example rooms`: two nodes in a process, or over an engine, and the page of each. */
import type { Locator, Page } from "playwright-core";
import { afterEach, describe, expect, it } from "vitest";
import { Engine, KINDS } from "./engines.js";
import { ExampleBrowser, fitsThePhone, hasState, hasText } from "./example-browser.js";
import { type Client, connect, holdPort, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

afterEach(stopPrograms);

type News = Readonly<Record<string, unknown>>;

/** The sockets of the two nodes. */
async function startRooms(...words: readonly string[]) {
  const program = start("examples/run.js", ["rooms", ...words], { env: { PORT: "0" } });
  const [, first = ""] = await program.stdout.next(/^Page: http(:\S+)$/);
  const [, second = ""] = await program.stdout.next(/^Page: http(:\S+)$/);
  return { program, first: `ws${first}`, second: `ws${second}` };
}

async function next(client: Client): Promise<News> {
  return JSON.parse(String(await client.next()));
}

async function enter(address: string, name: string, who = ""): Promise<{ client: Client; list: News }> {
  const client = await connect(who === "" ? address : `${address}?who=${who}`);
  client.send(JSON.stringify({ name, state: "here" }));
  return { client, list: await next(client) };
}

const key: unknown = expect.stringMatching(/^[\w-]{16}$/);
const person = (name: string, node: string, state = "here"): News => ({ name, node, state });

/** Two people on two nodes who see each other, and a person with a tab on each. */
async function playTogether(first: string, second: string): Promise<void> {
  const ann = await enter(first, "Ann");
  expect(ann.list).toMatchObject({ type: "list", you: key, room: "lobby", node: "first", other: { name: "second" } });
  const bob = await enter(second, " Bob\u202E\n ");
  const known = (bob.list.people as { info: News }[]).map(({ info }) => info);
  if (known.length === 1) known.unshift((await next(bob.client)).info as News);
  expect(known).toEqual([person("Ann", "first"), person("Bob", "second")]);
  expect(await next(ann.client)).toMatchObject({ type: "joined", info: person("Bob", "second"), count: 2 });
  bob.client.send(JSON.stringify({ name: "Bob", state: "busy" }));
  const busy = { type: "changed", info: person("Bob", "second", "busy") };
  expect(await next(ann.client)).toMatchObject(busy);
  expect(await next(bob.client)).toMatchObject(busy);

  const secret = "c".repeat(32);
  const cid = await enter(first, "Cid", secret);
  for (const { client } of [ann, bob]) expect(await next(client)).toMatchObject({ type: "joined", count: 3 });
  // What the second tab shows has to be later in milliseconds.
  for (const before = Date.now(); Date.now() === before; );
  const tab = await enter(second, "Cid", secret);
  expect(tab.list.you).toBe(cid.list.you);
  // The same person has come to another node.
  const moved = { type: "changed", info: person("Cid", "second"), count: 3 };
  for (const { client } of [ann, bob, cid]) expect(await next(client)).toMatchObject(moved);
  cid.client.socket.close();
  await cid.client.closed;
  // Whoever goes later leaves later: had the first tab's end been news, the news would come first.
  bob.client.socket.close();
  expect(await next(ann.client)).toMatchObject({ type: "left", info: person("Bob", "second", "busy"), count: 2 });
  expect(await next(tab.client)).toMatchObject({ type: "left", info: person("Bob", "second", "busy"), count: 2 });
}

describe("the rooms example", () => {
  it("is one room on two nodes in its process, without an engine", { timeout: 30_000 }, async () => {
    const { program, first, second } = await startRooms();
    await program.stdout.next(/^Both nodes are in this process\. .*npm run example rooms nats, or redis$/);
    await playTogether(first, second);
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, stderr: [] });
  });

  it.each(["kafka", "Nats", "http://127.0.0.1:4222", "nats:4222"])(
    "refuses the engine %s, and says what there is",
    async (word) => {
      const { code, stderr } = await start("examples/run.js", ["rooms", word], { env: { PORT: "0" } }).ended;
      const expected = `rooms cannot start: expected nats, redis, nats://…, redis://… or nothing, got ${word}`;
      expect([code, stderr]).toEqual([1, [expected]]);
    },
  );

  it("refuses what is no person, and a secret or a room that is none", async () => {
    const { first } = await startRooms();
    for (const message of [
      "",
      "null",
      '{"name":7,"state":"here"}',
      '{"name":"\u200b","state":"here"}',
      '{"name":"A","state":"?"}',
    ]) {
      const client = await connect(first);
      client.send(message);
      expect(await client.closed).toEqual({ code: 1008, reason: "expected {name, state}, state: here, away, busy" });
    }
    for (const query of ["who=ann", "room=a/b"]) await expect(connect(`${first}?${query}`)).rejects.toThrow("400");
  });

  it("ends when a port is taken, and names the port", async () => {
    const port = await holdPort();
    const { code, stderr } = await start("examples/run.js", ["rooms"], { env: { PORT: String(port) } }).ended;
    expect([code, stderr]).toEqual([1, [expect.stringContaining(String(port))]]);
  });
});

describe.each(KINDS)("the rooms example over $name", (kind) => {
  const { skip } = requires(kind.name);

  it.skipIf(skip)("is one room on two nodes", { timeout: 30_000 }, async () => {
    const engine = await Engine.start(kind);
    const { program, first, second } = await startRooms(engine.url);
    await program.stdout.next(new RegExp(`^The nodes are joined by ${engine.url}$`));
    await playTogether(first, second);
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, stderr: [] });
  });

  it.skipIf(skip)("says which engine is not there, and how to do without", async () => {
    const { url } = await Engine.absent(kind);
    const { code, stderr } = await start("examples/run.js", ["rooms", url], { env: { PORT: "0" } }).ended;
    const [line = "", ...more] = stderr;
    expect([code, more]).toEqual([1, []]);
    expect(line).toContain(`rooms cannot start: cluster: cannot connect to ${kind.name}: `);
    expect(line).toContain(`; start ${kind.name}-server at ${url}, or leave out ${url} for two nodes in this process`);
  });
});

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
    await stage.startExample("rooms");
    const { port } = new URL(stage.url);
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
});
