/**
 * The silence of a peer, which a loop gets in place of a message and the `idle` callback of a module gets as its first argument: the
 * peer has sent nothing for the `ms` milliseconds of `connection.idle(ms)`.
 *
 * @example
 * ```ts
 * import { idle, perConnection, serve } from "sendall";
 *
 * const server = await serve({
 *   port: 8080,
 *   handler: perConnection(async (connection) => {
 *     connection.idle(60_000);
 *     for await (const message of connection) {
 *       if (message === idle) connection.send("still there?");
 *     }
 *   }),
 * });
 * console.log(server.url);
 * ```
 */
export const idle: unique symbol = Symbol("sendall.idle");
