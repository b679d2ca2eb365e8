/** The headers that SockJS endpoints share: caching, CORS by the option `origins`, the cookie for load balancers, framing. */
import type { ServerResponse } from "node:http";
import { allowsOrigin, type Origins, type PlainRequest } from "../../admission/origin.js";
import { addVary } from "../../http/response-headers.js";

const YEAR_S = 31_536_000;

/** `no-transform`: a proxy that compresses a stream delays the frames. */
export function setNoCache(response: ServerResponse): void {
  response.setHeader("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0");
}

/** Allows caching for a year. @param now milliseconds since 1970 */
export function cacheHeaders(now: number): Readonly<Record<string, string>> {
  const expires = new Date(now + YEAR_S * 1_000).toUTCString();
  return { "Cache-Control": `public, max-age=${YEAR_S}`, Expires: expires };
}

export function setCacheHeaders(response: ServerResponse, now: number): void {
  for (const [name, value] of Object.entries(cacheHeaders(now))) response.setHeader(name, value);
}

/** Lets pages of allowed origins read the answer, refusals included (the Fetch standard, CORS protocol). */
export function setCors(response: ServerResponse, { headers, host }: PlainRequest, origins: Origins): void {
  const { origin, "access-control-request-headers": wanted } = headers;
  addVary(response, "Origin");
  // Middleware of the host may have allowed more origins: only the option `origins` counts here.
  for (const name of ["Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"]) response.removeHeader(name);
  if (origin === undefined) {
    if (origins === "any") response.setHeader("Access-Control-Allow-Origin", "*");
    return;
  }
  if (!allowsOrigin(origins, origin, host)) return;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Allow-Credentials", "true");
  if (wanted) response.setHeader("Access-Control-Allow-Headers", wanted);
}

/** An EventSource with the origin `null` sends no cookies, so the answer allows any origin, without credentials. */
export function setEventSourceCors(response: ServerResponse, request: PlainRequest, origins: Origins): void {
  setCors(response, request, origins);
  if (request.headers.origin !== "null" || !response.hasHeader("Access-Control-Allow-Origin")) return;
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.removeHeader("Access-Control-Allow-Credentials");
}

/** Answers a CORS preflight request. */
export function answerPreflight(response: ServerResponse, methods: readonly string[], now: number): void {
  setCacheHeaders(response, now);
  if (response.hasHeader("Access-Control-Allow-Origin")) {
    response.setHeader("Access-Control-Allow-Methods", methods.join(", "));
    response.setHeader("Access-Control-Max-Age", YEAR_S);
  }
  response.writeHead(204).end();
}

const SESSION_COOKIE = /(?:^|;)\s*JSESSIONID=([^;]*)/;

/**
 * Sets the cookie in every answer, so that a load balancer can insert its own value. Browsers keep a cookie across sites only over
 * TLS.
 */
export function setSessionCookie(response: ServerResponse, { headers, secure }: PlainRequest): void {
  const [, value = "dummy"] = SESSION_COOKIE.exec(headers.cookie ?? "") ?? [];
  response.appendHeader("Set-Cookie", `JSESSIONID=${value.trim()}; path=/${secure ? "; Secure; SameSite=None" : ""}`);
}

/** The `Content-Security-Policy` that restricts which pages may frame the iframe page; `undefined` if every page may. */
export function frameAncestors(origins: Origins, host: string | undefined): string | undefined {
  if (origins === "any") return undefined;
  if (origins !== "same") return `frame-ancestors ${origins.join(" ") || "'none'"}`;
  // `origins: "same"` lets pages of one local server connect to another, so the pages may frame each other, too.
  const isLocal = allowsOrigin("same", "http://localhost", host);
  const local = ["localhost", "127.0.0.1"].flatMap((name) => [`http://${name}:*`, `https://${name}:*`]);
  return `frame-ancestors ${["'self'", ...(isLocal ? local : [])].join(" ")}`;
}
