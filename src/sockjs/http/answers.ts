/** Plain-text answers, which the endpoints and the router share. */
import type { ServerResponse } from "node:http";

export const TEXT_TYPE = "text/plain; charset=UTF-8";
export const NOT_FOUND = "404 Error: Page not found\n";

/** Answers in one piece; an empty text has no content type. */
export function answerText(response: ServerResponse, status: number, text: string): void {
  if (text !== "") response.setHeader("Content-Type", TEXT_TYPE);
  response.statusCode = status;
  response.end(text);
}
