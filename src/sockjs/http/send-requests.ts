/**
 * `xhr_send` and `jsonp_send`: reads and checks the messages of a request, delivers them to the connection, and answers after the
 * delivery.
 */
import { overshootBytes, overshootMessages } from "../../transport/paused-bytes.js";
import { parseMessages } from "../protocol/frames.js";
import { answerText, NOT_FOUND, TEXT_TYPE } from "./answers.js";
import { declaresMoreThan, extractPayload, readBody } from "./body.js";
import type { SockJsRequest } from "./request.js";

type SendingEndpoint = "xhr_send" | "jsonp_send";

/** SockJS clients send one request at a time. Parallel requests of other clients wait unread, in order of arrival. */
export function answerSend(request: SockJsRequest, endpoint: SendingEndpoint): void {
  const { raw, response, route, target } = request;
  const session = route.findSession(target);
  if (session?.acceptsSends) {
    session.queueSend(() => deliver(request, endpoint));
    return;
  }
  // Node discards an unread body after the answer. A large body is not worth receiving, so the answer closes the HTTP connection.
  if (declaresMoreThan(raw, route.settings.maxPayloadBytes)) response.setHeader("Connection", "close");
  answerText(response, 404, NOT_FOUND);
}

async function deliver({ raw, response, route, target }: SockJsRequest, endpoint: SendingEndpoint): Promise<void> {
  const { maxPayloadBytes, mailbox } = route.settings;
  const body = await readBody(raw, maxPayloadBytes);
  if (body === "lost") return;
  if (body === "too large") {
    // The rest of the body is not read.
    response.setHeader("Connection", "close");
    answerText(response, 413, `expected at most ${maxPayloadBytes} bytes (option maxPayloadBytes)`);
    return;
  }
  const maxMessages = overshootMessages(overshootBytes(mailbox));
  const isForm = endpoint === "jsonp_send";
  const parsed = parseMessages(isForm ? extractPayload(body.text, raw.headers["content-type"]) : body.text);
  const session = route.findSession(target);
  if ("problem" in parsed) answerText(response, 500, parsed.problem);
  else if (parsed.messages.length > maxMessages)
    answerText(response, 413, `expected at most ${maxMessages} messages (option mailbox.maxBytes)`);
  else if (!session?.acceptsSends) answerText(response, 404, NOT_FOUND);
  else {
    await new Promise<void>((done) => session.deliver(parsed.messages, body.bytes, done));
    // The SockJS protocol asks for a content type even with 204.
    response.setHeader("Content-Type", TEXT_TYPE);
    if (endpoint === "xhr_send") answerText(response, 204, "");
    else answerText(response, 200, "ok");
  }
}
