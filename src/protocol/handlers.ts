/** The types of `handler` of a protocol: a function for every message and call of a client, and for the events of the route. */
import type { Bus } from "../api/bus.js";
import type { Connection, ConnectionData, Params } from "../api/connection.js";
import type {
  AwayEvent,
  BackEvent,
  ChangedEvent,
  ClosedEvent,
  ErrorEvent,
  IdleEvent,
  InfoEvent,
  JoinedEvent,
  LeftEvent,
  OpenEvent,
} from "../api/events.js";
import type { AnswerInput, CallName, ClientOutput, Encoded, FromClient, FromServer, ProtocolSpec } from "./spec.js";

/** The state of a handler that has `init`; without `init` there is none. */
type StateContext<T> = [T] extends [undefined]
  ? unknown
  : {
      /** The state, as the last `setState` or `init` has left it. Read-only. */
      readonly state: T;
      /** Sets the state, which `state` shows at once. The state is kept if the function succeeds, else it is as before the event. */
      setState(next: NoInfer<T>): void;
    };

/** The second argument of the functions of a protocol's handler. */
export type ProtocolContext<
  S extends ProtocolSpec,
  T = undefined,
  D = ConnectionData,
  P = Params,
  M = Encoded<keyof FromServer<S> & string> | Uint8Array | ArrayBuffer,
> = {
  /** The connection that has sent the message, or that the event is about. */
  readonly connection: Connection<D, P, M>;
  /** The verbs for sending. */
  readonly bus: Bus<D, P, M>;
} & StateContext<T>;

/** The context of an event that need not be about a connection. */
export type InfoContext<
  S extends ProtocolSpec,
  T = undefined,
  D = ConnectionData,
  P = Params,
  M = Encoded<keyof FromServer<S> & string> | Uint8Array | ArrayBuffer,
> = {
  /** The connection that the event is about, if any. */
  readonly connection: Connection<D, P, M> | undefined;
  /** The verbs for sending. */
  readonly bus: Bus<D, P, M>;
} & StateContext<T>;

/** The functions for the events of a route, beside those for a protocol's messages. */
export interface ProtocolEvents<
  S extends ProtocolSpec,
  T,
  D,
  P,
  M = Encoded<keyof FromServer<S> & string> | Uint8Array | ArrayBuffer,
> {
  /**
   * Makes the first state, and stands first in the object, so that TypeScript knows the state in the rest. Called again after a failure
   * under `supervise.strategy: "restart"`. Without `init` the handler has no state.
   */
  init?(context: { readonly bus: Bus<D, P, M> }): T | Promise<T>;
  /** A connection has opened. */
  open?(event: OpenEvent<D, P, M>, context: ProtocolContext<S, NoInfer<T>, D, P>): unknown;
  /** A connection has ended. */
  closed?(event: ClosedEvent<D, P, M>, context: ProtocolContext<S, NoInfer<T>, D, P>): unknown;
  /** A socket or its protocol failed; `closed` follows. */
  error?(event: ErrorEvent<D, P, M>, context: ProtocolContext<S, NoInfer<T>, D, P>): unknown;
  /** Something from the rest of the program, or a timer. */
  info?(event: InfoEvent<D, P, M>, context: InfoContext<S, NoInfer<T>, D, P>): unknown;
  /** A connection has been silent for as long as `connection.idle` asked. */
  idle?(event: IdleEvent<D, P, M>, context: ProtocolContext<S, NoInfer<T>, D, P>): unknown;
  /** A connection has lost its socket and waits for another (option `resume`). */
  away?(event: AwayEvent<D, P, M>, context: ProtocolContext<S, NoInfer<T>, D, P>): unknown;
  /** A connection that was away has a socket again. */
  back?(event: BackEvent<D, P, M>, context: ProtocolContext<S, NoInfer<T>, D, P>): unknown;
  /** A key's first connection has joined a room (option `presence`). */
  joined?(event: JoinedEvent, context: InfoContext<S, NoInfer<T>, D, P>): unknown;
  /** A key that is present in a room shows another info (option `presence`). */
  changed?(event: ChangedEvent, context: InfoContext<S, NoInfer<T>, D, P>): unknown;
  /** A key's last connection has been gone from a room for `presence.graceMs`. */
  left?(event: LeftEvent, context: InfoContext<S, NoInfer<T>, D, P>): unknown;
  /** A binary frame, with its bytes; without this function a binary frame is an invalid message. */
  bytes?(data: Buffer, context: ProtocolContext<S, NoInfer<T>, D, P>): unknown;
  /** Called once when the server closes, after the last event. */
  stop?(context: StopContext<S, NoInfer<T>, D, P>): unknown;
}

type StopContext<
  S extends ProtocolSpec,
  T,
  D,
  P,
  M = Encoded<keyof FromServer<S> & string> | Uint8Array | ArrayBuffer,
> = {
  readonly bus: Bus<D, P, M>;
} & ([T] extends [undefined] ? unknown : { readonly state: T });

type Awaitable<T> = T | Promise<T>;

/** A function without `return` answers `undefined`. */
// biome-ignore lint/suspicious/noConfusingVoidType: what such a function returns, for the compiler
type Answer<T> = undefined extends T ? T | void : T;

/** The functions for a protocol's messages and calls: each name of `fromClient` has a function. */
export type ProtocolFunctions<S extends ProtocolSpec, T, D, P> = {
  readonly [N in keyof FromClient<S>]: (
    payload: ClientOutput<S, N>,
    context: ProtocolContext<S, NoInfer<T>, D, P>,
  ) => N extends CallName<S> ? Awaitable<Answer<AnswerInput<S, N>>> : unknown;
};

/** What `handler` of a protocol takes. */
export type ProtocolHandlers<S extends ProtocolSpec, T = undefined, D = ConnectionData, P = Params> = ProtocolEvents<
  S,
  T,
  D,
  P
> &
  ProtocolFunctions<S, T, D, P>;

/** The options of `handler` of a protocol. */
export interface ProtocolHandlerOptions {
  /**
   * What happens to an invalid message, besides the count in `stats().invalid` and the spending from the connection's budget of failures
   * (`supervise`): `"answer"` tells the peer what is wrong, `"close"` closes with 1008 "invalid message", `"drop"` does nothing.
   * Default: `"answer"`.
   */
  readonly onInvalid?: "answer" | "close" | "drop";
}
