/** The client on a session, on sockets that the test holds: the wire, what callbacks get, what waits, and addresses that are functions. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type ClientClosing, type ClientStatus, connect, SendallError } from "../../../src/client.js";
import { ClientStage, HandSocket, settle, welcomeOf } from "./stage.js";

const ADVICE = "; a server other than Sendall needs session: false";
const OFF = { resumed: false, why: "off", replayed: 0, lost: 0, uncertain: [] };
const PLAIN = { ...OFF, why: "plain" };

let stage: ClientStage;

beforeEach(() => {
  stage = new ClientStage();
});

describe("the handshake of a session", () => {
  test.each<[protocols: string | string[] | undefined, offers: string[]]>([
    [undefined, ["sendall.1"]],
    [[], ["sendall.1"]],
    ["p", ["p+sendall.1", "p"]],
    [
      ["p", "q"],
      ["p+sendall.1", "p", "q+sendall.1", "q"],
    ],
  ])("for the subprotocols %j offers %j", (protocols, offers) => {
    stage.connect(protocols === undefined ? {} : { protocols });
    expect(stage.socket.protocols).toEqual(offers);
  });

  test("is not made with session: false", () => {
    stage.connect({ session: false });
    stage.connect({ session: false, protocols: ["p", "q"] });
    expect(stage.sockets.map(({ protocols }) => protocols)).toEqual([[], ["p", "q"]]);
  });

  test.each([
    ["p", "p+sendall.1", "p"],
    [undefined, "sendall.1", ""],
    ["p", "p", "p"],
  ])("for %j selects %s, and the client's protocol is %j", (protocols, selected, own) => {
    const client = stage.connect(protocols === undefined ? {} : { protocols });
    if (selected === "p") {
      stage.socket.protocol = selected;
      stage.socket.accept();
    } else stage.socket.welcome(0, selected);
    expect([client.state, client.protocol]).toEqual(["open", own]);
    stage.socket.end(1001);
    expect(client.protocol).toBe("");
  });

  test("is over with the welcome: before it the client is connecting, and sends nothing", () => {
    const client = stage.connect();
    client.send("early");
    stage.socket.protocol = "sendall.1";
    stage.socket.accept();
    client.send("before the welcome");
    expect([client.state, client.protocol, stage.socket.sent, stage.take()]).toEqual(["connecting", "", [], []]);
    stage.socket.message(welcomeOf(0));
    expect([client.state, stage.socket.sent, stage.take()]).toEqual([
      "open",
      ["early", "before the welcome"],
      ["open"],
    ]);
  });

  test("without a welcome is given up after 10 s, and tried again", async () => {
    const client = stage.connect();
    await stage.pass(20_000);
    stage.socket.protocol = "sendall.1";
    stage.socket.accept();
    await stage.pass(9_999);
    expect(client.state).toBe("connecting");
    await stage.pass(1);
    expect([client.state, stage.take()]).toEqual([
      "waiting",
      [
        ["error", "CONNECTION_FAILED"],
        ["close", 1006, true],
      ],
    ]);
    expect(stage.sockets[0]?.closes).toHaveLength(1);
  });

  test.each<[string, unknown]>([
    ["a message", "hello"],
    ["a sign of life", "~h"],
    ["bytes", new Uint8Array([1]).buffer],
    ["a welcome that lacks a number", `~{"resumed":false,"why":"off","replayed":0,"lost":0}`],
    ["a welcome with a limit of -5 ms", `~{"resumed":false,"why":"off","replayed":0,"lost":0,"heartbeatMs":-5}`],
    ["a welcome with -1 lost messages", `~{"resumed":false,"why":"off","replayed":0,"lost":-1,"heartbeatMs":0}`],
    ["a welcome of nonsense", `~{"resumed":"no","why":"off","replayed":0,"lost":0,"heartbeatMs":0}`],
  ])("whose first frame is %s is a failure, closed with 1002 for good", async (_what, frame) => {
    const errors: string[] = [];
    const client = stage.connect({ onError: ({ message }) => errors.push(message) });
    stage.socket.protocol = "sendall.1";
    stage.socket.accept();
    stage.socket.message(frame);
    await settle();
    expect(client.state).toBe("closed");
    expect(stage.socket.closes[0]).toEqual([1002]);
    expect(errors).toEqual([`cannot connect to ws://server/: the first frame is no welcome${ADVICE}`]);
    expect(stage.take()).toEqual([["close", 1002, false]]);
    await expect(client.opened).rejects.toMatchObject({ code: "CONNECTION_FAILED" });
    stage.socket.message(welcomeOf(0));
    expect([client.state, stage.take(), stage.waits]).toEqual(["closed", [], []]);
  });
});

describe("the frames of a session", () => {
  test("text that begins with ~ has one more on the wire, both ways; other text and bytes are as they are", () => {
    const client = stage.connect();
    client.send("~waited");
    stage.socket.welcome();
    stage.take();
    for (const data of ["~x", "~~x", "~", "x~", "", new Uint8Array([0x7e, 1])]) client.send(data);
    expect(stage.socket.sent).toEqual(["~~waited", "~~x", "~~~x", "~~", "x~", "", new Uint8Array([0x7e, 1])]);
    for (const frame of ["~~x", "~~~x", "~~", "x~", "", new Uint8Array([0x7e, 1]).buffer]) stage.socket.message(frame);
    const expected = ["~x", "~~x", "~", "x~", "", new Uint8Array([0x7e, 1])];
    expect(stage.take()).toEqual(expected.map((data) => ["message", data]));
  });

  test("text that begins with ~ is as it is on a plain socket", () => {
    const client = stage.connect();
    stage.socket.accept();
    stage.take();
    client.send("~x");
    const frames = ["~h", "~~x", "~a", "~{"];
    for (const frame of frames) stage.socket.message(frame);
    expect(stage.socket.sent).toEqual(["~x"]);
    expect(stage.take()).toEqual(frames.map((frame) => ["message", frame]));
  });

  test.each(["~h", "~a0", "~a17", `~a${Number.MAX_SAFE_INTEGER}`, "~", "~x", "~z1", "~hello", "~[1]"])(
    "the control frame %s reaches no callback and is not answered",
    (frame) => {
      const client = stage.connect();
      client.channel("ann", { onMessage: () => stage.log.push("ann") });
      stage.socket.welcome();
      stage.take();
      stage.socket.message(frame);
      expect([client.state, stage.take(), stage.socket.sent]).toEqual(["open", [], ["sub,ann"]]);
    },
  );

  test.each(["~a", "~ax", "~a-1", "~a1.5", "~a01", "~a 1", "~{", `${welcomeOf(0)}`])(
    "the bad control frame %s ends the client with 1002",
    async (frame) => {
      const client = stage.connect();
      stage.socket.welcome();
      stage.take();
      stage.socket.message(frame);
      stage.socket.message("late");
      await settle();
      expect([client.state, stage.take(), stage.socket.closes[0]]).toEqual([
        "closed",
        [
          ["error", "CONNECTION_FAILED"],
          ["close", 1002, false],
        ],
        [1002],
      ]);
    },
  );

  test("a second welcome is no reason to show the token of the session", async () => {
    const client = stage.connect();
    const texts: string[] = [];
    client.on("error", ({ message }) => texts.push(message));
    stage.socket.welcome();
    stage.socket.message('~{"session":"SECRET","resumed":false}');
    await settle();
    expect(texts).toEqual([expect.stringMatching(/bad control frame ~\{…\}$/)]);
  });

  test("a page, which may not send 1002, closes without a code", async () => {
    const client = stage.connect();
    stage.socket.welcome();
    const { socket } = stage;
    const close = socket.close.bind(socket);
    const codes: unknown[] = [];
    socket.close = (code, reason) => {
      codes.push(code);
      if (code === 1002) throw new DOMException("no", "InvalidAccessError");
      close(code, reason);
    };
    socket.message("~a");
    await settle();
    expect([client.state, codes, stage.take().at(-1)]).toEqual(["closed", [1002, undefined], ["close", 1002, false]]);
  });
});

describe("the silence of a session's server", () => {
  test("ends the socket exactly after what the welcome says, and the client comes back", async () => {
    const client = stage.connect();
    stage.socket.welcome(4_000);
    stage.take();
    await stage.pass(3_000);
    stage.socket.message("~h");
    await stage.pass(3_999);
    expect([client.state, stage.take()]).toEqual(["open", []]);
    await stage.pass(1);
    await settle();
    expect([client.state, stage.take()]).toEqual([
      "waiting",
      [
        ["error", "CONNECTION_FAILED"],
        ["close", 1006, true],
      ],
    ]);
    await stage.pass(1_000);
    stage.socket.welcome(4_000);
    expect(client.state).toBe("open");
  });

  test("is asked about after a sleep of the device, and the answer keeps the connection", async () => {
    const client = stage.connect();
    stage.socket.welcome(45_000);
    await stage.sleep(3_600_000);
    expect(stage.socket.sent).toEqual(["~h"]);
    await stage.pass(4_999);
    stage.socket.message("~h");
    await stage.pass(44_999);
    expect(client.state).toBe("open");
    await stage.pass(1);
    expect(client.state).toBe("waiting");
  });

  test("is borne for ever if the welcome announces no heartbeat, and on a plain socket", async () => {
    const one = stage.connect();
    stage.socket.welcome(0);
    const other = stage.connect({ session: false });
    stage.socket.accept();
    await stage.pass(100_000_000);
    expect([one.state, other.state, stage.sockets.length]).toEqual(["open", "open", 2]);
  });
});

describe("what callbacks get", () => {
  test.each([
    ["a session", () => stage.socket.welcome(), OFF],
    ["a plain socket", () => stage.socket.accept(), PLAIN],
  ])("on %s onOpen gets how the connection began, also a channel's and a listener", async (_what, accept, opening) => {
    const seen: unknown[] = [];
    const client = stage.connect({ onOpen: (value) => seen.push(value) });
    client.channel("ann", { onOpen: (value) => seen.push(value) });
    client.on("open", (value) => seen.push(value));
    accept();
    client.channel("bob", { onOpen: (value) => seen.push(value) });
    await settle();
    expect(seen).toEqual([opening, opening, opening, opening]);
  });

  test("onClose gets what was not sent, as it was given to send, with willRetry: false alone", async () => {
    const closings: ClientClosing[] = [];
    const client = stage.connect({ reconnect: { attempts: 1 }, onClose: (closing) => closings.push(closing) });
    const bytes = new Uint8Array([1, 2]);
    client.send("~a");
    client.send(bytes);
    client.send(bytes.buffer);
    bytes[0] = 9;
    stage.socket.fail();
    await stage.pass(1_000);
    stage.socket.fail();
    expect(closings.map(({ willRetry, uncertain, unsent }) => ({ willRetry, uncertain, unsent }))).toEqual([
      { willRetry: true, uncertain: [], unsent: [] },
      {
        willRetry: false,
        uncertain: [],
        unsent: ["~a", new Uint8Array([1, 2]), new Uint8Array([1, 2]).buffer],
      },
    ]);
    expect(closings[1]?.unsent.map((data) => Object.prototype.toString.call(data))).toEqual([
      "[object String]",
      "[object Uint8Array]",
      "[object ArrayBuffer]",
    ]);
    expect(client.pending).toBe(0);
  });

  test("a channel's unsent messages are in the channel's onClose only, without the words of the wire", async () => {
    const ends: [string, readonly unknown[]][] = [];
    const client = stage.connect({ onClose: ({ unsent }) => ends.push(["client", unsent]) });
    const ann = client.channel("ann", { onClose: ({ unsent }) => ends.push(["ann", unsent]) });
    const bob = client.channel("bob", { onClose: ({ unsent }) => ends.push(["bob", unsent]) });
    ann.send("a");
    client.send("b");
    bob.send("c");
    ann.send(new Uint8Array([4]));
    expect(client.pending).toBe(4);
    bob.close();
    await settle();
    expect([client.pending, ends.splice(0)]).toEqual([3, [["bob", ["c"]]]]);
    client.close();
    await settle();
    expect([client.pending, ends]).toEqual([
      0,
      [
        ["ann", ["a", new Uint8Array([4])]],
        ["client", ["b"]],
      ],
    ]);
  });

  test("what waits while the client closes without a connection is unsent, too", async () => {
    const closings: ClientClosing[] = [];
    const client = stage.connect({ onClose: (closing) => closings.push(closing) });
    stage.socket.fail();
    client.send("x");
    client.close();
    await settle();
    expect(closings.map(({ unsent }) => unsent)).toEqual([[], ["x"]]);
  });
});

describe("what waits", () => {
  test("is unsent if onOpen closes the client", async () => {
    const closings: ClientClosing[] = [];
    const client = stage.connect({
      onOpen: () => void client.close(),
      onClose: (closing) => closings.push(closing),
    });
    client.send("a");
    client.send("b");
    stage.socket.welcome();
    await settle();
    expect([client.state, stage.socket.sent, closings.map(({ unsent }) => unsent)]).toEqual([
      "closed",
      [],
      [["a", "b"]],
    ]);
  });

  test.each(["session", "plain"])("goes out after what onOpen sends: a join is first of 200 on a %s socket", (kind) => {
    const client = stage.connect({ onOpen: () => void client.send("join") });
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
    for (const text of texts) client.send(text);
    expect(client.pending).toBe(200);
    if (kind === "session") stage.socket.welcome();
    else stage.socket.accept();
    expect(stage.socket.sent).toEqual(["join", ...texts]);
    expect(client.pending).toBe(0);
  });

  test("goes out after what a channel's onOpen and a listener of open send", () => {
    const client = stage.connect();
    for (const text of ["a", "b"]) client.send(text);
    const ann = client.channel("ann", { onOpen: () => void ann.send("join") });
    client.on("open", () => client.send("hello"));
    ann.send("c");
    stage.socket.welcome();
    expect(stage.socket.sent).toEqual(["sub,ann", "hello", "msg,ann,join", "a", "b", "msg,ann,c"]);
  });

  test("goes out before what onOpen sends later", async () => {
    const client = stage.connect({
      onOpen: async () => {
        await null;
        client.send("later");
      },
    });
    client.send("a");
    stage.socket.welcome();
    await settle();
    expect(stage.socket.sent).toEqual(["a", "later"]);
  });

  test("is bounded by offline.maxBytes, text counted in UTF-8, together with bytes and channels", () => {
    const client = stage.connect({ offline: { maxBytes: 20 } });
    const ann = client.channel("ann");
    expect(client.send("ää")).toBe(true);
    expect(client.send(new Uint8Array(6))).toBe(true);
    // With its nine bytes of the wire 10.
    expect(ann.send("12")).toBe(true);
    expect([client.send("x"), client.send(""), client.pending]).toEqual([false, true, 4]);
    stage.socket.welcome();
    expect([client.pending, client.send("x".repeat(100))]).toEqual([0, true]);
    stage.socket.end(1001);
    expect([client.send("ä".repeat(10)), client.send("x")]).toEqual([true, false]);
  });

  test("is bounded at 1 MiB by default", () => {
    const client = stage.connect();
    expect(client.send(new Uint8Array(1_048_577))).toBe(false);
    expect([client.send(new Uint8Array(1_048_575)), client.send("ä"), client.send("x")]).toEqual([true, false, true]);
  });

  test("has room again when a channel that waited has closed", () => {
    const client = stage.connect({ offline: { maxMessages: 1, maxBytes: 12 } });
    const ann = client.channel("ann");
    expect([ann.send("123"), client.send("x")]).toEqual([true, false]);
    ann.close();
    expect([client.pending, client.send("123456789012"), client.pending]).toEqual([0, true, 1]);
  });
});

describe("the status", () => {
  test("is the same object until something changes, and tells when a waiting client dials", async () => {
    const client = stage.connect({ reconnect: { jitter: 0 } });
    const seen: ClientStatus[] = [];
    client.subscribe((status) => seen.push(status));
    const first = client.status;
    expect(first).toEqual({ state: "connecting", retryAt: undefined, resumed: false });
    await stage.pass(500);
    expect(client.status).toBe(first);
    stage.socket.fail();
    const waiting = client.status;
    expect(waiting).toEqual({ state: "waiting", retryAt: 1_500, resumed: false });
    await stage.pass(999);
    expect([client.status === waiting, client.status.retryAt]).toEqual([true, 1_500]);
    await stage.pass(1);
    stage.socket.welcome();
    await settle();
    const open = client.status;
    stage.socket.message("x");
    client.send("y");
    expect([client.status === open, open]).toEqual([true, { state: "open", retryAt: undefined, resumed: false }]);
    client.close();
    await settle();
    expect(seen.map(({ state }) => state)).toEqual(["waiting", "connecting", "open", "closing", "closed"]);
    expect(seen.at(-1)).toBe(client.status);
  });

  test("is told after the callbacks of the change, once for changes in one turn", async () => {
    const client = stage.connect({ reconnect: false });
    client.subscribe(({ state }) => stage.log.push(`status ${state}`));
    stage.socket.welcome();
    stage.log.push("end of the turn");
    await settle();
    expect(stage.take()).toEqual(["open", "end of the turn", "status open"]);
    client.close();
    stage.socket.end(1000);
    await settle();
    expect(stage.take()).toEqual([["close", 1000, false], "status closed"]);
  });
});

describe("a listener", () => {
  test("of each type is called after the option's callback, in order, and no more once it is removed", () => {
    const client = stage.connect();
    const remove = [
      client.on("open", () => stage.log.push("1 open")),
      client.on("open", () => stage.log.push("2 open")),
      client.on("message", (data) => stage.log.push(`1 ${data}`)),
      client.on("error", (error) => stage.log.push(error instanceof SendallError)),
      client.on("close", ({ code, willRetry }) => stage.log.push(`1 ${code} ${willRetry}`)),
    ];
    stage.socket.welcome();
    stage.socket.message("x");
    stage.socket.fail();
    expect(stage.take()).toEqual([
      "open",
      "1 open",
      "2 open",
      ["message", "x"],
      "1 x",
      ["error", "CONNECTION_FAILED"],
      true,
      ["close", 1006, true],
      "1 1006 true",
    ]);
    for (const one of remove) one();
    for (const one of remove) one();
    client.close();
    expect(stage.take()).toEqual([]);
  });

  test("may be there twice, and each is removed by itself", () => {
    const client = stage.connect();
    const listener = vi.fn();
    const removeFirst = client.on("message", listener);
    const removeSecond = client.on("message", listener);
    stage.socket.welcome();
    stage.socket.message("both");
    removeFirst();
    removeFirst();
    stage.socket.message("one");
    removeSecond();
    stage.socket.message("none");
    expect(listener.mock.calls.map(([data]) => data)).toEqual(["both", "both", "one"]);
  });

  test("that another removes within a callback is not called any more, and one that is added then is called next time", () => {
    const client = stage.connect();
    const seen: string[] = [];
    client.on("message", (data) => {
      seen.push(`first ${data}`);
      removeSecond();
      if (data === "1") client.on("message", (later) => seen.push(`third ${later}`));
    });
    const removeSecond = client.on("message", (data) => seen.push(`second ${data}`));
    stage.socket.welcome();
    stage.socket.message("1");
    stage.socket.message("2");
    expect(seen).toEqual(["first 1", "first 2", "third 2"]);
  });

  test("that fails is told to onError, and harms no other", async () => {
    const client = stage.connect();
    const fail = (): never => {
      throw new Error("oops");
    };
    const seen: unknown[] = [];
    client.on("message", fail);
    client.on("message", async () => fail());
    client.on("message", (data) => seen.push(data));
    client.subscribe(fail);
    client.subscribe(({ state }) => seen.push(state));
    stage.socket.welcome();
    stage.socket.message("x");
    await settle();
    expect(seen).toEqual(["x", "open"]);
    expect(stage.take().filter((entry) => Array.isArray(entry) && entry[1] === "CALLBACK_FAILED")).toHaveLength(3);
  });

  test("of the type error takes the place of the console", () => {
    const spoken = vi.spyOn(console, "error").mockImplementation(() => {});
    const errors: unknown[] = [];
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      onOpen() {
        throw new Error("oops");
      },
    });
    client.on("error", (error) => errors.push(error instanceof SendallError && error.code));
    stage.socket.welcome();
    expect([errors, spoken.mock.calls]).toEqual([["CALLBACK_FAILED"], []]);
    spoken.mockRestore();
  });

  test.each<[string, unknown, unknown]>([
    ["type", "opened", () => {}],
    ["type", "toString", () => {}],
    ["type", undefined, () => {}],
    ["listener", "open", undefined],
    ["listener", "message", "x"],
  ])("of a wrong %s is refused: on(%j, %o)", (option, type, listener) => {
    const client = stage.connect();
    // @ts-expect-error it is not what the type asks for
    const refused = (): unknown => client.on(type, listener);
    expect(refused).toThrow(expect.objectContaining({ code: "BAD_OPTION", option }));
  });

  test("of the status that is no function is refused", () => {
    const client = stage.connect();
    // @ts-expect-error it is not what the type asks for
    const refused = (): unknown => client.subscribe("x");
    expect(refused).toThrow(expect.objectContaining({ code: "BAD_OPTION", option: "listener" }));
  });
});

describe("a url that is a function", () => {
  test.each<[string, (token: number) => string | URL | Promise<string | URL>]>([
    ["text", (token) => `ws://server/?token=${token}`],
    ["a URL", (token) => new URL(`ws://server/?token=${token}`)],
    ["a promise of text", async (token) => `ws://server/?token=${token}`],
    ["a promise of a URL", async (token) => new URL(`ws://server/?token=${token}`)],
  ])("is asked at each attempt, and returns %s", async (_what, make) => {
    let token = 0;
    const client = connect(() => make(++token), { WebSocket: stage.WebSocket, reconnect: { jitter: 0 } });
    await settle();
    stage.socket.fail();
    await stage.pass(1_000);
    stage.socket.welcome();
    expect(client.state).toBe("open");
    expect(stage.sockets.map(({ url }) => url)).toEqual(["ws://server/?token=1", "ws://server/?token=2"]);
  });

  test.each<[string, () => string | Promise<string>, string, string]>([
    [
      "throws",
      () => {
        throw new Error("no token");
      },
      "CALLBACK_FAILED",
      "url failed: no token",
    ],
    ["rejects", () => Promise.reject(new Error("no token")), "CALLBACK_FAILED", "url failed: no token"],
    ["returns nonsense", () => "ftp://server/", "BAD_OPTION", "url: expected a URL that begins with ws://, wss://"],
    [
      "resolves with nothing",
      async () => undefined as unknown as string,
      "BAD_OPTION",
      "url: expected a URL that begins with ws://, wss://",
    ],
  ])("that %s fails the attempt, and is asked again", async (_what, make, code, message) => {
    let asked = 0;
    const errors: unknown[] = [];
    const client = connect(() => (++asked === 1 ? make() : "ws://server/"), {
      WebSocket: stage.WebSocket,
      onError: (error) => errors.push([error instanceof SendallError && error.code, error.message]),
      onClose: ({ code, willRetry }) => errors.push([code, willRetry]),
    });
    await settle();
    await settle();
    expect([client.state, errors, stage.sockets]).toEqual([
      "waiting",
      [
        [code, expect.stringContaining(message)],
        [1006, true],
      ],
      [],
    ]);
    await stage.pass(1_000);
    stage.socket.welcome();
    expect([client.state, asked]).toEqual(["open", 2]);
  });

  test("that has not answered when the client closes makes no socket", async () => {
    let answer: (url: string) => void = () => {};
    const client = connect(
      () =>
        new Promise<string>((resolve) => {
          answer = resolve;
        }),
      { WebSocket: stage.WebSocket },
    );
    await settle();
    client.close();
    await settle();
    expect([client.state, stage.waits]).toEqual(["closed", []]);
    answer("ws://server/");
    await settle();
    expect(stage.sockets).toEqual([]);
  });

  test("that never answers fails the attempt after 30 s, and a late answer makes no socket", async () => {
    const answers: ((url: string) => void)[] = [];
    const client = connect(() => new Promise<string>((resolve) => answers.push(resolve)), {
      WebSocket: stage.WebSocket,
      reconnect: { jitter: 0 },
    });
    await stage.pass(30_000);
    expect(client.state).toBe("waiting");
    await stage.pass(1_000);
    answers[0]?.("ws://late/");
    answers[1]?.("ws://server/");
    await settle();
    expect(stage.sockets.map(({ url }) => url)).toEqual(["ws://server/"]);
  });
});

describe("the advice for servers other than Sendall", () => {
  test("is in the first CONNECTION_FAILED of a client that never was open, and in no other", async () => {
    const errors: string[] = [];
    stage.connect({ onError: ({ message }) => errors.push(message) });
    stage.socket.fail();
    await stage.pass(1_000);
    stage.socket.fail();
    expect(errors).toEqual([
      `cannot connect to ws://server/: no route${ADVICE}`,
      "cannot connect to ws://server/: no route",
    ]);
  });

  test.each([
    ["with session: false", { session: false }, false],
    ["once the client was open", {}, true],
  ])("is not given %s", async (_what, options, isOpened) => {
    const errors: string[] = [];
    stage.connect({ ...options, onError: ({ message }) => errors.push(message) });
    if (isOpened) stage.socket.welcome();
    stage.socket.fail();
    expect(errors).toEqual([
      isOpened ? "the connection to ws://server/ broke: no route" : "cannot connect to ws://server/: no route",
    ]);
  });
});

test.each<[string, () => void]>([
  ["session", () => stage.socket.welcome()],
  ["plain socket", () => stage.socket.accept()],
])("a %s that opens while its client closes opens nothing", async (_what, accept) => {
  const client = stage.connect();
  client.send("x");
  stage.socket.isMute = true;
  client.close();
  accept();
  expect([client.state, stage.socket.sent, stage.take()]).toEqual(["closing", [], []]);
  await stage.pass(5_000);
  await settle();
  expect([client.state, stage.take()]).toEqual(["closed", [["close", 1006, false]]]);
});

test("a socket of an earlier attempt is nobody's any more", async () => {
  const client = stage.connect();
  const first = stage.socket;
  await stage.pass(30_000);
  await stage.pass(1_000);
  stage.take();
  first.welcome();
  first.message("ghost");
  first.fail();
  expect([client.state, stage.take()]).toEqual(["connecting", []]);
  expect(first).toBeInstanceOf(HandSocket);
});
