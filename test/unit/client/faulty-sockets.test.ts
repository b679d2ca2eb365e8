/** The client on socket classes that throw, or that call back before their method has returned, and on a process that was held up. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ClientStage, type HandSocket, settle, welcomeOf } from "./stage.js";

let stage: ClientStage;

beforeEach(() => {
  stage = new ClientStage();
});

/** Replaces a method of the present socket. */
function put(method: "send" | "close", body: (socket: HandSocket, data: string) => void): HandSocket {
  const { socket } = stage;
  Object.assign(socket, { [method]: (data: string) => body(socket, data) });
  return socket;
}

describe("a socket whose send throws", () => {
  test("costs the connection and that message; the messages behind go out over the next socket, none twice", async () => {
    const client = stage.connect();
    for (const data of ["a", "b", "c"]) client.send(data);
    const first = put("send", (socket, data) => {
      socket.sent.push(data);
      if (data === "b") throw new Error("broken pipe");
    });
    first.welcome();
    await settle();
    expect([client.state, stage.take()]).toEqual([
      "waiting",
      ["open", ["error", "CONNECTION_FAILED"], ["close", 1006, true]],
    ]);
    expect(first.closes.length).toBeGreaterThan(0);
    await stage.pass(1_000);
    stage.socket.welcome();
    expect([first.sent, stage.socket.sent, client.pending]).toEqual([["a", "b"], ["c"], 0]);
  });

  test("does not throw at the caller, and the words of the error are told", async () => {
    const errors: string[] = [];
    const client = stage.connect({ onError: ({ message }) => errors.push(message) });
    stage.socket.welcome();
    put("send", () => {
      throw new Error("broken pipe");
    });
    expect(client.send("a")).toBe(true);
    await settle();
    expect([client.state, client.pending, errors]).toEqual([
      "waiting",
      0,
      ["the connection to ws://server/ broke: broken pipe"],
    ]);
  });
});

describe("a socket whose close throws", () => {
  const fail = (): never => {
    throw new Error("cannot close");
  };

  test("is cut 5 s after the client's close", async () => {
    const client = stage.connect();
    stage.socket.welcome();
    put("close", fail);
    expect(client.close()).toBe(true);
    await stage.pass(5_000);
    expect([client.state, stage.take(), stage.waits]).toEqual(["closed", ["open", ["close", 1006, false]], []]);
  });

  test("is given up when no answer comes within 30 s, and the client connects again", async () => {
    stage.connect();
    put("close", fail);
    await stage.pass(31_000);
    expect(stage.sockets).toHaveLength(2);
  });

  test("is given up when the server breaks the protocol", async () => {
    const client = stage.connect();
    stage.socket.welcome();
    put("close", fail);
    stage.socket.message("~a");
    await settle();
    expect([client.state, stage.take()]).toEqual([
      "closed",
      ["open", ["error", "CONNECTION_FAILED"], ["close", 1002, false]],
    ]);
  });
});

test("what a callback sends while the waiting messages go out goes out behind them", () => {
  const client = stage.connect({ onMessage: (data) => data === "echo a" && client.send("c") });
  client.send("a");
  client.send("b");
  const socket = put("send", (own, data) => {
    own.sent.push(data);
    own.message(`echo ${data}`);
  });
  socket.welcome();
  expect([socket.sent, client.pending]).toEqual([["a", "b", "c"], 0]);
});

test("the size of a waiting message is taken once, however many channels close", () => {
  const client = stage.connect();
  for (let i = 0; i < 100; i++) client.send(`message ${i}`);
  const channels = Array.from({ length: 10 }, (_, i) => client.channel(`channel ${i}`));
  const encode = vi.spyOn(TextEncoder.prototype, "encode");
  for (const channel of channels) channel.close();
  expect(encode).not.toHaveBeenCalled();
  encode.mockRestore();
  // The bound counts what is left.
  expect(client.pending).toBe(100);
});

test("the bytes of messages that have left or were cancelled make room for others", async () => {
  const client = stage.connect({ offline: { maxBytes: 10 } });
  const channel = client.channel("a");
  expect([channel.send("1234"), client.send("x"), channel.send("")]).toEqual([true, false, false]);
  channel.close();
  expect([client.send("1234567890"), client.send("x")]).toEqual([true, false]);
  stage.socket.welcome();
  stage.socket.fail();
  await settle();
  expect([client.send("1234567890"), client.send("x")]).toEqual([true, false]);
});

test.each([welcomeOf(0), "~{", "~a", "hello"])("after close the frame %s changes nothing", async (frame) => {
  const client = stage.connect();
  stage.socket.welcome();
  const { socket } = stage;
  client.close(4001, "bye");
  socket.message(frame);
  await settle();
  expect([client.state, stage.take()]).toEqual(["closed", ["open", ["close", 4001, false]]]);
});

describe("in a process that is held up for longer than the answer may take", () => {
  test("a connection whose answer is among the unread bytes opens", async () => {
    const client = stage.connect({ reconnect: false });
    await stage.sleep(40_000);
    stage.socket.welcome();
    expect([client.state, stage.take()]).toEqual(["open", ["open"]]);
  });

  test("a connection whose welcome is among the unread bytes opens", async () => {
    const client = stage.connect({ reconnect: false });
    stage.socket.protocol = "sendall.1";
    stage.socket.accept();
    await stage.sleep(20_000);
    stage.socket.message(welcomeOf(0));
    expect([client.state, stage.take()]).toEqual(["open", ["open"]]);
  });

  test("a close whose answer is among the unread bytes is clean", async () => {
    const client = stage.connect();
    stage.socket.welcome();
    stage.socket.isMute = true;
    client.close();
    await stage.sleep(20_000);
    stage.socket.end(1000);
    expect([client.state, stage.take()]).toEqual(["closed", ["open", ["close", 1000, false]]]);
  });

  test("an attempt that nobody answers is given up 5 s later", async () => {
    const client = stage.connect();
    await stage.sleep(40_000);
    await stage.pass(4_999);
    expect(client.state).toBe("connecting");
    await stage.pass(1);
    expect(client.state).toBe("waiting");
  });
});

test("a client that asks behind a long message of its own waits while the socket takes the message", async () => {
  const client = stage.connect();
  stage.socket.welcome(1_000_000);
  stage.socket.bufferedAmount = 3_000_000;
  // Asks when it wakes up.
  await stage.sleep(1_100_000);
  expect(stage.socket.sent).toEqual(["~h"]);
  await stage.pass(4_000);
  stage.socket.bufferedAmount = 2_000_000;
  await stage.pass(2_000);
  expect([client.state, stage.socket.sent]).toEqual(["open", ["~h"]]);
});

test("a client that asks behind a message that the socket does not take drops the connection after 5 s", async () => {
  const client = stage.connect();
  stage.socket.welcome(1_000_000);
  stage.socket.bufferedAmount = 3_000_000;
  await stage.sleep(1_100_000);
  await stage.pass(5_000);
  await settle();
  expect([client.state, stage.socket.sent]).toEqual(["waiting", ["~h"]]);
});
