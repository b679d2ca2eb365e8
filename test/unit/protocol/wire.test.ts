/** What stands on the wire of a protocol, and what of the wire is read as a message, call or answer. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encode, encodeRefusal, isId, parse } from "../../../src/protocol/wire.js";

test("a text is read as an array that begins with a name or an id, or not at all", () => {
  const read: [text: string, parts: unknown][] = [
    ['["say",{"text":"hi"}]', ["say", { text: "hi" }]],
    ['["join",{},7]', ["join", {}, 7]],
    [' [ "typing" ] ', ["typing"]],
    ["[7]", [7]],
    ["[0,{}]", [0, {}]],
    ['[""]', [""]],
    ['["__proto__",{"__proto__":1}]', ["__proto__", JSON.parse('{"__proto__":1}')]],
  ];
  expect(read.map(([text]) => parse(text))).toEqual(read.map(([, parts]) => parts));
  const others = ["", "{}", "[]", "null", "7", '"say"', "[null]", "[{}]", "[[]]", "[true]", "[-1]", "[1.5]"];
  const broken = ["[9007199254740992]", "[1e400]", '["say"', '["say"],', "[NaN]", "undefined", '["\u0000', "\ufeff[1]"];
  expect([...others, ...broken].map(parse)).toEqual([...others, ...broken].map(() => undefined));
});

test("an id is a safe integer from 0", () => {
  expect([0, 1, 2 ** 53 - 1].every(isId)).toBe(true);
  for (const other of [-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, "7", null, undefined, 7n, [7], {}, true])
    expect(isId(other)).toBe(false);
});

test("a refusal of a call has its id, and of a message the name !", () => {
  const refused = { reason: "FULL", message: "the room is full", data: { room: "a" } };
  expect([
    encodeRefusal(7, refused),
    encodeRefusal(0, { reason: "CALL_FAILED" }),
    encodeRefusal(undefined, refused),
  ]).toEqual([
    '[7,null,{"reason":"FULL","message":"the room is full","data":{"room":"a"}}]',
    '[0,null,{"reason":"CALL_FAILED"}]',
    '["!",{"reason":"FULL","message":"the room is full","data":{"room":"a"}}]',
  ]);
});

test("whatever JSON can say is read as it was encoded, and a payload that is undefined is left out", () => {
  const head = fc.oneof(fc.string({ unit: "binary" }), fc.maxSafeNat());
  fc.assert(
    fc.property(head, fc.jsonValue(), fc.option(fc.maxSafeNat(), { nil: undefined }), (name, payload, id) => {
      const rest = id === undefined ? [] : [id];
      const expected = JSON.parse(JSON.stringify([name, payload, ...rest]));
      expect(parse(encode(name, payload, ...rest))).toEqual(expected);
      expect(parse(encode(name, undefined, ...rest))).toEqual([expected[0], ...rest]);
    }),
  );
});

test("no text makes the reader throw", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc.constantFrom("[".repeat(100_000), `["a",${"[".repeat(100_000)}`),
  );
  fc.assert(
    fc.property(text, (given) => {
      const parts = parse(given);
      if (parts !== undefined)
        expect(Array.isArray(parts) && (typeof parts[0] === "string" || isId(parts[0]))).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
