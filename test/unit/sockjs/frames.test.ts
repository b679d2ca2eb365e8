/** SockJS frames: the encoding of outgoing messages, and the parser for incoming messages. */
import { describe, expect, test } from "vitest";
import {
  closeFrame,
  MessageFrameEncoder,
  parseMessages,
  parseWebSocketMessage,
  quote,
} from "../../../src/sockjs/protocol/frames.js";
import { encodeFrame } from "../../../src/transport/frame.js";

describe("a quoted string", () => {
  test.each([
    ["plain", '"plain"'],
    ['"\\/', '"\\"\\\\/"'],
    ["\u0000\b\t\n\f\r\u001f\u007f", '"\\u0000\\b\\t\\n\\f\\r\\u001f\u007f"'],
    ["\u200b\u200c\u200f\u2010", '"\u200b\\u200c\\u200f\u2010"'],
    ["\u2027\u2028\u202f\u2030", '"\u2027\\u2028\\u202f\u2030"'],
    ["\u205f\u2060\u206f\u2070", '"\u205f\\u2060\\u206f\u2070"'],
    ["\uffef\ufff0\uffff", '"\uffef\\ufff0\\uffff"'],
    ["\u{1f600}", '"\\ud83d\\ude00"'],
    ["\ud800", '"\\ud800"'],
    ["\udfff\ud7ff\ue000", '"\\udfff\ud7ff\ue000"'],
  ])("escapes what is fragile and nothing else: %j", (text, quoted) => {
    expect(quote(text)).toBe(quoted);
    expect(JSON.parse(quoted)).toBe(text);
  });

  test("stands in close frames, too", () => {
    expect(closeFrame({ code: 3000, reason: 'a"\u2028' })).toBe('c[3000,"a\\"\\u2028"]');
  });
});

describe("a batch", () => {
  const [a, b] = [encodeFrame("a"), encodeFrame("b")];

  test("is one frame of all its messages", () => {
    const batch = new MessageFrameEncoder();
    expect(batch.encodeText([a, b])).toBe('a["a","b"]');
    expect(batch.encodeText([b])).toBe('a["b"]');
    expect(batch.encodeMessage([a]).data).toBe('a["a"]');
  });

  test("is encoded once for all that hold the same", () => {
    const batch = new MessageFrameEncoder();
    const first = batch.encodeMessage([a, b]);
    expect(batch.encodeMessage([a, b])).toBe(first);
    expect(batch.encodeMessage([a])).not.toBe(first);
    expect(batch.encodeMessage([a, b]).data).toBe('a["a","b"]');
  });

  test("is right for long messages, which are not kept", () => {
    const batch = new MessageFrameEncoder();
    const [long, other] = [encodeFrame("x".repeat(300_000)), encodeFrame("y".repeat(300_000))];
    for (const frame of [a, long, other, long, a])
      expect(batch.encodeMessage([frame]).data).toBe(`a[${JSON.stringify(frame.data)}]`);
  });
});

describe("what a client sends", () => {
  test.each([
    ["[]", { messages: [] }],
    ['["a","b"]', { messages: ["a", "b"] }],
    [' ["\\ud800"] ', { messages: ["\ud800"] }],
    ["", { problem: "Payload expected." }],
    ["null", { problem: "Payload expected." }],
    ['"a"', { problem: "Payload expected." }],
    ["{}", { problem: "Payload expected." }],
    ['["a",1]', { problem: "Payload expected." }],
    ["[null]", { problem: "Payload expected." }],
    ['["a', { problem: "Broken JSON encoding." }],
    [" ", { problem: "Broken JSON encoding." }],
  ])("over HTTP is a list of strings: %j", (text, read) => {
    expect(parseMessages(text)).toEqual(read);
  });

  test.each([
    ["", { messages: [] }],
    ["[]", { messages: [] }],
    ['"a"', { messages: ["a"] }],
    ['""', { messages: [""] }],
    ['["a"]', { messages: ["a"] }],
    ["1", { problem: "Payload expected." }],
    ["null", { problem: "Payload expected." }],
    ["a", { problem: "Broken JSON encoding." }],
  ])("over a websocket is a list, a string or nothing: %j", (text, read) => {
    expect(parseWebSocketMessage(text)).toEqual(read);
  });
});
