/** Who gets what, over real sockets and in numbers. */
import { expect, test } from "vitest";
import { Client, nextRound, openClients, serveByHand, until } from "./peers.js";

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
  const { server } = await serveByHand({ backlog: 1_000, handler() {} });
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

test("a unicast reaches the one of 10 clients that it names, and one to nobody reaches nobody and does no harm", async () => {
  const { server } = await serveByHand({ handler() {} });
  const clients = await openClients(server.url, 10);
  await until(() => server.connections().length === 10);
  const fourth = server.connections()[3];
  expect(server.unicast("for you", fourth?.id ?? "")).toEqual({ targeted: 1, queued: 1, dropped: 0, dead: 0 });
  expect(server.unicast("for nobody", "no such id")).toEqual({ targeted: 1, queued: 0, dropped: 0, dead: 1 });
  server.sendall("for all");
  await until(() => clients.every((client) => client.received.includes("for all")));
  expect(clients.filter(({ received }) => received.length > 1).map(({ received }) => received)).toEqual([
    ["for you", "for all"],
  ]);
});

test("ten parts of the program send to one connection while it talks: all arrives whole, each part's own in order", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type === "message") bus.unicast(`echo ${event.text}`, event.connection);
    },
  });
  const client = await Client.open(server.url);
  await until(() => server.connections().length === 1);
  const [connection] = server.connections();
  const part = async (name: number): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      // By each verb that there is, from wherever the program is.
      if (name % 2 === 0) connection?.send(`${name} ${i}`);
      else server.unicast(`${name} ${i}`, connection?.id ?? "");
      await nextRound();
    }
  };
  const talk = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      client.send(String(i));
      await nextRound();
    }
  };
  await Promise.all([talk(), ...Array.from({ length: 10 }, (_, name) => part(name))]);
  await until(() => client.received.length === 1_100);
  for (const name of ["echo", ...Array(10).keys()]) {
    const own = client.received.filter((text) => String(text).startsWith(`${name} `));
    expect(own).toEqual(Array.from({ length: 100 }, (_, i) => `${name} ${i}`));
  }
});

test("one handler counts what 20 clients send at once: 100 messages each are 2,000", async () => {
  const { server } = await serveByHand({
    handler: {
      init: () => 0,
      async handle(event, count, bus) {
        if (event.type !== "message") return count;
        // Whoever ran beside it would count the same number.
        await null;
        bus.unicast(String(count + 1), event.connection);
        return count + 1;
      },
    },
  });
  const clients = await openClients(server.url, 20);
  for (let i = 0; i < 100; i++) for (const client of clients) client.send("x");
  await until(() => clients.every((client) => client.received.length === 100));
  const counts = clients.flatMap(({ received }) => received.map(Number)).sort((a, b) => a - b);
  expect(counts).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1));
});

test("what the program tells the handler about a connection comes in order with its messages, and never before its open", async () => {
  const seen: string[] = [];
  let goOn = (): void => {};
  const { server } = await serveByHand({
    async handler(event) {
      seen.push(event.type === "message" ? event.text : event.type === "info" ? String(event.data) : event.type);
      if (event.type === "open")
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
    },
  });
  const client = await Client.open(server.url);
  await until(() => seen.length === 1);
  const [connection] = server.connections();
  expect(server.tell("told 1", connection?.id)).toBe(true);
  client.send("said 1");
  await until(() => server.stats().received.messages === 1);
  server.tell("told 2", connection);
  server.tell("told to nobody in particular");
  expect(seen).toEqual(["open"]);
  goOn();
  await until(() => seen.length === 5);
  client.ws.close();
  await until(() => seen.length === 6);
  expect(server.tell("too late", connection)).toBe(false);
  expect(seen).toEqual(["open", "told 1", "said 1", "told 2", "told to nobody in particular", "closed"]);
});

test("two rooms of five do not hear each other; who leaves hears no more; a room is gone with its last member", async () => {
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type !== "message") return;
      const { connection, text } = event;
      const [verb = "", room = ""] = text.split(" ");
      if (verb === "join" && connection.join(room)) bus.sendall(`somebody joins ${room}`, { room });
      if (verb === "leave" && connection.leave(room)) bus.sendall(`somebody leaves ${room}`, { room });
      if (verb === "say") for (const name of connection.rooms) bus.sendall(`${name}: ${room}`, { room: name });
    },
  });
  const clients = await openClients(server.url, 10);
  const roomOf = (i: number): string => (i < 5 ? "red" : "blue");
  for (const [i, client] of clients.entries()) {
    client.send(`join ${roomOf(i)}`);
    await until(() => server.members(roomOf(i)).length === (i % 5) + 1);
  }
  for (const client of clients) client.send("say hello");
  // Who came as the first has seen five come, who came as the last one.
  await until(() => clients.every(({ received }, i) => received.length === 10 - (i % 5)));
  for (const [i, { received }] of clients.entries()) {
    expect(received.slice(-5)).toEqual(Array(5).fill(`${roomOf(i)}: hello`));
    expect(received.filter((text) => String(text).includes(roomOf(9 - i)))).toEqual([]);
  }
  const [first, second] = clients;
  first?.send("leave red");
  await until(() => second?.received.at(-1) === "somebody leaves red");
  second?.send("say goodbye");
  await until(() => second?.received.at(-1) === "red: goodbye");
  expect(first?.received.at(-1)).toBe("red: hello");
  expect(server.rooms().sort()).toEqual(["blue", "red"]);
  for (const client of clients.slice(1, 5)) client.send("leave red");
  await until(() => server.members("red").length === 0);
  expect(server.rooms()).toEqual(["blue"]);
});
