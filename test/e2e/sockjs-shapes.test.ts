/** Every shape of handler serves SockJS's clients as it serves others: one client that polls, one that streams, one with a socket. */
import { channels, fromLogic, noreply, perConnection, reply, type SockJsOptions } from "sendall";
import SockJS from "sockjs-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { assign, setup } from "xstate";
import type { Server } from "../../src/server/server.js";
import { serveByHand, until } from "./peers.js";

interface Memory {
  readonly socket: WebSocket;
  readonly received: string[];
}

const sockjs: Partial<SockJsOptions> = {};

async function open(server: Server, transport: string): Promise<Memory> {
  const socket = new SockJS(server.url.replace("ws", "http"), undefined, { transports: transport, timeout: 60_000 });
  onTestFinished(() => socket.close());
  const received: string[] = [];
  socket.onmessage = ({ data }) => void received.push(data);
  await new Promise<void>((resolve) => {
    socket.onopen = () => resolve();
  });
  return { socket, received };
}

describe.each(["xhr-polling", "xhr-streaming", "websocket"])("over %s", (transport) => {
  test("a stateful handler counts", async () => {
    const { server } = await serveByHand({
      sockjs,
      handler: {
        init: () => 0,
        handle(event, count, bus) {
          if (event.type !== "message") return;
          bus.sendall(String(count + 1));
          return count + 1;
        },
      },
    });
    const client = await open(server, transport);
    for (let i = 0; i < 3; i++) client.socket.send("x");
    await until(() => client.received.length === 3);
    expect(client.received).toEqual(["1", "2", "3"]);
  });

  test("a handler of callbacks has a state for each connection", async () => {
    const { server } = await serveByHand({
      sockjs,
      handler: perConnection({
        init: () => 0,
        handle: (message, count) => reply(`${message} ${count}`, count + 1),
        closed: () => {},
        info: (_data, count) => noreply(count),
      }),
    });
    const [ann, bob] = [await open(server, transport), await open(server, transport)];
    ann.socket.send("a");
    ann.socket.send("b");
    bob.socket.send("c");
    await until(() => ann.received.length === 2 && bob.received.length === 1);
    expect([ann.received, bob.received]).toEqual([["a 0", "b 1"], ["c 0"]]);
  });

  test("a loop reads its connection to the end", async () => {
    const ended: string[] = [];
    const { server } = await serveByHand({
      sockjs,
      handler: perConnection(async (connection) => {
        for await (const message of connection) {
          if (message === "leave") connection.close(3000, "as you wish");
          else connection.send(`got ${String(message)}`);
        }
        ended.push(connection.transport);
      }),
    });
    const client = await open(server, transport);
    const closed = new Promise<string>((resolve) => {
      client.socket.onclose = ({ code, reason }) => resolve(`${code} ${reason}`);
    });
    client.socket.send("x");
    client.socket.send("leave");
    expect(await closed).toBe("3000 as you wish");
    expect(client.received).toEqual(["got x"]);
    await until(() => ended.length === 1);
    expect(ended).toEqual([transport]);
  });

  test("a machine gets its events", async () => {
    const { server } = await serveByHand({
      sockjs,
      handler: fromLogic(
        setup({
          types: {
            context: {} as { bus: import("sendall").Bus; count: number },
            events: {} as import("sendall").ServerEvent,
            input: {} as { bus: import("sendall").Bus },
          },
        }).createMachine({
          context: ({ input }) => ({ bus: input.bus, count: 0 }),
          on: {
            message: {
              actions: [
                assign({ count: ({ context }) => context.count + 1 }),
                ({ context }) => void context.bus.sendall(`machine ${context.count}`),
              ],
            },
          },
        }),
      ),
    });
    const client = await open(server, transport);
    client.socket.send("x");
    await until(() => client.received.length === 1);
    expect(client.received).toEqual(["machine 1"]);
  });

  test("channels share one session, and their messages do not cross", async () => {
    const echo =
      (name: string): import("sendall").HandlerFunction =>
      (event, bus) => {
        if (event.type === "message") bus.unicast(`${name}: ${event.text}`, event.connection);
      };
    const { server } = await serveByHand({ sockjs, handler: channels({ ann: echo("ann"), bob: echo("bob") }) });
    const client = await open(server, transport);
    for (const text of ["sub,ann", "sub,bob", "msg,ann,1,2", "msg,bob,%", "sub,eve"]) client.socket.send(text);
    await until(() => client.received.length === 3);
    const answers = [expect.stringMatching(/^err,eve,/), "msg,ann,ann: 1,2", "msg,bob,bob: %"];
    expect(client.received.toSorted()).toEqual(answers);
  });
});
