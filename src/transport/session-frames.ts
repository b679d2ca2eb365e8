/**
 * The frames of the subprotocol `sendall.1`. Control frames are text that begins with `~`; a program's text that begins with `~` has a
 * second `~` in front on the wire, in both directions. `session-socket.ts` writes and reads the frames.
 */
import { BrokenControlFrame } from "../api/close-codes.js";
import { show } from "../runtime/show.js";
import { encodeFrame, type Frame } from "./frame.js";

const TILDE = 0x7e;

/** Asks for a sign of life, and answers. */
const ALIVE = "~h";
export const ALIVE_FRAME: Frame = encodeFrame(ALIVE);

/** Begins an acknowledgement. */
const ACKNOWLEDGED = "~a";

/** The longest control frame of a peer: an acknowledgement of 16 digits. */
const MAX_CONTROL_BYTES = 18;
const MAX_FRAME_BYTES = 2_147_483_647;

/** How long a frame of a peer may be where a message has at most `maxPayloadBytes`: one byte more, for the escape. */
export function maxFrameBytes(maxPayloadBytes: number): number {
  return Math.min(Math.max(maxPayloadBytes + 1, MAX_CONTROL_BYTES), MAX_FRAME_BYTES);
}

/** What the first frame of each socket says. */
export interface SentWelcome {
  /** The token of the session; `null` if no session is kept. */
  readonly session: string | null;
  readonly resumed: boolean;
  readonly why: "new" | "resumed" | "gap" | "expired" | "elsewhere" | "refused" | "off";
  /** The number of the last message of the peer's that has reached the mailbox. */
  readonly received: number;
  /** The number of the last message before the first that follows. */
  readonly from: number;
  /** How many missed messages follow. */
  readonly replayed: number;
  /** How many messages are lost that the peer was not told of. */
  readonly lost: number;
  readonly graceMs: number;
  /** A client that gets nothing for so long may take the socket for dead; 0 for never. */
  readonly heartbeatMs: number;
}

export function welcomeFrame(welcome: SentWelcome): Frame {
  return encodeFrame(`~${JSON.stringify(welcome)}`);
}

/** Says that the messages of the peer up to a number have reached the mailbox. */
export function acknowledgementFrame(number: number): Frame {
  return encodeFrame(ACKNOWLEDGED + number);
}

/** Whether a text begins with `~`: on the wire, a control frame or an escaped message. */
export function isMarked(text: string): boolean {
  return text.charCodeAt(0) === TILDE;
}

/** Whether a marked text is a message with another `~` in front. */
export function isEscaped(text: string): boolean {
  return text.charCodeAt(1) === TILDE;
}

/** A frame for peers with a session. A second encoding is made at most once per frame, and shared like the frame itself. */
function escapeFrame(frame: Frame): Frame {
  if (!frame.isMarked) return frame;
  frame.escaped ??= encodeFrame(`~${frame.data}`);
  return frame.escaped;
}

/** @returns the same array if no text begins with `~` */
export function escapeFrames(frames: readonly Frame[]): readonly Frame[] {
  for (const { isMarked } of frames) if (isMarked) return frames.map(escapeFrame);
  return frames;
}

/**
 * Reads a control frame of the peer.
 *
 * @returns `"ask"` if the peer asks for a sign of life, the number of an acknowledgement, `"ignored"` for an unknown frame
 */
export function readControl(text: string): "ask" | number | "ignored" | BrokenControlFrame {
  if (text === ALIVE) return "ask";
  if (!text.startsWith(ACKNOWLEDGED)) return "ignored";
  const number = readNumber(text, ACKNOWLEDGED.length);
  if (number !== undefined) return number;
  const expected = `"${ACKNOWLEDGED}" and a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`;
  return new BrokenControlFrame(`acknowledgement: expected ${expected}, got ${show(text)}`);
}

const ZERO = 0x30;

/** A whole number without leading zeros that fills the rest of a text. Written by hand, since each client acknowledges all the time. */
function readNumber(text: string, from: number): number | undefined {
  const isSpeltOut = text.length > from && (text.charCodeAt(from) !== ZERO || text.length === from + 1);
  let number = 0;
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return undefined;
    number = number * 10 + digit;
  }
  return isSpeltOut && Number.isSafeInteger(number) ? number : undefined;
}
