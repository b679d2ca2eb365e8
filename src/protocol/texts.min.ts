/** Stands in for `texts.ts` in the module for pages. */
import { SendallError, type SendallErrorCode } from "../api/errors.js";

export const IS_WORDY = false;

/** A page tells its own program. */
export function cutText(text: unknown): string {
  return String(text);
}

export const SCHEMA_FAILED = "bad schema";
export const NO_JSON = "bad JSON";
export const NO_REASON = "bad refusal";
export const MESSAGE_REFUSED = "refused";
export const PROMISED = "bad schema";

/** What is told of a name that is not known. */
export function unknownText(known: Iterable<string>, _verb?: string): string {
  return `expected ${[...known]}`;
}

/** Throws an error for an option. */
export function refuseOption(option: string, _expected: string): never {
  throw new SendallError("BAD_OPTION", `bad ${option}`, { option });
}

/** Pages refuse nothing. */
export function checkRefusal(_reason: unknown, _message: unknown, _data: unknown): void {}

/** A refusal without message. */
export function reasonText(reason: string): string {
  return reason;
}

/** What is told of a call that has no answer. */
export function callText(_code: SendallErrorCode, isSent: boolean): string {
  return isSent ? "may have happened" : "not sent";
}
