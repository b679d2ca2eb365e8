/** The challenge response of hixie-76. */
import { expect, test } from "vitest";
import { challengeResponse } from "../../../src/sockjs/hixie/handshake.js";

test.each([
  ["4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", "aaaaaaaa", "ca3400d8a50847972cd5715ababf437b"],
  ["18x 6]8vM;54 *(5:  {   U1]8  z [  8", "1_ tx7X d  <  nw  334J702) 7]o}` 0", "Tm[K T2u", hex("fQJ,fN/4F4!~K~MH")],
])("the answer to a hixie-76 handshake is made of the three keys: %j %j", (key1, key2, key3, response) => {
  expect(challengeResponse(key1, key2, Buffer.from(key3))?.toString("hex")).toBe(response);
});

test.each([
  ["123", "1 2"],
  ["1 2", "123"],
  ["1 1 1", "1 2"],
  ["", ""],
  ["99999999999 ", "1 2"],
])("a hixie-76 handshake whose keys hold no number gets no answer: %j %j", (key1, key2) => {
  expect(challengeResponse(key1, key2, Buffer.alloc(8))).toBeUndefined();
});

function hex(text: string): string {
  return Buffer.from(text, "latin1").toString("hex");
}
