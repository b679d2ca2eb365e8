/** Offers of permessage-deflate (RFC 7692, section 7.1), and what an answer has agreed on. */
import { describe, expect, test } from "vitest";
import { hasFullWindow, isValidOffer } from "../../../src/transport/compression-offer.js";

describe("an offer", () => {
  test.each([
    undefined,
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    'permessage-deflate; server_max_window_bits=8; client_max_window_bits="15"',
    "permessage-deflate; server_max_window_bits=10, permessage-deflate",
    "x-unknown; server_max_window_bits=7",
  ])("can be answered: %s", (header) => {
    expect(isValidOffer(header)).toBe(true);
  });

  test.each([
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; client_max_window_bits=08",
    "permessage-deflate; client_no_context_takeover=1",
    "permessage-deflate; x",
    "permessage-deflate, permessage-deflate; x",
  ])("is not understood: %s", (header) => {
    expect(isValidOffer(header)).toBe(false);
  });
});

describe("an answer", () => {
  const extensions = (value: string): string[] => ["Upgrade: websocket", `Sec-WebSocket-Extensions: ${value}`];

  test.each([
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=15",
  ])("agrees on the full window: %s", (value) => {
    expect(hasFullWindow(extensions(value))).toBe(true);
  });

  test("agrees on a smaller window, or on no compression", () => {
    expect(hasFullWindow(extensions("permessage-deflate; server_max_window_bits=10"))).toBe(false);
    expect(hasFullWindow(["Upgrade: websocket"])).toBe(false);
  });
});
