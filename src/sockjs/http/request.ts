/**
 * A plain HTTP request to a SockJS route: {@link SockJsRequest} for the endpoints, {@link HttpAttempt} for the gate, which decides
 * about requests that create a session. Both end with the response.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { CommonHeaders } from "../../admission/common-headers.js";
import type { PlainRequest } from "../../admission/origin.js";
import { applyTrustedProxies, requestedHost } from "../../admission/proxy.js";
import { type Head, ParsedHead } from "../../admission/request-head.js";
import { readSessionOffer } from "../../admission/session-offer.js";
import type { UpgradeAttempt } from "../../admission/upgrade-attempt.js";
import { readHead } from "../../http/upgrade.js";
import { routeUrl, type SockJsTarget } from "../protocol/paths.js";
import type { SockJsRoute } from "./route.js";

export interface SockJsRequest {
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  readonly attempt: HttpAttempt;
  readonly route: SockJsRoute;
  readonly target: SockJsTarget;
}

export interface HttpAttemptParts {
  /** The path of the route. */
  readonly base: string;
  readonly at: number;
  readonly common: CommonHeaders;
  readonly trustProxy: boolean | number;
}

export class HttpAttempt implements UpgradeAttempt, PlainRequest {
  readonly at: number;
  readonly head: Head;
  readonly raw: IncomingMessage;
  readonly target: string;
  readonly sockjs = "request";
  readonly headers: Readonly<Record<string, string>>;
  readonly host: string | undefined;
  readonly secure: boolean;
  readonly #response: ServerResponse;
  #abort: AbortController | undefined;

  constructor(raw: IncomingMessage, response: ServerResponse, { base, at, common, trustProxy }: HttpAttemptParts) {
    this.at = at;
    this.raw = raw;
    this.target = raw.url ?? "/";
    // Plain HTTP has no WebSocket version.
    const split = common.split(readSessionOffer(raw.rawHeaders)?.rawHeaders ?? raw.rawHeaders);
    this.head = { ...readHead(raw, split), url: routeUrl(raw.url ?? "/", base), version: 0 };
    this.headers = new ParsedHead(this.head).headers;
    this.host = requestedHost(this.headers, trustProxy, raw.url);
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
