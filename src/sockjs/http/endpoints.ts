/** The table of SockJS endpoints: methods, common headers, and the answer to a plain HTTP request. */
import { matchesEtag } from "../../http/response-headers.js";
import type { Endpoint } from "../protocol/paths.js";
import type { ReceivingEndpoint } from "../protocol/transport-formats.js";
import { answerText, NOT_FOUND } from "./answers.js";
import {
  answerPreflight,
  frameAncestors,
  setCacheHeaders,
  setCors,
  setEventSourceCors,
  setNoCache,
  setSessionCookie,
} from "./headers.js";
import { GREETING, infoText } from "./pages.js";
import { answerReceive } from "./receive-requests.js";
import type { SockJsRequest } from "./request.js";
import { answerSend } from "./send-requests.js";

interface EndpointHandler {
  /** The methods for `Allow`. */
  readonly methods: readonly string[];
  /** Sets the headers of every answer, including refusals. */
  readonly setHeaders?: (request: SockJsRequest) => void;
  readonly answer: (request: SockJsRequest) => void;
}

function setSessionHeaders({ response, attempt, route }: SockJsRequest): void {
  setNoCache(response);
  if (route.options.cookieNeeded) setSessionCookie(response, attempt);
}

function setXhrHeaders(request: SockJsRequest): void {
  setSessionHeaders(request);
  setCors(request.response, request.attempt, request.route.settings.origins);
}

/** `nosniff`: browsers must treat the answer as a script only. */
function setJsonpHeaders(request: SockJsRequest): void {
  setSessionHeaders(request);
  request.response.setHeader("X-Content-Type-Options", "nosniff");
}

function setEventSourceHeaders(request: SockJsRequest): void {
  setSessionHeaders(request);
  setEventSourceCors(request.response, request.attempt, request.route.settings.origins);
}

function setInfoHeaders(request: SockJsRequest): void {
  const { response, attempt, route } = request;
  setNoCache(response);
  setCors(response, attempt, route.settings.origins);
  if (route.options.cookieNeeded && request.raw.method === "OPTIONS") setSessionCookie(response, attempt);
}

function answerGreeting({ response }: SockJsRequest): void {
  answerText(response, 200, GREETING);
}

function answerInfo({ response, route }: SockJsRequest): void {
  response.setHeader("Content-Type", "application/json; charset=UTF-8");
  response.end(infoText(route.options));
}

function answerIframe({ response, attempt, route }: SockJsRequest): void {
  const { iframePage, settings, parts } = route;
  setCacheHeaders(response, parts.clock.now());
  response.setHeader("ETag", iframePage.etag);
  const ancestors = frameAncestors(settings.origins, attempt.host);
  // Appended: a browser enforces every policy, including a policy of the host.
  if (ancestors !== undefined) response.appendHeader("Content-Security-Policy", ancestors);
  if (matchesEtag(attempt.headers["if-none-match"], iframePage.etag)) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader("Content-Type", "text/html; charset=UTF-8");
  response.end(iframePage.body);
}

/** A request to a WebSocket endpoint without an upgrade. */
function answerNoUpgrade({ response }: SockJsRequest): void {
  answerText(response, 400, "Not a valid websocket request");
}

function receivingHandler(
  endpoint: ReceivingEndpoint,
  setHeaders: EndpointHandler["setHeaders"] = setSessionHeaders,
): EndpointHandler {
  const methods = endpoint === "xhr" || endpoint === "xhr_streaming" ? ["POST", "OPTIONS"] : ["GET"];
  return { methods, setHeaders, answer: (request) => answerReceive(request, endpoint) };
}

const webSocketHandler: EndpointHandler = { methods: ["GET"], answer: answerNoUpgrade };

export const endpoints: Readonly<Record<Endpoint, EndpointHandler>> = {
  greeting: { methods: ["GET"], answer: answerGreeting },
  info: { methods: ["OPTIONS", "GET"], setHeaders: setInfoHeaders, answer: answerInfo },
  iframe: { methods: ["GET"], answer: answerIframe },
  raw: webSocketHandler,
  websocket: webSocketHandler,
  xhr: receivingHandler("xhr", setXhrHeaders),
  xhr_streaming: receivingHandler("xhr_streaming", setXhrHeaders),
  eventsource: receivingHandler("eventsource", setEventSourceHeaders),
  htmlfile: receivingHandler("htmlfile"),
  jsonp: receivingHandler("jsonp", setJsonpHeaders),
  xhr_send: {
    methods: ["POST", "OPTIONS"],
    setHeaders: setXhrHeaders,
    answer: (request) => answerSend(request, "xhr_send"),
  },
  jsonp_send: {
    methods: ["POST"],
    setHeaders: setSessionHeaders,
    answer: (request) => answerSend(request, "jsonp_send"),
  },
};

/** Answers a plain request: 405 for an unknown method, the CORS preflight, or the answer of the endpoint. */
export function answerEndpoint(endpoint: Endpoint, request: SockJsRequest): void {
  const { raw, response, route } = request;
  const { methods, setHeaders, answer } = endpoints[endpoint];
  // A client that resets its connection must not end the process.
  response.on("error", ignoreError);
  if (endpoints[endpoint] === webSocketHandler && !route.options.websocket) {
    setCacheHeaders(response, route.parts.clock.now());
    answerText(response, 404, NOT_FOUND);
    return;
  }
  setHeaders?.(request);
  if (!methods.includes(raw.method ?? "")) {
    response.setHeader("Allow", methods.join(", "));
    answerText(response, 405, "");
  } else if (raw.method === "OPTIONS") answerPreflight(response, methods, route.parts.clock.now());
  else answer(request);
}

function ignoreError(): void {}
