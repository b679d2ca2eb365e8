/**
 * Collects the messages of a client for a component, and hands them over once a frame. The inboxes of a page hand over in the same frame,
 * and React renders after the frame's callbacks, so components show the same messages.
 */
import type { Client } from "../client.js";

/** A message of a client. */
export type Received = string | Uint8Array;

/** The part of a page that is used. */
interface Page {
  requestAnimationFrame?(run: () => void): unknown;
}

/** About a frame, where there are no frames. */
const FRAME_MS = 16;
/** How long to wait for a frame: a hidden page has no frames. */
const HIDDEN_MS = 100;
/** Messages that wait. The timers of a hidden page may ring once a minute. */
const MAX_WAITING = 10_000;

/** @returns begins to listen, unless begun, and returns the end of listening: what was heard is delivered then, since the component may come back */
export function createInbox(client: Client, deliver: (messages: readonly Received[]) => void): () => () => void {
  let waiting: Received[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unsubscribe: (() => void) | undefined;
  // A frame that comes after the timer finds nothing, or is early for what has come since.
  const flush = (): void => {
    clearTimeout(timer);
    if (waiting.length > 0) deliver(waiting);
    waiting = [];
  };
  const onMessage = (message: Received): void => {
    const count = waiting.push(message);
    if (count === 1)
      timer = setTimeout(flush, (globalThis as Page).requestAnimationFrame?.(flush) ? HIDDEN_MS : FRAME_MS);
    if (count === MAX_WAITING) flush();
  };
  const stop = (): void => {
    unsubscribe?.();
    unsubscribe = undefined;
    flush();
  };
  return () => {
    unsubscribe ??= client.on("message", onMessage);
    return stop;
  };
}
