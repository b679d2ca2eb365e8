/** What `handler` of a protocol returns: a description, which the server recognizes by a symbol, since pages and servers may have copies of this file. */
import type { Definition } from "./definition.js";
import { readMembers } from "./names.js";
import { refuseOption } from "./texts.js";

/** Where the server finds the description. */
const DESCRIPTION: unique symbol = Symbol.for("sendall.protocol.handler") as never;

type UserFunction = (...given: never[]) => unknown;

/** A handler of a protocol, checked. */
export interface HandlerDescription {
  readonly definition: Definition;
  readonly onInvalid: "answer" | "close" | "drop";
  /** @returns `undefined` for an event that the handler does not take */
  find(name: string): UserFunction | undefined;
}

/** The events that have a function of their own name; of messages only binary frames do. */
export const EVENTS: readonly string[] = [
  "open",
  "closed",
  "error",
  "info",
  "idle",
  "bytes",
  "away",
  "back",
  "joined",
  "changed",
  "left",
];
const OTHERS = [...EVENTS, "init", "stop"];
const CHOICES: readonly unknown[] = ["answer", "close", "drop"];

/** The functions may stand in a class; every object has functions of its own class, such as `toString`. */
function find(functions: object, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(functions, name) ? undefined : Reflect.get(functions, name);
}

/** @returns `undefined` for any other value */
export function descriptionOf(value: unknown): HandlerDescription | undefined {
  return (value as { [DESCRIPTION]?: HandlerDescription } | undefined)?.[DESCRIPTION];
}

export function describeHandler(definition: Definition, functions: object, options: object = {}): object {
  if (Object(functions) !== functions) refuseOption("handler", "expected an object of functions by name");
  const known = [...definition.fromClient.keys()];
  for (const name of known)
    if (typeof find(functions, name) !== "function")
      refuseOption(`handler.${name}`, "expected a function for each name of fromClient");
  for (const name of Object.keys(functions)) {
    const isOther = OTHERS.includes(name);
    if (!isOther && !definition.fromClient.has(name))
      refuseOption(
        `handler.${name}`,
        `unknown; fromClient has ${known.join(", ") || "no names"}; other functions are ${OTHERS.join(", ")}`,
      );
    const value = find(functions, name);
    if (isOther && value !== undefined && typeof value !== "function")
      refuseOption(`handler.${name}`, "expected a function");
  }
  const { onInvalid = "answer" } = readMembers("", options, ["onInvalid"]) as {
    onInvalid?: HandlerDescription["onInvalid"];
  };
  if (!CHOICES.includes(onInvalid)) refuseOption("onInvalid", 'expected "answer", "close" or "drop"');
  const description: HandlerDescription = {
    definition,
    onInvalid,
    find(name) {
      const found = find(functions, name) as UserFunction | undefined;
      return found?.bind(functions);
    },
  };
  return { [DESCRIPTION]: description };
}
