/**
 * The multiplex wire of SockJS as a client speaks it; the server's side is `channels({...})`. `sub,name` and `uns,name` begin and
 * end a channel, `msg,name,payload` belongs to one, and the server answers `err,name,text` to what it cannot do. A payload may
 * hold anything; a binary message carries the same words as bytes, then a payload of bytes.
 */
import type { Message } from "./socket.js";

/** What a server has sent for a channel. */
type Multiplexed =
  | { readonly verb: "msg"; readonly name: string; readonly payload: string | Uint8Array }
  | { readonly verb: "uns"; readonly name: string }
  | { readonly verb: "err"; readonly name: string; readonly text: string };

const HEAD = "msg,";
const COMMA = 0x2c;

/** @returns `undefined` for what is none of these */
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

/** Servers send nothing in bytes but payloads. */
function readBytes(data: Uint8Array): Multiplexed | undefined {
  const end = data.indexOf(COMMA, HEAD.length);
  const decoder = new TextDecoder();
  if (end < 0 || decoder.decode(data.subarray(0, HEAD.length)) !== HEAD) return undefined;
  // A copy, so that a small payload does not begin in the midst of somebody's buffer.
  return { verb: "msg", name: decoder.decode(data.subarray(HEAD.length, end)), payload: data.slice(end + 1) };
}

/** A message for a channel. */
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
 * What our servers answer when the two sides have passed each other: to a message or an end for a channel that the server has
 * just ended, and to a subscription that it still has. The channel that the client has now is as it should be.
 */
const CROSSED: readonly string[] = ["not subscribed", "subscribed already"];

/**
 * Whether it is the answer to an `uns` without a name, which ends nothing: our servers answer it in its turn, and others pass it over
 * (see `fences.ts`).
 */
export function isFenceAnswer({ name, text }: { readonly name: string; readonly text: string }): boolean {
  return name === "" && text === "not subscribed";
}

/** Whether an `err` says that the server does not take a subscription. */
export function isRefusal(text: string): boolean {
  return !CROSSED.includes(text);
}
