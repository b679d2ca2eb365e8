/**
 * The client's side of SockJS's multiplex format, for the client's channels; the server's side is `api/multiplex.ts`. `sub,name` and
 * `uns,name` start and end a channel, `msg,name,payload` is a message of a channel, and the server answers `err,name,text` to a
 * request that it cannot carry out. A payload may hold anything; a binary message carries the same words as bytes, then a payload of
 * bytes.
 */
import type { Message } from "./socket.js";

/** A message of the server in the multiplex format; without a payload for `uns`. */
interface Multiplexed {
  readonly verb: string;
  readonly name: string;
  readonly payload: string | Uint8Array | undefined;
}

/** `m` of `msg`, the only verb of binary messages of a server; and the comma. */
const M = 0x6d;
const COMMA = 0x2c;

/** @returns `undefined` for a message that is not in the multiplex format */
export function readMultiplexed(data: string | Uint8Array): Multiplexed | undefined {
  const isText = typeof data === "string";
  if (!isText && data[0] !== M) return undefined;
  const end = isText ? data.indexOf(",", 4) : data.indexOf(COMMA, 4);
  // `slice` copies bytes, so that the callback's payload starts at offset 0 of its own buffer.
  const payload = end < 0 ? undefined : data.slice(end + 1);
  const head = isText ? data.slice(0, end < 0 ? undefined : end) : new TextDecoder().decode(data.subarray(0, end));
  const verb = head.slice(0, 4);
  const hasPayload = verb === "msg," || (verb === "err," && isText);
  if (hasPayload ? payload === undefined : verb !== "uns," || end >= 0) return undefined;
  return { verb, name: head.slice(4), payload };
}

/** Writes a message for a channel. */
export function writeMessage(name: string, data: Message): Message {
  const head = `msg,${name},`;
  if (typeof data === "string") return head + data;
  const bytes = new TextEncoder().encode(head);
  const message = new Uint8Array(bytes.length + data.byteLength);
  message.set(bytes);
  message.set(new Uint8Array(data), bytes.length);
  return message.buffer;
}

/** The server's answer to an `uns` for a channel that is not open, among others to a sync marker (see `sync-markers.ts`). */
export const NOT_SUBSCRIBED = "not subscribed";

/**
 * The texts of a Sendall server's `err` after messages of the two sides have crossed: the client sent `msg` or `uns` for a channel that
 * the server had just ended, or `sub` for a channel that the server still had. Neither says anything about the client's present channel.
 */
export const CROSSED: readonly unknown[] = [NOT_SUBSCRIBED, "subscribed already"];
