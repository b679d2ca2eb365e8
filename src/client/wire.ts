/**
 * The client's side of the subprotocol `sendall.1`, the wire of sessions: what a client offers, and the control frames, which are text
 * frames that begin with `~`. The server's side is `transport/session-socket.ts`. `socket.ts` reads and writes frames by these rules.
 */
import { SESSION_PROTOCOL, SESSION_SUFFIX } from "../api/session-protocol.js";
import { attempt } from "./attempt.js";
import type { ClientOpening } from "./options.js";

/** What the server says as the first frame of each socket. */
export interface Welcome extends Pick<ClientOpening, "resumed" | "why" | "replayed" | "lost"> {
  /** The token; `null` if the server keeps no session. */
  readonly session: string | null;
  /** The number of the last message of the client that the server has taken in. */
  readonly received: number;
  /** The number of the last message of the server before those that follow. */
  readonly from: number;
  /** The longest silence of the server, in milliseconds; 0 if the server sends no signs of life. */
  readonly heartbeatMs: number;
}

/** Asks for a sign of life, and is a sign of life. */
export const HEARTBEAT = "~h";

/** The subprotocols to offer: a handshake selects exactly one, so each name comes with the suffix of sessions and without. */
export function offersOf(protocols: readonly string[]): string[] {
  return !protocols[0] ? [SESSION_PROTOCOL] : protocols.flatMap((name) => [name + SESSION_SUFFIX, name]);
}

/** @returns `undefined` for any other frame */
export function readWelcome(frame: unknown): Welcome | undefined {
  const welcome = Object(attempt(() => JSON.parse(String(frame).slice(1))));
  const { session, resumed, received, from, replayed, lost, heartbeatMs } = welcome;
  const areCounts = [received, from, replayed, lost, heartbeatMs].every(
    (value) => Number.isSafeInteger(value) && value >= 0,
  );
  // The token becomes a part of the name of a subprotocol.
  return areCounts && resumed === !!resumed && /^[\w-]+$/.test(session) ? welcome : undefined;
}

/** A text message as a frame: a text that begins with `~` gets one more. */
export function escapeText(text: string): string {
  return text.replace(/^~/, "~~");
}

/** Whether a text frame is no message. */
export function isControl(textFrame: string): boolean {
  return /^~(?!~)/.test(textFrame);
}

/** The text message of a frame. */
export function readText(escaped: string): string {
  return escaped.replace(/^~/, "");
}

/**
 * Whether a control frame breaks the protocol: an acknowledgement without a number that can be, or a second welcome. Unknown frames do not.
 * @param acknowledge takes a number; returns `false` if the number cannot be
 */
export function isMalformed(control: string, acknowledge: (number: number) => boolean): boolean {
  const [, digits] = /^~a(0|[1-9]\d*)$/.exec(control) ?? [];
  return digits ? !acknowledge(+digits) : /^~[a{]/.test(control);
}
