/**
 * What the client says of an option or argument that is not accepted. The bundler replaces the file by `texts.min.ts` in the smallest
 * build, whose errors have the same codes and names, but do not tell what would be accepted.
 */
import { SendallError, type SendallErrorCode } from "../api/errors.js";
import { MAX_NAME_LENGTH } from "../api/names.js";
import { show } from "../runtime/show.js";

const WAIT = "a whole number of milliseconds from 0";
const COUNT = "a whole number from 0";

const EXPECTED: Readonly<Record<string, string>> = {
  options: "an object",
  protocols: "the name of a subprotocol, a token of HTTP and not sendall.1, or an array of different names",
  headers:
    "an object of header names and strings, or a function that returns one, in Node alone and not beside WebSocket",
  session: "true or false",
  reconnect: "an object, or false",
  "reconnect.minMs": WAIT,
  "reconnect.maxMs": WAIT,
  "reconnect.factor": "a number from 1",
  "reconnect.jitter": "a number from 0 to 1",
  "reconnect.attempts": `${COUNT}, or Infinity`,
  offline: "an object",
  "offline.maxMessages": `${COUNT}, or Infinity`,
  "offline.maxBytes": `${COUNT}, or Infinity`,
  WebSocket: "a class in the shape of a browser's WebSocket; there is none here by default, or its clock is none",
  url: "a URL that begins with ws://, wss://, http:// or https://, without a fragment; relative in a page alone",
  protocol: "what protocol() has returned, which on and calls need",
  on: "an object of functions by name",
  calls: "an object",
  message: "a string, a Uint8Array or an ArrayBuffer",
  channel: `a name of 1 to ${MAX_NAME_LENGTH} characters without a comma, which no open channel has`,
  "close code": "1000 or 3000-4999",
};

/** Whether an error tells the address, and what was tried. */
export const IS_WORDY: boolean = true;

/** What is told of a connection that could not be made, or broke. */
export function connectionText(url: string, isOpen: boolean, problem: string): string {
  // The query may have a token.
  const to = url && ` to ${url.split("?", 1)}`;
  return `${isOpen ? `the connection${to} broke` : `cannot connect${to}`}: ${problem}`;
}

export const ADVICE = "; a server other than Sendall needs session: false";
export const UNREADABLE = "unreadable";
export const NO_WELCOME = "the first frame is no welcome";
export const BAD_WELCOME = "the welcome contradicts the session";
export const NO_ANSWER = "no answer in time";
export const NO_CAUSE = "no cause is known";
export const CLIENT_ENDED = "the client has ended";

/** @param what names the code of the program */
export function failureText(what: string, problem: string): string {
  return `${what} failed: ${problem}`;
}

export function callbackText(type: string): string {
  return `the callback for "${type || "status"}"`;
}

/** A second welcome has the token of the session, which no text may show. */
export function badFrameText(frame: string): string {
  return `bad control frame ${frame.replace(/^~\{.*/s, "~{…}").slice(0, 60)}`;
}

export function unreadableText(frame: unknown): string {
  return `a message came as ${String(frame)}, not an ArrayBuffer`;
}

export function channelEndedText(name: string): string {
  return `the channel "${name}" ended before it was open`;
}

export function channelRefusedText(name: string, reason: string): string {
  return `the channel "${name}" was refused: ${reason}`;
}

function fail(name: string, problem: string, code: SendallErrorCode = "BAD_OPTION"): never {
  throw new SendallError(code, `${name}: ${problem}`, code === "BAD_OPTION" ? { option: name } : {});
}

/** Throws an error for an option or argument, without headers, which may be secret; every option without a row is a function. */
export function refuse(name: string, value: unknown, code?: SendallErrorCode): never {
  fail(
    name,
    `expected ${EXPECTED[name] ?? "a function"}, got ${name === "headers" ? "something else" : show(value)}`,
    code,
  );
}

/** Throws an error for an option that does not exist. @param group the name of the group of the known options, if any */
export function refuseUnknown(name: string, known: object, group: string): never {
  const names = Object.keys(known).map((key) => (group && `${group}.`) + key);
  fail(name, `unknown option: the options are ${names.join(", ")}`);
}

/** Throws an error for a type of events. @param lists by the types of events, and the names of a protocol's messages */
export function refuseType(type: unknown, lists: object): never {
  const types = Object.keys(lists).filter(Boolean);
  const last = JSON.stringify(types.pop());
  fail("type", `expected ${types.map((name) => JSON.stringify(name)).join(", ")} or ${last}, got ${show(type)}`);
}
