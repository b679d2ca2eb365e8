/**
 * Presence on one node against a model: whatever clients join, leave, show and close, each client's list and notices replay to what is so,
 * `joined` and `left` of a key alternate, and a key has at most one notice in a turn, unless a list is read (contract 19 and 20).
 */
import fc from "fast-check";
import type { Connection, PresenceNotice } from "sendall";
import { createTestRuntime, type TestClient } from "sendall/testing";
import { expect, test } from "vitest";

const ROOMS = ["hall", "cellar"] as const;
const KEYS = ["ann", "bob", "cid"] as const;
/** Two clients for each key: the tabs of a person. */
const CLIENTS = 6;
const GRACE_MS = 1_000;

type Room = (typeof ROOMS)[number];

type Act =
  | { readonly act: "join" | "leave" | "list"; readonly client: number; readonly room: Room }
  | { readonly act: "show"; readonly client: number; readonly info: number }
  | { readonly act: "close" | "open"; readonly client: number };

/** The acts of a turn, then the time until the next. */
interface Step {
  readonly acts: readonly Act[];
  readonly ms: number;
}

const room = fc.constantFrom(...ROOMS);
const client = fc.nat(CLIENTS - 1);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ act: fc.constantFrom("join", "leave", "list"), client, room }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant("show"), client, info: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constantFrom("close", "open"), client }) },
);
const step: fc.Arbitrary<Step> = fc.record({
  acts: fc.array(act, { minLength: 1, maxLength: 6 }),
  ms: fc.constantFrom(0, 0, 1, GRACE_MS / 2, GRACE_MS, 2 * GRACE_MS),
});

interface ModelKey {
  /** What each member shows, `null` if it has shown nothing, in the order of showing. */
  readonly members: Map<number, number | null>;
  info: number | null;
  until: number;
}

/** What was shown counts before the answers of `presence.info`, which are `null` here. */
const latestOf = ({ members }: ModelKey): number | null =>
  [...members.values()].findLast((info) => info !== null) ?? null;

/** What is so: who is in which room, what is shown, and until when a key without members is present. */
class Model {
  readonly graceMs: number;
  readonly #rooms = new Map<Room, Map<string, ModelKey>>();
  /** What connections have shown by themselves. */
  readonly #shown = new Map<number, number>();
  #now = 0;

  constructor(graceMs: number) {
    this.graceMs = graceMs;
  }

  keysOf(name: Room): Map<string, ModelKey> {
    const keys = this.#rooms.get(name) ?? new Map<string, ModelKey>();
    this.#rooms.set(name, keys);
    return keys;
  }

  join(one: number, name: Room): void {
    const keys = this.keysOf(name);
    const known = keys.get(keyOf(one)) ?? { members: new Map(), info: null, until: 0 };
    keys.set(keyOf(one), known);
    this.#put(known, one);
  }

  leave(one: number, name: Room): void {
    const keys = this.keysOf(name);
    const known = keys.get(keyOf(one));
    if (!known?.members.delete(one)) return;
    if (known.members.size > 0) known.info = latestOf(known);
    else if (this.graceMs === 0) keys.delete(keyOf(one));
    else known.until = this.#now + this.graceMs;
  }

  show(one: number, info: number): void {
    this.#shown.set(one, info);
    for (const keys of this.#rooms.values()) {
      const known = keys.get(keyOf(one));
      if (known?.members.delete(one)) this.#put(known, one);
    }
  }

  open(one: number): void {
    this.#shown.delete(one);
  }

  #put(known: ModelKey, one: number): void {
    known.members.set(one, this.#shown.get(one) ?? null);
    known.info = latestOf(known);
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const keys of this.#rooms.values())
      for (const [key, { members, until }] of keys) if (members.size === 0 && until <= this.#now) keys.delete(key);
  }

  list(name: Room): Map<string, number | null> {
    return new Map([...this.keysOf(name)].map(([key, { info }]) => [key, info] as const));
  }

  connections(name: Room): number {
    return [...this.keysOf(name).values()].reduce((sum, { members }) => sum + members.size, 0);
  }
}

const keyOf = (one: number): string => KEYS[one % KEYS.length] ?? "?";

type Message =
  | PresenceNotice
  | { readonly type: "shown"; readonly info: number }
  | { readonly type: "gone"; readonly room: Room }
  | { readonly type: "list"; readonly room: Room; readonly keys: readonly (readonly [string, number | null])[] };

/** A page: it replays lists and notices, and knows what it shows itself. */
class Page {
  readonly #key: string;
  /** The rooms of which it has a list since it joined. */
  readonly lists = new Map<string, Map<string, number | null>>();

  constructor(key: string) {
    this.#key = key;
  }

  hear(message: Message): void {
    if (message.type === "list") {
      this.lists.set(message.room, new Map(message.keys));
      return;
    }
    if (message.type === "shown") {
      for (const own of this.lists.values()) if (own.has(this.#key)) own.set(this.#key, message.info);
      return;
    }
    if (message.type === "gone") this.lists.delete(message.room);
    const list = this.lists.get(message.room);
    if (list === undefined || message.type === "gone" || message.type === "count") return;
    const { type, key, info } = message;
    // The own key may come after the page's own change, which it has applied already; of others the news alternate.
    if (key !== this.#key) expect([type, key, list.has(key)]).toEqual([type, key, type !== "joined"]);
    if (type === "left") list.delete(key);
    else list.set(key, info as number | null);
  }
}

/** Plays the steps. Throws where presence is not what the model says. */
async function play(steps: readonly Step[], graceMs: number): Promise<void> {
  const acts: (() => void)[] = [];
  const events: string[] = [];
  const known = new Map<string, Set<string>>(ROOMS.map((name) => [name, new Set()]));
  const runtime = createTestRuntime({
    presence: { graceMs, key: ({ query }) => query.get("key") ?? "?", notice: (notice) => JSON.stringify(notice) },
    handler(event) {
      if (event.type === "info") for (const run of acts.splice(0)) run();
      if (event.type !== "joined" && event.type !== "changed" && event.type !== "left") return;
      const keys = known.get(event.room);
      events.push(`${event.type} ${event.room} ${event.key}`);
      expect([event.type, keys?.has(event.key)]).toEqual([event.type, event.type !== "joined"]);
      if (event.type === "joined") keys?.add(event.key);
      if (event.type === "left") keys?.delete(event.key);
      expect([event.type, event.count]).toEqual([event.type, keys?.size]);
    },
  });
  const { server } = runtime;
  const model = new Model(graceMs);
  const clients: { client: TestClient; page: Page }[] = [];
  const connect = async (one: number): Promise<void> => {
    clients[one] = { client: await runtime.connect({ path: `/?key=${keyOf(one)}` }), page: new Page(keyOf(one)) };
    model.open(one);
  };
  for (let one = 0; one < CLIENTS; one++) await connect(one);
  const found = (one: number): Connection | undefined =>
    server.connections().find(({ id }) => id === clients[one]?.client.id);

  const run = (given: Act): void => {
    const { client: one } = given;
    const connection = found(one);
    const page = clients[one]?.page;
    if (connection === undefined || page === undefined) return;
    if (given.act === "join" && connection.join(given.room)) model.join(one, given.room);
    if (given.act === "leave" && connection.leave(given.room)) {
      model.leave(one, given.room);
      connection.send(JSON.stringify({ type: "gone", room: given.room }));
    }
    if (given.act === "show") {
      connection.show(given.info);
      model.show(one, given.info);
      // No notice comes back to the connection itself, so the program says it.
      connection.send(JSON.stringify({ type: "shown", info: given.info }));
    }
    if (given.act === "close" && connection.close()) for (const name of ROOMS) model.leave(one, name);
    if (given.act === "list" && connection.rooms.has(given.room)) {
      const list = server.present(given.room).map(({ key, info }) => [key, info] as const);
      expect(new Map(list as never)).toEqual(model.list(given.room));
      connection.send(JSON.stringify({ type: "list", room: given.room, keys: list }));
    }
  };

  for (const { acts: given, ms } of steps) {
    const isReading = given.some(({ act: what }) => what === "list" || what === "join" || what === "leave");
    acts.push(...given.filter(({ act: what }) => what !== "open").map((one) => () => run(one)));
    server.tell("run");
    await runtime.settle();
    // Two tabs that show something in one turn: what the earlier has applied itself may be undone without news.
    const shown = given
      .filter(({ act: what }) => what === "show" || what === "join")
      .map(({ client: one }) => keyOf(one));
    const isMixed = (key: string): boolean => shown.filter((other) => other === key).length > 1;
    for (const { client: own, page } of clients) {
      const messages = own.take().map((text): Message => JSON.parse(String(text)));
      const told = messages.flatMap((message) => ("key" in message ? [`${message.room} ${message.key}`] : []));
      if (!isReading) expect(told.length).toBe(new Set(told).size);
      for (const message of messages) page.hear(message);
    }
    if (!isReading) expect(events.length).toBe(new Set(events.map((text) => text.slice(text.indexOf(" ")))).size);
    events.length = 0;
    for (const [one, { page }] of clients.entries())
      for (const [name, list] of page.lists) {
        const truth = model.list(name as Room);
        if (found(one) === undefined) continue;
        if (isMixed(keyOf(one))) list.set(keyOf(one), truth.get(keyOf(one)) ?? null);
        expect([keyOf(one), name, list]).toEqual([keyOf(one), name, truth]);
      }
    await runtime.advance(ms);
    model.advance(ms);
    for (const name of ROOMS) {
      expect(new Map(server.present(name).map(({ key, info }) => [key, info] as never))).toEqual(model.list(name));
      expect(server.presentCount(name)).toEqual({ keys: model.list(name).size, connections: model.connections(name) });
    }
    await runtime.settle();
    for (const { client: own, page } of clients) for (const text of own.take()) page.hear(JSON.parse(String(text)));
    events.length = 0;
    for (const { act: what, client: one } of given) if (what === "open" && found(one) === undefined) await connect(one);
  }

  for (const { client: own } of clients) own.close();
  await runtime.settle();
  await runtime.advance(graceMs);
  for (const name of ROOMS) {
    expect(server.present(name)).toEqual([]);
    expect([...(known.get(name) ?? [])]).toEqual([]);
  }
  expect(server.stats().failures).toEqual([]);
  await runtime.close();
}

test.each([GRACE_MS, 0])(
  "whoever comes, goes and shows, a client's list and notices are what is so: graceMs %i",
  async (graceMs) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => play(steps, graceMs)),
      { numRuns: 150 },
    );
  },
  60_000,
);
