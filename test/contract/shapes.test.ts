/** The contract (docs/reference/contract.md) for every shape of a handler: each runs the same code, as far as its shape can say it. */
import fc from "fast-check";
import {
  type Bus,
  type Connection,
  type ConnectionId,
  channels,
  fromLogic,
  type Handler,
  noreply,
  perConnection,
  type ServeOptions,
  type ServerEvent,
} from "sendall";
import type { Channel } from "sendall/client";
import { protocol, type Schema } from "sendall/protocol";
import { createTestRuntime, type DialledClient, type TestClient, type TestRuntime } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { fromCallback, fromTransition } from "xstate";
import { nextRound } from "../../src/testing/runtime/driver.js";
import { HandStage, HandTransport } from "../unit/stage.js";

type Code = (event: ServerEvent, bus: Bus) => unknown;

/** The same code as a module: what is no callback is made an event again. */
function asModule(code: Code): Handler {
  return perConnection({
    init: (connection, bus) => code({ type: "open", connection }, bus),
    async handle(data, state, connection, bus) {
      await code({ type: "message", connection, data, text: String(data) }, bus);
      return noreply(state);
    },
    async away(state, connection, bus) {
      await code({ type: "away", connection }, bus);
      return noreply(state);
    },
    async back(missed, state, connection, bus) {
      await code({ type: "back", connection, ...missed }, bus);
      return noreply(state);
    },
    closed: (_state, connection, ending, bus) => code({ type: "closed", connection, ...ending }, bus),
  });
}

function asLoop(code: Code): Handler {
  return perConnection(async (connection, bus) => {
    await code({ type: "open", connection }, bus);
    const messages = connection[Symbol.asyncIterator]();
    for (let next = await messages.next(); ; next = await messages.next()) {
      if (next.done) {
        if (next.value !== undefined) await code({ type: "closed", connection, ...next.value }, bus);
        return;
      }
      const data = next.value;
      if (typeof data === "string" || Buffer.isBuffer(data))
        await code({ type: "message", connection, data, text: String(data) }, bus);
    }
  });
}

const anything: Schema<string> = {
  "~standard": { version: 1, vendor: "by hand", validate: (value) => ({ value: value as string }) },
};
const talk = protocol({ fromClient: { say: anything } });

/** The same code as the functions of a protocol, whose only message is a text. */
function asProtocol(code: Code): Handler {
  const handle = (event: unknown, { bus }: { readonly bus: unknown }): unknown =>
    code(event as ServerEvent, bus as Bus);
  return talk.handler({
    open: handle,
    say: (text, context) => handle({ type: "message", connection: context.connection, data: text, text }, context),
    away: handle,
    back: handle,
    closed: handle,
    error: handle,
  });
}

interface Shape {
  readonly make: (code: Code) => Handler;
  /** Whether a promise is awaited. */
  readonly awaits: boolean;
  /** Whether one event at a time runs, of whomever. */
  readonly isCentral: boolean;
  /** Whether clients speak to a channel. */
  readonly isChannel: boolean;
  /** Whether clients send messages of a protocol. */
  readonly isTyped?: boolean;
  /** A loop is not told that its connection is away. */
  readonly isLoop?: boolean;
}

const central = { awaits: true, isCentral: true, isChannel: false };
const each = { ...central, isCentral: false };
const asStateful = (code: Code): Handler => ({
  init: () => 0,
  async handle(event: ServerEvent, state: unknown, bus: Bus) {
    await code(event, bus);
    return state;
  },
});
const inChannel =
  (make: Shape["make"]): Shape["make"] =>
  (code) =>
    channels({ c: make(code) });

/** A client's text as it stands on the wire. */
function written(text: string, { isTyped = false, isChannel }: Shape): string {
  const message = isTyped ? JSON.stringify(["say", text]) : text;
  return isChannel ? `msg,c,${message}` : message;
}

const shapes: Record<string, Shape> = {
  "a function": { ...central, make: (code) => code },
  "a stateful object": { ...central, make: asStateful },
  "a callback logic": {
    ...central,
    awaits: false,
    make: (code) =>
      fromLogic(
        fromCallback<ServerEvent, { bus: Bus }>(({ input, receive }) =>
          receive((event) => void code(event, input.bus)),
        ),
      ),
  },
  "a transition logic": {
    ...central,
    awaits: false,
    make: (code) =>
      fromLogic(
        fromTransition(
          (state: { bus: Bus }, event: ServerEvent) => {
            code(event, state.bus);
            return state;
          },
          ({ input }: { input: { bus: Bus } }) => input,
        ),
      ),
  },
  "a module": { ...each, make: asModule },
  "a loop": { ...each, isLoop: true, make: asLoop },
  "the functions of a protocol": { ...central, isTyped: true, make: asProtocol },
  "the functions of a protocol in a channel": {
    ...central,
    isTyped: true,
    isChannel: true,
    make: inChannel(asProtocol),
  },
  "a function in a channel": { ...central, isChannel: true, make: inChannel((code) => code) },
  "a stateful object in a channel": { ...central, isChannel: true, make: inChannel(asStateful) },
  "a module in a channel": { ...each, isChannel: true, make: inChannel(asModule) },
  "a loop in a channel": { ...each, isLoop: true, isChannel: true, make: inChannel(asLoop) },
};

const BACK_AFTER_MS = 100;

/** A client of `sendall/client`, which comes back, and speaks to the channel if there is one. */
class Caller {
  readonly client: DialledClient;
  readonly #shape: Shape;
  readonly #channel: Channel | undefined;
  readonly #heard: string[] = [];

  constructor(client: DialledClient, shape: Shape) {
    this.client = client;
    this.#shape = shape;
    if (shape.isChannel) this.#channel = client.channel("c", { onMessage: (data) => this.#heard.push(String(data)) });
  }

  send(text: string): void {
    (this.#channel ?? this.client).send(written(text, { ...this.#shape, isChannel: false }));
  }

  get received(): string[] {
    return this.#channel === undefined ? this.client.received.map(String) : this.#heard;
  }
}

/** A client, which speaks to the channel if there is one. */
class Player {
  readonly client: TestClient;
  readonly #shape: Shape;

  constructor(client: TestClient, shape: Shape) {
    this.client = client;
    this.#shape = shape;
  }

  send(text: string): void {
    this.client.send(written(text, this.#shape));
  }

  get received(): string[] {
    const all = this.client.received.map(String);
    return this.#shape.isChannel ? all.flatMap((text) => (text.startsWith("msg,c,") ? [text.slice(6)] : [])) : all;
  }

  /** Whether our side has ended it, and if so with what, as far as the peer can know. */
  get ended(): unknown {
    if (!this.#shape.isChannel)
      return this.client.closed && `${this.client.closed.code} ${this.client.closed.reason}`.trim();
    return this.client.received.includes("uns,c") ? "uns" : undefined;
  }
}

class Play {
  readonly runtime: TestRuntime;
  readonly #shape: Shape;
  /** The connections as the handler knows them, in order of opening. */
  readonly #opened: Connection[] = [];

  constructor(shape: Shape, code: Code, options: Omit<ServeOptions, "handler" | "routes"> = {}) {
    this.#shape = shape;
    const noted: Code = (event, bus) => {
      if (event.type === "open") this.#opened.push(event.connection);
      return code(event, bus);
    };
    this.runtime = createTestRuntime({ ...options, failures: "supervise", handler: shape.make(noted) });
  }

  async connect(): Promise<Player> {
    const client = await this.runtime.connect();
    if (this.#shape.isChannel) client.send("sub,c");
    await this.runtime.settle();
    return new Player(client, this.#shape);
  }

  async dial(): Promise<Caller> {
    const reconnect = { minMs: BACK_AFTER_MS, maxMs: BACK_AFTER_MS, jitter: 0 };
    const caller = new Caller(this.runtime.dial("/", { reconnect }), this.#shape);
    await this.runtime.settle();
    return caller;
  }

  /** Comes in and talks in one go. */
  async rush(...messages: string[]): Promise<Player> {
    const player = new Player(await this.runtime.connect(), this.#shape);
    if (this.#shape.isChannel) player.client.send("sub,c");
    for (const text of messages) player.send(text);
    return player;
  }

  connection(number: number): Connection {
    const connection = this.#opened[number];
    if (connection === undefined) throw new Error(`${number} are not open`);
    return connection;
  }

  id(number: number): ConnectionId {
    return this.connection(number).id;
  }
}

/** Plays a property, each run on a server of its own. */
async function plays<T>(
  arbitrary: fc.Arbitrary<T>,
  play: (value: T, open: (...args: OpenArgs) => Play) => Promise<void>,
  shape: Shape,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitrary, async (value) => {
      const opened: Play[] = [];
      try {
        await play(value, (...args) => {
          const one = new Play(shape, ...args);
          opened.push(one);
          return one;
        });
      } finally {
        for (const one of opened) await one.runtime.close();
      }
    }),
    { numRuns: 20 },
  );
}
type OpenArgs = [code: Code, options?: Omit<ServeOptions, "handler" | "routes">];

/** A promise that somebody else fulfils. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

const FAILED = "1011 handler failed";

describe.each(Object.entries(shapes))("the contract for %s", (_name, shape) => {
  test("1: a connection's events are open, the messages in order, and closed once and last", async () => {
    const ending = fc.constantFrom("stay", "close", "fail", "server");
    const lives = fc.array(fc.record({ messages: fc.nat({ max: 20 }), ending }), { minLength: 1, maxLength: 5 });
    await plays(
      lives,
      async (clients, open) => {
        const seen = new Map<string, string[]>();
        const play = open((event) => {
          if (event.connection === undefined || event.type === "error") return;
          const events = seen.get(event.connection.id) ?? [];
          seen.set(event.connection.id, events);
          events.push(event.type === "message" ? event.text : event.type);
          if (event.type === "message" && event.text === "close me") event.connection.close();
        });
        const players: Player[] = [];
        for (const { messages, ending } of clients) {
          const texts = Array.from({ length: messages }, (_, i) => String(i));
          const player = await play.rush(...texts);
          players.push(player);
          if (ending === "close") player.client.close();
          if (ending === "fail") player.client.fail();
          if (ending === "server") player.send("close me");
          if (ending === "server") player.send("never");
          await play.runtime.settle();
        }
        for (const [i, { messages, ending }] of clients.entries()) {
          const expected = ["open", ...Array.from({ length: messages }, (_, n) => String(n))];
          if (ending === "server") expected.push("close me");
          if (ending !== "stay") expected.push("closed");
          expect(seen.get(play.id(i))).toEqual(expected);
        }
      },
      shape,
    );
  });

  if (shape.awaits)
    test("1: what arrives while an async open is running is handled after it", async () => {
      const events: string[] = [];
      const opening = gate();
      const stage = await HandStage.open({
        handler: shape.make(async ({ type }) => {
          if (type === "open") await opening.opened;
          events.push(type);
        }),
      });
      const wire = await stage.admit("/");
      if (!(wire instanceof HandTransport)) throw new Error("it was not let in");
      const said = [...(shape.isChannel ? ["sub,c"] : []), ...["a", "b"].map((text) => written(text, shape))];
      for (const text of said) wire.listener.message(text, text.length);
      await stage.settle();
      expect(events).toEqual([]);
      opening.open();
      await stage.settle();
      expect(events).toEqual(["open", "message", "message"]);
    });

  if (shape.awaits)
    test("2: the handler runs one event at a time, or one of each connection with the other connections beside it", async () => {
      const plan = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 3 })), { minLength: 10, maxLength: 20 });
      await plays(
        plan,
        async (messages, open) => {
          const running = new Map<string, number>();
          let [most, mostOfOne] = [0, 0];
          const play = open(async (event) => {
            if (event.type !== "message") return;
            const { id } = event.connection;
            running.set(id, (running.get(id) ?? 0) + 1);
            most = Math.max(
              most,
              [...running.values()].reduce((sum, n) => sum + n, 0),
            );
            mostOfOne = Math.max(mostOfOne, ...running.values());
            for (let i = Number(event.text); i >= 0; i--) await nextRound();
            running.set(id, (running.get(id) ?? 0) - 1);
          });
          const players = [await play.connect(), await play.connect(), await play.connect()];
          for (const [who, rounds] of messages) players[who]?.send(String(rounds));
          await play.runtime.settle();
          const senders = new Set(messages.map(([who]) => who)).size;
          expect([mostOfOne, shape.isCentral || senders === 1 ? most === 1 : most > 1]).toEqual([1, true]);
        },
        shape,
      );
    });

  test("3: every recipient sees the sends in the order of the calls", async () => {
    const call = fc.record({ who: fc.nat({ max: 2 }), verb: fc.constantFrom("unicast", "broadcast", "sendall") });
    await plays(
      fc.array(call, { minLength: 1, maxLength: 20 }),
      async (calls, open) => {
        const sent = new Map<string, string[]>();
        const note = (connections: readonly Connection[], text: string): void => {
          for (const { id } of connections) sent.set(id, [...(sent.get(id) ?? []), text]);
        };
        const play = open((event, bus) => {
          if (event.type !== "message") return;
          const { connection } = event;
          const { verb = "" } = calls[Number(event.text)] ?? {};
          const text = `${verb} ${event.text}`;
          if (verb === "unicast") bus.unicast(text, connection);
          if (verb === "broadcast") bus.broadcast(text, connection);
          if (verb === "sendall") bus.sendall(text);
          const others = bus.connections().filter((one) => one !== connection);
          note(verb === "unicast" ? [connection] : verb === "broadcast" ? others : bus.connections(), text);
          bus.sendall("next");
          note(bus.connections(), "next");
        });
        const players = [await play.connect(), await play.connect(), await play.connect()];
        for (const [i, { who }] of calls.entries()) players[who]?.send(String(i));
        await play.runtime.settle();
        for (const [i, player] of players.entries()) expect(player.received).toEqual(sent.get(play.id(i)) ?? []);
      },
      shape,
    );
  });

  test("4: broadcast leaves out the source and only the source, sendall nobody, in rooms too", async () => {
    const membership = fc.array(fc.subarray(["red", "blue"]), { minLength: 1, maxLength: 5 });
    const target = fc.option(fc.subarray(["red", "blue", "none"], { minLength: 1 }), { nil: undefined });
    await plays(
      fc.tuple(membership, target, fc.boolean()),
      async ([members, rooms, isBroadcast], open) => {
        const play = open((event, bus) => {
          if (event.type !== "message") return;
          const options = rooms === undefined ? undefined : { room: rooms };
          if (event.text !== "go") bus.join(event.connection, event.text);
          else if (isBroadcast) bus.broadcast("hit", event.connection, options);
          else bus.sendall("hit", options);
        });
        const players: Player[] = [];
        for (const joined of members) {
          const player = await play.connect();
          for (const room of joined) player.send(room);
          players.push(player);
        }
        await play.runtime.settle();
        players[0]?.send("go");
        await play.runtime.settle();
        for (const [i, player] of players.entries()) {
          const isMember = rooms === undefined || rooms.some((room) => members[i]?.some((joined) => joined === room));
          expect(player.received).toEqual(isMember && !(isBroadcast && i === 0) ? ["hit"] : []);
        }
      },
      shape,
    );
  });

  test("7: sending to a connection that has gone never throws, and is counted", async () => {
    const gone: Connection[] = [];
    const receipts: unknown[] = [];
    const play = new Play(shape, (event, bus) => {
      if (event.type === "closed") gone.push(event.connection);
      if (event.type !== "message") return;
      for (const connection of gone) receipts.push(bus.unicast("late", connection), connection.send("late"));
      receipts.push(bus.unicast("late", "no such id").dead, bus.sendall("all"));
    });
    const [stays, closes, fails] = [await play.connect(), await play.connect(), await play.connect()];
    closes.client.close();
    fails.client.fail();
    await play.runtime.settle();
    stays.send("go");
    await play.runtime.settle();
    const dead = { targeted: 1, queued: 0, dropped: 0, dead: 1 };
    expect(receipts).toEqual([dead, false, dead, false, 1, { targeted: 1, queued: 1, dropped: 0, dead: 0 }]);
    expect([play.runtime.server.stats().deadLetters, stays.received]).toEqual([5, ["all"]]);
    await play.runtime.close();
  });

  test("8: a connection whose events keep failing is closed, and no other", async () => {
    const closed: ConnectionId[] = [];
    // An actor of its own is in no state that could be relied on after its first failure.
    const allowed = shape.isCentral ? 2 : 0;
    const play = new Play(
      shape,
      (event) => {
        if (event.type === "closed") closed.push(event.connection.id);
        if (event.type !== "message") return;
        if (event.text === "throw") throw new Error("thrown");
        event.connection.send(event.text);
      },
      { supervise: { intensity: 2 } },
    );
    const [bad, good] = [await play.connect(), await play.connect()];
    for (let i = 0; i < allowed; i++) bad.send("throw");
    bad.send("before");
    await play.runtime.settle();
    expect([bad.received, bad.ended]).toEqual([["before"], undefined]);
    for (const text of ["throw", "never"]) bad.send(text);
    good.send("here");
    await play.runtime.settle();
    expect([bad.received, bad.ended]).toEqual([["before"], shape.isChannel ? "uns" : FAILED]);
    expect([good.received, good.ended]).toEqual([["here"], undefined]);
    // A loop that has thrown can be told nothing any more.
    if (!shape.isLoop) expect(closed).toEqual([play.id(0)]);
    expect(play.runtime.server.stats().failures.length).toBe(allowed + 1);
    await play.runtime.close();
  });

  test("9: what was sent before close arrives before the end", async () => {
    await plays(
      fc.nat({ max: 50 }),
      async (count, open) => {
        const play = open((event, bus) => {
          if (event.type !== "message") return;
          for (let i = 0; i < count; i++) bus.unicast(String(i), event.connection);
          bus.close(event.connection, 4001, "bye");
          bus.unicast("never", event.connection);
        });
        const player = await play.connect();
        player.send("go");
        await play.runtime.settle();
        expect(player.received).toEqual(Array.from({ length: count }, (_, i) => String(i)));
        expect(player.ended).toBe(shape.isChannel ? "uns" : "4001 bye");
        if (shape.isChannel) expect(player.client.received.at(-1)).toBe("uns,c");
      },
      shape,
    );
  });

  test("10: a closed connection is no target and no member at once, and keeps its rooms and data until closed is handled", async () => {
    for (const verb of ["close", "terminate"] as const) {
      const found: unknown[] = [];
      const play = new Play(shape, (event, bus) => {
        if (event.type === "open") event.connection.join("room");
        if (event.type === "message") {
          const { connection } = event;
          connection.data.nick = "ann";
          found.push(connection[verb](), connection.isOpen, connection.join("other"));
          found.push(bus.connections().includes(connection), bus.members("room").includes(connection));
          found.push(bus.sendall("gone", { room: "room" }).targeted);
        }
        if (event.type === "closed") found.push([...event.connection.rooms], event.connection.data.nick);
      });
      const [leaver, stayer] = [await play.connect(), await play.connect()];
      leaver.send("go");
      await play.runtime.settle();
      expect(found).toEqual([true, false, false, false, false, 1, ["room"], "ann"]);
      expect([play.connection(0).rooms.size, stayer.received, leaver.received]).toEqual([0, ["gone"], []]);
      await play.runtime.close();
    }
  });

  if (shape.awaits)
    test("11: when the peer closes, what arrived before is delivered; when our side closes, what waits is discarded", async () => {
      for (const isPeer of [true, false]) {
        const events: string[] = [];
        const blocked = gate();
        const play = new Play(shape, async (event) => {
          if (event.type === "message" && event.text === "0") await blocked.opened;
          if (event.type === "message") events.push(event.text);
          if (event.type === "closed") events.push(`closed ${event.code} ${event.by}`);
        });
        const player = await play.connect();
        for (const text of ["0", "1", "2"]) player.send(text);
        if (isPeer) player.client.close(4002, "bye");
        await expect(play.runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
        if (!isPeer) play.connection(0).close(4003, "enough");
        blocked.open();
        await play.runtime.settle();
        expect(events).toEqual(isPeer ? ["0", "1", "2", "closed 4002 peer"] : ["0", "closed 4003 server"]);
        await play.runtime.close();
      }
    });

  test("12 and 13: away and back alternate among the messages, which arrive once and in order, both ways", async () => {
    const cut = fc.record({ said: fc.nat({ max: 3 }), missed: fc.nat({ max: 3 }), waiting: fc.nat({ max: 3 }) });
    await plays(
      fc.array(cut, { minLength: 1, maxLength: 4 }),
      async (cuts, open) => {
        const events: string[] = [];
        const play = open(
          (event) => {
            if (event.type === "info" || event.type === "error") return;
            events.push(event.type === "message" ? event.text : event.type);
          },
          { resume: true },
        );
        const caller = await play.dial();
        const expected = ["open"];
        const replies: string[] = [];
        const numbered = (count: number): string[] =>
          Array.from({ length: count }, (_, i) => `${expected.length}.${i}`);
        for (const { said, missed, waiting } of cuts) {
          const [first, answers, second] = [
            numbered(said),
            numbered(missed),
            numbered(waiting).map((text) => `${text}w`),
          ];
          for (const text of first) caller.send(text);
          await play.runtime.settle();
          caller.client.disconnect();
          await play.runtime.settle();
          for (const text of answers) expect(play.connection(0).send(text)).toBe(true);
          for (const text of second) caller.send(text);
          await play.runtime.advance(BACK_AFTER_MS);
          expect(caller.client.status).toMatchObject({ state: "open", resumed: true });
          expected.push(...first, ...(shape.isLoop ? [] : ["away", "back"]), ...second);
          replies.push(...answers);
          expect([events, caller.received]).toEqual([expected, replies]);
        }
        caller.client.close();
        await play.runtime.settle();
        expect(events).toEqual([...expected, "closed"]);
      },
      shape,
    );
  });
});
