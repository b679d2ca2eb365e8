/**
 * Silence, as a loop gets it in place of a message, and the `idle` callback of a module as its first argument: the peer has sent
 * nothing for as long as `connection.idle(ms)` asked.
 */
export const idle: unique symbol = Symbol("sendall.idle");
