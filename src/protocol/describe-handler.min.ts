/** Stands in for `describe-handler.ts` in the module for pages: no handler runs there, and the server checks the same protocol's. */
import type { Definition } from "./definition.js";

type Functions = Readonly<Record<string, ((...given: never[]) => unknown) | undefined>>;

export function describeHandler(definition: Definition, functions: Functions, options: object = {}): object {
  return {
    [Symbol.for("sendall.protocol.handler")]: {
      definition,
      onInvalid: "answer",
      ...options,
      find: (name: string) => functions[name]?.bind(functions),
    },
  };
}
