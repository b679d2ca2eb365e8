/** The public type of a running client, which `connect` returns; `create-client.ts` makes a client. */
import type { ProtocolSpec } from "../protocol/spec.js";
import type { ClientEvents } from "./callbacks.js";
import type { SpecOf } from "./client-protocol.js";
import type { ClientState } from "./machine.js";
import type { ClientData, ClientStatus } from "./options.js";
import type { AnyChannel, AnyChannelOptions, TypedVerbs } from "./typed.js";

/** A client that stays connected. */
export interface Client {
  /**
   * The state of the client: `"connecting"`, `"open"`, `"waiting"` until the client connects again, `"closing"` until the close
   * handshake is over, `"closed"` for good.
   */
  readonly state: ClientState;
  /**
   * Resolves when the client is open for the first time. Rejects if the client closes before: with the `SendallError` that ended the
   * last attempt (`REFUSED`, `CONNECTION_FAILED`), or with `CLOSED` if `close` was called. An unhandled rejection has no effect.
   */
  readonly opened: Promise<void>;
  /** The bytes that wait in the socket to be sent; 0 without a socket. */
  readonly bufferedAmount: number;
  /** The subprotocol that the server chose for the present connection, `""` if none (RFC 6455 section 1.9). */
  readonly protocol: string;
  /** The state, with the time of the next attempt: an object that stays the same until something changes. */
  readonly status: ClientStatus;
  /**
   * The number of messages that wait for a connection, or that the server has not acknowledged; of those that wait alone where nobody
   * acknowledges (`why` is `"off"` or `"plain"`). What the client sends for its channels counts, too.
   */
  readonly pending: number;
  /**
   * Calls a listener with the {@link status} at each change, from the next change on.
   * @returns removes the listener
   * @throws SendallError `BAD_OPTION` for anything but a function
   */
  subscribe(listener: (status: ClientStatus) => unknown): () => void;
  /**
   * Calls a listener with each event of a type: `"open"`, `"message"`, `"close"` or `"error"`, as `onOpen`, `onMessage`, `onClose` and
   * `onError` of the options, which come first. Messages of channels are not among the messages.
   * @returns removes the listener
   * @throws SendallError `BAD_OPTION` for another type, or a listener that is no function
   */
  on<T extends keyof ClientEvents>(type: T, listener: (argument: ClientEvents[T]) => unknown): () => void;
  /**
   * Sends a message, or keeps a copy while there is no connection. Messages leave in the order of the calls, apart from what `onOpen`
   * sends before it returns, which goes first. In a session that the server keeps, a copy of each message is kept until the server has
   * acknowledged the message, and goes out again over the next socket if need be: the server gets each message once, in order. Of a
   * session that does not go on, `uncertain` has what was not acknowledged. Without such a session (`why` is `"off"` or `"plain"`) a
   * message leaves over one socket and never again, and is lost if the connection is lost on the way.
   * @returns `false` if the message is beyond `offline.maxMessages` or `offline.maxBytes`, or the client is closing or closed
   * @throws SendallError `BAD_DATA` for anything but a string, a `Uint8Array` or an `ArrayBuffer`
   */
  send(data: ClientData): boolean;
  /**
   * Resolves when `pending` is 0: the server has acknowledged each message, or `onOpen` was told that the message is uncertain. Asks the
   * server, at most once a second. Where nobody acknowledges, resolves when nothing waits and `bufferedAmount` is 0. An unhandled rejection
   * has no effect.
   * @throws SendallError `CLOSED` if the client ends before
   */
  flushed(): Promise<void>;
  /**
   * Closes the client for good, with the close handshake of RFC 6455 section 7.1.2. Without a connection, waiting messages are not
   * sent. If the peer does not answer within 5 s, the socket is cut.
   * @param code 1000 (the default) or 3000-4999, as in browsers
   * @param reason cut at 123 bytes; default `""`
   * @returns `false` if the client is closing or closed already
   * @throws SendallError `BAD_CLOSE_CODE`
   */
  close(code?: number, reason?: string): boolean;
  /**
   * Opens a channel over this client's socket, to a server that runs `channels({...})`. After a lost connection the channel
   * subscribes again by itself. Messages of channels do not reach the client's own `onMessage`.
   * @param name of 1 to 1,024 characters, without a comma
   * @throws SendallError `BAD_CHANNEL` for a wrong name, or for the name of an open channel; `BAD_OPTION`
   */
  channel<S extends ProtocolSpec = never>(name: string, options?: AnyChannelOptions<S>): AnyChannel<S>;
}

/** A client of a protocol. {@link TypedClient} makes the type of a protocol. */
export interface ProtocolClient<S extends ProtocolSpec> extends Omit<Client, keyof TypedVerbs<S>>, TypedVerbs<S> {}

/** The client of a protocol: `TypedClient<typeof chat>`. */
export type TypedClient<P> = ProtocolClient<SpecOf<P>>;

/** The client of a protocol, or without a protocol a plain client. */
export type AnyClient<S extends ProtocolSpec> = [S] extends [never] ? Client : ProtocolClient<S>;
