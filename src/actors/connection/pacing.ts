/**
 * How a sender goes on while more may wait than `outbox.maxBufferedBytes`: what was kept for a peer, by its session or by the history of a room,
 * is written as the socket takes it.
 */

export interface Pacing {
  /** Applies in place of `outbox.maxBufferedBytes`. */
  readonly maxBytes: number;
  /** `bufferedBytes` has grown. */
  onGrown(): void;
}

/** Until everything is written, as much more may wait as history has replayed. */
class ReplayPacing implements Pacing {
  readonly base: Pacing;
  readonly replayBytes: number;

  constructor(base: Pacing, replayBytes: number) {
    this.base = base;
    this.replayBytes = replayBytes;
  }

  get maxBytes(): number {
    return this.base.maxBytes + this.replayBytes;
  }

  onGrown(): void {
    this.base.onGrown();
  }
}

/**
 * Replays add up while they wait: what is written of an earlier replay lets no more wait.
 *
 * @param present what applies now @param waiting the bytes that wait before this replay
 */
export function paceReplay(
  present: Pacing | undefined,
  maxBufferedBytes: number,
  waiting: number,
  replayBytes: number,
): Pacing {
  if (!(present instanceof ReplayPacing))
    return new ReplayPacing(present ?? { maxBytes: maxBufferedBytes, onGrown() {} }, replayBytes);
  return new ReplayPacing(present.base, Math.min(present.replayBytes, waiting) + replayBytes);
}

/** A replay that is not written yet goes on under the pacing of a newer socket. */
export function repace(present: Pacing | undefined, pacing: Pacing): Pacing {
  return present instanceof ReplayPacing ? new ReplayPacing(pacing, present.replayBytes) : pacing;
}
