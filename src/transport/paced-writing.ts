/**
 * Paced writing: the road of messages that were kept for a peer, such as those that a session missed. The messages are written as the
 * socket takes them, so a healthy peer never looks like a slow consumer, however much was kept.
 */
import type { Frame } from "./frame.js";
import type { Transport } from "./transport.js";

/** Has frames to write, oldest first. */
export interface FrameSource {
  /** Takes frames of about `maxBytes` in total, at least one frame if there is any. An empty result says that nothing is left. */
  take(maxBytes: number): readonly Frame[];
}

/** After this many bytes the socket is asked again. */
const STEP_BYTES = 65_536;

/**
 * Writes what the socket takes now. The caller goes on when the transport has drained.
 *
 * @returns whether everything is written
 */
export function writePaced(transport: Pick<Transport, "mustWait" | "write">, source: FrameSource): boolean {
  while (!transport.mustWait()) {
    const frames = source.take(STEP_BYTES);
    if (frames.length === 0) return true;
    if (!transport.write(frames)) return false;
  }
  return false;
}
