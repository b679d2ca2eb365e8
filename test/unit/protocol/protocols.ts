/**
 * The protocol of the tests, four times: with schemas of zod, valibot and arktype, and by hand. The compiler checks that the four mean the
 * same types. `double` and `at` have transforms, which may run once, at the receiver.
 */
import { type } from "arktype";
import { type Protocol, type ProtocolOptions, protocol, type Schema, type SchemaResult } from "sendall/protocol";
import * as v from "valibot";
import { z } from "zod";

/** What is said, in types alone. */
export interface TalkSpec {
  readonly fromClient: {
    readonly say: Schema<{ text: string }>;
    readonly typing: Schema<undefined>;
    readonly double: Schema<{ n: string }, { n: number }>;
    readonly nested: Schema<{ users: { name: string }[] }>;
    readonly join: { readonly input: Schema<{ room: string }>; readonly output: Schema<{ members: number }> };
    readonly who: { readonly input: Schema<undefined>; readonly output: Schema<string[]> };
    readonly leave: { readonly input: Schema<{ room: string }>; readonly output: Schema<undefined> };
    readonly later: { readonly input: Schema<string>; readonly output: Schema<string, number> };
  };
  readonly fromServer: {
    readonly said: Schema<{ nick: string; text: string }>;
    readonly quiet: Schema<undefined>;
    readonly at: Schema<string, number>;
  };
}

export type Talk = Protocol<TalkSpec>;

const withZod: TalkSpec = {
  fromClient: {
    say: z.object({ text: z.string().max(20) }),
    typing: z.undefined(),
    double: z.object({ n: z.string().transform((n) => Number(n) * 2) }),
    nested: z.object({ users: z.array(z.object({ name: z.string() })) }),
    join: { input: z.object({ room: z.string().min(1) }), output: z.object({ members: z.number() }) },
    who: { input: z.undefined(), output: z.array(z.string()) },
    leave: { input: z.object({ room: z.string().min(1) }), output: z.undefined() },
    later: { input: z.string(), output: z.string().transform((text) => text.length) },
  },
  fromServer: {
    said: z.object({ nick: z.string(), text: z.string().max(20) }),
    quiet: z.undefined(),
    at: z.string().transform((text) => text.length),
  },
};

const withValibot: TalkSpec = {
  fromClient: {
    say: v.object({ text: v.pipe(v.string(), v.maxLength(20)) }),
    typing: v.undefined(),
    double: v.object({
      n: v.pipe(
        v.string(),
        v.transform((n) => Number(n) * 2),
      ),
    }),
    nested: v.object({ users: v.array(v.object({ name: v.string() })) }),
    join: {
      input: v.object({ room: v.pipe(v.string(), v.minLength(1)) }),
      output: v.object({ members: v.number() }),
    },
    who: { input: v.undefined(), output: v.array(v.string()) },
    leave: { input: v.object({ room: v.pipe(v.string(), v.minLength(1)) }), output: v.undefined() },
    later: {
      input: v.string(),
      output: v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
    },
  },
  fromServer: {
    said: v.object({ nick: v.string(), text: v.pipe(v.string(), v.maxLength(20)) }),
    quiet: v.undefined(),
    at: v.pipe(
      v.string(),
      v.transform((text) => text.length),
    ),
  },
};

const withArktype: TalkSpec = {
  fromClient: {
    say: type({ text: "string <= 20" }),
    typing: type("undefined"),
    double: type({ n: type("string").pipe((n) => Number(n) * 2) }),
    nested: type({ users: type({ name: "string" }).array() }),
    join: { input: type({ room: "string > 0" }), output: type({ members: "number" }) },
    who: { input: type("undefined"), output: type("string[]") },
    leave: { input: type({ room: "string > 0" }), output: type("undefined") },
    later: { input: type("string"), output: type("string").pipe((text) => text.length) },
  },
  fromServer: {
    said: type({ nick: "string", text: "string <= 20" }),
    quiet: type("undefined"),
    at: type("string").pipe((text) => text.length),
  },
};

/** A schema by hand. @param check what is wrong, by where; nothing is wrong if `check` returns nothing */
export function schemaOf<I, O = I>(
  check: (value: never) => Readonly<Record<string, string>> | undefined,
  transform: (value: I) => O = (value) => value as never,
): Schema<I, O> {
  return {
    "~standard": {
      version: 1,
      vendor: "by hand",
      validate(value): SchemaResult<O> {
        const wrong = Object.entries(check(value as never) ?? {});
        if (wrong.length === 0) return { value: transform(value as I) };
        return { issues: wrong.map(([path, message]) => ({ message, path: path === "" ? [] : path.split(".") })) };
      },
    },
  };
}

const isText = (value: unknown): value is string => typeof value === "string";
const anything = (value: unknown): Record<string, unknown> => Object(value);

/** An object of texts, each with at least and at most so many characters. */
export function texts<const N extends string>(
  lengths: Readonly<Record<N, readonly [least: number, most: number]>>,
): Schema<{ [K in N]: string }> {
  return schemaOf((value: unknown) => {
    const wrong = Object.entries<readonly [number, number]>(lengths).filter(([name, [least, most]]) => {
      const text = anything(value)[name];
      return !isText(text) || text.length < least || text.length > most;
    });
    return Object.fromEntries(wrong.map(([name, [least, most]]) => [name, `expected ${least} to ${most} characters`]));
  });
}

/** Takes what the test holds for right. */
export function only<T>(fits: (value: unknown) => boolean, expected = "something else"): Schema<T> {
  return schemaOf((value) => (fits(value) ? undefined : { "": `expected ${expected}` }));
}

const nothing = only<undefined>((value) => value === undefined, "no payload");
const someText = only<string>(isText, "a text");
const lengthOfText: Schema<string, number> = schemaOf(
  (value: unknown) => (isText(value) ? undefined : { "": "expected a text" }),
  (text) => text.length,
);

const byHand: TalkSpec = {
  fromClient: {
    say: texts({ text: [0, 20] }),
    typing: nothing,
    double: schemaOf(
      (value: unknown) => (isText(anything(value).n) ? undefined : { n: "expected a text" }),
      ({ n }: { n: string }) => ({ n: Number(n) * 2 }),
    ),
    nested: schemaOf((value: unknown) => {
      const { users } = anything(value);
      if (!Array.isArray(users)) return { users: "expected a list" };
      const wrong = users.flatMap((user, i) => (isText(anything(user).name) ? [] : [i]));
      return Object.fromEntries(wrong.map((i) => [`users.${i}.name`, "expected a text"]));
    }),
    join: {
      input: texts({ room: [1, 100] }),
      output: schemaOf((value: unknown) =>
        typeof anything(value).members === "number" ? undefined : { members: "expected a number" },
      ),
    },
    who: { input: nothing, output: only((value) => Array.isArray(value) && value.every(isText), "texts") },
    leave: { input: texts({ room: [1, 100] }), output: nothing },
    later: { input: someText, output: lengthOfText },
  },
  fromServer: { said: texts({ nick: [0, 100], text: [0, 20] }), quiet: nothing, at: lengthOfText },
};

const SPECS = { zod: withZod, valibot: withValibot, arktype: withArktype, "schemas by hand": byHand };

export type Library = keyof typeof SPECS;

/** For `describe.each`. */
export const LIBRARIES: readonly Library[] = ["zod", "valibot", "arktype", "schemas by hand"];

/** A new protocol with the schemas of a library. */
export function talkWith(library: Library, options?: ProtocolOptions): Talk {
  return protocol(SPECS[library], options);
}
