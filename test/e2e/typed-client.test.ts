/** A typed client and a server that speak one protocol, over real sockets: messages, calls, refusals, channels, sessions that are cut. */
import { channels, type Handler, type Server, type ShapedHandler, serve } from "sendall";
import { connect, type SendallError } from "sendall/client";
import { protocol, refuse } from "sendall/protocol";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { Line } from "./line.js";

const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string().max(5) }),
    join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) },
    who: { input: z.undefined(), output: z.array(z.string()) },
    fail: { input: z.undefined(), output: z.undefined() },
    wait: { input: z.undefined(), output: z.string() },
  },
  fromServer: { said: z.object({ text: z.string() }), joined: z.string().transform((room) => room.toUpperCase()) },
});

/** The handler; `wait` answers when the gate opens. */
function createHandler(gate: Promise<void> = Promise.resolve(), onWait: () => void = () => {}) {
  return chat.handler({
    say({ text }, { bus }) {
      bus.sendall(chat.fromServer.said({ text }));
    },
    join({ room }, { connection, bus }) {
      if (room === "full") throw refuse("FULL", "the room is full", { room });
      connection.join(room);
      connection.send(chat.fromServer.joined(room));
      return { members: bus.members(room).length };
    },
    who: () => ["ann"],
    fail() {
      throw new Error("secret");
    },
    async wait(_payload, { connection }) {
      onWait();
      await gate;
      return connection.id;
    },
  });
}

async function open(handler: Handler | ShapedHandler = createHandler(), resume = false): Promise<Server> {
  const server = await serve({ port: 0, logger: false, resume, handler });
  onTestFinished(() => server.close());
  return server;
}

/** A promise that the test fulfils. */
function createGate(): { readonly gate: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { gate, open };
}

test("messages and calls go both ways, in the order of their sending", async () => {
  const server = await open();
  const log: unknown[] = [];
  const client = connect(server.url, {
    protocol: chat,
    on: { said: ({ text }) => log.push(text), joined: (room) => log.push(room) },
  });
  onTestFinished(() => void client.close());
  expect(client.send("say", { text: "hi" })).toBe(true);
  const answer = client.call("join", { room: "a" }).then(({ members }) => log.push(members));
  client.on("said", ({ text }) => log.push(`listener ${text}`));
  await answer;
  expect(log).toEqual(["hi", "listener hi", "A", 1]);
  expect(await client.call("who")).toEqual(["ann"]);
});

test("the server's refusals reach the caller, and the failure of a handler without its text", async () => {
  const server = await open();
  const errors: SendallError[] = [];
  const client = connect(server.url, { protocol: chat, onError: (error) => errors.push(error) });
  onTestFinished(() => void client.close());
  await expect(client.call("join", { room: "full" })).rejects.toMatchObject({
    code: "CALL_REFUSED",
    reason: "FULL",
    data: { room: "full" },
    message: "join: the room is full",
  });
  const failed = await client.call("fail").catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: "CALL_FAILED", message: "fail: the handler failed" });
  expect(JSON.stringify(failed)).not.toContain("secret");
  expect(errors).toEqual([]);
});

test("a call under way is rejected when its connection is lost for good, and a call that waits goes out later", async () => {
  const { gate, open: onLost } = createGate();
  let waits = 0;
  const server = await open(createHandler(gate, () => waits++));
  const line = await Line.to(server.port);
  const client = connect(`ws://${line.host}`, { protocol: chat, reconnect: { minMs: 0, maxMs: 0 } });
  onTestFinished(() => void client.close());
  await client.opened;
  const call = client.call("wait").catch((error: unknown) => error);
  await expect.poll(() => waits).toBe(1);
  const answer = new Promise((resolve) => {
    client.on("close", () => resolve(client.call("who")));
  });
  line.cut();
  expect(await call).toMatchObject({ code: "CONNECTION_LOST" });
  onLost();
  line.restore();
  expect(await answer).toEqual(["ann"]);
  expect(client.pending).toBe(0);
});

test("a call outlives the loss of its socket on a session, and its handler runs once", async () => {
  const { gate, open: answer } = createGate();
  let waits = 0;
  const server = await open(
    createHandler(gate, () => waits++),
    true,
  );
  const line = await Line.to(server.port);
  const client = connect(`ws://${line.host}`, { protocol: chat, reconnect: { minMs: 0, maxMs: 0 } });
  onTestFinished(() => void client.close());
  await client.opened;
  const call = client.call("wait", undefined, { timeoutMs: 60_000 });
  await expect.poll(() => waits).toBe(1);
  line.cut();
  await expect.poll(() => client.state).not.toBe("open");
  answer();
  line.restore();
  expect(await call).toMatch(/./);
  expect(client.status.resumed).toBe(true);
  expect(waits).toBe(1);
});

test("each channel of a client has a protocol of its own, and its own ids", async () => {
  const game = protocol({
    fromClient: { move: { input: z.number(), output: z.number() } },
    fromServer: { moved: z.number() },
  });
  const { gate, open: answer } = createGate();
  const server = await open(
    channels({
      chat: createHandler(gate),
      game: game.handler({
        move(step, { connection }) {
          connection.send(game.fromServer.moved(step));
          return step * 2;
        },
      }),
    }),
  );
  const log: unknown[] = [];
  const client = connect(server.url);
  onTestFinished(() => void client.close());
  const one = client.channel("chat", { protocol: chat, on: { said: ({ text }) => log.push(text) } });
  const two = client.channel("game", { protocol: game, on: { moved: (step) => log.push(step) } });
  one.send("say", { text: "hi" });
  expect(await Promise.all([one.call("who"), two.call("move", 2)])).toEqual([["ann"], 4]);
  expect(log.toSorted()).toEqual([2, "hi"]);
  const call = one.call("wait").catch((error: unknown) => error);
  expect(one.close()).toBe(true);
  expect(await call).toMatchObject({ code: "CLOSED" });
  answer();
  expect(await two.call("move", 3)).toBe(6);
});
