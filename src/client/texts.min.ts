/** Stands in for `texts.ts` in the smallest build. */
import { SendallError, type SendallErrorCode } from "../api/errors.js";

export const IS_WORDY = false;

export function connectionText(_url: string, _isOpen: boolean, problem: string): string {
  return problem;
}

export const ADVICE = "; try session: false";
export const UNREADABLE = "?";
export const NO_WELCOME = "bad";
export const BAD_WELCOME = "bad";
export const NO_ANSWER = "silence";
export const NO_CAUSE = "closed";
export const CLIENT_ENDED = "closed";

export function failureText(what: string, problem: string): string {
  return `${what}: ${problem}`;
}

export function callbackText(type: string): string {
  return type;
}

export function badFrameText(_frame: string): string {
  return "bad";
}

export function unreadableText(_frame: unknown): string {
  return "bad";
}

export function channelEndedText(_name: string): string {
  return CLIENT_ENDED;
}

export function channelRefusedText(_name: string, reason: string): string {
  return reason;
}

/** Throws an error for an option or argument. */
export function refuse(name: string, _value: unknown, code: SendallErrorCode = "BAD_OPTION"): never {
  throw new SendallError(code, `bad ${name}`, { option: name });
}

/** Throws an error for an option that does not exist. */
export const refuseUnknown: (name: string, known: object, group: string) => never = refuse as never;

/** Throws an error for a type of events. */
export function refuseType(type: unknown, _lists: object): never {
  refuse("type", type);
}
