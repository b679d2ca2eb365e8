/** Two who take one upgrade of a host: two servers of ours, or one beside another listener. One of them gets it, and nothing else happens. */
import { once } from "node:events";
import { createServer, type Server as HttpServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type AttachOptions, attach, type Server } from "sendall";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { Doorkeeper, type Line, rememberLines, upgradeWith } from "./asking.js";
import { Client, nextRound, RawPeer, until, upgradeRequest } from "./peers.js";

async function openHost(): Promise<HttpServer> {
  const host = createServer((_request, response) => response.end("the host")).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => {
    host.close();
    host.closeAllConnections();
  });
  return host;
}

function urlOf(host: HttpServer, path = "/"): string {
  return `ws://127.0.0.1:${(host.address() as AddressInfo).port}${path}`;
}

interface Attached {
  readonly server: Server;
  readonly taken: () => Line[];
}

/** A server with one place, which echoes; and what it has logged of upgrades that somebody else has taken. */
async function attachTo(host: HttpServer, options: Partial<AttachOptions> = {}): Promise<Attached> {
  const { lines, logger } = rememberLines();
  const server = await attach(host, {
    logger,
    maxConnections: 1,
    handler: (event) => {
      if (event.type === "message") event.connection.send(`ours ${event.text}`);
    },
    ...options,
  } as AttachOptions);
  onTestFinished(() => server.close());
  return { server, taken: () => lines.filter(({ line }) => line.startsWith("upgrade left alone")) };
}

type Take = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Another's WebSockets, which echo too. */
function theirs(): { readonly take: Take; readonly count: () => number } {
  const sockets = new WebSocketServer({ noServer: true });
  return {
    take: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (ws) => {
        ws.on("message", (data) => ws.send(`theirs ${data}`));
      }),
    count: () => sockets.clients.size,
  };
}

async function answerOf(url: string): Promise<string> {
  const client = await Client.open(url);
  client.send("hello");
  await until(() => client.received.length > 0 || client.closed !== undefined);
  const [answer = ""] = client.received;
  client.ws.close();
  await client.ended();
  return String(answer);
}

describe("two servers of ours for one path", () => {
  test("have one client each time: the first takes it, and the other says so in one line", async () => {
    const host = await openHost();
    const [first, second] = [await attachTo(host), await attachTo(host)];
    for (let i = 1; i <= 3; i++) {
      expect(await answerOf(urlOf(host))).toBe("ours hello");
      await until(() => first.server.stats().connections === 0);
      expect(second.taken()).toEqual(
        Array(i).fill({
          level: "warn",
          line: "upgrade left alone: another upgrade listener of this HTTP server has taken its socket",
          details: { path: "/" },
        }),
      );
    }
    expect(first.taken()).toEqual([]);
    expect(second.server.stats()).toMatchObject({ connections: 0, refused: 0 });
  });

  test("ask one authorize each time, whatever it takes", async () => {
    const host = await openHost();
    const [one, other] = [new Doorkeeper(), new Doorkeeper()];
    await attachTo(host, { authorize: one.authorize });
    const second = await attachTo(host, { authorize: other.authorize });
    for (let i = 1; i <= 3; i++) {
      const answer = answerOf(urlOf(host));
      (await one.nth(i)).answer({});
      expect(await answer).toBe("ours hello");
    }
    expect(second.taken()).toHaveLength(3);
    expect(second.server.stats().refused).toBe(0);
  });

  test("refuse a client once", async () => {
    const host = await openHost();
    const first = await attachTo(host);
    const second = await attachTo(host);
    const peer = new RawPeer((host.address() as AddressInfo).port);
    peer.write(upgradeWith({ "Sec-WebSocket-Version": "8" }));
    await until(() => peer.isEnded);
    expect(peer.bytes.toString().match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 426"]);
    expect([first.server.stats().refused, second.server.stats().refused]).toEqual([1, 0]);
  });

  test("of which the first is closing let the second have its clients", async () => {
    const host = await openHost();
    let go = (): void => {};
    const first = await attachTo(host, {
      handler: async (event) => {
        if (event.type !== "message") return;
        await new Promise<void>((resolve) => {
          go = resolve;
        });
      },
    });
    const client = await Client.open(urlOf(host));
    client.send("work");
    await until(() => first.server.stats().received.messages === 1);
    const closing = first.server.close();
    const second = await attachTo(host);
    expect(await answerOf(urlOf(host))).toBe("ours hello");
    go();
    await closing;
    expect(second.taken()).toEqual([]);
  });
});

describe("another listener that takes every upgrade", () => {
  test.each(["before", "after"])(
    "and was there %s us has the client; ours says so and keeps its place",
    async (when) => {
      const host = await openHost();
      const { take } = theirs();
      if (when === "before") host.on("upgrade", take);
      const { server, taken } = await attachTo(host);
      if (when === "after") host.on("upgrade", take);
      for (let i = 1; i <= 3; i++) {
        expect(await answerOf(urlOf(host))).toBe("theirs hello");
        await until(() => taken().length === i);
      }
      host.off("upgrade", take);
      expect(await answerOf(urlOf(host))).toBe("ours hello");
      expect(server.stats().refused).toBe(0);
    },
  );

  test("while authorize is under way has the client, whatever authorize says then", async () => {
    const host = await openHost();
    const door = new Doorkeeper();
    const waiting: (() => void)[] = [];
    const { take } = theirs();
    const later: Take = (request, socket, head) => void waiting.push(() => take(request, socket, head));
    host.on("upgrade", later);
    const { server, taken } = await attachTo(host, { authorize: door.authorize });
    const says: ((i: number) => Promise<void>)[] = [
      async (i) => (await door.nth(i)).answer({}),
      async (i) => (await door.nth(i)).fail(new Error("no database")),
    ];
    for (const [i, say] of says.entries()) {
      const answer = answerOf(urlOf(host));
      await door.nth(i + 1);
      waiting[i]?.();
      await say(i + 1);
      expect(await answer).toBe("theirs hello");
      await until(() => taken().length === i + 1);
    }
    host.off("upgrade", later);
    const answer = answerOf(urlOf(host));
    (await door.nth(3)).answer({});
    expect(await answer).toBe("ours hello");
    expect(server.stats().refused).toBe(0);
  });

  test("has the client of a SockJS session and of the draft hixie-76, too", async () => {
    const host = await openHost();
    const { take } = theirs();
    const { server, taken } = await attachTo(host, { sockjs: { legacy: true }, origins: "any" });
    host.on("upgrade", (request, socket, head) => {
      if (request.headers["sec-websocket-key1"] === undefined) take(request, socket, head);
      else socket.write("HTTP/1.1 101 Theirs\r\n\r\n");
    });
    expect(await answerOf(urlOf(host, "/000/session/websocket"))).toBe("theirs hello");
    expect(await answerOf(urlOf(host, "/websocket"))).toBe("theirs hello");
    const peer = new RawPeer((host.address() as AddressInfo).port);
    const keys = { "Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2": "12998 5 Y3 1  .P00" };
    peer.write(`${upgradeWith({ ...keys, Origin: "http://a" }, "/000/other/websocket")}^n:ds[4U`);
    await until(() => taken().length === 3);
    expect(peer.bytes.toString()).toBe("HTTP/1.1 101 Theirs\r\n\r\n");
    expect(server.stats()).toMatchObject({ connections: 0, refused: 0 });
    peer.socket.destroy();
  });

  test("and ends the sockets that it does not want decides on the client", async () => {
    const host = await openHost();
    const { server, taken } = await attachTo(host);
    host.on("upgrade", (_request, socket) => void socket.end("HTTP/1.1 400 Theirs\r\nConnection: close\r\n\r\n"));
    const peer = new RawPeer((host.address() as AddressInfo).port);
    peer.write(upgradeRequest());
    await until(() => taken().length === 1);
    await until(() => peer.bytes.length > 0);
    expect(peer.bytes.toString()).toBe("HTTP/1.1 400 Theirs\r\nConnection: close\r\n\r\n");
    peer.socket.destroy();
    await nextRound();
    expect(server.stats()).toMatchObject({ connections: 0, refused: 0 });
  });

  test("except the client's leaves the client to us", async () => {
    const host = await openHost();
    const { take, count } = theirs();
    host.on("upgrade", (request, socket, head) => {
      if (request.headers["sec-websocket-protocol"] === "vite-hmr") take(request, socket, head);
    });
    const { taken } = await attachTo(host);
    expect(await answerOf(urlOf(host))).toBe("ours hello");
    const client = await Client.open(urlOf(host), { headers: { "Sec-WebSocket-Protocol": "vite-hmr" } }).catch(
      () => undefined,
    );
    await until(() => taken().length === 1);
    expect(count()).toBe(1);
    client?.ws.terminate();
  });
});
