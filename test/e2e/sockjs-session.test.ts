/** The life of SockJS sessions: what they carry, how they wait, beat and end, and what their connections see of it. */
import type { Connection, ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import { rememberLines } from "./asking.js";
import { Client, clientFrame, nextRound, RawPeer, until, upgradeRequest } from "./peers.js";
import { ask, newSession, openEcho, openFramed, Poller, untilOpen, Wire, watchSessions } from "./sockjs-peers.js";

/** The rows that carry frames, as a client asks for them, and how each dresses one. */
const rows: readonly (readonly [row: string, transport: string, dress: (frame: string) => string])[] = [
  ["xhr", "xhr-polling", (frame) => `${frame}\n`],
  ["xhr_streaming", "xhr-streaming", (frame) => `${frame}\n`],
  ["eventsource", "eventsource", (frame) => `data: ${frame}\r\n\r\n`],
  ["htmlfile?c=x", "htmlfile", (frame) => `<script>\np(${JSON.stringify(frame)});\n</script>\r\n`],
  ["jsonp?c=x", "jsonp-polling", (frame) => `/**/x(${JSON.stringify(frame)});\r\n`],
];
const streaming = rows.filter(([, transport]) => !transport.endsWith("polling"));
const polling = rows.filter(([, transport]) => transport.endsWith("polling"));

function kinds(events: readonly ServerEvent[]): string[] {
  return events.map((event) => {
    if (event.type === "message") return `message ${event.text}`;
    if (event.type === "closed") return `closed ${event.code} ${event.reason} ${event.by} ${event.wasClean}`;
    return event.type;
  });
}

function connectionOf(events: readonly ServerEvent[]): Connection {
  const [first] = events;
  if (first?.type !== "open") throw new Error("nobody has opened");
  return first.connection;
}

/** Reads the head of a streaming response, and what comes before the first frame. */
async function opening(wire: Wire): Promise<Wire> {
  await wire.head();
  await wire.chunk();
  return wire;
}

const ATTACHED = '{"open":"attached"}';

describe("a session that nobody polls", () => {
  test("ends after disconnectDelayMs, and is told to the handler once", async () => {
    const { port, server, clock, events } = await openEcho();
    const poller = await Poller.open(port);
    clock.pass(4_999);
    expect(server.stats().connections).toBe(1);
    // Sending does not prolong it.
    expect((await poller.send("late")).status).toBe(204);
    clock.pass(1);
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "message late", "closed 1006  lost false"]);
    expect(server.stats().connections).toBe(0);
    expect((await poller.send("later")).status).toBe(404);
    expect((await poller.poll()).body).toBe("o\n");
  });

  test("is held for as long as the option says, and each poll begins the wait anew", async () => {
    const { port, server, clock } = await openEcho({ sockjs: { disconnectDelayMs: 100 } });
    const poller = await Poller.open(port);
    clock.pass(99);
    await poller.send("a");
    expect((await poller.poll()).body).toBe('a["a"]\n');
    clock.pass(99);
    expect(server.stats().connections).toBe(1);
    clock.pass(1);
    expect(server.stats().connections).toBe(0);
  });

  test("has what it was sent, once and in order, for a client that comes back in time", async () => {
    const { port, server, clock, events } = await openEcho();
    const poller = await Poller.open(port);
    await untilOpen(server, 1);
    for (const text of ["1", "2", "3"]) {
      server.sendall(text);
      await nextRound();
      clock.pass(1_000);
    }
    clock.pass(1_999);
    expect((await poller.poll()).body).toBe('a["1","2","3"]\n');
    clock.pass(4_999);
    server.sendall("4");
    expect((await poller.poll()).body).toBe('a["4"]\n');
    expect(kinds(events)).toEqual(["open"]);
    clock.pass(5_000);
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "closed 1006  lost false"]);
  });

  test("after its response has reached the limit lives on, too", async () => {
    const { port, server, clock } = await openEcho({ sockjs: { responseLimitBytes: 1 } });
    const poller = new Poller(port);
    const stream = poller.wait("xhr_streaming");
    await stream.head();
    expect(await stream.body()).toBe(`${"h".repeat(2_048)}\no\n`);
    clock.pass(4_999);
    expect(server.stats().connections).toBe(1);
    clock.pass(1);
    expect(server.stats().connections).toBe(0);
  });
});

describe.each(rows)("over %s", (row, transport, dress) => {
  const isPolling = transport.endsWith("polling");

  test("a connection is named after its transport", async () => {
    const { port, events } = await openEcho();
    await new Poller(port).wait(row).head();
    await until(() => events.length === 1);
    expect(connectionOf(events).transport).toBe(transport);
  });

  test("a heartbeat comes 25 s after the request, and every 25 s while it stays, whatever else is sent", async () => {
    const { port, server, clock } = await openEcho();
    const states = watchSessions(server);
    const poller = await Poller.open(port);
    const wire = poller.wait(row);
    await until(() => states.last === ATTACHED);
    clock.pass(24_999);
    expect(wire.unread).not.toContain(dress("h"));
    if (!isPolling) {
      await opening(wire);
      server.sendall("busy");
      expect(await wire.chunk()).toBe(dress('a["busy"]'));
    }
    clock.pass(1);
    if (isPolling) {
      await wire.head();
      expect(await wire.body()).toBe(dress("h"));
      return;
    }
    expect(await wire.chunk()).toBe(dress("h"));
    clock.pass(25_000);
    expect(await wire.chunk()).toBe(dress("h"));
  });

  test("a second receiver is turned away, and the first goes on", async () => {
    const { port, server } = await openEcho();
    const states = watchSessions(server);
    const poller = await Poller.open(port);
    const first = poller.wait(row);
    await until(() => states.last === ATTACHED);
    const second = poller.wait(row);
    expect((await second.head()).status).toBe(200);
    expect(await second.body()).toContain(dress('c[2010,"Another connection still open"]'));
    server.sendall("for the first");
    await first.head();
    if (!isPolling) await first.chunk();
    const frame = isPolling ? await first.body() : await first.chunk();
    expect(frame).toBe(dress('a["for the first"]'));
    expect(server.stats().connections).toBe(1);
  });

  test("an answer that brings the end comes to whoever asks for it later", async () => {
    const { port, server, events } = await openEcho();
    const poller = await Poller.open(port);
    await untilOpen(server, 1);
    server.connections()[0]?.close(3001, "bye");
    for (let i = 0; i < 2; i++) {
      const wire = poller.wait(row);
      await wire.head();
      expect(await wire.body()).toContain(dress('c[3001,"bye"]'));
    }
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "closed 3001 bye server true"]);
  });
});

describe.each(streaming)("over %s", (row, _transport, dress) => {
  test("messages of one turn are one frame, and each frame is a chunk", async () => {
    const { port } = await openEcho({
      handler(event, bus) {
        if (event.type === "message") for (const text of event.text) bus.unicast(text, event.connection);
      },
    });
    const poller = new Poller(port);
    const wire = await opening(poller.wait(row));
    expect(await wire.chunk()).toBe(dress("o"));
    await poller.send("abc");
    expect(await wire.chunk()).toBe(dress('a["a","b","c"]'));
    await poller.send("d");
    expect(await wire.chunk()).toBe(dress('a["d"]'));
  });

  test("with a limit of 1 each frame is the last of its response", async () => {
    const { port } = await openEcho({ sockjs: { responseLimitBytes: 1 } });
    const poller = new Poller(port);
    const first = await opening(poller.wait(row));
    expect(await first.body()).toBe(dress("o"));
    await poller.send("a");
    expect(await (await opening(poller.wait(row))).body()).toBe(dress('a["a"]'));
  });

  test("the limit is 128 KiB unless another is set", async () => {
    const { port } = await openEcho();
    const poller = new Poller(port);
    const wire = await opening(poller.wait(row));
    await wire.chunk();
    const long = "x".repeat(131_072 - 200);
    await poller.send(long);
    expect(await wire.chunk()).toBe(dress(`a["${long}"]`));
    await poller.send("y".repeat(200));
    expect(await wire.chunk()).toBe(dress(`a["${"y".repeat(200)}"]`));
    expect(await wire.chunk()).toBe("");
  });

  test("what the program sends before it closes comes before the close frame", async () => {
    const { port, events } = await openEcho({
      handler(event, bus) {
        if (event.type !== "message") return;
        bus.unicast("last words", event.connection);
        bus.close(event.connection, 4001, "bye");
      },
    });
    const poller = new Poller(port);
    const wire = await opening(poller.wait(row));
    await wire.chunk();
    await poller.send("go");
    expect(await wire.chunk()).toBe(dress('a["last words"]'));
    expect(await wire.chunk()).toBe(dress('c[4001,"bye"]'));
    expect(await wire.chunk()).toBe("");
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "message go", "closed 4001 bye server true"]);
  });
});

describe.each(polling)("over %s", (row, _transport, dress) => {
  test("what the program sends before it closes comes with one poll, the close frame with the next", async () => {
    const { port, server } = await openEcho();
    const poller = await Poller.open(port);
    await untilOpen(server, 1);
    server.sendall("last");
    server.sendall("words");
    server.connections()[0]?.close(4001, "bye");
    expect(server.stats().connections).toBe(0);
    for (const frame of ['a["last","words"]', 'c[4001,"bye"]', 'c[4001,"bye"]']) {
      const wire = poller.wait(row);
      await wire.head();
      expect(await wire.body()).toBe(dress(frame));
    }
  });
});

describe("a session that was closed", () => {
  test("takes what its client sends for nothing, and is forgotten 5 s after it was last asked for", async () => {
    const { port, server, clock, events } = await openEcho();
    const poller = await Poller.open(port);
    await untilOpen(server, 1);
    server.connections()[0]?.close(3000, "over");
    expect((await poller.poll()).body).toBe('c[3000,"over"]\n');
    expect((await poller.send("too late")).status).toBe(204);
    clock.pass(4_999);
    expect((await poller.poll()).body).toBe('c[3000,"over"]\n');
    clock.pass(4_999);
    expect((await poller.poll()).body).toBe('c[3000,"over"]\n');
    clock.pass(5_000);
    expect((await poller.send("x")).status).toBe(404);
    expect((await poller.poll()).body).toBe("o\n");
    expect(kinds(events).slice(0, 2)).toEqual(["open", "closed 3000 over server true"]);
  });

  test("and whose client never asks again has not ended cleanly", async () => {
    const { port, server, clock, events } = await openEcho();
    await Poller.open(port);
    await untilOpen(server, 1);
    server.connections()[0]?.close(3000, "over");
    clock.pass(5_000);
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "closed 3000 over server false"]);
    expect(clock.alarms).toBe(0);
  });

  test("by terminate is cut off", async () => {
    const { port, server, events } = await openEcho();
    const states = watchSessions(server);
    const poller = await Poller.open(port);
    const waiting = poller.wait();
    await until(() => states.last === ATTACHED);
    expect(server.connections()[0]?.terminate()).toBe(true);
    await until(() => waiting.isEnded && events.at(-1)?.type === "closed");
    expect(waiting.unread).toBe("");
    expect(kinds(events)).toEqual(["open", "closed 1006  server false"]);
    expect((await poller.poll()).body).toBe('c[1002,"Connection interrupted"]\n');
    const idle = await Poller.open(port);
    await untilOpen(server, 1);
    server.connections()[0]?.terminate();
    await until(() => events.filter(({ type }) => type === "closed").length === 2);
    expect((await idle.poll()).body).toBe('c[1002,"Connection interrupted"]\n');
  });
});

describe("polling", () => {
  test("60 times on one connection finds the session each time", async () => {
    const { port, server } = await openEcho();
    const { root } = await Poller.open(port);
    await untilOpen(server, 1);
    const wire = new Wire(port);
    for (let i = 0; i < 60; i++) {
      server.sendall(String(i));
      expect((await wire.ask("POST", `${root}/xhr`).answer()).body).toBe(`a["${i}"]\n`);
    }
  });

  test("side by side with sending brings everything once and in order", async () => {
    const { port } = await openEcho();
    const { root } = await Poller.open(port);
    const [up, down] = [new Wire(port), new Wire(port)];
    const sent = Array.from({ length: 60 }, (_, i) => String(i));
    const sending = (async () => {
      for (const text of sent) await up.ask("POST", `${root}/xhr_send`, { body: JSON.stringify([text]) }).answer();
    })();
    const got: string[] = [];
    while (got.length < sent.length) {
      const { body } = await down.ask("POST", `${root}/xhr`).answer();
      got.push(...JSON.parse(body.slice(1)));
    }
    await sending;
    expect(got).toEqual(sent);
  });

  test("brings a message of 256 KiB", async () => {
    const { port } = await openEcho();
    const poller = await Poller.open(port);
    const message = "é".repeat(131_072);
    await poller.send(message);
    expect((await poller.poll()).body).toBe(`a["${message}"]\n`);
  });
});

describe("transports of one session", () => {
  test("may change with each request", async () => {
    const { port, events } = await openEcho();
    const poller = new Poller(port);
    expect((await poller.poll("jsonp?c=x")).body).toBe('/**/x("o");\r\n');
    await poller.send("1");
    expect((await poller.poll("xhr")).body).toBe('a["1"]\n');
    const stream = await opening(poller.wait("eventsource"));
    await poller.send("2");
    expect(await stream.chunk()).toBe('data: a["2"]\r\n\r\n');
    // A fact of the request that created it.
    expect(connectionOf(events).transport).toBe("jsonp-polling");
  });

  test("may be in rooms with WebSocket clients, and get what is sent there", async () => {
    const { port, server } = await openEcho({
      handler(event, bus) {
        if (event.type === "open") event.connection.join("room");
        if (event.type === "message") bus.broadcast(event.text, event.connection, { room: "room" });
      },
    });
    const plain = await Client.open(new URL("/echo", server.url).href);
    const raw = await Client.open(new URL("/echo/websocket", server.url).href);
    const framed = await openFramed(server, `${newSession("/echo")}/websocket`);
    const stream = new Poller(port).wait("xhr_streaming");
    await opening(stream);
    await stream.chunk();
    const poller = await Poller.open(port);
    await until(() => server.members("room").length === 5);
    expect((await poller.send("from the poller")).status).toBe(204);
    await until(() => [plain, raw].every(({ received }) => received.length === 1) && framed.received.length === 2);
    expect([plain.received, raw.received]).toEqual([["from the poller"], ["from the poller"]]);
    expect(framed.received).toEqual(["o", 'a["from the poller"]']);
    expect(await stream.chunk()).toBe('a["from the poller"]\n');
    plain.send("from the socket");
    expect((await poller.poll()).body).toBe('a["from the socket"]\n');
    expect(await stream.chunk()).toBe('a["from the socket"]\n');
    const { sent, received } = server.stats();
    expect(received).toEqual({ messages: 2, bytes: 30 });
    expect(sent).toEqual({ messages: 8, bytes: 120, frames: 2, writes: 8 });
  });
});

describe("a connection over SockJS", () => {
  test("has the facts of the request that created it, without its cookies and the session's id", async () => {
    const { port, events } = await openEcho();
    const root = newSession("/echo");
    await ask(port, "POST", `${root}/xhr?nick=bob&t=1`, {
      headers: { Origin: "http://page.example", Cookie: "a=1", cookie: "b=2", "X-Custom": "yes" },
    });
    await ask(port, "POST", `${root}/xhr_send`, { headers: { "X-Custom": "no" }, body: '["x"]' });
    await until(() => events.length === 2);
    const connection = connectionOf(events);
    expect(connection.path).toBe("/echo");
    expect(connection.query.get("nick")).toBe("bob");
    expect(connection.headers["x-custom"]).toBe("yes");
    expect(connection.headers).not.toHaveProperty("cookie");
    expect(connection.cookies).toEqual({});
    expect(connection).toMatchObject({
      origin: "http://page.example",
      remoteAddress: "127.0.0.1",
      secure: false,
      protocol: "",
      version: 0,
    });
    expect(JSON.stringify([connection.path, [...connection.query], connection.headers])).not.toContain("session");
  });

  test("has the parts of its route's path, and sessions are told apart by it", async () => {
    const seen: string[] = [];
    const { port } = await openEcho({
      routes: {
        "/room/:name": {
          handler(event) {
            if (event.type === "open") seen.push(event.connection.params.name ?? "");
          },
        },
      },
    });
    for (const room of ["a", "b%20c"]) expect((await ask(port, "POST", `/room/${room}/000/same/xhr`)).body).toBe("o\n");
    await until(() => seen.length === 2);
    expect(seen).toEqual(["a", "b c"]);
    expect((await ask(port, "GET", "/room/a/info")).status).toBe(200);
    expect((await ask(port, "GET", "/room/a")).body).toBe("Welcome to SockJS!\n");
    expect((await ask(port, "GET", "/room/a/x")).status).toBe(404);
    expect((await ask(port, "GET", "/room")).status).toBe(426);
  });

  test("has no pings over HTTP, and those of WebSocket over WebSocket", async () => {
    const { port, server } = await openEcho();
    await Poller.open(port);
    await untilOpen(server, 1);
    expect(server.connections()[0]?.ping()).toBe(false);
    const framed = await openFramed(server, `${newSession("/echo")}/websocket`);
    await untilOpen(server, 2);
    let pings = 0;
    framed.ws.on("ping", () => pings++);
    expect(server.connections()[1]?.ping("x")).toBe(true);
    await until(() => pings === 1);
    await until(() => server.connections()[1]?.roundTripMs === 0);
  });

  test.each(["xhr", "websocket"])("drops bytes, says so once, and goes on: %s", async (row) => {
    const { lines, logger } = rememberLines();
    const { port, server } = await openEcho({ logger });
    const poller = row === "xhr" ? await Poller.open(port) : undefined;
    const framed = row === "xhr" ? undefined : await openFramed(server, `${newSession("/echo")}/websocket`);
    await untilOpen(server, 1);
    for (let i = 0; i < 3; i++)
      expect(server.sendall(Buffer.from([i]))).toEqual({ targeted: 1, queued: 0, dropped: 1, dead: 0 });
    expect(server.connections()[0]?.send(new Uint8Array(1))).toBe(false);
    expect(server.stats().dropped).toBe(4);
    expect(lines.filter(({ level, line }) => level === "warn" && line === "bytes cannot be sent here")).toHaveLength(1);
    server.sendall("text");
    if (poller !== undefined) expect((await poller.poll()).body).toBe('a["text"]\n');
    await until(() => framed === undefined || framed.received.includes('a["text"]'));
  });

  test("that is silent has its idle events, and its limit", async () => {
    const { port, clock, events } = await openEcho({
      idleTimeoutMs: 1_000,
      handler(event) {
        if (event.type === "open") event.connection.idle(300);
      },
    });
    const poller = await Poller.open(port);
    await until(() => events.length === 1);
    clock.pass(300);
    await until(() => events.length === 2);
    clock.pass(700);
    expect((await poller.poll()).body).toBe('c[1000,"idle"]\n');
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "idle", "closed 1000 idle server true"]);
  });
});

describe("an outbox over SockJS", () => {
  const sizes = [40, 40, 40, 40];

  async function overflow(slowConsumer: "close" | "dropOldest" | "dropNewest") {
    const opened = await openEcho({ outbox: { maxBufferedBytes: 100, slowConsumer } });
    const poller = await Poller.open(opened.port);
    await untilOpen(opened.server, 1);
    for (const [i, size] of sizes.entries()) {
      opened.server.sendall(`${i}`.padEnd(size, "."));
      await nextRound();
    }
    return { ...opened, poller };
  }

  function numbers(body: string): number[] {
    return JSON.parse(body.slice(1)).map((text: string) => Number.parseInt(text, 10));
  }

  test("is bounded while nobody polls: dropNewest", async () => {
    const { poller, server } = await overflow("dropNewest");
    expect(numbers((await poller.poll()).body)).toEqual([0, 1, 2]);
    expect(server.stats()).toMatchObject({ dropped: 1, slowConsumers: 1 });
  });

  test("is bounded while nobody polls: dropOldest", async () => {
    const { poller, server } = await overflow("dropOldest");
    expect(numbers((await poller.poll()).body)).toEqual([1, 2, 3]);
    expect(server.stats()).toMatchObject({ dropped: 1, slowConsumers: 1 });
  });

  test("is bounded while nobody polls: close", async () => {
    const { poller, events } = await overflow("close");
    expect(numbers((await poller.poll()).body)).toEqual([0, 1, 2]);
    expect((await poller.poll()).body).toBe('c[1013,"slow consumer"]\n');
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events).at(-1)).toBe("closed 1013 slow consumer server true");
  });

  test("does not grow with polls that nobody reads", async () => {
    const { port, server } = await openEcho({ outbox: { maxBufferedBytes: 100_000, slowConsumer: "dropNewest" } });
    const states = watchSessions(server);
    const poller = await Poller.open(port);
    const deaf = poller.wait();
    deaf.peer.socket.pause();
    await until(() => states.last === ATTACHED);
    // More than the system takes for a reader that has stopped.
    const large = "x".repeat(20_000_000);
    server.sendall(large);
    await until(() => states.last !== ATTACHED);
    const next = poller.wait();
    await until(() => states.last === ATTACHED);
    expect(server.sendall("one too many")).toMatchObject({ queued: 0, dropped: 1 });
    deaf.peer.socket.resume();
    await deaf.head();
    expect(await deaf.body()).toHaveLength(large.length + 6);
    await until(() => server.connections()[0]?.bufferedAmount === 0);
    server.sendall("and on");
    expect((await next.answer()).body).toBe('a["and on"]\n');
  });
});

describe("a client that does not read", () => {
  // More than the system takes for a reader that has stopped.
  const large = "x".repeat(20_000_000);

  test("gets nothing by its next poll before it has taken the answer to the last", async () => {
    const { port, server } = await openEcho({ outbox: { maxBufferedBytes: 100_000_000 } });
    const states = watchSessions(server);
    const poller = await Poller.open(port);
    const deaf = poller.wait();
    deaf.peer.socket.pause();
    await until(() => states.last === ATTACHED);
    server.sendall(large);
    await until(() => states.last !== ATTACHED);
    const next = poller.wait();
    await until(() => states.last === ATTACHED);
    server.sendall("later");
    for (let i = 0; i < 20; i++) await nextRound();
    expect(next.unread).toBe("");
    deaf.peer.socket.resume();
    expect((await deaf.answer()).body).toHaveLength(large.length + 6);
    expect((await next.answer()).body).toBe('a["later"]\n');
  });

  test("gets no heartbeats on top of what waits for it", async () => {
    const options = { outbox: { maxBufferedBytes: 100_000_000 }, sockjs: { responseLimitBytes: 2 ** 40 } };
    const { port, server, clock } = await openEcho(options);
    const stream = await opening(new Poller(port).wait("xhr_streaming"));
    await stream.chunk();
    await untilOpen(server, 1);
    stream.peer.socket.pause();
    server.sendall(large);
    await until(() => server.stats().sent.writes === 1);
    const before = server.connections()[0]?.bufferedAmount ?? 0;
    for (let i = 0; i < 10; i++) clock.pass(25_000);
    expect(server.connections()[0]?.bufferedAmount).toBeLessThanOrEqual(before);
    stream.peer.socket.resume();
    expect(await stream.chunk()).toHaveLength(large.length + 6);
    clock.pass(25_000);
    expect(await stream.chunk()).toBe("h\n");
  });
});

describe("sends", () => {
  test("are held back, unread, while the mailbox is full, and none is lost", async () => {
    let go = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { port, server, events } = await openEcho({
      mailbox: { highWaterEvents: 20, lowWaterEvents: 5 },
      async handler(event) {
        if (event.type === "message") await blocked;
      },
    });
    const poller = await Poller.open(port);
    const texts = Array.from({ length: 100 }, (_, i) => String(i));
    const first = new Wire(port).ask("POST", `${poller.root}/xhr_send`, { body: JSON.stringify(texts) });
    await until(() => server.stats().paused === 1);
    expect(server.stats().received.messages).toBe(20);
    const second = new Wire(port).ask("POST", `${poller.root}/xhr_send`, { body: '["last"]' });
    for (let i = 0; i < 20; i++) await nextRound();
    expect([first.unread, second.unread]).toEqual(["", ""]);
    expect(server.stats().received.messages).toBe(20);
    go();
    expect((await first.answer()).status).toBe(204);
    expect((await second.answer()).status).toBe(204);
    await until(() => events.length === 102);
    expect(kinds(events).slice(1)).toEqual([...texts, "last"].map((text) => `message ${text}`));
    expect(server.stats().paused).toBe(0);
  });

  test("that came before the client left are delivered before the end", async () => {
    let go = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { port, server, events } = await openEcho({
      mailbox: { highWaterEvents: 2, lowWaterEvents: 0 },
      async handler(event) {
        if (event.type === "message") await blocked;
      },
    });
    const poller = new Poller(port);
    const stream = await opening(poller.wait("xhr_streaming"));
    await stream.chunk();
    const sending = poller.send("1", "2", "3", "4", "5", "6");
    await until(() => server.stats().paused === 1);
    stream.cut();
    await until(() => server.stats().connections === 0);
    go();
    await sending;
    await until(() => events.at(-1)?.type === "closed");
    const messages = ["1", "2", "3", "4", "5", "6"].map((text) => `message ${text}`);
    expect(kinds(events)).toEqual(["open", ...messages, "closed 1006  lost false"]);
  });

  test("larger than maxPayloadBytes are refused with 413, with a length or without, and the session goes on", async () => {
    const { port } = await openEcho({ maxPayloadBytes: 100 });
    const poller = await Poller.open(port);
    const large = await poller.send("x".repeat(97));
    expect(large).toMatchObject({ status: 413, body: "expected at most 100 bytes (option maxPayloadBytes)" });
    expect(large.headers["access-control-allow-origin"]).toBe("*");
    const endless = new Wire(port).ask("POST", `${poller.root}/xhr_send`, {
      headers: { "Transfer-Encoding": "chunked" },
    });
    endless.peer.write(`40\r\n${"[".repeat(64)}\r\n`);
    endless.peer.write(`40\r\n${"[".repeat(64)}\r\n`);
    expect((await endless.answer()).status).toBe(413);
    await until(() => endless.isEnded);
    expect((await poller.send("x".repeat(96))).status).toBe(204);
    expect((await poller.poll()).body).toBe(`a["${"x".repeat(96)}"]\n`);
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    const body = `d=${"x".repeat(99)}`;
    expect((await ask(port, "POST", `${poller.root}/jsonp_send`, { headers: form, body })).status).toBe(413);
  });

  test("may come in chunks, and with characters cut in two", async () => {
    const { port } = await openEcho();
    const poller = await Poller.open(port);
    const wire = new Wire(port).ask("POST", `${poller.root}/xhr_send`, { headers: { "Transfer-Encoding": "chunked" } });
    for (const byte of Buffer.from('["é€\u{1f600}"]')) {
      wire.peer.write(Buffer.concat([Buffer.from("1\r\n"), Buffer.from([byte]), Buffer.from("\r\n")]));
      await nextRound();
    }
    wire.peer.write("0\r\n\r\n");
    expect((await wire.answer()).status).toBe(204);
    expect(JSON.parse((await poller.poll()).body.slice(1))).toEqual(["é€\u{1f600}"]);
  });

  test("with bytes that are no UTF-8 have replacement characters in their place", async () => {
    const { port } = await openEcho();
    const poller = await Poller.open(port);
    await poller.post(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]));
    expect(JSON.parse((await poller.poll()).body.slice(1).replace("\\ufffd", "?"))).toEqual(["?"]);
  });

  test("whose sender leaves in the middle do not hold up the next", async () => {
    const { port } = await openEcho();
    const poller = await Poller.open(port);
    const half = new Wire(port).ask("POST", `${poller.root}/xhr_send`, { headers: { "Content-Length": "100" } });
    half.peer.write('["never');
    await until(() => half.peer.socket.bytesWritten > 0 && !half.peer.socket.connecting);
    half.cut();
    expect((await poller.send("a")).status).toBe(204);
    expect((await poller.poll()).body).toBe('a["a"]\n');
  });

  test.each(['["a",1]', "[null]", "[[]]", '[{"a":1}]', "null", "true", "[1]"])(
    "that are no lists of strings are refused as a whole: %s",
    async (body) => {
      const { port, events } = await openEcho();
      const poller = await Poller.open(port);
      expect(await poller.post(body)).toMatchObject({ status: 500, body: "Payload expected." });
      await poller.send("fine");
      expect((await poller.poll()).body).toBe('a["fine"]\n');
      expect(kinds(events)).toEqual(["open", "message fine"]);
    },
  );
});

describe("htmlfile", () => {
  test("lets no message end its script", async () => {
    const { port } = await openEcho();
    const poller = new Poller(port);
    const wire = await opening(poller.wait("htmlfile?c=x"));
    await wire.chunk();
    await poller.send("</script><script>alert(1)</script><!--");
    const chunk = await wire.chunk();
    expect(chunk.match(/<\/script>/g)).toHaveLength(1);
    expect(chunk).not.toContain("<!--");
    const [, string = ""] = /^<script>\np\((.*)\);\n<\/script>\r\n$/.exec(chunk) ?? [];
    expect(JSON.parse(JSON.parse(string).slice(1))).toEqual(["</script><script>alert(1)</script><!--"]);
  });
});

describe("over a websocket", () => {
  test("heartbeats are h frames, and a peer that answers no ping is dropped", async () => {
    const { port, server, clock, events } = await openEcho({ heartbeat: false });
    const good = await openFramed(server, `${newSession("/echo")}/websocket`);
    const mute = new RawPeer(port);
    mute.write(upgradeRequest(`${newSession("/echo")}/websocket`));
    await until(() => mute.frames.length === 1);
    await untilOpen(server, 2);
    clock.pass(25_000);
    await until(() => good.received.length === 2 && mute.frames.length === 3);
    expect(good.received).toEqual(["o", "h"]);
    expect(mute.frames.map(({ opcode }) => opcode).sort()).toEqual([1, 1, 9]);
    await until(() => server.connections()[0]?.roundTripMs !== undefined);
    clock.pass(20_000);
    await until(() => mute.isEnded && events.at(-1)?.type === "closed");
    expect(kinds(events).at(-1)).toBe("closed 1006  lost false");
    expect(server.stats().connections).toBe(1);
    clock.pass(5_000);
    await until(() => good.received.length === 3);
  });

  test("raw connections have the heartbeat of plain WebSocket", async () => {
    const { server, clock } = await openEcho({ heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 } });
    const raw = await Client.open(new URL("/echo/websocket", server.url).href);
    let pings = 0;
    raw.ws.on("ping", () => pings++);
    clock.pass(1_000);
    await until(() => pings === 1);
    await until(() => server.connections()[0]?.roundTripMs !== undefined);
    clock.pass(30_000);
    expect(raw.received).toEqual([]);
  });

  test("a message may come in fragments, or as bytes", async () => {
    const { port } = await openEcho();
    const peer = new RawPeer(port);
    peer.write(upgradeRequest(`${newSession("/echo")}/websocket`));
    await until(() => peer.frames.length === 1);
    peer.write(clientFrame('["a', { fin: false }));
    peer.write(clientFrame('b"]', { opcode: 0 }));
    await until(() => peer.frames.length === 2);
    peer.write(clientFrame('["bytes"]', { opcode: 2 }));
    await until(() => peer.frames.length === 3);
    expect(peer.frames.slice(1).map(({ payload }) => payload.toString())).toEqual(['a["ab"]', 'a["bytes"]']);
    peer.socket.destroy();
  });

  test("messages of one turn are one frame", async () => {
    const { server } = await openEcho({
      handler(event, bus) {
        if (event.type === "message") for (const text of event.text) bus.unicast(text, event.connection);
      },
    });
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    client.send('["abc"]');
    await until(() => client.received.length === 2);
    expect(client.received[1]).toBe('a["a","b","c"]');
  });

  test("the client's own close is what the handler hears", async () => {
    const { server, events } = await openEcho();
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    client.ws.close(4002, "bye");
    await client.ended();
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "closed 4002 bye peer true"]);
  });

  test("the program's close is in a frame of SockJS, and heard as the program's", async () => {
    const { server, events } = await openEcho({
      handler(event, bus) {
        if (event.type !== "message") return;
        bus.unicast("last", event.connection);
        event.connection.close(4001, "enough");
      },
    });
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    client.send('["go"]');
    expect(await client.ended()).toEqual({ code: 1000, reason: "Normal closure" });
    expect(client.received).toEqual(["o", 'a["last"]', 'c[4001,"enough"]']);
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "message go", "closed 4001 enough server true"]);
  });

  test("broken framing is an error of the connection, and its end", async () => {
    const { server, events } = await openEcho();
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    client.send('["a');
    client.send('["never"]');
    expect(await client.ended()).toEqual({ code: 3000, reason: "Broken framing." });
    expect(client.received).toEqual(["o"]);
    await until(() => events.at(-1)?.type === "closed");
    expect(kinds(events)).toEqual(["open", "error", "closed 3000 Broken framing. server true"]);
  });

  test.each([
    ["in bytes", [clientFrame('["a', { opcode: 2 })]],
    ["that is no text", [clientFrame(Buffer.from([1, 2, 255]), { opcode: 2 })]],
    ["in fragments", [clientFrame('["a', { fin: false }), clientFrame("b", { opcode: 0 })]],
  ])("broken framing %s is answered by nothing but a close frame", async (_case, frames) => {
    const { port } = await openEcho();
    const peer = new RawPeer(port);
    peer.write(upgradeRequest(`${newSession("/echo")}/websocket`));
    await until(() => peer.frames.length === 1);
    peer.write(Buffer.concat(frames));
    await until(() => peer.frames.length > 1);
    const closing = Buffer.concat([Buffer.from([0x0b, 0xb8]), Buffer.from("Broken framing.")]);
    expect(peer.frames.slice(1)).toEqual([{ opcode: 8, payload: closing }]);
    peer.socket.destroy();
  });

  test("broken framing behind a full mailbox ends the session at the latest after closeTimeoutMs", async () => {
    let go = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { port, server, events, clock } = await openEcho({
      closeTimeoutMs: 1_000,
      mailbox: { highWaterEvents: 2, lowWaterEvents: 0 },
      async handler(event) {
        if (event.type === "message") await blocked;
      },
    });
    const peer = new RawPeer(port);
    peer.write(upgradeRequest(`${newSession("/echo")}/websocket`));
    await until(() => peer.frames.length === 1);
    // In one packet: what is read with the last message that may come is read all the same.
    peer.write(Buffer.concat([clientFrame('["1","2","3"]'), clientFrame('["x')]));
    await until(() => server.stats().received.messages === 3);
    clock.pass(999);
    await nextRound();
    expect(peer.frames.length).toBe(1);
    clock.pass(1);
    await until(() => peer.frames.some(({ opcode }) => opcode === 8));
    const closing = Buffer.concat([Buffer.from([0x0b, 0xb8]), Buffer.from("Broken framing.")]);
    expect(peer.frames.slice(1)).toEqual([{ opcode: 8, payload: closing }]);
    peer.write(clientFrame(Buffer.from([0x0b, 0xb8]), { opcode: 8 }));
    await until(() => peer.isEnded && server.stats().connections === 0);
    go();
    await until(() => events.at(-1)?.type === "closed");
    const messages = ["1", "2", "3"].map((text) => `message ${text}`);
    expect(kinds(events)).toEqual(["open", ...messages, "error", "closed 3000 Broken framing. server true"]);
  });

  test("a message larger than maxPayloadBytes closes with 1009", async () => {
    const { server } = await openEcho({ maxPayloadBytes: 100 });
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    client.send(JSON.stringify(["x".repeat(97)]));
    expect((await client.ended()).code).toBe(1009);
  });

  test("a frame with many messages does not run past a full mailbox", async () => {
    let go = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { server, events } = await openEcho({
      mailbox: { highWaterEvents: 20, lowWaterEvents: 5 },
      async handler(event) {
        if (event.type === "message") await blocked;
      },
    });
    const client = await openFramed(server, `${newSession("/echo")}/websocket`);
    const texts = Array.from({ length: 100 }, (_, i) => String(i));
    client.send(JSON.stringify(texts));
    await until(() => server.stats().paused === 1);
    expect(server.stats().received.messages).toBe(20);
    go();
    await until(() => events.length === 101);
    expect(kinds(events).slice(1)).toEqual(texts.map((text) => `message ${text}`));
  });
});

describe("the server's own end", () => {
  test("is told to whoever polls, streams or has a websocket, and nobody new is let in", async () => {
    const { port, server, clock, events } = await openEcho();
    const states = watchSessions(server);
    const poller = await Poller.open(port);
    const poll = poller.wait();
    await until(() => states.last === ATTACHED);
    const stream = await opening(new Poller(port).wait("xhr_streaming"));
    await stream.chunk();
    const framed = await openFramed(server, `${newSession("/echo")}/websocket`);
    await untilOpen(server, 3);
    const closing = server.close();
    expect((await poll.answer()).body).toBe('c[1001,"going away"]\n');
    expect(await stream.chunk()).toBe('c[1001,"going away"]\n');
    expect(await stream.chunk()).toBe("");
    await framed.ended();
    expect(framed.received).toEqual(["o", 'c[1001,"going away"]']);
    await closing;
    expect(clock.alarms).toBe(0);
    expect(kinds(events).filter((kind) => kind.startsWith("closed"))).toEqual(
      Array(3).fill("closed 1001 going away server true"),
    );
  });
});
