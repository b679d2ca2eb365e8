/**
 * The multiplex wire of SockJS: `sub,name`, `msg,name,payload` and `uns,name` from either side, `err,name,text` from ours. A
 * payload may hold anything; a binary message carries the same words as bytes, then a payload of bytes. What cannot be done is
 * answered in its turn: our client sends an `uns,` without a name to learn what the server had said by then (`client/sync-markers.ts`).
 */
import type { Data } from "./connection.js";
import { MAX_NAME_LENGTH } from "./names.js";

/** What a client has sent. */
export type Multiplexed =
  | { readonly verb: "sub" | "uns"; readonly name: string }
  | { readonly verb: "msg"; readonly name: string; readonly payload: string | Buffer };

const COMMA = ",";

/** What a peer is told whose message has a longer name: the answer has to name no channel, or the peer could make it as long. */
const NAME_TOO_LONG = `a channel's name has at most ${MAX_NAME_LENGTH} characters`;

/** @returns `undefined` for what is none of these */
export function readMultiplexed(data: string | Buffer): Multiplexed | undefined {
  if (typeof data !== "string") return readBytes(data);
  const verb = data.slice(0, 4);
  if (verb === "sub,") return { verb: "sub", name: data.slice(4) };
  if (verb === "uns,") return { verb: "uns", name: data.slice(4) };
  const end = data.indexOf(COMMA, 4);
  if (verb !== "msg," || end < 0) return undefined;
  return { verb: "msg", name: data.slice(4, end), payload: data.slice(end + 1) };
}

/** All but the payload is text. */
function readBytes(data: Buffer): Multiplexed | undefined {
  const end = data.indexOf(COMMA, 4);
  const head = readMultiplexed(data.toString("utf8", 0, end < 0 ? data.length : end + 1));
  return head?.verb === "msg" ? { ...head, payload: data.subarray(end + 1) } : head;
}

/** A message of a channel; what is neither a string nor bytes is left for the encoder to refuse. */
export function writeMessage(name: string, data: Data): Data {
  const head = `msg,${name},`;
  if (typeof data === "string") return head + data;
  if (data instanceof Uint8Array) return Buffer.concat([Buffer.from(head), data]);
  return data instanceof ArrayBuffer ? Buffer.concat([Buffer.from(head), new Uint8Array(data)]) : data;
}

export function writeEnd(name: string): string {
  return `uns,${name}`;
}

/** @param name as it came: a comma would end it */
export function writeError(name: string, text: string): string {
  const [shown = ""] = name.slice(0, MAX_NAME_LENGTH + 1).split(",", 1);
  return shown.length > MAX_NAME_LENGTH ? `err,,${NAME_TOO_LONG}` : `err,${shown},${text}`;
}

/** Whether it can be the name of a channel. */
export function isChannelName(name: string): boolean {
  return name !== "" && name.length <= MAX_NAME_LENGTH && !name.includes(",");
}
