/** `npm run example rooms`: two nodes in a process, or over an engine. `rooms-page.test.ts` looks at the page of each. */
import { afterEach, describe, expect, it } from "vitest";
import { Engine, KINDS } from "./engines.js";
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

type Said = Readonly<{ text: string; position: string }>;

function say(client: Client, ...texts: readonly string[]): void {
  for (const text of texts) client.send(JSON.stringify({ id: text.replaceAll(" ", "-"), text }));
}

/** What was said, up to a text, and what the server says of the past; news of people are left out. */
async function hear(client: Client, last: string): Promise<(Said | "hole")[]> {
  const heard: (Said | "hole")[] = [];
  for (;;) {
    const news = await next(client);
    if (news.type === "hole") heard.push("hole");
    if (news.type !== "said") continue;
    heard.push({ text: String(news.text), position: String(news.position) });
    if (news.text === last) return heard;
  }
}

async function follow(address: string, after?: string): Promise<Client> {
  const client = await connect(`${address}?room=talk`);
  client.send(JSON.stringify({ name: "Guest", state: "here", after }));
  return client;
}

/** A member on each node: the second node hears the first when the second member knows the first. */
async function followBoth(first: string, second: string): Promise<readonly [Client, Client]> {
  const ann = await follow(first);
  while ((await next(ann)).type !== "list");
  const bob = await follow(second);
  for (let known = 0; known < 2; ) {
    const { type, people } = await next(bob);
    if (type === "list") known = (people as unknown[]).length;
    if (type === "joined") known++;
  }
  return [ann, bob];
}

const texts = (heard: readonly (Said | "hole")[]): string[] => heard.map((one) => (one === "hole" ? one : one.text));

/** Two members on two nodes, who talk at the same time; newcomers; and a member who comes back. */
async function talk(first: string, second: string, isShared: boolean): Promise<void> {
  const [ann, bob] = await followBoth(first, second);
  say(ann, "ready");
  for (const client of [ann, bob]) await hear(client, "ready");
  for (let i = 0; i < 20; i++) {
    say(ann, `ann ${i}`);
    say(bob, `bob ${i}`);
  }
  await hear(ann, "ann 19");
  say(bob, "end");
  const all = await Promise.all([first, second].map(async (address) => hear(await follow(address), "end")));
  expect(all[0]?.length).toBe(30);
  expect(texts(all[0] ?? [])).toEqual(texts(all[1] ?? []));
  const heardByBob = await hear(bob, "end");
  expect(heardByBob.length).toBe(41);
  expect(texts(heardByBob.slice(-30))).toEqual(texts(all[1] ?? []));
  const { position } = heardByBob.at(-3) as Said;
  const back = texts(heardByBob.slice(-2));
  expect(texts(await hear(await follow(second, position), "end"))).toEqual(back);
  // A position of memory says nothing to another node, which begins anew.
  const elsewhere = isShared ? back : ["hole", ...texts(heardByBob.slice(-30))];
  expect(texts(await hear(await follow(first, position), "end"))).toEqual(elsewhere);
  expect(texts(await hear(await follow(first, "7"), "end"))).toEqual(["hole", ...texts(heardByBob.slice(-30))]);
}

/** Says something, until the server has told that this was sent, or that this was not. @returns the text */
async function sayUntil(client: Client, isSent: boolean): Promise<string> {
  for (let i = 0; ; i++) {
    const text = `${isSent} ${i}`;
    say(client, text);
    client.send('{"name":"Guest","state":"here"}');
    let wasSent = true;
    for (let news = await next(client); news.type !== "changed"; news = await next(client))
      if (news.type === "not sent" && news.id === `${isSent}-${i}`) wasSent = false;
    if (wasSent === isSent) return text;
  }
}

describe("the rooms example", () => {
  it("is one room on two nodes in its process, without an engine", { timeout: 30_000 }, async () => {
    const { program, first, second } = await startRooms();
    await program.stdout.next(/^Both nodes are in this process, .*npm run example rooms -- --engine nats, or redis$/);
    await playTogether(first, second);
    await talk(first, second, false);
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, stderr: [] });
  });

  it.each([
    [["--engine", "kafka"], "--engine kafka"],
    [["--engine", "Nats"], "--engine Nats"],
    [["--engine", "http://127.0.0.1:4222"], "--engine http://127.0.0.1:4222"],
    [["--engine=nats:4222"], "--engine nats:4222"],
    [["--engine"], "--engine"],
    [["nats"], "nats"],
    [["--engine", "redis", "--port", "1"], "--port"],
    [["-e"], "-e"],
  ])("refuses the arguments %j, and says what there is", async (words, wrong) => {
    const { code, stderr } = await start("examples/run.js", ["rooms", ...words], { env: { PORT: "0" } }).ended;
    const expected = "expected --engine nats, redis, nats://… or redis://…, or nothing";
    expect([code, stderr]).toEqual([2, [`The rooms cannot start: ${wrong}: ${expected}`]]);
  });

  it("refuses what is no person, and a secret or a room that is none", async () => {
    const { first } = await startRooms();
    const reason = "expected {name, state} with here, away or busy, or {id, text}";
    for (const message of [
      "",
      "null",
      '{"name":7,"state":"here"}',
      '{"name":"\u200b","state":"here"}',
      '{"name":"A","state":"?"}',
      '{"id":"a b","text":"hello"}',
      '{"id":"1","text":" "}',
      `{"id":"1","text":"${"x".repeat(501)}"}`,
    ]) {
      const client = await connect(first);
      client.send(message);
      expect(await client.closed).toEqual({ code: 1008, reason });
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
  // What was said is there after a restart.
  const args = kind.name === "nats" ? ["-js", "-sd", "$FOLDER"] : ["--appendonly", "yes", "--appendfsync", "always"];

  it.skipIf(skip)("is one room on two nodes, with one order of what is said", { timeout: 60_000 }, async () => {
    const engine = await Engine.start(kind, ...args);
    const { program, first, second } = await startRooms("--engine", engine.url);
    await program.stdout.next(new RegExp(`^The nodes are joined by ${engine.url}$`));
    await playTogether(first, second);
    await talk(first, second, true);
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, stderr: [] });
  });

  it.skipIf(skip)("tells what was not sent while the engine was away", { timeout: 60_000 }, async () => {
    const engine = await Engine.start(kind, ...args);
    const { first, second } = await startRooms("--engine", engine.url);
    const [ann, bob] = await followBoth(first, second);
    say(ann, "before");
    for (const client of [ann, bob]) await hear(client, "before");
    await engine.kill();
    const lost = await sayUntil(ann, false);
    await engine.start(...args);
    const sent = await sayUntil(ann, true);
    const heard = texts(await hear(bob, sent));
    expect(heard).not.toContain(lost);
    expect(heard).not.toContain("hole");
  });

  it.skipIf(skip || kind.name !== "nats")("says that NATS was started without JetStream", async () => {
    const { url } = await Engine.start(kind);
    const { code, stderr } = await start("examples/run.js", ["rooms", "--engine", url], { env: { PORT: "0" } }).ended;
    expect([code, stderr]).toEqual([
      1,
      [expect.stringMatching(/^The rooms cannot start: .*no JetStream: start nats-server/)],
    ]);
  });

  it.skipIf(skip)("says which engine is not there, and how to do without", async () => {
    const { url } = await Engine.absent(kind);
    const { code, stderr } = await start("examples/run.js", ["rooms", "--engine", url], { env: { PORT: "0" } }).ended;
    const [line = "", ...more] = stderr;
    expect([code, more]).toEqual([1, []]);
    expect(line).toMatch(new RegExp(`^The rooms cannot start: \\w+: .*cannot connect to ${kind.name}`));
    expect(line).toMatch(
      new RegExp(`; start ${kind.name}-server( -js)? at ${url}, or leave out --engine for two nodes in this process$`),
    );
  });
});
