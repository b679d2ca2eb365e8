/**
 * The client's side of the subprotocol `sendall.1`, the wire of sessions: what a client offers, and the control frames, which are text
 * frames that begin with `~`. The server's side is `transport/session-socket.ts`. `socket.ts` reads and writes frames by these rules.
 */
import { isSessionName, SESSION_PROTOCOL, SESSION_SUFFIX } from "../api/session-protocol.js";
import { isRecord } from "../options/kinds.js";
import { attempt } from "./attempt.js";
import type { ClientOpening } from "./options.js";

/** What the server says as the first frame of each socket. */
export interface Welcome {
  /** The token; `null` if the server keeps no session. */
  readonly session: string | null;
  /** The number of the last message of the client that the server has taken in. */
  readonly received: number;
  /** The number of the last message of the server before those that follow. */
  readonly from: number;
  readonly opening: ClientOpening;
  /** The longest silence of the server, in milliseconds; 0 if the server sends no signs of life. */
  readonly limitMs: number;
}

/** Asks for a sign of life, and is a sign of life. */
export const HEARTBEAT = "~h";

/** The subprotocols to offer: a handshake selects exactly one, so each name comes with the suffix of sessions and without. */
export function offersOf(protocols: readonly string[]): string[] {
  return !protocols[0] ? [SESSION_PROTOCOL] : protocols.flatMap((name) => [name + SESSION_SUFFIX, name]);
}

/** The user's part of the selected subprotocol, `""` if there is none. */
export function ownProtocol(selected: string): string {
  return isSessionName(selected) ? selected.slice(0, -SESSION_SUFFIX.length) : selected;
}

/** @returns `undefined` for any other frame */
export function readWelcome(frame: unknown): Welcome | undefined {
  const welcome: unknown = attempt(() => JSON.parse(String(frame).slice(1)));
  if (!isRecord(welcome)) return undefined;
  const { session, resumed, why, received, from, replayed, lost, heartbeatMs: limitMs } = welcome;
  const areCounts = [received, from, replayed, lost, limitMs].every(
    (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  );
  // The token becomes a part of the name of a subprotocol.
  if (typeof resumed !== "boolean" || !areCounts || (session !== null && !/^[\w-]+$/.test(String(session))))
    return undefined;
  return {
    session,
    received,
    from,
    opening: { resumed, why, replayed, lost, uncertain: [] },
    limitMs,
  } as unknown as Welcome;
}

/** A text message as a frame: a text that begins with `~` gets one more. */
export function escapeText(text: string): string {
  return text[0] === "~" ? `~${text}` : text;
}

/** The text message of a frame; `undefined` for a control frame. */
export function readText(frame: string): string | undefined {
  if (frame[0] !== "~") return frame;
  return frame[1] === "~" ? frame.slice(1) : undefined;
}

/**
 * Whether a control frame breaks the protocol: an acknowledgement without a number that can be, or a second welcome. Unknown frames do not.
 * @param acknowledge takes a number; returns `false` if the number cannot be
 */
export function isMalformed(control: string, acknowledge: (number: number) => boolean): boolean {
  const [, number] = /^~a(0|[1-9]\d{0,15})$/.exec(control) ?? [];
  return number ? !acknowledge(Number(number)) : /^~[a{]/.test(control);
}
