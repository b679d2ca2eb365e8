/** The parts shared by every connection of a route. Implemented by `Route`, which lives as long as the server. */
import type { Connection, ConnectionId } from "../../api/connection.js";
import type { RouteSettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { Turn } from "../../runtime/turn.js";
import type { LeakKind } from "../../runtime/unhandled-rejections.js";
import type { RouteMirror } from "../inspection/mirror.js";
import type { Budget } from "../route/budget.js";
import type { RouteBus } from "../route/bus.js";
import type { ConnectionQueue, QueueOwner } from "../route/connection-queue.js";
import type { Counters } from "../route/counters.js";
import type { Mailbox } from "../route/mailbox.js";
import type { Population, Resident } from "../route/population.js";
import type { RouteTracing } from "../route/route-tracing.js";
import type { HeartbeatSettings } from "./heartbeat.js";

/** @typeParam C the type of the route's connections */
export interface ConnectionParts<C extends Resident> {
  readonly settings: RouteSettings;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly newId: () => ConnectionId;
  readonly mailbox: Mailbox;
  readonly population: Population<C>;
  readonly counters: Counters;
  readonly bus: RouteBus;
  readonly tracing: RouteTracing;
  /** Absent without a limit. */
  readonly budget: Budget | undefined;
  readonly mirror: RouteMirror;
  /** Whether the handler takes `ping` and `pong` events. */
  readonly hearsPings: boolean;
  readonly heartbeat: HeartbeatSettings | undefined;
  /** Makes the queue of a connection's events. */
  readonly createQueue: (owner: QueueOwner) => ConnectionQueue;
  /**
   * The handler has leaked a rejection or an exception in an event of `connection`, which is absent after the connection's end.
   */
  readonly leaked: (error: unknown, kind: LeakKind, connection: Connection | undefined) => void;
  /**
   * The connection gets no messages from now on. @param isDiscarded our side has closed: waiting events of the connection are
   * discarded
   */
  readonly onClosing: (connection: Connection, queue: ConnectionQueue, isDiscarded: boolean) => void;
  /** Calls the queue owner's `caughtUp` after the events waiting in the queue now have been handled. */
  readonly catchUp: (queue: ConnectionQueue) => void;
  /** The events of the connection are handled; calls `done` once the runner has finished the resulting work, too. */
  readonly caughtUp: (connection: Connection, done: () => void) => void;
}
