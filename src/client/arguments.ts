/**
 * The checks of what a program gives to a client besides options: addresses, messages and clocks. Nothing of Node is used, not even types:
 * the compiler of a page may not know Node.
 */
import { SendallError } from "../api/errors.js";
import { isRecord } from "../options/kinds.js";
import { refuseOption } from "../options/read-options.js";
import { show } from "../runtime/show.js";
import { attempt } from "./attempt.js";
import type { ClientData } from "./options.js";
import type { Message, WebSocketClass } from "./socket.js";

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
  if (data instanceof ArrayBuffer) return data.slice(0);
  throw new SendallError("BAD_DATA", `message: expected a string, a Uint8Array or an ArrayBuffer, got ${show(data)}`);
}

/** The message to hand to a socket for checked data. */
export function toMessage(data: ClientData): Message {
  return data instanceof Uint8Array ? (data.buffer as ArrayBuffer) : data;
}

/** The bytes of a message, text counted in UTF-8. */
export function sizeOf(message: Message): number {
  return typeof message === "string" ? new TextEncoder().encode(message).length : message.byteLength;
}

/**
 * The address to dial; throws `BAD_OPTION`. A page may give a URL relative to its own address, and a path is enough for a socket class
 * that knows its server (a test runtime's).
 */
export function checkUrl(url: unknown, isClassGiven: boolean): string {
  const { location } = globalThis as { location?: { readonly href?: string } };
  const text = String(url);
  // In Deno `location` is `undefined`, a test's page may be `about:blank`, and the substitute for a page may have no address.
  const base = attempt(() => new URL("/", location?.href) && location?.href);
  if (!base && isClassGiven && text.startsWith("/")) return text;
  const parsed = attempt(() => new URL(text, base));
  const isAddress = (typeof url === "string" || url instanceof URL) && /^(?:ws|http)s?:[^#]*$/.test(parsed?.href ?? "");
  if (!parsed || !isAddress)
    refuseOption("url", `expected a URL that begins with ws:// or wss://, without a fragment, got ${show(url)}`);
  return parsed.href.replace(/^http/, "ws");
}

/** The clock of a socket class, or the real clock; throws `BAD_OPTION` for a value that is no clock. */
export function clockOf(Class: WebSocketClass | undefined): ClientClock {
  const clock: unknown = Class && Reflect.get(Class, Symbol.for("sendall.clock"));
  if (clock === undefined) return realClock;
  if (!isClock(clock)) refuseOption("WebSocket", "expected a class with a clock { setTimeout, clearTimeout, random }");
  return clock;
}

function isClock(value: unknown): value is ClientClock {
  return isRecord(value) && ["setTimeout", "clearTimeout", "random"].every((name) => typeof value[name] === "function");
}

/** The timer of a wait keeps a Node process alive, as the next connection will. */
const realClock: ClientClock = {
  setTimeout: (ring, ms) => setTimeout(ring, ms),
  clearTimeout(id: ReturnType<typeof setTimeout>) {
    clearTimeout(id);
  },
  random: () => Math.random(),
};
