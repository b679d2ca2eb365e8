// @ts-check
// What the pages of the examples have in common, so that each example shows only its own: the style sheet, the icon and the few
// lines of page.js. A server hands them out by `onRequest`, which gets what neither a socket nor its folder answers.
import { readFile } from "node:fs/promises";

const TYPES = new Map([
  ["/page.css", "text/css"],
  ["/page.js", "text/javascript"],
  ["/icon.svg", "image/svg+xml"],
]);

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
export async function pageParts({ method, url = "" }, response) {
  const [path = ""] = url.split("?");
  const type = TYPES.get(path);
  if (type === undefined || (method !== "GET" && method !== "HEAD")) {
    response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("there is no such page\n");
    return;
  }
  const part = await readFile(new URL(`public${path}`, import.meta.url));
  response.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-cache" }).end(part);
}
