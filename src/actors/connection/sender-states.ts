/** The states of a sender, bits of one number: as booleans they would take 40 bytes more of every silent connection. */

/** Our side has not begun to close the connection. */
export const LIVE = 1;
/** The transport has closed: nothing waits for the peer. */
export const STOPPED = 2;
export const CRASHED = 4;
/** The turn will flush the outbox. */
export const FLUSH_DUE = 8;
/** The socket had taken everything after the last write, so reading `untakenBytes` is unnecessary. */
export const HAS_TAKEN_ALL = 16;
/** The connection was reported as a slow consumer, and the socket has not drained since. */
export const SLOW = 32;
