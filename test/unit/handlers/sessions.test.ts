/** Sessions (option `resume`) as each shape of handler sees them: what a lost socket and a new one are told as, and what goes on meanwhile. */
import {
  type Bus,
  type Connection,
  channels,
  type Ending,
  fromLogic,
  idle,
  type LogicInput,
  noreply,
  perConnection,
  type Reply,
  reply,
  type ServeOptions,
  type ServerEvent,
  type StatefulHandler,
} from "sendall";
import { createTestRuntime, type DialledClient, type DialOptions, type TestRuntime } from "sendall/testing";
import { expect, test } from "vitest";
import { setup } from "xstate";

const GRACE_MS = 60_000;
const BACK_AFTER_MS = 100;
const RECONNECT = { minMs: BACK_AFTER_MS, maxMs: BACK_AFTER_MS, jitter: 0 };

type Options = Omit<ServeOptions, "routes">;
type Code = (event: ServerEvent, bus: Bus) => void;

function start(options: Options): TestRuntime {
  return createTestRuntime({ resume: { graceMs: GRACE_MS }, ...options });
}

async function dial(runtime: TestRuntime, options: DialOptions = {}): Promise<DialledClient> {
  const client = runtime.dial("/", { reconnect: RECONNECT, ...options });
  await runtime.settle();
  return client;
}

/** Loses the socket; the client waits. */
async function cut(runtime: TestRuntime, client: DialledClient): Promise<void> {
  client.disconnect();
  await runtime.settle();
  expect(client.state).toBe("waiting");
}

async function comeBack(runtime: TestRuntime, client: DialledClient): Promise<void> {
  await runtime.advance(BACK_AFTER_MS);
  expect(client.status).toMatchObject({ state: "open", resumed: true });
}

/** An event in a word or two. */
function tell(event: ServerEvent): string {
  if (event.type === "message") return event.text;
  if (event.type === "back") return `back ${event.replayed} ${event.lost}`;
  if (event.type === "closed") return `closed ${event.code} ${event.by} ${event.reason}`.trimEnd();
  return event.type;
}

test("a function gets away and back where they happened among the messages, and closed when the session ends", async () => {
  const events: string[] = [];
  await using runtime = start({ handler: (event) => void events.push(tell(event)) });
  const ann = await dial(runtime);
  ann.send("a");
  await runtime.settle();
  await cut(runtime, ann);
  expect(events).toEqual(["open", "a", "away"]);
  for (const text of ["one", "two"]) runtime.server.sendall(text);
  ann.send("b");
  await comeBack(runtime, ann);
  expect([events.splice(0), ann.take()]).toEqual([
    ["open", "a", "away", "back 2 0", "b"],
    ["one", "two"],
  ]);
  await cut(runtime, ann);
  await comeBack(runtime, ann);
  ann.close();
  await runtime.settle();
  expect(events).toEqual(["away", "back 0 0", "closed 1000 peer"]);
});

test("a handler that is busy while a peer loses socket after socket is told of a single absence", async () => {
  const events: string[] = [];
  await using runtime = start({
    async handler(event, bus) {
      if (event.type === "message" && event.text === "slow") await bus.sleep(20 * BACK_AFTER_MS);
      events.push(tell(event));
    },
  });
  const ann = await dial(runtime);
  ann.send("slow");
  await runtime.settle();
  for (let i = 0; i < 10; i++) {
    await cut(runtime, ann);
    runtime.server.sendall(`missed ${i}`);
    await comeBack(runtime, ann);
  }
  ann.send("last");
  await runtime.advance(10 * BACK_AFTER_MS);
  expect(events).toEqual(["open", "slow", "away", "back 1 0", "last"]);
  expect(ann.received).toEqual(Array.from({ length: 10 }, (_, i) => `missed ${i}`));
  expect(runtime.server.stats()).toMatchObject({ resumed: 10, away: 0 });
});

test("a session that nobody takes up again ends once graceMs has passed, with closed and nothing else", async () => {
  const events: string[] = [];
  await using runtime = start({ handler: (event) => void events.push(tell(event)) });
  const ann = await dial(runtime, { reconnect: false });
  ann.send("a");
  await runtime.settle();
  ann.disconnect();
  await runtime.advance(GRACE_MS - 1);
  expect(events.splice(0)).toEqual(["open", "a", "away"]);
  await runtime.advance(1);
  expect(events).toEqual(["closed 1006 lost away too long"]);
});

test.each([
  { of: "a connection", make: (handler: Code) => handler, greeting: [] },
  { of: "a subscription", make: (handler: Code) => channels({ news: handler }), greeting: ["sub,news"] },
])(
  "while away $of is open, a target and a member, keeps what is sent, and then has the newest request's facts",
  async ({ make, greeting }) => {
    const seen: unknown[] = [];
    let dials = 0;
    await using runtime = start({
      handler: make((event, bus) => {
        if (event.type === "open") event.connection.join("room");
        if (event.type !== "away" && event.type !== "back") return;
        const { connection } = event;
        const { isAway, isOpen, rooms, bufferedAmount } = connection;
        seen.push({ isAway, isOpen, rooms: rooms.size, pings: connection.ping(), dial: connection.headers["x-dial"] });
        seen.push(bus.sendall("hi", { room: "room" }), connection.bufferedAmount > bufferedAmount);
      }),
    });
    const ann = await dial(runtime, { headers: () => ({ "x-dial": String(++dials) }) });
    for (const text of greeting) ann.send(text);
    await runtime.settle();
    await cut(runtime, ann);
    const queued = { targeted: 1, queued: 1, dropped: 0, dead: 0 };
    const facts = { isOpen: true, rooms: 1 };
    expect(seen.splice(0)).toEqual([{ ...facts, isAway: true, pings: false, dial: "1" }, queued, true]);
    await comeBack(runtime, ann);
    expect(seen).toEqual([{ ...facts, isAway: false, pings: true, dial: "2" }, queued, true]);
    expect(ann.received.length).toBe(2);
  },
);

test("a stateful handler changes its state at away and back", async () => {
  const states: number[] = [];
  const counting: StatefulHandler<number> = {
    init: () => 0,
    handle(event, away) {
      states.push(away);
      if (event.type === "away") return away + 1;
      return event.type === "back" ? away - 1 : away;
    },
  };
  await using runtime = start({ handler: counting });
  const ann = await dial(runtime);
  await cut(runtime, ann);
  await comeBack(runtime, ann);
  ann.send("x");
  await runtime.settle();
  expect(states).toEqual([0, 0, 1, 0]);
});

test("a module has its callbacks away and back called with its state, and their replies are sent", async () => {
  const calls: unknown[] = [];
  await using runtime = start({
    handler: perConnection({
      init: () => "init",
      handle: (message, state) => reply(`${message} after ${state}`, "handle"),
      away(state, connection, bus) {
        calls.push(["away", state, connection.isAway, bus.connections().length]);
        return [reply("kept", state), noreply("away")];
      },
      async back(missed, state, connection) {
        calls.push(["back", missed, state, connection.isAway]);
        return reply("welcome back", "back");
      },
      closed: (state) => void calls.push(["closed", state]),
    }),
  });
  const ann = await dial(runtime);
  await cut(runtime, ann);
  await comeBack(runtime, ann);
  ann.send("hi");
  await runtime.settle();
  expect(ann.take()).toEqual(["kept", "welcome back", "hi after back"]);
  ann.close();
  await runtime.settle();
  expect(calls).toEqual([
    ["away", "init", true, 1],
    ["back", { replayed: 1, lost: 0 }, "away", false],
    ["closed", "handle"],
  ]);
});

test("a module without away and back keeps its state and goes on", async () => {
  await using runtime = start({
    handler: perConnection({ init: () => 0, handle: (message, count) => reply(`${message} ${count}`, count + 1) }),
  });
  const ann = await dial(runtime);
  ann.send("a");
  await runtime.settle();
  await cut(runtime, ann);
  ann.send("b");
  await comeBack(runtime, ann);
  expect(ann.received).toEqual(["a 0", "b 1"]);
});

test.each(["away", "back"] as const)(
  "a module whose %s throws or returns no reply loses its connection, with 1011, and closed follows",
  async (callback) => {
    for (const fail of [
      () => {
        throw new Error("thrown");
      },
      () => 5 as unknown as Reply<number>,
    ]) {
      const endings: unknown[] = [];
      const closings: unknown[] = [];
      await using runtime = start({
        failures: "supervise",
        handler: perConnection({
          init: () => 0,
          handle: (message, state) => reply(message, state),
          [callback]: fail,
          closed: (state, _connection, { code, by }) => void endings.push([state, code, by]),
        }),
      } as Options);
      const [ann, bob] = [await dial(runtime, { onClose: ({ code }) => closings.push(code) }), await dial(runtime)];
      await cut(runtime, ann);
      await runtime.advance(BACK_AFTER_MS);
      expect(endings).toEqual([[0, 1011, "server"]]);
      expect(closings).toEqual([1006, 1011]);
      expect(runtime.server.stats().failures).toMatchObject([{ event: callback }]);
      bob.send("still here");
      expect(await bob.next()).toBe("still here");
    }
  },
);

test("a loop waits on while its connection is away, and reads on when it is back", async () => {
  const log: unknown[] = [];
  let heard: Connection | undefined;
  await using runtime = start({
    handler: perConnection(async (connection, bus) => {
      heard = connection;
      for await (const message of connection) {
        if (typeof message === "symbol" || Buffer.isBuffer(message))
          throw new Error("it was neither silent nor binary");
        if (typeof message === "string") {
          log.push(message);
          if (message === "sleep") await bus.sleep(BACK_AFTER_MS / 2);
          if (message === "sleep") log.push("slept");
        } else log.push([message.data, connection.isAway, connection.isOpen, connection.signal.aborted]);
      }
      log.push("over");
    }),
  });
  const ann = await dial(runtime);
  ann.send("sleep");
  await runtime.settle();
  await cut(runtime, ann);
  runtime.server.tell("look");
  await runtime.advance(BACK_AFTER_MS / 2);
  expect(log).toEqual(["sleep", "slept", ["look", true, true, false]]);
  expect(heard?.send("kept")).toBe(true);
  ann.send("again");
  await runtime.advance(BACK_AFTER_MS / 2);
  expect(ann.status).toMatchObject({ state: "open", resumed: true });
  expect([log.splice(0).at(-1), ann.received]).toEqual(["again", ["kept"]]);
  ann.close();
  await runtime.settle();
  expect([log, heard?.signal.aborted]).toEqual([["over"], true]);
});

test("a loop ends with its session, and only then, if nobody comes back", async () => {
  const endings: (Ending | undefined)[] = [];
  await using runtime = start({
    handler: perConnection(async (connection) => {
      const messages = connection[Symbol.asyncIterator]();
      const { done, value } = await messages.next();
      if (done) endings.push(value);
    }),
  });
  const ann = await dial(runtime, { reconnect: false });
  ann.disconnect();
  await runtime.advance(GRACE_MS - 1);
  expect(endings).toEqual([]);
  await runtime.advance(1);
  expect(endings).toMatchObject([{ code: 1006, by: "lost", reason: "away too long" }]);
});

test("a machine sees away and back, and states may wait for them", async () => {
  const machine = setup({
    types: { events: {} as ServerEvent, input: {} as LogicInput, context: {} as LogicInput },
    delays: { patience: 1_000 },
    actions: { say: ({ context }, text: string) => void context.bus.sendall(text) },
  }).createMachine({
    context: ({ input }) => input,
    initial: "playing",
    states: {
      playing: { on: { away: "paused" } },
      paused: {
        on: { back: { target: "playing", actions: { type: "say", params: "on we go" } } },
        after: { patience: { target: "playing", actions: { type: "say", params: "on we go without" } } },
      },
    },
  });
  await using runtime = start({ handler: fromLogic(machine) });
  const [ann, bob] = [await dial(runtime), await dial(runtime)];
  await cut(runtime, ann);
  await comeBack(runtime, ann);
  expect([ann.take(), bob.take()]).toEqual([["on we go"], ["on we go"]]);
  const cleo = await dial(runtime, { reconnect: false });
  cleo.disconnect();
  await runtime.advance(999);
  expect(bob.take()).toEqual([]);
  await runtime.advance(1);
  expect(bob.take()).toEqual(["on we go without"]);
});

test("a machine that does not know away and back ignores them", async () => {
  const machine = setup({
    types: { events: {} as ServerEvent, input: {} as LogicInput, context: {} as LogicInput & { count: number } },
  }).createMachine({
    context: ({ input }) => ({ bus: input.bus, count: 0 }),
    on: {
      message: { actions: ({ context, event }) => void context.bus.sendall(event.data) },
    },
  });
  await using runtime = start({ handler: fromLogic(machine) });
  const ann = await dial(runtime);
  await cut(runtime, ann);
  ann.send("x");
  await comeBack(runtime, ann);
  expect(ann.received).toEqual(["x"]);
  expect(runtime.server.stats().failures).toEqual([]);
});

/** A channel that notes its events, with the number of the subscription. */
function noting(events: string[]): { handler(event: ServerEvent, bus: Bus): void; connections: Connection[] } {
  const connections: Connection[] = [];
  return {
    connections,
    handler(event) {
      const { connection } = event;
      if (connection === undefined) return;
      if (event.type === "open") connections.push(connection);
      events.push(`${connections.indexOf(connection)}: ${tell(event)}`);
      if (event.type === "message") connection.send(`echo ${event.text}`);
    },
  };
}

test("each subscription to a channel gets away and back of its own, and goes on without another sub", async () => {
  const news: string[] = [];
  const chat: string[] = [];
  const [noted, other] = [noting(news), noting(chat)];
  await using runtime = start({ handler: channels({ news: noted.handler, chat: other.handler }) });
  const ann = await dial(runtime);
  const heard: unknown[] = [];
  const opened: string[] = [];
  const channel = ann.channel("news", { onMessage: (text) => heard.push(text), onOpen: () => opened.push("news") });
  ann.channel("chat", { onOpen: () => opened.push("chat") });
  channel.send("a");
  await runtime.settle();
  await cut(runtime, ann);
  expect(noted.connections[0]).toMatchObject({ isAway: true, isOpen: true });
  expect(noted.connections[0]?.send("kept")).toBe(true);
  channel.send("b");
  await comeBack(runtime, ann);
  expect(noted.connections[0]).toMatchObject({ isAway: false, isOpen: true });
  expect(news).toEqual(["0: open", "0: a", "0: away", "0: back 1 0", "0: b"]);
  expect(chat).toEqual(["0: open", "0: away", "0: back 1 0"]);
  expect([heard, opened]).toEqual([
    ["echo a", "kept", "echo b"],
    ["news", "chat"],
  ]);
  ann.close();
  await runtime.settle();
  expect([news.at(-1), chat.at(-1)]).toEqual(["0: closed 1000 peer", "0: closed 1000 peer"]);
});

test("the subscriptions of a session that nobody takes up again end with it", async () => {
  const events: string[] = [];
  const { handler, connections } = noting(events);
  await using runtime = start({ handler: channels({ outer: channels({ inner: handler }) }) });
  const ann = await dial(runtime, { reconnect: false });
  for (const text of ["sub,outer", "msg,outer,sub,inner"]) ann.send(text);
  await runtime.settle();
  ann.disconnect();
  await runtime.advance(GRACE_MS - 1);
  expect([events, connections[0]?.isAway]).toEqual([["0: open", "0: away"], true]);
  await runtime.advance(1);
  expect(events.at(-1)).toBe("0: closed 1006 lost away too long");
  expect([connections[0]?.isAway, connections[0]?.isOpen]).toEqual([false, false]);
});

test("a subscription that our side closes while its socket is away stays closed, and the client is told when it is back", async () => {
  const events: string[] = [];
  const { handler, connections } = noting(events);
  await using runtime = start({ handler: channels({ news: handler }) });
  const ann = await dial(runtime);
  const closings: unknown[] = [];
  ann.channel("news", { onClose: ({ code, willRetry }) => closings.push([code, willRetry]) });
  await runtime.settle();
  await cut(runtime, ann);
  expect(connections[0]?.close(4001, "enough")).toBe(true);
  await runtime.settle();
  expect([events.splice(0), closings]).toEqual([["0: open", "0: away", "0: closed 4001 server enough"], []]);
  await comeBack(runtime, ann);
  expect([events, closings]).toEqual([[], [[1000, false]]]);
});

test("what is uncertain after a session has expired, sent again with its id, is handled once", async () => {
  const handled: string[] = [];
  const arrived: string[] = [];
  const seen = new Set<unknown>();
  await using runtime = start({
    resume: { graceMs: 1_000 },
    handler(event) {
      if (event.type !== "message") return;
      const { id, text } = JSON.parse(event.text);
      arrived.push(text);
      if (!seen.has(id)) handled.push(text);
      seen.add(id);
    },
  });
  const say = (id: number, text: string): void => void ann.send(JSON.stringify({ id, text }));
  const ways: string[] = [];
  const ann = runtime.dial("/", {
    reconnect: { minMs: 2_000, maxMs: 2_000, jitter: 0 },
    onOpen({ resumed, why, uncertain }) {
      ways.push(why);
      if (resumed) return;
      for (const message of uncertain) ann.send(message);
    },
  });
  await runtime.settle();
  say(1, "handled, and not acknowledged before the line is lost");
  await runtime.settle();
  await cut(runtime, ann);
  say(2, "waiting");
  await runtime.advance(2_000);
  expect(ways).toEqual(["new", "expired"]);
  const [first = "", second = ""] = handled;
  expect([handled, arrived]).toEqual([
    ["handled, and not acknowledged before the line is lost", "waiting"],
    [first, first, second],
  ]);
});

const IDLE_MS = 1_000;

/** Asks for silence, and notes when it was told of it. */
function listening(rung: number[]): ReturnType<typeof perConnection> {
  return perConnection({
    init: (connection) => connection.idle(IDLE_MS),
    handle: (_message, state) => noreply(state),
    idle(silence, state, _connection, bus) {
      expect(silence).toBe(idle);
      rung.push(bus.now());
      return noreply(state);
    },
  });
}

test.each([
  { of: "a connection", make: listening, greeting: [] },
  { of: "a subscription", make: (rung: number[]) => channels({ news: listening(rung) }), greeting: ["sub,news"] },
])(
  "the idle alarm of $of rests while the socket is away, and starts anew when it is back",
  async ({ make, greeting }) => {
    const AWAY_MS = 5 * IDLE_MS;
    const rung: number[] = [];
    await using runtime = start({ handler: make(rung) });
    const ann = await dial(runtime, { reconnect: { minMs: AWAY_MS, maxMs: AWAY_MS, jitter: 0 } });
    for (const text of greeting) ann.send(text);
    await runtime.settle();
    ann.disconnect();
    await runtime.advance(AWAY_MS + IDLE_MS - 1);
    expect([ann.status.resumed, rung]).toEqual([true, []]);
    await runtime.advance(1);
    expect(rung).toEqual([runtime.now()]);
  },
);
