/** Turns history on for the bus of a route or a channel, if the route has the option `history`. The history ends with the bus. */
import type { Member } from "../route/member.js";
import type { Registry } from "../route/registry.js";
import type { RunnerHost } from "../route/runner-host.js";
import { History } from "./history.js";

/** @param host of the bus: with the store and the encoding of the bus */
export function openHistory(host: RunnerHost, registry: Registry<Member>): void {
  const { bus, clock, counters, encode, roomStore, settings } = host;
  if (roomStore === undefined || settings.history === false) return;
  const history = new History({
    rooms: roomStore,
    settings: settings.history,
    clock,
    counters,
    maxHeldBytes: settings.outbox.maxBufferedBytes,
    timeoutMs: settings.handlerTimeoutMs,
    encode,
    failed: (error, what) => host.noted(error, what),
  });
  roomStore.watch((count) => {
    counters.unkept += count;
  });
  bus.keeper = history;
  registry.watchLeaving(history);
}
