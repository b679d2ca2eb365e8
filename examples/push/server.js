// @ts-check
// Push: events that come from the rest of the program and not from a peer, by `server.tell`. `npm run example push`
// shop.js changes prices, and POST /push tells news: curl -d '{"text":"Sale"}' -H 'Content-Type: application/json' <address>/push
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { pageParts } from "../page/parts.js";
import { createPush } from "./push.js";
import { openShop } from "./shop.js";

const MAX_BODY = 2_000;

const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: (request, response) =>
    request.method === "POST" && request.url === "/push" ? takeNews(request, response) : pageParts(request, response),
  handler: createPush(),
});
console.log(`Push: http://127.0.0.1:${server.port}`);

const closeShop = openShop((item, cents) => server.tell({ type: "price", item, cents }));

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 * @returns {Promise<void>}
 */
async function takeNews(request, response) {
  const { "content-type": type, "content-length": length } = request.headers;
  // A page from elsewhere cannot send this type unasked, so no other site's page can push. In earnest somebody has to log in.
  if (!type?.startsWith("application/json")) return answer(415, "expected application/json");
  if (!(Number(length) <= MAX_BODY)) return answer(413, `expected a Content-Length of ${MAX_BODY} at most`);
  const news = parse(await text(request)).text;
  if (typeof news !== "string" || news.trim() === "") return answer(400, 'expected {"text": "…"}');
  // `false`: more is waiting for the handler than it may (`mailbox.maxInfo`).
  if (!server.tell({ type: "news", text: news.trim() })) return answer(503, "too much is waiting");
  return answer(202, `told ${server.stats().connections}`);

  /** @param {number} status @param {string} line */
  function answer(status, line) {
    response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${line}\n`);
  }
}

/** What is no JSON object is answered like one without a text. @param {string} json @returns {Record<string, unknown>} */
function parse(json) {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => {
    closeShop();
    server.close();
  });
