/** `serve` as a program calls it: on real time, with what it returns. */
import { once } from "node:events";
import { Writable } from "node:stream";
import { pino } from "pino";
import { serve } from "sendall";
import { expect, test } from "vitest";
import { WebSocket } from "ws";

test("listens on an IPv6 address, and says so in its url", async () => {
  await using server = await serve({
    host: "::1",
    port: 0,
    logger: false,
    handler: (event, bus) =>
      void (event.type === "open" && bus.unicast(event.connection.remoteAddress, event.connection)),
  });
  expect(server.url).toBe(`ws://[::1]:${server.port}/`);
  const client = new WebSocket(server.url);
  expect(String((await once(client, "message"))[0])).toBe("::1");
});

test("is closed at the end of an `await using` block, and its port is free again", async () => {
  let port = 0;
  let closed: Promise<unknown> | undefined;
  {
    await using server = await serve({ port: 0, logger: false, handler() {} });
    [port, closed] = [server.port, server.closed];
  }
  expect(await closed).toEqual({ reason: "close" });
  await using again = await serve({ port, logger: false, handler() {} });
  expect(again.port).toBe(port);
});

test("labels the lines of a logger that it is given with its name", async () => {
  const lines: { name?: string; msg: string }[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const server = await serve({ port: 0, name: "lobby", logger: pino(sink), handler() {} });
  await server.close();
  expect(lines.map(({ name, msg }) => `${name}: ${msg}`)).toEqual(["lobby: listening", "lobby: closing"]);
});

test("two servers in one process know nothing of each other", async () => {
  await using one = await serve({ port: 0, logger: false, handler() {} });
  await using other = await serve({ port: 0, logger: false, handler() {} });
  const client = new WebSocket(one.url);
  await once(client, "open");
  expect([one.stats().connections, other.stats().connections]).toEqual([1, 0]);
  const [left] = one.connections();
  expect(other.unicast("x", left ?? "").dead).toBe(1);
  await one.close();
  expect([one.isReady, other.isReady]).toEqual([false, true]);
});

test("servers with names and one without answer their own clients only, and end each for itself", async () => {
  const open = (answer: string, name?: string) =>
    serve({
      port: 0,
      logger: false,
      ...(name !== undefined && { name }),
      handler: (event, bus) => void (event.type === "message" && bus.sendall(answer)),
    });
  await using lobby = await open("the lobby", "lobby");
  await using garden = await open("the garden", "garden");
  await using nameless = await open("nowhere");
  const ask = async ({ url }: { readonly url: string }): Promise<[WebSocket, string]> => {
    const client = new WebSocket(url);
    await once(client, "open");
    client.send("where am I?");
    const [answer] = await once(client, "message");
    return [client, String(answer)];
  };
  const [[visitor, first], [gardener, second], [stranger, third]] = [
    await ask(lobby),
    await ask(garden),
    await ask(nameless),
  ];
  expect([first, second, third]).toEqual(["the lobby", "the garden", "nowhere"]);
  const left = once(visitor, "close");
  await lobby.close();
  expect((await left)[0]).toBe(1001);
  expect([gardener.readyState, stranger.readyState]).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
  expect([(await ask(garden))[1], (await ask(nameless))[1]]).toEqual(["the garden", "nowhere"]);
});

test("listens on every address of both families when it is asked to", async () => {
  await using server = await serve({
    host: "::",
    port: 0,
    logger: false,
    handler: (event, bus) =>
      void (event.type === "open" && bus.unicast(event.connection.remoteAddress, event.connection)),
  });
  for (const [host, address] of [
    ["127.0.0.1", "127.0.0.1"],
    ["[::1]", "::1"],
  ] as const) {
    const client = new WebSocket(`ws://${host}:${server.port}/`);
    expect(String((await once(client, "message"))[0])).toBe(address);
  }
});
