/**
 * SockJS frames as text, and the parser for messages of clients: `o` opens a session, `h` is a heartbeat, `a[…]` carries messages,
 * `c[…]` closes. Sessions over every transport use them.
 */
import type { CloseReason } from "../../api/close-codes.js";
import type { Frame } from "../../transport/frame.js";
import { encodeFrame } from "../../transport/frame.js";

export const OPEN = "o";
export const HEARTBEAT = "h";

/**
 * Characters that some browsers and proxies change or drop, besides the control characters, which JSON escapes anyway. Both halves
 * of a surrogate pair are included, so frames survive any encoding.
 */
const EXTRA_ESCAPABLE = /[\u200c-\u200f\u2028-\u202f\u2060-\u206f\ud800-\udfff\ufff0-\uffff]/g;

function escapeCodeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A string in JSON, with escapes in lower case. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(EXTRA_ESCAPABLE, escapeCodeUnit);
}

export function closeFrame({ code, reason }: CloseReason): string {
  return `c[${code},${quote(reason)}]`;
}

/** Longer `a[…]` frames are not cached. */
const MAX_CACHED_LENGTH = 262_144;

/**
 * Encodes messages as one `a[…]` frame and caches the latest result. The cache makes a broadcast cost one encoding: the next
 * session usually writes the same messages.
 */
export class MessageFrameEncoder {
  #lastFrames: readonly Frame[] = [];
  #lastText = "";
  #lastMessage: Frame | undefined;

  encodeText(frames: readonly Frame[]): string {
    const last = this.#lastFrames;
    if (frames.length === last.length && frames.every((frame, i) => frame === last[i])) return this.#lastText;
    const text = `a[${frames.map(({ data }) => quote(String(data))).join(",")}]`;
    if (text.length >= MAX_CACHED_LENGTH) return text;
    this.#lastFrames = frames;
    this.#lastText = text;
    this.#lastMessage = undefined;
    return text;
  }

  /** Encodes the `a[…]` frame as a WebSocket message. */
  encodeMessage(frames: readonly Frame[]): Frame {
    const text = this.encodeText(frames);
    if (text !== this.#lastText) return encodeFrame(text);
    this.#lastMessage ??= encodeFrame(text);
    return this.#lastMessage;
  }
}

/** The messages that a client has sent, or the reason why they cannot be read. */
export type ParsedMessages = { readonly messages: readonly string[] } | { readonly problem: string };

const PAYLOAD_EXPECTED: ParsedMessages = { problem: "Payload expected." };
const BROKEN_JSON: ParsedMessages = { problem: "Broken JSON encoding." };

/** Parses a JSON array of strings. An array with any other element is refused as a whole: no SockJS client sends such an array. */
export function parseMessages(text: string): ParsedMessages {
  if (text === "") return PAYLOAD_EXPECTED;
  const value = parseJson(text);
  if (value === undefined) return BROKEN_JSON;
  return isStringArray(value) ? { messages: value } : PAYLOAD_EXPECTED;
}

/** Parses a WebSocket message, which may also be a single string, or empty. */
export function parseWebSocketMessage(text: string): ParsedMessages {
  if (text === "") return { messages: [] };
  const value = parseJson(text);
  return typeof value === "string" ? { messages: [value] } : parseMessages(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isStringArray(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((element) => typeof element === "string");
}
