/**
 * The types of `runtime.WebSocket`, after the WHATWG's "WebSockets" standard: the class, its events, and the virtual time for client code.
 * `websocket.ts` implements the class.
 */
import { ABNORMAL } from "../../api/close-codes.js";

/** The data that {@link RuntimeWebSocket.send} takes; any other value is sent as text. */
export type WebSocketData = string | ArrayBufferLike | ArrayBufferView | Blob;

/** A message has arrived: text as a string, bytes as {@link RuntimeWebSocket.binaryType} asks. */
export interface WebSocketMessageEvent extends Event {
  readonly data: string | ArrayBuffer | Blob;
  readonly origin: string;
  readonly lastEventId: string;
  readonly source: null;
  readonly ports: readonly never[];
}

/** The connection has ended, or could not be made (1006). */
export interface WebSocketCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** The events of a WebSocket by name. */
export interface WebSocketEvents {
  readonly open: Event;
  readonly message: WebSocketMessageEvent;
  readonly close: WebSocketCloseEvent;
  readonly error: Event;
}

/** A WebSocket as in browsers, connected to the server of a test runtime. */
export interface RuntimeWebSocket extends EventTarget {
  /** The URL of the connection, absolute: `"ws://memory/"` stands for the server, whatever its host. */
  readonly url: string;
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Bytes sent that the server has not read. */
  readonly bufferedAmount: number;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  /** Always `""`. */
  readonly extensions: string;
  /** How bytes arrive: `"blob"` (the default) or `"arraybuffer"`; any other value changes nothing. */
  binaryType: "blob" | "arraybuffer";
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: WebSocketMessageEvent) => unknown) | null;
  onclose: ((event: WebSocketCloseEvent) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  /**
   * Sends a message; once the socket is closing, a message is lost without an error.
   * @throws DOMException `InvalidStateError` while the socket is connecting
   */
  send(data: WebSocketData): void;
  /**
   * Starts the close handshake, or cancels connecting. Without an answer the socket ends with 1006 after 10 s of virtual time.
   * @throws DOMException `InvalidAccessError` for a code other than 1000 and 3000-4999, `SyntaxError` for a reason over 123 bytes
   */
  close(code?: number, reason?: string): void;
  addEventListener<K extends keyof WebSocketEvents>(
    type: K,
    listener: ((event: WebSocketEvents[K]) => unknown) | { handleEvent(event: WebSocketEvents[K]): unknown } | null,
    options?: (EventListenerOptions & { readonly once?: boolean; readonly signal?: AbortSignal }) | boolean,
  ): void;
  removeEventListener<K extends keyof WebSocketEvents>(
    type: K,
    listener: ((event: WebSocketEvents[K]) => unknown) | { handleEvent(event: WebSocketEvents[K]): unknown } | null,
    options?: EventListenerOptions | boolean,
  ): void;
}

/** The runtime's timers and randomness, for client code: the value of its `WebSocket` class under the key `Symbol.for("sendall.clock")`. */
export interface RuntimeTimers {
  /** Runs `callback` after `ms` milliseconds of virtual time. */
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(id: number | undefined): void;
  /** Virtual time in milliseconds; 0 at first. */
  now(): number;
  /** A number as from `Math.random`, out of the runtime's seed. */
  random(): number;
}

export const CLOCK: unique symbol = Symbol.for("sendall.clock");

/** The `WebSocket` class of a test runtime: see {@link RuntimeWebSocket}. */
export interface RuntimeWebSocketClass {
  /**
   * @param url absolute (`ws:`, `wss:`, `http:`, `https:`) or a path
   * @throws DOMException `SyntaxError` for another scheme, a fragment, or a subprotocol that is invalid or given twice
   */
  new (url: string | URL, protocols?: string | readonly string[]): RuntimeWebSocket;
  readonly prototype: RuntimeWebSocket;
  /** The key is `Symbol.for("sendall.clock")`: `sendall/client` takes its timers and randomness from here. */
  readonly [CLOCK]: RuntimeTimers;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
}

/** An event whose `timeStamp` is virtual time. */
export class SocketEvent extends Event {
  readonly #at: number;

  constructor(type: string, at: number) {
    super(type);
    this.#at = at;
  }

  override get timeStamp(): number {
    return this.#at;
  }
}

/** Unlike the events of browsers, names the cause if the attempt has not even reached the server. */
export class SocketErrorEvent extends SocketEvent {
  readonly error: unknown;

  constructor(at: number, error: unknown) {
    super("error", at);
    this.error = error;
  }
}

export class SocketMessageEvent extends SocketEvent implements WebSocketMessageEvent {
  readonly data: WebSocketMessageEvent["data"];
  readonly origin: string;
  readonly lastEventId = "";
  readonly source = null;
  readonly ports: readonly never[] = [];

  constructor(at: number, data: WebSocketMessageEvent["data"], origin: string) {
    super("message", at);
    this.data = data;
    this.origin = origin;
  }
}

export class SocketCloseEvent extends SocketEvent implements WebSocketCloseEvent {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;

  constructor(at: number, code: number, reason: string) {
    super("close", at);
    this.code = code;
    this.reason = reason;
    this.wasClean = code !== ABNORMAL;
  }
}
