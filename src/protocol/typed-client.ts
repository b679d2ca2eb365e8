/**
 * The typed half of a client, or of a channel of a client: names and checks of messages, and calls. A page loads this file with the
 * protocol, and the client hands over what is needed: a contract between two bundles, in tuples, since names would be shortened. The half
 * ends with its client or channel, and a call when it is settled.
 */
import type { SendallError } from "../api/errors.js";
import { isPromiseLike } from "../runtime/promises.js";
import { createCalls, type Line } from "./calls.js";
import { check, invalid, promised, refusedFor } from "./check.js";
import type { ClientMessage, Definition } from "./definition.js";
import { encodeMessage } from "./encode-message.js";
import { readMembers, refuseName } from "./names.js";
import { refusalOf } from "./refusal.js";
import type { Schema } from "./standard-schema.js";
import { MESSAGE_REFUSED, unknownText } from "./texts.js";
import { parse, REFUSED } from "./wire.js";

/** What the typed half uses of the plain client or channel. */
interface Plain {
  readonly state: string;
  send(data: unknown): boolean;
  close(...farewell: unknown[]): boolean;
}

/** Makes the face that a program gets, and a function that takes an event before the callbacks: `true` if there is nothing left to tell. */
export type CreateTypedHalf = (
  plain: object,
  /** The options `on` and `calls`. */
  options: { readonly on?: Readonly<Record<string, unknown>> | undefined; readonly calls?: object | undefined },
  /** Callbacks by the name of their event. */
  lists: Record<string, (readonly [callback: unknown])[]>,
  enlist: (name: string, listener: never) => unknown,
  /** Calls the callbacks of a name. */
  emit: (name: string, payload: unknown) => void,
  report: (error: SendallError) => void,
  /** Sends a call, or keeps the call. @returns `false` if not taken */
  post: (text: string, call: object) => boolean,
  line: Line,
) => readonly [face: object, take: (type: string, argument: unknown) => boolean];

/** What a server sends may be long. */
const MAX_NAME = 100;

export function createTypedHalf(
  { fromClient, fromServer, checksSent }: Definition,
  ...[face, { on = {}, calls: bounds = {} }, lists, enlist, emit, report, post, line]: Parameters<CreateTypedHalf>
): ReturnType<CreateTypedHalf> {
  const plain = face as Plain;
  const heard = [...fromServer.keys()];
  const messages = new Map<string, ClientMessage>();
  const answered = new Map<string, ClientMessage>();
  /** Schemas that have answered with a promise: what is sent is not checked by these. */
  const slow = new Set<Schema>();
  for (const [name, message] of fromClient) (message.output ? answered : messages).set(name, message);
  for (const name of heard) lists[name] = [];
  readMembers("on.", on, heard);
  // The object may be of a class; each object inherits some functions, such as `toString`.
  for (const name of heard) if (on[name] !== ({} as typeof on)[name]) enlist(name, on[name] as never);

  const calls = createCalls(bounds, post, () => /^clos/.test(plain.state), line);
  const find = (known: typeof messages, name: string, others: typeof messages, verb: string): ClientMessage =>
    known.get(name) ?? refuseName(String(name), known.keys(), "BAD_DATA", others.has(name) ? verb : undefined);
  const encode = (name: string, { input }: ClientMessage, payload: unknown, ...id: number[]): string =>
    encodeMessage(name, checksSent && !slow.has(input) ? input : undefined, payload, () => slow.add(input), ...id);
  const onText = (text: string): void => {
    const parts = parse(text) ?? [text, 0, 0];
    const [head, payload] = parts;
    if (typeof head === "number") calls.onAnswer(parts);
    else if (head === REFUSED) report(refusalOf("MESSAGE_REFUSED", MESSAGE_REFUSED, payload));
    else {
      const schema = parts.length < 3 && fromServer.get(head);
      const checked = schema ? check(schema, payload) : refusedFor(unknownText(heard));
      const name = head.slice(0, MAX_NAME);
      if (isPromiseLike(checked)) report(promised(name));
      else if (checked.issues) report(invalid(name, checked));
      else emit(head, checked.value);
    }
  };
  const own = {
    on: enlist,
    send: (name: unknown, payload?: unknown) =>
      plain.send(typeof name === "string" ? encode(name, find(messages, name, answered, "call"), payload) : name),
    call: (name: string, payload?: unknown, options?: object) =>
      new Promise((resolve, reject) => {
        const message = find(answered, name, messages, "send");
        calls.make(
          name,
          message.output as Schema,
          (id) => encode(name, message, payload, id),
          options,
          resolve,
          reject,
        );
      }),
    close(...farewell: unknown[]) {
      const isClosing = plain.close(...farewell);
      if (isClosing) calls.end();
      return isClosing;
    },
  };
  const take = (type: string, argument: unknown): boolean => {
    if (type === "close" && !(argument as { willRetry: boolean }).willRetry) calls.end();
    const isText = type === "message" && typeof argument === "string";
    if (isText) onText(argument);
    return isText;
  };
  return [Object.assign(Object.create(plain), own), take];
}
