/** The typed half of a test's client, with an inbox that knows which frame is which message of the protocol, and which is an answer. */
import { SendallError } from "../../api/errors.js";
import type { Protocol } from "../../protocol/protocol.js";
import type { CreateTypedHalf } from "../../protocol/typed-client.js";
import { parse } from "../../protocol/wire.js";
import { show } from "../../runtime/show.js";
import type { Inbox } from "./inbox.js";

/** @param onText called with a text frame before the protocol reads the frame; puts the frame into the inbox, unless the frame is there */
export function createTapped(protocol: Protocol, inbox: Inbox, onText: (text: string) => void): CreateTypedHalf {
  const { definition, createClient } = protocol["~sendall"];
  return (plain, options, lists, enlist, emit, report, post, line) => {
    const ids = new Set<unknown>();
    const postCall: typeof post = (text, call) => {
      ids.add(parse(text)?.at(-1));
      return post(text, call);
    };
    const [face, take] = createClient(plain, options, lists, enlist, emit, report, postCall, line);
    const tap: typeof take = (type, argument) => {
      if (definition.fromServer.has(type)) inbox.nameLast(type, argument);
      if (type !== "message" || typeof argument !== "string") return take(type, argument);
      onText(argument);
      if (ids.delete(parse(argument)?.[0])) inbox.takeLast();
      return take(type, argument);
    };
    return [face, tap];
  };
}

/** `next` of a typed client. @param name `[]` for the next frame of any kind */
export function nextOf(protocol: Protocol, inbox: Inbox, name: readonly unknown[]): Promise<unknown> {
  if (name.length === 0) return inbox.next();
  const known = [...protocol["~sendall"].definition.fromServer.keys()];
  const asked = known.find((one) => one === name[0]);
  if (asked !== undefined) return inbox.nextNamed(asked);
  const expected = known.map((one) => JSON.stringify(one)).join(", ") || "no name, since the server says nothing";
  return Promise.reject(
    new SendallError("BAD_DATA", `next: the server says no ${show(name[0])}; expected ${expected}`),
  );
}
