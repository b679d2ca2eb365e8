/**
 * The entrance of a server: lets in the attempts that the gate has found in order, if a slot is free and the program agrees. A newcomer
 * needs a slot and the consent of `authorize`. A peer that comes back to a session needs no slot, and the consent of `resume.verify`, or
 * without `verify` of `authorize`. The gate makes the entrance.
 */
import type { Authorize, UpgradeRequest } from "../api/authorize.js";
import { REFUSED_SESSION } from "../api/close-codes.js";
import type { Connection, ConnectionId } from "../api/connection.js";
import { SendallError } from "../api/errors.js";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { show } from "../runtime/show.js";
import type { Admission } from "../transport/transport.js";
import { type Consent, EntranceAdmission, LetIn } from "./admission.js";
import { Authorization, type AuthorizationAnswer, isRejection } from "./authorization.js";
import type { ConnectionLimits, Place, Room } from "./connection-limits.js";
import type { GatedRoute, Verify } from "./gated-route.js";
import type { MatchedAttempt } from "./matched-attempt.js";
import type { LiveSession, OtherNodes } from "./session-desk.js";
import { LEFT } from "./upgrade-attempt.js";

export interface EntranceParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: ConnectionLimits;
  /** Counts the attempts that need no slot while the program is asked about each. */
  readonly returns: ConnectionLimits;
  readonly otherNodes: OtherNodes | undefined;
  /** The refusal of a route that takes no peers any more. */
  readonly closedRefusal: (route: GatedRoute) => Refusal | undefined;
  /** @param connection `""` for a peer that got a close frame alone */
  readonly onAccepted: (matched: MatchedAttempt, connection: ConnectionId) => void;
}

type Answer = Admission | Refusal | Promise<Admission | Refusal>;

const FULL: Refusal = { status: 503, body: "the server is full" };

export class Entrance {
  readonly #parts: EntranceParts;
  readonly #authorization: Authorization;
  readonly #verification: Authorization;
  /** How many attempts are asked about that get a slot only when let in, by the end of a connection. */
  #claims = 0;

  constructor(parts: EntranceParts) {
    const { clock, log } = parts;
    this.#parts = parts;
    this.#authorization = new Authorization("authorize", clock, log);
    this.#verification = new Authorization("resume.verify", clock, log);
  }

  /** How many attempts wait for the program. */
  get undecided(): number {
    return this.#authorization.pending + this.#verification.pending;
  }

  /** Refuses every attempt that waits. */
  cancelAll(refusal: Refusal): void {
    this.#parts.limits.cancelWaiters();
    this.#authorization.cancelAll(refusal);
    this.#verification.cancelAll(refusal);
  }

  enter(matched: MatchedAttempt): Answer {
    const live = liveSession(matched);
    return live === undefined ? this.#letIn(matched) : this.#letBack(matched, live);
  }

  /** Decides on a newcomer. */
  #letIn(matched: MatchedAttempt): Answer {
    const { attempt, head, route } = matched;
    const { authorize } = route.settings;
    if (authorize === undefined) return this.#conclude(matched, { data: undefined });
    if (!needsPlace(matched)) return this.#authorize(matched, authorize, undefined);
    const { limits } = this.#parts;
    const reserved = limits.reserve(head.remoteAddress, () => attempt.signal, this.#claims);
    if (reserved === undefined) return FULL;
    if (!(reserved instanceof Promise)) return this.#authorize(matched, authorize, reserved);
    return reserved.then((later) => {
      const refusal = this.#lateRefusal(matched, later);
      return refusal ?? this.#authorize(matched, authorize, later);
    });
  }

  async #authorize(
    matched: MatchedAttempt,
    authorize: Authorize<unknown>,
    reserved: Place | Room | undefined,
  ): Promise<Admission | Refusal> {
    const place = reserved === "room" ? undefined : reserved;
    if (reserved === "room") this.#claims++;
    const answer = await (reserved === undefined
      ? this.#askOnReturn(this.#authorization, authorize, matched)
      : this.#authorization.ask(authorize, subjectOf(matched)));
    if (reserved === "room") this.#claims--;
    if (answer.refusal === undefined) return this.#conclude(matched, { data: answer.data, place });
    place?.release();
    return answer.refusal;
  }

  /** Decides on a peer that comes back to a session. */
  #letBack(matched: MatchedAttempt, { connection }: LiveSession): Answer {
    const { authorize, resume } = matched.route.settings;
    if (resume !== false && resume.verify !== undefined) return this.#verify(matched, resume.verify, connection);
    if (authorize === undefined) return this.#conclude(matched, { data: undefined });
    return this.#authorizeAgain(matched, authorize);
  }

  /** The session is looked up again after the answer: meanwhile the session may have ended, or a later dial may have been taken. */
  async #authorizeAgain(matched: MatchedAttempt, authorize: Authorize<unknown>): Promise<Admission | Refusal> {
    const answer = await this.#askOnReturn(this.#authorization, authorize, matched);
    if (answer.refusal === undefined) return this.#conclude(matched, { data: answer.data });
    if (answer.isRejection) liveSession(matched)?.end(REFUSED_SESSION);
    return answer.refusal;
  }

  async #verify(matched: MatchedAttempt, verify: Verify, connection: Connection): Promise<Admission | Refusal> {
    const decide = async (request: UpgradeRequest): Promise<unknown> => checkAnswer(await verify(request, connection));
    const answer = await this.#askOnReturn(this.#verification, decide, matched);
    if (answer.refusal !== undefined) return answer.refusal;
    const closed = this.#parts.closedRefusal(matched.route);
    if (closed !== undefined) return closed;
    if (answer.data !== true) return this.#letIn({ ...matched, session: { resume: undefined, why: "refused" } });
    if (needsPlace(matched)) return this.#letIn(matched);
    const mayBeFresh = matched.route.settings.authorize === undefined;
    return this.#conclude(matched, { data: undefined, mayBeFresh });
  }

  /** Asks about an attempt that needs no slot: not about more of them at once than there may be connections. */
  async #askOnReturn(
    authorization: Authorization,
    decide: (request: UpgradeRequest) => unknown,
    matched: MatchedAttempt,
  ): Promise<AuthorizationAnswer> {
    const turn = this.#parts.returns.occupyFree(matched.head.remoteAddress);
    if (turn === undefined) return { refusal: FULL, isRejection: false };
    const answer = await authorization.ask(decide, subjectOf(matched));
    turn.release();
    return answer;
  }

  /** Acquires a slot where the attempt still needs a slot, and admits the attempt. */
  #conclude(matched: MatchedAttempt, consent: Consent): Answer {
    const { head, route } = matched;
    const closed = this.#parts.closedRefusal(route);
    if (closed !== undefined) {
      consent.place?.release();
      return closed;
    }
    if (consent.place !== undefined || !needsPlace(matched)) return this.#admission(matched, consent, consent.place);
    const free = this.#parts.limits.occupyFree(head.remoteAddress);
    return free === undefined ? this.#acquire(matched, consent) : this.#admission(matched, consent, free);
  }

  #acquire(matched: MatchedAttempt, consent: Consent): Answer {
    const { attempt, head } = matched;
    const place = this.#parts.limits.acquire(head.remoteAddress, () => attempt.signal);
    if (place === undefined) return FULL;
    if (!(place instanceof Promise)) return this.#admission(matched, consent, place);
    return place.then((later) => {
      const refusal = this.#lateRefusal(matched, later);
      return refusal ?? this.#admission(matched, consent, later);
    });
  }

  /** The refusal of an attempt that has waited for a slot; frees the slot. */
  #lateRefusal({ attempt, route }: MatchedAttempt, place: Place | Room | undefined): Refusal | undefined {
    const closed = this.#parts.closedRefusal(route);
    if (place !== undefined && closed === undefined) return undefined;
    if (place !== "room") place?.release();
    return attempt.signal.aborted ? LEFT : (closed ?? FULL);
  }

  #admission(matched: MatchedAttempt, consent: Consent, place: Place | undefined): Admission {
    const { limits } = this.#parts;
    return new EntranceAdmission(matched, new LetIn(matched, consent, place, limits), this.#onAccepted);
  }

  readonly #onAccepted = (matched: MatchedAttempt, connection: ConnectionId): void => {
    this.#parts.onAccepted(matched, connection);
    this.#tellOtherNode(matched);
  };

  #tellOtherNode({ route, decodedPath, protocol, elsewhere }: MatchedAttempt): void {
    if (elsewhere === undefined) return;
    this.#parts.otherNodes?.tellMoved({ route: route.path, decodedPath, protocol, offer: elsewhere });
  }
}

function liveSession({ route, session, decodedPath, protocol }: MatchedAttempt): LiveSession | undefined {
  return session?.resume && route.sessions?.find(session.resume, decodedPath, protocol);
}

/** Whether a fresh connection comes of the attempt, so that a slot is needed. */
function needsPlace(matched: MatchedAttempt): boolean {
  const { route, session, decodedPath, protocol } = matched;
  if (session?.resume === undefined || route.sessions === undefined) return true;
  return liveSession(matched) === undefined && !route.sessions.isFarewell(session.resume, decodedPath, protocol);
}

function subjectOf({ attempt, head, params, route }: MatchedAttempt): Parameters<Authorization["ask"]>[1] {
  return { attempt, head, params, timeoutMs: route.settings.handshakeTimeoutMs };
}

/** A program without types may return anything, and only `true` takes up a session. */
function checkAnswer(answer: unknown): unknown {
  if (typeof answer === "boolean" || isRejection(answer)) return answer;
  throw new SendallError("BAD_DATA", `resume.verify: expected true or false, got ${show(answer)}`);
}
