/**
 * The public types of the options of a client, and the checks of addresses, messages and clocks. `settings.ts` reads the options.
 * This file uses nothing of Node, not even types: the compiler of a page may not know Node.
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
  /** Whether the client connects again by itself; after `false` no further callback is called. */
  readonly willRetry: boolean;
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

/** What a client keeps while there is no connection. */
export interface OfflineOptions {
  /** The maximum number of waiting messages; beyond the maximum `send` returns `false`. 0 keeps no message. Default: 256. */
  readonly maxMessages?: number;
}

/** The options of `connect`. */
export interface ConnectOptions {
  /** The subprotocol to offer, or several in order of preference. Default: none. */
  readonly protocols?: string | readonly string[];
  /**
   * Additional headers of the handshake's request, as `{ name: value }`. In Node, Deno and Bun only, and not together with `WebSocket`.
   * Default: none.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** Called when a connection has opened. The waiting messages have been sent before. */
  readonly onOpen?: () => unknown;
  /** Called with a message: a string for a text frame, bytes for a binary frame. */
  readonly onMessage?: (data: string | Uint8Array) => unknown;
  /** Called when a connection, or an attempt to connect, has ended. Calling `close` here keeps the client from connecting again. */
  readonly onClose?: (closing: ClientClosing) => unknown;
  /**
   * Called with a `SendallError`: `REFUSED` (in Node; `status` and `body` tell more), `CONNECTION_FAILED` or `CALLBACK_FAILED`. After
   * an error of the connection comes `onClose`. In Node the error's `cause` is the socket's error: no server there, a reset, a broken
   * frame.
   */
  readonly onError?: (error: Error) => unknown;
  /** When to connect again; `false`: never. Omitted members keep their default. Default: after 1 to 10 s, for ever. */
  readonly reconnect?: ReconnectOptions | false;
  /** What is kept while there is no connection. Omitted members keep their default. Default: 256 messages. */
  readonly offline?: OfflineOptions;
  /**
   * The class to make sockets with, in the shape of a browser's `WebSocket`: the class of `ws`, Node's own, a test runtime's. Default: the
   * browser's class; in Node, Deno and Bun the class of `ws`. If the class has the property `Symbol.for("sendall.clock")`, an object
   * `{ setTimeout(ring, ms), clearTimeout(id), random() }`, the client takes timers and random numbers from the object.
   */
  readonly WebSocket?: WebSocketClass;
}

/** The options of a channel. */
export interface ChannelOptions {
  /** Called when the subscription, and then the channel's waiting messages, have been sent. */
  readonly onOpen?: () => unknown;
  /** Called with a message of the channel: a string for a text frame, bytes for a binary frame. */
  readonly onMessage?: (data: string | Uint8Array) => unknown;
  /** Called when the channel or its connection has ended; after `willRetry` the channel subscribes again by itself. */
  readonly onClose?: (closing: ClientClosing) => unknown;
  /**
   * Called with `REFUSED` when the server knows no such channel, and with `CALLBACK_FAILED`, which goes to the client's `onError` if the
   * channel has no `onError`.
   */
  readonly onError?: (error: Error) => unknown;
}

/** The data to send for a message, with bytes copied; throws `BAD_DATA`. */
export function checkData(data: unknown): Message {
  if (typeof data === "string") return data;
  // Always a copy: browsers refuse memory that threads share.
  if (data instanceof Uint8Array) return new Uint8Array(data).buffer;
  if (data instanceof ArrayBuffer) return data.slice(0);
  throw new SendallError("BAD_DATA", `message: expected a string, a Uint8Array or an ArrayBuffer, got ${show(data)}`);
}

/**
 * The address to dial; throws `BAD_OPTION`. A page may give a URL relative to its own address, and a path is enough for a socket class
 * that knows its server (a test runtime's).
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
  if (parsed.hash !== "") refuseOption("url", `expected a URL without a fragment, got ${show(text)}`);
  return parsed.href;
}

/**
 * The base of relative addresses, if any. In Deno `location` is `undefined`, a test's page may be `about:blank`, and the substitute for a
 * page in a different runtime may have no address.
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

/** The clock of a socket class, or the real clock; throws `BAD_OPTION` for a value that is no clock. */
export function clockOf(Class: WebSocketClass | undefined): ClientClock {
  const clock: unknown = Class === undefined ? undefined : Reflect.get(Class, CLOCK);
  if (clock === undefined) return realClock;
  if (!isClock(clock))
    refuseOption(
      "WebSocket",
      "expected a class whose clock is an object { setTimeout(ring, ms), clearTimeout(id), random() }",
    );
  return clock;
}

function isClock(value: unknown): value is ClientClock {
  return (
    isRecord(value) &&
    ["setTimeout", "clearTimeout", "random"].every((name) => typeof Reflect.get(value, name) === "function")
  );
}

/** The timer of a wait keeps a Node process alive, as the next connection will. */
const realClock: ClientClock = {
  setTimeout: (ring, ms) => setTimeout(ring, ms),
  clearTimeout(id: ReturnType<typeof setTimeout>) {
    clearTimeout(id);
  },
  random: () => Math.random(),
};
