/** What tests of typed clients share: schemas by hand, and a protocol. */
import type { CallOptions, TypedClient } from "../../../src/client.js";
import { protocol, type Schema, type SchemaResult } from "../../../src/protocol.js";

/** A schema by hand. */
export function schema<I, O = I>(validate: (value: I) => SchemaResult<O> | Promise<SchemaResult<O>>): Schema<I, O> {
  return { "~standard": { version: 1, vendor: "hand", validate: validate as (value: unknown) => never } };
}

/** Takes what passes the test. */
export function only<T>(isRight: (value: unknown) => boolean, message: string): Schema<T> {
  return schema<T>((value) => (isRight(value) ? { value } : { issues: [{ message, path: [] }] }));
}

export const text: Schema<string> = only((value) => typeof value === "string", "no text");
export const nothing: Schema<undefined> = only((value) => value === undefined, "not nothing");
/** Hands out a number for digits. */
export const digits: Schema<string, number> = schema((value) =>
  /^\d+$/.test(value) ? { value: Number(value) } : { issues: [{ message: "no digits", path: ["deep", { key: 0 }] }] },
);

export const chat = protocol({
  fromClient: {
    say: text,
    typing: nothing,
    count: digits,
    join: { input: text, output: digits },
    who: { input: nothing, output: only<string[] | null | undefined>(() => true, "") },
  },
  fromServer: { said: text, counted: digits, left: nothing },
});

/** A call whose outcome is a value. */
export function outcome(answer: Promise<unknown>): Promise<unknown> {
  return answer.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
}

/** Calls `who`. */
export function who(client: Pick<TypedClient<typeof chat>, "call">, options: CallOptions = {}): Promise<unknown> {
  return outcome(client.call("who", undefined, options));
}
