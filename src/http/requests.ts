/** Plain HTTP on the server's port: SockJS, then files, then the user's `onRequest`, then one line that says what this is. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { plainAddress } from "../admission/address.js";
import { speaker } from "../admission/proxy.js";
import { readPath } from "../admission/request-head.js";
import { LEFT } from "../admission/upgrade-attempt.js";
import type { AccessEntry } from "../api/options.js";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { watchBody } from "./bodies.js";
import { wholeUrl } from "./mount.js";
import type { SockJsEndpoints } from "./sockjs-endpoints.js";
import type { StaticHandler } from "./static.js";
import { Turns } from "./turns.js";

export type Next = () => void;
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface RequestParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly trustProxy: boolean | number;
  readonly sockjs: SockJsEndpoints | undefined;
  readonly static: StaticHandler | undefined;
  readonly onRequest: ((request: IncomingMessage, response: ServerResponse) => void | Promise<void>) | undefined;
  readonly onAccess: ((entry: AccessEntry) => void) | undefined;
  /** Whether this path is a route's: then what is missing is an upgrade, not a file. */
  readonly hasRoute: (path: string) => boolean;
}

/** How a request is watched until it is answered. */
interface Watch {
  /** Tells that nobody was there to be answered. */
  left(): void;
  /** The answer is somebody else's. */
  end(): void;
}

const UNWATCHED: Watch = { left() {}, end() {} };

export class Requests {
  /** Of the connections that these requests come on. */
  readonly turns: Turns = new Turns();
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** Answers every request. */
  readonly listener: RequestListener = (request, response) => {
    const watch = this.#watch(request, response);
    this.turns.take(request, response, {
      run: () => {
        watchBody(request, response, this.#parts);
        this.#files(request, response, () => this.#rest(request, response));
      },
      gone: watch.left,
    });
  };

  /** Answers what is ours and passes the rest on, as Express and others call it. */
  readonly middleware = (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const { onRequest } = this.#parts;
    // A host's own requests wait for nobody.
    if (response.socket === null && !this.#mayAnswer(request)) {
      next();
      return;
    }
    const watch = this.#watch(request, response);
    const run = (): void => {
      const unwatchBody = watchBody(request, response, this.#parts);
      this.#files(request, response, () => {
        if (onRequest !== undefined) {
          this.#user(request, response, onRequest);
          return;
        }
        unwatchBody();
        watch.end();
        next();
      });
    };
    this.turns.take(request, response, { run, gone: watch.left });
  };

  /** Bytes that made no request, and were answered all the same. */
  refused({ status, body }: Refusal, socket: Duplex): void {
    const { onAccess, clock, log } = this.#parts;
    if (onAccess === undefined) return;
    const remoteAddress = "remoteAddress" in socket ? plainAddress(String(socket.remoteAddress ?? "")) : "";
    const entry = { at: clock.now(), durationMs: 0, method: "", path: "", status, remoteAddress, reason: body };
    tellAccess(onAccess, { type: "request", ...entry }, log);
  }

  /** Whose answer it is cannot be known before its turn where there are files. */
  #mayAnswer(request: IncomingMessage): boolean {
    const { sockjs, static: files, onRequest } = this.#parts;
    return files !== undefined || onRequest !== undefined || sockjs?.hasPath(readPath(wholeUrl(request))) === true;
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
    else if (this.#parts.sockjs?.answerGreeting(request, response) === true) return;
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
      // It may have replaced what the response is asked with.
      try {
        // Those that it has set belong to the answer that it did not give.
        for (const name of response.getHeaderNames()) response.removeHeader(name);
        for (const [name, value] of before) if (value !== undefined) response.setHeader(name, value);
        answer(response, 500, "onRequest failed");
      } catch {
        request.socket.destroy();
      }
    };
    try {
      Promise.resolve(onRequest(request, response)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  #watch(request: IncomingMessage, response: ServerResponse): Watch {
    const tell = this.#teller(request);
    if (tell === undefined) return UNWATCHED;
    const onClose = (): void => tell(response.statusCode);
    const end = (): void => void response.off("close", onClose);
    response.once("close", onClose);
    return {
      left() {
        end();
        tell(LEFT.status);
      },
      end,
    };
  }

  /** Tells of a request, which has just come, how it was answered. */
  #teller(request: IncomingMessage): ((status: number) => void) | undefined {
    const { onAccess, clock, log, trustProxy, sockjs } = this.#parts;
    if (onAccess === undefined) return undefined;
    const at = clock.now();
    const { method = "", socket, headers } = request;
    const url = wholeUrl(request);
    const remoteAddress = speaker(
      headers["x-forwarded-for"]?.toString(),
      plainAddress(socket.remoteAddress),
      trustProxy,
    );
    return (status) => {
      const path = readPath(url);
      const shown = sockjs?.shownPath(path) ?? path;
      const entry = { at, durationMs: clock.now() - at, method, path: shown, remoteAddress };
      tellAccess(onAccess, { type: "request", ...entry, status }, log);
    };
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
