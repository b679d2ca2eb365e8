/**
 * The checks of what a program gives to a client besides options: addresses, messages and clocks. Nothing of Node is used, not even types:
 * the compiler of a page may not know Node.
 */
import { attempt } from "./attempt.js";
import type { ClientData } from "./options.js";
import { IS_WORDY, refuse } from "./texts.js";
import type { WebSocketClass } from "./web-socket.js";

declare const location: { readonly href: string };

/** The source of a client's timers, random numbers and time. */
export interface ClientClock {
  setTimeout(ring: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  /** A random number from 0 up to but not including 1. */
  random(): number;
  /** In milliseconds. Default: the real time. */
  now?(): number;
}

/** The data of a message, with bytes copied, in the type in which the program gave the data; throws `BAD_DATA`. */
export function checkData(data: unknown): ClientData {
  if (typeof data === "string") return data;
  // Always a copy: browsers refuse memory that threads share.
  if (data instanceof Uint8Array) return new Uint8Array(data);
  return data instanceof ArrayBuffer ? data.slice() : refuse("message", data, "BAD_DATA");
}

export function isFunction(value: unknown): value is () => unknown {
  return typeof value === "function";
}

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The bytes of a message, text counted in UTF-8. */
export function sizeOf(message: ClientData): number {
  return (typeof message === "string" ? encode(message) : message).byteLength;
}

/**
 * The address to dial; throws `BAD_OPTION`. A page may give a URL relative to its own address, and a path is enough for a socket class
 * that knows its server (a test runtime's).
 */
export function checkUrl(url: unknown, isClassGiven: unknown): string {
  const text = typeof url === "string" || url instanceof URL ? String(url) : "";
  // There is no `location` in Node, in Deno it is `undefined`, and a test's page may be `about:blank`.
  const base = attempt(() => (!IS_WORDY || new URL("/", location.href)) && location.href);
  if (!base && isClassGiven && text[0] === "/") return text;
  const parsed = attempt(() => new URL(text, base).href.replace(/^http/, "ws"));
  if (parsed && text && /^wss?:[^#]*$/.test(parsed)) return parsed;
  return refuse("url", url);
}

/** The clock of a socket class, if the class has a clock; throws `BAD_OPTION` for a value that is no clock. */
export function clockOf(Class: WebSocketClass | undefined): ClientClock | undefined {
  const clock = (Class as unknown as Readonly<Record<symbol, unknown>> | undefined)?.[Symbol.for("sendall.clock")];
  if (IS_WORDY && clock !== undefined && !isFunction((clock as ClientClock | null)?.setTimeout))
    refuse("WebSocket", Class);
  return clock as ClientClock | undefined;
}
