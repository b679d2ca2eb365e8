/**
 * The sessions of a route (option `resume`): which token names which session, which connections are away, and how much is kept for those.
 * The route creates the object; sockets of returning clients come through `takeUp`. What is kept of an ended session is its token with the
 * close frame that the client has still to get, for at most `graceMs`.
 */
import type { AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import type { AwaySession, SessionDesk } from "../../admission/session-desk.js";
import type { ResumeOffer } from "../../admission/session-offer.js";
import { type CloseReason, TAKEN_OVER } from "../../api/close-codes.js";
import type { ResumeOptions } from "../../api/options.js";
import { Alarm, type Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { SlotMap } from "../../runtime/slot-map.js";
import type { Flushable, Turn } from "../../runtime/turn.js";
import { Farewell } from "../../transport/farewell.js";
import type { KeptTally } from "../../transport/kept-frames.js";
import type { Resumed } from "../../transport/session-transport.js";
import type { Transport, TransportListener } from "../../transport/transport.js";
import type { Counters } from "../route/counters.js";
import { type RouteSessions, Session, type SessionPlace } from "./session.js";

/** What the sessions need of their route. */
export interface SessionsParts {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly settings: Pick<ResumeOptions, "graceMs" | "maxBytes" | "maxAway" | "maxAwayBytes">;
  readonly closeTimeoutMs: number;
  readonly counters: Pick<Counters, "countDropped" | "resumed" | "gaps" | "expired" | "keptBytes">;
  readonly log: Logger;
  readonly newToken: () => string;
}

/** A session that our side has ended, until the client has been told or `graceMs` is over. */
class EndedSession extends Alarm {
  readonly place: SessionPlace;
  readonly closing: CloseReason;
  readonly #onOver: () => void;

  constructor({ token, decodedPath, protocol }: SessionPlace, closing: CloseReason, onOver: () => void) {
    super();
    this.place = { token, decodedPath, protocol };
    this.closing = closing;
    this.#onOver = onOver;
  }

  ring(): void {
    this.#onOver();
  }
}

export class Sessions implements SessionDesk, RouteSessions, Flushable {
  readonly #parts: SessionsParts;
  readonly #live = new SlotMap<string, Session>();
  readonly #ended = new Map<string, EndedSession>();
  /** The longest away first. */
  readonly #away = new SlotMap<string, Session>();
  #awayBytes = 0;
  #isFlushDue = false;
  #hasStopped = false;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  get graceMs(): number {
    return this.#parts.settings.graceMs;
  }

  get maxBytes(): number {
    return this.#parts.settings.maxBytes;
  }

  get tally(): KeptTally {
    return this.#parts.counters;
  }

  /** How many connections are away. */
  get away(): number {
    return this.#away.size;
  }

  /** Makes a fresh session. The caller MUST attach the connection in the same stack. */
  create({ decodedPath, protocol }: AcceptedUpgrade): Session {
    const session = new Session(this, { token: this.#parts.newToken(), decodedPath, protocol });
    this.#live.set(session.token, session);
    return session;
  }

  /**
   * Lets a socket take up the session that its request names.
   *
   * @returns the listener of the socket; `undefined` if the request gets a fresh session
   */
  takeUp(socket: Transport, { session, decodedPath, protocol, head }: AcceptedUpgrade): TransportListener | undefined {
    const offer = session?.resume;
    if (offer === undefined) return undefined;
    const closing = this.#farewellFor(offer, decodedPath, protocol);
    if (closing === undefined) return this.find(offer, decodedPath, protocol)?.takeUp(socket, offer, head);
    const { clock, closeTimeoutMs } = this.#parts;
    return new Farewell(socket, closing, { clock, closeTimeoutMs });
  }

  /** No client comes back: the server closes, or the route has ended. */
  stop(): void {
    this.#hasStopped = true;
    for (const ended of this.#ended.values()) ended.cancel();
    this.#ended.clear();
  }

  /** Ends what is beyond `maxAwayBytes`. */
  flush(): void {
    this.#isFlushDue = false;
    for (const session of this.#away.values()) {
      if (this.#awayBytes <= this.#parts.settings.maxAwayBytes) return;
      session.makeRoom();
    }
  }

  // SessionDesk: called by the gate.

  find(offer: ResumeOffer, decodedPath: string, protocol: string): Session | undefined {
    const session = this.#findLive(offer, decodedPath, protocol);
    return session?.isStale(offer) === false && session.frames.isPossible(offer) ? session : undefined;
  }

  isFarewell(offer: ResumeOffer, decodedPath: string, protocol: string): boolean {
    return this.#farewellFor(offer, decodedPath, protocol) !== undefined;
  }

  oldestAway(remoteAddress?: string): AwaySession | undefined {
    for (const session of this.#away.values())
      if (remoteAddress === undefined || session.connection.remoteAddress === remoteAddress) return session;
    return undefined;
  }

  moved(offer: ResumeOffer, decodedPath: string, protocol: string): void {
    this.find(offer, decodedPath, protocol)?.expire("moved");
  }

  // RouteSessions: called by sessions.

  onAway(session: Session): void {
    const { clock, settings } = this.#parts;
    session.awaySince = clock.now();
    this.#away.set(session.token, session);
    clock.after(session.leftMs, session);
    this.onGrown(session);
    if (this.#away.size > settings.maxAway) this.oldestAway()?.makeRoom();
  }

  onBack(session: Session): void {
    this.#forget(session);
  }

  onResumed({ connection }: Session, isBack: boolean, { replayed, lost, missing }: Resumed): void {
    const { counters, log } = this.#parts;
    counters.resumed++;
    counters.countDropped("gap", missing);
    if (lost > 0) counters.gaps++;
    log.info({ connection: connection.id, replayed, lost }, isBack ? "connection back" : "session taken over");
  }

  onGrown(session: Session): void {
    const { bufferedAmount } = session.connection;
    this.#awayBytes += bufferedAmount - session.awayBytes;
    session.awayBytes = bufferedAmount;
    if (this.#awayBytes <= this.#parts.settings.maxAwayBytes || this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#parts.turn.flushAtEnd(this);
  }

  onExpired(): void {
    this.#parts.counters.expired++;
  }

  onEnded(session: Session, closing: CloseReason | undefined): void {
    const { clock, settings } = this.#parts;
    const isAway = this.#away.has(session.token);
    this.#live.delete(session.token);
    this.#forget(session);
    if (closing === undefined || this.#hasStopped) return;
    const ended = new EndedSession(session, closing, () => this.#ended.delete(session.token));
    this.#ended.set(session.token, ended);
    clock.after(isAway ? session.awaySince + session.leftMs - clock.now() : settings.graceMs, ended);
    if (this.#ended.size > settings.maxAway) this.#forgetOldestEnded();
  }

  /** The client has had the close frame. */
  onClosingAnswered({ token }: Session): void {
    this.#ended.get(token)?.cancel();
    this.#ended.delete(token);
  }

  #forget(session: Session): void {
    session.cancel();
    if (!this.#away.delete(session.token)) return;
    this.#awayBytes -= session.awayBytes;
    session.awayBytes = 0;
  }

  #forgetOldestEnded(): void {
    for (const [token, ended] of this.#ended) {
      ended.cancel();
      this.#ended.delete(token);
      return;
    }
  }

  #findLive({ token }: ResumeOffer, decodedPath: string, protocol: string): Session | undefined {
    const session = this.#live.get(token);
    return session !== undefined && isAt(session, decodedPath, protocol) ? session : undefined;
  }

  /** The close frame that answers the offer, if a close frame is the whole answer. */
  #farewellFor(offer: ResumeOffer, decodedPath: string, protocol: string): CloseReason | undefined {
    const ended = this.#ended.get(offer.token);
    if (ended !== undefined && isAt(ended.place, decodedPath, protocol)) return ended.closing;
    return this.#findLive(offer, decodedPath, protocol)?.isStale(offer) ? TAKEN_OVER : undefined;
  }
}

function isAt(place: SessionPlace, decodedPath: string, protocol: string): boolean {
  return place.decodedPath === decodedPath && place.protocol === protocol;
}
