/** The headers that rows of SockJS share: caching, CORS by the option `origins`, the cookie for load balancers. */
import type { ServerResponse } from "node:http";
import { allowsOrigin, type Origins } from "../../admission/origin.js";

/** A request as these headers see it. */
export interface Asker {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The host that it asked for, and whether over TLS. */
  readonly host: string | undefined;
  readonly secure: boolean;
}

const YEAR_S = 31_536_000;

/** `no-transform`: a proxy that compressed a stream would hold it back. */
export function setNoCache(response: ServerResponse): void {
  response.setHeader("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0");
}

/** The headers of what may be kept for a year. @param now milliseconds since 1970 */
export function cacheable(now: number): Readonly<Record<string, string>> {
  const expires = new Date(now + YEAR_S * 1_000).toUTCString();
  return { "Cache-Control": `public, max-age=${YEAR_S}`, Expires: expires };
}

export function setCacheable(response: ServerResponse, now: number): void {
  for (const [name, value] of Object.entries(cacheable(now))) response.setHeader(name, value);
}

/** Beside what a host's own middleware has set (RFC 9110 section 12.5.5). */
function addVary(response: ServerResponse, name: string): void {
  const before = String(response.getHeader("Vary") ?? "");
  const names = before.split(",").map((one) => one.trim().toLowerCase());
  if (names.includes("*") || names.includes(name.toLowerCase())) return;
  response.setHeader("Vary", before === "" ? name : `${before}, ${name}`);
}

/** Lets pages of the allowed origins read the answer (the Fetch standard, CORS protocol), also one that refuses them. */
export function setCors(response: ServerResponse, { headers, host }: Asker, origins: Origins): void {
  const { origin, "access-control-request-headers": wanted } = headers;
  addVary(response, "Origin");
  // A host may have let in others: here the option `origins` decides.
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

/** An EventSource of a page that does not say who it is comes without cookies, and is let read as anybody. */
export function setEventSourceCors(response: ServerResponse, asker: Asker, origins: Origins): void {
  setCors(response, asker, origins);
  if (asker.headers.origin !== "null" || !response.hasHeader("Access-Control-Allow-Origin")) return;
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.removeHeader("Access-Control-Allow-Credentials");
}

/** The answer to a browser that asks whether it may ask. */
export function answerPreflight(response: ServerResponse, methods: readonly string[], now: number): void {
  setCacheable(response, now);
  if (response.hasHeader("Access-Control-Allow-Origin")) {
    response.setHeader("Access-Control-Allow-Methods", methods.join(", "));
    response.setHeader("Access-Control-Max-Age", YEAR_S);
  }
  response.writeHead(204).end();
}

const SESSION_COOKIE = /(?:^|;)\s*JSESSIONID=([^;]*)/;

/** Each time, so that a load balancer can put its own value in. Across sites browsers keep it only over TLS. */
export function setCookie(response: ServerResponse, { headers, secure }: Asker): void {
  const [, value = "dummy"] = SESSION_COOKIE.exec(headers.cookie ?? "") ?? [];
  response.appendHeader("Set-Cookie", `JSESSIONID=${value.trim()}; path=/${secure ? "; Secure; SameSite=None" : ""}`);
}

/** Who may show a page of ours in a frame: the header, or `undefined` if anybody may. */
export function frameAncestors(origins: Origins, host: string | undefined): string | undefined {
  if (origins === "any") return undefined;
  if (origins !== "same") return `frame-ancestors ${origins.join(" ") || "'none'"}`;
  // As pages of one local server may talk to another, they may frame it.
  const isLocal = allowsOrigin("same", "http://localhost", host);
  const local = ["localhost", "127.0.0.1"].flatMap((name) => [`http://${name}:*`, `https://${name}:*`]);
  return `frame-ancestors ${["'self'", ...(isLocal ? local : [])].join(" ")}`;
}
