/** `channels` on real sockets: named channels over one connection, each with a handler of its own, on the multiplex wire of SockJS. */
import { channels, type ServerEvent } from "sendall";
import { expect, test } from "vitest";
import { Client, openClients, serveByHand, until } from "./peers.js";

/** Notes what a channel's handler hears, under the channel's name. */
function noting(heard: string[], name: string) {
  return (event: ServerEvent): void => {
    if (event.type === "message") heard.push(`${name} message ${event.text}`);
    else if (event.type === "closed") heard.push(`${name} closed ${event.code} ${event.by}`);
    else heard.push(`${name} ${event.type}`);
  };
}

test("three channels over one socket do not hear each other, and leaving one leaves the others", async () => {
  const heard: string[] = [];
  const names = ["ann", "bob", "carl"] as const;
  const { server } = await serveByHand({
    handler: channels(
      Object.fromEntries(
        names.map((name) => [
          name,
          (event: ServerEvent): void => {
            noting(heard, name)(event);
            if (event.type === "open") event.connection.send(`I am ${name}`);
            if (event.type === "message") event.connection.send(`${name} heard ${event.text}`);
          },
        ]),
      ),
    ),
  });
  const client = await Client.open(server.url);
  for (const name of names) client.send(`sub,${name}`);
  for (const name of names) client.send(`msg,${name},hello ${name}`);
  await until(() => client.received.length === 6);
  for (const name of names)
    expect(client.received.filter((text) => String(text).startsWith(`msg,${name},`))).toEqual([
      `msg,${name},I am ${name}`,
      `msg,${name},${name} heard hello ${name}`,
    ]);
  for (const name of names)
    expect(heard.filter((line) => line.startsWith(name))).toEqual([`${name} open`, `${name} message hello ${name}`]);
  heard.length = 0;
  client.received.length = 0;

  client.send("uns,bob");
  await until(() => heard.length === 1);
  expect(heard[0]).toMatch(/^bob closed \d+ peer$/);
  for (const name of names) client.send(`msg,${name},still there?`);
  await until(() => client.received.filter((text) => String(text).startsWith("msg,")).length === 2);
  expect(client.received.filter((text) => String(text).startsWith("msg,"))).toEqual([
    "msg,ann,ann heard still there?",
    "msg,carl,carl heard still there?",
  ]);
  expect(heard.slice(1)).toEqual(["ann message still there?", "carl message still there?"]);
  heard.length = 0;

  // The socket's end is that of each channel that is left, once.
  client.socket.resetAndDestroy();
  await until(() => heard.filter((line) => line.includes("closed")).length === 2);
  await until(() => server.stats().connections === 0);
  expect(heard.filter((line) => line.includes("closed")).sort()).toEqual([
    "ann closed 1006 lost",
    "carl closed 1006 lost",
  ]);
});

test("whatever a payload holds arrives whole: commas, the wire's own words, line ends, NUL, the last code points, bytes", async () => {
  const { server } = await serveByHand({
    handler: channels({
      ann: (event: ServerEvent) => void (event.type === "message" && event.connection.send(event.data)),
      bob: (event: ServerEvent) =>
        void (event.type === "message" && event.connection.send(`bob was told ${event.text}`)),
    }),
  });
  const client = await Client.open(server.url);
  client.send("sub,ann");
  client.send("sub,bob");
  const payloads = [
    "a,b,c",
    ",",
    "",
    "msg,bob,x",
    "uns,ann",
    "sub,bob",
    "@\n\r\n\0",
    "\uffff\ufffe\u{10ffff}",
    "\"\\'</script>",
  ];
  for (const payload of payloads) client.send(`msg,ann,${payload}`);
  await until(() => client.received.length === payloads.length);
  expect(client.received).toEqual(payloads.map((payload) => `msg,ann,${payload}`));
  client.send(Buffer.concat([Buffer.from("msg,ann,"), Buffer.of(0, 255, 44, 10)]));
  await until(() => client.received.length > payloads.length);
  expect(client.received.at(-1)).toEqual(Buffer.concat([Buffer.from("msg,ann,"), Buffer.of(0, 255, 44, 10)]));
});

test("a name that nobody has, a second sub and a message without sub change nothing", async () => {
  const heard: string[] = [];
  const { server } = await serveByHand({
    handler: channels({
      ann: (event: ServerEvent) => {
        noting(heard, "ann")(event);
        if (event.type === "message") event.connection.send("heard");
      },
    }),
  });
  const client = await Client.open(server.url);
  for (const text of [
    "msg,ann,too early",
    "uns,ann",
    "sub,nobody",
    "sub,ann",
    "sub,ann",
    "nonsense",
    "",
    "msg,ann,now",
  ])
    client.send(text);
  await until(() => client.received.includes("msg,ann,heard"));
  expect(heard).toEqual(["ann open", "ann message now"]);
  expect(client.received.filter((text) => String(text).startsWith("err,nobody,"))).toHaveLength(1);
  expect(client.received.filter((text) => String(text).startsWith("err,ann,")).length).toBeGreaterThan(0);
  expect(client.closed).toBeUndefined();
});

test("the server closes one channel: the peer is told, the socket and the others stay, and it may come back", async () => {
  const heard: string[] = [];
  const { server } = await serveByHand({
    handler: channels({
      ann: (event: ServerEvent) => {
        noting(heard, "ann")(event);
        if (event.type === "message" && event.text === "goodbye") event.connection.close();
      },
      carl: (event: ServerEvent) => void (event.type === "message" && event.connection.send(event.data)),
    }),
  });
  const client = await Client.open(server.url);
  for (const text of ["sub,ann", "sub,carl", "msg,ann,goodbye", "msg,ann,too late"]) client.send(text);
  await until(() => client.received.includes("uns,ann") && heard.length === 3);
  expect(heard).toEqual(["ann open", "ann message goodbye", "ann closed 1000 server"]);
  client.send("msg,carl,are you there?");
  await until(() => client.received.includes("msg,carl,are you there?"));
  client.send("sub,ann");
  client.send("msg,ann,hello again");
  await until(() => heard.length === 5);
  expect(heard.slice(3)).toEqual(["ann open", "ann message hello again"]);
});

test("each channel has its own state, its own members and rooms; a broadcast reaches its subscribers but the source", async () => {
  const counter = {
    init: () => 0,
    handle(event: ServerEvent, count: number): number {
      if (event.type !== "message") return count;
      event.connection.send(`${count + 1}`);
      return count + 1;
    },
  };
  const { server } = await serveByHand({
    handler: channels({
      one: counter,
      other: counter,
      news: (event: ServerEvent, bus) => {
        if (event.type === "open") event.connection.join("readers");
        if (event.type === "message" && event.text === "who?")
          event.connection.send(`${bus.connections().length} ${bus.members("readers").length}`);
        else if (event.type === "message") bus.broadcast(event.data, event.connection, { room: "readers" });
      },
    }),
  });
  const [ann, bob, carl] = await openClients(server.url, 3);
  for (const client of [ann, bob]) {
    client?.send("sub,one");
    client?.send("sub,other");
    client?.send("sub,news");
    client?.send("msg,other,x");
  }
  carl?.send("sub,one");
  for (const client of [ann, bob, carl]) client?.send("msg,one,x");
  const all = (): string[] => [ann, bob, carl].flatMap((client) => client?.received.map(String) ?? []);
  await until(() => all().length === 5);
  expect(all().sort()).toEqual(["msg,one,1", "msg,one,2", "msg,one,3", "msg,other,1", "msg,other,2"]);
  ann?.send("msg,news,extra, extra");
  ann?.send("msg,news,who?");
  await until(() => all().length === 7);
  expect(bob?.received.at(-1)).toBe("msg,news,extra, extra");
  expect(ann?.received.at(-1)).toBe("msg,news,2 2");
  expect(carl?.received.length).toBe(1);
});
