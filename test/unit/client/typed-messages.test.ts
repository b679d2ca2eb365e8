/** Messages of a typed client on sockets that the test holds: what is checked, what is sent, what is heard, and what is refused. */
import { beforeEach, describe, expect, test } from "vitest";
import { connect, type TypedClient } from "../../../src/client.js";
import { protocol, type Schema } from "../../../src/protocol.js";
import { ClientStage, settle } from "./stage.js";
import { chat, schema, text } from "./typed-stage.js";

let stage: ClientStage;
const errors: unknown[] = [];

beforeEach(() => {
  stage = new ClientStage();
  errors.length = 0;
});

/** A client that is open. Errors are noted, messages too. */
function open(options: object = {}): TypedClient<typeof chat> {
  const client = connect("ws://server/", {
    WebSocket: stage.WebSocket,
    protocol: chat,
    on: {
      said: (said) => stage.log.push(["said", said]),
      counted: (count) => stage.log.push(["counted", count]),
      left: (nothing) => stage.log.push(["left", nothing]),
    },
    onMessage: (data) => stage.log.push(["bytes", data]),
    onError: (error) => errors.push(error),
    ...options,
  });
  stage.socket.accept();
  return client;
}

describe("send", () => {
  test("writes a name and the payload as given, or the name alone", () => {
    const client = open();
    expect(client.send("say", "hi")).toBe(true);
    // The schema makes a number of the digits, and the server will do so again.
    client.send("count", "12");
    client.send("typing");
    client.send(new Uint8Array([1]));
    expect(stage.socket.sent).toEqual(['["say","hi"]', '["count","12"]', '["typing"]', new Uint8Array([1])]);
    client.close();
    expect(client.send("say", "hi")).toBe(false);
  });

  test("throws for a payload that the schema refuses, and sends nothing", () => {
    const client = open();
    const issues = [{ path: "deep.0", message: "no digits" }];
    const refused = expect(() => client.send("count", "x"));
    refused.toThrow(expect.objectContaining({ code: "INVALID_MESSAGE", issues, message: "count: deep.0: no digits" }));
    expect(stage.socket.sent).toEqual([]);
  });

  test("throws for a payload that JSON refuses, and for a schema that throws", () => {
    const anything = schema<unknown>((value) => ({ value }));
    const broken = schema<unknown>(() => {
      throw new Error("oops");
    });
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromClient: { anything, broken } }),
    });
    const circle: unknown[] = [];
    circle.push(circle);
    for (const payload of [1n, circle])
      expect(() => client.send("anything", payload)).toThrow(
        expect.objectContaining({ code: "INVALID_MESSAGE", message: "anything: cannot be turned into JSON" }),
      );
    const thrown = { code: "INVALID_MESSAGE", message: "broken: the schema failed", cause: new Error("oops") };
    expect(() => client.send("broken")).toThrow(expect.objectContaining(thrown));
  });

  test.each([
    ["sya", "sya: unknown; expected say, typing, count"],
    ["join", "join: goes with call; expected say, typing, count"],
    ["toString", "toString: unknown; expected say, typing, count"],
    ["__proto__", "__proto__: unknown; expected say, typing, count"],
  ])("throws for the name %s, and names the messages", (name, message) => {
    const client = open();
    expect(() => client.send(name as "say", "")).toThrow(expect.objectContaining({ code: "BAD_DATA", message }));
  });

  test("throws for something that is neither a name nor bytes", () => {
    const client = open();
    const bad = { code: "BAD_DATA", message: "message: expected a string, a Uint8Array or an ArrayBuffer, got 5" };
    expect(() => (client.send as (name: unknown) => boolean)(5)).toThrow(expect.objectContaining(bad));
  });

  test("asks a schema no more that has once answered with a promise", async () => {
    let asked = 0;
    const slow: Schema<string> = schema(async () => {
      asked++;
      throw new Error("nobody hears");
    });
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromClient: { slow } }),
    });
    stage.socket.accept();
    client.send("slow", "a");
    client.send("slow", "b");
    await settle();
    expect([asked, stage.socket.sent]).toEqual([1, ['["slow","a"]', '["slow","b"]']]);
  });

  test('checks nothing with check: "receive"', () => {
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromClient: { say: text } }, { check: "receive" }),
    });
    stage.socket.accept();
    client.send("say", 5 as never);
    expect(stage.socket.sent).toEqual(['["say",5]']);
  });

  test("keeps messages while there is no connection, and tells of them in the form that send takes", async () => {
    const { promise, resolve } = stageClosing();
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: chat,
      reconnect: false,
      onClose: ({ unsent }) => resolve(unsent),
    });
    client.send("say", "hi");
    stage.socket.fail();
    expect(await promise).toEqual(['["say","hi"]']);
    expect(client.send(...(JSON.parse('["say","hi"]') as ["say", string]))).toBe(false);
  });
});

function stageClosing() {
  let resolve: (value: unknown) => void = () => {};
  const promise = new Promise((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

describe("what comes from the server", () => {
  test("reaches the listeners of its name, those of the options first, as the schema hands the payload out", () => {
    const client = open();
    const unsubscribe = client.on("counted", (count) => stage.log.push(["listener", count]));
    stage.socket.message('["counted","12"]');
    unsubscribe();
    stage.socket.message('["counted","13"]');
    stage.socket.message('["left"]');
    expect(stage.take()).toEqual([
      ["counted", 12],
      ["listener", 12],
      ["counted", 13],
      ["left", undefined],
    ]);
  });

  test("reaches onMessage and listeners of messages as bytes alone", () => {
    const client = open();
    client.on("message", (data) => stage.log.push(["listener", data]));
    stage.socket.message('["said","hi"]');
    stage.socket.message(new Uint8Array([1]).buffer);
    expect(stage.take()).toEqual([
      ["said", "hi"],
      ["bytes", new Uint8Array([1])],
      ["listener", new Uint8Array([1])],
    ]);
  });

  test.each([
    ['["counted","x"]', { message: "counted: deep.0: no digits", issues: [{ path: "deep.0", message: "no digits" }] }],
    ['["sayd","x"]', { message: "sayd: unknown; expected said, counted, left" }],
    ['["constructor"]', { message: "constructor: unknown; expected said, counted, left" }],
    ['["said","x",7]', { message: "said: unknown; expected said, counted, left" }],
    ["said", { message: "said: unknown; expected said, counted, left" }],
    ["!", { message: "the server has refused a message: a refusal without reason" }],
    ["", { message: ": unknown; expected said, counted, left" }],
    ['{"said":"x"}', { message: '{"said":"x"}: unknown; expected said, counted, left' }],
    ["[]", { message: "[]: unknown; expected said, counted, left" }],
    ["[-1]", { message: "[-1]: unknown; expected said, counted, left" }],
    ['["!"]', { message: "the server has refused a message: a refusal without reason" }],
    ['["!",{"reason":5}]', { message: "the server has refused a message: a refusal without reason" }],
  ])("is an error and no message: %s", (frame, error) => {
    open();
    stage.socket.message(frame);
    expect(errors).toEqual([expect.objectContaining({ code: "INVALID_MESSAGE", ...error })]);
    expect(stage.take()).toEqual([]);
  });

  test("is an error of the program if the schema answers with a promise", () => {
    connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromServer: { slow: schema(async () => ({ value: 1 })) } }),
      onError: (error) => errors.push(error),
    });
    stage.socket.accept();
    stage.socket.message('["slow"]');
    expect(errors).toEqual([expect.objectContaining({ code: "BAD_DATA", message: expect.stringMatching(/^slow: /) })]);
  });

  test.each([
    [
      { reason: "FULL", message: "the room is full", data: { room: "a" } },
      { message: "the server has refused a message: the room is full", reason: "FULL", data: { room: "a" } },
    ],
    [{ reason: "FULL" }, { message: "the server has refused a message: FULL", reason: "FULL" }],
    [
      { reason: "INVALID_MESSAGE", issues: [{ path: "text", message: "too long" }] },
      {
        message: "the server has refused a message: text: too long",
        reason: "INVALID_MESSAGE",
        issues: [{ path: "text", message: "too long" }],
      },
    ],
    [
      { reason: "INVALID_MESSAGE", issues: 5 },
      { reason: "INVALID_MESSAGE", issues: [{ path: "", message: "the schema failed" }] },
    ],
    [{ reason: "FULL", issues: [null], message: 5 }, { reason: "FULL" }],
  ])("tells that a message is refused: %j", (refusal, error) => {
    open();
    stage.socket.message(JSON.stringify(["!", refusal]));
    expect(errors).toEqual([expect.objectContaining({ code: "MESSAGE_REFUSED", ...error })]);
  });

  test("does not end the client if a listener throws", () => {
    const client = open({
      on: {
        said() {
          throw new Error("oops");
        },
      },
    });
    client.on("said", (said) => stage.log.push(said));
    stage.socket.message('["said","hi"]');
    expect(errors).toEqual([
      expect.objectContaining({ code: "CALLBACK_FAILED", message: 'the callback for "said" failed: oops' }),
    ]);
    expect(stage.take()).toEqual(["hi"]);
  });

  test.each(["__proto__", "constructor", "toString", "status", "then", "retryAt"])("may have the name %s", (name) => {
    const fromServer = Object.fromEntries([[name, text]]);
    const client = connect("ws://server/", {
      WebSocket: stage.WebSocket,
      protocol: protocol({ fromServer, fromClient: fromServer }),
      on: Object.fromEntries([[name, (payload: string) => stage.log.push(payload)]]),
    });
    client.on(name, (payload) => stage.log.push(`listener ${payload}`));
    client.subscribe(({ state }) => stage.log.push(state));
    stage.socket.accept();
    stage.socket.message(JSON.stringify([name, "hi"]));
    client.send(name, "hello");
    expect(stage.take()).toEqual(["hi", "listener hi"]);
    expect(stage.socket.sent).toEqual([JSON.stringify([name, "hello"])]);
  });
});

describe("options", () => {
  test.each<[options: object, option: string, message: string]>([
    [{ protocol: 5 }, "protocol", "protocol: expected what protocol() has returned, which on and calls need, got 5"],
    [{ protocol: null }, "protocol", "protocol: expected what protocol() has returned"],
    [{ protocol: "chat" }, "protocol", "protocol: expected what protocol() has returned"],
    [{ protocol: { fromServer: {} } }, "protocol", "protocol: expected what protocol() has returned"],
    [{ on: {} }, "protocol", "protocol: expected what protocol() has returned, which on and calls need, got undefined"],
    [{ calls: {} }, "protocol", "protocol: expected what protocol() has returned"],
    [{ protocol: chat, on: 5 }, "on", "on: expected an object of functions by name, got 5"],
    [{ protocol: chat, on: null }, "on", "on: expected an object of functions by name, got null"],
    [{ protocol: chat, on: { sayd() {} } }, "on.sayd", "on.sayd: unknown; expected said, counted, left"],
    [{ protocol: chat, on: { open() {} } }, "on.open", "on.open: unknown; expected said, counted, left"],
    [{ protocol: chat, on: { said: 5 } }, "listener", "listener: expected a function, got 5"],
    [{ protocol: chat, on: { said: false } }, "listener", "listener: expected a function, got false"],
    [{ protocol: chat, calls: 5 }, "calls", "calls: expected an object, got 5"],
    [{ protocol: chat, calls: { max: 5 } }, "calls.max", "calls.max: unknown; expected maxPending"],
    ...[0, -1, 1.5, Number.NaN, "5", null].map((maxPending): [object, string, string] => [
      { protocol: chat, calls: { maxPending } },
      "calls.maxPending",
      "calls.maxPending: expected a whole number from 1, or Infinity",
    ]),
  ])("are refused, for a client as for a channel: %j", (options, option, message) => {
    const client = connect("ws://server/", { WebSocket: stage.WebSocket });
    const sockets = stage.sockets.length;
    for (const make of [
      () => connect("ws://server/", { WebSocket: stage.WebSocket, ...options } as object),
      () => client.channel("a", options as object),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: "BAD_OPTION", option }));
      expect(make).toThrow(message);
    }
    expect(stage.sockets).toHaveLength(sockets);
  });

  test("of on are refused if there is no such message, and the known names are told", () => {
    const client = open();
    const types = '"open", "message", "close", "error", "said", "counted" or "left"';
    expect(() => client.on("sayd" as "said", () => {})).toThrow(`type: expected ${types}, got "sayd"`);
    expect(() => client.on("said", 5 as never)).toThrow("listener: expected a function, got 5");
  });

  test("have no say in what a typed client shows of the plain client", async () => {
    const client = open();
    expect([client.state, client.status.state, client.pending, client.bufferedAmount, client.protocol]).toEqual([
      "open",
      "open",
      0,
      0,
      "",
    ]);
    await expect(client.opened).resolves.toBeUndefined();
  });

  test("on may be of a class, and undefined stands for no listener", () => {
    class Listeners {
      readonly left = undefined;
      said(said: string): void {
        stage.log.push(said);
      }
    }
    open({ on: new Listeners() });
    for (const frame of ['["said","hi"]', '["left"]']) stage.socket.message(frame);
    expect([stage.take(), errors]).toEqual([["hi"], []]);
  });

  test("of a protocol without names are fine", () => {
    const client = connect("ws://server/", { WebSocket: stage.WebSocket, protocol: protocol({}), on: {} });
    expect(() => (client.send as (name: string) => boolean)("say")).toThrow("say: unknown; expected nothing");
  });
});
