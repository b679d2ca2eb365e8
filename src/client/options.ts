/**
 * The public types of the options of a client, which `settings.ts` reads, and of what callbacks get. This file uses nothing of Node, not
 * even types: the compiler of a page may not know Node.
 */
import type { SendallError } from "../api/errors.js";
import type { ClientState } from "./machine.js";
import type { WebSocketClass } from "./web-socket.js";

/** A message to send: a string goes out as a text frame, bytes as a binary frame (RFC 6455 section 5.6). */
export type ClientData = string | Uint8Array | ArrayBuffer;

/** What a client shows to its user: the same object until something changes. */
export interface ClientStatus {
  /** The state of the client, as `client.state`. */
  readonly state: ClientState;
  /** When the client connects again, in milliseconds since the epoch; only while `state` is `"waiting"`. */
  readonly retryAt: number | undefined;
  /** Whether the open connection goes on with the session of the last. */
  readonly resumed: boolean;
}

/** How a connection began. */
export interface ClientOpening {
  /** Whether the connection goes on with the session of the last, so that nobody need be greeted. */
  readonly resumed: boolean;
  /**
   * How the session goes on: `"resumed"`, or `"gap"` if messages of the server are lost. Or why another begins: `"new"`, `"expired"`,
   * `"elsewhere"`, `"refused"`. `"off"`: the server keeps no session here. `"plain"`: the connection is no session at all.
   */
  readonly why: "new" | "resumed" | "gap" | "expired" | "elsewhere" | "refused" | "off" | "plain";
  /** How many missed messages follow. */
  readonly replayed: number;
  /** How many messages of the server are lost that the client was not told of before. */
  readonly lost: number;
  /**
   * Of a session that does not go on, the messages that had been handed to a socket and were not acknowledged, oldest first, as given to
   * `send`: each may have arrived or not, and is not sent again by the client. Told once. Where nobody acknowledges (`why` was `"off"` or
   * `"plain"`) this is not known, and there are none.
   */
  readonly uncertain: readonly ClientData[];
}

/** How a connection, an attempt to make one, or a channel ended. */
export interface ClientClosing {
  /** The close code of RFC 6455 section 7.4; 1005 if the close frame had none, 1006 if there was no close frame. */
  readonly code: number;
  /** The reason of the close frame, `""` if there was none. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Whether the client connects again by itself; after `false` no further callback is called. */
  readonly willRetry: boolean;
  /** As in {@link ClientOpening}; empty while `willRetry` is `true`. */
  readonly uncertain: readonly ClientData[];
  /** The messages that waited for a connection and are not sent, oldest first; empty while `willRetry` is `true`. */
  readonly unsent: readonly ClientData[];
}

/** When to connect again. The n-th retry in a row waits `min(maxMs, minMs * factor ** (n - 1))`, less a random share. */
export interface ReconnectOptions {
  /** The first wait, in milliseconds. Default: 1000. */
  readonly minMs?: number;
  /** The longest wait, in milliseconds, even if `minMs` is longer. Default: 10000. */
  readonly maxMs?: number;
  /** The factor, from 1, by which each further retry multiplies the wait. Default: 2. */
  readonly factor?: number;
  /**
   * The largest share of a wait that chance may take off, from 0 (nothing) to 1 (the whole wait), so that the clients of a
   * restarting server do not come back at the same moment. Default: 1.
   */
  readonly jitter?: number;
  /** How many retries in a row may fail before the client closes for good. Default: no limit. */
  readonly attempts?: number;
}

/** What a client keeps: what waits for a connection, and in a session what the server has not acknowledged. */
export interface OfflineOptions {
  /** The maximum number of waiting messages; beyond the maximum `send` returns `false`. 0 keeps no message. Default: 256. */
  readonly maxMessages?: number;
  /**
   * The maximum of the bytes of messages that wait and of messages that the server of a session has not acknowledged, together; text
   * counted in UTF-8. A message that would exceed the maximum is neither sent nor kept, and `send` returns `false`; so in a session no
   * message may be longer. Default: 1,048,576.
   */
  readonly maxBytes?: number;
}

/** An address, as a string or `URL`. */
export type ClientAddress = string | URL;

/** Additional headers of a handshake's request, as `{ name: value }`. */
export type ClientHeaders = Readonly<Record<string, string>>;

/** The options of `connect`. */
export interface ConnectOptions {
  /** The subprotocol to offer, or several in order of preference. Default: none. */
  readonly protocols?: string | readonly string[];
  /**
   * Additional headers of the handshake's request, or a function that returns the headers, or a promise of the headers, called at each
   * attempt. In Node, Deno and Bun only, and not together with `WebSocket`. Default: none.
   */
  readonly headers?: ClientHeaders | (() => ClientHeaders | Promise<ClientHeaders>);
  /**
   * Whether to offer a session, Sendall's subprotocol `sendall.1`: then a server that has fallen silent is noticed, in a page too, and
   * where the server keeps sessions, the connection outlives its socket. A server other than Sendall needs `false`; such a server may select nothing, and browsers fail the handshake. Default: `true`.
   */
  readonly session?: boolean;
  /**
   * Called when a connection has opened, before any message of the connection. Messages that `onOpen` sends before it returns, such as a
   * login, go out before the messages that waited.
   */
  readonly onOpen?: (opening: ClientOpening) => void;
  /** Called with a message: a string for a text frame, bytes for a binary frame. */
  readonly onMessage?: (data: string | Uint8Array) => void;
  /** Called when a connection, or an attempt to connect, has ended. Calling `close` here keeps the client from connecting again. */
  readonly onClose?: (closing: ClientClosing) => void;
  /**
   * Called with an error, which `code` tells from others: `REFUSED` (in Node; `status` and `body` tell more), `CONNECTION_FAILED`,
   * `CALLBACK_FAILED`, or `BAD_OPTION` for what a function given as address or headers returns. After an error of the connection comes
   * `onClose`. In Node the error's `cause` is the socket's error: no server there, a reset, a broken frame.
   */
  readonly onError?: (error: SendallError) => void;
  /** When to connect again; `false`: never. Omitted members keep their default. Default: after 0 to 1 s, later 0 to 10 s, for ever. */
  readonly reconnect?: ReconnectOptions | false;
  /** What is kept of messages that have not arrived. Omitted members keep their default. Default: 256 messages, 1 MiB. */
  readonly offline?: OfflineOptions;
  /**
   * The class to make sockets with, in the shape of a browser's `WebSocket`: the class of `ws`, Node's own, a test runtime's. Default: the
   * browser's class; in Node, Deno and Bun the class of `ws`. If the class has the property `Symbol.for("sendall.clock")`, an object
   * `{ setTimeout(ring, ms), clearTimeout(id), random(), now() }`, the client takes timers, random numbers and the time in milliseconds
   * from the object; `now` may be missing.
   */
  readonly WebSocket?: WebSocketClass;
}

/** The options of a channel. */
export interface ChannelOptions {
  /**
   * Called when the subscription has been sent, and not when the session of the client goes on, with which the channel goes on. `uncertain`
   * has messages of the channel alone. Messages that `onOpen` sends before it returns go out before the messages that waited.
   */
  readonly onOpen?: (opening: ClientOpening) => void;
  /** Called with a message of the channel: a string for a text frame, bytes for a binary frame. */
  readonly onMessage?: (data: string | Uint8Array) => void;
  /**
   * Called when the channel or its connection has ended; after `willRetry` the channel subscribes again by itself. Of a connection whose
   * session may go on, called only when the session does not, right before `onOpen`. `uncertain` and `unsent` have messages of the channel
   * alone.
   */
  readonly onClose?: (closing: ClientClosing) => void;
  /**
   * Called with `REFUSED` when the server knows no such channel, and with `CALLBACK_FAILED`, which goes to the client's `onError` if the
   * channel has no `onError`.
   */
  readonly onError?: (error: SendallError) => void;
}
