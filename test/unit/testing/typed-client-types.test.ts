/** Wrong uses of the typed test client do not compile, and the compiler's words name what is wrong. Uses the sources, without a build. */
import { expect, test } from "vitest";
import { complaintsAbout } from "../../compiling.js";

const PRELUDE = `
import { type Schema, protocol } from "sendall/protocol";
import { createTestRuntime } from "sendall/testing";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
declare const text: Schema<string>;
export const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string() }),
    typing: z.undefined(),
    join: { input: v.object({ room: v.string() }), output: type({ members: "number" }) },
    who: { input: z.undefined(), output: z.array(z.string()) },
  },
  fromServer: { said: z.object({ text: z.string().transform((text) => text.length) }), greeted: text },
});
const runtime = createTestRuntime({ handler() {} });
const ann = await runtime.connect({ protocol: chat });
`;

/** A wrong use, and what the compiler has to say of it. */
const WRONG: Readonly<Record<string, readonly [code: string, told: RegExp]>> = {
  "an unknown name in send": [
    `ann.send("shout", { text: "hi" });`,
    /'"shout"' is not assignable to .*"say" \| "typing"/,
  ],
  "a call as a message": [`ann.send("join", { room: "a" });`, /'"join"' is not assignable to .*"say" \| "typing"/],
  "a message of the server in send": [
    `ann.send("said", { text: "hi" });`,
    /'"said"' is not assignable to .*"say" \| "typing"/,
  ],
  "a wrong payload in send": [`ann.send("say", { text: 5 });`, /'number' is not assignable to type 'string'/],
  "a key that the schema does not know in send": [
    `ann.send("say", { text: "", nick: "" });`,
    /'nick' does not exist in type/,
  ],
  "a missing payload in send": [`ann.send("say");`, /Expected 2 arguments, but got 1/],
  "a payload where there is none": [`ann.send("typing", 5);`, /'5' is not assignable to parameter of type 'undefined'/],
  "raw text in send": [`ann.send('["say",{"text":"hi"}]');`, /is not assignable to .*"say" \| "typing"/],
  "a message as a call": [`void ann.call("say", { text: "hi" });`, /'"say"' is not assignable to .*"join" \| "who"/],
  "a wrong payload in call": [`void ann.call("join", { room: 5 });`, /'number' is not assignable to type 'string'/],
  "a missing payload in call": [`void ann.call("join");`, /Expected 2-3 arguments, but got 1/],
  "a misspelt option of a call": [
    `void ann.call("join", { room: "a" }, { timeoutMS: 5 });`,
    /'timeoutMS' does not exist in type/,
  ],
  "an answer that is read wrongly": [
    `const answer: string[] = await ann.call("join", { room: "a" });\nexport { answer };`,
    /'\{ members: number; \}' is .*string\[\]/,
  ],
  "a message of the client in next": [
    `void ann.next("say");`,
    /'"say"' is not assignable to .*'"(?:said|greeted)" \| "(?:said|greeted)"'/,
  ],
  "a payload that is read as before the transform": [
    `const { text: said }: { text: string } = await ann.next("said");\nexport { said };`,
    /'number' is not assignable to type 'string'/,
  ],
  "a protocol that is a subprotocol": [
    `void runtime.connect({ protocol: "chat" });`,
    /'string' is not assignable to type 'Protocol</,
  ],
  "an unknown option of connect": [
    `void runtime.connect({ protocol: chat, paths: "/" });`,
    /'paths' does not exist in type/,
  ],
};

const RIGHT = `
ann.send("say", { text: "hi" });
ann.send("typing");
ann.send("typing", undefined);
ann.sendRaw("[1");
const members: number = (await ann.call("join", { room: "a" }, { timeoutMs: 5, signal: AbortSignal.timeout(5) })).members;
const names: string[] = await ann.call("who");
const more: string[] = await ann.call("who", undefined, { timeoutMs: 5 });
const length: number = (await ann.next("said")).text;
const greeting: string = await ann.next("greeted");
const frame: string | Buffer = await ann.next();
const frames: readonly (string | Buffer)[] = [...ann.received, ...ann.take()];
const plain = await runtime.connect({ path: "/" });
plain.send("hi");
export { members, names, more, length, greeting, frame, frames };
`;

test("the compiler takes the right uses of a typed test client, with the types of four libraries, and refuses wrong uses in words that name the mistake", async () => {
  const wrong = Object.entries(WRONG);
  const [right, ...told] = await complaintsAbout(
    [RIGHT, ...wrong.map(([, [code]]) => code)].map((code) => PRELUDE + code),
  );
  expect(right).toBe("");
  for (const [index, [what, [, words]]] of wrong.entries()) expect(told[index], what).toMatch(words);
});
