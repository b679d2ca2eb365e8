/** The chat's handler, without a port: who hears what, and what is refused. */
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createChat } from "../../examples/chat/chat.js";

/** A message of the server's, or its answer to a call: `["said", {…}]`, `[1, {…}]`. */
type Frame = readonly unknown[];

let runtime: TestRuntime;

beforeEach(() => {
  runtime = createTestRuntime({ handler: createChat() });
});

afterEach(() => runtime.close());

/** What a client has got since the last look, without the room list, which has its own test. */
function take(client: TestClient): Frame[] {
  return takeAll(client).filter(([name]) => name !== "rooms");
}

function takeAll(client: Pick<TestClient, "take">): Frame[] {
  return client.take().map((data) => JSON.parse(String(data)));
}

async function send(client: TestClient, ...frame: Frame): Promise<void> {
  client.send(JSON.stringify(frame));
  await runtime.settle();
}

async function enter(nick: string, room = "lobby"): Promise<TestClient> {
  const client = await runtime.connect();
  await send(client, "join", { nick, room }, 1);
  return client;
}

/** When, as told. */
const at: unknown = expect.any(Number);

describe("the chat's handler", () => {
  it("welcomes who joins with all members, and tells the others", async () => {
    const ada = await enter("Ada");
    expect(take(ada)).toEqual([[1, { nick: "Ada", room: "lobby", members: ["Ada"], away: [] }]]);
    const bob = await enter("Bob");
    const members = ["Ada", "Bob"];
    expect(take(bob)).toEqual([[1, { nick: "Bob", room: "lobby", members, away: [] }]]);
    expect(take(ada)).toEqual([["joined", { nick: "Bob", at }]]);
  });

  it("brings a message to everybody in the room, its author too, and to nobody else", async () => {
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve", "garden")];
    for (const client of [ada, bob, eve]) client.take();
    await send(ada, "say", { text: "  hello\nthere " });
    const said = ["said", { nick: "Ada", text: "hello\nthere", at }];
    expect(take(ada)).toEqual([said]);
    expect(take(bob)).toEqual([said]);
    expect(take(eve)).toEqual([]);
  });

  it("tells the room who leaves, by word or by going", async () => {
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve")];
    for (const client of [ada, bob, eve]) client.take();
    await send(bob, "leave");
    expect(take(ada)).toEqual([["left", { nick: "Bob", at }]]);
    expect(take(bob)).toEqual([]);
    eve.close();
    await runtime.settle();
    expect(take(ada)).toEqual([["left", { nick: "Eve", at }]]);
    expect(take(bob)).toEqual([]);
  });

  it("tells the room who has lost the line and keeps the seat, who is back, and who stays away for too long", async () => {
    await using sessions = createTestRuntime({ handler: createChat(), resume: { graceMs: 60_000 } });
    const dial = async (nick: string) => {
      const client = sessions.dial("/", { reconnect: { minMs: 1_000, jitter: 0 } });
      client.send(JSON.stringify(["join", { nick, room: "lobby" }, 1]));
      await sessions.settle();
      return client;
    };
    const told = (client: Awaited<ReturnType<typeof dial>>): Frame[] =>
      takeAll(client).filter(([name]) => name !== "rooms");
    const [ada, bob] = [await dial("Ada"), await dial("Bob")];
    for (const client of [ada, bob]) client.take();
    bob.disconnect();
    await sessions.settle();
    expect(told(ada)).toEqual([["away", { nick: "Bob" }]]);
    const eve = await dial("Eve");
    const members = ["Ada", "Bob", "Eve"];
    expect(told(eve)).toEqual([[1, { nick: "Eve", room: "lobby", members, away: ["Bob"] }]]);
    await sessions.advance(1_000);
    expect(told(eve)).toEqual([["back", { nick: "Bob" }]]);
    expect(told(bob)).toEqual([["joined", { nick: "Eve", at }]]);
    // Nobody hears of it, and the client does not come back.
    bob.vanish();
    bob.close();
    eve.take();
    await sessions.advance(45_000);
    expect(told(eve)).toEqual([["away", { nick: "Bob" }]]);
    await sessions.advance(60_000);
    expect(told(eve)).toEqual([["left", { nick: "Bob", at }]]);
  });

  it("moves who joins another room: a person is in one room", async () => {
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    for (const client of [ada, bob]) client.take();
    await send(bob, "join", { nick: "Bob", room: "Garden" }, 2);
    expect(take(ada)).toEqual([["left", { nick: "Bob", at }]]);
    expect(take(bob)).toEqual([[2, { nick: "Bob", room: "garden", members: ["Bob"], away: [] }]]);
    await send(ada, "say", { text: "still there?" });
    expect(take(bob)).toEqual([]);
  });

  it("tells everybody the rooms and their counts when they change, the fullest first", async () => {
    const guest = await runtime.connect();
    expect(takeAll(guest)).toEqual([["rooms", []]]);
    await enter("Ada", "garden");
    await enter("Bob", "lobby");
    const eve = await enter("Eve", "lobby");
    const [lobby, garden] = [
      { name: "lobby", count: 2 },
      { name: "garden", count: 1 },
    ];
    expect(takeAll(guest).at(-1)).toEqual(["rooms", [lobby, garden]]);
    await send(eve, "leave");
    expect(takeAll(guest)).toEqual([["rooms", [garden, { name: "lobby", count: 1 }]]]);
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
    expect(take(other)).toMatchObject([[2, { room: "garden" }]]);
    ada.close();
    await runtime.settle();
    await send(other, "join", { nick: "ada", room: "lobby" }, 3);
    expect(take(other)).toMatchObject([[3, { room: "lobby", members: ["ada"] }]]);
  });

  it("lets a person change the nickname in place, also to one that differs in case only", async () => {
    const ada = await enter("Ada");
    ada.take();
    await send(ada, "join", { nick: "ADA", room: "lobby" }, 2);
    expect(take(ada)).toMatchObject([[2, { nick: "ADA", members: ["ADA"] }]]);
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
    expect(take(ada)).toEqual([[2, { nick: "Ada", room: "lobby", members: ["Ada"], away: [] }]]);
  });

  it("does nothing when somebody leaves who is in no room", async () => {
    const client = await runtime.connect();
    client.take();
    await send(client, "leave");
    expect(takeAll(client)).toEqual([]);
  });
});
