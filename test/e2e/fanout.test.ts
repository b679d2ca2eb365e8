/** Who gets what, over real sockets and in numbers. */
import { expect, test } from "vitest";
import { openClients, serveByHand, until } from "./peers.js";

test("of 50 clients one broadcasts and 49 receive it once, the source not; sendall reaches 50 of 50", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type !== "message") return;
      if (event.text === "all") bus.sendall("all");
      else bus.broadcast(event.data, event.connection);
    },
  });
  const clients = await openClients(server.url, 50);
  clients[7]?.send("hello");
  clients[7]?.send("all");
  await until(() => clients.every((client) => client.received.includes("all")));
  for (const [i, client] of clients.entries()) expect(client.received).toEqual(i === 7 ? ["all"] : ["hello", "all"]);
});

test("10 publishers with 200 messages each give 20 subscribers the identical sequence, each publisher's own order kept", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type === "open" && event.connection.path === "/subscribe") event.connection.join("subscribers");
      if (event.type === "message") bus.sendall(event.data, { room: "subscribers" });
    },
  });
  const subscribers = await openClients(`${server.url}subscribe`, 20);
  await until(() => server.members("subscribers").length === 20);
  const publishers = await openClients(`${server.url}publish`, 10);
  for (let i = 0; i < 200; i++) for (const [p, publisher] of publishers.entries()) publisher.send(`${p}:${i}`);
  await until(() => subscribers.every((subscriber) => subscriber.received.length === 2_000));
  const sequence = subscribers[0]?.received ?? [];
  for (const subscriber of subscribers) expect(subscriber.received).toEqual(sequence);
  for (let p = 0; p < 10; p++)
    expect(sequence.filter((text) => String(text).startsWith(`${p}:`))).toEqual(
      Array.from({ length: 200 }, (_, i) => `${p}:${i}`),
    );
});

test("16 broadcasts in one turn to 100 sockets are 100 socket writes, and a message is encoded once", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type === "message") for (let i = 0; i < 16; i++) bus.sendall(`${i}`);
    },
  });
  const clients = await openClients(server.url, 100);
  await until(() => server.stats().connections === 100);
  clients[0]?.send("go");
  await until(() => clients.every((client) => client.received.length === 16));
  expect(server.stats().sent).toEqual({ messages: 1_600, bytes: 100 * (10 + 6 * 2), frames: 16, writes: 100 });
});

test("a message to 1,000 sockets is encoded once", async () => {
  const { server } = await serveByHand({ handler() {} });
  const clients = await openClients(server.url, 1_000);
  await until(() => server.connections().length === 1_000);
  expect(server.sendall("once")).toEqual({ targeted: 1_000, queued: 1_000, dropped: 0, dead: 0 });
  await until(() => clients.every((client) => client.received.length === 1));
  expect(server.stats().sent).toMatchObject({ frames: 1, writes: 1_000, messages: 1_000 });
});

test("what a handler sends is on its way when it awaits, and what it sends after the await shares one write", async () => {
  let resume = (): void => {};
  const { server } = await serveByHand({
    async handler(event, bus) {
      if (event.type !== "message") return;
      for (let i = 0; i < 5; i++) bus.sendall("before");
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
      for (let i = 0; i < 5; i++) bus.sendall("after");
    },
  });
  const [client] = await openClients(server.url, 1);
  client?.send("go");
  await until(() => client?.received.length === 5);
  expect(server.stats().sent.writes).toBe(1);
  resume();
  await until(() => client?.received.length === 10);
  expect(server.stats().sent.writes).toBe(2);
});

test("async handlers that await nothing outside share the writes of a turn", async () => {
  const { server } = await serveByHand({
    async handler(event, bus) {
      if (event.type === "message") bus.sendall(await Promise.resolve(event.text));
    },
  });
  const clients = await openClients(server.url, 50);
  await until(() => server.connections().length === 50);
  // One segment: all of it is read at once.
  clients[0]?.socket.cork();
  for (let i = 0; i < 16; i++) clients[0]?.send(String(i));
  clients[0]?.socket.uncork();
  await until(() => clients.every((client) => client.received.length === 16));
  expect(server.stats().sent.writes).toBe(50);
});
