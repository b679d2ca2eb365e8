/** The large parts of a server in pairs, over real sockets: SockJS, shapes of handlers, clusters, hosts and the client. */

import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { request } from "node:https";
import {
  attach,
  type Connection,
  channels,
  idle,
  noreply,
  perConnection,
  ping,
  pong,
  reply,
  type ServeOptions,
  type Stats,
  serve,
} from "sendall";
import { connect } from "sendall/client";
import SockJS from "sockjs-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../../examples/tls/certificate.js";
import type { Server } from "../../src/server/server.js";
import { memory } from "../../src/testing/memory-cluster.js";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { Client, closeByHand, heapInUse, openByHand, serveByHand, until } from "./peers.js";
import { Poller, watchSessions } from "./sockjs-peers.js";

interface Guest {
  readonly socket: WebSocket;
  readonly received: string[];
  closed: string | undefined;
}

/** A client of SockJS on one of its transports. */
async function enter(url: string, transport: string): Promise<Guest> {
  const socket = new SockJS(url.replace(/^ws/, "http"), undefined, { transports: transport, timeout: 60_000 });
  onTestFinished(() => socket.close());
  const guest: Guest = { socket, received: [], closed: undefined };
  socket.onmessage = ({ data }) => void guest.received.push(data);
  socket.onclose = ({ code, reason }) => {
    guest.closed = `${code} ${reason}`;
  };
  await new Promise<void>((resolve) => {
    socket.onopen = () => resolve();
  });
  return guest;
}

const TRANSPORTS = ["xhr-polling", "xhr-streaming", "websocket"];

interface Node {
  readonly server: Server;
  readonly clock: HandClock;
}

/** Two nodes of one cluster. */
async function nodes(options: () => ServeOptions): Promise<[Node, Node]> {
  const cluster = memory();
  return [await serveByHand({ ...options(), cluster }), await serveByHand({ ...options(), cluster })];
}

describe.each(TRANSPORTS)("over %s", (transport) => {
  test("replies of ping and pong are done where the transport has them, and harm nobody where it has not", async () => {
    const closed: unknown[] = [];
    const { server } = await serveByHand({
      sockjs: {},
      handler: perConnection<number>({
        init: () => 0,
        handle: (message, n) => [ping(n, "a"), pong(n, "b"), reply(`got ${message} ${n}`, n + 1)],
        pong: (data, n) => reply(`pong ${data}`, n),
        closed: (n, { transport: over }, ending) => void closed.push([n, over, ending.code, ending.by]),
      }),
    });
    const guest = await enter(server.url, transport);
    guest.socket.send("x");
    guest.socket.send("y");
    const answers = transport === "websocket" ? 4 : 2;
    await until(() => guest.received.length === answers);
    expect(guest.received.filter((text) => text.startsWith("got"))).toEqual(["got x 0", "got y 1"]);
    expect(server.stats().failures).toEqual([]);
    for (const connection of server.connections()) connection.close(4001, "bye");
    await until(() => guest.closed !== undefined && closed.length === 1);
    expect([guest.closed, closed]).toEqual(["4001 bye", [[2, transport, 4001, "server"]]]);
  });

  test("a loop that falls behind holds its client up, and loses nothing", async () => {
    let go = (): void => {};
    const opened = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { server } = await serveByHand({
      sockjs: {},
      mailbox: { highWaterEvents: 4, lowWaterEvents: 2 },
      handler: perConnection(async (connection) => {
        await opened;
        for await (const message of connection) connection.send(`${String(message)}`);
      }),
    });
    const guest = await enter(server.url, transport);
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
    for (const text of texts) guest.socket.send(text);
    await until(() => server.stats().paused === 1);
    go();
    await until(() => guest.received.length === texts.length);
    expect(guest.received).toEqual(texts);
    await until(() => server.stats().paused === 0);
  });

  test("channels of two nodes are one, and bytes that cannot be sent are counted where they are dropped", async () => {
    const [{ server: a }, { server: b }] = await nodes(() => ({
      sockjs: {},
      handler: channels({
        ann(event, bus) {
          if (event.type === "message")
            bus.broadcast(event.text === "bytes" ? Buffer.from("x") : event.text, event.connection);
        },
      }),
    }));
    const [guest, other] = [await enter(a.url, transport), await Client.open(b.url)];
    guest.socket.send("sub,ann");
    other.send("sub,ann");
    await until(() => [a, b].every((server) => server.stats().cluster?.subscriptions === 3));
    other.send("msg,ann,bytes");
    other.send("msg,ann,text, with comma");
    await until(() => guest.received.length === 1);
    expect([guest.received, a.stats().dropped]).toEqual([["msg,ann,text, with comma"], 1]);
    guest.socket.send("msg,ann,bytes");
    await until(() => other.received.length === 1);
    expect(other.received).toEqual([Buffer.from("msg,ann,x")]);
    guest.socket.close();
    await until(() => a.stats().connections === 0 && a.stats().cluster?.subscriptions === 1);
  });

  test("a server closes with loops that sleep, modules that alarm, pollers and a cluster", async () => {
    const cluster = memory();
    const ended: string[] = [];
    const { server, clock } = await openByHand({
      cluster,
      sockjs: {},
      handler: channels({
        loop: perConnection(async (_connection, bus) => {
          await bus.sleep(1_000_000);
          ended.push("loop");
        }),
        module: perConnection<number>({
          init(_connection, bus) {
            bus.after(1_000_000, "late");
            return 0;
          },
          handle: (_message, n) => noreply(n),
          closed: () => void ended.push("module"),
        }),
      }),
    });
    const sessions = watchSessions(server);
    const guest = await enter(server.url, transport);
    for (const text of ["sub,loop", "sub,module", "msg,loop,x"]) guest.socket.send(text);
    await until(() => server.stats().received.messages === 3);
    // Between two polls nobody could tell it.
    await until(() => transport === "websocket" || sessions.last === '{"open":"attached"}');
    await closeByHand(server, clock);
    await until(() => guest.closed !== undefined);
    expect(guest.closed).toBe("1001 going away");
    expect(ended.toSorted()).toEqual(["loop", "module"]);
    expect(clock.nextDue).toBe(undefined);
  });

  test("channels are served on a host's server, too", async () => {
    const http: HttpServer = createServer((request, response) =>
      sendall.middleware(request, response, () => response.writeHead(404).end()),
    );
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    onTestFinished(() => void http.close());
    const sendall = await attach(http, {
      logger: false,
      routes: {
        "/mux": {
          sockjs: {},
          handler: channels({
            a: (event, bus) => {
              if (event.type === "message") bus.sendall(event.text);
            },
          }),
        },
      },
    });
    onTestFinished(() => sendall.close());
    const guest = await enter(new URL("mux", sendall.url).href, transport);
    const plain = await Client.open(new URL("mux", sendall.url).href);
    for (const one of [guest.socket, plain]) one.send("sub,a");
    await until(() => sendall.stats().received.messages === 2);
    guest.socket.send("msg,a,hi");
    await until(() => guest.received.length === 1 && plain.received.length === 1);
    expect([guest.received, plain.received]).toEqual([["msg,a,hi"], ["msg,a,hi"]]);
    await sendall.close();
    await until(() => guest.closed !== undefined && plain.closed !== undefined);
    expect([guest.closed, plain.closed?.code]).toEqual(["1001 going away", 1001]);
  });
});

test("a poller that does not poll is too slow for what comes from another node, and learns that it was closed", async () => {
  const ended: unknown[] = [];
  const [a, b] = await nodes(() => ({
    sockjs: {},
    outbox: { maxBufferedBytes: 1_000 },
    handler: channels({
      news(event, bus) {
        if (event.type === "message") bus.broadcast("x".repeat(300), event.connection);
        if (event.type === "closed") ended.push([event.code, event.reason, event.by]);
      },
    }),
  }));
  const poller = await Poller.open(a.server.port, "/000/slow");
  await poller.send("sub,news");
  const [quick, source] = [await Client.open(a.server.url), await Client.open(b.server.url)];
  for (const client of [quick, source]) client.send("sub,news");
  await until(() => a.server.stats().received.messages === 2);
  await until(() => [a, b].every(({ server }) => server.stats().cluster?.subscriptions === 3));
  for (let i = 0; i < 10; i++) source.send("msg,news,more");
  await until(() => quick.received.length === 10);
  const { slowConsumers, dropped, deadLetters } = a.server.stats();
  // Four are over the limit, the next one finds it, and the others find nobody.
  expect({ slowConsumers, dropped, deadLetters }).toEqual({ slowConsumers: 1, dropped: 1, deadLetters: 0 });
  const first = await poller.poll();
  expect(first.body.match(/msg,news,x{300}/g)).toHaveLength(4);
  expect((await poller.poll()).body).toBe('c[1013,"slow consumer"]\n');
  await until(() => ended.length === 1 && a.server.stats().connections === 1);
  expect(ended).toEqual([[1013, "slow consumer", "server"]]);
});

test("the silence of a SockJS poller is told to loops in its channels, also over TLS", async () => {
  const authority = makeCertificate("our authority");
  const { cert, key } = makeCertificate("our server", authority);
  const { server, clock } = await serveByHand({
    tls: { cert, key },
    sockjs: {},
    handler: channels({
      loop: perConnection(async (connection) => {
        connection.idle(1_000);
        for await (const message of connection)
          connection.send(message === idle ? `silent on ${connection.transport} ${connection.secure}` : "?");
      }),
    }),
  });
  const post = (row: string, body = ""): Promise<string> =>
    new Promise((resolve, reject) => {
      const asked = request(`${server.url.replace("wss", "https")}000/tls/${row}`, {
        method: "POST",
        ca: authority.cert,
      });
      asked.on("error", reject);
      asked.on("response", async (response) => resolve(Buffer.concat(await response.toArray()).toString()));
      asked.end(body);
    });
  expect(await post("xhr")).toBe("o\n");
  await post("xhr_send", '["sub,loop"]');
  await until(() => clock.alarms > 0 && server.stats().received.messages === 1);
  const polled = post("xhr");
  await until(() => {
    clock.pass(100);
    return server.stats().sent.frames > 0;
  });
  expect(await polled).toBe('a["msg,loop,silent on xhr-polling true"]\n');
});

test("the client speaks to the raw endpoint of a SockJS route, channels and all", async () => {
  const { server } = await serveByHand({
    routes: {
      "/mux": {
        sockjs: {},
        handler: channels({
          a: (event, bus) => {
            if (event.type === "message") bus.unicast(event.data, event.connection);
          },
        }),
      },
    },
  });
  const received: unknown[] = [];
  const client = connect(new URL("mux/websocket", server.url).href);
  onTestFinished(() => void client.close());
  const channel = client.channel("a", { onMessage: (data) => void received.push(data) });
  channel.send("text");
  channel.send(new Uint8Array([1, 44, 2]));
  await until(() => received.length === 2);
  expect(received).toEqual(["text", new Uint8Array([1, 44, 2])]);
});

test("a client whose node goes away finds its channel on the one that comes in its place", async () => {
  const cluster = memory();
  const options = {
    cluster,
    logger: false as const,
    handler: channels({
      a: (event, bus) => {
        if (event.type === "message") bus.sendall(event.text);
      },
    }),
  };
  const [gone, other] = [await serve({ ...options, port: 0 }), await serve({ ...options, port: 0 })];
  onTestFinished(() => other.close());
  const received: unknown[] = [];
  const client = connect(gone.url, { reconnect: { minMs: 1, maxMs: 10 } });
  onTestFinished(() => void client.close());
  const channel = client.channel("a", { onMessage: (data) => void received.push(data) });
  const plain = await Client.open(other.url);
  plain.send("sub,a");
  await until(() => other.stats().cluster?.subscriptions === 3 && gone.stats().cluster?.subscriptions === 3);
  plain.send("msg,a,1");
  await until(() => received.length === 1 && plain.received.length === 1);
  const { port } = gone;
  await gone.close();
  plain.send("msg,a,2");
  await until(() => plain.received.length === 2);
  const next = await serve({ ...options, port });
  onTestFinished(() => next.close());
  await until(() => channel.state === "open" && next.stats().cluster?.subscriptions === 3);
  plain.send("msg,a,3");
  await until(() => received.length === 2);
  expect(received).toEqual(["1", "3"]);
  expect(other.stats().cluster).toMatchObject({ missed: 0, rejected: 0 });
});

test("200 mixed clients come and go, inspected for a while, and leave nothing behind", async () => {
  const subscriptions: WeakRef<Connection>[] = [];
  const [a, b] = await nodes(() => ({
    sockjs: {},
    handler: channels({
      loop: perConnection(async (connection, bus) => {
        subscriptions.push(new WeakRef(connection));
        connection.idle(60_000);
        connection.join("r");
        for await (const message of connection) {
          await bus.sleep(0);
          if (typeof message === "string") connection.send(message);
        }
      }),
      module: perConnection<number>({
        init(connection) {
          subscriptions.push(new WeakRef(connection));
          return 0;
        },
        handle(message, count, connection, bus) {
          connection.signal.addEventListener("abort", () => {});
          bus.broadcast(message, connection);
          return reply("ok", count + 1);
        },
      }),
    }),
  }));
  const words = ["sub,loop", "sub,module", "msg,loop,x", "msg,module,y"];
  const isAnswered = (text: string): boolean => text.includes("msg,module,ok") && text.includes("msg,loop,x");
  let visits = 0;
  const visitBySocket = async ({ server }: Node, isFramed: boolean, isRude: boolean): Promise<void> => {
    const path = isFramed ? `/000/visit${++visits}/websocket` : "/";
    const client = await Client.open(new URL(path, server.url).href);
    for (const word of words) client.send(isFramed ? JSON.stringify([word]) : word);
    await until(() => isAnswered(client.received.join()));
    if (isRude) client.ws.terminate();
    else client.ws.close();
    await client.ended();
  };
  const visitByPolls = async ({ server }: Node): Promise<void> => {
    const poller = await Poller.open(server.port, `/000/visit${++visits}`);
    await poller.send(...words);
    const wire = poller.wait("xhr_streaming");
    await until(() => isAnswered(wire.unread));
    wire.cut();
  };
  const visit = (i: number): Promise<void> => {
    const node = i % 2 === 0 ? a : b;
    return i % 4 < 2 ? visitBySocket(node, i % 3 === 0, i % 8 === 0) : visitByPolls(node);
  };
  const pass = (): void => {
    for (const { clock } of [a, b]) clock.pass(1);
  };
  const come = async (): Promise<void> => {
    let isOver = false;
    const all = Promise.all(Array.from({ length: 20 }, (_, i) => visit(i))).finally(() => {
      isOver = true;
    });
    await until(() => {
      pass();
      return isOver;
    });
    await all;
  };
  for (let crowd = 0; crowd < 10; crowd++) {
    const watching = crowd === 5 ? a.server.actor.system.inspect(() => {}) : undefined;
    await come();
    watching?.unsubscribe();
  }
  expect(subscriptions).toHaveLength(400);
  const stats = (): Stats[] => [a, b].map(({ server }) => server.stats());
  await until(() => stats().every(({ connections, rooms }) => connections === 0 && rooms === 0));
  await until(() => stats().every(({ cluster }) => cluster?.subscriptions === 1));
  // Whoever was cut may ask for a while how its session has ended.
  for (const { clock } of [a, b]) clock.pass(5_000);
  await until(() => [a, b].every(({ clock }) => clock.nextDue === undefined));
  await until(() => {
    heapInUse();
    return subscriptions.every((one) => one.deref() === undefined);
  });
  for (const one of stats()) expect(one).toMatchObject({ failures: [], paused: 0, deadLetters: 0 });
});
