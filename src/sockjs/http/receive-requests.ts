/**
 * `xhr`, `xhr_streaming`, `eventsource`, `htmlfile` and `jsonp`: requests for frames. The first request with a session id creates
 * the session, and the gate decides whether the session opens; later requests offer a receiver to the session.
 */
import type { ServerResponse } from "node:http";
import { ParsedHead } from "../../admission/request-head.js";
import { LEFT } from "../../admission/upgrade-attempt.js";
import type { Refusal } from "../../api/rejection.js";
import type { Admission } from "../../transport/transport.js";
import { type ReceivingEndpoint, transportFormats } from "../protocol/transport-formats.js";
import { TEXT_TYPE } from "./answers.js";
import type { SockJsRequest } from "./request.js";
import { ResponseReceiver } from "./response-receiver.js";

export function answerReceive(request: SockJsRequest, endpoint: ReceivingEndpoint): void {
  const { raw, response, attempt, route, target } = request;
  const refusal = refuseScriptTransport(request, endpoint);
  if (refusal !== undefined) {
    route.parts.gate.refused(attempt, refusal);
    answerRefusal(response, refusal);
    return;
  }
  const isScript = endpoint === "htmlfile" || endpoint === "jsonp";
  const callback = isScript ? readCallback(new ParsedHead(attempt.head).query, endpoint) : { name: "" };
  if ("problem" in callback) {
    answerRefusal(response, { status: 500, body: callback.problem });
    return;
  }
  const session = route.findSession(target);
  const format = transportFormats[endpoint];
  const maxLength = route.options.responseLimitBytes;
  const createReceiver = (): ResponseReceiver =>
    new ResponseReceiver({ request: raw, response, format, callback: callback.name, maxLength });
  if (session === undefined) openSession(request, createReceiver);
  else session.offerReceiver(createReceiver());
}

/** Any page can run the frames of script transports as a script, and so read the messages. */
function refuseScriptTransport({ route }: SockJsRequest, endpoint: ReceivingEndpoint): Refusal | undefined {
  if (route.settings.origins === "any" || (endpoint !== "htmlfile" && endpoint !== "jsonp")) return undefined;
  const { transport } = transportFormats[endpoint];
  return { status: 403, body: `the transport ${transport} is for any origin or none (option origins)` };
}

const INVALID_CALLBACK = /[^-a-zA-Z0-9_.]/;
const MAX_JSONP_CALLBACK_LENGTH = 32;

/** Reads the name of the function that the page wants called with each frame. A repeated parameter is invalid. */
function readCallback(
  query: URLSearchParams,
  endpoint: ReceivingEndpoint,
): { readonly name: string } | { readonly problem: string } {
  const names = query.has("c") ? query.getAll("c") : query.getAll("callback");
  const [name = ""] = names;
  if (name === "" && names.length < 2) return { problem: '"callback" parameter required' };
  const isLong = endpoint === "jsonp" && name.length > MAX_JSONP_CALLBACK_LENGTH;
  if (names.length > 1 || isLong || INVALID_CALLBACK.test(name)) return { problem: 'invalid "callback" parameter' };
  return { name };
}

/** Asks the gate to admit the first request of a session. */
function openSession(
  { response, attempt, route, target }: SockJsRequest,
  createReceiver: () => ResponseReceiver,
): void {
  const { gate } = route.parts;
  const refuse = (refusal: Refusal): void => {
    gate.refused(attempt, refusal);
    answerRefusal(response, refusal);
  };
  const decision = gate.admit(attempt);
  if ("status" in decision) {
    refuse(decision);
    return;
  }
  // The session id is taken from now on, even before the decision.
  const session = route.createSession(target, createReceiver());
  const settle = (decided: Admission | Refusal): void => {
    if ("accept" in decided && !response.closed) {
      session.admitted(decided);
      return;
    }
    if ("accept" in decided) decided.cancel();
    session.refused();
    refuse("accept" in decided ? LEFT : decided);
  };
  if (decision instanceof Promise) decision.then(settle);
  else settle(decision);
}

/** Keeps the headers of the endpoint: CORS headers let the page read the reason of the refusal. */
function answerRefusal(response: ServerResponse, { status, body, headers = {} }: Refusal): void {
  if (response.closed) return;
  if (body !== "") response.setHeader("Content-Type", TEXT_TYPE);
  for (const [name, value] of Object.entries(headers)) {
    if (/^(connection|content-length|transfer-encoding)$/i.test(name)) continue;
    // Appended, since the endpoint may already have set a value.
    if (/^(vary|set-cookie)$/i.test(name)) response.appendHeader(name, value);
    else response.setHeader(name, value);
  }
  response.statusCode = status;
  response.end(body);
}
