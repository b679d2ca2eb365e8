/**
 * The gate of a server: decides on each request to connect, before the upgrade. In this order: is there a route, is the server
 * open, is the page's origin allowed, is there a place, does the user's `authorize` let it in.
 */

import type { Authorize, UpgradeRequest } from "../api/authorize.js";
import type { ConnectionId } from "../api/connection.js";
import { type Refusal, Rejection } from "../api/rejection.js";
import { cutText } from "../log/excerpt.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { type LeakOwner, optionOwner, runFor } from "../runtime/unhandled-rejections.js";
import { overshootBytes } from "../transport/paused-bytes.js";
import type { Admission, Transport, TransportListener } from "../transport/transport.js";
import type { Release, Slots } from "./connection-limits.js";
import { allowsOrigin, type Origins, pageOf } from "./origin.js";
import { applyTrustedProxies, requestedHost } from "./proxy.js";
import type { Head } from "./request-head.js";
import { Facts, readPath, withoutCookies } from "./request-head.js";
import type { Match } from "./router.js";
import type { Gate, UpgradeAttempt } from "./upgrade-attempt.js";
import { LEFT } from "./upgrade-attempt.js";

/** A route as the gate sees it. */
export interface GatedRoute {
  /** Nobody is let in any more. */
  readonly hasEnded: boolean;
  readonly settings: {
    readonly authorize: Authorize<unknown> | undefined;
    readonly origins: Origins;
    readonly protocols: readonly string[];
    readonly handshakeTimeoutMs: number;
    readonly maxPayloadBytes: number;
    readonly maxFragments: number;
    readonly mailbox: { readonly maxBytes: number };
    readonly compression: boolean;
  };
  accept(wire: Transport, entry: AcceptedUpgrade): TransportListener;
}

/** What a connection begins with. */
export interface AcceptedUpgrade {
  readonly head: Head;
  readonly params: Readonly<Record<string, string>>;
  readonly protocol: string;
  /** What `authorize` returned. */
  readonly data: unknown;
  /** Gives its place back: to be called when the connection is gone. */
  readonly release: Release;
  /** When the request came. */
  readonly askedAt: number;
  /** No upgrade, but a plain request of SockJS. */
  readonly isPlain: boolean;
}

/** The route that a request has come to, what is believed of its head, and the subprotocol that both sides know. */
interface MatchedAttempt extends Match<GatedRoute> {
  readonly head: Head;
  readonly protocol: string;
}

export interface GateParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly slots: Slots;
  readonly trustProxy: boolean | number;
  readonly isOpen: () => boolean;
  readonly onAccepted: (entry: AcceptedUpgrade, id: ConnectionId) => void;
  readonly match: (path: string) => Match<GatedRoute> | undefined;
}

const CLOSING: Refusal = { status: 503, body: "the server is closing" };
const FULL: Refusal = { status: 503, body: "the server is full" };
const ROUTE_CLOSED: Refusal = { status: 503, body: "this route is closed" };
const FAILED: Refusal = { status: 500, body: "authorize failed" };
const TOO_SLOW: Refusal = { status: 503, body: "authorize took too long" };

/** So much of what a peer has sent stands in an answer, and from there in the log. */
const MAX_QUOTED_BYTES = 256;

export class Admissions implements Pick<Gate, "admit"> {
  readonly #parts: GateParts;
  /** Told of what `authorize` leaves behind. */
  readonly #owner: LeakOwner;
  /** Those whose `authorize` is under way, by what ends their wait. */
  readonly #undecided = new Set<(refusal: Refusal) => void>();

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#owner = optionOwner("authorize", parts.clock, parts.log);
  }

  admit(asking: UpgradeAttempt): Admission | Refusal | Promise<Admission | Refusal> {
    const { trustProxy, match, slots } = this.#parts;
    const { headers } = asking;
    const path = readPath(asking.head.url);
    const head = applyTrustedProxies(asking.head, headers, trustProxy);
    const found = match(path);
    if (found === undefined) return { status: 404, body: `there is no route ${quote(path)}` };
    const shut = this.#shut(found.route);
    if (shut !== undefined) return shut;
    const host = requestedHost(headers, trustProxy, asking.raw?.url ?? asking.head.url);
    const isPlain = asking.sockjs === "request";
    const origin = isPlain ? pageOf({ headers, host, secure: head.secure }) : headers.origin;
    if (!allowsOrigin(found.route.settings.origins, origin, host))
      return { status: 403, body: `the origin ${quote(String(origin))} is not allowed (option origins)` };
    const place = slots.take(head.remoteAddress, () => asking.signal);
    if (place === undefined) return FULL;
    // SockJS's frames are no subprotocol.
    const hasProtocol = asking.sockjs === undefined || asking.sockjs === "raw";
    const protocol = hasProtocol ? choose(found.route, headers) : "";
    if (!(place instanceof Promise)) return this.#authorize(asking, { head, protocol, ...found }, place);
    return place.then((release) => {
      const refusal = this.#shut(found.route);
      if (release !== undefined && refusal === undefined)
        return this.#authorize(asking, { head, protocol, ...found }, release);
      release?.();
      return asking.signal.aborted ? LEFT : (refusal ?? FULL);
    });
  }

  /** How many wait for their `authorize`. */
  get undecided(): number {
    return this.#undecided.size;
  }

  /** Nobody's `authorize` is waited for any longer: the server is closing. */
  close(): void {
    for (const giveUp of [...this.#undecided]) giveUp(CLOSING);
  }

  /** Why nobody is let in at all. */
  #shut(route: GatedRoute): Refusal | undefined {
    if (!this.#parts.isOpen()) return CLOSING;
    return route.hasEnded ? ROUTE_CLOSED : undefined;
  }

  #authorize(
    asking: UpgradeAttempt,
    { head, route, params, protocol }: MatchedAttempt,
    release: Release,
  ): Admission | Refusal | Promise<Admission | Refusal> {
    const { authorize } = route.settings;
    const admission = (data: unknown): Admission =>
      this.#admission(route, {
        // A page's cookies may belong to whoever frames it: over SockJS `authorize` sees them, nobody after it.
        head: asking.sockjs === undefined ? head : withoutCookies(head),
        params,
        protocol,
        data,
        release,
        askedAt: asking.at,
        isPlain: asking.sockjs === "request",
      });
    if (authorize === undefined) return admission(undefined);
    return this.#ask(authorize, route.settings.handshakeTimeoutMs, asking, new Facts(head), params).then((answer) => {
      const refusal = "data" in answer ? this.#shut(route) : answer;
      if ("data" in answer && refusal === undefined) return admission(answer.data);
      release();
      return refusal ?? CLOSING;
    });
  }

  #admission(route: GatedRoute, entry: AcceptedUpgrade): Admission {
    return {
      maxPayloadBytes: route.settings.maxPayloadBytes,
      maxFragments: route.settings.maxFragments,
      maxPausedBytes: overshootBytes(route.settings.mailbox),
      compression: route.settings.compression,
      protocol: entry.protocol,
      accept: (wire) => {
        const peer = route.accept(wire, entry);
        this.#parts.onAccepted(entry, peer.id);
        return peer;
      },
      cancel: entry.release,
    };
  }

  /** Runs the user's code, guarded, for a limited time, and for as long as the peer is there. */
  #ask(
    authorize: Authorize<unknown>,
    timeoutMs: number,
    asking: UpgradeAttempt,
    facts: Facts,
    params: Match<GatedRoute>["params"],
  ): Promise<{ readonly data: unknown } | Refusal> {
    const { clock, log } = this.#parts;
    const { signal } = asking;
    if (signal.aborted) return Promise.resolve(LEFT);
    const over = new AbortController();
    const request = toRequest(asking, facts, params, over.signal);
    return new Promise((resolve) => {
      const decide = (answer: { readonly data: unknown } | Refusal): void => {
        timer.cancel();
        signal.removeEventListener("abort", leave);
        this.#undecided.delete(giveUp);
        resolve(answer);
      };
      const giveUp = (refusal: Refusal): void => {
        decide(refusal);
        runFor(this.#owner, () => over.abort());
      };
      const leave = (): void => giveUp(LEFT);
      const timer = clock.after(timeoutMs, () => giveUp(TOO_SLOW));
      signal.addEventListener("abort", leave);
      this.#undecided.add(giveUp);
      (async () => runFor(this.#owner, authorize, request))().then(
        (answer) => decide(isRejection(answer) ? answer.refusal : { data: answer }),
        (error: unknown) => {
          if (isRejection(error)) {
            decide(error.refusal);
            return;
          }
          // One that gives up when it is told to has not failed.
          if (!over.signal.aborted) log.error({ err: error, path: facts.path }, "authorize failed");
          decide(FAILED);
        },
      );
    });
  }
}

function quote(text: string): string {
  return text.length <= MAX_QUOTED_BYTES ? text : `${cutText(text, MAX_QUOTED_BYTES)}...`;
}

/** What `authorize` returns or throws may be a proxy that throws when it is asked for its prototype: that is no rejection. */
function isRejection(answer: unknown): answer is Rejection {
  try {
    return answer instanceof Rejection;
  } catch {
    return false;
  }
}

/** The first of ours that the peer offers too (RFC 6455 section 4.2.2). */
function choose(route: GatedRoute, headers: Facts["headers"]): string {
  const offered = offeredProtocols(headers);
  return route.settings.protocols.find((protocol) => offered.includes(protocol)) ?? "";
}

function offeredProtocols(headers: Facts["headers"]): string[] {
  return headers["sec-websocket-protocol"]?.split(",").map((text) => text.trim()) ?? [];
}

function toRequest(
  asking: UpgradeAttempt,
  facts: Facts,
  params: Match<GatedRoute>["params"],
  signal: AbortSignal,
): UpgradeRequest {
  const { path, query, headers, cookies, head } = facts;
  const { remoteAddress, secure } = head;
  return {
    path,
    params,
    query,
    headers,
    cookies,
    origin: headers.origin,
    protocols: offeredProtocols(headers),
    remoteAddress,
    secure,
    signal,
    raw: asking.raw,
  };
}
