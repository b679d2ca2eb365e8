/** Requests for frames: the first of an id makes its session, which the gate has to let in; others are brought to theirs. */
import type { ServerResponse } from "node:http";
import { ParsedHead } from "../../admission/request-head.js";
import { LEFT } from "../../admission/upgrade-attempt.js";
import type { Refusal } from "../../api/rejection.js";
import type { Admission } from "../../transport/transport.js";
import type { SockJsRequest } from "./service.js";
import { type ReceivingRow, shapes } from "./shapes.js";
import { Stream } from "./stream.js";

export function receive(exchange: SockJsRequest, row: ReceivingRow): void {
  const { request, response, asking, service, place } = exchange;
  const refusal = refuseScript(exchange, row);
  if (refusal !== undefined) {
    service.parts.gate.refused(asking, refusal);
    answerRefusal(response, refusal);
    return;
  }
  const isScript = row === "htmlfile" || row === "jsonp";
  const callback = isScript ? readCallback(new ParsedHead(asking.head).query, row) : { name: "" };
  if ("problem" in callback) {
    answerRefusal(response, { status: 500, body: callback.problem });
    return;
  }
  const session = service.find(place);
  const toStream = (): Stream =>
    new Stream(request, response, shapes[row], callback.name, service.options.responseLimitBytes);
  if (session === undefined) open(exchange, toStream);
  else session.attach(toStream());
}

/** What these transports carry is run as a script by whatever page asks for it. */
function refuseScript({ service }: SockJsRequest, row: ReceivingRow): Refusal | undefined {
  if (service.settings.origins === "any" || (row !== "htmlfile" && row !== "jsonp")) return undefined;
  return { status: 403, body: `the transport ${shapes[row].transport} is for any origin or none (option origins)` };
}

const NO_CALLBACK = /[^-a-zA-Z0-9_.]/;
const MAX_JSONP_CALLBACK = 32;

/** The function of the page that is called with each frame. Repeated it is nobody's. */
function readCallback(
  query: URLSearchParams,
  row: ReceivingRow,
): { readonly name: string } | { readonly problem: string } {
  const names = query.has("c") ? query.getAll("c") : query.getAll("callback");
  const [name = ""] = names;
  if (name === "" && names.length < 2) return { problem: '"callback" parameter required' };
  const isLong = row === "jsonp" && name.length > MAX_JSONP_CALLBACK;
  if (names.length > 1 || isLong || NO_CALLBACK.test(name)) return { problem: 'invalid "callback" parameter' };
  return { name };
}

/** Puts the first request of a session to the gate. */
function open({ response, asking, service, place }: SockJsRequest, toStream: () => Stream): void {
  const { gate } = service.parts;
  const refuse = (refusal: Refusal): void => {
    gate.refused(asking, refusal);
    answerRefusal(response, refusal);
  };
  const answer = gate.admit(asking);
  if ("status" in answer) {
    refuse(answer);
    return;
  }
  // From now on its id is taken, also while it is being decided.
  const session = service.create(place, toStream());
  const settle = (decided: Admission | Refusal): void => {
    if ("accept" in decided && !response.closed) {
      session.admitted(decided);
      return;
    }
    if ("accept" in decided) decided.cancel();
    session.refused();
    refuse("accept" in decided ? LEFT : decided);
  };
  if (answer instanceof Promise) answer.then(settle);
  else settle(answer);
}

/** With the headers that the row has set: a page that may not come in may still read why. */
function answerRefusal(response: ServerResponse, { status, body, headers = {} }: Refusal): void {
  if (response.closed) return;
  if (body !== "") response.setHeader("Content-Type", "text/plain; charset=UTF-8");
  for (const [name, value] of Object.entries(headers)) {
    if (/^(connection|content-length|transfer-encoding)$/i.test(name)) continue;
    // These stand beside others of their name.
    if (/^(vary|set-cookie)$/i.test(name)) response.appendHeader(name, value);
    else response.setHeader(name, value);
  }
  response.statusCode = status;
  response.end(body);
}
