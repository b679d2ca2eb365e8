/** Close codes and reasons (RFC 6455, sections 5.5.1 and 7.4). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as closing from "../../../src/api/close-codes.js";

const {
  checkClientCloseCode,
  checkCloseCode,
  closeCodeText,
  cutReason,
  isFinalCode,
  isFinalStatus,
  protocolErrorCode,
} = closing;

describe("a close code", () => {
  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 4999])("%d may be sent", (code) => {
    expect(() => checkCloseCode(code)).not.toThrow();
  });

  test.each([999, 1004, 1005, 1006, 1015, 2999, 5000, 0, -1000, 1000.5, Number.NaN, "1000", null, undefined])(
    "%s may not be sent",
    (code) => {
      expect(() => checkCloseCode(code)).toThrow(
        expect.objectContaining({
          code: "BAD_CLOSE_CODE",
          message: expect.stringContaining("expected 1000-1003, 1007-1014 or 3000-4999"),
        }),
      );
    },
  );
});

describe("a reason", () => {
  test("of 123 bytes is kept, and one byte more is cut", () => {
    expect(cutReason("x".repeat(123))).toBe("x".repeat(123));
    expect(cutReason("x".repeat(124))).toBe("x".repeat(123));
  });

  test.each([
    ["x", "ä", 61],
    ["xx", "€", 40],
    ["", "😀", 30],
    ["xxx", "😀", 30],
  ])("is cut at a character: %j and many %j", (start, character, count) => {
    expect(cutReason(start + character.repeat(100))).toBe(start + character.repeat(count));
  });

  test("keeps as many whole characters as fit", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200, size: "max" }), (reason) => {
        const cut = cutReason(reason);
        expect(reason.startsWith(cut)).toBe(true);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(123);
        const [next = ""] = reason.slice(cut.length);
        if (next !== "") expect(Buffer.byteLength(cut + next)).toBeGreaterThan(123);
      }),
    );
  });
});

describe("an error of the WebSocket library", () => {
  const error = (code: unknown): Error => Object.assign(new Error("x"), { code });

  test.each([
    ["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009],
    ["WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", 1009],
    ["WS_ERR_INVALID_UTF8", 1007],
    ["WS_ERR_TOO_MANY_BUFFERED_PARTS", 1008],
    ["WS_ERR_EXPECTED_MASK", 1002],
    ["WS_ERR_INVALID_OPCODE", 1002],
    ["WS_ERR_OF_TOMORROW", 1002],
  ])("%s is %d", (code, expected) => {
    expect(protocolErrorCode(error(code))).toBe(expected);
  });

  test("of a session's control frames is 1002, of SockJS's framing 3000", () => {
    expect(protocolErrorCode(new closing.BrokenControlFrame("x"))).toBe(1002);
    expect(protocolErrorCode(new closing.BrokenFraming("x"))).toBe(3000);
  });

  test("is told from an error of the socket", () => {
    expect(protocolErrorCode(error("ECONNRESET"))).toBeUndefined();
    expect(protocolErrorCode(error(5))).toBeUndefined();
    expect(protocolErrorCode(new Error("x"))).toBeUndefined();
  });
});

describe("the close reasons of the server", () => {
  test("have their codes and texts", () => {
    const { NORMAL, GOING_AWAY, SLOW_CONSUMER, HANDLER_FAILED, NO_CODE, ABNORMAL } = closing;
    expect([NORMAL, GOING_AWAY, SLOW_CONSUMER, HANDLER_FAILED]).toEqual([
      { code: 1000, reason: "" },
      { code: 1001, reason: "going away" },
      { code: 1013, reason: "slow consumer" },
      { code: 1011, reason: "handler failed" },
    ]);
    expect([NO_CODE, ABNORMAL]).toEqual([1005, 1006]);
  });
});

describe("a client", () => {
  test.each([1000, 3000, 4999])("may close with %d", (code) => {
    expect(() => checkClientCloseCode(code)).not.toThrow();
  });

  test.each([1001, 1005, 1011, 2999, 5000, 3000.5, Number.NaN, "1000", undefined])("may not close with %s", (code) => {
    expect(() => checkClientCloseCode(code)).toThrow(
      expect.objectContaining({ code: "BAD_CLOSE_CODE", message: expect.stringContaining("1000 or 3000-4999") }),
    );
  });

  test("stays away after the final codes and statuses, and no others", () => {
    const codes = Array.from({ length: 5000 }, (_, code) => code).filter(isFinalCode);
    expect(codes).toEqual([1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 3003]);
    const statuses = Array.from({ length: 600 }, (_, status) => status).filter((status) => !isFinalStatus(status));
    expect(statuses.filter((status) => status >= 400 && status < 500)).toEqual([408, 425, 429]);
    expect(statuses).toHaveLength(600 - 97);
  });

  test("knows the names of registered codes", () => {
    expect([closeCodeText(1001), closeCodeText(3003), closeCodeText(4000)]).toEqual(["going away", "forbidden", ""]);
  });
});
