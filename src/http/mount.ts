/** Requests below a path at which a host has mounted us: Express and others take that path away before they call us. */
import type { IncomingMessage } from "node:http";

/**
 * The target of a request as its client sent it. Upgrades come with their whole path wherever we are mounted, so routes are found by the
 * whole path of plain requests, too. Files are not: a host mounts a folder at a path of its choice.
 */
export function wholeUrl(request: IncomingMessage): string {
  const { url = "/" } = request;
  return "originalUrl" in request && typeof request.originalUrl === "string" ? request.originalUrl : url;
}

/** Whether a host has taken something of the path away. */
export function isMounted(request: IncomingMessage): boolean {
  return wholeUrl(request) !== request.url;
}
