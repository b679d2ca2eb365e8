/**
 * The options of a client: their types, defaults and checks. `connect` and `channel` check here before anything is set going.
 * Nothing of Node is used, in the types neither: a page's compiler may know nothing of Node.
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

/** The options of a client, checked, with defaults. */
export interface ClientSettings extends Omit<ConnectOptions, "protocols" | "reconnect" | "offline"> {
  readonly protocols: readonly string[];
  readonly reconnect: Backoff | false;
  readonly maxMessages: number;
}

const BACKOFF: Backoff = { minMs: 1000, maxMs: 10_000, factor: 2, jitter: 1, attempts: Number.POSITIVE_INFINITY };
const MAX_MESSAGES = 256;
/** `setTimeout` counts in 32 bits. */
const LONGEST_MS = 2_147_483_647;
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** RFC 9110 section 5.5. */
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

/** Headers that the handshake has itself, once (RFC 6455 section 4.1), and those of a body, which it has not. */
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

/** Throws `BAD_OPTION`, the message beginning with the option's dotted name. */
export function badOption(option: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${option}: ${problem}`, { option });
}

/** Refuses what is unknown or wrong. `undefined` counts as left out. */
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

/** What is sent for a message, a copy of bytes; throws `BAD_DATA`. */
export function checkData(data: unknown): Message {
  if (typeof data === "string") return data;
  // Browsers refuse memory that is shared between threads, so not the buffer itself either.
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
 * The address to dial; throws `BAD_OPTION`. A page may leave out what is as in its own address, and a path is enough for a class
 * of sockets that knows where it belongs.
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
 * What an address may be relative to. Deno has a `location` that is `undefined`, a test's page may be `about:blank`, and what stands in
 * for a page in other runtimes need not have an address at all.
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

/** The clock that a class of sockets carries, or the real one; throws `BAD_OPTION` for what is none. */
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

/** A wait keeps a Node process alive, as the connection would that it leads to. */
const realClock: ClientClock = {
  setTimeout: (ring, ms) => setTimeout(ring, ms),
  clearTimeout(id: ReturnType<typeof setTimeout>) {
    clearTimeout(id);
  },
  random: () => Math.random(),
};
