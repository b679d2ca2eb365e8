/** The reader for bodies of send requests: reads a body as a whole, up to `maxPayloadBytes`. */
import type { IncomingMessage } from "node:http";
import { GrowableBuffer } from "../protocol/growable-buffer.js";

/** The body, or the reason for its absence: more bytes than allowed, or a request cut by the network. */
export type Body = { readonly text: string; readonly bytes: number } | "too large" | "lost";

/** Whether `Content-Length` alone exceeds the limit. */
export function declaresMoreThan(request: IncomingMessage, maxBytes: number): boolean {
  return Number(request.headers["content-length"] ?? 0) > maxBytes;
}

/** Reads the body to its end, or stops at the first byte beyond the limit. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Body> {
  if (declaresMoreThan(request, maxBytes)) return Promise.resolve("too large");
  // Middleware of the host has already read the body.
  if (request.readableEnded) return Promise.resolve({ text: "", bytes: 0 });
  if (request.destroyed) return Promise.resolve("lost");
  return new Promise((resolve) => {
    const buffer = new GrowableBuffer();
    const settle = (body: Body): void => {
      request.off("data", onData);
      resolve(body);
    };
    const onData = (chunk: Buffer): void => {
      if (buffer.length + chunk.length > maxBytes) settle("too large");
      else buffer.add(chunk);
    };
    request.on("data", onData);
    request.once("end", () => {
      const bytes = buffer.length;
      settle({ text: buffer.takeText(), bytes });
    });
    request.once("error", () => settle("lost"));
    request.once("close", () => settle("lost"));
  });
}

const FORM = "application/x-www-form-urlencoded";

/** A form carries the messages in its field `d`; a body of any other type is the messages. */
export function extractPayload(text: string, contentType: string | undefined): string {
  const [type = ""] = contentType?.split(";") ?? [];
  return type.trim().toLowerCase() === FORM ? (new URLSearchParams(text).get("d") ?? "") : text;
}
