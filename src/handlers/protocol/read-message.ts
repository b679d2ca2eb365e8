/** Reads a text frame of a client by the rules of the wire (`protocol/wire.ts`): which message or call it is, before any schema is asked. */
import { isId, parse } from "../../protocol/wire.js";
import { type InvalidMessage, invalidFrame, unknownName } from "./invalid-message.js";

/** A message or call whose name the protocol knows. */
export interface ClientFrame<M> {
  readonly message: M;
  readonly payload: unknown;
  /** Of a call alone. */
  readonly id: number | undefined;
}

const NO_ARRAY = 'expected a JSON array that begins with a name: ["name",payload], or ["name",payload,id] for a call';

/** @param messages by name; those with `output` are calls */
export function readMessage<M extends { readonly output: unknown }>(
  messages: ReadonlyMap<string, M>,
  text: string,
): ClientFrame<M> | InvalidMessage {
  const parts = parse(text);
  if (parts === undefined) return invalidFrame(NO_ARRAY);
  const [name, payload, last] = parts;
  if (typeof name === "number") return invalidFrame("an answer, but the server has called nothing");
  const id = parts.length > 2 && isId(last) ? last : undefined;
  const message = messages.get(name);
  if (message === undefined) return unknownName(name, id);
  if (parts.length > 3) return invalidFrame("more than three elements", id);
  if (message.output === undefined) {
    if (parts.length > 2) return invalidFrame("a message, not a call: expected no third element", id);
    return { message, payload, id: undefined };
  }
  if (id !== undefined) return { message, payload, id };
  // A call without payload.
  if (parts.length === 2 && isId(payload)) return { message, payload: undefined, id: payload };
  return invalidFrame("a call: expected an id, a whole number from 0, as the last element");
}
