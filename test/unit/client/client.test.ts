/** The client on sockets and a clock that the test holds: `connect`, its options, its queue, its callbacks, its patience. */
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { problemOf } from "../../../src/client/node-socket.js";
import { connect, SendallError } from "../../../src/client.js";
import { UNREADABLE } from "../unreadable.js";
import { CLOCK, ClientStage, HandSocket, settle } from "./stage.js";

let stage: ClientStage;
const unhandled = vi.fn();

beforeEach(() => {
  stage = new ClientStage();
  process.on("unhandledRejection", unhandled);
});

afterEach(async () => {
  // Node speaks of an unhandled rejection once the microtasks are done.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

describe("connecting", () => {
  test("dials at once, is open when the socket is, and closes with the code and reason that it was asked for", async () => {
    const client = stage.connect({ protocols: ["a", "b"] });
    expect(client.state).toBe("connecting");
    expect([stage.socket.url, stage.socket.protocols, stage.socket.binaryType]).toEqual([
      "ws://server/",
      ["a+sendall.1", "a", "b+sendall.1", "b"],
      "arraybuffer",
    ]);
    stage.socket.accept();
    await expect(client.opened).resolves.toBeUndefined();
    expect(client.state).toBe("open");
    expect(client.close(4001, "bye")).toBe(true);
    expect(client.state).toBe("closing");
    expect(client.close()).toBe(false);
    await settle();
    expect(client.state).toBe("closed");
    expect(stage.socket.closes).toEqual([[4001, "bye"]]);
    expect(stage.take()).toEqual(["open", ["close", 4001, false]]);
    expect(stage.waits).toEqual([]);
  });

  test("tells the subprotocol and the unsent bytes of the present connection", async () => {
    const client = stage.connect({ protocols: "chat" });
    stage.socket.protocol = "chat";
    stage.socket.bufferedAmount = 7;
    expect([client.protocol, client.bufferedAmount]).toEqual(["", 7]);
    stage.socket.accept();
    expect(client.protocol).toBe("chat");
    stage.socket.end(1001);
    expect([client.protocol, client.bufferedAmount]).toEqual(["", 0]);
  });

  test("gives text as strings and bytes as Uint8Array", () => {
    stage.connect();
    stage.socket.accept();
    stage.socket.message("text");
    stage.socket.message(new Uint8Array([1, 2]).buffer);
    stage.socket.message(Buffer.from("xyz").subarray(1));
    expect(stage.take()).toEqual([
      "open",
      ["message", "text"],
      ["message", new Uint8Array([1, 2])],
      ["message", new Uint8Array([121, 122])],
    ]);
  });

  test("reports a message that came as something else, and stays open", () => {
    const client = stage.connect();
    stage.socket.accept();
    stage.socket.message(new Date(0));
    expect(stage.take()).toEqual(["open", ["error", "CONNECTION_FAILED"]]);
    expect(client.state).toBe("open");
  });

  test("knows its state in every callback, also when that callback closes it", async () => {
    const states: unknown[] = [];
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      onOpen: () => states.push(client.state),
      onMessage() {
        states.push(client.state);
        client.close();
        states.push(client.state, client.send("too late"));
      },
      onClose: () => states.push(client.state),
    });
    stage.socket.accept();
    stage.socket.message("x");
    stage.socket.message("after close");
    await settle();
    expect(states).toEqual(["open", "open", "closing", false, "closed"]);
  });

  test("can be closed by a listener of its status, which hears of a change after the callbacks", async () => {
    const client = stage.connect();
    client.subscribe(({ state }) => {
      stage.log.push(state);
      if (state === "open") client.close();
    });
    client.send("waited");
    stage.socket.accept();
    await settle();
    expect(stage.take()).toEqual(["open", "open", "closing", ["close", 1000, false], "closed"]);
    expect(stage.socket.sent).toEqual(["waited"]);
    await expect(client.opened).resolves.toBeUndefined();
  });

  test("gives up an attempt that nobody answers within 30 s", async () => {
    const client = stage.connect();
    await stage.pass(29_999);
    expect(client.state).toBe("connecting");
    await stage.pass(1);
    expect(client.state).toBe("waiting");
    expect(stage.take()).toEqual([
      ["error", "CONNECTION_FAILED"],
      ["close", 1006, true],
    ]);
    const [first] = stage.sockets;
    await stage.pass(10_000);
    stage.socket.accept();
    // The first one is late: nobody listens to it any more.
    first?.accept();
    first?.message("ghost");
    first?.end(1000);
    expect(client.state).toBe("open");
    expect(stage.take()).toEqual(["open"]);
  });

  test("takes an address that the class refuses as the end", async () => {
    const client = stage.connect({
      WebSocket: class extends HandSocket {
        constructor() {
          super("");
          throw new SyntaxError("bad address");
        }
      },
    });
    expect(stage.take()).toEqual([]);
    await expect(client.opened).rejects.toMatchObject({
      code: "CONNECTION_FAILED",
      message: "cannot connect to ws://server/: bad address; a server other than Sendall needs session: false",
    });
    expect(stage.take()).toEqual([
      ["error", "CONNECTION_FAILED"],
      ["close", 1006, false],
    ]);
  });
});

test.each<[error: unknown, message: string | undefined, problem: string]>([
  [new Error("no route"), "no route", "no route"],
  [undefined, "no route", "no route"],
  [undefined, undefined, "no cause is known"],
  [undefined, "", "no cause is known"],
  ["a string", "", "no cause is known"],
  [Object.assign(new Error(""), { code: "ECONNREFUSED" }), "", "ECONNREFUSED"],
  [
    new AggregateError([new Error("connect ECONNREFUSED ::1:1"), new Error("connect ECONNREFUSED 127.0.0.1:1")], ""),
    "",
    "connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1",
  ],
  [
    Object.assign(new Error("invalid distance too far back"), { code: "Z_DATA_ERROR" }),
    "invalid distance too far back",
    "a compressed message cannot be read: invalid distance too far back",
  ],
])("the error %o of a socket reads as a sentence", (error, message, problem) => {
  expect(problemOf(error, message)).toBe(problem);
});

describe("opened", () => {
  test("rejects with CLOSED when the client is closed first, and may be left alone", async () => {
    const client = stage.connect();
    client.close();
    await expect(client.opened).rejects.toMatchObject({ code: "CLOSED" });
    const late = stage.connect();
    stage.socket.fail();
    late.close();
    await expect(late.opened).rejects.toMatchObject({ code: "CLOSED" });
    stage.connect().close();
    await settle();
  });

  test("rejects with the refusal that ended it", async () => {
    const client = stage.connect();
    stage.socket.refuse(401, "who are you?", true);
    await expect(client.opened).rejects.toMatchObject({ code: "REFUSED", status: 401, body: "who are you?" });
    expect(client.state).toBe("closed");
  });
});

describe("the offline queue", () => {
  test("keeps messages in order until the connection is open, after what onOpen sends", () => {
    const client = stage.connect({ onOpen: () => void client.send("from onOpen") });
    const bytes = new Uint8Array(new SharedArrayBuffer(1));
    bytes[0] = 1;
    expect([client.send("a"), client.send(bytes), client.send(new Uint8Array([2]).buffer)]).toEqual([true, true, true]);
    bytes[0] = 9;
    expect(stage.socket.sent).toEqual([]);
    stage.socket.accept();
    client.send("b");
    expect(stage.socket.sent).toEqual(["from onOpen", "a", new Uint8Array([1]), new Uint8Array([2]), "b"]);
  });

  test("takes 256 messages, and as many as offline.maxMessages says", () => {
    const usual = stage.connect();
    expect(Array.from({ length: 257 }, () => usual.send("x")).filter(Boolean)).toHaveLength(256);
    const small = stage.connect({ offline: { maxMessages: 2 } });
    expect(["a", "b", "c"].map((text) => small.send(text))).toEqual([true, true, false]);
    stage.socket.accept();
    expect(small.send("d")).toBe(true);
    expect(stage.socket.sent).toEqual(["a", "b", "d"]);
    const none = stage.connect({ offline: { maxMessages: 0 } });
    expect(none.send("x")).toBe(false);
  });

  test("takes what is sent while the peer is closing, for the next connection", async () => {
    const client = stage.connect();
    stage.socket.accept();
    stage.socket.readyState = 2;
    expect(client.send("late")).toBe(true);
    const [first] = stage.sockets;
    stage.socket.end(1001);
    await stage.pass(1000);
    stage.socket.accept();
    expect([first?.sent, stage.socket.sent]).toEqual([[], ["late"]]);
  });

  test("keeps the rest, in its place, when the socket takes only a part", async () => {
    const client = stage.connect();
    for (const text of ["a", "b", "c"]) client.send(text);
    const { socket } = stage;
    const take = socket.send.bind(socket);
    socket.send = (data) => {
      take(data);
      socket.readyState = 2;
    };
    socket.accept();
    client.send("d");
    socket.readyState = 1;
    client.send("e");
    socket.end(1001);
    await stage.pass(1000);
    stage.socket.accept();
    expect([socket.sent, stage.socket.sent]).toEqual([["a"], ["b", "c", "d", "e"]]);
  });

  test("is forgotten by close, and nothing is taken after it", async () => {
    const client = stage.connect();
    client.send("x");
    client.close();
    expect(client.send("y")).toBe(false);
    await settle();
    expect(client.send("z")).toBe(false);
    expect(stage.socket.sent).toEqual([]);
  });

  test.each([5, null, undefined, {}, [1]])("refuses %j with BAD_DATA", (data) => {
    const client = stage.connect();
    // @ts-expect-error it is not what the type asks for
    expect(() => client.send(data)).toThrow(expect.objectContaining({ code: "BAD_DATA" }));
  });
});

describe("connecting again", () => {
  async function waits(count: number, reconnect: object): Promise<unknown[]> {
    const client = stage.connect({ reconnect });
    const found: unknown[] = [];
    for (let i = 0; i < count; i++) {
      stage.socket.fail();
      expect(client.state).toBe("waiting");
      const [wait] = stage.waits;
      found.push(wait);
      await stage.pass(wait ?? 0);
      expect(client.state).toBe("connecting");
    }
    client.close();
    await settle();
    return found;
  }

  test("waits 1, 2, 4, 8, 10, 10 … seconds when chance takes nothing off", async () => {
    expect(await waits(6, {})).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test("takes off up to the whole wait at random", async () => {
    stage.chance = 0.75;
    expect(await waits(3, {})).toEqual([250, 500, 1000]);
  });

  test("takes off no more than jitter says, and grows as factor, minMs and maxMs say", async () => {
    stage.chance = 0.5;
    expect(await waits(4, { minMs: 100, maxMs: 1000, factor: 3, jitter: 0.5 })).toEqual([75, 225, 675, 750]);
    expect(await waits(2, { maxMs: 50, jitter: 0 })).toEqual([50, 50]);
  });

  test("never grows past what a number can hold", async () => {
    expect(await waits(3, { factor: 1e300 })).toEqual([1000, 10_000, 10_000]);
  });

  test("gives up after as many retries in a row as attempts says", async () => {
    const client = stage.connect({ reconnect: { attempts: 2 } });
    stage.socket.fail();
    await stage.pass(1000);
    stage.socket.fail();
    await stage.pass(2000);
    stage.socket.fail();
    expect(client.state).toBe("closed");
    expect(stage.take().filter((entry) => Array.isArray(entry) && entry[0] === "close")).toEqual([
      ["close", 1006, true],
      ["close", 1006, true],
      ["close", 1006, false],
    ]);
    await expect(client.opened).rejects.toMatchObject({ code: "CONNECTION_FAILED" });
    expect(stage.waits).toEqual([]);
  });

  test("counts a server that accepts and closes at once as a failure", async () => {
    stage.connect();
    for (const wait of [1000, 2000, 4000]) {
      stage.socket.accept();
      stage.socket.end(1011);
      expect(stage.waits).toEqual([wait]);
      await stage.pass(wait);
    }
  });

  test("begins anew once a connection has brought a message, or has lived for minMs", async () => {
    stage.connect();
    stage.socket.fail();
    await stage.pass(1000);
    stage.socket.accept();
    stage.socket.message("hello");
    stage.socket.end(1001);
    expect(stage.waits).toEqual([1000]);
    await stage.pass(1000);
    stage.socket.fail();
    await stage.pass(2000);
    stage.socket.accept();
    stage.socket.message("hello again");
    stage.socket.end(1001);
    expect(stage.waits).toEqual([1000]);
    await stage.pass(1000);
    stage.socket.accept();
    await stage.pass(1000);
    stage.socket.end(1001);
    expect(stage.waits).toEqual([1000]);
  });

  test("does not happen with reconnect: false", () => {
    const client = stage.connect({ reconnect: false });
    stage.socket.accept();
    stage.socket.end(1001);
    expect(client.state).toBe("closed");
    expect(stage.take()).toEqual(["open", ["close", 1001, false]]);
  });

  test("is called off by close, also from onClose", async () => {
    const client = stage.connect();
    stage.socket.fail();
    client.close();
    expect(client.state).toBe("closing");
    expect(stage.waits).toEqual([5000]);
    await settle();
    expect([client.state, stage.waits, stage.sockets.length]).toEqual(["closed", [], 1]);
    expect(stage.take().at(-1)).toEqual(["close", 1006, false]);

    const shy = stage.connect({ onClose: () => void shy.close() });
    stage.socket.fail();
    await settle();
    expect([shy.state, stage.waits]).toEqual(["closed", []]);
  });

  const stays = [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 3003];
  test.each(stays)("does not happen after %i", (code) => {
    const client = stage.connect();
    stage.socket.accept();
    stage.socket.end(code);
    expect(client.state).toBe("closed");
  });

  const returns = [1001, 1005, 1006, 1011, 1012, 1013, 1014, 3008, 3001, 4000, 4999];
  test.each(returns)("happens after %i", (code) => {
    const client = stage.connect();
    stage.socket.accept();
    stage.socket.end(code);
    expect(client.state).toBe("waiting");
  });

  test.each([
    ["final", true, "closed"],
    ["not final", false, "waiting"],
  ] as const)("after a refusal that is %s: %s is %s", (_name, isFinal, state) => {
    const client = stage.connect();
    stage.socket.refuse(404, "", isFinal);
    expect(client.state).toBe(state);
    expect(stage.take()[0]).toEqual(["error", "REFUSED"]);
  });
});

describe("closing", () => {
  test("while connecting gives the attempt up, without an error", async () => {
    const client = stage.connect();
    client.close(4000, "never mind");
    expect(client.state).toBe("closing");
    await settle();
    expect(stage.socket.closes).toEqual([[]]);
    expect([client.state, stage.take()]).toEqual(["closed", [["close", 1006, false]]]);
  });

  test("gives a peer that does not answer 5 s", async () => {
    const client = stage.connect();
    stage.socket.accept();
    stage.socket.isMute = true;
    client.close();
    await stage.pass(4999);
    expect(client.state).toBe("closing");
    await stage.pass(1);
    expect([client.state, stage.waits]).toEqual(["closed", []]);
    expect(stage.take()).toEqual(["open", ["close", 1006, false]]);
  });

  test.each([1001, 1005, 1006, 2999, 5000, 4000.5, Number.NaN])("refuses the code %s", (code) => {
    const client = stage.connect();
    expect(() => client.close(code)).toThrow(expect.objectContaining({ code: "BAD_CLOSE_CODE" }));
    expect(client.state).toBe("connecting");
  });

  test("cuts a reason that is too long at a character", () => {
    const client = stage.connect();
    stage.socket.accept();
    client.close(4000, "ä".repeat(100));
    expect(stage.socket.closes).toEqual([[4000, "ä".repeat(61)]]);
  });
});

describe("a callback that fails", () => {
  const failures: unknown[] = [];
  const onError = (error: Error): void => {
    failures.push([error instanceof SendallError && error.code, error.message, error.cause]);
  };
  beforeEach(() => {
    failures.length = 0;
  });

  test("is told to onError and breaks nothing", async () => {
    const mistake = new Error("oops");
    const client = stage.connect({
      onError,
      onOpen() {
        throw mistake;
      },
      onMessage: () => Promise.reject("words"),
    });
    stage.socket.accept();
    stage.socket.message("x");
    await settle();
    expect(failures).toEqual([
      ["CALLBACK_FAILED", 'the callback for "open" failed: oops', mistake],
      ["CALLBACK_FAILED", 'the callback for "message" failed: words', "words"],
    ]);
    expect(client.state).toBe("open");
  });

  test.each(UNREADABLE)("is told also when its error cannot be read: %s", async (_what, make) => {
    // As the console of Node does, which looks at the cause.
    const spoken = vi.spyOn(console, "error").mockImplementation((error) => void inspect(error));
    connect("ws://server/", { WebSocket: stage.WebSocket, onOpen: () => Promise.reject(make()) });
    stage.socket.accept();
    await settle();
    expect(spoken).toHaveBeenCalled();
    spoken.mockRestore();
    const codes: unknown[] = [];
    const client = stage.connect({
      onError: (error) => codes.push(error instanceof SendallError && error.code),
      onOpen() {
        throw make();
      },
    });
    stage.socket.accept();
    await settle();
    expect([codes, client.state]).toEqual([["CALLBACK_FAILED"], "open"]);
  });

  test("goes to the console when there is no onError, or when onError itself failed", async () => {
    const spoken = vi.spyOn(console, "error").mockImplementation(() => {});
    const fail = (): never => {
      throw new Error("oops");
    };
    connect("ws://server/", { WebSocket: stage.WebSocket, onOpen: fail });
    stage.socket.accept();
    stage.connect({ onOpen: fail, onError: fail });
    stage.socket.accept();
    stage.connect({ onError: async () => fail() });
    stage.socket.fail();
    await settle();
    expect(spoken.mock.calls.map(([error]) => error.message)).toEqual([
      'the callback for "open" failed: oops',
      'the callback for "error" failed: oops',
      'the callback for "error" failed: oops',
    ]);
    spoken.mockRestore();
  });

  test("an error of the connection without an onError is not told to the console", () => {
    const spoken = vi.spyOn(console, "error").mockImplementation(() => {});
    connect("ws://server/", { WebSocket: stage.WebSocket });
    stage.socket.fail();
    expect(spoken).not.toHaveBeenCalled();
    spoken.mockRestore();
  });
});

describe("options", () => {
  test.each<[option: string, value: unknown]>([
    ["protocols", "a b"],
    ["protocols", ["a", "a"]],
    ["protocols", [5]],
    ["headers", "x"],
    ["headers", { "bad name": "x" }],
    ["headers", { name: 5 }],
    ["headers", { name: "two\nlines" }],
    ["onOpen", 5],
    ["onMessage", "x"],
    ["onClose", {}],
    ["onError", null],
    ["reconnect", true],
    ["reconnect", null],
    ["reconnect", { minMs: -1 }],
    ["reconnect", { minMs: 1.5 }],
    ["reconnect", { maxMs: 2 ** 31 }],
    ["reconnect", { factor: 0.5 }],
    ["reconnect", { factor: Number.POSITIVE_INFINITY }],
    ["reconnect", { jitter: 1.1 }],
    ["reconnect", { attempts: -1 }],
    ["reconnect", { tries: 5 }],
    ["offline", false],
    ["offline", { maxMessages: "many" }],
    ["offline", { maxBytes: -5 }],
    ["offline", { maxMegabytes: 5 }],
    ["session", "yes"],
    ["session", null],
    ["protocols", "sendall.1"],
    ["protocols", ["a", "a+sendall.1"]],
    ["protocols", "sendall.1.token.0.0.1"],
    ["WebSocket", {}],
    ["toString", 5],
    ["onopen", () => {}],
  ])("refuse %s: %o by its dotted name", (option, value) => {
    const [key] =
      typeof value === "object" && value !== null && option !== "headers" && option !== "protocols"
        ? Object.keys(value)
        : [];
    const name = key === undefined ? option : `${option}.${key}`;
    const attempt = (): unknown => connect("ws://server/", { WebSocket: stage.WebSocket, [option]: value });
    expect(attempt).toThrow(expect.objectContaining({ code: "BAD_OPTION", option: name }));
    expect(attempt).toThrow(new RegExp(`^${name.replace(".", "\\.")}: `));
    expect(stage.sockets).toEqual([]);
  });

  test.each<[object, string]>([
    [
      { reconect: false },
      "reconect: unknown option: the options are protocols, headers, session, protocol, on, calls, onOpen, ",
    ],
    [{ reconnect: { min: 5 } }, "reconnect.min: unknown option: the options are reconnect.minMs, reconnect.maxMs, "],
    [{ offline: { max: 5 } }, "offline.max: unknown option: the options are offline.maxMessages, offline.maxBytes"],
  ])("that are unknown are refused with the options that exist: %j", (options, message) => {
    const refused = (): unknown => connect("ws://server/", { WebSocket: stage.WebSocket, ...options });
    expect(refused).toThrow(message);
  });

  test("may be undefined, which is their default", () => {
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      reconnect: { minMs: undefined, attempts: Number.POSITIVE_INFINITY },
      offline: { maxMessages: undefined },
    } as object);
    stage.socket.fail();
    expect(stage.waits).toEqual([1000]);
    client.close();
  });

  test.each([5, null, "x", []])("have to be an object, not %j", (options) => {
    // @ts-expect-error it is not what the type asks for
    expect(() => connect("ws://server/", options)).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  });

  test.each([
    "connection",
    "Upgrade",
    "sec-websocket-key",
    "Sec-WebSocket-Protocol",
    "Content-Length",
    "transfer-encoding",
  ])("headers without that of the handshake itself: %s ends the client", async (name) => {
    const client = connect("ws://127.0.0.1:1/", { headers: { [name]: "x" } });
    await expect(client.opened).rejects.toMatchObject({
      code: "CONNECTION_FAILED",
      message: expect.stringContaining(`headers: ${name} is a header of the handshake itself`),
    });
    expect(client.state).toBe("closed");
  });

  test("headers are refused beside a class that cannot send them", () => {
    expect(() => stage.connect({ headers: { a: "b" } })).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", option: "headers" }),
    );
  });

  test("a class whose clock is none is refused", () => {
    class Broken extends HandSocket {
      static readonly [CLOCK] = { clearTimeout };
    }
    expect(() => stage.connect({ WebSocket: Broken })).toThrow(/^WebSocket: expected a class .* or its clock is none/);
  });

  test.each([
    ["ws://server/a?b=c", "ws://server/a?b=c"],
    ["wss://server", "wss://server/"],
    ["http://server/x", "ws://server/x"],
    [new URL("https://server/x"), "wss://server/x"],
  ])("the address %s is dialled as %s", (url, dialled) => {
    connect(url, { WebSocket: stage.WebSocket });
    expect(stage.socket.url).toBe(dialled);
  });

  test.each<unknown>(["", "server", "chat/", "ftp://server/", "ws://server/#part", "ws://", 5, undefined, {}])(
    "the address %j is refused",
    (url) => {
      // @ts-expect-error it is not what the type asks for
      expect(() => connect(url, { WebSocket: stage.WebSocket })).toThrow(
        expect.objectContaining({ code: "BAD_OPTION", option: "url", message: expect.stringMatching(/^url: /) }),
      );
      expect(stage.sockets).toEqual([]);
    },
  );
});
