/** The URL of a request of a test client or a dialled client, out of path and query. Needs no state. */

/** @param query follows the path, not yet encoded */
export function requestUrl(path: string, query: Readonly<Record<string, string>> | undefined): string {
  if (query === undefined) return path;
  return `${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams(query)}`;
}
