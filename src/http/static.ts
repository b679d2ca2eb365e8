/** A folder over HTTP: the only importer of sirv. Types, HEAD and 304 are sirv's; which file a path means is ours to say. */
import { realpathSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, sep } from "node:path";
import type { Readable } from "node:stream";
import sirv from "sirv";
import { readPath } from "../admission/request-head.js";
import { decodeSegments } from "../options/route-path.js";
import type { Clock } from "../runtime/clock.js";
import { detectStall } from "./stall.js";

export type StaticHandler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** A segment that begins with a dot: `..`, and files that are nobody's business. */
const HIDDEN = /(^|[\\/])\.(?!well-known([\\/]|$))/;

/** What a path may be answered with, in sirv's order: the file itself, the index of a folder, a page of that name. */
const ENDINGS = ["", "/index", ".html", "/index.html", ".htm", "/index.htm"];

/**
 * A peer that takes nothing of a file for so long is cut off: the open file would be lost for as long as the peer stays. Node counts a
 * file's bytes in pieces of 64 KiB, and the system may hold back a few of these, so that this is much longer than a network needs.
 */
const STALL_MS = 120_000;

/** The name of a file as a request has it; `undefined` if no file of the folder can have that name. */
function readName(path: string): string | undefined {
  const segments = decodeSegments(path);
  // A slash that was sent as `%2F` is a part of a name, and no name has one.
  if (segments.some((segment) => segment.includes("/") || segment.includes("\0"))) return undefined;
  const name = segments.join("/");
  return name.startsWith("/") && !HIDDEN.test(name) ? name : undefined;
}

/** The file that answers; `undefined` if there is none, or a symbolic link to it leads out of the folder. */
function findFile(root: string, name: string): string | undefined {
  const stem = name.replace(/\/$/, "");
  const found = ENDINGS.map((ending) => stem + ending).find(
    (file) => file !== "" && !HIDDEN.test(file) && isFile(join(root, file)),
  );
  if (found === undefined) return undefined;
  return realpathSync(join(root, found)).startsWith(root + sep) ? found : undefined;
}

/** A folder is answered with its index, and opening a pipe would wait for its other end. */
function isFile(path: string): boolean {
  try {
    const stats = statSync(path);
    return !stats.isDirectory() && !stats.isFIFO();
  } catch {
    return false;
  }
}

/** The file is closed when its answer has ended, however that comes about: pipes do not end their source. */
function watchFile(source: Readable, { socket }: IncomingMessage, response: ServerResponse, clock: Clock): void {
  // The file cannot be read after all (its rights, or it has just gone), which nobody else hears.
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

/** The request as sirv is to see it: for this file, whatever the target says, and as a whole. */
function requestFor(request: IncomingMessage, file: string): IncomingMessage {
  const { range: _range, ...headers } = request.headers;
  // Where sirv looks first for what it has read of a target. It decodes what has a "%" in it once more.
  const target = { raw: file, pathname: file.replaceAll("%", "%25"), search: "", query: undefined, hash: undefined };
  return Object.create(request, {
    url: { value: file },
    headers: { value: headers },
    _parsedUrl: { value: target },
  });
}

/** Serves the files of the folder as they are at the time of each request; what is none of them goes to `next`. */
export function serveStatic(folder: string, clock: Clock): StaticHandler {
  const root = realpathSync(folder);
  // `dev` looks at the file at each request: a file that was changed or added is served as it is now.
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
      response.once("pipe", (source: Readable) => watchFile(source, request, response, clock));
      serve(requestFor(request, file), response, next);
    } catch {
      // The file system said no between two looks at the file.
      response.writeHead(500, { "Content-Type": "text/plain; charset=utf-8" }).end("the file cannot be read\n");
    }
  };
}
