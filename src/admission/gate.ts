/**
 * The gate of a server: decides on every request to connect, before the upgrade, and reports refusals to the log and every decision to
 * `onAccess`. Each attempt passes five checks in order: a route has the path, the server and the route are open, the page's origin is
 * allowed, a connection slot is free, the user's `authorize` agrees. Listeners call the gate; the server closes the gate before any other
 * part.
 */
import type { Authorize } from "../api/authorize.js";
import type { ConnectionId } from "../api/connection.js";
import type { AccessEntry, ResumeOptions } from "../api/options.js";
import type { Refusal } from "../api/rejection.js";
import { cutText } from "../log/excerpt.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { overshootBytes } from "../transport/paused-bytes.js";
import type { Admission, Transport, TransportListener } from "../transport/transport.js";
import type { AcceptedUpgrade } from "./accepted-upgrade.js";
import { type AccessLog, createAccessLog } from "./access-log.js";
import { Authorization } from "./authorization.js";
import { ConnectionLimits, type Release } from "./connection-limits.js";
import { allowsOrigin, type Origins, pageOrigin } from "./origin.js";
import { applyTrustedProxies, requestedHost } from "./proxy.js";
import { type Head, readPath, withoutCookies } from "./request-head.js";
import { EVERY_PATH, type Match, Router } from "./router.js";
import type { SessionDesk } from "./session-desk.js";
import { answeredProtocol } from "./session-offer.js";
import { chooseProtocol } from "./subprotocol.js";
import { LEFT, type UpgradeAttempt } from "./upgrade-attempt.js";

type Verify = ResumeOptions["verify"];

/** A route as the gate sees it. */
export interface GatedRoute {
  /** The path from `routes`, or {@link EVERY_PATH}. */
  readonly path: string;
  /** `true` once the route accepts no connections any more. */
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
    readonly resume: false | { readonly verify: Verify | undefined };
  };
  /** Absent without the option `resume`. */
  readonly sessions: SessionDesk | undefined;
  /** The gate counts the route's refusals here. */
  readonly counters: { refused: number };
  accept(transport: Transport, accepted: AcceptedUpgrade): TransportListener;
}

/** The settings of the server, as far as the gate reads them. */
export interface GateSettings {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly whenFull: "reject" | "wait";
  /** How many attempts may wait for a slot. */
  readonly backlog: number | undefined;
  /** How long an attempt may wait for a slot. */
  readonly handshakeTimeoutMs: number;
  readonly trustProxy: boolean | number;
  readonly onAccess: ((entry: AccessEntry) => void) | undefined;
}

export interface GateParts {
  readonly routes: readonly GatedRoute[];
  readonly settings: GateSettings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An attempt whose route is known; `head` has what trusted proxies report. */
interface MatchedAttempt extends Match<GatedRoute> {
  readonly attempt: UpgradeAttempt;
  readonly head: Head;
}

/** The operating system's `backlog` where the option is missing. */
const DEFAULT_BACKLOG = 511;

const CLOSING: Refusal = { status: 503, body: "the server is closing" };
const FULL: Refusal = { status: 503, body: "the server is full" };
const ROUTE_CLOSED: Refusal = { status: 503, body: "this route is closed" };

/** At most 256 bytes of a peer's text are quoted in an answer, and from there in the log. */
const MAX_QUOTED_BYTES = 256;

export class Gate {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #trustProxy: boolean | number;
  readonly #router = new Router<GatedRoute>();
  readonly #limits: ConnectionLimits;
  readonly #authorization: Authorization;
  readonly #accessLog: AccessLog | undefined;
  #unroutedRefusals = 0;
  #isClosing = false;

  constructor({ routes, settings, clock, log }: GateParts) {
    const { backlog = DEFAULT_BACKLOG, handshakeTimeoutMs, trustProxy, onAccess } = settings;
    this.#clock = clock;
    this.#log = log;
    this.#trustProxy = trustProxy;
    for (const route of routes) this.#router.add(route.path, route);
    this.#limits = new ConnectionLimits({ ...settings, maxWaiting: backlog, waitMs: handshakeTimeoutMs }, clock);
    this.#authorization = new Authorization(clock, log);
    this.#accessLog = createAccessLog(onAccess, clock, log);
  }

  /** Decides on an attempt. The caller MUST report a refusal back with {@link refused}. */
  admit(attempt: UpgradeAttempt): Admission | Refusal | Promise<Admission | Refusal> {
    const path = readPath(attempt.head.url);
    const found = this.#router.match(path);
    if (found === undefined) return { status: 404, body: `there is no route ${quote(path)}` };
    const { route } = found;
    const head = applyTrustedProxies(attempt.head, attempt.headers, this.#trustProxy);
    const matched = { ...found, attempt, head };
    const refusal = this.#closedRefusal(route) ?? this.#originRefusal(matched);
    if (refusal !== undefined) return refusal;
    const slot = this.#limits.acquire(head.remoteAddress, () => attempt.signal);
    if (slot === undefined) return FULL;
    if (!(slot instanceof Promise)) return this.#authorize(matched, slot);
    return slot.then((release) => {
      const late = this.#closedRefusal(route);
      if (release !== undefined && late === undefined) return this.#authorize(matched, release);
      release?.();
      return attempt.signal.aborted ? LEFT : (late ?? FULL);
    });
  }

  /** Whether any route matches this path. */
  takes(path: string): boolean {
    return this.#router.match(path) !== undefined;
  }

  /** Whether a route matches this path, apart from the fallback route for every path. */
  hasRoute(path: string): boolean {
    return (this.#router.match(path)?.route.path ?? EVERY_PATH) !== EVERY_PATH;
  }

  /** Counts and reports a refusal. A listener MUST call this for every refusal, its own included. */
  refused({ at, head, headers, raw, sockjs }: UpgradeAttempt, { status, body }: Refusal): void {
    const path = readPath(head.url);
    const { remoteAddress } = applyTrustedProxies(head, headers, this.#trustProxy);
    const route = this.#router.match(path)?.route;
    if (route === undefined) this.#unroutedRefusals++;
    else route.counters.refused++;
    const level = status === 403 ? "warn" : "info";
    const isPlainRequest = sockjs === "request";
    const message = isPlainRequest ? "session refused" : "upgrade refused";
    this.#log[level]({ status, reason: body, path, remoteAddress }, message);
    // `Requests` reports a plain request when its response closes.
    if (isPlainRequest) return;
    const timing = { at, durationMs: this.#clock.now() - at };
    const method = raw?.method ?? "GET";
    this.#accessLog?.({ type: "upgrade", ...timing, method, path, status, remoteAddress, reason: body });
  }

  /** How many refusals concerned a path without a route. */
  get unroutedRefusals(): number {
    return this.#unroutedRefusals;
  }

  /** How many attempts wait for `authorize`. */
  get undecided(): number {
    return this.#authorization.pending;
  }

  /** Refuses every undecided and every future attempt. Called when the server begins to close. */
  close(): void {
    this.#isClosing = true;
    this.#limits.cancelWaiters();
    this.#authorization.cancelAll(CLOSING);
  }

  #closedRefusal(route: GatedRoute): Refusal | undefined {
    if (this.#isClosing) return CLOSING;
    return route.hasEnded ? ROUTE_CLOSED : undefined;
  }

  #originRefusal({ attempt, head: { secure }, route }: MatchedAttempt): Refusal | undefined {
    const { headers, raw, sockjs } = attempt;
    const host = requestedHost(headers, this.#trustProxy, raw?.url ?? attempt.head.url);
    const origin = sockjs === "request" ? pageOrigin({ headers, host, secure }) : headers.origin;
    if (allowsOrigin(route.settings.origins, origin, host)) return undefined;
    return { status: 403, body: `the origin ${quote(String(origin))} is not allowed (option origins)` };
  }

  #authorize(matched: MatchedAttempt, release: Release): Admission | Refusal | Promise<Admission | Refusal> {
    const { attempt, head, route, params } = matched;
    const { authorize, handshakeTimeoutMs: timeoutMs } = route.settings;
    if (authorize === undefined) return this.#admission(matched, undefined, release);
    return this.#authorization.ask(authorize, { attempt, head, params, timeoutMs }).then((answer) => {
      if (answer.refusal !== undefined) {
        release();
        return answer.refusal;
      }
      const refusal = this.#closedRefusal(route);
      if (refusal === undefined) return this.#admission(matched, answer.data, release);
      release();
      return refusal;
    });
  }

  #admission({ attempt, head, route, params }: MatchedAttempt, data: unknown, release: Release): Admission {
    const { settings } = route;
    const { sockjs } = attempt;
    // The frames of SockJS are no subprotocol.
    const hasProtocol = sockjs === undefined || sockjs === "raw";
    const protocol = hasProtocol ? chooseProtocol(settings.protocols, attempt.headers) : "";
    const answered = hasProtocol ? answeredProtocol(protocol, attempt.sessionOffer) : "";
    const hasSession = answered !== protocol;
    const accepted: AcceptedUpgrade = {
      // Any site may frame the iframe page of SockJS and use its cookies: over SockJS only `authorize` sees cookies.
      head: sockjs === undefined ? head : withoutCookies(head),
      params,
      protocol,
      data,
      release,
      decodedPath: readPath(head.url),
      session: hasSession ? { resume: undefined, why: "new" } : undefined,
    };
    return {
      maxPayloadBytes: settings.maxPayloadBytes,
      maxFragments: settings.maxFragments,
      maxPausedBytes: overshootBytes(settings.mailbox),
      compression: settings.compression,
      protocol: answered,
      accept: (transport) => {
        const listener = route.accept(transport, accepted);
        if (sockjs !== "request") this.#reportUpgrade(attempt.at, head, listener.id);
        return listener;
      },
      cancel: release,
    };
  }

  #reportUpgrade(at: number, { url, remoteAddress }: Head, connection: ConnectionId): void {
    const timing = { at, durationMs: this.#clock.now() - at };
    const entry = { method: "GET", path: readPath(url), status: 101, remoteAddress, connection };
    this.#accessLog?.({ type: "upgrade", ...timing, ...entry });
  }
}

function quote(text: string): string {
  return text.length <= MAX_QUOTED_BYTES ? text : `${cutText(text, MAX_QUOTED_BYTES)}...`;
}
