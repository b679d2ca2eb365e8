/**
 * The silence of a peer, which a loop gets in place of a message and the `idle` callback of a module gets as its first argument: the
 * peer has sent nothing for the `ms` milliseconds of `connection.idle(ms)`.
 */
export const idle: unique symbol = Symbol("sendall.idle");
