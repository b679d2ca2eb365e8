/** Bodies of requests that bring messages: read as a whole, and bounded. */
import type { IncomingMessage } from "node:http";
import { Gathered } from "../protocol/growable-buffer.js";

/** The body, or why there is none: it is too large, or its sender has left. */
export type Body = { readonly text: string; readonly bytes: number } | "too large" | "lost";

/** Whether it says of itself that it is. */
export function isTooLarge(request: IncomingMessage, maxBytes: number): boolean {
  return Number(request.headers["content-length"] ?? 0) > maxBytes;
}

/** Reads it to its end; of one that is too large no more than shows that it is. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Body> {
  if (isTooLarge(request, maxBytes)) return Promise.resolve("too large");
  // Somebody before us, a host's own middleware, has read it.
  if (request.readableEnded) return Promise.resolve({ text: "", bytes: 0 });
  if (request.destroyed) return Promise.resolve("lost");
  return new Promise((resolve) => {
    const gathered = new Gathered();
    const end = (body: Body): void => {
      request.off("data", take);
      resolve(body);
    };
    const take = (chunk: Buffer): void => {
      if (gathered.length + chunk.length > maxBytes) end("too large");
      else gathered.add(chunk);
    };
    request.on("data", take);
    request.once("end", () => {
      const bytes = gathered.length;
      end({ text: gathered.take(), bytes });
    });
    request.once("error", () => end("lost"));
    request.once("close", () => end("lost"));
  });
}

const FORM = "application/x-www-form-urlencoded";

/** The messages in a form are its field `d`; in any other type the body is the messages. */
export function payloadOf(text: string, contentType: string | undefined): string {
  const [type = ""] = contentType?.split(";") ?? [];
  return type.trim().toLowerCase() === FORM ? (new URLSearchParams(text).get("d") ?? "") : text;
}
