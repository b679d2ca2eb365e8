/**
 * The wire of a protocol: JSON arrays in text frames, the same in both directions. `["say",{…}]` is a message, `["join",{…},7]` a call,
 * `[7,{…}]` its answer, `[7,null,{…}]` its refusal, and `["!",{…}]` tells of a message that was refused. A payload that is `undefined` is
 * left out: `["typing"]`, `["who",7]`, `[7]`.
 */
import type { MessageIssue } from "../api/errors.js";

/** The name of what tells of a refused message. */
export const REFUSED = "!";

/** Why a message or call is refused. */
export interface Refused {
  /** `"INVALID_MESSAGE"`, `"CALL_FAILED"`, or a word of the handler. */
  readonly reason: string;
  readonly message?: string;
  readonly data?: unknown;
  readonly issues?: readonly MessageIssue[];
}

/** A message, call or answer as text. Throws what `JSON.stringify` throws. @param payload left out if JSON has nothing for the payload */
export function encode(head: string | number, payload: unknown, ...rest: readonly unknown[]): string {
  const text = JSON.stringify(payload);
  let frame = `[${JSON.stringify(head)}`;
  if (text !== undefined) frame += `,${text}`;
  for (const part of rest) frame += `,${JSON.stringify(part)}`;
  return `${frame}]`;
}

/** The refusal of a call, or of a message without an id. */
export function encodeRefusal(id: number | undefined, refused: Refused): string {
  return id === undefined ? encode(REFUSED, refused) : encode(id, null, refused);
}

export function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A frame that is an array whose first element is a name or an id. */
export type Parts = readonly [head: string | number, ...rest: unknown[]];

/** @returns `undefined` for anything else */
export function parse(text: string): Parts | undefined {
  try {
    const parts: unknown = JSON.parse(text);
    return Array.isArray(parts) && (typeof parts[0] === "string" || isId(parts[0])) ? (parts as never) : undefined;
  } catch {
    return undefined;
  }
}
