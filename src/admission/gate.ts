/**
 * The gate of a server: decides on every request to connect, before the upgrade, and reports refusals to the log and every decision to
 * `onAccess`. Each attempt passes six checks in order: a route has the path, the server and the route are open, the page's origin is
 * allowed, not too many attempts have come before, a connection slot is free, the user's `authorize` agrees; the last two are the
 * entrance's. Listeners call the gate; the server closes the gate before any other part.
 */
import type { ConnectionId } from "../api/connection.js";
import type { AccessEntry } from "../api/options.js";
import type { Refusal } from "../api/rejection.js";
import type { RefusedCount } from "../api/stats.js";
import type { TracedRefusal } from "../api/tracing.js";
import { cutText } from "../log/excerpt.js";
import type { Clock } from "../runtime/clock.js";
import { type Diagnostics, refusedChannel } from "../runtime/diagnostics.js";
import type { Logger } from "../runtime/logger.js";
import { TokenBucket } from "../runtime/token-bucket.js";
import type { Admission } from "../transport/transport.js";
import { type AccessLog, createAccessLog } from "./access-log.js";
import { ConnectionLimits } from "./connection-limits.js";
import { Entrance } from "./entrance.js";
import type { GatedRoute } from "./gated-route.js";
import { type MatchedAttempt, readTerms } from "./matched-attempt.js";
import { allowsOrigin, pageOrigin } from "./origin.js";
import { applyTrustedProxies, requestedHost } from "./proxy.js";
import { readPath } from "./request-head.js";
import { EVERY_PATH, Router } from "./router.js";
import type { AwaySession, OtherNodes } from "./session-desk.js";
import type { UpgradeAttempt } from "./upgrade-attempt.js";

/** The settings of the server, as far as the gate reads them. */
export interface GateSettings {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** 0 is no limit. */
  readonly upgradesPerSecond: number;
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
  readonly diagnostics: Diagnostics;
  /** Absent without a cluster. */
  readonly otherNodes?: OtherNodes | undefined;
}

/** Node's `backlog` where the option is missing. */
const DEFAULT_BACKLOG = 511;

/** This number of peers may come back at once under any limit: the dials that a client has given up count until the program has answered. */
const MIN_RETURNS = 16;

const CLOSING: Refusal = { status: 503, body: "the server is closing" };
const ROUTE_CLOSED: Refusal = { status: 503, body: "this route is closed" };

/** At most 256 bytes of a peer's text are quoted in an answer, and from there in the log. */
const MAX_QUOTED_BYTES = 256;

export class Gate {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #diagnostics: Diagnostics;
  readonly #trustProxy: boolean | number;
  readonly #router = new Router<GatedRoute>();
  readonly #otherNodes: OtherNodes | undefined;
  readonly #entrance: Entrance;
  readonly #accessLog: AccessLog | undefined;
  readonly #upgrades: TokenBucket | undefined;
  readonly #tooMany: Refusal;
  readonly #unrouted = new Map<number, number>();
  #isClosing = false;

  constructor({ routes, settings, clock, log, diagnostics, otherNodes }: GateParts) {
    const { backlog = DEFAULT_BACKLOG, handshakeTimeoutMs, trustProxy, onAccess } = settings;
    this.#clock = clock;
    this.#log = log;
    this.#diagnostics = diagnostics;
    this.#trustProxy = trustProxy;
    for (const route of routes) this.#router.add(route.path, route);
    this.#otherNodes = otherNodes;
    const limitSettings = { ...settings, maxWaiting: backlog, waitMs: handshakeTimeoutMs };
    const { maxConnections, maxConnectionsPerAddress } = settings;
    const returnSettings = {
      ...limitSettings,
      maxConnections: maxConnections && Math.max(maxConnections, MIN_RETURNS),
      maxConnectionsPerAddress: maxConnectionsPerAddress && Math.max(maxConnectionsPerAddress, MIN_RETURNS),
    };
    this.#entrance = new Entrance({
      clock,
      log,
      otherNodes,
      limits: new ConnectionLimits(limitSettings, clock, (address) => oldestAway(routes, address)),
      returns: new ConnectionLimits(returnSettings, clock, () => undefined),
      closedRefusal: (route) => this.#closedRefusal(route),
      onAccepted: (matched, connection) => this.#reportUpgrade(matched, connection),
    });
    const { upgradesPerSecond } = settings;
    if (upgradesPerSecond > 0) this.#upgrades = new TokenBucket(upgradesPerSecond, upgradesPerSecond, clock.now());
    this.#tooMany = {
      status: 503,
      body: `too many upgrades: at most ${upgradesPerSecond} a second (option upgradesPerSecond)`,
      headers: { "Retry-After": "1" },
    };
    this.#accessLog = createAccessLog(onAccess, clock, log);
  }

  /** Decides on an attempt. The caller MUST report a refusal back with {@link refused}. */
  admit(attempt: UpgradeAttempt): Admission | Refusal | Promise<Admission | Refusal> {
    const path = readPath(attempt.head.url);
    const found = this.#router.match(path);
    if (found === undefined) return { status: 404, body: `there is no route ${quote(path)}` };
    const { route } = found;
    const head = applyTrustedProxies(attempt.head, attempt.headers, this.#trustProxy);
    const terms = readTerms(attempt, head, route, this.#otherNodes);
    const { protocol, answered, decodedPath, session, elsewhere } = terms;
    const { params } = found;
    // Written out: a spread of objects takes longer than all the checks.
    const matched = { route, params, attempt, head, protocol, answered, decodedPath, session, elsewhere };
    return (
      this.#closedRefusal(route) ??
      this.#originRefusal(matched) ??
      this.#floodRefusal() ??
      this.#entrance.enter(matched)
    );
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
    if (route === undefined) this.#unrouted.set(status, (this.#unrouted.get(status) ?? 0) + 1);
    else route.counters.countRefused(status);
    const level = status === 403 ? "warn" : "info";
    const isPlainRequest = sockjs === "request";
    const message = isPlainRequest ? "session refused" : "upgrade refused";
    this.#log[level]({ status, reason: body, path, remoteAddress }, message);
    if (refusedChannel.hasSubscribers) {
      const { server } = this.#diagnostics;
      const refusal: TracedRefusal = { status, reason: body, path, remoteAddress, route: route?.path, server };
      this.#diagnostics.publish(refusedChannel, refusal);
    }
    // `Requests` reports a plain request when its response closes.
    if (isPlainRequest) return;
    const timing = { at, durationMs: this.#clock.now() - at };
    const method = raw?.method ?? "GET";
    this.#accessLog?.({ type: "upgrade", ...timing, method, path, status, remoteAddress, reason: body });
  }

  /** The refusals of paths without a route. */
  get unroutedRefusals(): RefusedCount[] {
    return Array.from(this.#unrouted, ([status, count]) => ({ status, count }));
  }

  /** How many attempts wait for `authorize` or `resume.verify`. */
  get undecided(): number {
    return this.#entrance.undecided;
  }

  /** Refuses every undecided and every future attempt. Called when the server begins to close. */
  close(): void {
    this.#isClosing = true;
    this.#entrance.cancelAll(CLOSING);
  }

  #closedRefusal(route: GatedRoute): Refusal | undefined {
    if (this.#isClosing) return CLOSING;
    return route.hasEnded ? ROUTE_CLOSED : undefined;
  }

  /** Attempts that were refused for another reason have cost next to nothing, and are not counted. */
  #floodRefusal(): Refusal | undefined {
    const upgrades = this.#upgrades;
    if (upgrades === undefined) return undefined;
    const now = this.#clock.now();
    if (upgrades.waitMs(1, now) > 0) return this.#tooMany;
    upgrades.take(1, now);
    return undefined;
  }

  #originRefusal({ attempt, head: { secure }, route }: MatchedAttempt): Refusal | undefined {
    const { headers, target = attempt.head.url, sockjs } = attempt;
    const host = requestedHost(headers, this.#trustProxy, target);
    const origin = sockjs === "request" ? pageOrigin({ headers, host, secure }) : headers.origin;
    if (allowsOrigin(route.settings.origins, origin, host)) return undefined;
    return { status: 403, body: `the origin ${quote(String(origin))} is not allowed (option origins)` };
  }

  #reportUpgrade({ attempt, head }: MatchedAttempt, connection: ConnectionId): void {
    // `Requests` reports a plain request when its response closes.
    if (this.#accessLog === undefined || attempt.sockjs === "request") return;
    const { url, remoteAddress } = head;
    const timing = { at: attempt.at, durationMs: this.#clock.now() - attempt.at };
    const entry = { method: "GET", path: readPath(url), status: 101, remoteAddress };
    this.#accessLog({ type: "upgrade", ...timing, ...entry, ...(connection !== "" && { connection }) });
  }
}

/** The connection of all routes that is away longest; with an address, the longest of the address. */
function oldestAway(routes: readonly GatedRoute[], address: string | undefined): AwaySession | undefined {
  let oldest: AwaySession | undefined;
  for (const { sessions } of routes) {
    const away = sessions?.oldestAway(address);
    if (away !== undefined && (oldest === undefined || away.awaySince < oldest.awaySince)) oldest = away;
  }
  return oldest;
}

function quote(text: string): string {
  return text.length <= MAX_QUOTED_BYTES ? text : `${cutText(text, MAX_QUOTED_BYTES)}...`;
}
