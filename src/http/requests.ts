/** Plain HTTP on the server's port: SockJS, then files, then the user's `onRequest`, then one line that says what this is. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../clock.js";
import type { Logger, SockJsFront } from "../contracts.js";
import { readPath } from "../head.js";
import type { AccessEntry } from "../options.js";
import type { Refusal } from "../reject.js";
import { plainAddress } from "./address.js";
import { wholeUrl } from "./mount.js";
import { speaker } from "./proxy.js";
import type { StaticHandler } from "./static.js";

export type Next = () => void;
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface RequestParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly trustProxy: boolean | number;
  readonly sockjs: SockJsFront | undefined;
  readonly static: StaticHandler | undefined;
  readonly onRequest: ((request: IncomingMessage, response: ServerResponse) => void | Promise<void>) | undefined;
  readonly onAccess: ((entry: AccessEntry) => void) | undefined;
  /** Whether this path is a route's: then what is missing is an upgrade, not a file. */
  readonly hasRoute: (path: string) => boolean;
}

export class Requests {
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** Answers every request. */
  readonly listener: RequestListener = (request, response) => {
    this.#watch(request, response);
    this.#files(request, response, () => this.#rest(request, response));
  };

  /** Answers what is ours and passes the rest on, as Express and others call it. */
  readonly middleware = (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const unwatch = this.#watch(request, response);
    this.#files(request, response, () => {
      if (this.#parts.onRequest !== undefined) {
        this.#user(request, response, this.#parts.onRequest);
        return;
      }
      unwatch();
      next();
    });
  };

  /** Bytes that made no request, and were answered all the same. */
  refused({ status, body }: Refusal, socket: Duplex): void {
    const { onAccess, clock, log } = this.#parts;
    if (onAccess === undefined) return;
    const remoteAddress = "remoteAddress" in socket ? plainAddress(String(socket.remoteAddress ?? "")) : "";
    const entry = { at: clock.now(), durationMs: 0, method: "", path: "", status, remoteAddress, reason: body };
    tellAccess(onAccess, { type: "request", ...entry }, log);
  }

  #files(request: IncomingMessage, response: ServerResponse, next: Next): void {
    if (this.#parts.sockjs?.answer(request, response) === true) return;
    const rest = (): void => {
      if (this.#parts.sockjs?.answerMounted(request, response) !== true) next();
    };
    if (this.#parts.static === undefined) rest();
    else this.#parts.static(request, response, rest);
  }

  #rest(request: IncomingMessage, response: ServerResponse): void {
    const { onRequest, hasRoute } = this.#parts;
    const path = readPath(request.url ?? "/");
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (onRequest !== undefined) this.#user(request, response, onRequest);
    else if (this.#parts.sockjs?.greet(request, response) === true) return;
    else if (!isRead) answer(response, 405, `${request.method} is not answered here`, { Allow: "GET, HEAD" });
    else if (this.#parts.static !== undefined && !hasRoute(path)) answer(response, 404, `there is no ${path}`);
    else answer(response, 426, "this is a WebSocket server: upgrade", { Upgrade: "websocket" });
  }

  /** The user's code, guarded: what it throws costs this request alone. */
  #user(request: IncomingMessage, response: ServerResponse, onRequest: NonNullable<RequestParts["onRequest"]>): void {
    // A host may have set some before.
    const before = Object.entries(response.getHeaders());
    const failed = (error: unknown): void => {
      this.#parts.log.error({ err: error, path: readPath(request.url ?? "/") }, "onRequest failed");
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // Those that it has set belong to the answer that it did not give.
      for (const name of response.getHeaderNames()) response.removeHeader(name);
      for (const [name, value] of before) if (value !== undefined) response.setHeader(name, value);
      answer(response, 500, "onRequest failed");
    };
    try {
      Promise.resolve(onRequest(request, response)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** @returns what ends the watch: the answer is somebody else's */
  #watch(request: IncomingMessage, response: ServerResponse): () => void {
    const { onAccess, clock, log, trustProxy, sockjs } = this.#parts;
    if (onAccess === undefined) return () => {};
    const at = clock.now();
    const { method = "", socket, headers } = request;
    const url = wholeUrl(request);
    const remoteAddress = speaker(
      headers["x-forwarded-for"]?.toString(),
      plainAddress(socket.remoteAddress),
      trustProxy,
    );
    const tell = (): void => {
      const path = readPath(url);
      const shown = sockjs?.shownPath(path) ?? path;
      const entry = { at, durationMs: clock.now() - at, method, path: shown, remoteAddress };
      tellAccess(onAccess, { type: "request", ...entry, status: response.statusCode }, log);
    };
    response.once("close", tell);
    return () => response.off("close", tell);
  }
}

/** The user's code, guarded. */
export function tellAccess(onAccess: (entry: AccessEntry) => void, entry: AccessEntry, log: Logger): void {
  try {
    onAccess(entry);
  } catch (error) {
    log.error({ err: error }, "onAccess failed");
  }
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response
    .writeHead(status, { Connection: "close", "Content-Type": "text/plain; charset=utf-8", ...headers })
    .end(text);
}
