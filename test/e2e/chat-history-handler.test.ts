/** What the chat keeps, without a port and in virtual time: who gets which messages of the past, once and in order. */
import type { HistoryHost, HistoryReading, HistoryStore, MessageToKeep, StoredMessage } from "sendall";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createChat } from "../../examples/chat/chat.js";

type Frame = readonly [name: unknown, payload: never];

/** What a page learns from entering a room. */
interface Entry {
  /** The names of the frames, each once if it comes several times in a row. */
  readonly order: readonly unknown[];
  readonly texts: readonly string[];
  readonly isComplete: boolean;
  readonly position: string;
}

interface Said {
  readonly nick: string;
  readonly text: string;
  readonly at: number;
  readonly position: string;
}

const DAY_MS = 86_400_000;

let runtime: TestRuntime;

beforeEach(() => {
  runtime = createTestRuntime(createChat());
});

afterEach(async () => {
  vi.restoreAllMocks();
  await runtime.close();
});

function take(client: Pick<TestClient, "take">): Frame[] {
  const frames: Frame[] = client.take().map((data) => JSON.parse(String(data)));
  return frames.filter(([name]) => name !== "rooms");
}

function said(frames: readonly Frame[]): Said[] {
  return frames.filter(([name]) => name === "said").map(([, message]) => message);
}

function texts(client: Pick<TestClient, "take">): string[] {
  return said(take(client)).map(({ text }) => text);
}

async function send(client: TestClient, ...frame: readonly unknown[]): Promise<void> {
  client.send(JSON.stringify(frame));
  await runtime.settle();
}

async function speak(client: TestClient, ...lines: readonly string[]): Promise<void> {
  for (const text of lines) await send(client, "say", { text });
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `m${from + i}`);
}

function read(frames: readonly Frame[]): Entry {
  const names = frames.map(([name]) => name);
  const [, answer] = frames.findLast(([name]) => name === 1) ?? [];
  return {
    order: names.filter((name, i) => name !== names[i - 1]),
    texts: said(frames).map(({ text }) => text),
    ...(answer as never as Pick<Entry, "isComplete" | "position">),
  };
}

interface Wish {
  readonly nick?: string;
  readonly room?: string;
  readonly after?: string;
}

async function join(client: TestClient, { nick = "Eve", room = "lobby", after }: Wish = {}): Promise<Entry> {
  client.take();
  await send(client, "join", { nick, room, after }, 1);
  return read(take(client));
}

async function enter(nick: string, room = "lobby"): Promise<TestClient> {
  const client = await runtime.connect();
  await join(client, { nick, room });
  return client;
}

/** Keeps everything, and takes a second for each answer. */
class SlowStore implements HistoryStore {
  readonly #entries: StoredMessage[] = [];
  #host: HistoryHost | undefined;

  open(host: HistoryHost): void {
    this.#host = host;
  }

  append(entry: MessageToKeep): string {
    const position = `p${this.#entries.length}`;
    this.#entries.push({ ...entry, position });
    return position;
  }

  async read(): Promise<HistoryReading> {
    const entries = [...this.#entries];
    await new Promise<void>((resolve) => this.#host?.clock.after(1_000, resolve));
    return { outcome: "complete", entries, position: entries.at(-1)?.position ?? "start" };
  }

  trim(): void {}

  close(): void {}
}

describe("what the chat keeps", () => {
  it("gives a newcomer the last 50 messages once, oldest first, before the list of people and the answer", async () => {
    const ada = await enter("Ada");
    await speak(ada, ...numbered(1, 60));
    const eve = await runtime.connect();
    const { order, texts: past } = await join(eve);
    expect(past).toEqual(numbered(11, 60));
    expect(order).toEqual(["entered", "said", "people", 1]);
    await speak(ada, "m61");
    expect(texts(eve)).toEqual(["m61"]);
  });

  it("shows the past with the names and times of then, and nothing of another room", async () => {
    const [ada, bob] = [await enter("Ada"), await enter("Bob", "garden")];
    const then = runtime.now();
    await speak(ada, "I am Ada");
    await speak(bob, "in the garden");
    await runtime.advance(60_000);
    await join(ada, { nick: "Augusta" });
    await speak(ada, "I am Augusta");
    const eve = await runtime.connect();
    await send(eve, "join", { nick: "Eve", room: "lobby" }, 1);
    expect(said(take(eve))).toMatchObject([
      { nick: "Ada", text: "I am Ada", at: then },
      { nick: "Augusta", text: "I am Augusta", at: then + 60_000 },
    ]);
  });

  it("brings a page that says what it has what came after, however often it comes back", async () => {
    const ada = await enter("Ada");
    await speak(ada, "before");
    const first = await join(await runtime.connect());
    await speak(ada, ...numbered(1, 120));
    const second = await join(await runtime.connect(), { nick: "Eva", after: first.position });
    expect(second).toMatchObject({ texts: numbered(1, 120), isComplete: true });
    const third = await join(await runtime.connect(), { nick: "Evi", after: second.position });
    expect(third).toMatchObject({ texts: [], isComplete: true, position: second.position });
  });

  it("takes the position in each message, and that of a room in which nobody has spoken", async () => {
    const ada = await enter("Ada", "new");
    const empty = await join(await runtime.connect(), { room: "new" });
    expect(empty.texts).toEqual([]);
    ada.take();
    await speak(ada, "one", "two");
    const [one] = said(take(ada));
    const late = async (nick: string, after = "") => join(await runtime.connect(), { nick, room: "new", after });
    expect(await late("Eva", empty.position)).toMatchObject({ texts: ["one", "two"], isComplete: true });
    expect(await late("Evi", one?.position)).toMatchObject({ texts: ["two"], isComplete: true });
  });

  it("gives the last 50 messages, and says that some are missing, where too much was said meanwhile", async () => {
    const ada = await enter("Ada");
    const { position } = await join(await runtime.connect());
    await speak(ada, ...numbered(1, 201));
    const back = await join(await runtime.connect(), { nick: "Eva", after: position });
    expect(back).toMatchObject({ texts: numbered(152, 201), isComplete: false });
    await speak(ada, "m202");
    expect(await join(await runtime.connect(), { nick: "Evi", after: back.position })).toMatchObject({
      texts: ["m202"],
      isComplete: true,
    });
  });

  it.each([
    ["nothing that this server has given", "nonsense"],
    ["an empty string", ""],
    ["a position of another server", "0123456789ab-11"],
  ])("gives the last messages to a page that has %s", async (_case, after) => {
    const ada = await enter("Ada");
    await speak(ada, ...numbered(1, 60));
    const eve = await runtime.connect();
    expect(await join(eve, { after })).toMatchObject({ texts: numbered(11, 60), isComplete: false });
    await speak(ada, "m61");
    expect(texts(eve)).toEqual(["m61"]);
  });

  it("does not tell others of a page that begins anew", async () => {
    const ada = await enter("Ada");
    await speak(ada, "hello");
    const eve = await enter("Eve");
    take(ada);
    await join(eve, { after: "nonsense" });
    await join(eve);
    await runtime.advance(60_000);
    expect(take(ada)).toEqual([]);
  });

  it("gives the past again to a member who asks for the room again", async () => {
    const ada = await enter("Ada");
    await speak(ada, "one", "two");
    expect(await join(ada, { nick: "Ada" })).toMatchObject({ texts: ["one", "two"], isComplete: true });
    await speak(ada, "three");
    expect(texts(ada)).toEqual(["three"]);
  });

  it("keeps a room for a day after everybody has left, or for as long as it is told", async () => {
    const late = async (nick: string): Promise<readonly string[]> => {
      const client = await runtime.connect();
      const { texts: past } = await join(client, { nick });
      client.close();
      return past;
    };
    const ada = await enter("Ada");
    await speak(ada, "hello");
    ada.close();
    await runtime.advance(DAY_MS - 1_000);
    expect(await late("Eve")).toEqual(["hello"]);
    await runtime.advance(2_000);
    expect(await late("Eva")).toEqual([]);
    await runtime.close();
    runtime = createTestRuntime(createChat({ maxAgeMs: 3 * DAY_MS }));
    await speak(await enter("Ada"), "hello");
    await runtime.advance(2 * DAY_MS);
    expect(await late("Evi")).toEqual(["hello"]);
  });

  it("has room for the last 50 messages, whatever they are", async () => {
    const ada = await enter("\ud83d\ude00".repeat(12));
    const longest = "\u0001".repeat(997);
    await speak(ada, ...numbered(110, 170).map((name) => `${name.slice(1)}${longest}`));
    const { texts: past } = await join(await runtime.connect());
    expect(past.map((text) => text.slice(0, 3))).toEqual(numbered(121, 170).map((name) => name.slice(1)));
  });

  it("tells who is there at once, and the past of a slow store before what comes, once", async () => {
    await runtime.close();
    runtime = createTestRuntime(createChat({ store: new SlowStore() }));
    const [ada, eve] = [await runtime.connect(), await runtime.connect()];
    const ask = (client: TestClient, nick: string) => client.send(JSON.stringify(["join", { nick, room: "lobby" }, 1]));
    ask(ada, "Ada");
    await runtime.advance(1_000);
    await speak(ada, "one", "two");
    eve.take();
    ask(eve, "Eve");
    await runtime.advance(999);
    ada.send(JSON.stringify(["say", { text: "three" }]));
    expect(take(eve).map(([name]) => name)).toEqual(["entered", "people"]);
    await runtime.advance(1);
    const { order, texts: heard } = read(take(eve));
    expect({ order, heard }).toEqual({ order: ["said", 1, "said"], heard: ["one", "two", "three"] });
  });

  it("lets people into a room whose past cannot be read, and tells whoever runs the chat", async () => {
    const errors = vi.spyOn(console, "error").mockReturnValue();
    const store = new SlowStore();
    vi.spyOn(store, "read").mockRejectedValue(new Error("the disk is gone"));
    await runtime.close();
    runtime = createTestRuntime(createChat({ store }));
    const [ada, eve] = [await enter("Ada"), await runtime.connect()];
    expect(await join(eve)).toMatchObject({ texts: [], isComplete: false });
    await speak(ada, "hello");
    expect(texts(eve)).toEqual(["hello"]);
    expect(errors).toHaveBeenCalledWith(expect.stringMatching(/lobby.*the disk is gone/));
  });
});
