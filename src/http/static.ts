/**
 * Static files: serves the folder of the option `static`. The only importer of sirv, which handles content types and HEAD; the choice
 * of the file for a path, and of 304, is made here. An open file is closed at the end of the response.
 */
import { realpathSync, type Stats, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, sep } from "node:path";
import type { Readable } from "node:stream";
import sirv from "sirv";
import { readPath } from "../admission/request-head.js";
import { decodeSegments } from "../options/route-path.js";
import type { Clock } from "../runtime/clock.js";
import { matchesEtag } from "./response-headers.js";
import { detectStall } from "./stall.js";

export type StaticHandler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** A segment with a leading dot: `..`, or a hidden file. */
const HIDDEN = /(^|[\\/])\.(?!well-known([\\/]|$))/;

/** The files that may answer a path, in sirv's order: the file itself, the index of a folder, a page with the name. */
const ENDINGS = ["", "/index", ".html", "/index.html", ".htm", "/index.htm"];

/**
 * A peer that reads nothing of a file for 120 s is cut off, since the file stays open as long as the response. Node counts the bytes of a
 * file in pieces of 64 KiB, and the operating system may hold back a few pieces, so the limit is much longer than a network needs.
 */
const STALL_MS = 120_000;

/** The name of the requested file; `undefined` if no file in the folder can have such a name. */
function readName(path: string): string | undefined {
  const segments = decodeSegments(path);
  // A slash sent as `%2F` would be part of a file name, and no file name has a slash.
  if (segments.some((segment) => segment.includes("/") || segment.includes("\0"))) return undefined;
  const name = segments.join("/");
  return name.startsWith("/") && !HIDDEN.test(name) ? name : undefined;
}

/** The file that answers a name; `undefined` without such a file, or if a symbolic link leads out of the folder. */
function findFile(root: string, name: string): string | undefined {
  const stem = name.replace(/\/$/, "");
  const found = ENDINGS.map((ending) => stem + ending).find(
    (file) => file !== "" && !HIDDEN.test(file) && isFile(join(root, file)),
  );
  if (found === undefined) return undefined;
  return realpathSync(join(root, found)).startsWith(root + sep) ? found : undefined;
}

/** Excludes folders, which are answered with their index, and pipes: opening a pipe would wait for a writer. */
function isFile(path: string): boolean {
  try {
    const stats = statSync(path);
    return !stats.isDirectory() && !stats.isFIFO();
  } catch {
    return false;
  }
}

/** Closes the file when the response has ended in any way, since `pipe` does not destroy its source. */
function watchFile(source: Readable, { socket }: IncomingMessage, response: ServerResponse, clock: Clock): void {
  // Reading failed (missing rights, or the file was just deleted): no other code listens for the error.
  source.once("error", () => response.destroy());
  const unwatch = detectStall(socket, clock, STALL_MS, () => {
    source.destroy();
    socket.destroy();
  });
  response.once("close", () => {
    unwatch();
    source.destroy();
  });
}

/** Whether the peer has the file already (RFC 9110 section 13.2.2): the time counts only without an entity tag. */
function isFresh({ headers }: IncomingMessage, etag: string, { mtime }: Stats): boolean {
  const { "if-none-match": tags, "if-modified-since": since } = headers;
  if (tags !== undefined) return matchesEtag(tags, etag);
  // HTTP dates are whole seconds.
  return since !== undefined && Date.parse(since) >= Date.parse(mtime.toUTCString());
}

/** Answers 304 if the peer has the file already. @returns whether it has answered */
function answerFresh(request: IncomingMessage, response: ServerResponse, stats: Stats): boolean {
  // The weak tag of sirv, without its `W/`.
  const etag = `"${stats.size}-${stats.mtime.getTime()}"`;
  if (!isFresh(request, etag, stats)) return false;
  // As for the file, a header that middleware of the host has set stays.
  for (const [name, value] of [
    ["ETag", `W/${etag}`],
    ["Cache-Control", "no-cache"],
  ] as const)
    if (!response.hasHeader(name)) response.setHeader(name, value);
  response.writeHead(304).end();
  return true;
}

/** The request that sirv gets: for the chosen file in place of the target, and without ranges. */
function requestFor(request: IncomingMessage, file: string): IncomingMessage {
  const { range: _range, ...headers } = request.headers;
  // sirv caches the parsed target in `_parsedUrl`, and decodes a pathname with "%" once more.
  const target = { raw: file, pathname: file.replaceAll("%", "%25"), search: "", query: undefined, hash: undefined };
  return Object.create(request, {
    url: { value: file },
    headers: { value: headers },
    _parsedUrl: { value: target },
  });
}

/** Serves the files of a folder in their state at the time of each request; calls `next` for a path without a file. */
export function serveStatic(folder: string, clock: Clock): StaticHandler {
  const root = realpathSync(folder);
  // With `dev` sirv reads the file system at each request, and so serves changed and new files.
  const serve = sirv(root, { dev: true, etag: true });
  return (request, response, next) => {
    const name =
      request.method === "GET" || request.method === "HEAD" ? readName(readPath(request.url ?? "/")) : undefined;
    if (name === undefined) {
      next();
      return;
    }
    try {
      const file = findFile(root, name);
      if (file === undefined) {
        next();
        return;
      }
      if (answerFresh(request, response, statSync(join(root, file)))) return;
      response.once("pipe", (source: Readable) => watchFile(source, request, response, clock));
      serve(requestFor(request, file), response, next);
    } catch {
      // The file became inaccessible after the first check.
      response.writeHead(500, { "Content-Type": "text/plain; charset=utf-8" }).end("the file cannot be read\n");
    }
  };
}
