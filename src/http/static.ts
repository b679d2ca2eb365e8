/** A folder over HTTP: the only importer of sirv. Index files, types, HEAD and 304 are sirv's; what it must not see is ours. */
import { realpathSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, sep } from "node:path";
import sirv from "sirv";
import { decode, readPath } from "../head.js";

export type StaticHandler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** A segment that begins with a dot: `..`, and files that are nobody's business. */
const HIDDEN = /(^|[\\/])\.(?!well-known([\\/]|$))/;

/** What sirv may answer a path with: the file itself, a page of that name, or the index of a folder. */
const CANDIDATES = ["", ".html", ".htm", "/index.html", "/index.htm"];

/** Whether one of them lies elsewhere: a symbolic link leads out of the folder. */
function leadsOut(root: string, path: string): boolean {
  return CANDIDATES.some((ending) => {
    const file = real(join(root, path.replace(/\/$/, "") + ending));
    return file !== undefined && file !== root && !file.startsWith(root + sep);
  });
}

/** Where a path really is; `undefined` if there is nothing. */
function real(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

export function serveStatic(folder: string): StaticHandler {
  const root = realpathSync(folder);
  // `dev` looks at the file at each request: a file that was changed or added is served as it is now.
  const serve = sirv(folder, { dev: true, etag: true });
  return (request, response, next) => {
    const path = decode(readPath(request.url ?? "/"));
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (!isRead || HIDDEN.test(path) || path.includes("\0") || leadsOut(root, path)) {
      next();
      return;
    }
    // Parts of files are not offered, and sirv takes a range that ends before it begins for an offset to read from.
    delete request.headers.range;
    // A file that cannot be read after all (its rights, or it has just gone) is the source's error, which nobody else hears.
    // And one that is being sent to a peer that leaves would stay open: pipes do not end their source.
    response.once("pipe", (source) => {
      source.once("error", () => response.destroy());
      response.once("close", () => source.destroy());
    });
    try {
      serve(request, response, next);
    } catch {
      // The file system said no between two of sirv's looks at it.
      response.writeHead(500, { "Content-Type": "text/plain; charset=utf-8" }).end("the file cannot be read\n");
    }
  };
}
