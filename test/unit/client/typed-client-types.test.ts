/** What the compiler knows of a typed client: payloads, answers and listeners are inferred; wrong uses do not compile, in readable words. */
import { type Client, connect, type TypedChannel, type TypedClient } from "sendall/client";
import { protocol } from "sendall/protocol";
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { complaintsAbout } from "../../compiling.js";

const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string() }),
    typing: z.undefined(),
    at: z.string().transform((text) => new Date(text)),
    join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) },
    who: { input: z.undefined(), output: z.string().transform((text) => text.length) },
  },
  fromServer: { said: z.object({ text: z.string().transform((text) => text.length) }), gone: z.undefined() },
});

/** Not called: what matters is that it compiles. */
function uses(): void {
  // A listener may use the client that is just made.
  const client = connect("/", {
    protocol: chat,
    on: {
      said({ text }) {
        expectTypeOf(text).toBeNumber();
        client.send("typing");
      },
      gone: () => client.close(),
    },
    onMessage: (data) => expectTypeOf(data).toEqualTypeOf<Uint8Array>(),
    onOpen: () => client.send("at", "noon"),
  });
  expectTypeOf(client).toEqualTypeOf<TypedClient<typeof chat>>();
  client.send("say", { text: "hi" });
  client.send(new Uint8Array(1));
  expectTypeOf(client.call("join", { room: "a" }, { timeoutMs: 5, signal: AbortSignal.timeout(5) })).toEqualTypeOf<
    Promise<{ members: number }>
  >();
  expectTypeOf(client.call("who")).toEqualTypeOf<Promise<number>>();
  client.call("who", undefined, { timeoutMs: 5 });
  client.on("said", ({ text }) => expectTypeOf(text).toBeNumber());
  client.on("message", (data) => expectTypeOf(data).toEqualTypeOf<Uint8Array>());
  client.on("close", ({ code }) => expectTypeOf(code).toBeNumber());
  const channel = client.channel("a", { protocol: chat, on: { said: ({ text }) => text.toFixed() } });
  expectTypeOf(channel).toEqualTypeOf<TypedChannel<typeof chat>>();
  channel.on("said", ({ text }) => expectTypeOf(text).toBeNumber());
  channel.call("who").then((length) => expectTypeOf(length).toBeNumber());
  // Without a protocol all is as ever, also a callback that uses the client that is just made.
  const plain = connect("/", { onMessage: (data) => plain.send(data), onOpen: () => plain.send("hi") });
  expectTypeOf(plain).toEqualTypeOf<Client>();
  plain.channel("a", { onMessage: (data) => data.length }).send("hi");
}

test("payloads, answers and listeners have the types of the schemas", () => {
  expect(uses).toBeTypeOf("function");
});

const CODE = `import { connect } from "sendall/client";
import { protocol } from "sendall/protocol";
import { z } from "zod";
const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string() }),
    typing: z.undefined(),
    join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) },
    who: { input: z.undefined(), output: z.array(z.string()) },
  },
  fromServer: { said: z.object({ text: z.string() }), gone: z.string() },
});
export const client = connect("/", { protocol: chat });
`;

/** A wrong use, and what the compiler says. */
const WRONG: Readonly<Record<string, readonly [code: string, complaint: RegExp]>> = {
  "the name of no message": [
    `client.send("sya", { text: "" });`,
    /'"sya"' is not assignable to parameter of type '"say" \| "typing" \| ArrayBuffer \| Uint8Array/,
  ],
  "a call that is sent": [
    `client.send("join", { room: "" });`,
    /'"join"' is not assignable to parameter of type '"say" \| "typing"/,
  ],
  "a misspelt member": [
    `client.send("say", { txt: "" });`,
    /'txt' does not exist in type '\{ text: string; \}'. Did you mean to write 'text'/,
  ],
  "a missing payload": [`client.send("say");`, /Expected 2 arguments, but got 1/],
  "a text as in a plain client": [`client.send("hi");`, /'"hi"' is not assignable to parameter of type '"say"/],
  "a message that is called": [
    `client.call("say", { text: "" });`,
    /'"say"' is not assignable to parameter of type '"join" \| "who"'/,
  ],
  "a wrong payload of a call": [`client.call("join", { room: 5 });`, /'number' is not assignable to type 'string'/],
  "a missing payload of a call": [`client.call("join");`, /Expected 2-3 arguments, but got 1/],
  "options in place of a payload": [
    `client.call("who", { timeoutMs: 5 });`,
    /'\{ timeoutMs: number; \}' is not assignable to parameter of type 'undefined'/,
  ],
  "a misspelt option of a call": [
    `client.call("who", undefined, { timeout: 5 });`,
    /'timeout' does not exist in type 'CallOptions'. Did you mean to write 'timeoutMs'/,
  ],
  "an answer that is read wrongly": [
    `client.call("join", { room: "" }).then(({ count }) => count);`,
    /Property 'count' does not exist on type '\{ members: number; \}'/,
  ],
  "a listener for no message": [
    `client.on("sayd", () => {});`,
    /'"sayd"' is not assignable to parameter of type '"gone" \| "said" \| keyof ClientEvents'/,
  ],
  "a listener for another payload": [
    `client.on("gone", (who: number) => who);`,
    /Type 'string' is not assignable to type 'number'/,
  ],
  "an option for no message": [
    `connect("/", { protocol: chat, on: { sayd() {} } });`,
    /'sayd' does not exist in type 'MessageListeners<\{ readonly said: \{ text: string; \}; readonly gone: string; \}>'/,
  ],
  "listeners without a protocol": [`connect("/", { on: { said() {} } });`, /is not assignable to type 'undefined'/],
  "a protocol that is none": [`connect("/", { protocol: {} });`, /Property '"~sendall"' is missing in type '\{\}'/],
  "a misspelt bound of calls": [
    `connect("/", { protocol: chat, calls: { max: 5 } });`,
    /'max' does not exist in type 'CallBounds'/,
  ],
  "a channel's option for no message": [
    `client.channel("a", { protocol: chat, on: { lft() {} } });`,
    /'lft' does not exist in type 'MessageListeners</,
  ],
};

test("wrong uses do not compile, and the compiler's words name what is wrong", async () => {
  const programs = Object.values(WRONG);
  const complaints = await complaintsAbout(programs.map(([code]) => `${CODE}${code}\n`));
  for (const [i, [code, complaint]] of programs.entries()) expect(complaints[i], code).toMatch(complaint);
  // One complaint each: the code before the wrong use compiles.
  expect(complaints.map((text) => text.match(/error TS/g)?.length)).toEqual(programs.map(() => 1));
});
