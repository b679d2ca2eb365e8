/** A session that the server keeps, from the client's side: what the client offers, numbers, keeps, sends again, acknowledges and tells. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Client, ClientClosing, ClientData, ClientOpening, ConnectOptions } from "../../../src/client.js";
import { ClientStage, type KeptWelcome, settle, TOKEN } from "./stage.js";

const OTHER = "zzzzzzzzzzzzzzzzzzzzzz";

let stage: ClientStage;
let openings: ClientOpening[];
let closings: ClientClosing[];

beforeEach(() => {
  stage = new ClientStage();
  openings = [];
  closings = [];
});

/** A client that notes how its connections begin and end. */
function connect(options: ConnectOptions = {}): Client {
  return stage.connect({
    reconnect: { maxMs: 1_000, jitter: 0 },
    onOpen: (opening) => openings.push(opening),
    onClose: (closing) => closings.push(closing),
    ...options,
  });
}

/** A client in a kept session, which has sent these messages. */
function kept(texts: readonly ClientData[] = [], options: ConnectOptions = {}): Client {
  const client = connect(options);
  stage.socket.keep();
  for (const text of texts) client.send(text);
  return client;
}

/** The socket is lost, and the client dials again. */
async function redial(): Promise<void> {
  stage.socket.fail();
  await settle();
  await stage.pass(1_000);
}

/** The socket is lost, the client dials again, and the server goes on with the session. */
async function goOn(welcome: Partial<KeptWelcome> = {}): Promise<void> {
  await redial();
  stage.socket.keep({ resumed: true, why: "resumed", ...welcome });
}

const offered = (): string | undefined => stage.socket.protocols.find((name) => /^sendall\.1\./.test(name));

describe("what a client offers to go on with a session", () => {
  test("is nothing before the first welcome, and without a session that is kept", async () => {
    connect();
    expect(stage.socket.protocols).toEqual(["sendall.1"]);
    await redial();
    expect(stage.socket.protocols).toEqual(["sendall.1"]);
    stage.socket.welcome();
    await redial();
    expect(stage.socket.protocols).toEqual(["sendall.1"]);
  });

  test("has the token, the messages handed to callbacks, the lost ones and the number of the dial, and never the same name twice", async () => {
    connect({ protocols: ["p", "q"] });
    stage.socket.keep();
    for (const text of ["a", "~h", "b"]) stage.socket.message(text);
    await redial();
    expect(stage.socket.protocols).toEqual(["p+sendall.1", "p", "q+sendall.1", "q", `sendall.1.${TOKEN}.2.0.1`]);
    await redial();
    expect(offered()).toBe(`sendall.1.${TOKEN}.2.0.2`);
    stage.socket.keep({ resumed: true, why: "gap", from: 7, lost: 5 });
    stage.socket.message("c");
    await redial();
    expect(offered()).toBe(`sendall.1.${TOKEN}.8.5.3`);
    stage.socket.keep({ resumed: true, why: "gap", from: 8, lost: 1 });
    await redial();
    expect(offered()).toBe(`sendall.1.${TOKEN}.8.6.4`);
  });

  test("begins anew with a fresh session", async () => {
    connect();
    stage.socket.keep();
    stage.socket.message("a");
    await redial();
    stage.socket.keep({ session: OTHER, why: "expired" });
    stage.socket.message("b");
    stage.socket.message("c");
    await redial();
    expect(offered()).toBe(`sendall.1.${OTHER}.2.0.1`);
  });

  test.each([
    ["1005, a close frame without a code", 1005, true],
    ["1006, no close frame", 1006, true],
    ["1013", 1013, false],
    ["1001", 1001, false],
    ["4000", 4_000, false],
  ])("after %s: %o", async (_what, code, isOffered) => {
    kept();
    stage.socket.end(code);
    await stage.pass(1_000);
    expect(offered()).toBe(isOffered ? `sendall.1.${TOKEN}.0.0.1` : undefined);
  });

  test("is asked for by a client that dials an address of a function as well", async () => {
    let asked = 0;
    const client = connect();
    client.close();
    await settle();
    const { connect: make } = await import("../../../src/client.js");
    make(() => `ws://server/${++asked}`, { WebSocket: stage.WebSocket, reconnect: { maxMs: 1_000, jitter: 0 } });
    await settle();
    stage.socket.keep();
    await redial();
    expect([stage.socket.url, offered()]).toEqual(["ws://server/2", `sendall.1.${TOKEN}.0.0.1`]);
  });

  test("stands in no error, status or protocol that the program sees", async () => {
    const seen: unknown[] = [];
    const client = kept(["a"], {
      onError: (error) => seen.push(error.message, error.cause),
      onOpen: (opening) => seen.push(opening),
      onClose: (closing) => seen.push(closing),
    });
    await redial();
    stage.socket.protocol = offered() ?? "";
    stage.socket.accept();
    seen.push(client.protocol, client.status);
    stage.socket.message("hello");
    await settle();
    expect(client.state).toBe("closed");
    expect(JSON.stringify(seen)).not.toContain(TOKEN);
  });
});

describe("after the welcome of a session", () => {
  test("go out, in this order: the acknowledgement, what is sent again, what onOpen sends, what waited", async () => {
    const client = connect();
    client.on("open", () => client.send("login"));
    stage.socket.keep();
    for (const text of ["1", "2", "~3"]) client.send(text);
    expect(stage.socket.sent).toEqual(["~a0", "login", "1", "2", "~~3"]);
    await redial();
    client.send("waits");
    stage.socket.keep({ resumed: true, why: "resumed", received: 2 });
    expect(stage.socket.sent).toEqual(["~a0", "2", "~~3", "login", "waits"]);
    stage.socket.message("~a6");
    expect(client.pending).toBe(0);
  });

  test("nothing goes out before the welcome has come", async () => {
    const client = kept(["1"]);
    await redial();
    stage.socket.protocol = "sendall.1";
    stage.socket.accept();
    client.send("2");
    expect([client.state, stage.socket.sent]).toEqual(["connecting", []]);
  });

  test("the count is set to what the welcome says, and is acknowledged at once", async () => {
    connect();
    stage.socket.keep();
    for (const text of ["a", "b", "c"]) stage.socket.message(text);
    await goOn({ why: "gap", from: 10, lost: 7, replayed: 2 });
    stage.socket.message("k");
    expect(stage.socket.sent).toEqual(["~a10"]);
    expect(openings.at(-1)).toEqual({ resumed: true, why: "gap", replayed: 2, lost: 7, uncertain: [] });
    await redial();
    expect(offered()).toBe(`sendall.1.${TOKEN}.11.7.2`);
  });

  test("the status says whether the session goes on", async () => {
    const client = kept();
    expect(client.status.resumed).toBe(false);
    await goOn();
    expect(client.status).toEqual({ state: "open", retryAt: undefined, resumed: true });
    await redial();
    expect(client.status.resumed).toBe(false);
    stage.socket.keep({ session: OTHER, why: "expired" });
    expect(client.status).toEqual({ state: "open", retryAt: undefined, resumed: false });
  });

  test("bytes are sent again as they were given, also if the program has changed its own", async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    kept([bytes]);
    bytes.fill(9);
    await goOn();
    expect(stage.socket.sent).toEqual(["~a0", new Uint8Array([1, 2, 3])]);
  });

  test("a socket that fails while messages are sent again costs no message and no number", async () => {
    const client = kept(["1", "2", "3"]);
    await redial();
    const { socket } = stage;
    Object.assign(socket, {
      send(data: string) {
        if (data === "2") throw new Error("broken pipe");
        socket.sent.push(data);
      },
    });
    client.send("4");
    socket.keep({ resumed: true, why: "resumed" });
    expect(socket.sent).toEqual(["~a0", "1"]);
    await settle();
    await stage.pass(1_000);
    stage.socket.keep({ resumed: true, why: "resumed", received: 1 });
    expect(stage.socket.sent).toEqual(["~a0", "2", "3", "4"]);
  });

  test("what a socket's callback sends while messages are sent again goes behind them", async () => {
    const client = kept(["1", "2"], { onMessage: () => client.send("echo") });
    await redial();
    const { socket } = stage;
    Object.assign(socket, {
      send(data: string) {
        socket.sent.push(data);
        if (data === "1") socket.message("x");
      },
    });
    socket.keep({ resumed: true, why: "resumed" });
    expect(socket.sent).toEqual(["~a0", "1", "2", "echo"]);
    socket.message("~a2");
    expect(client.pending).toBe(1);
  });
});

describe("a welcome is a broken connection, closed with 1002 for good and told with what is uncertain, if", () => {
  test.each<[string, Partial<KeptWelcome>]>([
    ["another session goes on", { session: OTHER }],
    ["no session goes on", { session: null as unknown as string }],
    ["the server has received more than was sent", { received: 4 }],
    ["the server has received less than it acknowledged", { received: 0 }],
    ["messages follow that the client has had", { from: 1 }],
    ["messages are left out that are not called lost", { why: "gap", from: 5, lost: 2 }],
    ["a number is below zero", { received: -1 }],
    ["a number is no whole number", { from: 2.5 }],
    ["a number is missing", { from: undefined as unknown as number }],
    ["the token could not be offered", { resumed: false, session: "a,b" }],
    ["a fresh session has received something", { resumed: false, session: OTHER, received: 1 }],
    ["a fresh session begins above zero", { resumed: false, session: OTHER, from: 1 }],
  ])("%s", async (_what, welcome) => {
    const errors: string[] = [];
    const client = kept(["1", "2", "3"], { onError: ({ message }) => errors.push(message) });
    for (const frame of ["a", "b", "~a1"]) stage.socket.message(frame);
    await redial();
    errors.length = 0;
    client.send("4");
    stage.socket.keep({ resumed: true, why: "resumed", received: 2, from: 2, ...welcome });
    await settle();
    expect([client.state, stage.socket.closes[0], openings.length]).toEqual(["closed", [1002], 1]);
    expect(errors).toEqual([
      expect.stringMatching(/^cannot connect to ws:\/\/server\/: (?:the welcome contradicts|the first frame is no)/),
    ]);
    expect(closings.at(-1)).toEqual({
      code: 1002,
      reason: "",
      wasClean: false,
      willRetry: false,
      uncertain: ["2", "3"],
      unsent: ["4"],
    });
    expect([client.pending, stage.waits]).toEqual([0, []]);
  });

  test("a session goes on that the client never had", async () => {
    const client = connect();
    stage.socket.keep({ resumed: true, why: "resumed" });
    await settle();
    expect([client.state, closings.at(-1)?.code]).toEqual(["closed", 1002]);
  });
});

describe("an acknowledgement of the server", () => {
  test("makes the client forget: what is acknowledged is not sent again, and makes room", async () => {
    const client = kept(["12345", "67890"], { offline: { maxBytes: 10 } });
    expect([client.pending, client.send("x"), client.pending]).toEqual([2, false, 2]);
    stage.socket.message("~a1");
    expect([client.pending, client.send("x"), client.pending]).toEqual([1, true, 2]);
    stage.socket.message("~a1");
    await goOn({ received: 1 });
    expect(stage.socket.sent).toEqual(["~a0", "67890", "x"]);
    stage.socket.message("~a3");
    expect(client.pending).toBe(0);
  });

  test.each(["~a4", "~a0", "~a9007199254740992", "~a-1", "~a01", "~a"])(
    "of a number that cannot be, %s after 1 of 3, breaks the connection",
    async (frame) => {
      const client = kept(["1", "2", "3"]);
      stage.socket.message("~a1");
      stage.socket.message(frame);
      await settle();
      expect([client.state, stage.socket.closes[0], closings.at(-1)?.uncertain]).toEqual([
        "closed",
        [1002],
        ["2", "3"],
      ]);
    },
  );
});

describe("the client acknowledges", () => {
  const acknowledgements = (): unknown[] => stage.socket.sent.filter((frame) => /^~a/.test(String(frame)));

  test("64 messages at once, and then the next 64", () => {
    kept();
    for (let i = 0; i < 63; i++) stage.socket.message("x");
    expect(acknowledgements()).toEqual(["~a0"]);
    for (let i = 0; i < 65; i++) stage.socket.message("x");
    expect(acknowledgements()).toEqual(["~a0", "~a64", "~a128"]);
  });

  test("64 KiB at once, text counted in UTF-8, bytes as they are", () => {
    kept();
    stage.socket.message("ä".repeat(16_384));
    stage.socket.message(new ArrayBuffer(32_767));
    expect(acknowledgements()).toEqual(["~a0"]);
    stage.socket.message("x");
    expect(acknowledgements()).toEqual(["~a0", "~a3"]);
    stage.socket.message("x".repeat(65_535));
    expect(acknowledgements()).toEqual(["~a0", "~a3"]);
  });

  test("5 s after the first message that is not acknowledged", async () => {
    kept();
    stage.socket.message("x");
    await stage.pass(3_000);
    stage.socket.message("x");
    await stage.pass(1_999);
    expect(acknowledgements()).toEqual(["~a0"]);
    await stage.pass(1);
    expect(acknowledgements()).toEqual(["~a0", "~a2"]);
    await stage.pass(10_000);
    expect(acknowledgements()).toEqual(["~a0", "~a2"]);
    stage.socket.message("x");
    await stage.pass(5_000);
    expect(acknowledgements()).toEqual(["~a0", "~a2", "~a3"]);
  });

  test("what was handed to callbacks, also if they throw, and never before they were called", () => {
    const seen: unknown[] = [];
    kept([], {
      onError: () => {},
      onMessage: () => {
        seen.push(acknowledgements().at(-1));
        throw new Error("oops");
      },
    });
    for (let i = 0; i < 64; i++) stage.socket.message("x");
    expect([seen.at(-1), acknowledgements().at(-1)]).toEqual(["~a0", "~a64"]);
  });

  test("before its close frame, the message whose callback closes included", async () => {
    const client = kept([], { onMessage: (data) => data === "bye" && client.close(4_001, "done") });
    stage.socket.message("x");
    stage.socket.message("bye");
    expect([acknowledgements(), stage.socket.closes]).toEqual([["~a0", "~a2"], [[4_001, "done"]]]);
    stage.socket.message("late");
    await settle();
    expect([client.state, acknowledgements()]).toEqual(["closed", ["~a0", "~a2"]]);
  });

  test("before its close frame not again what is acknowledged", () => {
    kept().close();
    expect(stage.socket.sent).toEqual(["~a0"]);
  });

  test("a message that its class cannot give, which is told as an error", () => {
    const client = kept([], { onError: ({ code }) => stage.log.push(code) });
    stage.socket.message({ some: "blob" });
    expect([client.state, stage.take()]).toEqual(["open", ["CONNECTION_FAILED"]]);
    client.close();
    expect(acknowledgements()).toEqual(["~a0", "~a1"]);
  });

  test("nothing once its socket is lost, and nothing without a session", async () => {
    const client = kept();
    stage.socket.message("x");
    await redial();
    expect(stage.waits).toEqual([30_000]);
    stage.socket.welcome();
    for (let i = 0; i < 65; i++) stage.socket.message("x");
    expect([client.state, stage.socket.sent, stage.waits]).toEqual(["open", [], [1_000]]);
  });
});

describe("uncertain", () => {
  test("has what a socket has taken and the server has not acknowledged, oldest first, as it was given", async () => {
    const client = kept(["1", "~2", new Uint8Array([3]), new Uint8Array([4]).buffer, "5"]);
    stage.socket.message("~a1");
    await redial();
    client.send("6");
    stage.socket.keep({ session: OTHER, why: "expired" });
    expect(openings.at(-1)).toEqual({
      resumed: false,
      why: "expired",
      replayed: 0,
      lost: 0,
      uncertain: ["~2", new Uint8Array([3]), new Uint8Array([4]).buffer, "5"],
    });
    expect([stage.socket.sent, client.pending]).toEqual([["~a0", "6"], 1]);
  });

  test("is told once, and what onOpen sends again is numbered anew and sent before what waited", async () => {
    const client = kept(["1", "2"]);
    client.on("open", ({ uncertain }) => {
      for (const data of uncertain) client.send(data);
    });
    await redial();
    client.send("3");
    stage.socket.keep({ session: OTHER, why: "expired" });
    expect(stage.socket.sent).toEqual(["~a0", "1", "2", "3"]);
    stage.socket.message("~a3");
    await redial();
    stage.socket.keep({ session: TOKEN, why: "expired" });
    expect([stage.socket.sent, client.pending]).toEqual([["~a0"], 0]);
  });

  test.each<[string, () => void]>([
    ["keeps nothing", () => stage.socket.welcome()],
    ["is plain", () => stage.socket.accept()],
  ])(
    "of a kept session is told also if the next server %s; of the next connection it is empty",
    async (_what, accept) => {
      const client = kept(["1"]);
      await redial();
      accept();
      expect(openings.at(-1)?.uncertain).toEqual(["1"]);
      client.send("2");
      expect(client.pending).toBe(0);
      await redial();
      accept();
      expect(openings.at(-1)?.uncertain).toEqual([]);
    },
  );

  test("is told with the next opening after a close frame with a code: a fresh session, which is asked for once", async () => {
    const client = kept(["1"]);
    stage.socket.end(1013, "slow consumer");
    expect(closings).toEqual([
      { code: 1013, reason: "slow consumer", wasClean: true, willRetry: true, uncertain: [], unsent: [] },
    ]);
    expect(client.pending).toBe(1);
    await stage.pass(1_000);
    expect(stage.socket.protocols).toEqual(["sendall.1"]);
    stage.socket.keep({ session: OTHER });
    expect([openings.at(-1)?.why, openings.at(-1)?.uncertain, client.pending]).toEqual(["new", ["1"], 0]);
    await goOn({ session: OTHER });
    expect(openings.at(-1)).toEqual({ resumed: true, why: "resumed", replayed: 0, lost: 0, uncertain: [] });
  });

  test("comes with the final onClose, beside unsent: after 1008, after the client's close, after a close in between", async () => {
    kept(["1"]);
    stage.socket.end(1008, "session taken over");
    expect(closings.at(-1)).toMatchObject({ willRetry: false, uncertain: ["1"], unsent: [] });

    kept(["2"]).close();
    await settle();
    expect(closings.at(-1)).toMatchObject({ code: 1000, willRetry: false, uncertain: ["2"], unsent: [] });

    const third = kept(["3"]);
    stage.socket.end(1013);
    third.send("4");
    third.close();
    await settle();
    expect(closings.at(-1)).toMatchObject({ willRetry: false, uncertain: ["3"], unsent: ["4"] });
  });

  test("is empty where nobody acknowledges", async () => {
    const client = connect();
    stage.socket.welcome();
    client.send("1");
    client.close();
    await settle();
    expect(closings.at(-1)).toMatchObject({ willRetry: false, uncertain: [], unsent: [] });
  });
});

describe("the bounds of what is kept", () => {
  test("maxMessages bounds what waits for a socket, and not what is unacknowledged", async () => {
    const client = kept(["1", "2", "3"], { offline: { maxMessages: 1 } });
    expect(client.send("4")).toBe(true);
    await redial();
    expect([client.send("5"), client.send("6"), client.pending]).toEqual([true, false, 5]);
    stage.socket.keep({ resumed: true, why: "resumed" });
    expect([client.send("7"), stage.socket.sent]).toEqual([true, ["~a0", "1", "2", "3", "4", "5", "7"]]);
  });

  test("maxBytes bounds what waits and what is unacknowledged together, text in UTF-8, also while onOpen runs", async () => {
    const results: boolean[] = [];
    const client = connect({ offline: { maxBytes: 10 } });
    client.on("open", () => results.push(client.send("äää"), client.send("01234"), client.send("0123")));
    stage.socket.keep();
    expect([results, client.pending, client.send("ä")]).toEqual([[true, false, true], 2, false]);
    stage.socket.message("~a2");
    expect([client.send("ääää"), client.send("abc"), client.send("ab")]).toEqual([true, false, true]);
    stage.socket.fail();
    expect([client.send("x"), client.send("")]).toEqual([false, true]);
  });

  test("a message beyond maxBytes goes nowhere", () => {
    const client = kept([], { offline: { maxBytes: 3 } });
    expect([client.send("four"), client.pending, stage.socket.sent]).toEqual([false, 0, ["~a0"]]);
  });

  test("without a session that is kept an open socket takes messages beyond maxBytes", () => {
    const client = connect({ offline: { maxBytes: 3, maxMessages: 0 } });
    stage.socket.welcome();
    expect([client.send("four"), client.pending, stage.socket.sent]).toEqual([true, 0, ["four"]]);
  });

  test("a socket that takes nothing any more leaves messages waiting, within the bound", async () => {
    const client = kept(["1"], { offline: { maxMessages: 1 } });
    stage.socket.readyState = 2;
    expect([client.send("2"), client.send("3"), stage.socket.sent]).toEqual([true, false, ["~a0", "1"]]);
    await goOn();
    expect(stage.socket.sent).toEqual(["~a0", "1", "2"]);
  });
});
