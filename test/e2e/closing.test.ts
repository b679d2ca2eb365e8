/** How our side ends connections, seen from theirs: what was sent before, the code, the reason, and nothing afterwards. */
import {
  type Connection,
  close,
  fromLogic,
  type Handler,
  perConnection,
  type ServeOptions,
  type ServerEvent,
} from "sendall";
import { describe, expect, test } from "vitest";
import { setup } from "xstate";
import type { Server } from "../../src/server/server.js";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { Client, clientFrame, openClients, RawPeer, serveByHand, until, upgradeRequest } from "./peers.js";

test("what is sent right before closing arrives before the code, at each of 500 clients", async () => {
  const { server } = await serveByHand({
    handler({ type, connection }) {
      if (type !== "message") return;
      connection.send(`bye ${connection.id}`);
      connection.close(4_000, connection.id);
    },
  });
  const clients = await openClients(server.url, 500);
  for (const client of clients) client.send("close me");
  for (const client of clients) {
    const { code, reason } = await client.ended();
    expect([client.received, code]).toEqual([[`bye ${reason}`], 4_000]);
  }
  expect(new Set(clients.map(({ closed }) => closed?.reason)).size).toBe(500);
});

describe("our side's close frame", () => {
  interface Scene {
    readonly server: Server;
    readonly clock: HandClock;
    readonly client: Client;
  }
  type Way = [how: string, act: (scene: Scene) => unknown, code: number, reason: string, options?: object];

  /** A handler that does what the text of a message says. */
  const handler: ServeOptions["handler"] = (event, bus) => {
    if (event.type === "info") throw new Error("the handler itself is broken");
    if (event.type !== "message") return;
    if (event.text === "throw") throw new Error("this message is not for me");
    if (event.text === "bus") bus.close(event.connection.id, 4_001, "by the bus");
    if (event.text === "connection") event.connection.close(3_000, "Go away!");
    if (event.text === "no code") event.connection.close();
  };
  /** Ends at the first message. */
  const machine = setup({ types: { events: {} as ServerEvent } }).createMachine({
    initial: "waiting",
    states: { waiting: { on: { message: "over" } }, over: { type: "final" } },
  });
  const shaped = (shape: Handler): object => ({ handler: shape });
  const loop = shaped(
    perConnection(async (connection) => {
      for await (const _ of connection) return;
    }),
  );
  const module = shaped(perConnection({ init: () => 0, handle: () => close(0, 4_004, "by a reply") }));
  const crashing = shaped(
    perConnection({
      init: () => 0,
      handle() {
        throw new Error("broken");
      },
    }),
  );
  const kick = ({ server }: Scene): void => {
    for (const connection of server.connections()) connection.close(4_002, "kicked");
  };

  test.each<Way>([
    ["the handler", ({ client }) => client.send("connection"), 3_000, "Go away!"],
    ["the handler without a code", ({ client }) => client.send("no code"), 1_000, ""],
    ["the bus by its id", ({ client }) => client.send("bus"), 4_001, "by the bus"],
    ["another part of the program", kick, 4_002, "kicked"],
    ["the end of its loop", ({ client }) => client.send("x"), 1_000, "", loop],
    ["what its module returns", ({ client }) => client.send("x"), 4_004, "by a reply", module],
    ["the crash of its actor", ({ client }) => client.send("x"), 1_011, "handler failed", crashing],
    ["the final state of a machine", ({ client }) => client.send("x"), 1_000, "", shaped(fromLogic(machine))],
    ["its failures", ({ client }) => client.send("throw"), 1_011, "handler failed", { supervise: { intensity: 0 } }],
    [
      "the handler's own failures",
      ({ server }) => server.tell("x"),
      1_011,
      "handler failed",
      { supervise: { intensity: 0 } },
    ],
    ["a message that is too large", ({ client }) => client.send("x".repeat(11)), 1_009, "", { maxPayloadBytes: 10 }],
    ["text that is no UTF-8", ({ client }) => client.socket.write(clientFrame(Buffer.of(0xff))), 1_007, ""],
    ["a broken frame", ({ client }) => client.socket.write(clientFrame("x", { masked: false })), 1_002, ""],
    ["its silence", ({ clock }) => clock.pass(1_000), 1_000, "idle", { idleTimeoutMs: 1_000 }],
    ["the end of the server", ({ server }) => void server.close(), 1_001, "going away"],
    [
      "the end of the server, for a reason",
      ({ server }) => void server.close({ code: 4_003, reason: "moving" }),
      4_003,
      "moving",
    ],
  ])("has the code and the reason when the connection is closed by %s", async (_how, act, code, reason, options) => {
    const { server, clock } = await serveByHand({ handler, ...options });
    const client = await Client.open(server.url);
    await until(() => server.connections().length === 1);
    act({ server, clock, client });
    expect(await client.ended()).toEqual({ code, reason });
  });
});

test("after closing nothing is sent, and what the peer still says is not heard", async () => {
  const events: string[] = [];
  const sent: unknown[] = [];
  const closed: Connection[] = [];
  const { server } = await serveByHand({
    handler(event, bus) {
      events.push(event.type === "message" ? event.text : event.type);
      if (event.type === "closed") closed.push(event.connection);
      if (event.type !== "message") return;
      const { connection } = event;
      connection.close(4_000, "enough");
      sent.push(
        connection.send("late"),
        connection.ping("late"),
        connection.close(4_001),
        bus.unicast("late", connection),
      );
    },
  });
  const peer = new RawPeer(server.port);
  peer.write(
    Buffer.concat([upgradeRequest(), clientFrame("close me"), clientFrame("wait")].map((part) => Buffer.from(part))),
  );
  await until(() => peer.frames.length === 1);
  await new Promise((written) => peer.socket.write(clientFrame("I have more"), written));
  peer.write(clientFrame(Buffer.from("\x0f\xa0", "latin1"), { opcode: 8 }));
  await until(() => closed.length === 1);
  expect(events).toEqual(["open", "close me", "closed"]);
  expect(sent).toEqual([false, false, false, { targeted: 1, queued: 0, dropped: 0, dead: 1 }]);
  expect(peer.frames).toEqual([{ opcode: 8, payload: Buffer.from("\x0f\xa0enough", "latin1") }]);
  peer.socket.destroy();
});
