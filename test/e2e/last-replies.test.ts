/** What a peer still gets when its close frame, or bytes that break the protocol, come right behind its messages. */
import { channels, type Handler, perConnection, reply, type ServeOptions, type ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import { Client, clientFrame, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

const closeFrame = (code?: number, reason = ""): Buffer => {
  if (code === undefined) return clientFrame("", { opcode: 8 });
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return clientFrame(payload, { opcode: 8 });
};

/** The frames that came: text as it is, a close frame as its code and reason. */
function read(peer: RawPeer): string[] {
  return peer.frames.map(({ opcode, payload }) => {
    if (opcode !== 8) return payload.toString();
    return payload.length === 0 ? "close" : `close ${payload.readUInt16BE()} ${payload.subarray(2)}`.trimEnd();
  });
}

/** Sends the handshake and all frames in one write, and reads to the end of the connection. */
async function talk(options: ServeOptions, ...frames: readonly Buffer[]): Promise<string[]> {
  const { server } = await serveByHand(options);
  const peer = new RawPeer(server.port);
  peer.write(Buffer.concat([Buffer.from(upgradeRequest()), ...frames]));
  await until(() => peer.isEnded);
  return read(peer);
}

const nextImmediate = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const echo = (event: ServerEvent): void => {
  if (event.type === "message") event.connection.send(`re: ${event.text}`);
};
const slowEcho = async (event: ServerEvent): Promise<void> => {
  await nextImmediate();
  echo(event);
  await nextImmediate();
};
const shapes: Readonly<Record<string, Handler>> = {
  "a function": echo,
  "a function that awaits": slowEcho,
  "an object with a state": { init: () => 0, handle: slowEcho },
  "a module": perConnection({ init: () => 0, handle: (message, state) => reply(`re: ${message}`, state) }),
  "a loop": perConnection(async (connection) => {
    await nextImmediate();
    for await (const message of connection) {
      await nextImmediate();
      connection.send(`re: ${String(message)}`);
    }
  }),
};

describe.each(Object.entries(shapes))("%s", (_name, handler) => {
  test("answers what came in one packet with a close frame", async () => {
    const seen = await talk({ handler }, clientFrame("a"), clientFrame("b"), closeFrame(4_000, "bye"));
    expect(seen).toEqual(["re: a", "re: b", "close 4000 bye"]);
  });

  test("answers what stood in front of a broken frame", async () => {
    const broken = clientFrame("x", { masked: false });
    expect(await talk({ handler }, clientFrame("a"), clientFrame("b"), broken)).toEqual([
      "re: a",
      "re: b",
      "close 1002",
    ]);
  });
});

test("a close frame without a code is answered by one without a code", async () => {
  expect(await talk({ handler: echo }, clientFrame("a"), closeFrame())).toEqual(["re: a", "close"]);
});

test.each<[string, Buffer, string]>([
  ["too large a message", clientFrame("x".repeat(11)), "close 1009"],
  ["text that is no UTF-8", clientFrame(Buffer.of(0xff)), "close 1007"],
  ["a close code that must not be sent", closeFrame(1005), "close 1002"],
  ["an unknown opcode", clientFrame("", { opcode: 3 }), "close 1002"],
])(
  "what stood in front of %s is answered, and the handler hears of the error after it",
  async (_name, frame, close) => {
    const events: string[] = [];
    const handler = (event: ServerEvent): void => {
      events.push(event.type === "closed" ? `closed ${event.code} ${event.by}` : event.type);
      echo(event);
    };
    expect(await talk({ handler, maxPayloadBytes: 10 }, clientFrame("a"), frame)).toEqual(["re: a", close]);
    await until(() => events.length === 4);
    expect(events).toEqual(["open", "message", "error", `closed ${close.slice(6)} server`]);
  },
);

test("messages of channels are answered before the close frame, too", async () => {
  const handler = channels({ fast: echo, slow: slowEcho, ended: (event) => void event.connection?.close() });
  const words = ["sub,fast", "sub,slow", "sub,ended", "msg,slow,a", "msg,fast,b", "msg,slow,c"];
  const seen = await talk({ handler }, ...words.map((word) => clientFrame(word)), closeFrame(1000));
  expect(seen.at(-1)).toBe("close 1000");
  expect(seen.slice(0, -1).sort()).toEqual(["msg,fast,re: b", "msg,slow,re: a", "msg,slow,re: c", "uns,ended"]);
});

test("a channel that its handler ends at the last message is ended before the close frame", async () => {
  const handler = channels({ chat: (event) => void (event.type === "message" && event.connection.close()) });
  const words = ["sub,chat", "msg,chat,bye"];
  const seen = await talk({ handler }, ...words.map((word) => clientFrame(word)), closeFrame(1000));
  expect(seen).toEqual(["uns,chat", "close 1000"]);
});

test("an event that takes longer than closeTimeoutMs does not hold up the close frame", async () => {
  let finish = (): void => {};
  const events: string[] = [];
  const { server, clock } = await serveByHand({
    closeTimeoutMs: 1_000,
    async handler(event) {
      events.push(event.type);
      if (event.type !== "message") return;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      event.connection.send("too late");
    },
  });
  const peer = new RawPeer(server.port);
  peer.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("a"), closeFrame(4_000)]));
  // Both frames were read at once.
  await until(() => events.includes("message"));
  const [connection] = server.connections();
  clock.pass(999);
  expect(connection?.isOpen).toBe(true);
  clock.pass(1);
  expect(connection?.isOpen).toBe(false);
  await until(() => peer.isEnded);
  expect(read(peer)).toEqual(["close 4000"]);
  finish();
  await until(() => events.includes("closed"));
  expect(events).toEqual(["open", "message", "closed"]);
});

test("a loop that reads nothing is not waited for", async () => {
  const { server } = await serveByHand({
    handler: perConnection(async (connection) => {
      connection.send("tick");
      await new Promise<void>((resolve) => connection.signal.addEventListener("abort", () => resolve()));
    }),
  });
  const client = await Client.open(server.url);
  await until(() => client.received.length === 1);
  client.ws.close(1_000);
  expect(await client.ended()).toEqual({ code: 1_000, reason: "" });
});

test("until its close frame is answered a peer is a target and a member, and our own code wins", async () => {
  let ending: ServerEvent | undefined;
  const { server } = await serveByHand({
    handler(event, bus) {
      if (event.type === "open") event.connection.join("room");
      if (event.type === "closed") ending = event;
      if (event.type !== "message") return;
      expect([event.connection.isOpen, bus.members("room").length]).toEqual([true, 1]);
      bus.sendall("to all");
      if (event.text === "b") event.connection.close(4_001, "ours");
    },
  });
  const peer = new RawPeer(server.port);
  const frames = [clientFrame("a"), clientFrame("b"), clientFrame("c"), closeFrame(4_000, "theirs")];
  peer.write(Buffer.concat([Buffer.from(upgradeRequest()), ...frames]));
  await until(() => peer.isEnded && ending !== undefined);
  expect(read(peer)).toEqual(["to all", "to all", "close 4001 ours"]);
  expect(ending).toMatchObject({ code: 4_000, reason: "theirs", wasClean: true, by: "peer" });
});

test("a peer that is cut before its close frame is answered has ended the connection, and not cleanly", async () => {
  const ends: unknown[] = [];
  const { server } = await serveByHand({
    handler(event) {
      if (event.type === "message") event.connection.terminate();
      if (event.type === "closed") ends.push([event.code, event.reason, event.wasClean, event.by]);
    },
  });
  const peer = new RawPeer(server.port);
  peer.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("a"), closeFrame(4_000, "bye")]));
  await until(() => peer.isEnded && ends.length === 1);
  expect([read(peer), ends]).toEqual([[], [[4_000, "bye", false, "peer"]]]);
});

test("a peer that closes and leaves without waiting is closed, with its code", async () => {
  const events: unknown[] = [];
  const { server } = await serveByHand({
    handler(event) {
      echo(event);
      if (event.type === "closed") events.push([event.code, event.wasClean, event.by]);
    },
  });
  const peer = new RawPeer(server.port);
  peer.socket.end(
    Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("a"), clientFrame("b"), closeFrame(4_000)]),
  );
  await until(() => events.length === 1);
  expect(events).toEqual([[4_000, true, "peer"]]);
});

test("a peer that ends its half behind its close frame gets the replies all the same", async () => {
  const { server } = await serveByHand({ handler: slowEcho });
  const peer = new RawPeer(server.port);
  peer.socket.end(
    Buffer.concat([Buffer.from(upgradeRequest()), clientFrame("a"), clientFrame("b"), closeFrame(4_000)]),
  );
  await until(() => peer.isEnded);
  expect(read(peer)).toEqual(["re: a", "re: b", "close 4000"]);
});

test.each([
  ["", "a", closeFrame(4_000)],
  ["/1/abcdefgh/websocket", '["a"]', clientFrame("broken")],
])("a peer that ends its half and reads nothing is cut after closeTimeoutMs: %s", async (path, message, last) => {
  let finish = (): void => {};
  const events: string[] = [];
  const { server, clock } = await serveByHand({
    sockjs: true,
    closeTimeoutMs: 1_000,
    heartbeat: false,
    outbox: { maxBufferedBytes: 64_000_000 },
    async handler(event) {
      events.push(event.type);
      if (event.type !== "message") return;
      event.connection.send("x".repeat(32_000_000));
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    },
  });
  const peer = new RawPeer(server.port);
  peer.write(upgradeRequest(path === "" ? "/" : path));
  await until(() => peer.bytes.includes("\r\n\r\n"));
  peer.socket.pause();
  peer.write(clientFrame(message));
  const [connection] = server.connections();
  // The message is written, but for what the socket does not take.
  await until(() => events.includes("message") && (connection?.bufferedAmount ?? 0) > 0);
  for (let i = 0; i < 10; i++) await nextImmediate();
  peer.socket.end(last);
  const step = async (): Promise<void> => {
    await nextImmediate();
    clock.pass(10);
  };
  while (server.stats().connections > 0) await step();
  finish();
  while (!events.includes("closed")) await step();
});

test("200 clients that send twice and close at once get both replies, packet by packet", async () => {
  const { server } = await serveByHand({ handler: echo });
  const clients = await Promise.all(Array.from({ length: 200 }, () => Client.open(server.url)));
  for (const client of clients) {
    client.send("a");
    client.send("b");
    client.ws.close(1_000);
  }
  for (const client of clients) {
    await client.ended();
    expect(client.received).toEqual(["re: a", "re: b"]);
  }
});
