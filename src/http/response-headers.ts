/** Headers for answers that caches keep: entity tags, and what an answer depends on. Used for pages of SockJS and for the modules for pages. */
import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";

/** A strong entity tag (RFC 9110 section 8.8.3). */
export function etagOf(body: string | Buffer): string {
  return `"${createHash("sha256").update(body).digest("base64url")}"`;
}

/** Whether the peer has the body already (RFC 9110 section 13.1.2). */
export function matchesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? [];
  return tags.includes(etag) || tags.includes("*");
}

/** Keeps the names that middleware of the host has set (RFC 9110 section 12.5.5). */
export function addVary(response: ServerResponse, name: string): void {
  const before = String(response.getHeader("Vary") ?? "");
  const names = before.split(",").map((part) => part.trim().toLowerCase());
  if (names.includes("*") || names.includes(name.toLowerCase())) return;
  response.setHeader("Vary", before === "" ? name : `${before}, ${name}`);
}
