/**
 * How much a connection may bring past a full mailbox (contract 5) before it is closed: the gate tells the transports, SockJS counts
 * the messages of one frame or request.
 */

/** What a waiting event takes beside its data: the event, its entry and its place (114 bytes measured). Counts towards `mailbox.maxBytes`. */
export const EVENT_BYTES = 128;

/**
 * What a paused socket has in its buffers without compression: a read of 64 KiB, and less than that in each of two streams. A
 * connection that cannot know of the pause yet is not closed for it.
 */
const BUFFERED_BYTES = 262_144;

/** The same in messages where a read is full of lists of SockJS: the shortest have three bytes for each. */
const BUFFERED_MESSAGES = 32_768;

/** Bytes of messages that a connection may bring after its mailbox is full. */
export function overshootBytes({ maxBytes }: { readonly maxBytes: number }): number {
  return Math.max(4 * maxBytes, BUFFERED_BYTES);
}

/** How many messages these may be where a few bytes bring many, as in the lists of SockJS. */
export function overshootMessages(bytes: number): number {
  return Math.max(Math.floor(bytes / EVENT_BYTES), BUFFERED_MESSAGES);
}
