/**
 * The types of a client, or a channel, whose protocol is known: what may be sent, called and heard follows from the protocol's spec. Nothing
 * of Node is used, not even types. The code is in `protocol/typed-client.ts`, which pages load with the protocol.
 */
import type {
  AnswerOutput,
  CallSpec,
  ClientInput,
  FromClient,
  FromServer,
  PayloadArguments,
  ProtocolSpec,
  ServerOutput,
} from "../protocol/spec.js";
import type { ClientEvents } from "./callbacks.js";
import type { Channel } from "./channels.js";
import type { ClientProtocol, SpecOf } from "./client-protocol.js";
import type { ChannelOptions, ConnectOptions } from "./options.js";

/** The part of an `AbortSignal` that a call uses. */
export interface AbortSignalLike {
  /** Whether the signal has been aborted. */
  readonly aborted: boolean;
  /** What the call rejects with. */
  readonly reason: unknown;
  /** Calls a listener once the signal is aborted. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Forgets a listener. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The options of a call. */
export interface CallOptions {
  /**
   * After how many milliseconds, from the call on, the call rejects with `CALL_TIMEOUT`, also while the call still waits for a connection.
   * Default: 5000.
   */
  readonly timeoutMs?: number;
  /** Rejects the call with the signal's reason, at once if the signal has been aborted. Default: none. */
  readonly signal?: AbortSignalLike;
}

/** What listeners of a typed client get: payloads of the server's messages by name, and the events of each client. */
export type TypedEvents<S extends ProtocolSpec> = {
  readonly [N in keyof ClientEvents | keyof FromServer<S> as N & string]: N extends "message"
    ? Uint8Array
    : N extends keyof ClientEvents
      ? ClientEvents[N]
      : N extends keyof FromServer<S>
        ? ServerOutput<S, N>
        : never;
};

/** Functions for messages of the server, by name. @typeParam P the payloads */
export type MessageListeners<P> = {
  readonly [N in keyof P]?: ((payload: P[N]) => void) | undefined;
};

/** What a protocol adds to the options of `connect`, and of a channel. Without a protocol, `S` is `never`. */
interface ProtocolClientOptions<S extends ProtocolSpec> {
  /** What the client and the server say to each other: the object that `protocol` of `sendall/protocol` has returned. Default: none. */
  readonly protocol?: ClientProtocol<S>;
  /**
   * Called with the payload of a message of the server, by the name of the message, as the schema has handed the payload out. A message
   * that the protocol does not know, or whose payload does not fit, goes to `onError` as `INVALID_MESSAGE`. Needs `protocol`. Default: none.
   */
  readonly on?: [S] extends [never]
    ? undefined
    : MessageListeners<{ readonly [N in keyof FromServer<S> as N & string]: ServerOutput<S, N> }>;
  /** The bounds of calls. Omitted members keep their default. Needs `protocol`. */
  readonly calls?: [S] extends [never] ? undefined : CallBounds;
  /** Called with a message: a string for a text frame, bytes for a binary frame. With `protocol` called with binary frames alone. */
  readonly onMessage?: (data: [S] extends [never] ? string | Uint8Array : Uint8Array) => void;
}

/** How many calls a client keeps. */
export interface CallBounds {
  /** How many calls may wait for an answer; further calls reject with `TOO_MANY_CALLS`. Default: 256. */
  readonly maxPending?: number;
}

/** The options of `connect`, with or without a protocol. */
export interface AnyConnectOptions<S extends ProtocolSpec>
  extends Omit<ConnectOptions, "onMessage">,
    ProtocolClientOptions<S> {}

/** The options of a channel, with or without a protocol. */
export interface AnyChannelOptions<S extends ProtocolSpec>
  extends Omit<ChannelOptions, "onMessage">,
    ProtocolClientOptions<S> {}

/** The channel of a protocol, or without a protocol a plain channel. */
export type AnyChannel<S extends ProtocolSpec> = [S] extends [never] ? Channel : ProtocolChannel<S>;

/** What follows the name of a call: the payload, which may be left out if `undefined` fits, and options. */
type CallArguments<T> = undefined extends T
  ? [payload?: T, options?: CallOptions]
  : [payload: T, options?: CallOptions];

/** The messages and calls of a client by name. Errors of the compiler show keys as names, and other types as the whole spec. */
type Messages<S extends ProtocolSpec> = {
  readonly [N in keyof FromClient<S> as FromClient<S>[N] extends CallSpec ? never : N & string]: ClientInput<S, N>;
};
type Calls<S extends ProtocolSpec> = {
  readonly [N in keyof FromClient<S> as FromClient<S>[N] extends CallSpec ? N & string : never]: CallTypes<
    ClientInput<S, N>,
    AnswerOutput<S, N>
  >;
};
interface CallTypes<I, O> {
  readonly input: I;
  readonly output: O;
}

/** What a typed client and a typed channel have in common. */
export interface TypedVerbs<S extends ProtocolSpec> {
  /**
   * Sends a message of the protocol, or keeps the message, as a plain client does. The payload is checked first, unless the protocol says
   * `check: "receive"`, or the schema answers with a promise; and sent as given, since the server applies the schema, too. Bytes go out as
   * a binary frame.
   * @returns `false` if the queue is full, or the client is closing or closed
   * @throws SendallError `INVALID_MESSAGE` with `issues` for a payload that the schema or JSON refuses; `BAD_DATA` for another name, and for
   * the name of a call
   */
  send<N extends keyof Messages<S> | Uint8Array | ArrayBuffer>(
    name: N,
    ...payload: N extends keyof Messages<S> ? PayloadArguments<Messages<S>[N]> : []
  ): boolean;
  /**
   * Calls the server: resolves with the answer. Settles exactly once, and never throws. The answer comes after everything that the server's
   * function has sent. A call that waits for a connection goes out as messages do; with options and without payload give `undefined` as
   * payload.
   * @throws SendallError `CALL_REFUSED` with `reason` and `data`; `CALL_FAILED`; `CALL_TIMEOUT`, after which the call may still happen,
   * unless the call still waited for a connection; `CONNECTION_LOST` if the connection is lost without a session, or the session does not
   * go on without a gap: the call may have happened; `INVALID_MESSAGE` with `issues`; `TOO_MANY_CALLS`, also if the queue is full; `CLOSED`;
   * `BAD_DATA` for another name, and for the name of a message; `BAD_OPTION`. An aborted `signal` rejects with its reason
   */
  call<N extends keyof Calls<S>>(name: N, ...rest: CallArguments<Calls<S>[N]["input"]>): Promise<Calls<S>[N]["output"]>;
  /**
   * Calls a listener with the payload of each message of a name, or with each event of a type: `"open"`, `"message"` (a binary frame),
   * `"close"` or `"error"`. Callbacks of the options come first.
   * @returns removes the listener
   * @throws SendallError `BAD_OPTION` for another name, or a listener that is no function
   */
  on<N extends keyof TypedEvents<S>>(name: N, listener: (payload: TypedEvents<S>[N]) => void): () => void;
}

/** A channel of a protocol. {@link TypedChannel} makes the type of a protocol. */
export interface ProtocolChannel<S extends ProtocolSpec> extends Omit<Channel, keyof TypedVerbs<S>>, TypedVerbs<S> {}

/** The channel of a protocol: `TypedChannel<typeof chat>`. */
export type TypedChannel<P> = ProtocolChannel<SpecOf<P>>;
