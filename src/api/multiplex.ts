/**
 * The multiplex protocol of SockJS, as `channels` speaks the protocol: `sub,name`, `msg,name,payload` and `uns,name` from either side,
 * `err,name,text` from the server. A payload may hold anything; a binary message carries the same words as bytes, then a payload of
 * bytes. A request that cannot be done is answered in its turn: Sendall's client sends an `uns,` without a name to learn what the server
 * had said by then (`client/sync-markers.ts`).
 */
import type { Data } from "./connection.js";
import { MAX_NAME_LENGTH } from "./names.js";

/** A message of a client. */
export type Multiplexed =
  | { readonly verb: "sub" | "uns"; readonly name: string }
  | { readonly verb: "msg"; readonly name: string; readonly payload: string | Buffer };

const COMMA = ",";

/** The answer to a message with a longer name. The answer names no channel: otherwise the peer would decide how long the answer is. */
const NAME_TOO_LONG = `a channel's name has at most ${MAX_NAME_LENGTH} characters`;

/** @returns `undefined` for anything else */
export function readMultiplexed(data: string | Buffer): Multiplexed | undefined {
  if (typeof data !== "string") return readBytes(data);
  const verb = data.slice(0, 4);
  if (verb === "sub,") return { verb: "sub", name: data.slice(4) };
  if (verb === "uns,") return { verb: "uns", name: data.slice(4) };
  const end = data.indexOf(COMMA, 4);
  if (verb !== "msg," || end < 0) return undefined;
  return { verb: "msg", name: data.slice(4, end), payload: data.slice(end + 1) };
}

/** The part before the payload is text. */
function readBytes(data: Buffer): Multiplexed | undefined {
  const end = data.indexOf(COMMA, 4);
  const message = readMultiplexed(data.toString("utf8", 0, end < 0 ? data.length : end + 1));
  return message?.verb === "msg" ? { ...message, payload: data.subarray(end + 1) } : message;
}

/** A message of a channel; data that is neither a string nor bytes is returned unchanged, for the encoder to refuse. */
export function writeMessage(name: string, data: Data): Data {
  const prefix = `msg,${name},`;
  if (typeof data === "string") return prefix + data;
  if (data instanceof Uint8Array) return Buffer.concat([Buffer.from(prefix), data]);
  return data instanceof ArrayBuffer ? Buffer.concat([Buffer.from(prefix), new Uint8Array(data)]) : data;
}

/** Tells a client that a channel has ended. */
export function writeUnsubscribe(name: string): string {
  return `uns,${name}`;
}

/** @param name as the peer sent the name: a comma would end the name in the answer */
export function writeError(name: string, text: string): string {
  const [shown = ""] = name.slice(0, MAX_NAME_LENGTH + 1).split(",", 1);
  return shown.length > MAX_NAME_LENGTH ? `err,,${NAME_TOO_LONG}` : `err,${shown},${text}`;
}

/** Whether a channel can have the name. */
export function isChannelName(name: string): boolean {
  return name !== "" && name.length <= MAX_NAME_LENGTH && !name.includes(",");
}
