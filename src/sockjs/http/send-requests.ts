/** Requests that bring messages: read, checked, and answered once the connection has been told of them. */
import type { ServerResponse } from "node:http";
import { overshootBytes, overshootMessages } from "../../transport/paused-bytes.js";
import { readMessages } from "../protocol/frames.js";
import { isTooLarge, payloadOf, readBody } from "./body.js";
import type { SockJsRequest } from "./route.js";

type SendingRow = "xhr_send" | "jsonp_send";

/** A client sends one after the other; what comes side by side all the same waits for its turn, unread. */
export function send(exchange: SockJsRequest, row: SendingRow): void {
  const { request, response, service, place } = exchange;
  const session = service.find(place);
  if (session?.takesSends) {
    session.queue(() => deliver(exchange, row));
    return;
  }
  // Nobody will read what comes with it: Node drops it, if it is not too much.
  if (isTooLarge(request, service.settings.maxPayloadBytes)) response.setHeader("Connection", "close");
  answer(response, 404, NOT_FOUND);
}

const NOT_FOUND = "404 Error: Page not found\n";

function answer(response: ServerResponse, status: number, text: string): void {
  response.setHeader("Content-Type", "text/plain; charset=UTF-8");
  response.statusCode = status;
  response.end(text);
}

async function deliver({ request, response, service, place }: SockJsRequest, row: SendingRow): Promise<void> {
  const body = await readBody(request, service.settings.maxPayloadBytes);
  if (body === "lost") return;
  if (body === "too large") {
    // The rest of it is not worth reading.
    response.setHeader("Connection", "close");
    answer(response, 413, `expected at most ${service.settings.maxPayloadBytes} bytes (option maxPayloadBytes)`);
    return;
  }
  const maxMessages = overshootMessages(overshootBytes(service.settings.mailbox));
  const read = readMessages(row === "jsonp_send" ? payloadOf(body.text, request.headers["content-type"]) : body.text);
  const session = service.find(place);
  if ("problem" in read) answer(response, 500, read.problem);
  else if (read.messages.length > maxMessages)
    answer(response, 413, `expected at most ${maxMessages} messages (option mailbox.maxBytes)`);
  else if (!session?.takesSends) answer(response, 404, NOT_FOUND);
  else {
    await new Promise<void>((done) => session.deliver(read.messages, body.bytes, done));
    if (row === "xhr_send") answer(response, 204, "");
    else answer(response, 200, "ok");
  }
}
