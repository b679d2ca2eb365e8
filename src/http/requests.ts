/**
 * Plain HTTP requests: offers each request to the modules for pages, to SockJS, to the static files, to the user's `onRequest`, in this
 * order, and else answers with a line of text. Serves the port of `serve`, and a host by `middleware`. A request ends with the response, or
 * when the peer leaves.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { AccessLog } from "../admission/access-log.js";
import { plainAddress } from "../admission/address.js";
import { clientAddress } from "../admission/proxy.js";
import { readPath } from "../admission/request-head.js";
import { hideSessionNames } from "../admission/session-offer.js";
import { LEFT } from "../admission/upgrade-attempt.js";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { watchBody } from "./body-timeouts.js";
import type { ClientModules } from "./client-modules.js";
import { wholeUrl } from "./mount.js";
import { Pipelines } from "./pipelining.js";
import type { SockJsEndpoints } from "./sockjs-endpoints.js";
import type { StaticHandler } from "./static.js";

export type Next = () => void;
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface RequestParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly trustProxy: boolean | number;
  readonly client: ClientModules | undefined;
  readonly sockjs: SockJsEndpoints | undefined;
  readonly static: StaticHandler | undefined;
  readonly onRequest: ((request: IncomingMessage, response: ServerResponse) => unknown) | undefined;
  readonly accessLog: AccessLog | undefined;
  /** Whether a route has this path; the answer then is 426 in place of 404. */
  readonly hasRoute: (path: string) => boolean;
}

/** The pending access entry of a request; reported when the response closes. */
interface PendingEntry {
  /** Reports a peer that left before the answer. */
  reportLeft(): void;
  /** Reports nothing, since the host answers the request. */
  cancel(): void;
}

const NO_ENTRY: PendingEntry = { reportLeft() {}, cancel() {} };

/** Answers plain requests. */
export class Requests {
  readonly pipelines: Pipelines = new Pipelines();
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** Answers every request. */
  readonly listener: RequestListener = (request, response) => {
    const entry = this.#expectEntry(request, response);
    this.pipelines.run(request, response, {
      run: () => {
        watchBody(request, response, this.#parts);
        this.#answerOurs(request, response, () => this.#answerRest(request, response));
      },
      onConnectionClosed: entry.reportLeft,
    });
  };

  /** Answers our requests and passes the rest to `next`: the signature of Express middleware. */
  readonly middleware = (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const { onRequest } = this.#parts;
    // A pipelined request of the host must not wait in our queue.
    if (response.socket === null && !this.#mayAnswer(request)) {
      next();
      return;
    }
    const entry = this.#expectEntry(request, response);
    const run = (): void => {
      const unwatchBody = watchBody(request, response, this.#parts);
      this.#answerOurs(request, response, () => {
        if (onRequest !== undefined) {
          this.#runOnRequest(request, response, onRequest);
          return;
        }
        unwatchBody();
        entry.cancel();
        next();
      });
    };
    this.pipelines.run(request, response, { run, onConnectionClosed: entry.reportLeft });
  };

  /** Reports the refusal of bytes that are no request. */
  onRefused({ status, body }: Refusal, socket: Duplex): void {
    const { accessLog, clock } = this.#parts;
    if (accessLog === undefined) return;
    const remoteAddress = "remoteAddress" in socket ? plainAddress(String(socket.remoteAddress ?? "")) : "";
    const entry = { at: clock.now(), durationMs: 0, method: "", path: "", status, remoteAddress, reason: body };
    accessLog({ type: "request", ...entry });
  }

  /** Whether the request may be ours. With files or `onRequest`, only the attempt to answer will tell. */
  #mayAnswer(request: IncomingMessage): boolean {
    const { client, sockjs, static: files, onRequest } = this.#parts;
    if (files !== undefined || onRequest !== undefined || client?.takes(request) === true) return true;
    return sockjs?.hasPath(readPath(wholeUrl(request))) === true;
  }

  #answerOurs(request: IncomingMessage, response: ServerResponse, next: Next): void {
    const { client, sockjs } = this.#parts;
    if (client?.answer(request, response) === true) return;
    if (sockjs?.answer(request, response) === true) return;
    const rest = (): void => {
      if (sockjs?.answerMounted(request, response) !== true) next();
    };
    if (this.#parts.static === undefined) rest();
    else this.#parts.static(request, response, rest);
  }

  #answerRest(request: IncomingMessage, response: ServerResponse): void {
    const { onRequest, hasRoute } = this.#parts;
    const path = readPath(request.url ?? "/");
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (onRequest !== undefined) this.#runOnRequest(request, response, onRequest);
    else if (this.#parts.sockjs?.answerGreeting(request, response) === true) return;
    else if (!isRead) answer(response, 405, `${request.method} is not answered here`, { Allow: "GET, HEAD" });
    else if (this.#parts.static !== undefined && !hasRoute(path)) answer(response, 404, `there is no ${path}`);
    else answer(response, 426, "this is a WebSocket server: upgrade", { Upgrade: "websocket" });
  }

  /** Runs the user's code. A throw fails only the request. */
  #runOnRequest(
    request: IncomingMessage,
    response: ServerResponse,
    onRequest: NonNullable<RequestParts["onRequest"]>,
  ): void {
    hideSessionNames(request);
    // A host may have set headers before.
    const hostHeaders = Object.entries(response.getHeaders());
    const failed = (error: unknown): void => {
      this.#parts.log.error({ err: error, path: readPath(request.url ?? "/") }, "onRequest failed");
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // The user's code may have replaced methods of the response.
      try {
        // Headers from `onRequest` belong to an answer that was never sent.
        for (const name of response.getHeaderNames()) response.removeHeader(name);
        for (const [name, value] of hostHeaders) if (value !== undefined) response.setHeader(name, value);
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

  #expectEntry(request: IncomingMessage, response: ServerResponse): PendingEntry {
    const report = this.#reporter(request);
    if (report === undefined) return NO_ENTRY;
    const onClose = (): void => report(response.statusCode);
    const cancel = (): void => void response.off("close", onClose);
    response.once("close", onClose);
    return {
      reportLeft() {
        cancel();
        report(LEFT.status);
      },
      cancel,
    };
  }

  /** Notes the facts of a new request. @returns what reports the request with a status */
  #reporter(request: IncomingMessage): ((status: number) => void) | undefined {
    const { accessLog, clock, trustProxy, sockjs } = this.#parts;
    if (accessLog === undefined) return undefined;
    const at = clock.now();
    const { method = "", socket, headers } = request;
    const url = wholeUrl(request);
    const remoteAddress = clientAddress(
      headers["x-forwarded-for"]?.toString(),
      plainAddress(socket.remoteAddress),
      trustProxy,
    );
    return (status) => {
      const path = readPath(url);
      const shown = sockjs?.shownPath(path) ?? path;
      const entry = { at, durationMs: clock.now() - at, method, path: shown, remoteAddress };
      accessLog({ type: "request", ...entry, status });
    };
  }
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response
    .writeHead(status, { Connection: "close", "Content-Type": "text/plain; charset=utf-8", ...headers })
    .end(text);
}
