/**
 * The counters of one route since the start of the server. Each part of the route increments a counter where an event occurs;
 * `stats()` reads the counters.
 */
import type { ClosedBy } from "../../api/connection.js";
import type { ClosedCount, DropReason, Failure, RefusedCount, Stats } from "../../api/stats.js";
import type { Frame } from "../../transport/frame.js";

const MAX_FAILURES = 100;
/** Pairs of close code and side that are counted apart. */
const MAX_CLOSED_PAIRS = 64;
const KEEP_BELOW_BYTES = 262_144;

/** The numbers of now, which the parts of a route know. */
type Gauges = "connections" | "away" | "rooms" | "paused" | "mailboxEvents" | "resting" | "restingEvents";

export class Counters {
  readonly received = { messages: 0, bytes: 0 };
  readonly sent = { messages: 0, bytes: 0, frames: 0, writes: 0 };
  readonly droppedBy = { close: 0, dropOldest: 0, dropNewest: 0, text: 0, gap: 0 };
  deadLetters = 0;
  kept = 0;
  unkept = 0;
  slowConsumers = 0;
  opened = 0;
  resumed = 0;
  expired = 0;
  gaps = 0;
  discarded = 0;
  invalid = 0;
  overBudget = 0;
  handlerFailures = 0;
  /** The bytes of every outbox, and what full sockets have not taken. */
  outboxBytes = 0;
  keptBytes = 0;
  readonly #closedBy = new Map<string, ClosedCount>();
  readonly #refusedBy = new Map<number, number>();
  /** Of the few senders whose socket is full: a field would cost every sender memory. */
  readonly #untaken = new Map<object, number>();
  /** The list that was written last: members of a burst write the same list. */
  #written: { readonly frames: readonly Frame[]; readonly bytes: number } = { frames: [], bytes: 0 };
  /** How many calls of `bus.sleep` are pending. */
  sleepers = 0;
  readonly failures: Failure[] = [];

  /** The numbers since the start. */
  totals(): Omit<Stats, Gauges | "cluster"> {
    const { sleepers: _sleepers, received, sent, droppedBy, failures, ...counts } = this;
    const closedBy = [...this.#closedBy.values()];
    const refusedBy = Array.from(this.#refusedBy, ([status, count]) => ({ status, count }));
    return {
      ...counts,
      received: { ...received },
      sent: { ...sent },
      dropped: Object.values(droppedBy).reduce((total, count) => total + count, 0),
      droppedBy: { ...droppedBy },
      closed: countAll(closedBy),
      closedBy,
      refused: countAll(refusedBy),
      refusedBy,
      failures: [...failures],
    };
  }

  /** Counts what the socket of a sender has not taken as a part of `outboxBytes`. */
  countUntaken(sender: object, bytes: number): void {
    const before = this.#untaken.get(sender) ?? 0;
    this.outboxBytes += bytes - before;
    if (bytes > 0) this.#untaken.set(sender, bytes);
    else if (before > 0) this.#untaken.delete(sender);
  }

  /** @param frames MUST NOT change afterwards */
  countWritten(frames: readonly Frame[]): void {
    const { sent } = this;
    sent.writes++;
    sent.messages += frames.length;
    const isCounted = frames === this.#written.frames;
    const bytes = isCounted ? this.#written.bytes : payloadBytesOf(frames);
    // Longer lists are not kept, since the frames would stay in memory.
    if (!isCounted && frames.length > 1 && bytes < KEEP_BELOW_BYTES) this.#written = { frames, bytes };
    sent.bytes += bytes;
  }

  countDropped(reason: DropReason, count = 1): void {
    this.droppedBy[reason] += count;
  }

  countClosed(given: number, by: ClosedBy): void {
    const isKnown = this.#closedBy.has(`${by} ${given}`) || this.#closedBy.size < MAX_CLOSED_PAIRS;
    const code = isKnown ? given : "other";
    const key = `${by} ${code}`;
    const { count = 0 } = this.#closedBy.get(key) ?? {};
    this.#closedBy.set(key, { code, by, count: count + 1 });
  }

  countRefused(status: number): void {
    this.#refusedBy.set(status, (this.#refusedBy.get(status) ?? 0) + 1);
  }

  addFailure(failure: Failure): void {
    this.handlerFailures++;
    this.failures.push(failure);
    if (this.failures.length > MAX_FAILURES) this.failures.shift();
  }
}

function payloadBytesOf(frames: readonly Frame[]): number {
  let bytes = 0;
  for (const { payloadBytes } of frames) bytes += payloadBytes;
  return bytes;
}

export function countAll(counts: readonly { readonly count: number }[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}

/** Adds up counts of the same kind, in the order of the first of each kind. */
export function mergeCounts<C extends { readonly count: number }>(
  counts: readonly C[],
  keyOf: (count: C) => unknown,
): C[] {
  const merged = new Map<unknown, C>();
  for (const one of counts) {
    const key = keyOf(one);
    const { count } = merged.get(key) ?? { count: 0 };
    merged.set(key, { ...one, count: count + one.count });
  }
  return [...merged.values()];
}

export function mergeRefused(counts: readonly RefusedCount[]): RefusedCount[] {
  return mergeCounts(counts, ({ status }) => status);
}

/** Adds up the numbers of several routes. */
export function sumStats(all: readonly Stats[]): Stats {
  const sum = (count: (stats: Stats) => number): number => all.reduce((total, stats) => total + count(stats), 0);
  return {
    connections: sum((s) => s.connections),
    away: sum((s) => s.away),
    opened: sum((s) => s.opened),
    closed: sum((s) => s.closed),
    closedBy: mergeCounts(
      all.flatMap((s) => s.closedBy),
      ({ code, by }) => `${by} ${code}`,
    ),
    mailboxEvents: sum((s) => s.mailboxEvents),
    resting: sum((s) => s.resting),
    restingEvents: sum((s) => s.restingEvents),
    outboxBytes: sum((s) => s.outboxBytes),
    keptBytes: sum((s) => s.keptBytes),
    rooms: sum((s) => s.rooms),
    paused: sum((s) => s.paused),
    received: { messages: sum((s) => s.received.messages), bytes: sum((s) => s.received.bytes) },
    sent: {
      messages: sum((s) => s.sent.messages),
      bytes: sum((s) => s.sent.bytes),
      frames: sum((s) => s.sent.frames),
      writes: sum((s) => s.sent.writes),
    },
    dropped: sum((s) => s.dropped),
    droppedBy: {
      close: sum((s) => s.droppedBy.close),
      dropOldest: sum((s) => s.droppedBy.dropOldest),
      dropNewest: sum((s) => s.droppedBy.dropNewest),
      text: sum((s) => s.droppedBy.text),
      gap: sum((s) => s.droppedBy.gap),
    },
    deadLetters: sum((s) => s.deadLetters),
    kept: sum((s) => s.kept),
    unkept: sum((s) => s.unkept),
    refused: sum((s) => s.refused),
    refusedBy: mergeRefused(all.flatMap((s) => s.refusedBy)),
    slowConsumers: sum((s) => s.slowConsumers),
    resumed: sum((s) => s.resumed),
    expired: sum((s) => s.expired),
    gaps: sum((s) => s.gaps),
    discarded: sum((s) => s.discarded),
    invalid: sum((s) => s.invalid),
    overBudget: sum((s) => s.overBudget),
    handlerFailures: sum((s) => s.handlerFailures),
    failures: all
      .flatMap((s) => s.failures)
      .sort((a, b) => a.at - b.at)
      .slice(-MAX_FAILURES),
  };
}
