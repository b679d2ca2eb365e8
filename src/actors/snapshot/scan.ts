/**
 * One pass over the routes of a server for a snapshot, in steps: each step looks at a single connection, event under way or room, and between
 * steps connections, events and rooms may come and go. Whatever comes during the pass may be passed over. Ends with the last step.
 */
import type {
  ConnectionSnapshot,
  EventUnderWay,
  RoomSnapshot,
  RouteSnapshot,
  TopConnections,
} from "../../api/snapshot.js";
import type { Stats } from "../../api/stats.js";
import type { LiveConnection } from "../connection/connection.js";
import type { PendingEvent } from "../route/events-under-way.js";
import type { HandlerActor } from "../route/handler.js";
import type { Population } from "../route/population.js";
import type { RunnerChannel } from "../route/runner.js";
import { type MeasuredRoute, type Reading, socketOf } from "./route-meter.js";
import { TopList } from "./top-list.js";

/** The part of a route that a snapshot shows. */
export interface ShownRoute extends MeasuredRoute {
  readonly path: string;
  readonly population: Population<LiveConnection>;
  readonly handler: Pick<HandlerActor, "busy" | "heldSince" | "underWay">;
  readonly runner: {
    readonly isDispatcher?: boolean;
    channels?(): Iterable<RunnerChannel>;
    waitingOf?(connection: LiveConnection): number;
  };
  stats(): Stats;
}

/** A route with what was measured of the route. */
export interface ScannedRoute {
  readonly route: ShownRoute;
  readonly reading: Reading;
  readonly oldestMs: number;
}

export class Scan {
  readonly #routes: readonly ScannedRoute[];
  readonly #top: number;
  readonly #now: number;
  readonly #bytesWaiting: TopList<ConnectionSnapshot>;
  readonly #eventsWaiting: TopList<ConnectionSnapshot>;
  readonly #handlerMs: TopList<ConnectionSnapshot>;
  readonly #rooms: TopList<RoomSnapshot>;
  readonly #underWay: ReadonlyMap<ScannedRoute, EventUnderWay[]>;
  readonly #shown: readonly RouteSnapshot[];

  /** @param top how many entries each list has at most. @param now the time at which `routes` were measured */
  constructor(routes: readonly ScannedRoute[], top: number, now: number) {
    this.#routes = routes;
    this.#top = top;
    this.#now = now;
    this.#bytesWaiting = new TopList(top);
    this.#eventsWaiting = new TopList(top);
    this.#handlerMs = new TopList(top);
    this.#rooms = new TopList(top);
    this.#underWay = new Map(routes.map((one) => [one, []]));
    this.#shown = routes.map((one) => this.#show(one));
  }

  get routes(): readonly RouteSnapshot[] {
    return this.#shown;
  }

  get top(): TopConnections {
    const [bytesWaiting, eventsWaiting, handlerMs] = [this.#bytesWaiting, this.#eventsWaiting, this.#handlerMs];
    return {
      bytesWaiting: bytesWaiting.entries,
      eventsWaiting: eventsWaiting.entries,
      handlerMs: handlerMs.entries,
    };
  }

  get rooms(): readonly RoomSnapshot[] {
    return this.#rooms.entries;
  }

  /** Yields after each step. */
  *steps(): Generator<void> {
    for (const measured of this.#routes) {
      const { route } = measured;
      const { pending } = route.handler.underWay;
      // Events under way come first: the handler time of a connection includes the events noted here.
      for (const event of atMost(pending.size, pending)) yield this.#visitEvent(measured, event);
      const closing = route.population.closing();
      // A connection that begins to close meanwhile is passed over, and never met twice.
      for (const connection of atMost(route.population.closingCount, closing)) yield this.#visit(measured, connection);
      for (const connection of atMost(route.population.size, route.population.all()))
        yield this.#visit(measured, connection);
      yield* this.#visitRooms(route, undefined, route.population);
      for (const { channel, registry } of route.runner.channels?.() ?? [])
        yield* this.#visitRooms(route, channel, registry);
    }
  }

  /** The numbers of a route as of now; the events under way are added in the steps. */
  #show(measured: ScannedRoute): RouteSnapshot {
    const { route, reading, oldestMs } = measured;
    const { connections, away, paused, resting, rooms, ...stats } = route.stats();
    const starting = this.#starting(route);
    const underWay = this.#underWay.get(measured) ?? [];
    underWay.push(...starting.slice(0, this.#top));
    return {
      path: route.path,
      connections,
      away,
      paused,
      resting,
      rooms,
      eventsWaiting: stats.mailboxEvents,
      oldestMs,
      eventsResting: stats.restingEvents,
      bytesWaiting: stats.outboxBytes,
      bytesKept: stats.keptBytes,
      busy: route.handler.busy + starting.length,
      underWay,
      ...(reading.periodMs > 0 && { perSecond: reading.rates, turn: reading.turn }),
    };
  }

  /** Handlers of the route whose `init` runs again. */
  #starting({ handler, runner }: ShownRoute): EventUnderWay[] {
    const channels = [...(runner.channels?.() ?? [])];
    const held = channels.map(({ channel, heldSince }) => ({ channel, since: heldSince }));
    return [{ channel: undefined, since: handler.heldSince }, ...held].flatMap(({ channel, since }) =>
      since === undefined ? [] : [{ event: "init", ...(channel !== undefined && { channel }), ...this.#age(since) }],
    );
  }

  #age(since: number): Pick<EventUnderWay, "since" | "ms"> {
    return { since, ms: Math.max(this.#now - since, 0) };
  }

  #visitEvent(measured: ScannedRoute, pending: PendingEvent): void {
    if (!pending.isBusy) return;
    measured.reading.note(pending);
    const shown = this.#underWay.get(measured);
    if (shown === undefined || shown.length >= this.#top) return;
    const { event, queue, startedAt } = pending;
    const connection = socketOf(event, queue);
    const channel = queue.target?.channel;
    const subscription = queue.owner?.carrier === undefined ? undefined : event.connection?.id;
    shown.push({
      event: event.type,
      ...(connection !== undefined && { connection }),
      ...(channel !== undefined && { channel }),
      ...(subscription !== undefined && { subscription }),
      ...this.#age(startedAt),
    });
  }

  #visit({ route, reading }: ScannedRoute, connection: LiveConnection): void {
    const { id, outbox, queue } = connection;
    const bytesWaiting = outbox.hasStopped ? 0 : outbox.bufferedBytes;
    const { isResting = false, held = 0 } = queue.pace ?? {};
    const eventsResting = isResting ? held : 0;
    const eventsWaiting = queue.size + held - eventsResting + (route.runner.waitingOf?.(connection) ?? 0);
    const handlerMs = reading.handlerMsOf(id);
    let entry: ConnectionSnapshot | undefined;
    const create = (): ConnectionSnapshot => {
      entry ??= {
        id,
        route: route.path,
        remoteAddress: connection.remoteAddress,
        transport: connection.transport,
        openedAt: connection.openedAt,
        state: stateOf(connection),
        isPaused: connection.isPaused,
        isResting,
        bytesWaiting,
        eventsWaiting,
        eventsResting,
        handlerMs,
      };
      return entry;
    };
    this.#bytesWaiting.offer(bytesWaiting, create);
    this.#eventsWaiting.offer(eventsWaiting + eventsResting, create);
    this.#handlerMs.offer(handlerMs, create);
  }

  *#visitRooms(
    route: ShownRoute,
    channel: string | undefined,
    registry: Pick<RunnerChannel["registry"], "roomCount" | "roomSizes">,
  ): Generator<void> {
    for (const [room, members] of atMost(registry.roomCount, registry.roomSizes())) {
      this.#rooms.offer(members, () => ({
        route: route.path,
        ...(channel !== undefined && { channel }),
        room,
        members,
      }));
      yield;
    }
  }
}

function stateOf({ isOpen, isAway }: LiveConnection): ConnectionSnapshot["state"] {
  if (!isOpen) return "closing";
  return isAway ? "away" : "open";
}

/** As many items as there are at the beginning: a pass ends, however many items are added meanwhile. */
function* atMost<T>(count: number, items: Iterable<T>): Generator<T> {
  if (count === 0) return;
  let left = count;
  for (const item of items) {
    yield item;
    if (--left === 0) return;
  }
}
