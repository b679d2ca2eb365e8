/** `refuse`: what a function of a protocol's handler throws in order to refuse a message or call. */
import { checkRefusal } from "./texts.js";

/** Tells a refusal, also one made by another copy of this module. */
const REFUSAL: unique symbol = Symbol.for("sendall.refusal") as never;

/** Thrown by a handler to tell the peer why a message or call is refused; no failure of the handler. Made by {@link refuse}. */
export interface ProtocolRefusal extends Error {
  readonly [REFUSAL]: true;
  /** The word for the client's program. */
  readonly reason: string;
  /** What the client gets beside the reason. */
  readonly data?: unknown;
}

/**
 * Makes the error for a handler to throw when it refuses a message or a call: `throw refuse("FULL", "the room is full", { room })`. A call
 * rejects at the client with `CALL_REFUSED`; the refusal of a message goes to the client's `onError` as `MESSAGE_REFUSED`. A refusal is no
 * failure of the handler. Other errors that a handler throws tell the client nothing.
 * @param reason a word for the client's program
 * @param message for people. Default: the reason
 * @param data what the client gets beside the reason, turned into JSON. Default: nothing
 * @throws SendallError `BAD_DATA` for a reason that is no text, is empty, or is `INVALID_MESSAGE`, `CALL_FAILED` or `CALL_TIMEOUT`; for a
 * message that is no text, and for data that cannot be turned into JSON
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { protocol, refuse } from "sendall/protocol";
 * import { z } from "zod";
 *
 * const game = protocol({ fromClient: { join: { input: z.string(), output: z.number() } } });
 * const handler = game.handler({
 *   join(table, { connection, bus }) {
 *     if (bus.members(table).length === 2) throw refuse("FULL", "the table is full", { table });
 *     connection.join(table);
 *     return bus.members(table).length;
 *   },
 * });
 * const server = await serve({ port: 8080, handler });
 * console.log(server.url);
 * ```
 */
export function refuse(reason: string, message: string = reason, data?: unknown): ProtocolRefusal {
  checkRefusal(reason, message, data);
  return Object.assign(new Error(message), { name: "Refusal", [REFUSAL]: true as const, reason, data });
}

export function isRefusal(thrown: unknown): thrown is ProtocolRefusal {
  return (thrown as Partial<ProtocolRefusal> | undefined)?.[REFUSAL] === true;
}
