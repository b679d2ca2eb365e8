/** Calls of a typed client on sockets and a clock that the test holds: each settles exactly once, in time, and leaves nothing behind. */
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ConnectOptions, connect, type TypedClient } from "../../../src/client.js";
import { protocol, type Schema } from "../../../src/protocol.js";
import { ClientStage, settle, welcomeOf } from "./stage.js";
import { chat, digits, nothing, outcome, schema, text, who } from "./typed-stage.js";

/** After how long the client dials again, and counts a connection as good. */
const BACKOFF_MS = 7;

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

function dial(options: Omit<ConnectOptions, "onMessage"> & { calls?: { maxPending: number } } = {}) {
  return connect("ws://server/", {
    WebSocket: stage.WebSocket,
    protocol: chat,
    reconnect: { minMs: BACKOFF_MS, factor: 1 },
    onError: (error) => stage.log.push(error),
    ...options,
  });
}

function open(options: Parameters<typeof dial>[0] = {}): TypedClient<typeof chat> {
  const client = dial(options);
  stage.socket.accept();
  return client;
}

/** In how many milliseconds alarms ring, apart from that of the client itself. */
function waits(): number[] {
  return stage.waits.filter((ms) => ms !== BACKOFF_MS);
}

/** What the client has sent that is no control frame. */
function sent(): unknown[] {
  return stage.socket.sent.filter((frame) => !/^~/.test(String(frame)));
}

const isError = (code: string, details: object = {}): unknown => expect.objectContaining({ code, ...details });

describe("an answer", () => {
  test("settles the call with its id, whatever the order of answers", async () => {
    const client = open();
    const answers = [client.call("join", "a"), client.call("join", "b"), who(client)];
    expect(sent()).toEqual(['["join","a",1]', '["join","b",2]', '["who",3]']);
    stage.socket.message('[2,"20"]');
    stage.socket.message("[3]");
    stage.socket.message('[1,"10"]');
    expect(await Promise.all(answers)).toEqual([10, 20, { value: undefined }]);
    expect(waits()).toEqual([]);
  });

  test("may be null, and further answers are ignored", async () => {
    const client = open();
    const answer = who(client);
    for (const frame of ["[1,null]", '[1,["ann"]]', "[2]", "[0]", "[9007199254740991,5]"]) stage.socket.message(frame);
    expect(await answer).toEqual({ value: null });
    expect(stage.take()).toEqual([]);
  });

  test.each([
    [
      { reason: "FULL", message: "the room is full", data: [1] },
      "CALL_REFUSED",
      "who: the room is full",
      { data: [1] },
    ],
    [{ reason: "FULL" }, "CALL_REFUSED", "who: FULL", { reason: "FULL" }],
    [{ reason: "CALL_FAILED" }, "CALL_FAILED", "who: the handler failed", {}],
    [
      { reason: "INVALID_MESSAGE", issues: [{ path: "a.b", message: "no" }] },
      "INVALID_MESSAGE",
      "who: a.b: no",
      { issues: [{ path: "a.b", message: "no" }] },
    ],
    [{}, "INVALID_MESSAGE", "who: a refusal without reason", {}],
    [null, "INVALID_MESSAGE", "who: a refusal without reason", {}],
  ])("that refuses rejects: %j", async (refusal, code, message, details) => {
    const answer = who(open());
    stage.socket.message(JSON.stringify([1, null, refusal]));
    expect(await answer).toEqual(isError(code, { message, ...details }));
  });

  test("that does not fit the schema rejects: the server may have another version of the protocol", async () => {
    const answer = outcome(open().call("join", "a"));
    stage.socket.message('[1,"x"]');
    const issues = [{ path: "deep.0", message: "no digits" }];
    expect(await answer).toEqual(isError("CALL_FAILED", { issues, message: "join: deep.0: no digits" }));
  });

  test("may come before the socket has returned", async () => {
    const client = open();
    stage.socket.send = () => stage.socket.message("[1]");
    expect(await who(client)).toEqual({ value: undefined });
    expect([client.pending, waits()]).toEqual([0, []]);
  });
});

describe("an asynchronous schema of answers", () => {
  let resolve: (result: { value: string }) => void;
  const slow: Schema<string> = schema<string>(
    () =>
      new Promise((fulfil) => {
        resolve = fulfil;
      }),
  );
  const call = (): Promise<unknown> => {
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromClient: { ask: { input: nothing, output: slow } } }),
      reconnect: false,
    });
    stage.socket.accept();
    const answer = outcome(client.call("ask"));
    stage.socket.message('[1,"a"]');
    return answer;
  };

  test("is awaited, also when the line is lost meanwhile", async () => {
    const answer = call();
    stage.socket.message('[1,"b"]');
    stage.socket.fail();
    resolve({ value: "a" });
    expect(await answer).toEqual({ value: "a" });
    expect(waits()).toEqual([]);
  });

  test("has the time of the call", async () => {
    const answer = call();
    await stage.pass(5_000);
    resolve({ value: "a" });
    expect(await answer).toEqual(isError("CALL_TIMEOUT"));
  });
});

describe("a call that cannot be made rejects, and throws nothing", () => {
  test.each<[name: string, payload: unknown, options: unknown, code: string, message: string]>([
    ["jion", "a", undefined, "BAD_DATA", "jion: unknown; expected join, who"],
    ["say", "a", undefined, "BAD_DATA", "say: goes with send; expected join, who"],
    ["__proto__", "a", undefined, "BAD_DATA", "__proto__: unknown; expected join, who"],
    [5 as never, "a", undefined, "BAD_DATA", "5: unknown; expected join, who"],
    ["join", 5, undefined, "INVALID_MESSAGE", "join: no text"],
    ["join", "a", { timeout: 5 }, "BAD_OPTION", "timeout: unknown; expected timeoutMs, signal"],
    ["join", "a", 5, "BAD_OPTION", "options: expected { timeoutMs, signal }"],
    ["join", "a", null, "BAD_OPTION", "options: expected { timeoutMs, signal }"],
    ...[-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, "5", null].map(
      (timeoutMs): [string, string, object, string, string] => [
        "join",
        "a",
        { timeoutMs },
        "BAD_OPTION",
        "timeoutMs: expected a whole number of milliseconds from 0 to 2147483647",
      ],
    ),
    ["join", "a", { signal: {} }, "BAD_OPTION", "signal: expected an AbortSignal"],
  ])("%s %j %j", async (name, payload, options, code, message) => {
    const client = open();
    const call = client.call as (...given: unknown[]) => Promise<unknown>;
    expect(await outcome(call(name, payload, options))).toEqual(isError(code, { message }));
    expect([sent(), client.pending, waits()]).toEqual([[], 0, []]);
    // Nothing is left behind.
    const next = who(client);
    expect(sent()).toHaveLength(1);
    client.close();
    expect(await next).toEqual(isError("CLOSED"));
  });

  test("if the schema answers with a promise, nothing is checked", async () => {
    const slow = schema<string>(async () => ({ issues: [] }));
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromClient: { ask: { input: slow, output: digits } } }),
    });
    stage.socket.accept();
    const answer = client.call("ask", "a");
    stage.socket.message('[1,"5"]');
    expect(await answer).toBe(5);
  });
});

test("a schema that calls, too, gets an answer of its own", async () => {
  const inner: Promise<unknown>[] = [];
  const calling = schema<string>((value) => {
    if (value === "outer") inner.push(client.call("ask", "inner"));
    return { value };
  });
  const asking = protocol({ fromClient: { ask: { input: calling, output: text } } });
  const client: TypedClient<typeof asking> = connect("ws://server/", { WebSocket: stage.WebSocket, protocol: asking });
  stage.socket.accept();
  const outer = client.call("ask", "outer");
  for (const frame of sent()) {
    const [, payload, id] = JSON.parse(String(frame));
    stage.socket.message(JSON.stringify([id, `${payload}'s`]));
  }
  expect([await outer, await inner[0]]).toEqual(["outer's", "inner's"]);
});

describe("time", () => {
  test("is 5 s from the call on, and a late answer is ignored", async () => {
    const client = open();
    const answer = who(client);
    expect(waits()).toEqual([5_000]);
    await stage.pass(5_000);
    const message = "who: no answer in time; the call may have happened";
    expect(await answer).toEqual(isError("CALL_TIMEOUT", { message }));
    stage.socket.message("[1]");
    expect(stage.take()).toEqual([]);
  });

  test.each([0, 1, 2_147_483_647])("may be %i ms", async (timeoutMs) => {
    const client = open();
    const answer = who(client, { timeoutMs });
    expect(waits()).toEqual([timeoutMs]);
    await stage.pass(timeoutMs);
    expect(await answer).toEqual(isError("CALL_TIMEOUT"));
  });

  test("runs while a call waits for a connection, and the call is taken out", async () => {
    const client = dial();
    const early = who(client, { timeoutMs: 10 });
    client.send("say", "hi");
    await stage.pass(10);
    const message = "who: no answer in time; the call was not sent";
    expect(await early).toEqual(isError("CALL_TIMEOUT", { message }));
    expect(client.pending).toBe(1);
    stage.socket.accept();
    expect(sent()).toEqual(['["say","hi"]']);
  });
});

describe("an abort", () => {
  test("rejects with the signal's reason at once, and nothing is sent", async () => {
    const client = open();
    const reason = new Error("enough");
    expect(await who(client, { signal: AbortSignal.abort(reason) })).toBe(reason);
    expect(sent()).toEqual([]);
  });

  test("rejects a call under way, takes a call that waits out, and leaves no listener", async () => {
    const client = dial();
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, "removeEventListener");
    const answer = who(client, { signal: controller.signal });
    controller.abort("enough");
    expect(await answer).toBe("enough");
    expect([client.pending, remove.mock.calls.length]).toEqual([0, 1]);
    stage.socket.accept();
    expect(sent()).toEqual([]);
    const next = new AbortController();
    const under = who(client, { signal: next.signal });
    next.abort("later");
    expect(await under).toBe("later");
    stage.socket.message("[2]");
    expect(stage.take()).toEqual([]);
  });

  test("of the signal of many calls rejects each of them, and the signal has one listener until the last is settled", async () => {
    const client = open();
    const controller = new AbortController();
    const listeners = (): number => getEventListeners(controller.signal, "abort").length;
    const answers = Array.from({ length: 20 }, () => who(client, { signal: controller.signal }));
    const other = who(client);
    expect(listeners()).toBe(1);
    for (let id = 1; id < 20; id++) stage.socket.message(`[${id}]`);
    expect(listeners()).toBe(1);
    answers.push(who(client, { signal: controller.signal }));
    controller.abort("enough");
    expect(await Promise.all(answers)).toEqual([...Array(19).fill({ value: undefined }), "enough", "enough"]);
    stage.socket.message("[21]");
    expect(await other).toEqual({ value: undefined });
    expect([listeners(), waits()]).toEqual([0, []]);
  });

  test("by the schema of the call rejects, and nothing is sent", async () => {
    const controller = new AbortController();
    const aborting = schema<string>((value) => {
      controller.abort("enough");
      return { value };
    });
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromClient: { ask: { input: aborting, output: digits } } }),
      reconnect: false,
    });
    stage.socket.accept();
    const { signal } = controller;
    expect(await outcome(client.call("ask", "a", { signal }))).toBe("enough");
    expect([sent(), waits(), getEventListeners(signal, "abort")]).toEqual([[], [], []]);
  });

  test("after the answer changes nothing", async () => {
    const client = open();
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, "removeEventListener");
    const answer = who(client, { signal: controller.signal });
    stage.socket.message("[1]");
    expect(await answer).toEqual({ value: undefined });
    expect(remove).toHaveBeenCalledTimes(1);
    controller.abort();
  });
});

describe("too many calls", () => {
  test("are those beyond maxPending", async () => {
    const client = open({ calls: { maxPending: 2 } });
    const answers = [who(client), who(client)];
    const message = "who: too many calls or messages wait; the call was not sent";
    expect(await who(client)).toEqual(isError("TOO_MANY_CALLS", { message }));
    stage.socket.message("[1]");
    expect(await answers[0]).toEqual({ value: undefined });
    void who(client);
    expect(sent()).toEqual(['["who",1]', '["who",2]', '["who",4]']);
    client.close();
  });

  test("are those beyond 256, by default", async () => {
    const client = open();
    const answers = Array.from({ length: 257 }, () => who(client));
    expect(await answers[256]).toEqual(isError("TOO_MANY_CALLS"));
    expect(sent()).toHaveLength(256);
    client.close();
  });

  test("are those which the queue does not take", async () => {
    const client = dial({ offline: { maxMessages: 1 } });
    const answer = who(client);
    expect(await who(client)).toEqual(isError("TOO_MANY_CALLS"));
    stage.socket.accept();
    stage.socket.message("[1]");
    expect(await answer).toEqual({ value: undefined });
    expect(sent()).toEqual(['["who",1]']);
  });
});

describe("a lost connection", () => {
  const lost = isError("CONNECTION_LOST", {
    message: "who: the connection was lost before the answer; the call may have happened",
  });

  test("without a session rejects what was sent, and what waits goes out over the next", async () => {
    const client = open();
    const under = who(client);
    stage.socket.end(1006);
    const waiting = who(client);
    expect(await under).toEqual(lost);
    await stage.pass(BACKOFF_MS);
    stage.socket.fail();
    await stage.pass(BACKOFF_MS);
    stage.socket.accept();
    expect(sent()).toEqual(['["who",2]']);
    stage.socket.message('[2,["ann"]]');
    expect(await waiting).toEqual({ value: ["ann"] });
  });

  test("of a session that the server does not keep rejects at once", async () => {
    const client = dial();
    stage.socket.protocol = "sendall.1";
    stage.socket.accept();
    stage.socket.message(welcomeOf(0));
    const under = who(client);
    stage.socket.end(1006);
    expect(await under).toEqual(lost);
  });

  test("of a session changes nothing if the session goes on", async () => {
    const client = dial();
    stage.socket.keep();
    const [acknowledged, written] = [who(client), who(client)];
    stage.socket.message("~a1");
    stage.socket.end(1006);
    const waiting = who(client);
    await stage.pass(BACKOFF_MS);
    stage.socket.keep({ resumed: true, why: "resumed", received: 1 });
    expect(sent()).toEqual(['["who",2]', '["who",3]']);
    for (const id of [1, 2, 3]) stage.socket.message(`[${id},["${id}"]]`);
    expect(await Promise.all([acknowledged, written, waiting])).toEqual([1, 2, 3].map((id) => ({ value: [`${id}`] })));
    expect(client.pending).toBe(2);
    stage.socket.message("~a3");
    expect(client.pending).toBe(0);
  });

  test("of a session that goes on with a gap rejects what was sent", async () => {
    const client = dial();
    stage.socket.keep();
    const under = who(client);
    stage.socket.end(1006);
    const waiting = who(client);
    await stage.pass(BACKOFF_MS);
    stage.socket.keep({ resumed: true, why: "gap", received: 1, from: 5, lost: 5 });
    expect(await under).toEqual(lost);
    expect(sent()).toEqual(['["who",2]']);
    stage.socket.message("[2]");
    expect(await waiting).toEqual({ value: undefined });
  });

  test("of a session that does not go on rejects what was sent, which is not told as uncertain", async () => {
    const uncertain: unknown[] = [];
    const client = dial({ onOpen: (opening) => uncertain.push(opening.uncertain) });
    stage.socket.keep();
    const under = who(client);
    client.send("say", "hi");
    stage.socket.end(1006);
    const waiting = who(client);
    await stage.pass(BACKOFF_MS);
    stage.socket.keep({ session: "x".repeat(22), why: "expired" });
    expect(await under).toEqual(lost);
    expect(uncertain).toEqual([[], ['["say","hi"]']]);
    expect(sent()).toEqual(['["who",2]']);
    stage.socket.message("[2]");
    expect(await waiting).toEqual({ value: undefined });
    stage.socket.message("~a1");
    expect(client.pending).toBe(0);
  });

  test("by a close frame with a code ends the session, and rejects at once", async () => {
    const client = dial();
    stage.socket.keep();
    const under = who(client);
    stage.socket.end(4000);
    expect(await under).toEqual(lost);
  });

  test("does not reject what onOpen of the next connection calls", async () => {
    const answers: Promise<unknown>[] = [];
    const client = dial({ onOpen: () => answers.push(who(client)) });
    stage.socket.keep();
    stage.socket.message("[1]");
    stage.socket.end(1006);
    await stage.pass(BACKOFF_MS);
    stage.socket.keep({ session: "x".repeat(22), why: "expired" });
    stage.socket.message("[2]");
    expect(await Promise.all(answers)).toEqual([{ value: undefined }, { value: undefined }]);
  });

  test("without another attempt rejects what was sent as lost, and what waits as closed", async () => {
    const client = dial({ reconnect: false });
    const waiting = who(client);
    stage.socket.fail();
    expect(await waiting).toEqual(isError("CLOSED", { message: "who: closed; the call was not sent" }));
    const next = open({ reconnect: false });
    const under = who(next);
    stage.socket.end(1006);
    expect(await under).toEqual(lost);
    expect(waits()).toEqual([]);
  });
});

describe("the end of a client", () => {
  test.each([
    ["a call under way", open, "who: closed; the call may have happened"],
    ["a call that waits", dial, "who: closed; the call was not sent"],
  ])("rejects %s at once", async (_what, make, message) => {
    const closings: unknown[] = [];
    const client = make({ onClose: ({ unsent, uncertain }) => closings.push(unsent, uncertain) });
    const answer = who(client);
    expect(client.close()).toBe(true);
    expect(await answer).toEqual(isError("CLOSED", { message }));
    await settle();
    expect([client.state, closings, client.pending]).toEqual(["closed", [[], []], 0]);
    expect(await who(client)).toEqual(isError("CLOSED", { message: "who: closed; the call was not sent" }));
    expect(client.close()).toBe(false);
    expect(waits()).toEqual([]);
  });

  test("by the server rejects what is under way", async () => {
    const client = open();
    const answer = who(client);
    stage.socket.end(1000);
    expect(client.state).toBe("closed");
    expect(await answer).toEqual(isError("CLOSED"));
  });

  test("with a wrong code throws, and ends no call", async () => {
    const client = open();
    const answer = who(client);
    expect(() => client.close(5)).toThrow(expect.objectContaining({ code: "BAD_CLOSE_CODE" }));
    stage.socket.message("[1]");
    expect(await answer).toEqual({ value: undefined });
  });
});

describe("a typed channel", () => {
  const subscribe = (options: object = {}) => {
    const client = connect("ws://server/", { WebSocket: stage.WebSocket, reconnect: { minMs: BACKOFF_MS, factor: 1 } });
    const channel = client.channel("a", {
      protocol: chat,
      on: { said: (said) => stage.log.push(said) },
      onMessage: (data) => stage.log.push(data),
      onError: (error) => stage.log.push(error),
      onClose: ({ willRetry }) => stage.log.push(willRetry),
      ...options,
    });
    return { client, channel };
  };

  test("sends, hears and calls in its channel, with ids of its own", async () => {
    const { client, channel } = subscribe();
    const other = client.channel("b", { protocol: chat });
    stage.socket.accept();
    channel.send("say", "hi");
    channel.send(new Uint8Array([1]));
    const [answer, second] = [who(channel), who(other)];
    channel.on("said", (said) => stage.log.push(`listener ${said}`));
    expect(sent().slice(2)).toEqual([
      'msg,a,["say","hi"]',
      new TextEncoder().encode("msg,a,\u0001"),
      'msg,a,["who",1]',
      'msg,b,["who",1]',
    ]);
    stage.socket.message('msg,a,["said","hello"]');
    stage.socket.message(new TextEncoder().encode("msg,a,\u0002").buffer);
    stage.socket.message("msg,b,[1]");
    stage.socket.message('msg,a,[1,["ann"]]');
    expect(await Promise.all([answer, second])).toEqual([{ value: ["ann"] }, { value: undefined }]);
    expect(stage.take()).toEqual(["hello", "listener hello", new Uint8Array([2])]);
    expect([channel.name, channel.state]).toEqual(["a", "open"]);
    await channel.opened;
  });

  test.each([
    ["close", (channel: { close(): boolean }) => channel.close()],
    ["an end by the server", () => stage.socket.message("uns,a")],
    ["a refusal", () => stage.socket.message("err,a,no")],
  ])("rejects its calls at %s, and those of others go on", async (_how, end) => {
    const { client, channel } = subscribe();
    const other = client.channel("b", { protocol: chat });
    stage.socket.accept();
    const [answer, second] = [who(channel), who(other)];
    end(channel);
    expect(await answer).toEqual(isError("CLOSED"));
    expect(await who(channel)).toEqual(isError("CLOSED"));
    expect(channel.state).toBe("closed");
    stage.socket.message("msg,b,[1]");
    expect(await second).toEqual({ value: undefined });
  });

  test("rejects its calls as soon as the client is closed, while the server still works on a call", async () => {
    const { client, channel } = subscribe();
    stage.socket.accept();
    stage.socket.close = () => {};
    const answer = who(channel);
    client.close();
    await settle();
    expect([client.state, channel.state, sent()]).toEqual(["closing", "closing", ["sub,a", 'msg,a,["who",1]']]);
    const outcomes = [await Promise.race([answer, "none"]), await who(channel)];
    const told = ["the call may have happened", "the call was not sent"];
    expect(outcomes).toEqual(told.map((text) => isError("CLOSED", { message: `who: closed; ${text}` })));
  });

  test("that is closed without a connection sends none of its calls", async () => {
    const { client, channel } = subscribe();
    const answer = who(channel);
    channel.close();
    stage.socket.accept();
    expect(await answer).toEqual(isError("CLOSED"));
    expect([sent(), client.pending]).toEqual([[], 0]);
  });

  test("rejects what was sent when its connection is lost, and calls again over the next", async () => {
    const { channel } = subscribe();
    stage.socket.accept();
    const under = who(channel);
    stage.socket.end(1006);
    const waiting = who(channel);
    expect(await under).toEqual(isError("CONNECTION_LOST"));
    await stage.pass(BACKOFF_MS);
    stage.socket.accept();
    expect(sent()).toEqual(["sub,a", 'msg,a,["who",2]']);
    stage.socket.message("msg,a,[2]");
    expect(await waiting).toEqual({ value: undefined });
  });

  test.each([
    ["goes on", { resumed: true, why: "resumed", received: 2 }, { value: undefined }],
    ["goes on with a gap", { resumed: true, why: "gap", received: 2, from: 1, lost: 1 }, isError("CONNECTION_LOST")],
    ["does not go on", { session: "x".repeat(22), why: "expired" }, isError("CONNECTION_LOST")],
  ])("on a session that %s", async (_how, welcome, result) => {
    const { channel } = subscribe();
    stage.socket.keep();
    const answer = who(channel);
    stage.socket.end(1006);
    await stage.pass(BACKOFF_MS);
    stage.socket.keep(welcome);
    stage.socket.message("msg,a,[1]");
    expect(await answer).toEqual(result);
  });

  test("rejects its calls when the client ends", async () => {
    const { client, channel } = subscribe();
    const waiting = who(channel);
    client.close();
    await settle();
    expect(await waiting).toEqual(isError("CLOSED"));
    expect(waits()).toEqual([]);
  });

  test("tells of what is refused, or is no message, through the client if the channel has no onError", () => {
    const errors: unknown[] = [];
    const client = connect("ws://server/", { WebSocket: stage.WebSocket, onError: (error) => errors.push(error) });
    client.channel("a", { protocol: chat });
    stage.socket.accept();
    stage.socket.message('msg,a,["!",{"reason":"FULL"}]');
    stage.socket.message("msg,a,hello");
    expect(errors).toEqual([isError("MESSAGE_REFUSED"), isError("INVALID_MESSAGE")]);
  });
});
