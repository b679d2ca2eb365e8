/**
 * The counters of one route since the start of the server. Each part of the route increments a counter where an event occurs;
 * `stats()` reads the counters.
 */
import type { Failure, Stats } from "../../api/stats.js";

const MAX_FAILURES = 100;

export class Counters {
  readonly received = { messages: 0, bytes: 0 };
  readonly sent = { messages: 0, bytes: 0, frames: 0, writes: 0 };
  dropped = 0;
  deadLetters = 0;
  refused = 0;
  slowConsumers = 0;
  opened = 0;
  closed = 0;
  resumed = 0;
  expired = 0;
  gaps = 0;
  discarded = 0;
  invalid = 0;
  /** How many calls of `bus.sleep` are pending. */
  sleepers = 0;
  readonly failures: Failure[] = [];

  /** The numbers since the start. */
  totals(): Omit<Stats, "connections" | "away" | "rooms" | "paused" | "cluster"> {
    const { sleepers: _sleepers, received, sent, failures, ...counts } = this;
    return { ...counts, received: { ...received }, sent: { ...sent }, failures: [...failures] };
  }

  addFailure(failure: Failure): void {
    this.failures.push(failure);
    if (this.failures.length > MAX_FAILURES) this.failures.shift();
  }
}

/** Adds up the numbers of several routes. */
export function sumStats(all: readonly Stats[]): Stats {
  const sum = (count: (stats: Stats) => number): number => all.reduce((total, stats) => total + count(stats), 0);
  return {
    connections: sum((s) => s.connections),
    away: sum((s) => s.away),
    opened: sum((s) => s.opened),
    closed: sum((s) => s.closed),
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
    deadLetters: sum((s) => s.deadLetters),
    refused: sum((s) => s.refused),
    slowConsumers: sum((s) => s.slowConsumers),
    resumed: sum((s) => s.resumed),
    expired: sum((s) => s.expired),
    gaps: sum((s) => s.gaps),
    discarded: sum((s) => s.discarded),
    invalid: sum((s) => s.invalid),
    failures: all
      .flatMap((s) => s.failures)
      .sort((a, b) => a.at - b.at)
      .slice(-MAX_FAILURES),
  };
}
