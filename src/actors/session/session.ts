/**
 * A session: a connection that outlives its sockets, with the token that names it. `Sessions` makes a session for each fresh connection of
 * a route with the option `resume`; the session ends when its connection can no longer be taken up again.
 */

import type { Head } from "../../admission/request-head.js";
import type { AwaySession, LiveSession } from "../../admission/session-desk.js";
import type { ResumeOffer } from "../../admission/session-offer.js";
import type { CloseReason } from "../../api/close-codes.js";
import { Alarm } from "../../runtime/clock.js";
import { KeptFrames, type KeptTally } from "../../transport/kept-frames.js";
import type { Keeping, Resumed, SessionTransport } from "../../transport/session-transport.js";
import type { Transport, TransportListener } from "../../transport/transport.js";
import type { LiveConnection } from "../connection/connection.js";
import type { Pacing } from "../connection/pacing.js";

/** Where a session counts, beside its token. */
export interface SessionPlace {
  readonly token: string;
  readonly decodedPath: string;
  /** The subprotocol of the program. */
  readonly protocol: string;
}

/** What a session tells the sessions of its route. */
export interface RouteSessions {
  readonly graceMs: number;
  readonly maxBytes: number;
  readonly tally: KeptTally;
  onAway(session: Session): void;
  onBack(session: Session): void;
  onResumed(session: Session, isBack: boolean, resumed: Resumed): void;
  onGrown(session: Session): void;
  onExpired(): void;
  onEnded(session: Session, closing: CloseReason | undefined): void;
  onClosingAnswered(session: Session): void;
}

/** A session whose peer has never sent a frame may not be away for longer: the peer may not even know the token. */
const UNHEARD_GRACE_MS = 10_000;

/** The session is itself the alarm that ends it when the peer stays away. */
export class Session extends Alarm implements Keeping, Pacing, LiveSession, AwaySession {
  readonly token: string;
  readonly decodedPath: string;
  readonly protocol: string;
  readonly frames: KeptFrames;
  awaySince = 0;
  /** What is kept while the connection is away, as the sessions of the route have counted it. */
  awayBytes = 0;
  readonly #host: RouteSessions;
  /** Both are set by `attach`. */
  connection!: LiveConnection;
  #transport!: SessionTransport;
  #lastDial = 0;
  /** How many lost messages the handler was told of. A welcome may be lost itself, and then tells its losses again with the next. */
  #lostTold = 0;

  constructor(host: RouteSessions, { token, decodedPath, protocol }: SessionPlace) {
    super();
    this.#host = host;
    this.token = token;
    this.decodedPath = decodedPath;
    this.protocol = protocol;
    this.frames = new KeptFrames(host.maxBytes, host.tally);
  }

  /** MUST be called once, before anything else. */
  attach(connection: LiveConnection, transport: SessionTransport): void {
    this.connection = connection;
    this.#transport = transport;
  }

  get graceMs(): number {
    return this.#host.graceMs;
  }

  get maxBytes(): number {
    return this.#host.maxBytes;
  }

  /** How long the peer may be away from now on. */
  get leftMs(): number {
    return this.#transport.hasHeard ? this.graceMs : Math.min(this.graceMs, UNHEARD_GRACE_MS);
  }

  /** Whether a newer dial of the client has been taken. */
  isStale({ dial }: ResumeOffer): boolean {
    return dial <= this.#lastDial;
  }

  /** Goes on over a newer socket; the offer MUST be possible. @returns the listener of the socket */
  takeUp(socket: Transport, offer: ResumeOffer, head: Head): TransportListener {
    this.#lastDial = offer.dial;
    this.connection.replaceRequest(head);
    this.connection.place.moveTo(head.remoteAddress);
    return this.#transport.takeUp(socket, offer, this);
  }

  end({ code, reason }: CloseReason): void {
    this.connection.ending.close(code, reason);
  }

  makeRoom(): void {
    this.expire("too many away");
  }

  /** Ends the session without a close frame. */
  expire(reason: string): void {
    this.#host.onExpired();
    this.connection.ending.expire(reason);
  }

  /** The peer has stayed away. */
  ring(): void {
    this.expire("away too long");
  }

  // Keeping, Pacing: called by the transport and the sender.

  get waiting(): number {
    return this.connection.outbox.waiting;
  }

  onAway(): void {
    this.connection.onAway(this);
    this.#host.onAway(this);
    if (this.connection.isAway) this.connection.place.onAway();
  }

  onSocketChanged(isBack: boolean, resumed: Resumed): void {
    if (isBack) this.#host.onBack(this);
    this.#host.onResumed(this, isBack, resumed);
    this.connection.onSocketChanged(this);
    if (isBack) this.#postBack(resumed.replayed);
  }

  onGrown(): void {
    if (this.connection.isAway) this.#host.onGrown(this);
  }

  onEnded(closing: CloseReason | undefined): void {
    this.#host.onEnded(this, closing);
  }

  onClosingAnswered(): void {
    this.#host.onClosingAnswered(this);
  }

  #postBack(replayed: number): void {
    const { lost } = this.frames;
    this.connection.receiver.postBack(replayed, lost - this.#lostTold);
    this.#lostTold = lost;
  }
}
