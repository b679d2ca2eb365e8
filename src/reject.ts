/** How an upgrade is turned down before it happens: by us, or by the user's `authorize`. */
import { SendallError, show } from "./errors.js";

/** An HTTP answer in place of an upgrade. */
export interface Refusal {
  readonly status: number;
  /** One line that names the cause. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What `reject` returns; `authorize` hands it on. */
export class Rejection {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    this.refusal = refusal;
  }
}

/**
 * For `authorize`: turns the peer down with this status, body and these headers, unchanged.
 *
 * @param status an HTTP status from 400 to 599, or a redirect from 300
 * @throws SendallError `BAD_DATA` for any other status
 */
export function reject(status: number, body = "", headers: Readonly<Record<string, string>> = {}): Rejection {
  if (!Number.isInteger(status) || status < 300 || status > 599)
    throw new SendallError("BAD_DATA", `reject: expected an HTTP status from 300 to 599, got ${show(status)}`);
  return new Rejection({ status, body, headers });
}
