/** The SockJS resources that belong to no session: the greeting, `/info`, and the page for iframe transports. */
import { randomInt } from "node:crypto";
import type { SockJsOptions } from "../../api/options.js";
import { etagOf } from "../../http/response-headers.js";

export const GREETING = "Welcome to SockJS!\n";

/** `/info`, the first request of a client. `entropy` is for browsers without a good source of random numbers. */
export function infoText({ websocket, cookieNeeded }: SockJsOptions): string {
  return JSON.stringify({ websocket, origins: ["*:*"], cookie_needed: cookieNeeded, entropy: randomInt(2 ** 32) });
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" };

/** A page that never changes, with its entity tag (RFC 9110 section 8.8.3). */
export interface IframePage {
  readonly body: string;
  readonly etag: string;
}

/** The page runs in an iframe, and makes same-origin requests for a page of another origin. */
export function iframePage(clientUrl: string): IframePage {
  const src = clientUrl.replace(/[&"<>]/g, (character) => ESCAPES[character] ?? "");
  const body = `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="${src}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>
`;
  return { body, etag: etagOf(body) };
}
