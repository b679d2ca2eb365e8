/**
 * Origin check: whether the option `origins` lets a page connect. Browsers send `Origin` with every upgrade; other programs need not, so a
 * request without the header passes.
 */

/** The allowed origins: only the server's own, any, or a list. */
export type Origins = "same" | "any" | readonly string[];

export function allowsOrigin(origins: Origins, origin: string | undefined, host: string | undefined): boolean {
  if (origins === "any" || origin === undefined) return true;
  if (origins === "same") return isSameOrigin(origin, host ?? "");
  return origins.includes(normalOrigin(origin) ?? "");
}

/** A plain request, as far as its headers name the page behind the request. */
export interface PlainRequest {
  /** The headers by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The host that the request asked for. */
  readonly host: string | undefined;
  readonly secure: boolean;
}

/**
 * The origin of the page behind a plain request. Browsers leave the `Origin` header out of many requests; `Sec-Fetch-Site` and then
 * `Referer` stand in for the header.
 *
 * @returns `undefined` if no page sent the request, `"null"` if the page hides its origin
 */
export function pageOrigin({ headers, host, secure }: PlainRequest): string | undefined {
  const { origin, referer, "sec-fetch-site": site } = headers;
  if (origin !== undefined) return origin;
  if (site === "none") return undefined;
  if (site === "same-origin") return `${secure ? "https" : "http"}://${host ?? ""}`;
  if (referer !== undefined) return normalOrigin(referer) ?? "null";
  return site === undefined ? undefined : "null";
}

/** The origin of a URL, as a browser writes origins (RFC 6454 section 6.2); `undefined` for text without an origin. */
export function normalOrigin(text: string): string | undefined {
  const url = parse(text);
  return url === undefined || url.host === "" ? undefined : `${url.protocol}//${url.host}`;
}

/** A host name in the spelling of URLs, with an optional port. */
const PLAIN_HOST = /^[a-z\d-]+(?:\.[a-z\d-]+)*(?::\d{1,5})?$/;

/** Host and port are equal, or both hosts are loopback: a page of a local server may talk to another local server. */
function isSameOrigin(origin: string, host: string): boolean {
  // The usual case first: parsing two URLs takes 3 µs.
  if (PLAIN_HOST.test(host) && (origin === `http://${host}` || origin === `https://${host}`)) return true;
  const from = parse(origin);
  const to = parse(`${from?.protocol}//${host}`);
  if (from === undefined || to === undefined || from.host === "") return false;
  return from.host === to.host || (isLoopback(from.hostname) && isLoopback(to.hostname));
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d+){3}$/.test(hostname)
  );
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
