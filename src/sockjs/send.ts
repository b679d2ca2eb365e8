/** Requests that bring messages: read, checked, and answered once the connection has been told of them. */
import { overshootBytes, overshootMessages } from "../flood.js";
import { payloadOf, readBody } from "./body.js";
import { readMessages } from "./frames.js";
import type { Exchange } from "./service.js";

type SendingRow = "xhr_send" | "jsonp_send";

/** A client sends one after the other; what comes side by side all the same waits for its turn, unread. */
export async function send(exchange: Exchange, row: SendingRow): Promise<void> {
  const session = exchange.service.find(exchange.place);
  if (session?.takesSends) session.queue(() => deliver(exchange, row));
  else await deliver(exchange, row);
}

async function deliver({ request, response, service, place }: Exchange, row: SendingRow): Promise<void> {
  const body = await readBody(request, service.settings.maxPayloadBytes);
  if (body === "lost") return;
  const answer = (status: number, text: string): void => {
    response.setHeader("Content-Type", "text/plain; charset=UTF-8");
    response.statusCode = status;
    response.end(text);
  };
  if (body === "too large") {
    // The rest of it is not worth reading.
    response.setHeader("Connection", "close");
    answer(413, `expected at most ${service.settings.maxPayloadBytes} bytes (option maxPayloadBytes)`);
    return;
  }
  const maxMessages = overshootMessages(overshootBytes(service.settings.mailbox));
  const read = readMessages(row === "jsonp_send" ? payloadOf(body.text, request.headers["content-type"]) : body.text);
  const session = service.find(place);
  if ("problem" in read) answer(500, read.problem);
  else if (read.messages.length > maxMessages)
    answer(413, `expected at most ${maxMessages} messages (option mailbox.maxBytes)`);
  else if (!session?.takesSends) answer(404, "404 Error: Page not found\n");
  else {
    await new Promise<void>((done) => session.deliver(read.messages, body.bytes, done));
    if (row === "xhr_send") answer(204, "");
    else answer(200, "ok");
  }
}
