/** The handlers of the examples that have a file of their own, without a port and in virtual time. The chat's has its own test. */
import { perConnection, type ServeOptions } from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { createCanvas } from "../../examples/canvas/canvas.js";
import { people } from "../../examples/channels/people.js";
import { createChat } from "../../examples/chat/chat.js";
import { startBot } from "../../examples/client/bot.js";
import { echoLoop } from "../../examples/loop/loop.js";
import { lobby } from "../../examples/machine/lobby.js";
import { createPush } from "../../examples/push/push.js";

function run<D, S>(options: ServeOptions<D, S>): TestRuntime<D> {
  const runtime = createTestRuntime(options);
  onTestFinished(() => runtime.close());
  return runtime;
}

/** Sends one after the other, each handled before the next. */
async function say(runtime: Pick<TestRuntime, "settle">, client: TestClient, ...messages: string[]): Promise<void> {
  for (const message of messages) {
    client.send(message);
    await runtime.settle();
  }
}

describe("the loop of the loop example", () => {
  it("says what it received, and pushes after 5 s of silence, again and again", async () => {
    const runtime = run({ handler: perConnection(echoLoop) });
    const client = await runtime.connect();
    await say(runtime, client, "hello");
    client.send(Buffer.from([1, 2]));
    await runtime.settle();
    expect(client.take()).toEqual(["received 'hello'", "received 2 bytes"]);
    await runtime.advance(4_999);
    expect(client.take()).toEqual([]);
    await runtime.advance(1);
    expect(client.take()).toEqual(["pushing!"]);
    await runtime.advance(5_000);
    expect(client.take()).toEqual(["pushing!"]);
  });

  it("waits anew from each message, and for each connection by itself", async () => {
    const runtime = run({ handler: perConnection(echoLoop) });
    const [talker, sleeper] = [await runtime.connect(), await runtime.connect()];
    await runtime.advance(3_000);
    await say(runtime, talker, "still here");
    talker.take();
    await runtime.advance(2_000);
    expect([talker.take(), sleeper.take()]).toEqual([[], ["pushing!"]]);
    await runtime.advance(3_000);
    expect([talker.take(), sleeper.take()]).toEqual([["pushing!"], []]);
  });
});

describe("ann, bob and carl of the channels example", () => {
  it("answer each on their own channel: ann nods, bob disagrees, carl says goodbye and closes", async () => {
    const runtime = run({ handler: people });
    const client = await runtime.connect();
    await say(runtime, client, "sub,ann", "sub,bob", "sub,carl");
    const goodbye = ["msg,carl,Carl says goodbye!", "uns,carl"];
    expect(client.take()).toEqual(["msg,ann,Ann says hi!", "msg,bob,Bob doesn't agree.", ...goodbye]);
    await say(runtime, client, "msg,ann,one, two,", "msg,bob,yes", "msg,bob,yes!");
    expect(client.take()).toEqual([
      "msg,ann,Ann nods: one, two,",
      "msg,bob,Bob disagrees (1): yes",
      "msg,bob,Bob disagrees (2): yes!",
    ]);
    await say(runtime, client, "uns,bob", "msg,bob,hm", "sub,carl", "msg,ann,bye");
    expect(client.take()).toEqual(["err,bob,not subscribed", ...goodbye, "msg,ann,Ann nods: bye"]);
  });

  it("speak to who asked, and bob counts for each by itself", async () => {
    const runtime = run({ handler: people });
    const [one, other] = [await runtime.connect(), await runtime.connect()];
    for (const client of [one, other]) await say(runtime, client, "sub,ann", "sub,bob");
    for (const client of [one, other]) client.take();
    await say(runtime, one, "msg,bob,yes", "msg,ann,hi");
    expect(other.take()).toEqual([]);
    await say(runtime, other, "msg,bob,yes");
    expect(other.take()).toEqual(["msg,bob,Bob disagrees (1): yes"]);
  });
});

describe("the canvas's handler", () => {
  it("tells a newcomer who is there and what was drawn, oldest first, and the others of the newcomer", async () => {
    const runtime = run({ handler: createCanvas() });
    const a = await runtime.connect();
    expect(a.take()).toEqual([`@ID:${a.id}`, "@PT:"]);
    await say(runtime, a, "stroke 1", "stroke 2", "stroke 3");
    expect(a.take()).toEqual([]);
    const b = await runtime.connect();
    expect(b.take()).toEqual([`@ID:${b.id}`, `@PT:${a.id}`, "stroke 1", "stroke 2", "stroke 3"]);
    expect(a.take()).toEqual([`@NC:${b.id}`]);
    const c = await runtime.connect();
    expect(c.take().slice(0, 2)).toEqual([`@ID:${c.id}`, `@PT:${a.id},${b.id}`]);
  });

  it("brings a stroke to the others as it is, whatever it holds, and forgets all that was drawn when somebody clears", async () => {
    const runtime = run({ handler: createCanvas() });
    const [a, b] = [await runtime.connect(), await runtime.connect()];
    for (const client of [a, b]) client.take();
    const strokes = ["1,2 @ 3,4", "a\nb\0c", " @CU", "\uFFFF\uD83D\uDE00", "msg,@ID:,", ""];
    await say(runtime, a, ...strokes);
    expect([a.take(), b.take()]).toEqual([[], strokes]);
    const c = await runtime.connect();
    expect(c.take().slice(2)).toEqual(strokes);
    await say(runtime, b, "@CU");
    expect([a.take(), b.take(), c.take()]).toEqual([[`@NC:${c.id}`, "@CU"], [`@NC:${c.id}`], ["@CU"]]);
    const d = await runtime.connect();
    expect(d.take()).toEqual([`@ID:${d.id}`, `@PT:${a.id},${b.id},${c.id}`]);
  });

  it("tells who leaves, by closing or by being lost", async () => {
    const runtime = run({ handler: createCanvas() });
    const [a, b, c] = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
    a.take();
    b.close();
    await runtime.settle();
    c.fail(new Error("the network is gone"));
    await runtime.settle();
    expect(a.take()).toEqual([`@CL:${b.id}`, `@CL:${c.id}`]);
  });

  it("tells names and pointers, to newcomers the names; other words mean nothing", async () => {
    const runtime = run({ handler: createCanvas() });
    const [a, b] = [await runtime.connect(), await runtime.connect()];
    for (const client of [a, b]) client.take();
    const words = ["@XX:no", "@", "@MV:9,x", "@MV:12345,1", "@MV:1600,7", "@ID:fake"];
    await say(runtime, a, "@NM: Ann,\u0007 of Arc ", ...words, `@NM:${"n".repeat(30)}`);
    expect(b.take()).toEqual([`@NM:${a.id},Ann, of Arc`, `@MV:${a.id},1600,7`, `@NM:${a.id},${"n".repeat(24)}`]);
    const c = await runtime.connect();
    expect(c.take()).toEqual([`@ID:${c.id}`, `@PT:${a.id},${b.id}`, `@NM:${a.id},${"n".repeat(24)}`]);
  });

  it("keeps so many strokes and no more, and drops the oldest first", async () => {
    const runtime = run({ handler: createCanvas({ strokes: 3, characters: 10 }) });
    const a = await runtime.connect();
    const drawn = async () => (await runtime.connect()).take().slice(2);
    await say(runtime, a, "1", "2", "3", "4");
    expect(await drawn()).toEqual(["2", "3", "4"]);
    await say(runtime, a, "12345678");
    expect(await drawn()).toEqual(["3", "4", "12345678"]);
    await say(runtime, a, "123");
    expect(await drawn()).toEqual(["123"]);
    await say(runtime, a, "12345678901");
    expect(await drawn()).toEqual([]);
  });

  it.each([
    ["many short strokes", 50, 5_000],
    ["fewer long ones", 500, 500],
  ])("gives a newcomer the fullest canvas without taking it for a slow consumer: %s", async (_case, length, kept) => {
    const runtime = run({ handler: createCanvas() });
    const a = await runtime.connect();
    // Three bytes for each character, and a header for each message.
    const stroke = (i: number) => `${i}`.padEnd(length, "\u20AC");
    for (let i = 0; i <= 5_000; i++) a.send(stroke(i));
    await runtime.settle();
    const b = await runtime.connect();
    const strokes = b.take().slice(2);
    expect([strokes.length, strokes[0], strokes.at(-1)]).toEqual([kept, stroke(5_001 - kept), stroke(5_000)]);
    expect(b.closed).toBeUndefined();
    expect(runtime.server.stats()).toMatchObject({ dropped: 0, slowConsumers: 0 });
  });
});

describe("the lobby of the machine example", () => {
  /** What a client was shown since the last look: the phase, the countdown, and the people with their places. */
  function views(client: TestClient): string[] {
    return client
      .take()
      .map((json) => JSON.parse(String(json)))
      .filter(({ type }) => type === "lobby")
      .map(({ phase, left, people: shown }) => {
        const names = shown.map(
          ({ name, plays, place }: { name: string; plays: boolean; place: number | null }) =>
            `${name}${plays ? "*" : ""}${place ?? ""}`,
        );
        return `${phase}${phase === "countdown" ? left : ""}: ${names.join(" ")}`;
      });
  }

  function open() {
    const authorize = ({ query }: { query: URLSearchParams }) => ({ name: query.get("name") ?? "" });
    const runtime = run({ authorize, handler: lobby });
    return { runtime, enter: (name: string) => runtime.connect({ query: { name } }) };
  }

  it("waits until two are in, counts down from 3, and starts a round", async () => {
    const { runtime, enter } = open();
    const ann = await enter("Ann");
    expect(JSON.parse(String(ann.received[0]))).toEqual({ type: "you", id: ann.id });
    await runtime.advance(60_000);
    expect(views(ann)).toEqual(["waiting: Ann"]);
    const bob = await enter("Bob");
    expect(views(bob).at(-1)).toBe("countdown3: Ann Bob");
    ann.take();
    await runtime.advance(1_000);
    await runtime.advance(1_000);
    expect(views(ann)).toEqual(["countdown2: Ann Bob", "countdown1: Ann Bob"]);
    await runtime.advance(1_000);
    expect(views(ann)).toEqual(["round: Ann* Bob*"]);
  });

  it("goes back to waiting when too few are left, and counts from 3 again", async () => {
    const { runtime, enter } = open();
    const [ann, bob] = [await enter("Ann"), await enter("Bob")];
    await runtime.advance(2_000);
    ann.take();
    bob.close();
    await runtime.settle();
    expect(views(ann)).toEqual(["waiting: Ann"]);
    await runtime.advance(60_000);
    expect(views(ann)).toEqual([]);
    await enter("Eve");
    expect(views(ann).at(-1)).toBe("countdown3: Ann Eve");
  });

  it("ends a round when all players have tapped, shows the order, and begins again after 5 s", async () => {
    const { runtime, enter } = open();
    const [ann, bob] = [await enter("Ann"), await enter("Bob")];
    await say(runtime, ann, "tap");
    await runtime.advance(3_000);
    const eve = await enter("Eve");
    expect(views(eve)).toEqual(["round: Ann* Bob* Eve"]);
    ann.take();
    await say(runtime, eve, "tap");
    await say(runtime, bob, "what?", "tap", "tap");
    expect(views(ann)).toEqual(["round: Bob*1 Ann* Eve"]);
    await say(runtime, ann, "tap");
    expect(views(eve).slice(-2)).toEqual(["round: Bob*1 Ann*2 Eve", "results: Bob*1 Ann*2 Eve"]);
    await runtime.advance(5_000);
    expect(views(eve).at(-1)).toBe("countdown3: Ann Bob Eve");
  });

  it("ends a round after 10 s, and does not wait for players who left", async () => {
    const { runtime, enter } = open();
    const [ann, bob] = [await enter("Ann"), await enter("Bob")];
    await runtime.advance(3_000);
    await say(runtime, bob, "tap");
    bob.close();
    await runtime.settle();
    expect(views(ann).at(-1)).toBe("round: Bob1 Ann*");
    await runtime.advance(9_999);
    expect(views(ann)).toEqual([]);
    await runtime.advance(1);
    expect(views(ann)).toEqual(["results: Bob1 Ann*"]);
    await runtime.advance(5_000);
    expect(views(ann)).toEqual(["waiting: Ann"]);
    const eve = await enter("Eve");
    await runtime.advance(3_000);
    await say(runtime, ann, "tap");
    eve.close();
    await runtime.settle();
    expect(views(ann).at(-1)).toBe("results: Ann*1");
  });
});

describe("the bot of the client example", () => {
  const HELLO = 'Hello! Say my name and "time", "roll" or "people".';

  function chat() {
    const runtime = run(createChat());
    const frames = (client: TestClient) => client.take().map((json) => JSON.parse(String(json)));
    return {
      runtime,
      bot: () => startBot("ws://chat/", { WebSocket: runtime.WebSocket }),
      names: (client: TestClient): string[] => frames(client).map(([name]) => name),
      said: (client: TestClient): string[] =>
        frames(client).flatMap(([name, it]) => (name === "said" ? [it.text] : [])),
      /** Whom the list of people has named. */
      members: (client: TestClient): string[] =>
        frames(client)
          .find(([name]) => name === "people")[1]
          .people.map(({ nick }: { nick: string }) => nick),
      /** A millisecond after all that was before, so that the list of people has an order. */
      async enter(nick: string) {
        await runtime.advance(1);
        const client = await runtime.connect();
        await say(runtime, client, JSON.stringify(["join", { nick, room: "lobby" }, 1]));
        return client;
      },
      speak: (client: TestClient, text: string) => say(runtime, client, JSON.stringify(["say", { text }])),
    };
  }

  it("greets who comes, and answers who says its name, but not itself", async () => {
    const { runtime, bot, enter, speak, said } = chat();
    const client = bot();
    await runtime.settle();
    const ann = await enter("Ann");
    expect(said(ann)).toEqual([HELLO, "Hello Ann!"]);
    await speak(ann, "Bot: people");
    await speak(ann, "bot what?");
    await speak(ann, "both of you: people");
    await speak(ann, "BOT, time please");
    expect(said(ann)).toEqual([
      "Bot: people",
      "Ann, here are Bot, Ann.",
      "bot what?",
      'Say my name and "time", "roll" or "people".',
      "both of you: people",
      "BOT, time please",
      `Ann, it is ${new Date(runtime.now()).toISOString()}.`,
    ]);
    await speak(ann, "bot roll");
    expect(said(ann)[1]).toMatch(/^Ann, you rolled [1-6]\.$/);
    const namesake = await enter("Bot too");
    namesake.take();
    await speak(namesake, "bot people");
    expect(said(namesake)).toEqual(["bot people", "Bot too, here are Bot, Ann, Bot too."]);
    client.close();
  });

  it("does not answer what was said before it came, nor again what it has answered", async () => {
    const { runtime, bot, enter, speak, said } = chat();
    const ann = await enter("Ann");
    await speak(ann, "bot roll");
    const client = bot();
    await runtime.settle();
    await speak(ann, "bot people");
    // Of two who came at the same time the keys, which are random, decide.
    const answer = expect.stringMatching(/^Ann, here are (Ann, Bot|Bot, Ann)\.$/);
    expect(said(ann)).toEqual(["bot roll", HELLO, "bot people", answer]);
    runtime.server.connections().at(-1)?.close(1001);
    await runtime.advance(500);
    expect(said(ann)).toEqual([HELLO]);
    client.close();
  });

  it("comes back after a lost connection without leaving, and is called otherwise if its name is taken", async () => {
    const { runtime, bot, enter, members, names } = chat();
    const client = bot();
    await runtime.settle();
    const ann = await enter("Ann");
    await runtime.settle();
    ann.take();
    runtime.server.connections()[0]?.close(1001);
    await runtime.advance(500);
    expect(members(await enter("Eve"))).toEqual(["Bot", "Ann", "Eve"]);
    expect(names(ann)).toEqual(["said", "joined", "rooms", "said"]);
    await runtime.advance(1);
    const other = bot();
    await runtime.settle();
    expect(members(await enter("Bob"))).toEqual(["Bot", "Ann", "Eve", "Bot 2", "Bob"]);
    client.close();
    other.close();
  });
});

describe("the handler of the push example", () => {
  it("passes on what the program tells it, and tells those who come later the last of it", async () => {
    const runtime = run({ handler: createPush() });
    const early = await runtime.connect();
    const tell = async (...told: object[]) => {
      for (const one of told) runtime.server.tell(one);
      await runtime.settle();
    };
    const apples = (cents: number) => ({ type: "price", item: "apples", cents });
    const news = (text: string) => ({ type: "news", text, at: runtime.now() });
    const parsed = (client: TestClient) => client.take().map((json) => JSON.parse(String(json)));
    await tell(apples(1), { type: "news", text: "Sale" }, apples(2));
    expect(parsed(early)).toEqual([apples(1), news("Sale"), apples(2)]);
    await tell(...Array.from({ length: 10 }, (_, i) => ({ type: "news", text: `${i}` })));
    const late = await runtime.connect();
    expect(parsed(late)).toEqual([apples(2), ...Array.from({ length: 10 }, (_, i) => news(`${i}`))]);
  });
});
