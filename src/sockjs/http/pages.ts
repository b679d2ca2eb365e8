/** What SockJS serves that belongs to no session: the greeting, `/info`, and the page for iframe transports. */
import { createHash, randomInt } from "node:crypto";
import type { SockJsOptions } from "../../api/options.js";

export const GREETING = "Welcome to SockJS!\n";

/** What a client asks first. `entropy` is for browsers without a good source of their own. */
export function infoText({ websocket, cookieNeeded }: SockJsOptions): string {
  return JSON.stringify({ websocket, origins: ["*:*"], cookie_needed: cookieNeeded, entropy: randomInt(2 ** 32) });
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" };

/** A page that never changes, and the name of its content (RFC 9110 section 8.8.3). */
export interface IframePage {
  readonly body: string;
  readonly etag: string;
}

/** Runs in a frame and lends its origin to a page of another one. */
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
  return { body, etag: `"${createHash("sha256").update(body).digest("base64url")}"` };
}

/** Whether the asker has the page (RFC 9110 section 13.1.2). */
export function hasPage(ifNoneMatch: string | undefined, { etag }: IframePage): boolean {
  const tags = ifNoneMatch?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? [];
  return tags.includes(etag) || tags.includes("*");
}
