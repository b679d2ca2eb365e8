/** The states of a connection, bits of one number: as booleans they would take 16 bytes more of every silent connection. */

/** The handler has seen `open`, or sees it now. */
export const ANNOUNCED = 1;
/** The server is closing: nothing more is accepted from the peer. */
export const STOPPED_RECEIVING = 2;
/** A log line has told that the transport takes no bytes. */
export const DROPPED_BYTES = 4;
