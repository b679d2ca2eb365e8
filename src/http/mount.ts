/** Mount paths: before a call of `server.middleware`, a host such as Express removes the path of the mount from `request.url`. */
import type { IncomingMessage } from "node:http";

/**
 * The target of a request, as the client sent it. Upgrades arrive with their whole path wherever the server is mounted, so plain requests
 * find routes by the whole path, too. Files are found by the rest of the path, since a host mounts a folder at a path of its choice.
 */
export function wholeUrl(request: IncomingMessage): string {
  const { url = "/" } = request;
  return "originalUrl" in request && typeof request.originalUrl === "string" ? request.originalUrl : url;
}

/** Whether a host has removed the path of a mount. */
export function isMounted(request: IncomingMessage): boolean {
  return wholeUrl(request) !== request.url;
}
