/** The states of a WebSocket's socket, bits of one number: as booleans they would take 16 bytes more of every silent connection. */

/** The socket will tell when it has drained. */
export const WAITS_FOR_DRAIN = 1;
/** The connection has paused the socket. */
export const HELD = 2;
/** The peer has closed, or broken the protocol: anything that still arrives is ignored. */
export const STOPPED = 4;
