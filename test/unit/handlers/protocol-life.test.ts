/** The handler of a protocol over its life: the state, the events, the time limit, channels, sessions, and what the bus sends. */
import { type Connection, channels, type ServerEvent } from "sendall";
import { protocol, refuse } from "sendall/protocol";
import { createTestRuntime, type TestRuntime } from "sendall/testing";
import { describe, expect, test, vi } from "vitest";
import { memory } from "../../../src/testing/memory-cluster.js";
import { only } from "../protocol/protocols.js";
import { ask, type ChatFunctions, chat, silent, start, told } from "../protocol/stage.js";

const { said, news } = chat.fromServer;
const number = only<number>((value) => typeof value === "number");
const none = only<undefined>((value) => value === undefined);

/** Counts for its peers. */
const counter = protocol({
  fromClient: {
    add: number,
    addLater: number,
    count: { input: none, output: number },
    addAndFail: { input: number, output: number },
    addAndRefuse: { input: number, output: number },
    addWrongly: { input: number, output: number },
  },
});

function counting(seen: unknown[] = [], events: unknown[] = []) {
  return counter.handler({
    init({ bus }) {
      events.push(["init", bus.connections().length]);
      return { count: 0 };
    },
    add(n, { state, setState }) {
      setState({ count: state.count + n });
    },
    async addLater(n, context) {
      context.setState({ count: context.state.count + n });
      await context.bus.sleep(10);
      seen.push(context.state.count);
      context.setState({ count: context.state.count + n });
      seen.push(context.state.count);
    },
    count: (_none, { state }) => state.count,
    addAndFail(n, context) {
      context.setState({ count: context.state.count + n });
      seen.push(context.state.count);
      throw new Error("no");
    },
    addAndRefuse(n, context) {
      context.setState({ count: context.state.count + n });
      throw refuse("NO");
    },
    async addWrongly(n, context) {
      context.setState({ count: context.state.count + n });
      return "many" as never;
    },
    stop: ({ bus, state }) => void events.push(["stop", bus.connections().length, state.count]),
  });
}

describe("the state", () => {
  test("is what setState has set last, read back at once and kept for the next event", async () => {
    const seen: unknown[] = [];
    await using runtime = start(counting(seen));
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["add",1]', '["add",2]', '["count",1]')).toEqual(["[1,3]"]);
    client.send('["addLater",5]');
    client.send('["count",2]');
    await runtime.advance(10);
    expect([seen, client.take()]).toEqual([[8, 13], ["[2,13]"]]);
  });

  test.each<[name: string, answer: string]>([
    ["addAndFail", '[7,null,{"reason":"CALL_FAILED"}]'],
    ["addAndRefuse", '[7,null,{"reason":"NO","message":"NO"}]'],
    ["addWrongly", '[7,null,{"reason":"CALL_FAILED"}]'],
  ])("is as before after %s, which does not succeed", async (name, answer) => {
    await using runtime = start(counting());
    const client = await runtime.connect();
    expect(await ask(runtime, client, '["add",1]', `["${name}",5,7]`, '["count",8]')).toEqual([answer, "[8,1]"]);
  });

  test("is as before after an event that has run out of time, whatever the function sets later", async () => {
    const seen: unknown[] = [];
    await using runtime = start(counting(seen), { handlerTimeoutMs: 5 });
    const client = await runtime.connect();
    client.send('["addLater",5]');
    await runtime.advance(10);
    expect([seen, await ask(runtime, client, '["count",1]')]).toEqual([[5, 10], ["[1,0]"]]);
    expect(runtime.server.stats().failures).toMatchObject([{ error: { code: "HANDLER_TIMEOUT" } }]);
  });

  test("may be undefined, and may be set to undefined", async () => {
    const one = protocol({ fromClient: { clear: none, what: { input: none, output: only<boolean>(() => true) } } });
    const handler = one.handler({
      init: (): string | undefined => "some",
      clear: (_none, { setState }) => setState(undefined),
      what: (_none, { state }) => state === undefined,
    });
    await using runtime = start(handler);
    expect(await ask(runtime, await runtime.connect(), '["what",1]', '["clear"]', '["what",2]')).toEqual([
      "[1,false]",
      "[2,true]",
    ]);
  });

  test("is made by init before the first event, awaited, and given to stop after the last", async () => {
    const events: unknown[] = [];
    const runtime = start(counting([], events));
    const client = await runtime.connect();
    await ask(runtime, client, '["add",4]');
    expect(events).toEqual([["init", 0]]);
    await runtime.close();
    expect(events).toEqual([
      ["init", 0],
      ["stop", 0, 4],
    ]);
  });

  test("is made anew after a failure under restart", async () => {
    const events: unknown[] = [];
    await using runtime = start(counting([], events), { supervise: { strategy: "restart" } });
    const client = await runtime.connect();
    await ask(runtime, client, '["add",4]', '["addAndFail",1,1]');
    expect(await ask(runtime, client, '["count",2]')).toEqual(["[2,0]"]);
    expect(events).toEqual([
      ["init", 0],
      ["init", 1],
    ]);
  });

  test("is that of the last init, though an earlier one, which took too long, ends later", async () => {
    const one = protocol({ fromClient: { count: { input: none, output: number } } });
    const ends: ((count: number) => void)[] = [];
    let inits = 0;
    const init = () => (inits++ === 0 ? 0 : new Promise<number>((resolve) => ends.push(resolve)));
    const count = vi.fn((_none: undefined, { state }: { readonly state: number }) => {
      if (state === 0) throw new Error("no");
      return state;
    });
    await using runtime = start(one.handler({ init, count }), {
      handlerTimeoutMs: 100,
      supervise: { strategy: "restart", intensity: 5 },
    });
    const client = await runtime.connect();
    client.send('["count",1]');
    await runtime.advance(100);
    ends[1]?.(2);
    ends[0]?.(1);
    expect(await ask(runtime, client, '["count",2]')).toEqual(['[1,null,{"reason":"CALL_FAILED"}]', "[2,2]"]);
  });

  test("without init there is none in the context, and stop gets the bus alone", async () => {
    const stop = vi.fn();
    const who = vi.fn((_none: undefined, context: object) => Object.keys(context).sort());
    const runtime = start(chat.handler({ ...silent, who, stop }));
    expect(await ask(runtime, await runtime.connect(), '["who",1]')).toEqual(['[1,["bus","connection"]]']);
    await runtime.close();
    expect(stop).toHaveBeenCalledOnce();
    expect(Object.keys(stop.mock.calls[0]?.[0])).toEqual(["bus"]);
  });

  test("an init that fails keeps the server from starting", async () => {
    const one = protocol({ fromClient: { count: { input: none, output: number } } });
    const init = (): Promise<number> => Promise.reject(new Error("no database"));
    const runtime = start(one.handler({ init, count: (_none, { state }) => state }));
    await expect(runtime.connect()).rejects.toThrow("no database");
  });
});

describe("the events", () => {
  test("reach the functions of their names as they are, with the connection and the bus", async () => {
    const events: unknown[] = [];
    const note = (
      event: ServerEvent,
      { connection, bus }: { connection: Connection | undefined; bus: unknown },
    ): void => {
      const isSame = connection === event.connection && typeof (bus as { sendall: unknown }).sendall === "function";
      events.push([event.type, isSame]);
    };
    const all = { open: note, closed: note, error: note, info: note, idle: note };
    await using runtime = start(chat.handler({ ...silent, ...all } as ChatFunctions));
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    runtime.server.tell("to nobody");
    runtime.server.tell("to ann", ann.id);
    await runtime.settle();
    ann.close();
    await runtime.settle();
    bob.fail();
    await runtime.settle();
    expect(events).toEqual([
      ["open", true],
      ["open", true],
      ["info", true],
      ["info", true],
      ["closed", true],
      ["error", true],
      ["closed", true],
    ]);
  });

  test("of silence comes when the connection asked for it", async () => {
    const open: ChatFunctions["open"] = ({ connection }) => void connection.idle(100);
    const idle: ChatFunctions["idle"] = (event, { connection }) =>
      void connection.send(news(event.connection.openedAt));
    await using runtime = start(chat.handler({ ...silent, open, idle }));
    const client = await runtime.connect();
    await runtime.advance(100);
    expect(client.take()).toEqual([expect.stringMatching(/^\["news",\d+\]$/)]);
  });

  test("without a connection have none in the context", async () => {
    const info = vi.fn<NonNullable<ChatFunctions["info"]>>();
    await using runtime = start(chat.handler({ ...silent, info }));
    const ann = await runtime.connect();
    runtime.server.tell({ to: "nobody" });
    runtime.server.tell("ann", ann.id);
    await runtime.settle();
    expect(info.mock.calls.map(([{ data }, { connection }]) => [data, connection?.id])).toEqual([
      [{ to: "nobody" }, undefined],
      ["ann", ann.id],
    ]);
  });

  test("without a function are passed over, pings included", async () => {
    await using runtime = start(chat.handler(silent));
    const client = await runtime.connect();
    client.ping("x");
    runtime.server.tell("x");
    await runtime.settle();
    expect(await ask(runtime, client, '["who",1]')).toEqual(["[1]"]);
    expect(runtime.server.stats()).toMatchObject({ invalid: 0, failures: [] });
  });

  test("that fail are failures and are answered to nobody", async () => {
    const fail = (): never => {
      throw new Error("no");
    };
    await using runtime = start(chat.handler({ ...silent, open: fail, closed: fail, info: fail }));
    const client = await runtime.connect();
    await ask(runtime, client, '["who",1]');
    runtime.server.tell("x", client.id);
    await runtime.settle();
    expect(client.take()).toEqual([]);
    client.close();
    await runtime.settle();
    expect(runtime.server.stats().failures.map(({ event }) => event)).toEqual(["open", "info", "closed"]);
  });

  test("of a session that loses its socket are away and back", async () => {
    const events: string[] = [];
    const note = ({ type }: { type: string }): void => void events.push(type);
    const handler = chat.handler({
      ...silent,
      open: note,
      away: note,
      back: note,
      closed: note,
      who: () => events.length,
    });
    await using runtime = start(handler, { resume: true });
    const client = runtime.dial("/", { reconnect: { minMs: 100, maxMs: 100, jitter: 0 } });
    await runtime.settle();
    client.send('["who",1]');
    await runtime.settle();
    client.disconnect();
    await runtime.settle();
    client.send('["who",2]');
    await runtime.advance(100);
    client.close();
    await runtime.settle();
    expect([events, client.received]).toEqual([
      ["open", "away", "back", "closed"],
      ["[1,1]", "[2,3]"],
    ]);
  });

  test("of a call that is under way when the socket is lost: the answer waits for the session", async () => {
    let runs = 0;
    const who: ChatFunctions["who"] = async (_none, { bus }) => {
      await bus.sleep(50);
      return ++runs;
    };
    await using runtime = start(chat.handler({ ...silent, who }), { resume: true });
    const client = runtime.dial("/", { reconnect: { minMs: 100, maxMs: 100, jitter: 0 } });
    await runtime.settle();
    client.send('["who",1]');
    await runtime.settle();
    client.disconnect();
    await runtime.advance(50);
    expect([runs, client.received]).toEqual([1, []]);
    await runtime.advance(100);
    expect([runs, client.received]).toEqual([1, ["[1,1]"]]);
  });
});

describe("a call", () => {
  test("is answered after all that its function sent before, and before all that follows", async () => {
    const join: ChatFunctions["join"] = async ({ room }, { connection, bus }) => {
      connection.send(said({ text: "one" }));
      await bus.sleep(1);
      connection.join(room);
      bus.sendall(said({ text: "two" }), { room });
      bus.unicast(said({ text: "three" }), connection);
      return room;
    };
    const say: ChatFunctions["say"] = ({ text }, { bus }) => void bus.sendall(said({ text }));
    await using runtime = start(chat.handler({ ...silent, join, say }));
    const client = await runtime.connect();
    client.send('["join",{"room":"a"},7]');
    client.send('["say",{"text":"four"}]');
    await runtime.advance(1);
    expect(client.take().map(told)).toEqual([
      ["said", { text: "one" }],
      ["said", { text: "two" }],
      ["said", { text: "three" }],
      [7, "a"],
      ["said", { text: "four" }],
    ]);
  });

  test("that runs out of time is answered once, with CALL_FAILED, whatever happens later", async () => {
    const outcomes: Record<string, () => unknown> = {
      "1": () => "late",
      "2": () => {
        throw new Error("late");
      },
      "3": () => {
        throw refuse("LATE");
      },
    };
    const join: ChatFunctions["join"] = async ({ room }, { bus }) => {
      await bus.sleep(100);
      return outcomes[room]?.();
    };
    await using runtime = start(chat.handler({ ...silent, join }), { handlerTimeoutMs: 10 });
    const client = await runtime.connect();
    for (const room of ["1", "2", "3"]) client.send(`["join",{"room":"${room}"},${room}]`);
    client.send('["who",4]');
    await runtime.advance(200);
    expect(client.take()).toEqual([...[1, 2, 3].map((id) => `[${id},null,{"reason":"CALL_FAILED"}]`), "[4]"]);
    expect(runtime.server.stats().failures.map(({ error }) => (error as { code?: string }).code)).toEqual(
      Array(3).fill("HANDLER_TIMEOUT"),
    );
  });

  test("whose function leaks a rejection, or calls close, is still answered once", async () => {
    const who: ChatFunctions["who"] = async (_none, { bus }) => {
      Promise.reject(new Error("leaked"));
      await bus.sleep(1);
      return "done";
    };
    const join: ChatFunctions["join"] = (_room, { connection }) => void connection.close(4000, "bye");
    await using runtime = start(chat.handler({ ...silent, who, join }));
    const client = await runtime.connect();
    client.send('["who",1]');
    await runtime.advance(1);
    expect(client.take()).toEqual(['[1,"done"]']);
    expect(await ask(runtime, client, '["join",{"room":"a"},2]', '["who",3]')).toEqual([]);
    expect(client.closed).toEqual({ code: 4000, reason: "bye" });
    expect(runtime.server.stats().failures).toMatchObject([{ event: "rejection" }]);
  });

  test("whose peer has gone is answered to nobody, and costs nobody anything", async () => {
    const who: ChatFunctions["who"] = (_none, { bus }) => bus.sleep(10);
    await using runtime = start(chat.handler({ ...silent, who }));
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    ann.send('["who",1]');
    await runtime.settle();
    ann.disconnect();
    await runtime.advance(10);
    expect(await ask(runtime, bob, '["typing"]', '["join",{"room":"a"},1]')).toEqual(["[1]"]);
    expect(runtime.server.stats()).toMatchObject({ failures: [], connections: 1 });
  });

  test("with the id of another that waits is answered for itself", async () => {
    await using runtime = start(chat.handler({ ...silent, join: ({ room }) => room }));
    const calls = ["a", "b"].map((room) => `["join",{"room":"${room}"},7]`);
    expect(await ask(runtime, await runtime.connect(), ...calls)).toEqual(['[7,"a"]', '[7,"b"]']);
  });
});

describe("the bus of a handler", () => {
  test("sends what the protocol has made by every verb, and bytes", async () => {
    const say: ChatFunctions["say"] = ({ text }, { connection, bus }) => {
      connection.join("room");
      bus.sendall(said({ text: `${text} 1` }));
      bus.broadcast(said({ text: `${text} 2` }), connection);
      bus.unicast(said({ text: `${text} 3` }), connection);
      bus.members("room")[0]?.send(said({ text: `${text} 4` }));
      bus.connections()[1]?.send(news(5));
      connection.send(new Uint8Array([6]));
    };
    await using runtime = start(chat.handler({ ...silent, say }));
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    expect(await ask(runtime, ann, '["say",{"text":"n"}]')).toEqual([
      ...[1, 3, 4].map((n) => `["said",{"text":"n ${n}"}]`),
      Buffer.from([6]),
    ]);
    expect(bob.take()).toEqual([...[1, 2].map((n) => `["said",{"text":"n ${n}"}]`), '["news",5]']);
  });

  test("is not needed: the server sends what the protocol has made, too", async () => {
    await using runtime = start(chat.handler(silent));
    const client = await runtime.connect();
    runtime.server.sendall(said({ text: "from elsewhere" }));
    await runtime.settle();
    expect(client.take()).toEqual(['["said",{"text":"from elsewhere"}]']);
  });
});

test("a message that the protocol has made reaches every node of a cluster as made", async () => {
  const cluster = memory();
  const say: ChatFunctions["say"] = ({ text }, { connection, bus }) => void bus.broadcast(said({ text }), connection);
  const runtimes = [1, 2].map(() => createTestRuntime({ handler: chat.handler({ ...silent, say }), cluster }));
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 3; round++) for (const runtime of runtimes) await runtime.settle();
  };
  await settle();
  const [ann, bob] = await Promise.all(runtimes.map((runtime) => runtime.connect()));
  await settle();
  ann?.send('["say",{"text":"far"}]');
  await settle();
  expect([ann?.take(), bob?.take()]).toEqual([[], ['["said",{"text":"far"}]']]);
  for (const runtime of runtimes) await runtime.close();
});

describe("channels", () => {
  const ping = protocol({
    fromClient: { ping: { input: none, output: only<string>(() => true) } },
    fromServer: { said: number },
  });

  async function startChannels(options: object = {}): Promise<TestRuntime> {
    const say: ChatFunctions["say"] = ({ text }, { bus }) => void bus.sendall(said({ text }));
    return createTestRuntime({
      failures: "supervise",
      handler: channels({
        chat: chat.handler({ ...silent, say, join: ({ room }, { connection }) => connection.join(room) }),
        ping: ping.handler({
          init: () => 0,
          ping(_none, { state, setState, bus }) {
            setState(state + 1);
            bus.sendall(ping.fromServer.said(state + 1));
            return "pong";
          },
        }),
        plain: (event) => void (event.type === "message" && event.connection.send(event.text)),
      }),
      ...options,
    });
  }

  test("have a protocol each, and handlers of other shapes beside", async () => {
    await using runtime = await startChannels();
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    await ask(runtime, ann, "sub,chat", "sub,ping", "sub,plain");
    await ask(runtime, bob, "sub,chat");
    const sent = [
      'msg,chat,["say",{"text":"hi"}]',
      'msg,ping,["ping",7]',
      'msg,chat,["join",{"room":"a"},7]',
      "msg,plain,[7]",
    ];
    expect(await ask(runtime, ann, ...sent, 'msg,chat,["ping",8]')).toEqual([
      'msg,chat,["said",{"text":"hi"}]',
      'msg,ping,["said",1]',
      'msg,ping,[7,"pong"]',
      "msg,chat,[7,true]",
      "msg,plain,[7]",
      expect.stringMatching(/^msg,chat,\["!",.*\\"ping\\"/),
    ]);
    expect(bob.take()).toEqual(['msg,chat,["said",{"text":"hi"}]']);
    expect(runtime.server.stats().invalid).toBe(1);
  });

  test("end for a peer of too many invalid messages, and go on for the rest", async () => {
    await using runtime = await startChannels({ supervise: { intensity: 1 } });
    const [ann, bob] = [await runtime.connect(), await runtime.connect()];
    for (const client of [ann, bob]) await ask(runtime, client, "sub,chat", "sub,ping");
    await ask(runtime, ann, "msg,chat,x");
    expect(await ask(runtime, ann, "msg,chat,x", 'msg,ping,["ping",7]')).toEqual([
      expect.stringContaining("msg,chat,"),
      "uns,chat",
      'msg,ping,["said",1]',
      'msg,ping,[7,"pong"]',
    ]);
    expect(ann.closed).toBeUndefined();
    expect(await ask(runtime, bob, 'msg,chat,["who",1]')).toEqual(['msg,ping,["said",1]', "msg,chat,[1]"]);
  });
});
