/** The shapes of `runtime.WebSocket`, after the WHATWG's "WebSockets" standard: the class, its events, and the time beside it. */
import { ABNORMAL } from "../../api/close-codes.js";

/** What {@link RuntimeWebSocket.send} takes; anything else is sent as text. */
export type WebSocketData = string | ArrayBufferLike | ArrayBufferView | Blob;

/** A message has come: text as a string, bytes as {@link RuntimeWebSocket.binaryType} asks. */
export interface WebSocketMessageEvent extends Event {
  readonly data: string | ArrayBuffer | Blob;
  readonly origin: string;
  readonly lastEventId: string;
  readonly source: null;
  readonly ports: readonly never[];
}

/** The connection has ended, or never came to be (1006). */
export interface WebSocketCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** The events of a WebSocket by their names. */
export interface WebSocketEvents {
  readonly open: Event;
  readonly message: WebSocketMessageEvent;
  readonly close: WebSocketCloseEvent;
  readonly error: Event;
}

/** A WebSocket as in browsers, connected to the server of a test runtime. */
export interface RuntimeWebSocket extends EventTarget {
  /** Where it connects, absolute: `"ws://memory/"` stands for the server, whatever its host. */
  readonly url: string;
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Bytes sent that the server has not read. */
  readonly bufferedAmount: number;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  /** Always `""`. */
  readonly extensions: string;
  /** How bytes arrive: `"blob"` (the default) or `"arraybuffer"`; anything else changes nothing. */
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
   * Sends a message; it is lost, and no error, once the socket is closing.
   * @throws DOMException `InvalidStateError` while it is connecting
   */
  send(data: WebSocketData): void;
  /**
   * Starts the close handshake, or gives up connecting.
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

/** The time of the runtime, for client code: its `WebSocket` class has it under the key `Symbol.for("sendall.clock")`. */
export interface RuntimeTimers {
  /** Runs `callback` after `ms` milliseconds of virtual time. */
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(id: number | undefined): void;
  /** As `Math.random`, out of the runtime's seed. */
  random(): number;
}

export const CLOCK: unique symbol = Symbol.for("sendall.clock");

/** The class that a test runtime has: see {@link RuntimeWebSocket}. */
export interface RuntimeWebSocketClass {
  /**
   * @param url absolute (`ws:`, `wss:`, `http:`, `https:`) or a path
   * @throws DOMException `SyntaxError` for another scheme, a fragment, or subprotocols that are none or stand there twice
   */
  new (url: string | URL, protocols?: string | readonly string[]): RuntimeWebSocket;
  readonly prototype: RuntimeWebSocket;
  /** Its key is `Symbol.for("sendall.clock")`: `sendall/client` reads its time and randomness there. */
  readonly [CLOCK]: RuntimeTimers;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
}

/** With virtual time for its `timeStamp`. */
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
