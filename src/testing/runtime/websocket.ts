/**
 * `runtime.WebSocket`: the class that browsers have (the WHATWG's "WebSockets" standard), on the memory transport of one test
 * runtime, so that client code meets the server under test. The runtime makes one class for itself.
 */

import { ABNORMAL, isBrowserCode, MAX_REASON_BYTES } from "../../api/close-codes.js";
import type { Refusal } from "../../api/rejection.js";
import type { Clock } from "../../runtime/clock.js";
import type { ClientObserver, MemoryTestClient } from "./client.js";
import type { Random } from "./random.js";
import {
  CLOCK,
  type RuntimeTimers,
  type RuntimeWebSocketClass,
  SocketCloseEvent,
  SocketEvent,
  SocketMessageEvent,
  type WebSocketData,
  type WebSocketMessageEvent,
} from "./whatwg.js";

/** What a WebSocket needs of its runtime. */
export interface WebSocketHost {
  readonly clock: Clock;
  readonly random: Random;
  /** Asks the server to let a client in, once it has started; the client is told of the rest. */
  dial(
    url: URL,
    protocols: readonly string[],
    observer: ClientObserver,
    signal: AbortSignal,
  ): Promise<Refusal | undefined>;
  /** Something outside the runtime (the reading of a Blob) is under way until the promise is settled; it never rejects. */
  hold(work: Promise<void>): void;
}

// Taken when this file is loaded, so that a test may replace the globals.
const { EventTarget, Blob, DOMException, AbortController } = globalThis;

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3] as const;
const TOKEN = /^[!#$%&'*+.^`|~\w-]+$/;
const BASE = "ws://memory/";
const HANDLED = ["open", "message", "close", "error"] as const;

type Listener = (event: Event) => unknown;

function readUrl(url: string | URL): URL {
  const text = String(url);
  if (!URL.canParse(text, BASE)) throw new DOMException(`WebSocket: "${text}" is no URL`, "SyntaxError");
  const parsed = new URL(text, BASE);
  if (parsed.protocol === "http:") parsed.protocol = "ws:";
  if (parsed.protocol === "https:") parsed.protocol = "wss:";
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")
    throw new DOMException(`WebSocket: expected a ws: or wss: URL, got "${text}"`, "SyntaxError");
  if (parsed.href.includes("#"))
    throw new DOMException(`WebSocket: a URL with a fragment is not allowed, got "${text}"`, "SyntaxError");
  return parsed;
}

function readProtocols(protocols: string | readonly string[]): readonly string[] {
  const list = typeof protocols === "string" ? [protocols] : Array.from(protocols, String);
  for (const [i, protocol] of list.entries())
    if (!TOKEN.test(protocol) || list.indexOf(protocol) !== i)
      throw new DOMException(`WebSocket: "${protocol}" is no subprotocol, or stands there twice`, "SyntaxError");
  return list;
}

/** The `on…` properties of one socket: each is a listener that keeps its place. */
class Handlers {
  readonly #target: EventTarget;
  readonly #current = new Map<string, Listener>();

  constructor(target: EventTarget) {
    this.#target = target;
  }

  get(type: string): Listener | null {
    return this.#current.get(type) ?? null;
  }

  set(type: string, handler: unknown): void {
    const isFirst = !this.#current.has(type);
    if (typeof handler !== "function") {
      this.#current.delete(type);
      this.#target.removeEventListener(type, this.#call);
      return;
    }
    this.#current.set(type, handler as Listener);
    if (isFirst) this.#target.addEventListener(type, this.#call);
  }

  readonly #call = (event: Event): void => {
    this.#current.get(event.type)?.call(this.#target, event);
  };
}

class MemoryWebSocket extends EventTarget implements ClientObserver {
  readonly CONNECTING = CONNECTING;
  readonly OPEN = OPEN;
  readonly CLOSING = CLOSING;
  readonly CLOSED = CLOSED;
  readonly #host: WebSocketHost;
  readonly #url: URL;
  readonly #asked: boolean;
  readonly #giveUp = new AbortController();
  readonly #handlers = new Handlers(this);
  #client: MemoryTestClient | undefined;
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  #binaryType: "blob" | "arraybuffer" = "blob";
  #hasFailed = false;
  /** Bytes that were never sent, since the socket was closing. */
  #lostBytes = 0;
  /** What is sent while a Blob is being read waits for it: settled when all of it is on its way. */
  #sent: Promise<void> = Promise.resolve();
  #queued = 0;
  #readingBytes = 0;

  constructor(host: WebSocketHost, url: string | URL, protocols: string | readonly string[] = []) {
    super();
    this.#host = host;
    this.#url = readUrl(url);
    const offered = readProtocols(protocols);
    this.#asked = offered.length > 0;
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
    return (this.#client?.unreadBytes ?? 0) + this.#readingBytes + this.#lostBytes;
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

  handler(type: string): Listener | null {
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
    else if (message instanceof Blob || this.#queued > 0) this.#inTurn(message, bytes);
    else this.#client?.send(message);
  }

  close(code?: number, reason = ""): void {
    checkClose(code, reason);
    if (this.#readyState === CONNECTING) this.#giveUp.abort();
    if (this.#readyState >= CLOSING) return;
    const wasOpen = this.#readyState === OPEN;
    this.#readyState = CLOSING;
    if (!wasOpen) return;
    if (this.#queued === 0) this.#client?.close(code, reason);
    else this.#host.hold(this.#sent.then(() => void this.#client?.close(code, reason)));
  }

  onOpen(client: MemoryTestClient): void {
    this.#client = client;
    // A peer that gave none of the subprotocols asked for is not to be talked to (standard, "establish a connection").
    if (this.#readyState === CLOSING || (this.#asked && client.protocol === "")) {
      client.fail(new Error("the client has left"));
      return;
    }
    this.#readyState = OPEN;
    this.dispatchEvent(new SocketEvent("open", this.#now()));
  }

  onMessage(data: string | Buffer): void {
    if (this.#readyState !== OPEN && this.#readyState !== CLOSING) return;
    this.dispatchEvent(new SocketMessageEvent(this.#now(), this.#asAsked(data), this.#url.origin));
  }

  onFailed(): void {
    this.#hasFailed = true;
  }

  onClosed(code: number, reason: string): void {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CLOSED;
    if (this.#hasFailed) this.dispatchEvent(new SocketEvent("error", this.#now()));
    this.dispatchEvent(new SocketCloseEvent(this.#now(), code, reason));
  }

  async #connect(protocols: readonly string[]): Promise<void> {
    const refusal = await this.#host.dial(this.#url, protocols, this, this.#giveUp.signal);
    if (refusal === undefined) return;
    this.#hasFailed = true;
    this.onClosed(ABNORMAL, "");
  }

  /** After what is being read already. */
  #inTurn(message: string | Buffer | Blob, bytes: number): void {
    this.#readingBytes += bytes;
    this.#queued++;
    const sent = this.#sent.then(async () => {
      const data = message instanceof Blob ? Buffer.from(await message.arrayBuffer()) : message;
      this.#client?.send(data);
    });
    this.#sent = sent
      .catch((error: Error) => this.#client?.fail(error))
      .then(() => {
        this.#readingBytes -= bytes;
        this.#queued--;
      });
    this.#host.hold(this.#sent);
  }

  #asAsked(data: string | Buffer): WebSocketMessageEvent["data"] {
    if (typeof data === "string") return data;
    const bytes = new Uint8Array(data).buffer;
    return this.#binaryType === "blob" ? new Blob([bytes]) : bytes;
  }

  #now(): number {
    return this.#host.clock.now();
  }
}

function readData(data: Exclude<WebSocketData, Blob>): string | Buffer {
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return typeof data === "object" && "byteLength" in data ? Buffer.from(data) : String(data);
}

function checkClose(code: number | undefined, reason: string): void {
  if (code !== undefined && !isBrowserCode(code))
    throw new DOMException(`WebSocket.close: expected 1000 or 3000-4999, got ${code}`, "InvalidAccessError");
  const bytes = Buffer.byteLength(String(reason));
  if (bytes > MAX_REASON_BYTES)
    throw new DOMException(
      `WebSocket.close: expected a reason of at most ${MAX_REASON_BYTES} bytes, got ${bytes}`,
      "SyntaxError",
    );
}

function createTimers(clock: Clock, random: Random): RuntimeTimers {
  const cancels = new Map<number, () => void>();
  let last = 0;
  return {
    setTimeout(callback, ms) {
      const id = ++last;
      const timer = clock.after(Math.max(0, ms || 0), () => {
        cancels.delete(id);
        callback();
      });
      cancels.set(id, () => timer.cancel());
      return id;
    },
    clearTimeout(id) {
      if (id === undefined) return;
      cancels.get(id)?.();
      cancels.delete(id);
    },
    random: () => random.fraction(),
  };
}

/** The class for one runtime. */
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
  for (const type of HANDLED)
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
  Object.defineProperty(WebSocket, CLOCK, { value: createTimers(host.clock, host.random) });
  // The `on…` properties and the events' types are beyond what the compiler sees here.
  return WebSocket as unknown as RuntimeWebSocketClass;
}
