/**
 * Frames that are written together. The sessions of a room are sent the same frames in the same turn, so they share a list, and what holds
 * for all of its frames is worked out once. `SessionTransport` and `SessionSocket` ask for the list of each write; `FrameRing` keeps
 * lists until their frames are acknowledged.
 */
import type { Frame } from "./frame.js";
import { escapeFrames } from "./session-frames.js";

/** Longer lists are not shared, and their frames are kept one by one: a list keeps all of its frames in memory. */
export const MAX_SHARED_FRAMES = 64;

export class FrameList {
  readonly frames: readonly Frame[];
  /** The bytes of the frames as plain sockets get the frames. */
  readonly bytes: number;
  /** The frames as peers with a session get the frames. */
  readonly escaped: readonly Frame[];

  /** @param frames MUST NOT change afterwards */
  constructor(frames: readonly Frame[]) {
    let bytes = 0;
    for (const { wireBytes } of frames) bytes += wireBytes;
    this.frames = frames;
    this.bytes = bytes;
    this.escaped = escapeFrames(frames);
  }

  /** The frames but for the first `count`. */
  without(count: number): FrameList {
    return new FrameList(this.frames.slice(count));
  }
}

/** The next session most often writes the same frames. */
let last = new FrameList([]);

/** The list of these frames, in this order. The list MUST NOT change afterwards. */
export function frameListOf(frames: readonly Frame[]): FrameList {
  if (areSame(frames, last.frames)) return last;
  const list = new FrameList(frames);
  if (frames.length <= MAX_SHARED_FRAMES) last = list;
  return list;
}

/** Whether both have the same frames, in the same order. */
export function areSame(frames: readonly Frame[], others: readonly Frame[]): boolean {
  if (frames === others) return true;
  if (frames.length !== others.length) return false;
  for (let i = 0; i < frames.length; i++) if (frames[i] !== others[i]) return false;
  return true;
}
