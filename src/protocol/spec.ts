/** What a protocol says: the names of messages and calls, with a schema for each payload, and the types that follow. */
import type { InputOf, OutputOf, Schema } from "./standard-schema.js";

/** A message that expects an answer. */
export interface CallSpec {
  /** The payload of the call. */
  readonly input: Schema;
  /** The payload of the answer. */
  readonly output: Schema;
}

/** Stands where a name cannot be chosen, since the name is that of an event; no schema has this type. */
interface ReservedName {
  readonly "this name is reserved; choose another": never;
}

/** No names of events, also of later versions. */
type ReservedNames<N extends string> = { readonly [Name in N]?: ReservedName };

type ReservedForClients =
  | ("open" | "closed" | "error" | "info" | "idle" | "bytes" | "away" | "back")
  | ("joined" | "changed" | "left" | "init" | "stop" | "!" | "");
type ReservedForServers = "open" | "message" | "close" | "error" | "!" | "";

/** What both sides may say. */
export interface ProtocolSpec {
  /** What a client sends, by name: a schema for a message, `{ input, output }` for a call. Default: nothing. */
  readonly fromClient?: Readonly<Record<string, Schema | CallSpec>> & ReservedNames<ReservedForClients>;
  /** The messages that the server sends, by name. Default: nothing. */
  readonly fromServer?: Readonly<Record<string, Schema>> & ReservedNames<ReservedForServers>;
}

/** The part of a client of a protocol; no names, if the protocol has no such part. */
export type FromClient<S extends ProtocolSpec> = S["fromClient"] extends infer F extends object
  ? F
  : Record<never, never>;
/** The part of the server of a protocol; no names, if the protocol has no such part. */
export type FromServer<S extends ProtocolSpec> = S["fromServer"] extends infer F extends object
  ? F
  : Record<never, never>;

// Each is a `keyof`: compilers print the names, where another type would be printed by its own name and the whole protocol.
/** The names of the calls of a protocol. */
export type CallName<S extends ProtocolSpec> = keyof {
  [N in keyof FromClient<S> & string as FromClient<S>[N] extends CallSpec ? N : never]: N;
};
/** The names of a client's messages without answer. */
export type MessageName<S extends ProtocolSpec> = keyof {
  [N in keyof FromClient<S> & string as FromClient<S>[N] extends CallSpec ? never : N]: N;
};
/** The names of the server's messages. */
export type ServerMessageName<S extends ProtocolSpec> = keyof {
  [N in keyof FromServer<S> as N extends string ? N : never]: N;
};

/** What a client gives to `send` or `call`. */
export type ClientInput<S extends ProtocolSpec, N extends keyof FromClient<S>> = FromClient<S>[N] extends CallSpec
  ? InputOf<FromClient<S>[N]["input"]>
  : InputOf<FromClient<S>[N]>;
/** What the server's function gets. */
export type ClientOutput<S extends ProtocolSpec, N extends keyof FromClient<S>> = FromClient<S>[N] extends CallSpec
  ? OutputOf<FromClient<S>[N]["input"]>
  : OutputOf<FromClient<S>[N]>;
/** What the server's function returns for a call. */
export type AnswerInput<S extends ProtocolSpec, N extends keyof FromClient<S>> = FromClient<S>[N] extends CallSpec
  ? InputOf<FromClient<S>[N]["output"]>
  : never;
/** What a client's call resolves to. */
export type AnswerOutput<S extends ProtocolSpec, N extends keyof FromClient<S>> = FromClient<S>[N] extends CallSpec
  ? OutputOf<FromClient<S>[N]["output"]>
  : never;
/** What the server gives to a maker of messages. */
export type ServerInput<S extends ProtocolSpec, N extends keyof FromServer<S>> = InputOf<FromServer<S>[N]>;
/** What a client's listener gets. */
export type ServerOutput<S extends ProtocolSpec, N extends keyof FromServer<S>> = OutputOf<FromServer<S>[N]>;

/** The arguments for a payload, which may be left out if `undefined` fits. */
export type PayloadArguments<T> = undefined extends T ? [payload?: T] : [payload: T];

declare const encodedName: unique symbol;

/** A checked and encoded message of a server: a plain string at run time, for every verb that sends. */
export type Encoded<Name extends string = string> = string & {
  /** Carries the name; absent at run time. */
  readonly [encodedName]: Name;
};
