/** The chat's handler, without a port: who hears what, and what is refused. */
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createChat } from "../../examples/chat/chat.js";

/** A message of the server's, or its answer to a call: `["said", {…}]`, `[1, {…}]`. */
type Frame = readonly unknown[];

/** What presence tells of a person. */
interface Person {
  readonly key: string;
  readonly nick: string;
}

let runtime: TestRuntime;

beforeEach(() => {
  runtime = createTestRuntime(createChat());
});

afterEach(() => runtime.close());

/** What a client has got since the last look, without the room list, which has its own test. */
function take(client: Pick<TestClient, "take">): Frame[] {
  return takeAll(client).filter(([name]) => name !== "rooms");
}

function takeAll(client: Pick<TestClient, "take">): Frame[] {
  return client.take().map((data) => JSON.parse(String(data)));
}

/** The nicknames in the list of people that a client has just got. */
function listed(client: Pick<TestClient, "take">): string[] {
  const [, list] = takeAll(client).findLast(([name]) => name === "people") ?? [];
  return (list as { people: readonly Person[] }).people.map(({ nick }) => nick);
}

async function send(client: TestClient, ...frame: Frame): Promise<void> {
  client.send(JSON.stringify(frame));
  await runtime.settle();
}

/** A millisecond after all that was before, so that the list of people has an order. */
async function enter(nick: string, room = "lobby", who?: string): Promise<TestClient> {
  await runtime.advance(1);
  const client = await runtime.connect({ query: who === undefined ? {} : { who } });
  await send(client, "join", { nick, room }, 1);
  return client;
}

/** When, as told. */
const at: unknown = expect.any(Number);
const key: unknown = expect.stringMatching(/^[\w-]{16}$/);

/** Where a message stands in its room, as told. */
const position: unknown = expect.any(String);

/** The answer to a join. */
function joined(nick: string, room = "lobby", isComplete = true): object {
  return { nick, room, isComplete, position };
}

/** A person who neither types nor is away, as told. */
function person(nick: string, more: Partial<{ isTyping: boolean; isAway: boolean; at: unknown }> = {}): object {
  return { key, nick, isTyping: false, isAway: false, ...more };
}

describe("the chat's handler", () => {
  it("gives who joins the list of people in the room, and tells the others", async () => {
    const ada = await enter("Ada");
    expect(take(ada)).toEqual([
      ["entered", "lobby"],
      ["people", { you: key, count: 1, people: [person("Ada")] }],
      [1, joined("Ada")],
    ]);
    const bob = await enter("Bob");
    expect(take(bob)).toEqual([
      ["entered", "lobby"],
      ["people", { you: key, count: 2, people: [person("Ada"), person("Bob")] }],
      [1, joined("Bob")],
    ]);
    expect(take(ada)).toEqual([["joined", person("Bob", { at })]]);
  });

  it("brings a message to everybody in the room, its author too, and to nobody else", async () => {
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve", "garden")];
    for (const client of [ada, bob, eve]) client.take();
    await send(ada, "say", { text: "  hello\nthere " });
    const said = ["said", { key, nick: "Ada", text: "hello\nthere", at, position }];
    expect(take(ada)).toEqual([said]);
    expect(take(bob)).toEqual([said]);
    expect(take(eve)).toEqual([]);
  });

  it("tells the room who leaves, by word or by going, once they have been gone for 5 s", async () => {
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve")];
    for (const client of [ada, bob, eve]) client.take();
    await send(bob, "leave");
    await runtime.advance(4_999);
    expect(take(ada)).toEqual([]);
    await runtime.advance(1);
    expect(take(ada)).toEqual([["left", person("Bob", { at })]]);
    expect(take(bob)).toEqual([]);
    eve.close();
    await runtime.advance(5_000);
    expect(take(ada)).toEqual([["left", person("Eve", { at })]]);
    expect(take(bob)).toEqual([]);
  });

  it("takes two tabs for one person, and says nothing of the second tab that comes and goes, nor of a reload", async () => {
    const secret = "a".repeat(32);
    const [ada, bob] = [await enter("Ada"), await enter("Bob", "lobby", secret)];
    take(ada);
    const tab = await enter("Bob", "lobby", secret);
    expect(listed(tab)).toEqual(["Ada", "Bob"]);
    bob.close();
    await runtime.advance(60_000);
    tab.close();
    await runtime.advance(4_998);
    expect(listed(await enter("Bob", "lobby", secret))).toEqual(["Ada", "Bob"]);
    await runtime.advance(60_000);
    expect(take(ada)).toEqual([]);
  });

  it("has one name for a person in all tabs: the last one given, also after that tab has gone", async () => {
    const secret = "a".repeat(32);
    const [ada, bob] = [await enter("Ada"), await enter("Bob", "lobby", secret)];
    for (const client of [ada, bob]) take(client);
    const tab = await enter("Robert", "lobby", secret);
    const changed = ["changed", person("Robert")];
    expect([take(ada), take(bob)]).toEqual([[changed], [changed]]);
    tab.close();
    await runtime.advance(5_000);
    await send(bob, "say", { text: "it is me" });
    expect(take(ada)).toEqual([["said", { key, nick: "Robert", text: "it is me", at, position }]]);
  });

  it("shows nobody the secret that makes tabs one person, and takes no secret that can be guessed", async () => {
    const secret = "a".repeat(32);
    const [ada, bob] = [await enter("Ada"), await enter("Bob", "lobby", secret)];
    await send(bob, "say", { text: "hello" });
    expect(JSON.stringify([takeAll(ada), takeAll(bob)])).not.toContain(secret);
    for (const who of ["", "bob", "a".repeat(65), "../".repeat(8)])
      await expect(runtime.connect({ query: { who } })).rejects.toThrow("who: expected 16 to 64 letters");
  });

  it("shows who is typing, until something is said or the typing ends", async () => {
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    for (const client of [ada, bob]) client.take();
    const typing = ["changed", person("Bob", { isTyping: true })];
    const quiet = ["changed", person("Bob")];
    for (const isTyping of [true, true, false]) await send(bob, "typing", isTyping);
    expect(take(ada)).toEqual([typing, quiet]);
    await send(bob, "typing", true);
    await send(bob, "say", { text: "hello" });
    const said = ["said", { key, nick: "Bob", text: "hello", at, position }];
    expect(take(ada)).toEqual([typing, said, quiet]);
    expect(take(bob)).toEqual([said]);
  });

  it("shows nobody as typing whose last tab is gone", async () => {
    const secret = "a".repeat(32);
    const [ada, bob] = [await enter("Ada"), await enter("Bob", "lobby", secret)];
    const tab = await enter("Bob", "lobby", secret);
    await send(bob, "typing", true);
    ada.take();
    bob.close();
    await runtime.settle();
    expect(take(ada)).toEqual([["changed", person("Bob")]]);
    await send(tab, "typing", true);
    tab.close();
    await runtime.settle();
    expect(take(ada)).toEqual([
      ["changed", person("Bob", { isTyping: true })],
      ["changed", person("Bob")],
    ]);
    const eve = await enter("Eve");
    const people = [person("Ada"), person("Bob"), person("Eve")];
    expect(take(eve)).toContainEqual(["people", { you: key, count: 3, people }]);
  });

  it("tells the room who has lost the line and keeps the seat, who is back, and who stays away for too long", async () => {
    await using sessions = createTestRuntime({ ...createChat(), resume: { graceMs: 60_000 } });
    const dial = async (nick: string, who = "") => {
      await sessions.advance(1);
      const client = sessions.dial(who === "" ? "/" : `/?who=${who}`, { reconnect: { minMs: 1_000, jitter: 0 } });
      client.send(JSON.stringify(["join", { nick, room: "lobby" }, 1]));
      await sessions.settle();
      return client;
    };
    const secret = "a".repeat(32);
    const [ada, bob] = [await dial("Ada"), await dial("Bob", secret)];
    for (const client of [ada, bob]) client.take();
    const away = ["changed", person("Bob", { isAway: true })];
    const back = ["changed", person("Bob")];
    bob.disconnect();
    await sessions.settle();
    expect(take(ada)).toEqual([away]);
    const eve = await dial("Eve");
    const people = [person("Ada"), person("Bob", { isAway: true }), person("Eve")];
    expect(take(eve)).toContainEqual(["people", { you: key, count: 3, people }]);
    await sessions.advance(1_000);
    expect(take(eve)).toEqual([back]);
    expect(take(bob)).toEqual([["joined", person("Eve", { at })]]);
    // A second tab has a line, and then has gone.
    const tab = await dial("Bob", secret);
    bob.vanish();
    bob.close();
    await sessions.advance(45_000);
    expect(take(eve)).toEqual([]);
    tab.close();
    await sessions.settle();
    expect(take(eve)).toEqual([away]);
    // Nobody is told before the session ends and the person has been gone for 5 s.
    await sessions.advance(34_000);
    expect(take(eve)).toEqual([]);
    await sessions.advance(31_000);
    expect(take(eve)).toEqual([["left", person("Bob", { isAway: true, at })]]);
  });

  it("moves who joins another room: a tab is in one room", async () => {
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    for (const client of [ada, bob]) client.take();
    await send(bob, "join", { nick: "Bob", room: "Garden" }, 2);
    expect(take(bob)).toEqual([
      ["entered", "garden"],
      ["people", { you: key, count: 1, people: [person("Bob")] }],
      [2, joined("Bob", "garden")],
    ]);
    await send(ada, "say", { text: "still there?" });
    expect(take(bob)).toEqual([]);
    await runtime.advance(5_000);
    expect(take(ada)).toEqual([
      ["said", { key, nick: "Ada", text: "still there?", at, position }],
      ["left", person("Bob", { at })],
    ]);
  });

  it("tells everybody the rooms and how many people each has when they change, the fullest first", async () => {
    const guest = await runtime.connect();
    expect(takeAll(guest)).toEqual([["rooms", []]]);
    const ada = await enter("Ada", "garden");
    await enter("Bob", "lobby", "b".repeat(32));
    await enter("Bob", "lobby", "b".repeat(32));
    const eve = await enter("Eve", "lobby");
    const [lobby, garden] = [
      { name: "lobby", count: 2 },
      { name: "garden", count: 1 },
    ];
    expect(takeAll(guest).at(-1)).toEqual(["rooms", [lobby, garden]]);
    await send(eve, "leave");
    await runtime.advance(5_000);
    expect(takeAll(guest)).toEqual([["rooms", [garden, { name: "lobby", count: 1 }]]]);
    ada.close();
    await runtime.advance(5_000);
    expect(takeAll(guest)).toEqual([["rooms", [{ name: "lobby", count: 1 }]]]);
  });

  it("lists at most 250 people of a room, and counts them from then on", async () => {
    const ada = await enter("Ada");
    for (let n = 1; n <= 250; n++) await enter(`P${n}`);
    const frames = take(ada);
    expect(frames.filter(([name]) => name === "joined").length).toBe(249);
    expect(frames.at(-1)).toEqual(["count", 251]);
    const late = await enter("Late");
    const [, list] = take(late).find(([name]) => name === "people") ?? [];
    expect(list).toMatchObject({ count: 252, people: { length: 250 } });
  });

  it("lists at most 50 rooms", async () => {
    for (let n = 0; n < 60; n++) await enter("Ada", `room ${n}`);
    const guest = await runtime.connect();
    expect(takeAll(guest)).toEqual([["rooms", expect.objectContaining({ length: 50 })]]);
  });

  it("refuses a nickname that is taken in the room, in whatever case, until it is free again", async () => {
    const ada = await enter("Ada");
    const other = await enter("ADA");
    const message = "somebody in lobby is called ADA";
    expect(take(other)).toEqual([[1, null, { reason: "NICK_TAKEN", message }]]);
    await send(other, "join", { nick: "ada", room: "garden" }, 2);
    expect(take(other).at(-1)).toEqual([2, joined("ada", "garden")]);
    ada.close();
    await runtime.advance(4_999);
    await send(other, "join", { nick: "ada", room: "lobby" }, 3);
    expect(take(other)).toEqual([[3, null, { reason: "NICK_TAKEN", message: "somebody in lobby is called ada" }]]);
    await runtime.advance(1);
    await send(other, "join", { nick: "ada", room: "lobby" }, 4);
    expect(listed(other)).toEqual(["ada"]);
  });

  it("lets a person change the nickname in place, also to one that differs in case only", async () => {
    const ada = await enter("Ada");
    ada.take();
    await send(ada, "join", { nick: "ADA", room: "lobby" }, 2);
    expect(listed(ada)).toEqual(["ADA"]);
  });

  it("takes names that look alike for one name", async () => {
    await enter("Ada Lovelace", "Tea Time");
    const other = await enter(" ada \t love\u200blace\u0000 ", "tea  time");
    expect(take(other)).toMatchObject([[1, null, { reason: "NICK_TAKEN" }]]);
  });

  it("leaves a person in the old room when the new room refuses the nickname", async () => {
    await enter("Ada", "garden");
    const ada = await enter("Ada", "lobby");
    ada.take();
    await send(ada, "join", { nick: "Ada", room: "garden" }, 2);
    await send(ada, "say", { text: "still in the lobby" });
    expect(take(ada)).toMatchObject([
      [2, null, { reason: "NICK_TAKEN" }],
      ["said", { text: "still in the lobby" }],
    ]);
  });

  it.each([
    ["no JSON", "hello", ""],
    ["nothing", "", ""],
    ["a list without a name", "[[]]", ""],
    ["an unknown name", '["__proto__"]', ""],
    ["bytes", Buffer.from('["leave"]'), ""],
    ["a join without an id", '["join",{"nick":"Ada","room":"lobby"}]', ""],
    ["an empty message", '["say",{"text":""}]', "text"],
    ["a message of spaces", '["say",{"text":" \\n "}]', "text"],
    ["a message that is no text", '["say",{"text":{"a":1}}]', "text"],
    ["a long message", JSON.stringify(["say", { text: "x".repeat(1001) }]), "text"],
    ["typing that is neither yes nor no", '["typing",1]', ""],
    ["a leave with a payload", '["leave",7.5]', ""],
  ])("answers %s with what is wrong, and tells nobody else", async (_, data, path) => {
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    for (const client of [ada, bob]) client.take();
    ada.send(data);
    await runtime.settle();
    const issues = [{ path, message: expect.stringMatching(/^.{10,}$/) }];
    expect(takeAll(ada)).toEqual([["!", { reason: "INVALID_MESSAGE", issues }]]);
    expect(takeAll(bob)).toEqual([]);
  });

  it.each([
    ["a join without anything", null, "nick"],
    ["a nickname of spaces", { nick: " \u200b ", room: "lobby" }, "nick"],
    ["a nickname that is a number", { nick: 7, room: "lobby" }, "nick"],
    ["a long nickname", { nick: "a".repeat(25), room: "lobby" }, "nick"],
    ["no room", { nick: "Ada" }, "room"],
    ["a long room", { nick: "Ada", room: "r".repeat(33) }, "room"],
  ])("refuses %s in a sentence for people", async (_, payload, path) => {
    const client = await runtime.connect();
    client.take();
    await send(client, "join", payload, 1);
    const issues = [{ path, message: expect.stringMatching(/^A .{20,}\.$/) }];
    expect(takeAll(client)).toEqual([[1, null, { reason: "INVALID_MESSAGE", issues }]]);
  });

  it("refuses words before a room", async () => {
    const client = await runtime.connect();
    client.take();
    await send(client, "say", { text: "hello" });
    expect(takeAll(client)).toEqual([["!", { reason: "NO_ROOM", message: "only members of a room say something" }]]);
  });

  it("lets a member of a room ask for the room again, who is told the same", async () => {
    const ada = await enter("Ada");
    ada.take();
    await send(ada, "join", { nick: "Ada", room: "lobby" }, 2);
    expect(take(ada)).toEqual([
      ["entered", "lobby"],
      ["people", { you: key, count: 1, people: [person("Ada")] }],
      [2, joined("Ada")],
    ]);
  });

  it("does nothing when somebody leaves who is in no room", async () => {
    const client = await runtime.connect();
    client.take();
    await send(client, "leave");
    expect(takeAll(client)).toEqual([]);
  });
});
