/** The controllers behind `connection.signal`: of connections and of subscriptions, made when the program first asks for the signal. */
import { type LeakOwner, runFor } from "../../runtime/unhandled-rejections.js";

/** @param hasEnded whether the connection has gone already */
export function createAbort(hasEnded: boolean): AbortController {
  const abort = new AbortController();
  if (hasEnded) abort.abort();
  return abort;
}

/** Exceptions of the signal's listeners belong to the handler, like exceptions of any callback left behind by the handler. */
export function abortFor(owner: LeakOwner, abort: AbortController | undefined): void {
  if (abort !== undefined) runFor(owner, () => abort.abort());
}
