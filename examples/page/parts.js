// @ts-check
// What the pages of the examples have in common, so that each example shows only its own part: the style sheet, the icon, the few lines
// of page.js, and a cable to pull. A server hands the parts out by `onRequest`, which gets every request that neither a socket nor a file
// answers; the option `client` hands out sendall/client, by which the pages connect.
import { readFile } from "node:fs/promises";

const TYPES = new Map([
  ["/page.css", "text/css"],
  ["/page.js", "text/javascript"],
  ["/cable.js", "text/javascript"],
  ["/try.js", "text/javascript"],
  ["/icon.svg", "image/svg+xml"],
]);

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
export async function pageParts(request, response) {
  const path = pathOf(request);
  const type = TYPES.get(path);
  if (type === undefined) {
    response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("there is no such page\n");
    return;
  }
  const part = await readFile(new URL(`public${path}`, import.meta.url));
  response.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-cache" }).end(part);
}

/**
 * A page to try an example that has no page of its own: the page says what to type in a shell, and talks to the server's sockets.
 * `onRequest: tryPage("Echo", "Each message comes back to you.")` serves the page at /, and `client: "/sendall/client.js"` what it connects by.
 *
 * @param {string} title
 * @param {string} hint
 * @returns {typeof pageParts}
 */
export function tryPage(title, hint) {
  return async (request, response) => {
    if (pathOf(request) !== "/") return pageParts(request, response);
    const page = await readFile(new URL("public/try.html", import.meta.url), "utf8");
    response
      .writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache" })
      .end(page.replaceAll("{{title}}", title).replaceAll("{{hint}}", hint));
  };
}

/** The path that a request asks to read; empty for a request of another kind. @param {import("node:http").IncomingMessage} request */
function pathOf({ method, url = "" }) {
  const [path = ""] = url.split("?");
  return method === "GET" || method === "HEAD" ? path : "";
}
