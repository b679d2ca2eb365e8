/**
 * The public types of the options of a client, and the checks of addresses, messages and clocks. `settings.ts` reads the options.
 * Nothing of Node is used, in the types neither: a page's compiler may know nothing of Node.
 */

import { SendallError } from "../api/errors.js";
import { isRecord } from "../options/kinds.js";
import { refuseOption } from "../options/read-options.js";
import { show } from "../runtime/show.js";
import type { ClientClock } from "./machine.js";
import type { Message, WebSocketClass } from "./socket.js";

/** A message to send: a string goes out as a text frame, bytes as a binary frame (RFC 6455 section 5.6). */
export type ClientData = string | Uint8Array | ArrayBuffer;

/** How a connection, an attempt to make one, or a channel ended. */
export interface ClientClosing {
  /** The close code of RFC 6455 section 7.4; 1005 if the close frame had none, 1006 if there was no close frame. */
  readonly code: number;
  /** The reason of the close frame, `""` if there was none. */
  readonly reason: string;
  /** Whether both sides sent a close frame. */
  readonly wasClean: boolean;
  /** Whether the client connects again by itself; after `false` no callback is called any more. */
  readonly willRetry: boolean;
}

/** When to connect again. The n-th retry in a row waits `min(maxMs, minMs * factor ** (n - 1))`, less a random share. */
export interface ReconnectOptions {
  /** The first wait, in milliseconds. Default: 1000. */
  readonly minMs?: number;
  /** The longest wait, in milliseconds; also when `minMs` is more. Default: 10000. */
  readonly maxMs?: number;
  /** What each further retry multiplies the wait with, from 1. Default: 2. */
  readonly factor?: number;
  /**
   * Up to which share of itself a wait is made shorter at random, from 0 (not at all) to 1 (anything down to nothing), so that
   * the clients of a server that restarts do not all come back at once. Default: 1.
   */
  readonly jitter?: number;
  /** How many retries in a row may fail before the client gives up. Default: no limit. */
  readonly attempts?: number;
}

/** What a client keeps while it has no connection. */
export interface OfflineOptions {
  /** How many messages at most; for more `send` returns `false`. 0 keeps none. Default: 256. */
  readonly maxMessages?: number;
}

/** The options of `connect`. */
export interface ConnectOptions {
  /** The subprotocol to offer, or several in order of preference. Default: none. */
  readonly protocols?: string | readonly string[];
  /** Headers of the handshake's request beside its own, as `{ name: value }`. In Node, Deno and Bun only, and not beside `WebSocket`. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A connection is open. What waited has been sent before. */
  readonly onOpen?: () => unknown;
  /** A message: a string for a text frame, bytes for a binary frame. */
  readonly onMessage?: (data: string | Uint8Array) => unknown;
  /** A connection, or an attempt to make one, has ended. Calling `close` here keeps the client from connecting again. */
  readonly onClose?: (closing: ClientClosing) => unknown;
  /**
   * A `SendallError`: `REFUSED` (in Node; `status` and `body` tell more), `CONNECTION_FAILED` or `CALLBACK_FAILED`. An error of
   * the connection is followed by `onClose`. In Node its `cause` is the socket's error: nobody there, a reset, a broken frame.
   */
  readonly onError?: (error: Error) => unknown;
  /** When to connect again; `false`: never. What is left out keeps its default. Default: after 1 to 10 s, for ever. */
  readonly reconnect?: ReconnectOptions | false;
  /** What is kept while there is no connection. What is left out keeps its default. Default: 256 messages. */
  readonly offline?: OfflineOptions;
  /**
   * The class to make sockets with, shaped as a browser's `WebSocket`: that of `ws`, Node's own, a test runtime's. Default: the
   * browser's, in Node, Deno and Bun that of `ws`. If it has the property `Symbol.for("sendall.clock")`, an object
   * `{ setTimeout(ring, ms), clearTimeout(id), random() }`, the client takes its time and its chance from that.
   */
  readonly WebSocket?: WebSocketClass;
}

/** The options of a channel. */
export interface ChannelOptions {
  /** The subscription has been sent. What waited follows it and has been sent before this is called. */
  readonly onOpen?: () => unknown;
  /** A message of the channel: a string for a text frame, bytes for a binary frame. */
  readonly onMessage?: (data: string | Uint8Array) => unknown;
  /** The channel or its connection has ended; after `willRetry` it subscribes again by itself. */
  readonly onClose?: (closing: ClientClosing) => unknown;
  /** `REFUSED`: the server knows no such channel. `CALLBACK_FAILED`: without an `onError` here the client's hears of it. */
  readonly onError?: (error: Error) => unknown;
}

/** What is sent for a message, a copy of bytes; throws `BAD_DATA`. */
export function checkData(data: unknown): Message {
  if (typeof data === "string") return data;
  // Browsers refuse memory that is shared between threads, so not the buffer itself either.
  if (data instanceof Uint8Array) return new Uint8Array(data).buffer;
  if (data instanceof ArrayBuffer) return data.slice(0);
  throw new SendallError("BAD_DATA", `message: expected a string, a Uint8Array or an ArrayBuffer, got ${show(data)}`);
}

/**
 * The address to dial; throws `BAD_OPTION`. A page may leave out what is as in its own address, and a path is enough for a class
 * of sockets that knows where it belongs.
 */
export function checkUrl(url: unknown, isClassGiven: boolean): string {
  const base = pageAddress();
  const text = String(url);
  if (base === undefined && isClassGiven && text.startsWith("/")) return text;
  if (!(typeof url === "string" || url instanceof URL) || !canParse(text, base))
    refuseOption("url", `expected a URL, got ${show(url)}`);
  const parsed = new URL(text, base);
  if (parsed.protocol === "http:") parsed.protocol = "ws:";
  if (parsed.protocol === "https:") parsed.protocol = "wss:";
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")
    refuseOption("url", `expected a URL that begins with ws:// or wss://, got ${show(text)}`);
  if (parsed.hash !== "") refuseOption("url", `a WebSocket has no fragment, got ${show(text)}`);
  return parsed.href;
}

/**
 * What an address may be relative to. Deno has a `location` that is `undefined`, a test's page may be `about:blank`, and what stands in
 * for a page in other runtimes need not have an address at all.
 */
function pageAddress(): string | undefined {
  const location: unknown = Reflect.get(globalThis, "location");
  const href: unknown = isRecord(location) ? Reflect.get(location, "href") : undefined;
  return typeof href === "string" && canParse("/", href) ? href : undefined;
}

function canParse(text: string, base: string | undefined): boolean {
  try {
    return Boolean(new URL(text, base));
  } catch {
    return false;
  }
}

const CLOCK: unique symbol = Symbol.for("sendall.clock");

/** The clock that a class of sockets carries, or the real one; throws `BAD_OPTION` for what is none. */
export function clockOf(Class: WebSocketClass | undefined): ClientClock {
  const clock: unknown = Class === undefined ? undefined : Reflect.get(Class, CLOCK);
  if (clock === undefined) return realClock;
  if (!isClock(clock))
    refuseOption("WebSocket", "its clock has to be an object { setTimeout(ring, ms), clearTimeout(id), random() }");
  return clock;
}

function isClock(value: unknown): value is ClientClock {
  return (
    isRecord(value) &&
    ["setTimeout", "clearTimeout", "random"].every((name) => typeof Reflect.get(value, name) === "function")
  );
}

/** A wait keeps a Node process alive, as the connection would that it leads to. */
const realClock: ClientClock = {
  setTimeout: (ring, ms) => setTimeout(ring, ms),
  clearTimeout(id: ReturnType<typeof setTimeout>) {
    clearTimeout(id);
  },
  random: () => Math.random(),
};
