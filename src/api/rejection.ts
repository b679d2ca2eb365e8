/**
 * Refusals of an upgrade: HTTP answers in place of the upgrade. The server makes a `Refusal` for its own reasons; the user's `authorize`
 * makes a `Rejection`, by `reject`.
 */

import { show } from "../runtime/show.js";
import { SendallError } from "./errors.js";

/** An HTTP answer in place of an upgrade. */
export interface Refusal {
  readonly status: number;
  /** One line that names the cause. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The result of `reject`, which `authorize` returns or throws. */
export class Rejection {
  /** The answer in place of the upgrade. */
  readonly refusal: Refusal;

  /** Made by `reject`. */
  constructor(refusal: Refusal) {
    this.refusal = refusal;
  }
}

/**
 * A token and a field value (RFC 9110 section 5): a line break in either would let the author of a header write the rest of the answer.
 */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~\w]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Refuses an upgrade with the given status, body and headers, unchanged. `authorize` has to return or throw the result.
 *
 * @param status an HTTP status from 400 to 599, or a redirect from 300
 * @throws SendallError `BAD_DATA` for any other status, a body that is not a string, or a header that HTTP does not allow
 *
 * @example
 * ```ts
 * import { reject, serve } from "sendall";
 *
 * const server = await serve({
 *   port: 8080,
 *   authorize: ({ cookies }) => (cookies.user === undefined ? reject(401, "log in first") : { user: cookies.user }),
 *   handler(event) {
 *     if (event.type === "open") event.connection.send(`hello, ${event.connection.data.user}`);
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export function reject(status: number, body = "", headers: Readonly<Record<string, string>> = {}): Rejection {
  if (!Number.isInteger(status) || status < 300 || status > 599)
    throw new SendallError("BAD_DATA", `reject: expected an HTTP status from 300 to 599, got ${show(status)}`);
  if (typeof body !== "string")
    throw new SendallError("BAD_DATA", `reject: expected a string as body, got ${show(body)}`);
  for (const [name, value] of Object.entries(headers))
    if (!HEADER_NAME.test(name) || typeof value !== "string" || !HEADER_VALUE.test(value))
      throw new SendallError("BAD_DATA", `reject: expected headers of one line each, got ${show({ [name]: value })}`);
  return new Rejection({ status, body, headers });
}
