/** Reads the arguments of the constructor, `send` and `close` of `runtime.WebSocket`, with the checks and errors of the WHATWG's standard. */
import { isBrowserCode, MAX_REASON_BYTES } from "../../api/close-codes.js";
import { bufferOf } from "../../runtime/buffer-of.js";
import type { WebSocketData } from "./whatwg.js";

// Read when this file is loaded, because a test may replace the global later.
const { DOMException } = globalThis;

/** The grammar of a subprotocol's name: `token` of RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^`|~\w-]+$/;
const BASE = "ws://memory/";

export function readUrl(url: string | URL): URL {
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

export function readProtocols(protocols: string | readonly string[]): readonly string[] {
  const list = typeof protocols === "string" ? [protocols] : Array.from(protocols, String);
  for (const [i, protocol] of list.entries())
    if (!TOKEN.test(protocol) || list.indexOf(protocol) !== i)
      throw new DOMException(`WebSocket: "${protocol}" is no subprotocol, or stands there twice`, "SyntaxError");
  return list;
}

export function readData(data: Exclude<WebSocketData, Blob>): string | Buffer {
  if (ArrayBuffer.isView(data)) return bufferOf(data);
  return typeof data === "object" && "byteLength" in data ? Buffer.from(data) : String(data);
}

export function checkClose(code: number | undefined, reason: string): void {
  if (code !== undefined && !isBrowserCode(code))
    throw new DOMException(`WebSocket.close: expected 1000 or 3000-4999, got ${code}`, "InvalidAccessError");
  const bytes = Buffer.byteLength(String(reason));
  if (bytes > MAX_REASON_BYTES)
    throw new DOMException(
      `WebSocket.close: expected a reason of at most ${MAX_REASON_BYTES} bytes, got ${bytes}`,
      "SyntaxError",
    );
}
