/**
 * The admission of an attempt that the entrance lets in: what the transport is told, and what the route gets for a connection. Ends when
 * the transport accepts or cancels.
 */
import type { ConnectionId } from "../api/connection.js";
import { overshootBytes } from "../transport/paused-bytes.js";
import { maxFrameBytes } from "../transport/session-frames.js";
import type { Admission, Transport, TransportListener } from "../transport/transport.js";
import type { AcceptedSession, AcceptedUpgrade } from "./accepted-upgrade.js";
import type { ConnectionLimits, Place } from "./connection-limits.js";
import type { MatchedAttempt } from "./matched-attempt.js";
import { type Head, withoutCookies } from "./request-head.js";

/** The consent to an attempt. */
export interface Consent {
  /** The data of a fresh connection. */
  readonly data: unknown;
  /** Absent where the attempt needs no slot, or gets a slot only now. */
  readonly place?: Place | undefined;
  /** `false` where only `verify` has agreed. */
  readonly mayBeFresh?: boolean;
}

/** An attempt that is let in, with the slot. */
export class LetIn implements AcceptedUpgrade {
  readonly head: Head;
  readonly params: Readonly<Record<string, string>>;
  readonly protocol: string;
  readonly data: unknown;
  readonly decodedPath: string;
  readonly session: AcceptedSession | undefined;
  readonly mayBeFresh: boolean;
  readonly #limits: ConnectionLimits;
  /** `undefined` once the slot is taken, or is free again. */
  #place: Place | undefined;

  constructor(matched: MatchedAttempt, consent: Consent, place: Place | undefined, limits: ConnectionLimits) {
    const { attempt, head } = matched;
    // Any site may frame the iframe page of SockJS and use its cookies: over SockJS only `authorize` sees cookies.
    this.head = attempt.sockjs === undefined ? head : withoutCookies(head);
    this.params = matched.params;
    this.protocol = matched.protocol;
    this.data = consent.data;
    this.decodedPath = matched.decodedPath;
    this.session = matched.session;
    this.mayBeFresh = consent.mayBeFresh ?? true;
    this.#limits = limits;
    this.#place = place;
  }

  takePlace(): Place {
    const taken = this.#place ?? this.#limits.occupy(this.head.remoteAddress);
    this.#place = undefined;
    return taken;
  }

  /** Frees the slot, unless a connection has taken the slot. */
  releasePlace(): void {
    this.#place?.release();
    this.#place = undefined;
  }
}

export class EntranceAdmission implements Admission {
  readonly maxPayloadBytes: number;
  readonly maxFragments: number;
  readonly maxPausedBytes: number;
  readonly compression: boolean;
  readonly protocol: string;
  isAccepted = false;
  readonly #matched: MatchedAttempt;
  readonly #letIn: LetIn;
  readonly #onAccepted: (matched: MatchedAttempt, connection: ConnectionId) => void;

  /** @param onAccepted called with `""` for a peer that got a close frame alone */
  constructor(
    matched: MatchedAttempt,
    letIn: LetIn,
    onAccepted: (matched: MatchedAttempt, connection: ConnectionId) => void,
  ) {
    const { answered, route, session } = matched;
    const { maxPayloadBytes, maxFragments, mailbox, compression } = route.settings;
    this.maxPayloadBytes = session === undefined ? maxPayloadBytes : maxFrameBytes(maxPayloadBytes);
    this.maxFragments = maxFragments;
    this.maxPausedBytes = overshootBytes(mailbox);
    this.compression = compression;
    this.protocol = answered;
    this.#matched = matched;
    this.#letIn = letIn;
    this.#onAccepted = onAccepted;
  }

  accept(transport: Transport): TransportListener {
    this.isAccepted = true;
    const listener = this.#matched.route.accept(transport, this.#letIn);
    // A peer that is resumed, or gets a close frame alone, has not taken the slot.
    this.#letIn.releasePlace();
    this.#onAccepted(this.#matched, listener.id);
    return listener;
  }

  cancel(): void {
    this.#letIn.releasePlace();
  }
}
