/**
 * `runtime.WebSocket`: the `WebSocket` class of browsers (the WHATWG's "WebSockets" standard) on the memory transport: client code
 * talks to the server under test. Each test runtime makes its own class; a socket's life ends with the `close` event.
 */

import { ABNORMAL } from "../../api/close-codes.js";
import type { Clock, Timer } from "../../runtime/clock.js";
import type { ClientObserver, MemoryTestClient } from "./client.js";
import { type EventHandler, EventHandlers } from "./event-handlers.js";
import { checkClose, readData, readProtocols, readUrl } from "./websocket-arguments.js";
import {
  CLOCK,
  type RuntimeTimers,
  type RuntimeWebSocketClass,
  SocketCloseEvent,
  SocketErrorEvent,
  SocketEvent,
  SocketMessageEvent,
  type WebSocketData,
  type WebSocketMessageEvent,
} from "./whatwg.js";

/** What a socket needs of the runtime. */
export interface WebSocketHost {
  readonly clock: Clock;
  /** For client code. */
  readonly timers: RuntimeTimers;
  /**
   * Starts the server if need be, and puts the request on its way. The observer gets `onOpen`, or `onClosed` if the server refuses or the
   * signal is aborted. Rejects if there can be no request.
   */
  connect(url: URL, protocols: readonly string[], observer: ClientObserver, signal: AbortSignal): Promise<void>;
  /** The runtime is not idle until `task` (the reading of a Blob), which never rejects, is settled. */
  waitFor(task: Promise<void>): void;
}

// Read when this file is loaded, because a test may replace the globals later.
const { EventTarget, Blob, DOMException, AbortController } = globalThis;

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3] as const;
/** How long a socket waits for the answer to its close frame before the socket ends with 1006; browsers do not wait for ever either. */
const CLOSE_TIMEOUT_MS = 10_000;
const EVENT_TYPES = ["open", "message", "close", "error"] as const;

class MemoryWebSocket extends EventTarget implements ClientObserver {
  readonly CONNECTING = CONNECTING;
  readonly OPEN = OPEN;
  readonly CLOSING = CLOSING;
  readonly CLOSED = CLOSED;
  readonly #host: WebSocketHost;
  readonly #url: URL;
  readonly #offersProtocols: boolean;
  readonly #connecting = new AbortController();
  readonly #handlers = new EventHandlers(this);
  #client: MemoryTestClient | undefined;
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  #closeTimeout: Timer | undefined;
  #binaryType: "blob" | "arraybuffer" = "blob";
  /** A socket that was never open ends with an error. */
  #hasFailed = true;
  #cause: unknown;
  /** Bytes of messages that were not sent because the socket was closing. */
  #lostBytes = 0;
  /** A message waits while an earlier Blob is being read. Settles when every waiting message is on its way. */
  #sent: Promise<void> = Promise.resolve();
  #waitingMessages = 0;
  #waitingBytes = 0;

  constructor(host: WebSocketHost, url: string | URL, protocols: string | readonly string[] = []) {
    super();
    this.#host = host;
    this.#url = readUrl(url);
    const offered = readProtocols(protocols);
    this.#offersProtocols = offered.length > 0;
    host.clock.soon(() => {
      void this.#connect(offered);
    });
  }

  get url(): string {
    return this.#url.href;
  }
  get readyState(): number {
    return this.#readyState;
  }
  get bufferedAmount(): number {
    return (this.#client?.unreadBytes ?? 0) + this.#waitingBytes + this.#lostBytes;
  }
  get protocol(): string {
    return this.#client?.protocol ?? "";
  }
  get extensions(): string {
    return "";
  }
  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }
  set binaryType(type: unknown) {
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  handler(type: string): EventHandler | null {
    return this.#handlers.get(type);
  }
  setHandler(type: string, handler: unknown): void {
    this.#handlers.set(type, handler);
  }

  send(data: WebSocketData): void {
    if (this.#readyState === CONNECTING)
      throw new DOMException("WebSocket.send: it is still connecting", "InvalidStateError");
    const message = data instanceof Blob ? data : readData(data);
    const bytes = message instanceof Blob ? message.size : Buffer.byteLength(message);
    if (this.#readyState !== OPEN) this.#lostBytes += bytes;
    else if (message instanceof Blob || this.#waitingMessages > 0) this.#sendInTurn(message, bytes);
    else this.#client?.send(message);
  }

  close(code?: number, reason = ""): void {
    checkClose(code, reason);
    if (this.#readyState === CONNECTING) this.#connecting.abort();
    if (this.#readyState >= CLOSING) return;
    const wasOpen = this.#readyState === OPEN;
    this.#readyState = CLOSING;
    if (!wasOpen) return;
    this.#closeTimeout = this.#host.clock.after(CLOSE_TIMEOUT_MS, () => this.#client?.disconnect());
    if (this.#waitingMessages === 0) this.#client?.startClosing(code, reason);
    else this.#host.waitFor(this.#sent.then(() => void this.#client?.startClosing(code, reason)));
  }

  onOpen(client: MemoryTestClient): void {
    this.#client = client;
    // The connection fails if the server has chosen no subprotocol of the offer (standard, "establish a WebSocket connection").
    if (this.#readyState === CLOSING || (this.#offersProtocols && client.protocol === "")) {
      client.fail(new Error("the client has left"));
      return;
    }
    this.#readyState = OPEN;
    this.#hasFailed = false;
    this.dispatchEvent(new SocketEvent("open", this.#now()));
  }

  onMessage(data: string | Buffer): void {
    if (this.#readyState !== OPEN && this.#readyState !== CLOSING) return;
    this.dispatchEvent(new SocketMessageEvent(this.#now(), this.#asBinaryType(data), this.#url.origin));
  }

  onFailed(): void {
    this.#hasFailed = true;
  }

  onClosed(code: number, reason: string): void {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CLOSED;
    this.#closeTimeout?.cancel();
    if (this.#hasFailed) this.dispatchEvent(new SocketErrorEvent(this.#now(), this.#cause));
    this.dispatchEvent(new SocketCloseEvent(this.#now(), code, reason));
  }

  async #connect(protocols: readonly string[]): Promise<void> {
    try {
      await this.#host.connect(this.#url, protocols, this, this.#connecting.signal);
    } catch (error) {
      // The server cannot start, or the headers of a dialled client cannot be made.
      this.#cause = error;
      this.onClosed(ABNORMAL, "");
    }
  }

  /** Sends a message after every waiting message. */
  #sendInTurn(message: string | Buffer | Blob, bytes: number): void {
    this.#waitingBytes += bytes;
    this.#waitingMessages++;
    const sent = this.#sent.then(async () => {
      const data = message instanceof Blob ? Buffer.from(await message.arrayBuffer()) : message;
      this.#client?.send(data);
    });
    this.#sent = sent
      .catch((error: Error) => this.#client?.fail(error))
      .then(() => {
        this.#waitingBytes -= bytes;
        this.#waitingMessages--;
      });
    this.#host.waitFor(this.#sent);
  }

  #asBinaryType(data: string | Buffer): WebSocketMessageEvent["data"] {
    if (typeof data === "string") return data;
    const bytes = new Uint8Array(data).buffer;
    return this.#binaryType === "blob" ? new Blob([bytes]) : bytes;
  }

  #now(): number {
    return this.#host.clock.now();
  }
}

/** Makes the class of a runtime. */
export function createWebSocketClass(host: WebSocketHost): RuntimeWebSocketClass {
  class WebSocket extends MemoryWebSocket {
    static readonly CONNECTING = CONNECTING;
    static readonly OPEN = OPEN;
    static readonly CLOSING = CLOSING;
    static readonly CLOSED = CLOSED;

    constructor(url: string | URL, protocols?: string | readonly string[]) {
      super(host, url, protocols);
    }
  }
  for (const type of EVENT_TYPES)
    Object.defineProperty(WebSocket.prototype, `on${type}`, {
      enumerable: true,
      configurable: true,
      get(this: MemoryWebSocket) {
        return this.handler(type);
      },
      set(this: MemoryWebSocket, handler: unknown) {
        this.setHandler(type, handler);
      },
    });
  Object.defineProperty(WebSocket, CLOCK, { value: host.timers });
  // The compiler does not see the `on…` properties and the types of the events.
  return WebSocket as unknown as RuntimeWebSocketClass;
}
