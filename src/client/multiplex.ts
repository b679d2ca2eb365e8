/**
 * The client's side of SockJS's multiplex format, for the client's channels; the server's side is `api/multiplex.ts`. `sub,name` and
 * `uns,name` start and end a channel, `msg,name,payload` is a message of a channel, and the server answers `err,name,text` to a
 * request that it cannot carry out. A payload may hold anything; a binary message carries the same words as bytes, then a payload of
 * bytes.
 */
import type { Message } from "./socket.js";

/** A message of the server in the multiplex format. */
type Multiplexed =
  | { readonly verb: "msg"; readonly name: string; readonly payload: string | Uint8Array }
  | { readonly verb: "uns"; readonly name: string }
  | { readonly verb: "err"; readonly name: string; readonly text: string };

const HEAD = "msg,";
const COMMA = 0x2c;

/** @returns `undefined` for a message that is not in the multiplex format */
export function readMultiplexed(data: string | Uint8Array): Multiplexed | undefined {
  if (typeof data !== "string") return readBytes(data);
  const verb = data.slice(0, 4);
  if (verb === "uns,") return { verb: "uns", name: data.slice(4) };
  if (verb !== HEAD && verb !== "err,") return undefined;
  const end = data.indexOf(",", 4);
  if (end < 0) return undefined;
  const [name, rest] = [data.slice(4, end), data.slice(end + 1)];
  return verb === HEAD ? { verb: "msg", name, payload: rest } : { verb: "err", name, text: rest };
}

/** A server sends only `msg` as a binary message. */
function readBytes(data: Uint8Array): Multiplexed | undefined {
  const end = data.indexOf(COMMA, HEAD.length);
  const decoder = new TextDecoder();
  if (end < 0 || decoder.decode(data.subarray(0, HEAD.length)) !== HEAD) return undefined;
  // `slice` copies, so that the callback's payload starts at offset 0 of its own buffer.
  return { verb: "msg", name: decoder.decode(data.subarray(HEAD.length, end)), payload: data.slice(end + 1) };
}

/** Writes a message for a channel. */
export function writeMessage(name: string, data: Message): Message {
  const head = `${HEAD}${name},`;
  if (typeof data === "string") return head + data;
  const bytes = new TextEncoder().encode(head);
  const message = new Uint8Array(bytes.length + data.byteLength);
  message.set(bytes);
  message.set(new Uint8Array(data), bytes.length);
  return message.buffer;
}

/**
 * The texts of a Sendall server's `err` after messages of the two sides have crossed: the client sent `msg` or `uns` for a channel that
 * the server had just ended, or `sub` for a channel that the server still had. Neither says anything about the client's present channel.
 */
const CROSSED: readonly string[] = ["not subscribed", "subscribed already"];

/**
 * Whether an `err` answers a sync marker (see `sync-markers.ts`), an `uns` without a name. The marker ends no channel: a Sendall server
 * answers in order, and a different server may ignore the marker.
 */
export function isMarkerAnswer({ name, text }: { readonly name: string; readonly text: string }): boolean {
  return name === "" && text === "not subscribed";
}

/** Whether the text of an `err` refuses a subscription. */
export function isRefusal(text: string): boolean {
  return !CROSSED.includes(text);
}
