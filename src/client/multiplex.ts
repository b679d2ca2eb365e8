/**
 * The client's side of SockJS's multiplex format, for the client's channels; the server's side is `api/multiplex.ts`. `sub,name` and
 * `uns,name` start and end a channel, `msg,name,payload` is a message of a channel, and the server answers `err,name,text` to a
 * request that it cannot carry out. A payload may hold anything; a binary message carries the same words as bytes, then a payload of
 * bytes.
 */
import { encode } from "./arguments.js";
import type { ClientData } from "./options.js";

/** A message of the server in the multiplex format; without a payload for `uns`. */
type Multiplexed = readonly [verb: string, name: string, payload: string | Uint8Array | undefined];

/** The verb with the name, at the most as long as a name may be, and what precedes a payload. */
const HEAD = /^(msg|err|uns),([^,]*)(,?)/;
/** More bytes than the longest head has. */
const MAX_HEAD_BYTES = 4_096;

/** @returns `undefined` for a message that is not in the multiplex format */
export function readMultiplexed(data: string | Uint8Array): Multiplexed | undefined {
  const isText = typeof data === "string";
  const text = isText ? data : new TextDecoder().decode(data.subarray(0, MAX_HEAD_BYTES));
  const [head = "", verb, name = "", comma] = HEAD.exec(text) ?? [];
  // A server sends only `msg` as a binary message.
  if (!verb || (verb === "uns") === !!comma || (!isText && verb !== "msg")) return undefined;
  // `slice` copies bytes, so that the callback's payload starts at offset 0 of its own buffer.
  return [verb, name, comma ? data.slice((isText ? head : encode(head)).length) : undefined];
}

/** Writes a message for a channel. */
export function writeMessage(name: string, data: ClientData): ClientData {
  const head = `msg,${name},`;
  if (typeof data === "string") return head + data;
  const bytes = encode(head);
  const message = new Uint8Array(bytes.length + data.byteLength);
  message.set(bytes);
  message.set(new Uint8Array(data), bytes.length);
  return message;
}

/**
 * How the texts of a Sendall server's `err` begin after messages of the two sides have crossed: the client sent `msg` or `uns` for a
 * channel that the server had just ended, or `sub` for a channel that the server still had. Neither says anything about the client's present
 * channel. Without a name: the answer to a sync marker (see `channels.ts`).
 */
export const CROSSED: RegExp = /^(not )?subscribed( a|$)/;
