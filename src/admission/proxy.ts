/** What proxies say of whom they speak for (`X-Forwarded-*`), believed as far as `trustProxy` says and no further. */

import { oneAddress } from "./address.js";
import type { Head } from "./request-head.js";
import { hostOf } from "./request-head.js";

/** The facts with what the trusted proxies say of the peer; `headers` are those of the request, by lower-case name. */
export function applyTrustedProxies(
  head: Head,
  headers: Readonly<Record<string, string>>,
  trustProxy: boolean | number,
): Head {
  const trusted = trustProxy === true ? Number.POSITIVE_INFINITY : Number(trustProxy);
  if (trusted === 0) return head;
  const protocol = entry(headers["x-forwarded-proto"], trusted);
  return {
    ...head,
    remoteAddress: speaker(headers["x-forwarded-for"], head.remoteAddress, trustProxy),
    secure: protocol === undefined ? head.secure : /^(https|wss)$/i.test(protocol),
  };
}

/** Whom the trusted proxies speak for: by the `X-Forwarded-For` header of a request, and the address that it came from. */
export function speaker(header: string | undefined, address: string, trustProxy: boolean | number): string {
  const trusted = trustProxy === true ? Number.POSITIVE_INFINITY : Number(trustProxy);
  const spokenFor = trusted === 0 ? undefined : entry(header, trusted);
  return spokenFor === undefined ? address : plain(spokenFor);
}

/** The host that the peer asked for. @param url the request's target, whose own host comes before the header's (RFC 9112 section 3.2.2) */
export function requestedHost(
  headers: Readonly<Record<string, string>>,
  trustProxy: boolean | number,
  url = "/",
): string | undefined {
  const trusted = trustProxy === true ? Number.POSITIVE_INFINITY : Number(trustProxy);
  return (trusted > 0 ? entry(headers["x-forwarded-host"], trusted) : undefined) ?? hostOf(url) ?? headers.host;
}

/** Each proxy adds an entry at the right: the last one that a trusted proxy has added, the leftmost if there are fewer. */
function entry(header: string | undefined, trusted: number): string | undefined {
  const entries = header?.split(",").map((text) => text.trim()) ?? [];
  return entries[Math.max(entries.length - trusted, 0)] || undefined;
}

/** Some proxies add the port: `1.2.3.4:5678`, `[::1]:5678`. */
function plain(address: string): string {
  const [, bracketed, v4] = /^\[([^\]]+)\](?::\d+)?$|^(\d+(?:\.\d+){3}):\d+$/.exec(address) ?? [];
  return oneAddress(bracketed ?? v4 ?? address);
}
