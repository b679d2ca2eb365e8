/**
 * The envelope of a kept message, which every node of a cluster gets in the same order, the sender too: a message of a user with an extension.
 * The sender and the receiver of the relay use the functions here.
 *
 * ```
 * extension  when the message was sent 8: milliseconds since 1970, as a floating-point number
 * ```
 *
 * The source and the payload stand where any envelope has them. What a client may ask for later is copied, since a packet belongs to the adapter.
 */
import { isUtf8 } from "node:buffer";
import type { Frame } from "../transport/frame.js";
import { nodeOfConnection } from "./connection-ids.js";
import { type Envelope, type MeasuredEnvelope, measure } from "./packet.js";
import type { OrderedMessage } from "./remote-bus.js";

/** The kind of extension. */
export const KEPT = 2;

const AT_BYTES = 8;
/** The last time that a `Date` can tell. */
const LAST_TIME = 8.64e15;

/** @param source what is no id of a cluster is nobody's, and left out */
export function keptEnvelope(frame: Frame, source: string | undefined, at: number): MeasuredEnvelope {
  const { data, wire, payloadBytes } = frame;
  const bytes = Buffer.allocUnsafe(AT_BYTES);
  bytes.writeDoubleBE(at);
  return measure({
    isBinary: typeof data !== "string",
    source: source === undefined || nodeOfConnection(source) === undefined ? undefined : source,
    payload: wire.subarray(wire.length - payloadBytes),
    extension: { kind: KEPT, bytes },
  });
}

/** @returns `undefined` for what is no kept message */
export function readKept({ isBinary, payload, source, rooms, extension }: Envelope): OrderedMessage | undefined {
  if (extension?.kind !== KEPT || extension.bytes.length !== AT_BYTES || rooms !== undefined) return undefined;
  const { buffer, byteOffset } = extension.bytes;
  const at = new DataView(buffer, byteOffset).getFloat64(0);
  if (!(at >= 0 && at <= LAST_TIME)) return undefined;
  // Clients never get text which is not valid UTF-8.
  const bytes = isBinary || isUtf8(payload) ? Buffer.from(payload) : Buffer.from(textOf(payload));
  return source === undefined ? { bytes, isBinary, at } : { bytes, isBinary, at, source };
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString();
}
