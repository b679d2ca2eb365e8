/** `channels`: the wire, what a channel's handler sees of its subscriptions, and how far its verbs reach. */
import {
  type Bus,
  type Connection,
  channels,
  fromLogic,
  type Handler,
  type LogicInput,
  perConnection,
  reply,
  type ServerEvent,
  type UpgradeRequest,
} from "sendall";
import { createTestRuntime, type TestClient } from "sendall/testing";
import { describe, expect, test } from "vitest";
import { createMachine, fromCallback } from "xstate";
import { failures } from "../actors/failing.js";
import { HandStage, Lines } from "../stage.js";

const FAILED = { code: 1011, reason: "handler failed" };

/** A promise that somebody else fulfils. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

function echo(event: ServerEvent): void {
  if (event.type === "message") event.connection.send(event.data);
}

/** Notes what it sees, as lines. */
function noting(lines: string[]): (event: ServerEvent) => void {
  return (event) => {
    if (event.type === "info") lines.push(`info ${event.data}`);
    else if (event.type === "message") lines.push(`message ${event.text}`);
    else if (event.type === "closed") lines.push(`closed ${event.code} ${event.reason} ${event.wasClean} ${event.by}`);
    else lines.push(event.type);
  };
}

/** Subscribed to what it is told. */
async function subscribed(
  runtime: { connect(): Promise<TestClient>; settle(): Promise<void> },
  ...names: string[]
): Promise<TestClient> {
  const client = await runtime.connect();
  for (const name of names) client.send(`sub,${name}`);
  await runtime.settle();
  return client;
}

describe("the wire", () => {
  test.each<[string, string, string]>([
    ["a word", "hello", "hello"],
    ["nothing", "", ""],
    ["commas", "a,b,,c,", "a,b,,c,"],
    ["newlines and NUL", "a\nb\r\n\0c", "a\nb\r\n\0c"],
    ["the last characters there are", "\uffff\u{10ffff}", "\uffff\u{10ffff}"],
    ["half a pair, which UTF-8 cannot say", "a\ud800b", "a\ufffdb"],
    ["what looks like another message", "msg,a,uns,a", "msg,a,uns,a"],
  ])("carries %s as a payload", async (_what, sent, received) => {
    const texts: string[] = [];
    await using runtime = createTestRuntime({
      handler: channels({
        a(event) {
          if (event.type === "message") texts.push(event.text);
          echo(event);
        },
      }),
    });
    const client = await subscribed(runtime, "a");
    client.send(`msg,a,${sent}`);
    await runtime.settle();
    expect([texts, client.take()]).toEqual([[received], [`msg,a,${received}`]]);
  });

  test("carries bytes in binary messages, words and all, and bytes come as bytes", async () => {
    const got: unknown[] = [];
    await using runtime = createTestRuntime({
      handler: channels({
        é(event, bus) {
          if (event.type === "message") got.push(event.data, event.text);
          echo(event);
          if (event.type === "message") bus.unicast(new Uint8Array([0, 44, 255]).buffer, event.connection);
        },
      }),
    });
    const client = await runtime.connect();
    client.send(Buffer.from("sub,é"));
    client.send(Buffer.concat([Buffer.from("msg,é,"), Buffer.from([1, 44, 200])]));
    await runtime.settle();
    client.send(Buffer.from("uns,é"));
    client.send(Buffer.from("uns,é"));
    await runtime.settle();
    expect(got).toEqual([Buffer.from([1, 44, 200]), Buffer.from([1, 44, 200]).toString()]);
    expect(client.take()).toEqual([
      Buffer.concat([Buffer.from("msg,é,"), Buffer.from([1, 44, 200])]),
      Buffer.concat([Buffer.from("msg,é,"), Buffer.from([0, 44, 255])]),
      "err,é,not subscribed",
    ]);
  });

  test.each([
    ["sub,nobody", "err,nobody,there is no such channel"],
    ["sub,", "err,,there is no such channel"],
    ["uns,", "err,,not subscribed"],
    ["sub,a,b", "err,a,there is no such channel"],
    ["sub,__proto__", "err,__proto__,there is no such channel"],
    ["msg,a,early", "err,a,not subscribed"],
    ["uns,a", "err,a,not subscribed"],
    ["msg,nobody,x", "err,nobody,not subscribed"],
    [`sub,${"x".repeat(100)}`, `err,${"x".repeat(100)},there is no such channel`],
    ["", "err,,expected sub,name or msg,name,payload or uns,name"],
    ["hello", "err,,expected sub,name or msg,name,payload or uns,name"],
    ["sub", "err,,expected sub,name or msg,name,payload or uns,name"],
    ["msg,a", "err,,expected sub,name or msg,name,payload or uns,name"],
    ["SUB,a", "err,,expected sub,name or msg,name,payload or uns,name"],
    ["\0\ud800", "err,,expected sub,name or msg,name,payload or uns,name"],
  ])("answers %j with %j, as text and as bytes, and changes nothing", async (said, answer) => {
    const seen: string[] = [];
    await using runtime = createTestRuntime({ handler: channels({ a: noting(seen), b: noting(seen) }) });
    const client = await runtime.connect();
    client.send(said);
    client.send(Buffer.from(said));
    await runtime.settle();
    expect(client.take()).toEqual([answer, said === "sub,a,b" ? expect.stringMatching(/^err,a,/) : answer]);
    expect([seen, client.closed]).toEqual([[], undefined]);
    client.send("sub,a");
    await runtime.settle();
    expect([seen, client.take()]).toEqual([["open"], []]);
  });

  test("answers a name that is too long without the name, however long it is", async () => {
    await using runtime = createTestRuntime({ handler: channels({ a: () => {} }) });
    const client = await runtime.connect();
    const longest = "x".repeat(1_024);
    for (const said of [`sub,${longest}`, `uns,${longest}`, `msg,${longest},x`]) client.send(said);
    await runtime.settle();
    expect(client.take()).toEqual([
      `err,${longest},there is no such channel`,
      `err,${longest},not subscribed`,
      `err,${longest},not subscribed`,
    ]);
    for (const name of [`${longest}x`, "x".repeat(1_000_000)])
      for (const said of [`sub,${name}`, `uns,${name}`, `msg,${name},x`, `sub,${name},x`, Buffer.from(`sub,${name}`)])
        client.send(said);
    await runtime.settle();
    expect(client.take()).toEqual(Array(10).fill("err,,a channel's name has at most 1024 characters"));
    client.send("sub,a");
    await runtime.settle();
    expect([client.take(), client.closed]).toEqual([[], undefined]);
  });

  test("answers a second sub with err, and the subscription goes on", async () => {
    const seen: string[] = [];
    await using runtime = createTestRuntime({ handler: channels({ a: noting(seen) }) });
    const client = await subscribed(runtime, "a", "a");
    client.send("msg,a,x");
    await runtime.settle();
    expect([seen, client.take()]).toEqual([["open", "message x"], ["err,a,subscribed already"]]);
  });

  test("says uns where our side ends a channel, after what was sent, and takes a new sub", async () => {
    const seen: string[] = [];
    const note = noting(seen);
    await using runtime = createTestRuntime({
      handler: channels({
        a(event, bus) {
          note(event);
          if (event.type !== "message") return;
          bus.unicast("last", event.connection);
          expect(bus.close(event.connection, 4001, "enough")).toBe(true);
          expect(event.connection.send("never")).toBe(false);
          expect(event.connection.close()).toBe(false);
        },
      }),
    });
    const client = await subscribed(runtime, "a");
    // The second is discarded, the third is not yet known to have no reader, the fourth crosses our `uns`.
    for (const said of ["msg,a,x", "msg,a,y"]) client.send(said);
    await runtime.settle();
    for (const said of ["msg,a,z", "uns,a", "msg,a,again"]) client.send(said);
    await runtime.settle();
    expect(client.take()).toEqual(["msg,a,last", "uns,a", "err,a,not subscribed"]);
    expect(seen).toEqual(["open", "message x", "closed 4001 enough true server"]);
    expect(runtime.server.stats().discarded).toBe(1);
    client.send("sub,a");
    await runtime.settle();
    expect([seen.at(-1), client.take(), client.closed]).toEqual(["open", [], undefined]);
  });
});

describe("a subscription", () => {
  test("is a connection of its own, with the facts of its socket and a copy of its data", async () => {
    const found: Connection<{ nick: string }>[] = [];
    await using runtime = createTestRuntime({
      authorize: ({ query }: UpgradeRequest) => ({ nick: query.get("nick") ?? "" }),
      handler: channels({
        a(event) {
          if (event.type !== "open") return;
          found.push(event.connection);
          event.connection.data.nick += " in a";
        },
        b(event) {
          if (event.type === "open") found.push(event.connection);
        },
      }),
    });
    const client = await runtime.connect({
      path: "/x",
      query: { nick: "ann" },
      headers: { cookie: "c=1" },
      remoteAddress: "10.0.0.1",
    });
    for (const name of ["a", "b"]) client.send(`sub,${name}`);
    await runtime.settle();
    const [socket] = runtime.server.connections();
    expect(found.map(({ data }) => data.nick)).toEqual(["ann in a", "ann"]);
    expect(socket?.data.nick).toBe("ann");
    expect(new Set([...found, socket].map((one) => one?.id)).size).toBe(3);
    for (const one of found) {
      const facts = [
        "path",
        "params",
        "headers",
        "cookies",
        "origin",
        "protocol",
        "version",
        "remoteAddress",
        "remotePort",
        "localAddress",
        "secure",
        "peerCertificate",
        "transport",
        "roundTripMs",
        "bufferedAmount",
        "isOpen",
      ] as const;
      for (const fact of facts) expect([fact, one[fact]]).toEqual([fact, socket?.[fact]]);
      expect(one.query.get("nick")).toBe("ann");
    }
  });

  test("opens with sub, gets its own messages in order, and closes with uns, once", async () => {
    const [a, b]: [string[], string[]] = [[], []];
    await using runtime = createTestRuntime({ handler: channels({ a: noting(a), b: noting(b) }) });
    const client = await subscribed(runtime, "a", "b");
    for (const said of ["msg,a,1", "msg,b,2", "msg,a,3", "uns,a", "msg,b,4"]) client.send(said);
    await runtime.settle();
    expect(a).toEqual(["open", "message 1", "message 3", "closed 1000  true peer"]);
    expect(b).toEqual(["open", "message 2", "message 4"]);
    client.close(4000, "bye");
    await runtime.settle();
    expect([a.length, b.at(-1), client.received]).toEqual([4, "closed 4000 bye true peer", []]);
  });

  test.each<[string, (client: TestClient) => void, string[]]>([
    ["the peer closes", (client) => client.close(4002, "bye"), ["closed 4002 bye true peer"]],
    ["the socket fails", (client) => client.fail(), ["error", "closed 1006  false lost"]],
  ])("ends with its socket when %s, and what had arrived is delivered", async (_what, end, last) => {
    const blocked = gate();
    const [a, b]: [string[], string[]] = [[], []];
    await using runtime = createTestRuntime({
      handler: channels({
        async a(event) {
          if (event.type === "message" && event.text === "wait") await blocked.opened;
          noting(a)(event);
        },
        b: noting(b),
      }),
    });
    const client = await runtime.connect();
    // All in one go: what is subscribed to may have gone by then.
    for (const said of ["sub,a", "sub,b", "msg,a,wait", "msg,a,1", "msg,b,2"]) client.send(said);
    end(client);
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    blocked.open();
    await runtime.settle();
    expect(a).toEqual(["open", "message wait", "message 1", ...last]);
    expect(b).toEqual(["open", "message 2", ...last]);
    expect(runtime.server.stats().connections).toBe(0);
  });

  test("that comes in after its socket has gone is opened and closed, and is no target", async () => {
    const seen: string[] = [];
    const blocked = gate();
    const stage = await HandStage.open({
      handler: channels({
        async a(event: ServerEvent, bus: Bus) {
          if (event.type === "info") await blocked.opened;
          noting(seen)(event);
          if (event.type === "open")
            seen.push(
              `${event.connection.isOpen} ${event.connection.send("x")} ${bus.connections().length} ${event.connection.join("room")}`,
            );
        },
      }),
    });
    const wire = await stage.connect();
    for (const said of ["sub,a", "msg,a,x"]) wire.listener.message(said, said.length);
    wire.end(1000);
    await stage.settle();
    expect(seen).toEqual(["open", "false false 0 false", "message x", "closed 1000  true peer"]);
  });

  test("is told what is discarded when our side closes the socket: closed alone", async () => {
    const blocked = gate();
    const seen: string[] = [];
    await using runtime = createTestRuntime({
      handler: channels({
        async a(event) {
          if (event.type === "message" && event.text === "wait") await blocked.opened;
          noting(seen)(event);
        },
      }),
    });
    const client = await subscribed(runtime, "a");
    for (const said of ["msg,a,wait", "msg,a,1", "msg,a,2"]) client.send(said);
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    runtime.server.connections()[0]?.close(4003, "enough");
    blocked.open();
    await runtime.settle();
    expect(seen).toEqual(["open", "message wait", "closed 4003 enough true server"]);
    expect(runtime.server.stats().discarded).toBe(2);
  });

  test("is no target and no member from the moment it has ended, and keeps rooms and data until closed", async () => {
    const goodbyes: unknown[] = [];
    await using runtime = createTestRuntime({
      handler: channels({
        a(event, bus) {
          if (event.type === "open") event.connection.join("room");
          if (event.type === "message") {
            const { connection } = event;
            connection.data.nick = "ann";
            expect(connection.close()).toBe(true);
            expect([connection.isOpen, connection.join("other"), connection.idle(5), connection.ping()]).toEqual([
              false,
              false,
              false,
              false,
            ]);
            expect(bus.connections()).not.toContain(connection);
            expect(bus.members("room")).not.toContain(connection);
            expect(bus.sendall("gone", { room: "room" }).targeted).toBe(1);
            expect(bus.unicast("late", connection)).toEqual({ targeted: 1, queued: 0, dropped: 0, dead: 1 });
            expect(bus.unicast("late", connection.id).dead).toBe(1);
          }
          if (event.type === "closed")
            goodbyes.push([...event.connection.rooms], event.connection.data.nick, event.connection);
        },
      }),
    });
    const [ann, bob] = [await subscribed(runtime, "a"), await subscribed(runtime, "a")];
    ann.send("msg,a,go");
    await runtime.settle();
    expect(goodbyes.slice(0, 2)).toEqual([["room"], "ann"]);
    expect((goodbyes[2] as Connection).rooms.size).toBe(0);
    expect([ann.take(), bob.take()]).toEqual([["uns,a"], ["msg,a,gone"]]);
    expect(runtime.server.stats()).toMatchObject({ deadLetters: 2, connections: 2 });
  });

  test("has an abort signal, idle alarms, and pings of its socket", async () => {
    const lines: string[] = [];
    await using runtime = createTestRuntime({
      heartbeat: false,
      handler: channels({
        a(event) {
          if (event.type === "open") {
            event.connection.idle(1_000);
            event.connection.signal.addEventListener("abort", () => lines.push("aborted"));
            expect(event.connection.ping("x")).toBe(true);
          }
          noting(lines)(event);
        },
        b() {},
      }),
    });
    const client = await subscribed(runtime, "a", "b");
    await runtime.advance(999);
    client.send("msg,a,x");
    await runtime.settle();
    for (let i = 0; i < 5; i++) {
      client.send("msg,b,not for a");
      await runtime.advance(200);
    }
    client.send("uns,a");
    await runtime.advance(10_000);
    expect(lines).toEqual(["open", "message x", "idle", "aborted", "closed 1000  true peer"]);
    expect(runtime.server.connections()[0]?.roundTripMs).toBe(0);
  });
});

describe("the verbs of a channel", () => {
  test("reach its subscribers only, and the rooms and connections are its own", async () => {
    const buses: Record<string, Bus> = {};
    const handler = (event: ServerEvent, bus: Bus): void => {
      buses[event.type === "open" ? event.connection.id : ""] = bus;
      if (event.type === "open") event.connection.join("room");
      if (event.type !== "message") return;
      if (event.text === "all") bus.sendall("to all");
      if (event.text === "others") bus.broadcast("to others", event.connection);
      if (event.text === "room") bus.sendall("to room", { room: ["room", "empty"] });
      if (event.text === "me") bus.unicast("to you", event.connection);
      if (event.text === "count")
        event.connection.send(`${bus.connections().length} ${bus.members("room").length} ${bus.rooms()}`);
    };
    await using runtime = createTestRuntime({ handler: channels({ a: handler, b: handler }) });
    const both = await subscribed(runtime, "a", "b");
    const [onlyA, onlyB, none] = [
      await subscribed(runtime, "a"),
      await subscribed(runtime, "b"),
      await subscribed(runtime),
    ];
    const said = async (text: string): Promise<unknown[]> => {
      both.send(`msg,a,${text}`);
      await runtime.settle();
      return [both, onlyA, onlyB, none].map((client) => client.take());
    };
    expect(await said("all")).toEqual([["msg,a,to all"], ["msg,a,to all"], [], []]);
    expect(await said("others")).toEqual([[], ["msg,a,to others"], [], []]);
    expect(await said("room")).toEqual([["msg,a,to room"], ["msg,a,to room"], [], []]);
    expect(await said("me")).toEqual([["msg,a,to you"], [], [], []]);
    expect(await said("count")).toEqual([["msg,a,2 2 room"], [], [], []]);
    expect(runtime.server.stats()).toMatchObject({ connections: 4, rooms: 2 });
    expect(runtime.server.rooms()).toEqual([]);
    // The server's verbs speak to the sockets as they are.
    expect(runtime.server.sendall("plain").targeted).toBe(4);
    await runtime.settle();
    expect([both, none].map((client) => client.take())).toEqual([["plain"], ["plain"]]);
  });

  test("encode once for any number of subscribers, and write once a turn for any number of channels", async () => {
    const stage = await HandStage.open({
      handler: channels({
        a: (event: ServerEvent, bus: Bus) => void (event.type === "message" && [bus.sendall("1"), bus.sendall("2")]),
        b: (event: ServerEvent, bus: Bus) => void (event.type === "message" && bus.sendall("3")),
      }),
    });
    const wires = [await stage.connect(), await stage.connect(), await stage.connect()];
    for (const wire of wires) for (const said of ["sub,a", "sub,b"]) wire.listener.message(said, 5);
    await stage.settle();
    for (const said of ["msg,a,x", "msg,b,x"]) wires[0]?.listener.message(said, 7);
    await stage.settle();
    for (const wire of wires) expect(wire.take()).toEqual(["write msg,a,1 msg,a,2 msg,b,3"]);
    expect(stage.server.stats().sent).toMatchObject({ messages: 9, frames: 3, writes: 3 });
  });

  test("refuse what is no message, no room and no connection, as ever", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: channels({
        a(event, bus) {
          if (event.type !== "message") return;
          const tries: Record<string, () => unknown> = {
            data: () => bus.sendall(5 as never),
            room: () => bus.join(event.connection, ""),
            to: () => bus.unicast("x", {} as never),
            code: () => event.connection.close(1005),
            ms: () => event.connection.idle(-1),
          };
          tries[event.text]?.();
        },
      }),
    });
    for (const text of ["data", "room", "to", "code", "ms"]) {
      const client = await subscribed(runtime, "a");
      client.send(`msg,a,${text}`);
      await runtime.settle();
    }
    const codes = runtime.server.stats().failures.map(({ error }) => (error as { code: string }).code);
    expect(codes).toEqual(["BAD_DATA", "BAD_ROOM", "BAD_DATA", "BAD_CLOSE_CODE", "BAD_DURATION"]);
  });

  test("tell and after are the channel's own; what the program tells reaches every channel, or the socket's", async () => {
    const [a, b]: [string[], string[]] = [[], []];
    const handler = (lines: string[]) => (event: ServerEvent, bus: Bus) => {
      if (event.type === "info")
        lines.push(`${event.data} ${event.connection === undefined ? "all" : "one"} ${bus.now()}`);
      if (event.type !== "message") return;
      bus.tell("told");
      bus.tell("told to", event.connection);
      bus.after(10, "alarm");
      bus.after(20, "alarm for", event.connection.id);
    };
    await using runtime = createTestRuntime({ handler: channels({ a: handler(a), b: handler(b) }) });
    const both = await subscribed(runtime, "a", "b");
    await subscribed(runtime, "b");
    both.send("msg,a,x");
    await runtime.advance(20);
    expect([a, b]).toEqual([["told all 0", "told to one 0", "alarm all 10", "alarm for one 20"], []]);
    a.length = 0;
    runtime.server.tell("hello");
    runtime.server.tell("for you", both.id);
    await runtime.settle();
    expect([a, b]).toEqual([
      ["hello all 20", "for you one 20"],
      ["hello all 20", "for you one 20"],
    ]);
  });

  test("join is bounded for each subscription", async () => {
    const joined: boolean[] = [];
    const handler = ({ type, connection }: ServerEvent): void => {
      if (type === "open") joined.push(...["1", "2", "2", "3"].map((room) => connection?.join(room) ?? false));
    };
    await using runtime = createTestRuntime({
      maxRoomsPerConnection: 2,
      handler: channels({ a: handler, b: handler }),
    });
    await subscribed(runtime, "a", "b");
    expect(joined).toEqual([true, true, false, false, true, true, false, false]);
    expect(runtime.server.stats().rooms).toBe(4);
  });

  test("sleep is waited for as the route's own is", async () => {
    await using runtime = createTestRuntime({
      handler: channels({
        async a(event, bus) {
          if (event.type !== "message") return;
          await bus.sleep(100);
          event.connection.send("awake");
        },
      }),
    });
    const client = await subscribed(runtime, "a");
    client.send("msg,a,x");
    await runtime.settle();
    await runtime.advance(100);
    expect(client.take()).toEqual(["msg,a,awake"]);
  });
});

describe("a channel's handler", () => {
  const machine = createMachine({
    types: {} as { events: ServerEvent; input: LogicInput; context: { bus: Bus } },
    context: ({ input }: { input: LogicInput }) => ({ bus: input.bus }),
    on: { message: { actions: ({ context, event }) => void context.bus.unicast(event.text, event.connection) } },
  });
  const shapes: Record<string, Handler> = {
    function: echo,
    stateful: {
      init: () => 0,
      handle(event: ServerEvent, count: unknown) {
        echo(event);
        return Number(count) + 1;
      },
    },
    machine: fromLogic(machine),
    callback: fromLogic(fromCallback<ServerEvent>(({ receive }) => receive(echo))),
    module: perConnection({ init: () => 0, handle: (message, n) => reply(message, n) }),
    loop: perConnection(async (connection) => {
      for await (const message of connection) connection.send(String(message));
    }),
  };

  test.each(Object.keys(shapes))("may be any shape: %s", async (shape) => {
    await using runtime = createTestRuntime({ handler: channels(shapes) });
    const [ann, bob] = [await subscribed(runtime, shape), await subscribed(runtime, shape)];
    for (const text of ["1", "2,3"]) ann.send(`msg,${shape},${text}`);
    bob.send(`msg,${shape},4`);
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([[`msg,${shape},1`, `msg,${shape},2,3`], [`msg,${shape},4`]]);
    ann.send(`uns,${shape}`);
    bob.close();
    await runtime.settle();
    expect(runtime.server.stats()).toMatchObject({ connections: 1, failures: [] });
  });

  test("may be channels again, which say both names", async () => {
    const seen: string[] = [];
    await using runtime = createTestRuntime({
      handler: channels({
        outer: channels({
          inner(event: ServerEvent, bus: Bus) {
            noting(seen)(event);
            if (event.type === "message") bus.sendall(`${event.text} ${bus.connections().length}`);
            if (event.type === "message" && event.text === "close") event.connection.close();
          },
          loop: shapes.loop as Handler,
        }),
        plain: echo,
      }),
    });
    const client = await subscribed(runtime, "outer", "plain");
    for (const said of ["sub,inner", "sub,loop", "sub,nobody", "msg,inner,hi,there", "msg,loop,x", "msg,inner,close"])
      client.send(`msg,outer,${said}`);
    client.send("msg,plain,x");
    await runtime.settle();
    expect(client.take().sort()).toEqual([
      "msg,outer,err,nobody,there is no such channel",
      "msg,outer,msg,inner,close 1",
      "msg,outer,msg,inner,hi,there 1",
      "msg,outer,msg,loop,x",
      "msg,outer,uns,inner",
      "msg,plain,x",
    ]);
    client.send("msg,outer,sub,inner");
    await runtime.settle();
    client.send("uns,outer");
    await runtime.settle();
    expect(seen).toEqual([
      "open",
      "message hi,there",
      "message close",
      "closed 1000  true server",
      "open",
      "closed 1000  true peer",
    ]);
  });

  test("handles one event at a time, and other channels go on meanwhile", async () => {
    const waiting = gate();
    const order: string[] = [];
    const handler = (name: string) => async (event: ServerEvent) => {
      if (event.type !== "message") return;
      order.push(`${name} begins ${event.text}`);
      if (event.text === "wait") await waiting.opened;
      order.push(`${name} ends ${event.text}`);
    };
    await using runtime = createTestRuntime({ handler: channels({ a: handler("a"), b: handler("b") }) });
    const [ann, bob] = [await subscribed(runtime, "a", "b"), await subscribed(runtime, "a")];
    ann.send("msg,a,wait");
    bob.send("msg,a,2");
    ann.send("msg,b,3");
    await expect(runtime.settle()).rejects.toMatchObject({ code: "NOT_SETTLED" });
    expect(order).toEqual(["a begins wait", "b begins 3", "b ends 3"]);
    waiting.open();
    await runtime.settle();
    expect(order.slice(3)).toEqual(["a ends wait", "a begins 2", "a ends 2"]);
  });

  test("that is slow pauses the socket, and lets it go on once it has caught up, or the channel has ended", async () => {
    const steps: (() => void)[] = [];
    const stage = await HandStage.open({
      mailbox: { highWaterEvents: 4, lowWaterEvents: 1 },
      handler: channels({
        a: async (event: ServerEvent) => {
          if (event.type === "message") await new Promise<void>((resolve) => steps.push(resolve));
        },
      }),
    });
    const wire = await stage.connect();
    const say = async (said: string): Promise<void> => {
      wire.listener.message(said, said.length);
      await stage.settle();
    };
    await say("sub,a");
    for (let i = 0; i < 6; i++) await say(`msg,a,${i}`);
    expect([wire.take(), stage.server.stats().paused]).toEqual([["pause"], 1]);
    for (let i = 0; i < 5; i++) {
      steps.shift()?.();
      await stage.settle();
    }
    expect([wire.take(), stage.server.stats().paused]).toEqual([["resume"], 0]);
    for (let i = 0; i < 5; i++) await say(`msg,a,${i}`);
    expect(wire.take()).toEqual(["pause"]);
    // What the peer had sent before its `uns` is still handled.
    await say("uns,a");
    for (let i = 0; i < 6; i++) {
      steps.shift()?.();
      await stage.settle();
    }
    expect([wire.take(), stage.server.stats().paused]).toEqual([["resume"], 0]);
  });
});

test("a socket that ends while a channel has paused it is paused no longer", async () => {
  const stage = await HandStage.open({
    mailbox: { highWaterEvents: 4, lowWaterEvents: 1 },
    handler: channels({ a: (event: ServerEvent) => event.type === "message" && new Promise(() => {}) }),
  });
  const wire = await stage.connect();
  for (const said of ["sub,a", "msg,a,1", "msg,a,2", "msg,a,3", "msg,a,4", "msg,a,5"]) {
    wire.listener.message(said, said.length);
    await stage.settle();
  }
  expect([wire.take(), stage.server.stats().paused]).toEqual([["pause"], 1]);
  wire.end();
  expect([wire.take(), stage.server.stats().paused]).toEqual([[], 0]);
});

describe("a failure in a channel", () => {
  const failing = (event: ServerEvent): void => {
    if (event.type === "message" && event.text === "throw") throw new Error("thrown");
    if (event.type === "info") throw new Error("told");
    echo(event);
  };

  test("is charged to that subscription: too many end it, and nobody and nothing else", async () => {
    const seen: string[] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1 },
      handler: channels({
        a(event) {
          if (event.type !== "message") noting(seen)(event);
          failing(event);
        },
        b: echo,
      }),
    });
    const [ann, bob] = [await subscribed(runtime, "a", "b"), await subscribed(runtime, "a")];
    for (const said of ["msg,a,throw", "msg,a,1", "msg,a,throw", "msg,a,2", "msg,b,3"]) ann.send(said);
    bob.send("msg,a,4");
    await runtime.settle();
    expect(ann.take()).toEqual(["msg,a,1", "uns,a", "msg,b,3"]);
    expect([bob.take(), ann.closed]).toEqual([["msg,a,4"], undefined]);
    expect(seen).toEqual(["open", "open", "closed 1011 handler failed true server"]);
    expect(runtime.server.stats().failures).toMatchObject([{ event: "message", data: "throw" }, { event: "message" }]);
    expect(runtime.server.stats().failures[0]?.connection).not.toBe(ann.id);
  });

  test("of a perConnection handler ends the subscription at once", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: channels({
        module: perConnection({
          init: () => 0,
          handle: (message, n) => (message === "bad" ? (undefined as never) : reply(message, n)),
        }),
        loop: perConnection(async (connection) => {
          for await (const message of connection) if (message === "bad") throw new Error("bad");
        }),
        ends: perConnection(async () => {}),
      }),
    });
    const client = await subscribed(runtime, "module", "loop", "ends");
    expect(client.take()).toEqual(["uns,ends"]);
    for (const said of ["msg,module,bad", "msg,loop,bad"]) client.send(said);
    await runtime.settle();
    expect(client.take().sort()).toEqual(["uns,loop", "uns,module"]);
    for (const name of ["module", "loop"]) client.send(`sub,${name}`);
    client.send("msg,module,good");
    await runtime.settle();
    expect([client.take(), client.closed]).toEqual([["msg,module,good"], undefined]);
  });

  test("that is the handler's own, too often, ends that channel alone; the last one ends the route", async () => {
    const logger = new Lines();
    const runtime = createTestRuntime({
      failures: "supervise",
      logger,
      supervise: { intensity: 1 },
      handler: channels({ a: failing, b: echo, c: failing }),
    });
    const client = await subscribed(runtime, "a", "b", "c");
    runtime.server.tell("x");
    await runtime.settle();
    expect([client.take(), failures(runtime)]).toEqual([[], ["info: told", "info: told"]]);
    runtime.server.tell("x");
    await runtime.settle();
    expect(client.take().sort()).toEqual(["uns,a", "uns,c"]);
    for (const said of ["sub,a", "msg,b,here"]) client.send(said);
    await runtime.settle();
    expect(client.take()).toEqual(["err,a,this channel is closed", "msg,b,here"]);
    expect([client.closed, runtime.server.isReady]).toEqual([undefined, true]);
    expect(logger.at("error").map(([line]) => line)).toContain("a channel is closed: its handler failed too often");
    await runtime.close();

    const all = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 0 },
      handler: channels({ a: failing, c: failing }),
    });
    const last = await subscribed(all, "a");
    all.server.tell("x");
    await all.settle();
    expect([last.take(), last.closed]).toEqual([["uns,a"], FAILED]);
    await all.close();
    expect(await all.server.closed).toMatchObject({ reason: "handler", error: { message: "told" } });
  });

  test("that hangs is charged to the subscription, and no other channel waits for it", async () => {
    await using runtime = createTestRuntime({
      failures: "supervise",
      handler: channels({
        async a(event: ServerEvent, bus: Bus) {
          if (event.type === "message") await bus.sleep(60_000);
        },
        b: echo,
      }),
    });
    const client = await subscribed(runtime, "a", "b");
    for (let i = 0; i < 4; i++) client.send("msg,a,x");
    client.send("msg,b,here");
    await runtime.advance(4 * 30_000 - 1);
    expect(client.take()).toEqual(["msg,b,here"]);
    await runtime.advance(1);
    expect([client.take(), client.closed]).toEqual([["uns,a"], undefined]);
  });

  test("that it leaks is charged to the subscription, or to the channel if nobody's event it was", async () => {
    const leak = (): void => void Promise.reject(new Error("leaked"));
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1 },
      handler: channels({
        a(event: ServerEvent) {
          if (event.type === "message" || event.type === "info") leak();
        },
        b: {
          init: () => leak(),
          handle: () => {},
        },
        c: echo,
      }),
    });
    const client = await subscribed(runtime, "a", "b", "c");
    expect(failures(runtime)).toEqual(["rejection: leaked"]);
    for (const said of ["msg,a,x", "msg,a,x"]) client.send(said);
    await runtime.settle();
    expect(client.take()).toEqual(["uns,a"]);
    client.send("sub,a");
    for (let i = 0; i < 2; i++) {
      runtime.server.tell("x");
      await runtime.settle();
    }
    client.send("msg,c,here");
    await runtime.settle();
    expect(client.take()).toEqual(["uns,a", "msg,c,here"]);
    expect([client.closed, runtime.server.isReady]).toEqual([undefined, true]);
  });

  test("that its logic leaks in a time of its own is charged to the channel alone", async () => {
    const machine = createMachine({
      initial: "on",
      states: {
        on: { on: { message: "off" } },
        off: { after: { 100: { target: "off", reenter: true, actions: () => Promise.reject(new Error("leaked")) } } },
      },
    });
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { intensity: 1 },
      handler: channels({ a: fromLogic(machine), b: echo }),
    });
    const client = await subscribed(runtime, "a", "b");
    client.send("msg,a,x");
    await runtime.advance(200);
    expect(runtime.server.stats().failures.map(({ event, connection }) => [event, connection])).toEqual([
      ["rejection", undefined],
      ["rejection", undefined],
    ]);
    client.send("msg,b,here");
    await runtime.settle();
    expect(client.take()).toEqual(["uns,a", "msg,b,here"]);
  });

  test('starts it afresh under "restart", and its events wait for its init, not those of others', async () => {
    const begun: string[] = [];
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart" },
      handler: channels({
        a: {
          async init(bus: Bus) {
            begun.push(`${bus.connections().length} at ${bus.now()}`);
            if (begun.length > 1) await bus.sleep(100);
            return begun.length;
          },
          handle(event: ServerEvent, state: unknown) {
            if (event.type === "message" && event.text === "throw") throw new Error("thrown");
            if (event.type === "message") event.connection.send(String(state));
          },
        },
        b: echo,
      }),
    });
    const client = await subscribed(runtime, "a", "b");
    for (const said of ["msg,a,x", "msg,a,throw", "msg,a,y", "msg,b,z"]) client.send(said);
    await runtime.settle();
    expect([begun, client.take()]).toEqual([
      ["0 at 0", "1 at 0"],
      ["msg,a,1", "msg,b,z"],
    ]);
    await runtime.advance(100);
    expect(client.take()).toEqual(["msg,a,2"]);
  });

  test('under "restart" of an init that fails is charged to the channel, until it has ended', async () => {
    let inits = 0;
    await using runtime = createTestRuntime({
      failures: "supervise",
      supervise: { strategy: "restart", intensity: 2 },
      handler: channels({
        a: {
          init() {
            if (inits++ > 0) throw new Error("init");
          },
          handle: failing,
        },
        b: echo,
      }),
    });
    const client = await subscribed(runtime, "a", "b");
    client.send("msg,a,throw");
    await runtime.settle();
    expect(failures(runtime)).toEqual(["message: thrown", "init: init", "init: init", "init: init"]);
    client.send("msg,b,x");
    await runtime.settle();
    expect([client.take(), inits]).toEqual([["uns,a", "msg,b,x"], 4]);
  });

  test("of the first init rejects serve, names it, and leaves nothing of the other channels", async () => {
    const stopped: string[] = [];
    const opening = HandStage.open({
      handler: channels({
        machine: fromLogic(createMachine({ after: { 1000: {} } })),
        stateful: {
          init: (bus: Bus) => void bus.after(1_000, "x"),
          handle() {},
          stop: () => void stopped.push("stateful"),
        },
        broken: {
          init(bus: Bus) {
            bus.after(1_000, "x");
            throw new Error("init failed");
          },
          handle() {},
          stop: () => void stopped.push("broken"),
        },
        never: { init: () => void stopped.push("never"), handle() {} },
      }),
    });
    await expect(opening).rejects.toThrow("init failed");
    expect(stopped).toEqual(["stateful"]);
  });
});

describe("a channel that comes to its end", () => {
  const machine = createMachine({
    initial: "on",
    states: { on: { on: { message: "off" } }, off: { type: "final" } },
  });

  test("is closed for all its subscribers with 1000; with the last of them the route ends", async () => {
    const runtime = createTestRuntime({ handler: channels({ a: fromLogic(machine), b: fromLogic(machine) }) });
    const [ann, bob] = [await subscribed(runtime, "a", "b"), await subscribed(runtime, "a")];
    ann.send("msg,a,end");
    await runtime.settle();
    expect([ann.take(), bob.take()]).toEqual([["uns,a"], ["uns,a"]]);
    bob.send("sub,a");
    await runtime.settle();
    expect(bob.take()).toEqual(["err,a,this channel is closed"]);
    ann.send("msg,b,end");
    await runtime.settle();
    expect([ann.take(), ann.closed, bob.closed]).toEqual([
      ["uns,b"],
      { code: 1000, reason: "" },
      { code: 1000, reason: "" },
    ]);
    await runtime.close();
    expect(await runtime.server.closed).toEqual({ reason: "handler" });
  });
});

describe("closing the server", () => {
  test("finishes what has arrived, says each goodbye in each channel, and stops every handler", async () => {
    const order: string[] = [];
    const handler = (name: string, stop: () => unknown) => ({
      init: () => 0,
      async handle(event: ServerEvent, _state: number, bus: Bus) {
        if (event.type === "message") await bus.sleep(100);
        if (event.type === "message") event.connection.send(`done ${event.text}`);
        if (event.type === "closed") order.push(`${name} ${event.code} ${event.by}`);
      },
      stop() {
        order.push(`${name} stops`);
        stop();
      },
    });
    const runtime = createTestRuntime({
      failures: "supervise",
      handler: channels({
        a: handler("a", () => {
          throw new Error("stop failed");
        }),
        b: handler("b", () => {}),
      }),
    });
    const client = await subscribed(runtime, "a", "b");
    for (const said of ["msg,a,1", "msg,a,2", "msg,b,3"]) client.send(said);
    await runtime.settle();
    await runtime.close();
    expect(client.take()).toEqual(["msg,a,done 1", "msg,b,done 3", "msg,a,done 2"]);
    expect(client.closed).toEqual({ code: 1001, reason: "going away" });
    expect(order).toEqual(["a 1001 server", "b 1001 server", "a stops", "b stops"]);
    expect([runtime.now(), failures(runtime)]).toEqual([200, ["stop: stop failed"]]);
  });
});

test("many subscriptions that come and go leave nothing behind", async () => {
  const stage = await HandStage.open({
    heartbeat: false,
    handler: channels({
      a: echo,
      loop: perConnection(async (connection, bus) => {
        connection.idle(1_000);
        for await (const _ of connection) await bus.sleep(1_000);
      }),
    }),
  });
  for (let i = 0; i < 300; i++) {
    const wire = await stage.connect();
    for (const said of ["sub,a", "sub,loop", "msg,loop,x", "uns,a", "sub,a"]) wire.listener.message(said, said.length);
    await stage.settle();
    if (i % 2 === 0) wire.listener.message("uns,loop", 8);
    wire.end(1000);
    await stage.settle();
  }
  expect(stage.server.stats()).toMatchObject({ connections: 0, rooms: 0, paused: 0, failures: [] });
  expect(stage.server.underWay()).toMatchObject({ events: [], sleepers: 0 });
  expect(stage.clock.alarms).toBe(0);
});

test.each<[string, unknown, string]>([
  ["nothing", undefined, "expected an object of handlers by name"],
  ["no channel", {}, "expected an object of handlers by name"],
  ["an array", [echo], "expected an object of handlers by name"],
  ["a name with a comma", { "a,b": echo }, "cannot be the name of a channel"],
  ["an empty name", { "": echo }, "cannot be the name of a channel"],
  ["a name of 1,025 characters", { ["x".repeat(1_025)]: echo }, "expected 1 to 1024 characters without a comma"],
  ["what is no handler", { a: {} }, "channels.a: expected a function"],
])("channels() refuses %s", (_what, handlers, problem) => {
  expect(() => (channels as (handlers: unknown) => unknown)(handlers)).toThrow(
    expect.objectContaining({ code: "BAD_HANDLER", message: expect.stringContaining(problem) }),
  );
});
