/** Reads the `X-Forwarded-*` headers of proxies, and believes only as many proxies as the option `trustProxy` allows. */

import { canonicalAddress } from "./address.js";
import type { Head } from "./request-head.js";
import { hostOf } from "./request-head.js";

/**
 * The head with the remote address and the protocol that trusted proxies report.
 *
 * @param headers the headers of the request by lower-case name
 */
export function applyTrustedProxies(
  head: Head,
  headers: Readonly<Record<string, string>>,
  trustProxy: boolean | number,
): Head {
  const trusted = trustProxy === true ? Number.POSITIVE_INFINITY : Number(trustProxy);
  if (trusted === 0) return head;
  const protocol = forwardedEntry(headers["x-forwarded-proto"], trusted);
  return {
    ...head,
    remoteAddress: clientAddress(headers["x-forwarded-for"], head.remoteAddress, trustProxy),
    secure: protocol === undefined ? head.secure : /^(https|wss)$/i.test(protocol),
  };
}

/**
 * The client's address, by the `X-Forwarded-For` header of a request.
 *
 * @param address the remote address of the socket, which may be a proxy's
 */
export function clientAddress(header: string | undefined, address: string, trustProxy: boolean | number): string {
  const trusted = trustProxy === true ? Number.POSITIVE_INFINITY : Number(trustProxy);
  const forwarded = trusted === 0 ? undefined : forwardedEntry(header, trusted);
  return forwarded === undefined ? address : withoutPort(forwarded);
}

/**
 * The host that the peer asked for.
 *
 * @param url the request's target; a host in the target overrides the `Host` header (RFC 9112 section 3.2.2)
 */
export function requestedHost(
  headers: Readonly<Record<string, string>>,
  trustProxy: boolean | number,
  url = "/",
): string | undefined {
  const trusted = trustProxy === true ? Number.POSITIVE_INFINITY : Number(trustProxy);
  return (
    (trusted > 0 ? forwardedEntry(headers["x-forwarded-host"], trusted) : undefined) ?? hostOf(url) ?? headers.host
  );
}

/** Each proxy appends an entry. Returns the entry of the outermost trusted proxy, or the first entry if there are fewer. */
function forwardedEntry(header: string | undefined, trusted: number): string | undefined {
  const entries = header?.split(",").map((text) => text.trim()) ?? [];
  return entries[Math.max(entries.length - trusted, 0)] || undefined;
}

/** Removes the port, which some proxies add: `1.2.3.4:5678`, `[::1]:5678`. */
function withoutPort(address: string): string {
  const [, bracketed, v4] = /^\[([^\]]+)\](?::\d+)?$|^(\d+(?:\.\d+){3}):\d+$/.exec(address) ?? [];
  return canonicalAddress(bracketed ?? v4 ?? address);
}
