/**
 * Measures the handler of a route from snapshot to snapshot: waiting events by age, events, turns, and for how long the handler was busy, as a
 * whole and with each connection. Made by the first snapshot; ends a while after the last, or with the server.
 */
import type { ConnectionId } from "../../api/connection.js";
import type { RouteRates, TurnLength } from "../../api/snapshot.js";
import type { ConnectionQueue, Posted } from "../route/connection-queue.js";
import type { EventsUnderWay, PendingEvent } from "../route/events-under-way.js";
import type { MailboxEvent } from "../route/mailbox-event.js";
import { isDispatched } from "../route/metered-routes.js";
import type { EventMeter, Metering } from "../route/metering.js";

/** The part of a route that a meter reads. */
export interface MeasuredRoute {
  readonly metering: Metering;
  readonly runner: { readonly isDispatcher?: boolean };
  readonly mailbox: { readonly waiting: number };
  readonly population: { readonly byId: { has(id: string): boolean } };
  readonly counters: { readonly received: Traffic; readonly sent: Traffic };
  readonly handler: { readonly busy: number; readonly underWay: Pick<EventsUnderWay, "pending"> };
}

interface Traffic {
  readonly messages: number;
  readonly bytes: number;
}

/** What was measured in the time between two snapshots. */
interface Span {
  readonly startedAt: number;
  /** The counters of the route at the start. */
  readonly received: Traffic;
  readonly sent: Traffic;
  events: number;
  /** Handler time in milliseconds, charged up to `RouteMeter.#chargedAt`. */
  busyMs: number;
  turns: number;
  turnMs: number;
  longestTurnMs: number;
  /** Handler time by connection, of events that have ended. */
  readonly busyMsBy: Map<ConnectionId, number>;
}

/** A span that is shorter says little: the span before is taken in as well. */
const SHORTEST_MS = 500;

export class RouteMeter implements EventMeter {
  readonly #route: MeasuredRoute;
  readonly #startedAt: number;
  readonly #unregister: () => void;
  /** The waiting events in the order of posting, without events from before the meter. */
  readonly #waiting = new Set<Posted>();
  #current: Span;
  #previous: Span | undefined;
  /** How many events keep the handler busy, and since when their time is still to be charged. */
  #busy: number;
  #chargedAt: number;
  /** The handler has taken an event since the last turn. */
  #hasBegun = false;

  constructor(route: MeasuredRoute, now: number) {
    this.#route = route;
    this.#startedAt = now;
    this.#chargedAt = now;
    this.#busy = route.handler.busy;
    this.#current = this.#createSpan(now);
    this.#unregister = route.metering.register(this);
  }

  posted(posted: Posted): void {
    this.#waiting.add(posted);
  }

  left(posted: Posted): void {
    this.#waiting.delete(posted);
  }

  began(_event: MailboxEvent, _queue: ConnectionQueue, _waitedMs: number | undefined, now: number): void {
    this.#charge(now);
    this.#busy++;
    this.#hasBegun = true;
  }

  ended(event: MailboxEvent, queue: ConnectionQueue, busyMs: number, now: number): void {
    this.#charge(now);
    this.#busy--;
    if (!isDispatched(queue, this.#route)) this.#current.events++;
    const id = socketOf(event, queue);
    if (id === undefined) return;
    // Nothing is kept of a connection that has ended.
    if (event.type === "closed" && !this.#route.population.byId.has(id)) this.#forget(id);
    else this.#chargeTo(id, busyMs, now);
  }

  ran(ms: number): void {
    if (!this.#hasBegun) return;
    this.#hasBegun = false;
    const span = this.#current;
    span.turns++;
    span.turnMs += ms;
    span.longestTurnMs = Math.max(span.longestTurnMs, ms);
  }

  /** For how long the oldest waiting event has waited. */
  oldestMs(now: number): number {
    if (this.#route.mailbox.waiting > this.#waiting.size) return now - this.#startedAt;
    for (const { postedAt = now } of this.#waiting) return now - postedAt;
    return 0;
  }

  /** @returns what was measured since a former snapshot; begins anew */
  read(now: number): Reading {
    this.#charge(now);
    const isLong = now - this.#current.startedAt >= SHORTEST_MS;
    const spans = isLong || this.#previous === undefined ? [this.#current] : [this.#previous, this.#current];
    const reading = new Reading(spans, now, this.#route);
    if (isLong) {
      this.#previous = this.#current;
      this.#current = this.#createSpan(now);
    }
    return reading;
  }

  stop(): void {
    this.#unregister();
  }

  #createSpan(startedAt: number): Span {
    const { received, sent } = this.#route.counters;
    return {
      startedAt,
      received: { ...received },
      sent: { ...sent },
      events: 0,
      busyMs: 0,
      turns: 0,
      turnMs: 0,
      longestTurnMs: 0,
      busyMsBy: new Map(),
    };
  }

  #charge(now: number): void {
    this.#current.busyMs += this.#busy * (now - this.#chargedAt);
    this.#chargedAt = now;
  }

  /** Time from before the current span belongs to the previous span, and to none if still earlier. */
  #chargeTo(id: ConnectionId, busyMs: number, now: number): void {
    const { startedAt } = this.#current;
    const currentMs = Math.min(busyMs, now - startedAt);
    add(this.#current.busyMsBy, id, currentMs);
    const previous = this.#previous;
    if (previous === undefined || currentMs === busyMs) return;
    add(previous.busyMsBy, id, Math.min(busyMs - currentMs, startedAt - previous.startedAt));
  }

  #forget(id: ConnectionId): void {
    this.#current.busyMsBy.delete(id);
    this.#previous?.busyMsBy.delete(id);
  }
}

/** The figures of one snapshot. Ends with the snapshot. */
export class Reading {
  /** The time which the figures cover. */
  readonly periodMs: number;
  readonly rates: RouteRates;
  readonly turn: TurnLength;
  readonly #spans: readonly Span[];
  readonly #startedAt: number;
  readonly #now: number;
  readonly #pending: Pick<ReadonlySet<PendingEvent>, "has">;
  /** Events that were under way when the snapshot began, by connection. */
  readonly #underWay = new Map<ConnectionId, PendingEvent[]>();

  constructor(spans: readonly Span[], now: number, { counters, handler }: MeasuredRoute) {
    const [first] = spans;
    const startedAt = first?.startedAt ?? now;
    const { received, sent } = first ?? counters;
    const sum = (figure: (span: Span) => number): number => spans.reduce((total, span) => total + figure(span), 0);
    const perSecond = (figure: number): number => (now > startedAt ? (figure * 1_000) / (now - startedAt) : 0);
    const turns = sum((span) => span.turns);
    this.periodMs = now - startedAt;
    this.rates = {
      receivedMessages: perSecond(counters.received.messages - received.messages),
      receivedBytes: perSecond(counters.received.bytes - received.bytes),
      sentMessages: perSecond(counters.sent.messages - sent.messages),
      sentBytes: perSecond(counters.sent.bytes - sent.bytes),
      events: perSecond(sum((span) => span.events)),
      handlerMs: perSecond(sum((span) => span.busyMs)),
    };
    this.turn = {
      meanMs: turns === 0 ? 0 : sum((span) => span.turnMs) / turns,
      maxMs: Math.max(...spans.map((span) => span.longestTurnMs)),
    };
    this.#spans = spans;
    this.#startedAt = startedAt;
    this.#now = now;
    this.#pending = handler.underWay.pending;
  }

  /** Counts an event under way for its connection. */
  note(pending: PendingEvent): void {
    const id = socketOf(pending.event, pending.queue);
    if (id === undefined || pending.startedAt >= this.#now) return;
    const noted = this.#underWay.get(id);
    if (noted === undefined) this.#underWay.set(id, [pending]);
    else noted.push(pending);
  }

  /** The handler time of a connection, per second. Events that have ended since `note` are in the spans. */
  handlerMsOf(id: ConnectionId): number {
    if (this.periodMs === 0) return 0;
    let ms = 0;
    for (const { busyMsBy } of this.#spans) ms += busyMsBy.get(id) ?? 0;
    for (const pending of this.#underWay.get(id) ?? [])
      if (pending.isBusy && this.#pending.has(pending)) ms += this.#now - Math.max(pending.startedAt, this.#startedAt);
    return (ms * 1_000) / this.periodMs;
  }
}

/** The connection that a peer's event is charged to: for a subscription to a channel, the connection of the socket. */
export function socketOf(event: MailboxEvent, queue: ConnectionQueue): ConnectionId | undefined {
  return queue.owner?.carrier?.id ?? event.connection?.id;
}

function add(sums: Map<ConnectionId, number>, id: ConnectionId, ms: number): void {
  if (ms > 0) sums.set(id, (sums.get(id) ?? 0) + ms);
}
