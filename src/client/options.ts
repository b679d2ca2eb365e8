/**
 * The options of a client: types, defaults and checks. `connect` and `channel` check their options here before starting anything.
 * This file uses nothing of Node, not even types: the compiler of a page may not know Node.
 */

import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";
import type { Backoff, ClientClock } from "./machine.js";
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

/** The options of a client, checked, with defaults. */
export interface ClientSettings extends Omit<ConnectOptions, "protocols" | "reconnect" | "offline"> {
  readonly protocols: readonly string[];
  readonly reconnect: Backoff | false;
  readonly maxMessages: number;
}

const BACKOFF: Backoff = { minMs: 1000, maxMs: 10_000, factor: 2, jitter: 1, attempts: Number.POSITIVE_INFINITY };
const MAX_MESSAGES = 256;
/** The longest time of `setTimeout`, which counts in 32 bits. */
const LONGEST_MS = 2_147_483_647;
/** A token of RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** A field value of RFC 9110 section 5.5. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

type Check = readonly [expected: string, accepts: (value: unknown) => boolean];

const callback: Check = ["a function", (value) => typeof value === "function"];

function number(expected: string, min: number, max: number, isWhole = true): Check {
  return [
    expected,
    (value) => typeof value === "number" && value >= min && value <= max && (!isWhole || Number.isInteger(value)),
  ];
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function areProtocols(value: unknown): boolean {
  const names: unknown[] = Array.isArray(value) ? value : [value];
  return new Set(names).size === names.length && names.every((name) => typeof name === "string" && TOKEN.test(name));
}

/** The headers that every handshake sets, once each (RFC 6455 section 4.1), and the headers of a body, which no handshake has. */
const HANDSHAKE = /^(?:connection|upgrade|sec-websocket-.*|content-length|transfer-encoding)$/i;

function areHeaders(value: unknown): boolean {
  return (
    isObject(value) &&
    Object.entries(value).every(
      ([name, text]) => TOKEN.test(name) && !HANDSHAKE.test(name) && typeof text === "string" && FIELD_VALUE.test(text),
    )
  );
}

const CALLBACKS = { onOpen: callback, onMessage: callback, onClose: callback, onError: callback };

const CHECKS: Readonly<Record<string, Check>> = {
  protocols: ["a token of HTTP, or an array of different ones", areProtocols],
  headers: ["an object of header names and strings, without those of the handshake itself", areHeaders],
  ...CALLBACKS,
  reconnect: ["an object, or false", (value) => value === false || isObject(value)],
  offline: ["an object", isObject],
  WebSocket: ["a class", (value) => typeof value === "function"],
};

const RECONNECT_CHECKS: Readonly<Record<string, Check>> = {
  "reconnect.minMs": number("a whole number of milliseconds from 0", 0, LONGEST_MS),
  "reconnect.maxMs": number("a whole number of milliseconds from 0", 0, LONGEST_MS),
  "reconnect.factor": number("a number from 1", 1, Number.MAX_VALUE, false),
  "reconnect.jitter": number("a number from 0 to 1", 0, 1, false),
  "reconnect.attempts": [
    "a whole number from 0, or Infinity",
    (value) => value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && Number(value) >= 0),
  ],
};

const OFFLINE_CHECKS: Readonly<Record<string, Check>> = {
  "offline.maxMessages": number("a whole number from 0", 0, Number.MAX_SAFE_INTEGER),
};

/** Throws `BAD_OPTION`; the message begins with the option's dotted name. */
export function badOption(option: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${option}: ${problem}`, { option });
}

/** Refuses unknown options and wrong values. `undefined` counts as omitted. */
function checkAll(values: object, checks: Readonly<Record<string, Check>>, prefix = ""): void {
  if (!isObject(values)) badOption("options", `expected an object, got ${show(values)}`);
  for (const [key, value] of Object.entries(values)) {
    const name = prefix + key;
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) badOption(name, `there is no such option; there are ${Object.keys(checks).join(", ")}`);
    const [expected, accepts] = check;
    if (value !== undefined && !accepts(value)) badOption(name, `expected ${expected}, got ${show(value)}`);
  }
}

/** The options of a client with their defaults; throws `BAD_OPTION`. */
export function checkOptions(options: ConnectOptions): ClientSettings {
  checkAll(options, CHECKS);
  const { protocols = [], reconnect = {}, offline = {}, ...rest } = options;
  if (reconnect !== false) checkAll(reconnect, RECONNECT_CHECKS, "reconnect.");
  checkAll(offline, OFFLINE_CHECKS, "offline.");
  return {
    ...rest,
    protocols: typeof protocols === "string" ? [protocols] : [...protocols],
    reconnect: reconnect === false ? false : merge(reconnect),
    maxMessages: offline.maxMessages ?? MAX_MESSAGES,
  };
}

function merge({ minMs, maxMs, factor, jitter, attempts }: ReconnectOptions): Backoff {
  return {
    minMs: minMs ?? BACKOFF.minMs,
    maxMs: maxMs ?? BACKOFF.maxMs,
    factor: factor ?? BACKOFF.factor,
    jitter: jitter ?? BACKOFF.jitter,
    attempts: attempts ?? BACKOFF.attempts,
  };
}

/** The data to send for a message, with bytes copied; throws `BAD_DATA`. */
export function checkData(data: unknown): Message {
  if (typeof data === "string") return data;
  // Always a copy: browsers refuse memory that threads share.
  if (data instanceof Uint8Array) return new Uint8Array(data).buffer;
  if (data instanceof ArrayBuffer) return data.slice(0);
  throw new SendallError("BAD_DATA", `message: expected a string, a Uint8Array or an ArrayBuffer, got ${show(data)}`);
}

/** The options of a channel; throws `BAD_OPTION`. */
export function checkChannelOptions(options: ChannelOptions): ChannelOptions {
  checkAll(options, CALLBACKS);
  return options;
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
    badOption("url", `expected a URL, got ${show(url)}`);
  const parsed = new URL(text, base);
  if (parsed.protocol === "http:") parsed.protocol = "ws:";
  if (parsed.protocol === "https:") parsed.protocol = "wss:";
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")
    badOption("url", `expected a URL that begins with ws:// or wss://, got ${show(text)}`);
  if (parsed.hash !== "") badOption("url", `a WebSocket has no fragment, got ${show(text)}`);
  return parsed.href;
}

/**
 * The base of relative addresses, if any. In Deno `location` is `undefined`, a test's page may be `about:blank`, and the substitute for a
 * page in a different runtime may have no address.
 */
function pageAddress(): string | undefined {
  const location: unknown = Reflect.get(globalThis, "location");
  const href: unknown = isObject(location) ? Reflect.get(location, "href") : undefined;
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
    badOption("WebSocket", "its clock has to be an object { setTimeout(ring, ms), clearTimeout(id), random() }");
  return clock;
}

function isClock(value: unknown): value is ClientClock {
  return (
    isObject(value) &&
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
