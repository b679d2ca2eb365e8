/**
 * SockJS frames as text, and what clients send: `o` opens, `h` is a heartbeat, `a[…]` brings messages, `c[…]` closes. Sessions
 * of every transport write and read by these.
 */
import type { CloseReason } from "../../api/close-codes.js";
import type { Frame } from "../../transport/frame.js";
import { encodeFrame } from "../../transport/frame.js";

export const OPEN = "o";
export const HEARTBEAT = "h";

/**
 * What some browsers and proxies change or drop on its way, beside the control characters that JSON escapes by itself. Both
 * halves of a surrogate pair are in it: what goes out is safe in any encoding.
 */
const FRAGILE = /[\u200c-\u200f\u2028-\u202f\u2060-\u206f\ud800-\udfff\ufff0-\uffff]/g;

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A string in JSON, with escapes in lower case. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(FRAGILE, escapeUnit);
}

export function closeFrame({ code, reason }: CloseReason): string {
  return `c[${code},${quote(reason)}]`;
}

/** Longer batches are not kept for the next session. */
const KEEP_BELOW_LENGTH = 262_144;

/**
 * Puts messages together into one `a[…]` frame, and remembers the last: a broadcast is quoted once, since the next session most
 * often holds the same list.
 */
export class Batch {
  #frames: readonly Frame[] = [];
  #text = "";
  #wire: Frame | undefined;

  textOf(frames: readonly Frame[]): string {
    const same = this.#frames;
    if (frames.length === same.length && frames.every((frame, i) => frame === same[i])) return this.#text;
    const text = `a[${frames.map(({ data }) => quote(String(data))).join(",")}]`;
    if (text.length >= KEEP_BELOW_LENGTH) return text;
    this.#frames = frames;
    this.#text = text;
    this.#wire = undefined;
    return text;
  }

  /** The same as a message on a WebSocket. */
  wireOf(frames: readonly Frame[]): Frame {
    const text = this.textOf(frames);
    if (text !== this.#text) return encodeFrame(text);
    this.#wire ??= encodeFrame(text);
    return this.#wire;
  }
}

/** What a client has sent: its messages, or what is wrong with them. */
export type Read = { readonly messages: readonly string[] } | { readonly problem: string };

const NO_PAYLOAD: Read = { problem: "Payload expected." };
const NO_JSON: Read = { problem: "Broken JSON encoding." };

/** Reads a list of strings. One with anything else in it is refused as a whole: no client of SockJS makes such a list. */
export function readMessages(text: string): Read {
  if (text === "") return NO_PAYLOAD;
  const value = parse(text);
  if (value === undefined) return NO_JSON;
  return isStrings(value) ? { messages: value } : NO_PAYLOAD;
}

/** Reads a message on a WebSocket, which may also be one string, or nothing. */
export function readSocketMessage(text: string): Read {
  if (text === "") return { messages: [] };
  const value = parse(text);
  return typeof value === "string" ? { messages: [value] } : readMessages(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
