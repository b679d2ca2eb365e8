/** `sendall/client` in Node against servers other than Sendall, over real sockets, on a clock that the test moves. */
import { once } from "node:events";
import { type Client, type ConnectOptions, connect } from "sendall/client";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Line } from "./line.js";
import { until } from "./peers.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A server of `ws`, and the line to it. */
async function servePlain(): Promise<{ readonly server: WebSocketServer; readonly line: Line; readonly url: string }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it has a port");
  const line = await Line.to(address.port);
  return { server, line, url: `ws://${line.host}/` };
}

function watch(url: string, options: ConnectOptions = {}): { readonly client: Client; readonly log: unknown[] } {
  const log: unknown[] = [];
  const client = connect(url, {
    onOpen: ({ why }) => log.push(why),
    onMessage: (data) => log.push(data),
    onClose: ({ code, willRetry }) => log.push([code, willRetry]),
    onError: ({ message }) => log.push(message),
    ...options,
  });
  onTestFinished(() => void client.close());
  return { client, log };
}

describe("a server of ws, which selects the session and speaks none", () => {
  test("and says nothing: the client says so 10 s later, with advice", async () => {
    const { server, url } = await servePlain();
    const opened = vi.fn();
    class Socket extends WebSocket {
      constructor(address: string, protocols?: string[]) {
        super(address, protocols);
        this.once("open", opened);
      }
    }
    server.on("connection", (socket) => expect(socket.protocol).toBe("sendall.1"));
    const { client, log } = watch(url, { WebSocket: Socket });
    await until(() => opened.mock.calls.length > 0);
    vi.advanceTimersByTime(9_999);
    await until(() => server.clients.size === 1);
    expect([client.state, log]).toEqual(["connecting", []]);
    vi.advanceTimersByTime(1);
    await until(() => client.state === "waiting");
    expect(log).toEqual([
      expect.stringMatching(/^cannot connect to .*: no answer in time; .*session: false$/),
      [1006, true],
    ]);
  });

  test("and greets: the client closes with 1002 for good, with advice", async () => {
    const { server, url } = await servePlain();
    const closes: unknown[] = [];
    server.on("connection", (socket) => {
      socket.on("close", (code) => closes.push(code));
      socket.send("welcome, friend");
    });
    const { client, log } = watch(url);
    await expect(client.opened).rejects.toMatchObject({ code: "CONNECTION_FAILED" });
    await until(() => closes.length === 1);
    expect([client.state, closes, log]).toEqual([
      "closed",
      [1002],
      [
        expect.stringMatching(/^cannot connect to .*: the first frame is no welcome.*; .*session: false$/),
        [1002, false],
      ],
    ]);
  });

  test("talks to a client with session: false", async () => {
    const { server, url } = await servePlain();
    server.on("connection", (socket) => {
      expect(socket.protocol).toBe("");
      socket.send("~welcome");
    });
    const { client, log } = watch(url, { session: false });
    await until(() => log.length === 2);
    expect([client.protocol, log]).toEqual(["", ["plain", "~welcome"]]);
  });
});

describe("a plain server that pings", () => {
  /** A client on the line, the server's end of it, and the pings that the client has sent. */
  async function open() {
    const { server, line, url } = await servePlain();
    const connected = once(server, "connection") as Promise<[WebSocket]>;
    const { client, log } = watch(url, { session: false });
    const [socket] = await connected;
    const asked = vi.fn();
    const answered = vi.fn();
    socket.on("ping", asked);
    socket.on("pong", answered);
    await client.opened;
    const ping = async (): Promise<void> => {
      const count = answered.mock.calls.length;
      socket.ping();
      await until(() => answered.mock.calls.length > count);
    };
    /** A message from the client to the server, behind all that the client has sent before. */
    const flush = async (): Promise<void> => {
      const got = once(socket, "message");
      client.send("flush");
      await got;
    };
    return { client, log, line, url, socket, asked, ping, flush };
  }

  test("less than twice is never asked and never dropped", async () => {
    const { client, asked, ping, flush } = await open();
    vi.advanceTimersByTime(3_600_000);
    await ping();
    vi.advanceTimersByTime(3_600_000);
    await flush();
    expect([client.state, asked.mock.calls.length]).toEqual(["open", 0]);
  });

  test.each([
    [10_000, 20_000, 5_000],
    [100, 1_000, 4_200],
  ])("every %i ms is asked after a silence of %i ms, and dropped %i ms later", async (everyMs, askMs, answerMs) => {
    const { client, log, line, url, asked, ping, flush } = await open();
    await ping();
    vi.advanceTimersByTime(everyMs);
    await ping();
    vi.advanceTimersByTime(askMs - 1);
    await flush();
    expect(asked).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    // The line carries the question and its answer.
    await until(() => asked.mock.calls.length === 1);
    await flush();
    line.silence();
    vi.advanceTimersByTime(askMs * 2 + answerMs);
    vi.advanceTimersByTime(askMs * 2 + answerMs);
    await until(() => client.state === "waiting");
    expect(log).toEqual(["plain", `the connection to ${url} broke: the server has fallen silent`, [1006, true]]);
  });

  test.each([
    [10_000, 20_000, 5_000],
    [100, 1_000, 4_200],
  ])("every %i ms and falls silent is dropped after exactly %i ms and %i ms more", async (everyMs, askMs, answerMs) => {
    const { client, line, ping } = await open();
    await ping();
    vi.advanceTimersByTime(everyMs);
    await ping();
    line.silence();
    vi.advanceTimersByTime(askMs + answerMs - 1);
    expect(client.state).toBe("open");
    vi.advanceTimersByTime(1);
    await until(() => client.state === "waiting");
    line.restore();
    vi.advanceTimersByTime(1_000);
    await until(() => client.state === "open");
  });

  test("and speaks is not asked", async () => {
    const { client, log, socket, asked, ping, flush } = await open();
    await ping();
    vi.advanceTimersByTime(10_000);
    await ping();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(15_000);
      socket.send(`${i}`);
      await until(() => log.length === i + 2);
    }
    await flush();
    expect([client.state, asked.mock.calls.length]).toEqual(["open", 0]);
  });

  test("and answers what it is asked is kept, however long it says nothing by itself", async () => {
    const { client, socket, log, asked, ping } = await open();
    await ping();
    vi.advanceTimersByTime(10_000);
    await ping();
    for (let i = 1; i <= 5; i++) {
      // The silence after the last answer is 5 s long already.
      vi.advanceTimersByTime(i === 1 ? 20_000 : 15_000);
      await until(() => asked.mock.calls.length === i);
      // Behind the answer. The message says nothing of the time after it.
      socket.send(`${i}`);
      await until(() => log.length === i + 1);
      vi.advanceTimersByTime(5_000);
    }
    expect([client.state, log.length]).toEqual(["open", 6]);
  });

  test("is judged by its last interval, and leaves no timer behind when the client closes", async () => {
    const { client, asked, ping, flush } = await open();
    await ping();
    for (const ms of [10_000, 3_000]) {
      vi.advanceTimersByTime(ms);
      await ping();
    }
    vi.advanceTimersByTime(5_999);
    await flush();
    expect(asked).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    await until(() => asked.mock.calls.length === 1);
    client.close();
    await until(() => client.state === "closed");
    await until(() => vi.getTimerCount() === 0);
    expect(asked).toHaveBeenCalledTimes(1);
  });
});
