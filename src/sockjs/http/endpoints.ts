/** The table of SockJS: for each row its methods, and how a plain request to it is answered. */
import type { ServerResponse } from "node:http";
import type { Row } from "../protocol/paths.js";
import type { ReceivingRow } from "../protocol/transport-formats.js";
import {
  answerPreflight,
  frameAncestors,
  setCacheable,
  setCookie,
  setCors,
  setEventSourceCors,
  setNoCache,
} from "./headers.js";
import { GREETING, hasPage, infoText } from "./pages.js";
import { receive } from "./receive-requests.js";
import type { SockJsRequest } from "./route.js";
import { send } from "./send-requests.js";

interface Answering {
  /** As `Allow` names them. */
  readonly methods: readonly string[];
  /** The headers of every answer. */
  readonly prepare?: (exchange: SockJsRequest) => void;
  readonly answer: (exchange: SockJsRequest) => void;
}

const TEXT = "text/plain; charset=UTF-8";
export const NOT_FOUND = "404 Error: Page not found\n";

/** Answers in one piece; nothing has no type. */
export function answerText(response: ServerResponse, status: number, text: string): void {
  if (text !== "") response.setHeader("Content-Type", TEXT);
  response.statusCode = status;
  response.end(text);
}

function prepareSession({ response, asking, service }: SockJsRequest): void {
  setNoCache(response);
  if (service.options.cookieNeeded) setCookie(response, asking);
}

function prepareXhr(exchange: SockJsRequest): void {
  prepareSession(exchange);
  setCors(exchange.response, exchange.asking, exchange.service.settings.origins);
}

/** What is a script is never to be taken for anything else. */
function prepareScript(exchange: SockJsRequest): void {
  prepareSession(exchange);
  exchange.response.setHeader("X-Content-Type-Options", "nosniff");
}

function prepareEventSource(exchange: SockJsRequest): void {
  prepareSession(exchange);
  setEventSourceCors(exchange.response, exchange.asking, exchange.service.settings.origins);
}

function prepareInfo(exchange: SockJsRequest): void {
  const { response, asking, service } = exchange;
  setNoCache(response);
  setCors(response, asking, service.settings.origins);
  if (service.options.cookieNeeded && exchange.request.method === "OPTIONS") setCookie(response, asking);
}

function greet({ response }: SockJsRequest): void {
  answerText(response, 200, GREETING);
}

function info({ response, service }: SockJsRequest): void {
  response.setHeader("Content-Type", "application/json; charset=UTF-8");
  response.end(infoText(service.options));
}

function iframe({ response, asking, service }: SockJsRequest): void {
  const { page, settings, parts } = service;
  setCacheable(response, parts.clock.now());
  response.setHeader("ETag", page.etag);
  const ancestors = frameAncestors(settings.origins, asking.host);
  // Of several policies each has to be met.
  if (ancestors !== undefined) response.appendHeader("Content-Security-Policy", ancestors);
  if (hasPage(asking.headers["if-none-match"], page)) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader("Content-Type", "text/html; charset=UTF-8");
  response.end(page.body);
}

/** Of a WebSocket what came is a plain request. */
function noUpgrade({ response }: SockJsRequest): void {
  answerText(response, 400, "Not a valid websocket request");
}

function receiving(row: ReceivingRow, prepare: Answering["prepare"] = prepareSession): Answering {
  const methods = row === "xhr" || row === "xhr_streaming" ? ["POST", "OPTIONS"] : ["GET"];
  return { methods, prepare, answer: (exchange) => receive(exchange, row) };
}

const webSocket: Answering = { methods: ["GET"], answer: noUpgrade };

export const rows: Readonly<Record<Row, Answering>> = {
  greeting: { methods: ["GET"], answer: greet },
  info: { methods: ["OPTIONS", "GET"], prepare: prepareInfo, answer: info },
  iframe: { methods: ["GET"], answer: iframe },
  raw: webSocket,
  websocket: webSocket,
  xhr: receiving("xhr", prepareXhr),
  xhr_streaming: receiving("xhr_streaming", prepareXhr),
  eventsource: receiving("eventsource", prepareEventSource),
  htmlfile: receiving("htmlfile"),
  jsonp: receiving("jsonp", prepareScript),
  xhr_send: {
    methods: ["POST", "OPTIONS"],
    prepare: prepareXhr,
    answer: (exchange) => send(exchange, "xhr_send"),
  },
  jsonp_send: { methods: ["POST"], prepare: prepareSession, answer: (exchange) => send(exchange, "jsonp_send") },
};

/** Answers a request to a row: to a method that it does not have with those that it has. */
export function answerRow(row: Row, exchange: SockJsRequest): void {
  const { request, response, service } = exchange;
  const { methods, prepare, answer } = rows[row];
  // A client that resets its connection must not end the process.
  response.on("error", ignoreError);
  if (rows[row] === webSocket && !service.options.websocket) {
    setCacheable(response, service.parts.clock.now());
    answerText(response, 404, NOT_FOUND);
    return;
  }
  prepare?.(exchange);
  if (!methods.includes(request.method ?? "")) {
    response.setHeader("Allow", methods.join(", "));
    answerText(response, 405, "");
  } else if (request.method === "OPTIONS") answerPreflight(response, methods, service.parts.clock.now());
  else answer(exchange);
}

function ignoreError(): void {}
