/** A server as metrics reads it, with numbers of a test's choice. */
import type { Stats } from "sendall";
import type { MeasuredServer } from "sendall/metrics";

/** The numbers of a server on which nothing has happened. */
export const NOTHING: Stats = {
  connections: 0,
  away: 0,
  opened: 0,
  closed: 0,
  closedBy: [],
  rooms: 0,
  mailboxEvents: 0,
  resting: 0,
  restingEvents: 0,
  outboxBytes: 0,
  keptBytes: 0,
  kept: 0,
  unkept: 0,
  paused: 0,
  received: { messages: 0, bytes: 0 },
  sent: { messages: 0, bytes: 0, frames: 0, writes: 0 },
  dropped: 0,
  droppedBy: { close: 0, dropOldest: 0, dropNewest: 0, text: 0, gap: 0 },
  deadLetters: 0,
  refused: 0,
  refusedBy: [],
  slowConsumers: 0,
  resumed: 0,
  expired: 0,
  gaps: 0,
  discarded: 0,
  invalid: 0,
  overBudget: 0,
  handlerFailures: 0,
  failures: [],
};

/** A server as metrics reads it, with numbers of the test's choice. */
export function sourceOf(routes: Readonly<Record<string, Partial<Stats>>>, whole: Partial<Stats> = {}): MeasuredServer {
  return {
    isReady: true,
    closed: new Promise(() => {}),
    paths: Object.keys(routes),
    stats: () => ({ ...NOTHING, ...whole }),
    route: (path) => ({ stats: () => ({ ...NOTHING, ...routes[path] }) }),
  };
}
