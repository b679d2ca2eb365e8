/** Turns history on for the bus of a route or a channel, if the route has the option `history`. The history ends with the bus. */
import type { Member } from "../route/member.js";
import type { Registry } from "../route/registry.js";
import type { RunnerHost } from "../route/runner-host.js";
import { History } from "./history.js";
import { CarriedRoad } from "./roads/carried-road.js";
import { LocalRoad } from "./roads/local-road.js";
import type { Road, RoadParts } from "./roads/road.js";
import { StampedFrames } from "./stamped-frames.js";

/** @param host of the bus: with the store and the encoding of the bus */
export function openHistory(host: RunnerHost, registry: Registry<Member>): void {
  const { bus, clock, counters, encode, roomStore: rooms, settings } = host;
  if (rooms === undefined || settings.history === false) return;
  const { maxMessages, stamp } = settings.history;
  const failed = (error: unknown, what: string): void => host.noted(error, what);
  const frames = new StampedFrames({ stamp, encode, failed });
  const road = openRoad(host, registry, { rooms, frames, counters, failed, deliver: bus.deliverKept });
  const history = new History({
    rooms,
    road,
    frames,
    maxMessages,
    clock,
    counters,
    maxHeldBytes: settings.outbox.maxBufferedBytes,
    timeoutMs: settings.handlerTimeoutMs,
    hasMembers: (room) => registry.hasMembers(room),
  });
  rooms.watch((count) => {
    counters.unkept += count;
  });
  bus.keeper = history;
  registry.watchRooms(history);
}

function openRoad({ clock, log }: RunnerHost, registry: Registry<Member>, parts: RoadParts): Road {
  const { store } = parts.rooms;
  if (store.subscribe === undefined) return new LocalRoad(parts);
  const countTargets = (room: string, source: string | undefined): number => {
    let count = 0;
    for (const member of registry.members(room)) if (member.isTarget && member.id !== source) count++;
    return count;
  };
  return new CarriedRoad({ ...parts, clock, log, countTargets }, store.subscribe.bind(store));
}
