/** The chat's handler, without a port: who hears what, and what is refused. */
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createChat } from "../../examples/chat/chat.js";

interface Message {
  readonly type: string;
  readonly [key: string]: unknown;
}

let runtime: TestRuntime;

beforeEach(() => {
  runtime = createTestRuntime({ handler: createChat() });
});

afterEach(() => runtime.close());

/** What a client has got since the last look, without the room list, which has its own test. */
function take(client: TestClient): Message[] {
  return takeAll(client).filter((message) => message.type !== "rooms");
}

function takeAll(client: TestClient): Message[] {
  return client.take().map((data) => JSON.parse(String(data)));
}

async function send(client: TestClient, message: unknown): Promise<void> {
  client.send(JSON.stringify(message));
  await runtime.settle();
}

async function enter(nick: string, room = "lobby"): Promise<TestClient> {
  const client = await runtime.connect();
  await send(client, { type: "join", nick, room });
  return client;
}

describe("the chat's handler", () => {
  it("welcomes who joins with all members, and tells the others", async () => {
    const ada = await enter("Ada");
    expect(take(ada)).toEqual([{ type: "welcome", nick: "Ada", room: "lobby", members: ["Ada"], away: [] }]);
    const bob = await enter("Bob");
    const members = ["Ada", "Bob"];
    expect(take(bob)).toEqual([{ type: "welcome", nick: "Bob", room: "lobby", members, away: [] }]);
    expect(take(ada)).toEqual([{ type: "joined", nick: "Bob", at: expect.any(Number) }]);
  });

  it("brings a message to everybody in the room, its author too, and to nobody else", async () => {
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve", "garden")];
    for (const client of [ada, bob, eve]) client.take();
    await send(ada, { type: "say", text: "  hello\nthere " });
    const said = { type: "said", nick: "Ada", text: "hello\nthere", at: expect.any(Number) };
    expect(take(ada)).toEqual([said]);
    expect(take(bob)).toEqual([said]);
    expect(take(eve)).toEqual([]);
  });

  it("tells the room who leaves, by word or by going", async () => {
    const [ada, bob, eve] = [await enter("Ada"), await enter("Bob"), await enter("Eve")];
    for (const client of [ada, bob, eve]) client.take();
    await send(bob, { type: "leave" });
    expect(take(ada)).toEqual([{ type: "left", nick: "Bob", at: expect.any(Number) }]);
    expect(take(bob)).toEqual([]);
    eve.close();
    await runtime.settle();
    expect(take(ada)).toEqual([{ type: "left", nick: "Eve", at: expect.any(Number) }]);
    expect(take(bob)).toEqual([]);
  });

  it("tells the room who has lost the line and keeps the seat, who is back, and who stays away for too long", async () => {
    await using sessions = createTestRuntime({ handler: createChat(), resume: { graceMs: 60_000 } });
    const dial = async (nick: string) => {
      const client = sessions.dial("/", { reconnect: { minMs: 1_000, jitter: 0 } });
      client.send(JSON.stringify({ type: "join", nick, room: "lobby" }));
      await sessions.settle();
      return client;
    };
    const told = (client: Awaited<ReturnType<typeof dial>>): Message[] =>
      client
        .take()
        .map((data) => JSON.parse(String(data)))
        .filter(({ type }) => type !== "rooms");
    const [ada, bob] = [await dial("Ada"), await dial("Bob")];
    for (const client of [ada, bob]) client.take();
    bob.disconnect();
    await sessions.settle();
    expect(told(ada)).toEqual([{ type: "away", nick: "Bob" }]);
    const eve = await dial("Eve");
    const members = ["Ada", "Bob", "Eve"];
    expect(told(eve)).toEqual([{ type: "welcome", nick: "Eve", room: "lobby", members, away: ["Bob"] }]);
    await sessions.advance(1_000);
    expect(told(eve)).toEqual([{ type: "back", nick: "Bob" }]);
    expect(told(bob)).toEqual([{ type: "joined", nick: "Eve", at: expect.any(Number) }]);
    // Nobody hears of it, and the client does not come back.
    bob.vanish();
    bob.close();
    eve.take();
    await sessions.advance(45_000);
    expect(told(eve)).toEqual([{ type: "away", nick: "Bob" }]);
    await sessions.advance(60_000);
    expect(told(eve)).toEqual([{ type: "left", nick: "Bob", at: expect.any(Number) }]);
  });

  it("moves who joins another room: a person is in one room", async () => {
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    for (const client of [ada, bob]) client.take();
    await send(bob, { type: "join", nick: "Bob", room: "garden" });
    expect(take(ada)).toEqual([{ type: "left", nick: "Bob", at: expect.any(Number) }]);
    expect(take(bob)).toEqual([{ type: "welcome", nick: "Bob", room: "garden", members: ["Bob"], away: [] }]);
    await send(ada, { type: "say", text: "still there?" });
    expect(take(bob)).toEqual([]);
  });

  it("tells everybody the rooms and their counts when they change, the fullest first", async () => {
    const guest = await runtime.connect();
    expect(takeAll(guest)).toEqual([{ type: "rooms", rooms: [] }]);
    await enter("Ada", "garden");
    await enter("Bob", "lobby");
    const eve = await enter("Eve", "lobby");
    const [lobby, garden] = [
      { name: "lobby", count: 2 },
      { name: "garden", count: 1 },
    ];
    expect(takeAll(guest).at(-1)).toEqual({ type: "rooms", rooms: [lobby, garden] });
    await send(eve, { type: "leave" });
    const after = { type: "rooms", rooms: [garden, { name: "lobby", count: 1 }] };
    expect(takeAll(guest)).toEqual([after]);
  });

  it("lists at most 50 rooms", async () => {
    for (let n = 0; n < 60; n++) await enter("Ada", `room ${n}`);
    const guest = await runtime.connect();
    expect(takeAll(guest)).toEqual([{ type: "rooms", rooms: expect.objectContaining({ length: 50 }) }]);
  });

  it("refuses a nickname that is taken in the room, in whatever case, until it is free again", async () => {
    const ada = await enter("Ada");
    const other = await enter("ADA");
    const text = "Somebody in lobby is called ADA already.";
    expect(take(other)).toEqual([{ type: "error", code: "nick-taken", text }]);
    await send(other, { type: "join", nick: "ada", room: "garden" });
    expect(take(other)).toMatchObject([{ type: "welcome", room: "garden" }]);
    ada.close();
    await runtime.settle();
    await send(other, { type: "join", nick: "ada", room: "lobby" });
    expect(take(other)).toMatchObject([{ type: "welcome", room: "lobby", members: ["ada"] }]);
  });

  it("lets a person change the nickname in place, also to one that differs in case only", async () => {
    const ada = await enter("Ada");
    ada.take();
    await send(ada, { type: "join", nick: "ADA", room: "lobby" });
    expect(take(ada)).toMatchObject([{ type: "welcome", nick: "ADA", members: ["ADA"] }]);
  });

  it("takes names that look alike for one name", async () => {
    await enter("Ada Lovelace", "Tea Time");
    const other = await enter(" ada \t love\u200blace\u0000 ", "tea  time");
    expect(take(other)).toMatchObject([{ type: "error", code: "nick-taken" }]);
  });

  it("leaves a person in the old room when the new room refuses the nickname", async () => {
    await enter("Ada", "garden");
    const ada = await enter("Ada", "lobby");
    ada.take();
    await send(ada, { type: "join", nick: "Ada", room: "garden" });
    await send(ada, { type: "say", text: "still in the lobby" });
    expect(take(ada)).toMatchObject([{ code: "nick-taken" }, { type: "said", text: "still in the lobby" }]);
  });

  it.each([
    ["no JSON", "hello", "bad-message"],
    ["nothing", "", "bad-message"],
    ["null", "null", "bad-message"],
    ["a list", '["join"]', "bad-message"],
    ["an unknown type", '{"type":"__proto__"}', "bad-message"],
    ["a type that is no string", '{"type":{"toString":1}}', "bad-message"],
    ["a join without anything", '{"type":"join"}', "bad-nick"],
    ["a nickname of spaces", '{"type":"join","nick":" \u200b ","room":"lobby"}', "bad-nick"],
    ["a nickname that is a number", '{"type":"join","nick":7,"room":"lobby"}', "bad-nick"],
    ["a long nickname", JSON.stringify({ type: "join", nick: "a".repeat(25), room: "lobby" }), "bad-nick"],
    ["no room", '{"type":"join","nick":"Ada"}', "bad-room"],
    ["a long room", JSON.stringify({ type: "join", nick: "Ada", room: "r".repeat(33) }), "bad-room"],
    ["words before a room", '{"type":"say","text":"hello"}', "no-room"],
  ])("answers %s with an error that says what is wrong", async (_, data, code) => {
    const client = await runtime.connect();
    client.take();
    client.send(data);
    await runtime.settle();
    expect(take(client)).toEqual([{ type: "error", code, text: expect.stringMatching(/^[A-Z].{20,}\.$/) }]);
  });

  it.each([
    ["an empty message", ""],
    ["a message of spaces", " \n "],
    ["a message that is no text", { a: 1 }],
    ["a long message", "x".repeat(1001)],
  ])("refuses %s", async (_, text) => {
    const [ada, bob] = [await enter("Ada"), await enter("Bob")];
    for (const client of [ada, bob]) client.take();
    await send(ada, { type: "say", text });
    expect(take(ada)).toMatchObject([{ type: "error", code: "bad-text" }]);
    expect(take(bob)).toEqual([]);
  });

  it("reads a message that came as bytes like one that came as text", async () => {
    const client = await runtime.connect();
    client.take();
    client.send(Buffer.from('{"type":"join","nick":"Ada","room":"lobby"}'));
    await runtime.settle();
    expect(take(client)).toMatchObject([{ type: "welcome", nick: "Ada" }]);
  });

  it("does nothing when somebody leaves who is in no room", async () => {
    const client = await runtime.connect();
    client.take();
    await send(client, { type: "leave" });
    expect(takeAll(client)).toEqual([]);
  });
});
