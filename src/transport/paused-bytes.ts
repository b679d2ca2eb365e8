/**
 * The limits of what a connection may bring past a full mailbox (contract 5) before the connection is closed. The admission gate hands
 * the limit in bytes to the transports; SockJS counts the messages of a frame or request.
 */

/**
 * Memory of a waiting event besides its data: the event, its entry and its place (114 bytes measured). Counts towards
 * `mailbox.maxBytes`.
 */
export const EVENT_BYTES = 128;

/**
 * The bytes in the buffers of a paused socket without compression: a read of 64 KiB, and less in each of two streams. A peer cannot know
 * of the pause yet, so the connection is not closed over such bytes.
 */
const BUFFERED_BYTES = 262_144;

/** The same buffers in messages of SockJS, if full of lists of the shortest messages: three bytes per message. */
const BUFFERED_MESSAGES = 32_768;

/** Bytes of messages that a connection may bring while its mailbox is full. */
export function overshootBytes({ maxBytes }: { readonly maxBytes: number }): number {
  return Math.max(4 * maxBytes, BUFFERED_BYTES);
}

/** The limit in messages, where a few bytes bring many messages, as in the lists of SockJS. */
export function overshootMessages(bytes: number): number {
  return Math.max(Math.floor(bytes / EVENT_BYTES), BUFFERED_MESSAGES);
}
