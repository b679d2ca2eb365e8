/** `perConnection` on real sockets: an actor for each, as a module whose callbacks return what to send, and as a loop. */
import {
  type Connection,
  close,
  type Handler,
  idle,
  noreply,
  perConnection,
  ping,
  pong,
  type Reply,
  reply,
} from "sendall";
import { describe, expect, test } from "vitest";
import { rememberLines } from "./asking.js";
import { Client, clientFrame, nextRound, openClients, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

/** A promise that somebody else fulfils. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** The frames that a raw peer has got, as words. */
function framesOf(peer: RawPeer): string[] {
  return peer.frames.map(({ opcode, payload }) => {
    if (opcode === 8) return `close ${payload.readUInt16BE(0)} ${payload.subarray(2)}`.trimEnd();
    const name = { 1: "text", 2: "bytes", 9: "ping", 10: "pong" }[opcode] ?? String(opcode);
    return `${name} ${payload}`.trimEnd();
  });
}

describe("what a callback returns", () => {
  const returned: Readonly<Record<string, (state: number) => Reply<number>>> = {
    noreply: (state) => noreply(state + 1),
    reply: (state) => reply("hello", state + 1),
    "reply with bytes": (state) => reply(Buffer.from("hello"), state + 1),
    ping: (state) => ping(state + 1),
    "ping with data": (state) => ping(state + 1, "are you there?"),
    pong: (state) => pong(state + 1),
    "pong with data": (state) => pong(state + 1, Buffer.from("I am")),
    close: (state) => close(state + 1),
    "close with a code": (state) => close(state + 1, 4_001, "enough"),
    several: (state) => [reply("one", state), ping(state, "two"), reply("three", state + 1)],
    "several with close": (state) => [reply("last words", state), close(state + 1, 4_002, "bye")],
    "a plain object": (state) => ({ type: "reply", data: "plain", state: state + 1 }),
    nothing: () => [],
  };

  test.each<[name: string, frames: string[], state: number]>([
    ["noreply", [], 1],
    ["reply", ["text hello"], 1],
    ["reply with bytes", ["bytes hello"], 1],
    ["ping", ["ping"], 1],
    ["ping with data", ["ping are you there?"], 1],
    ["pong", ["pong"], 1],
    ["pong with data", ["pong I am"], 1],
    ["close", ["close 1000"], 1],
    ["close with a code", ["close 4001 enough"], 1],
    ["several", ["text one", "ping two", "text three"], 1],
    ["several with close", ["text last words", "close 4002 bye"], 1],
    ["a plain object", ["text plain"], 1],
    ["nothing", [], 0],
  ])("is what the peer gets, and the next state: %s", async (name, frames, state) => {
    for (const isAsync of [false, true]) {
      const states: number[] = [];
      const { server } = await serveByHand({
        handler: perConnection({
          init: () => 0,
          handle(message, state: number) {
            if (message === "state?") return reply(`state ${state}`, state);
            const value = returned[String(message)]?.(state) ?? noreply(state);
            return isAsync ? Promise.resolve(value) : value;
          },
          closed: (state) => void states.push(state),
        }),
      });
      const peer = new RawPeer(server.port);
      peer.write(upgradeRequest());
      peer.write(clientFrame(name));
      peer.write(clientFrame("state?"));
      // Who was closed is not asked any more.
      const isClosed = frames.at(-1)?.startsWith("close") ?? false;
      const expected = isClosed ? frames : [...frames, `text state ${state}`];
      await until(() => peer.frames.length >= expected.length);
      peer.write(clientFrame(Buffer.of(3, 232), { opcode: 8 }));
      await until(() => states.length === 1);
      expect(framesOf(peer).slice(0, expected.length)).toEqual(expected);
      expect(states).toEqual([state]);
      peer.socket.destroy();
    }
  });
});

test("a module hears of everything that a peer does, by kind and with its payload, and of its end once", async () => {
  const heard: unknown[] = [];
  const { server } = await serveByHand({
    heartbeat: false,
    handler: perConnection({
      init: (connection) => {
        heard.push(["init", connection.path]);
        return connection.path;
      },
      handle(message, path) {
        heard.push([typeof message === "string" ? "text" : "bytes", String(message)]);
        return noreply(path);
      },
      ping(data, path) {
        heard.push(["ping", String(data)]);
        return noreply(path);
      },
      pong(data, path) {
        heard.push(["pong", String(data)]);
        return noreply(path);
      },
      closed: (path, _connection, { code, reason, wasClean, by }) =>
        void heard.push(["closed", path, code, reason, wasClean, by]),
    }),
  });
  const peer = await Client.open(`${server.url}a`);
  peer.send("text");
  peer.send(Buffer.from("bytes"));
  peer.ws.ping("ping");
  peer.ws.pong("pong");
  peer.ws.close(4_321, "bye");
  await until(() => heard.length === 6);
  expect(heard).toEqual([
    ["init", "/a"],
    ["text", "text"],
    ["bytes", "bytes"],
    ["ping", "ping"],
    ["pong", "pong"],
    ["closed", "/a", 4_321, "bye", true, "peer"],
  ]);
  heard.length = 0;
  const silent = await Client.open(`${server.url}b`);
  silent.ws.close();
  await until(() => heard.length === 2);
  expect(heard[1]).toEqual(["closed", "/b", 1_005, "", true, "peer"]);
  const lost = await Client.open(`${server.url}c`);
  await until(() => heard.length === 3);
  lost.socket.resetAndDestroy();
  await until(() => heard.length === 4);
  expect(heard[3]).toEqual(["closed", "/c", 1_006, "", false, "lost"]);
});

test("each connection has a state of its own, made by init and kept from message to message", async () => {
  const { server } = await serveByHand({
    handler: perConnection({
      init: ({ path }) => ({ path, count: 0 }),
      handle: (_message, { path, count }) => reply(`${path} ${count + 1}`, { path, count: count + 1 }),
    }),
  });
  const [a, b] = [await Client.open(`${server.url}a`), await Client.open(`${server.url}b`)];
  for (let i = 0; i < 3; i++) a.send("x");
  b.send("x");
  await until(() => a.received.length === 3 && b.received.length === 1);
  expect([a.received, b.received]).toEqual([["/a 1", "/a 2", "/a 3"], ["/b 1"]]);
});

test("an actor that waits holds up its own connection alone, whose messages keep their order", async () => {
  const waiting = gate();
  const { server } = await serveByHand({
    handler: perConnection({
      init: () => 0,
      async handle(message, count: number) {
        if (message === "wait") await waiting.opened;
        return reply(`${message} ${count}`, count + 1);
      },
    }),
  });
  const [slow, quick] = [await Client.open(server.url), await Client.open(server.url)];
  for (const text of ["wait", "second", "third"]) slow.send(text);
  await until(() => server.stats().received.messages === 3);
  for (const text of ["a", "b"]) quick.send(text);
  await until(() => quick.received.length === 2);
  expect([quick.received, slow.received]).toEqual([["a 0", "b 1"], []]);
  waiting.open();
  await until(() => slow.received.length === 3);
  expect(slow.received).toEqual(["wait 0", "second 1", "third 2"]);
});

test.each<[where: string, handler: (isBad: (connection: Connection) => boolean) => Handler]>([
  [
    "a module",
    (isBad) =>
      perConnection({
        init: () => 0,
        handle(message, state: number, connection) {
          if (message === "go" && isBad(connection)) throw new Error("broken");
          return reply(message, state);
        },
      }),
  ],
  [
    "an async module",
    (isBad) =>
      perConnection({
        init: () => 0,
        async handle(message, state: number, connection) {
          await nextRound();
          if (message === "go" && isBad(connection)) throw new Error("broken");
          return reply(message, state);
        },
      }),
  ],
  [
    "a loop",
    (isBad) =>
      perConnection(async (connection) => {
        for await (const message of connection) {
          if (message === "go" && isBad(connection)) throw new Error("broken");
          if (typeof message === "string") connection.send(message);
        }
      }),
  ],
])(
  "of 10 connections one breaks %s: it ends with 1011, the others go on, and the next is served",
  async (_where, make) => {
    const { lines, logger } = rememberLines();
    const { server } = await serveByHand({ logger, handler: make(({ path }) => path === "/bad") });
    const bad = await Client.open(`${server.url}bad`);
    const good = await openClients(server.url, 9);
    for (const client of [bad, ...good]) client.send("before");
    await until(() => [bad, ...good].every((client) => client.received.length === 1));
    for (const client of [bad, ...good]) client.send("go");
    expect(await bad.ended()).toEqual({ code: 1_011, reason: "handler failed" });
    await until(() => good.every((client) => client.received.length === 2));
    expect(lines.filter(({ level }) => level === "error").map(({ line }) => line)).toEqual(["handler failed"]);
    const next = await Client.open(`${server.url}bad`);
    next.send("hello");
    await until(() => next.received.length === 1);
    expect([server.isReady, server.stats().connections]).toEqual([true, 10]);
  },
);

test("100 connections that come and go in every way are each told of once, and none of their actors is left", async () => {
  const ended = new Map<string, number>();
  const { server } = await serveByHand({
    handler: perConnection({
      init: ({ id }) => id,
      handle: (message, id) => (message === "close me" ? close(id, 4_000) : noreply(id)),
      closed: (id) => void ended.set(id, (ended.get(id) ?? 0) + 1),
    }),
  });
  const clients = await openClients(server.url, 100);
  await until(() => server.connections().length === 100);
  for (const [i, client] of clients.entries()) {
    if (i % 3 === 0) client.ws.close();
    if (i % 3 === 1) client.socket.resetAndDestroy();
    if (i % 3 === 2) client.send("close me");
  }
  await until(() => ended.size === 100);
  expect([...ended.values()].every((times) => times === 1)).toBe(true);
  await until(() => server.stats().connections === 0);
  expect(server.stats().failures).toEqual([]);
});

test.each<[what: string, make: (told: () => void) => Handler]>([
  [
    "a module's closed",
    (told) =>
      perConnection({
        init: () => 0,
        handle: (message, state: number) => reply(message, state),
        closed: async () => {
          told();
          await new Promise(() => {});
        },
      }),
  ],
  [
    "a loop",
    (told) =>
      perConnection(async (connection) => {
        for await (const message of connection) if (typeof message === "string") connection.send(message);
        told();
        await new Promise(() => {});
      }),
  ],
])(
  "%s that does not end after its connection is given up after handlerTimeoutMs, with a line, and holds up nobody",
  async (_what, make) => {
    const { lines, logger } = rememberLines();
    let hasBeenTold = false;
    const handler = make(() => {
      hasBeenTold = true;
    });
    const { server, clock } = await serveByHand({ logger, handlerTimeoutMs: 500, handler });
    const [zombie, other] = [await Client.open(server.url), await Client.open(server.url)];
    zombie.send("hello");
    await until(() => zombie.received.length === 1);
    zombie.ws.close();
    await until(() => hasBeenTold);
    other.send("still served?");
    await until(() => other.received.length === 1);
    clock.pass(499);
    expect([server.stats().connections, server.stats().failures]).toEqual([1, []]);
    clock.pass(1);
    await until(() => server.stats().failures.length === 1);
    expect(server.stats().failures).toMatchObject([{ event: "closed", error: { code: "HANDLER_TIMEOUT" } }]);
    expect(lines.filter(({ level }) => level === "error").map(({ line }) => line)).toEqual(["handler failed"]);
    other.send("and now?");
    await until(() => other.received.length === 2);
    expect(other.received).toEqual(["still served?", "and now?"]);
  },
);

test("a loop reads its messages one after another, and ends when its peer closes", async () => {
  const ends: unknown[] = [];
  const { server } = await serveByHand({
    handler: perConnection(async (connection) => {
      connection.send("hello");
      for await (const message of connection) {
        await nextRound();
        if (typeof message === "string" || Buffer.isBuffer(message)) connection.send(message);
      }
      ends.push([connection.isOpen, connection.signal.aborted]);
    }),
  });
  const client = await Client.open(server.url);
  for (let i = 0; i < 50; i++) client.send(String(i));
  client.send(Buffer.of(0, 255));
  await until(() => client.received.length === 52);
  expect(client.received).toEqual(["hello", ...Array.from({ length: 50 }, (_, i) => String(i)), Buffer.of(0, 255)]);
  expect(ends).toEqual([]);
  client.ws.close();
  await until(() => ends.length === 1);
  expect(ends).toEqual([[false, true]]);
});

test("a loop that never asks for another message is ended by the signal when its connection is", async () => {
  const ends: unknown[] = [];
  const { server } = await serveByHand({
    handler: perConnection(async (connection, bus) => {
      try {
        // The clock stands still: nothing else wakes it.
        for (let i = 0; !connection.signal.aborted; i++) {
          connection.send(String(i));
          await bus.sleep(1_000);
        }
      } finally {
        ends.push(connection.isOpen);
      }
    }),
  });
  const client = await Client.open(server.url);
  await until(() => client.received.length === 1);
  client.ws.close();
  await until(() => ends.length === 1);
  await until(() => server.stats().connections === 0);
  expect([ends, server.stats().failures]).toEqual([[false], []]);
});

test.each<[shape: string, handler: Handler]>([
  [
    "a loop",
    perConnection(async (connection) => {
      connection.idle(5_000);
      for await (const message of connection) connection.send(message === idle ? "pushing!" : String(message));
    }),
  ],
  [
    "a module",
    perConnection({
      init: (connection) => connection.idle(5_000),
      handle: (message, state) => reply(message, state),
      idle: (_silence, state) => reply("pushing!", state),
    }),
  ],
  [
    "a function",
    (event, bus) => {
      if (event.type === "open") event.connection.idle(5_000);
      if (event.type === "message") bus.unicast(event.data, event.connection);
      if (event.type === "idle") bus.unicast("pushing!", event.connection);
    },
  ],
])("%s pushes after 5 seconds of silence, and any message puts it off", async (_shape, handler) => {
  const { server, clock } = await serveByHand({ heartbeat: false, handler });
  const client = await Client.open(server.url);
  client.send("hello");
  await until(() => client.received.length === 1);
  clock.pass(4_999);
  client.send("still here");
  await until(() => client.received.length === 2);
  clock.pass(4_999);
  client.send("and here");
  await until(() => client.received.length === 3);
  clock.pass(5_000);
  await until(() => client.received.length === 4);
  expect(client.received).toEqual(["hello", "still here", "and here", "pushing!"]);
});

test("server.tell reaches the actor of the named connection, or every actor, and an alarm reaches the actor that set it", async () => {
  const { server, clock } = await serveByHand({
    handler: perConnection({
      init: ({ path }) => path,
      handle(message, path, _connection, bus) {
        bus.after(Number(message), `alarm of ${path}`);
        return reply("set", path);
      },
      info: (data, path) => reply(`${path} was told ${data}`, path),
    }),
  });
  const [a, b] = [await Client.open(`${server.url}a`), await Client.open(`${server.url}b`)];
  await until(() => server.connections().length === 2);
  const [first] = server.connections();
  server.tell("alone", first?.id);
  server.tell("with all");
  a.send("100");
  b.send("50");
  await until(() => a.received.length === 3 && b.received.length === 2);
  clock.pass(100);
  await until(() => a.received.length === 4 && b.received.length === 3);
  expect(a.received).toEqual(["/a was told alone", "/a was told with all", "set", "/a was told alarm of /a"]);
  expect(b.received).toEqual(["/b was told with all", "set", "/b was told alarm of /b"]);
});
