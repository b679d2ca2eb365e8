/** What the compiler knows of a protocol at the server: types of both ends are inferred, and wrong use does not compile, in readable words. */
import { type as arktype } from "arktype";
import { type Bus, type Connection, type ConnectionData, channels, type Params, serve } from "sendall";
import {
  type AnswerInput,
  type AnswerOutput,
  type CallName,
  type ClientInput,
  type ClientOutput,
  type Encoded,
  type MessageName,
  type Protocol,
  type ProtocolHandlers,
  protocol,
  refuse,
  type ServerInput,
  type ServerMessageName,
  type ServerOutput,
} from "sendall/protocol";
import { createTestRuntime } from "sendall/testing";
import * as v from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { complaintsAbout } from "../../compiling.js";

const chat = protocol({
  fromClient: {
    say: z.object({ text: z.string() }),
    typing: z.undefined(),
    at: z.string().transform((text) => new Date(text)),
    join: { input: v.object({ room: v.string() }), output: arktype({ members: "number" }) },
    who: {
      input: v.undefined(),
      output: v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
    },
  },
  fromServer: {
    said: arktype({ nick: "string", text: "string" }),
    quiet: z.undefined(),
    moved: z.object({ x: z.number() }).optional(),
    at: z.string().transform((text) => new Date(text)),
  },
});
type Chat = typeof chat extends Protocol<infer S> ? S : never;
const { said, quiet, moved, at } = chat.fromServer;

/** What may be sent within the handler. */
type Sent = Encoded<"said" | "quiet" | "moved" | "at"> | Uint8Array | ArrayBuffer;

/** Not called: what matters is that it compiles, and how. */
function uses(): void {
  serve({
    authorize: () => ({ nick: "ann" }),
    handler: chat.handler({
      say({ text }, { connection, bus }) {
        expectTypeOf(text).toBeString();
        expectTypeOf(connection).toEqualTypeOf<Connection<{ nick: string }, Params, Sent>>();
        expectTypeOf(bus).toEqualTypeOf<Bus<{ nick: string }, Params, Sent>>();
        bus.sendall(said({ nick: connection.data.nick, text }), { room: "lobby" });
        bus.broadcast(quiet(), connection);
        bus.unicast(moved({ x: 1 }), connection.id);
        connection.send(at("noon"));
        for (const member of bus.members("lobby")) member.send(new Uint8Array(1));
      },
      typing(payload) {
        expectTypeOf(payload).toBeUndefined();
      },
      at(date) {
        expectTypeOf(date).toEqualTypeOf<Date>();
      },
      join({ room }, { connection, bus }) {
        if (!connection.join(room)) throw refuse("FULL", "the room is full", { room });
        return { members: bus.members(room).length };
      },
      who: async () => "ann",
      open: ({ connection }) => connection.send(quiet()),
      closed({ code, by }, { bus }) {
        expectTypeOf(code).toBeNumber();
        expectTypeOf(by).toEqualTypeOf<"peer" | "server" | "lost">();
        bus.sendall(quiet());
      },
      info({ data }, { connection }) {
        expectTypeOf(data).toBeUnknown();
        expectTypeOf(connection).toEqualTypeOf<Connection<{ nick: string }, Params, Sent> | undefined>();
      },
      bytes(data) {
        expectTypeOf(data).toEqualTypeOf<Buffer>();
      },
    }),
  });
  const rest = { typing() {}, at() {}, join: () => ({ members: 1 }), who: () => "ann" };
  serve({
    handler: chat.handler({
      init: async ({ bus }) => ({ count: bus.connections().length }),
      ...rest,
      say(_say, context) {
        expectTypeOf(context.connection.data).toEqualTypeOf<ConnectionData>();
        expectTypeOf(context.state).toEqualTypeOf<{ count: number }>();
        context.setState({ count: context.state.count + 1 });
      },
      stop({ state }) {
        expectTypeOf(state.count).toBeNumber();
      },
    }),
  });
  serve({
    routes: {
      "/chat/:room": {
        handler: chat.handler(
          { ...rest, say: (_say, { connection }) => connection.params.room?.length },
          { onInvalid: "drop" },
        ),
      },
    },
  });
  serve({
    authorize: () => ({ nick: "ann" }),
    handler: channels({
      chat: chat.handler({ ...rest, say: (_say, { connection }) => connection.data.nick }),
      plain() {},
    }),
  });
  createTestRuntime({ handler: chat.handler({ ...rest, say() {} }, { onInvalid: "close" }) });
}

/** Functions without `return`, where the answer may be nothing. */
function silent(): void {
  const done = { input: z.string(), output: z.undefined() };
  const quietly = protocol({
    fromClient: { plain: done, late: done, perhaps: { input: z.string(), output: z.string().optional() } },
  });
  quietly.handler({
    plain() {},
    async late() {},
    perhaps(text) {
      return text === "" ? undefined : text;
    },
  });
}

function names(): void {
  expectTypeOf<MessageName<Chat>>().toEqualTypeOf<"say" | "typing" | "at">();
  expectTypeOf<CallName<Chat>>().toEqualTypeOf<"join" | "who">();
  expectTypeOf<ServerMessageName<Chat>>().toEqualTypeOf<"said" | "quiet" | "moved" | "at">();
  expectTypeOf<ClientInput<Chat, "at">>().toBeString();
  expectTypeOf<ClientOutput<Chat, "at">>().toEqualTypeOf<Date>();
  expectTypeOf<ClientInput<Chat, "join">>().toEqualTypeOf<{ room: string }>();
  expectTypeOf<AnswerInput<Chat, "who">>().toBeString();
  expectTypeOf<AnswerOutput<Chat, "who">>().toBeNumber();
  expectTypeOf<ServerInput<Chat, "at">>().toBeString();
  expectTypeOf<ServerOutput<Chat, "at">>().toEqualTypeOf<Date>();
  expectTypeOf(said({ nick: "ann", text: "hi" })).toEqualTypeOf<Encoded<"said">>();
  expectTypeOf(said({ nick: "ann", text: "hi" })).toExtend<string>();
  expectTypeOf<ProtocolHandlers<Chat>["say"]>().parameter(0).toEqualTypeOf<{ text: string }>();
  quiet(undefined);
  moved();
  expectTypeOf(protocol({}).fromServer).toEqualTypeOf<Record<never, never>>();
}

test("the compiler has checked this file", () => {
  expect([uses, silent, names].every((one) => typeof one === "function")).toBe(true);
});

const HEAD = `
import { channels, serve } from "sendall";
import { protocol, refuse } from "sendall/protocol";
import { z } from "zod";
const text = z.object({ text: z.string() });
const chat = protocol({
  fromClient: { say: text, typing: z.undefined(), join: { input: z.object({ room: z.string() }), output: z.object({ members: z.number() }) } },
  fromServer: { said: text, quiet: z.undefined() },
});
const { said } = chat.fromServer;
const rest = { say() {}, typing() {}, join: () => ({ members: 1 }) };
void [channels, serve, refuse, said, rest];
`;

/** Within the handler of a server. */
const inHandler = (functions: string): string => `serve({ handler: chat.handler({ ...rest, ${functions} }) })`;

const NO_TEXT = /^.*Argument of type 'string' is not assignable to parameter of type '.*Encoded<"quiet" \| "said">'\.$/;

/** Mistakes, and words that the compiler's complaint has. */
const MISTAKES: readonly (readonly [what: string, code: string, words: RegExp])[] = [
  [
    "a missing function",
    "serve({ handler: chat.handler({ say() {}, typing() {} }) })",
    /Property 'join' is missing in type '{ say\(\): void; typing\(\): void; }' but required/,
  ],
  ["a function of another name", inHandler("jion() {}"), /'jion' does not exist in type 'ProtocolHandlers</],
  ["a misspelt event", inHandler("opened() {}"), /'opened' does not exist .*Did you mean to write 'open'\?/],
  [
    "a field that a payload lacks",
    inHandler("say({ txt }) {}"),
    /Property 'txt' does not exist on type '{ text: string; }'/,
  ],
  [
    "an answer of another type",
    inHandler("join: () => ({ members: '1' })"),
    /Type 'string' is not assignable to type 'number'/,
  ],
  [
    "an answer that lacks a field, in a promise",
    inHandler("join: async () => ({ member: 1 })"),
    /Property 'members' is missing in type '{ member: number; }'/,
  ],
  ["no answer", inHandler("join() {}"), /Type 'void' is not assignable to type 'Awaitable<{ members: number; }>'/],
  ["a text for bus.sendall", inHandler("say({ text }, { bus }) { bus.sendall(text); }"), NO_TEXT],
  [
    "a text for bus.broadcast",
    inHandler("say({ text }, { connection, bus }) { bus.broadcast(text, connection); }"),
    NO_TEXT,
  ],
  [
    "a text for bus.unicast",
    inHandler("say({ text }, { connection, bus }) { bus.unicast(text, connection); }"),
    NO_TEXT,
  ],
  ["a text for connection.send", inHandler("say({ text }, { connection }) { connection.send(text); }"), NO_TEXT],
  ["a text for a member", inHandler("say({ text }, { bus }) { bus.members('a')[0]?.send(text); }"), NO_TEXT],
  ["a text for a connection", inHandler("say({ text }, { bus }) { bus.connections()[0]?.send(text); }"), NO_TEXT],
  [
    "a text for the connection of an event",
    inHandler("open({ connection }) { connection.send(String('hi')); }"),
    NO_TEXT,
  ],
  [
    "a message of another protocol",
    `const other = protocol({ fromServer: { other: text } }); ${inHandler("say(given, { bus }) { bus.sendall(other.fromServer.other(given)); }")}`,
    /'Encoded<"other">' is not assignable to parameter of type '.*Encoded<"quiet" \| "said">'/,
  ],
  [
    "a maker in place of its message",
    inHandler("say(_say, { bus }) { bus.sendall(said); }"),
    /'MessageMaker<"said", { text: string; }>'/,
  ],
  ["a misspelt field for a maker", 'said({ txt: "hi" })', /'txt' does not exist .*Did you mean to write 'text'\?/],
  ["another payload for a maker", 'said("hi")', /'string' is not assignable to parameter of type '{ text: string; }'/],
  ["no payload for a maker", "said()", /Expected 1 arguments, but got 0/],
  ["a misspelt maker", 'chat.fromServer.sayd({ text: "hi" })', /Property 'sayd' does not exist/],
  [
    "a reserved name of a client",
    "protocol({ fromClient: { open: text } })",
    /"this name is reserved; choose another"/,
  ],
  [
    "a reserved name of a server",
    "protocol({ fromServer: { message: text } })",
    /"this name is reserved; choose another"/,
  ],
  ["no schema", 'protocol({ fromClient: { say: { text: "string" } } })', /'text' does not exist in type '.*Schema</],
  [
    "a call of the server",
    "protocol({ fromServer: { ask: { input: text, output: text } } })",
    /'input' does not exist in type 'Schema</,
  ],
  ["a misspelt part", "protocol({ fromclient: {} })", /Did you mean to write 'fromClient'\?/],
  ["a misspelt option", 'protocol({}, { chek: "both" })', /Did you mean to write 'check'\?/],
  ["another check", 'protocol({}, { check: "send" })', /'"send"' is not assignable to type '"both" \| "receive"/],
  [
    "another onInvalid",
    'chat.handler(rest, { onInvalid: "ignore" })',
    /not assignable to type '"answer" \| "close" \| "drop"/,
  ],
  ["a state without init", inHandler("say(_say, { state }) { void state; }"), /Property 'state' does not exist/],
  [
    "setState without init",
    inHandler("say(_say, { setState }) { void setState; }"),
    /Property 'setState' does not exist/,
  ],
  [
    "another state than that of init",
    "chat.handler({ init: () => ({ count: 0 }), ...rest, say: (_say, { setState }) => setState({ count: '1' }) })",
    /Type 'string' is not assignable to type 'number'/,
  ],
  [
    "an assignment to the state",
    "chat.handler({ init: () => 0, ...rest, say(_say, context) { context.state = 1; } })",
    /Cannot assign to 'state' because it is a read-only property/,
  ],
  [
    "an info event without a connection",
    inHandler("info(_info, { connection }) { connection.close(); }"),
    /possibly 'undefined'/,
  ],
  [
    "data that authorize does not give",
    "serve({ authorize: () => ({ nick: '' }), handler: chat.handler({ ...rest, say: (_say, { connection }) => connection.data.nik }) })",
    /Property 'nik' does not exist on type '{ nick: string; }'. Did you mean 'nick'\?/,
  ],
  [
    "data for the message of a refusal",
    'refuse("FULL", { room: "a" })',
    /not assignable to parameter of type 'string'/,
  ],
];

describe("the compiler", () => {
  test("tells of mistakes in the words of the user, names what is wrong, and not what infers types", async () => {
    const complaints = await complaintsAbout(MISTAKES.map(([, code]) => `${HEAD}${code};\n`));
    for (const [i, [what, , words]] of MISTAKES.entries()) {
      expect(complaints[i], what).toMatch(new RegExp(words, `${words.flags}m`));
      expect(complaints[i], what).not.toMatch(/Impossible|ResolvedLast|NoInfer|"~sendall"|ProtocolInside|StateContext/);
      // One line for each reason, and none that fills a screen.
      expect(complaints[i]?.split("\n").length, what).toBeLessThanOrEqual(6);
    }
  });

  test("has nothing to say of the programs around the mistakes", async () => {
    const right = [inHandler(""), inHandler("say({ text }, { bus }) { bus.sendall(said({ text })); }"), "protocol({})"];
    expect(await complaintsAbout(right.map((code) => `${HEAD}${code};\n`))).toEqual(["", "", ""]);
  });
});
