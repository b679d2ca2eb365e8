/** A plain request that SockJS answers: its facts, and who asks. What creates a session is put to the gate as this. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { applyTrustedProxies, requestedHost } from "../../admission/proxy.js";
import type { Head } from "../../admission/request-head.js";
import { type CommonHeaders, ParsedHead } from "../../admission/request-head.js";
import type { UpgradeAttempt } from "../../admission/upgrade-attempt.js";
import { readHead } from "../../http/upgrade.js";
import type { Asker } from "./headers.js";

/** The target of a request with the path of its route in place of its own: the session's id is its client's secret. */
export function routeUrl(url: string, base: string): string {
  const query = url.indexOf("?");
  return query < 0 ? base : base + url.slice(query);
}

export interface AskingParts {
  /** The path of the route. */
  readonly base: string;
  readonly at: number;
  readonly common: CommonHeaders;
  readonly trustProxy: boolean | number;
}

export class PlainAsking implements UpgradeAttempt, Asker {
  readonly at: number;
  readonly head: Head;
  readonly raw: IncomingMessage;
  readonly sockjs = "request";
  readonly headers: Readonly<Record<string, string>>;
  readonly host: string | undefined;
  readonly secure: boolean;
  readonly #response: ServerResponse;
  #abort: AbortController | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, { base, at, common, trustProxy }: AskingParts) {
    this.at = at;
    this.raw = request;
    // Over HTTP there is no version of WebSocket.
    this.head = { ...readHead(request, common), url: routeUrl(request.url ?? "/", base), version: 0 };
    this.headers = new ParsedHead(this.head).headers;
    this.host = requestedHost(this.headers, trustProxy, request.url);
    this.secure = applyTrustedProxies(this.head, this.headers, trustProxy).secure;
    this.#response = response;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      this.#response.once("close", () => abort.abort());
    }
    return this.#abort.signal;
  }
}
