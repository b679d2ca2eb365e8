/** What a route is made of: the server supplies the parts. */
import type { ConnectionId } from "../../api/connection.js";
import type { RemoteBus } from "../../cluster/remote-bus.js";
import type { RouteSettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { LevelSource, Logger } from "../../runtime/logger.js";
import type { Turn } from "../../runtime/turn.js";
import type { RoomStore } from "../history/room-store.js";
import type { Inspection } from "../inspection/inspection.js";
import type { HandlerObserver } from "./observer.js";
import type { RouteTracing } from "./route-tracing.js";
import type { Runner } from "./runner.js";
import type { RunnerHost } from "./runner-host.js";

export interface RouteInput {
  readonly path: string;
  readonly settings: RouteSettings;
  readonly createRunner: (host: RunnerHost) => Runner;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly tracing: RouteTracing;
  readonly level: LevelSource;
  readonly newId: () => ConnectionId;
  /** Makes the token of a session; in a cluster the token names this node. */
  readonly newToken: () => string;
  /** The way to the same route on other nodes of a cluster. */
  readonly remoteBus: RemoteBus | undefined;
  readonly roomStore: RoomStore | undefined;
  readonly inspection: Inspection;
  /** The route has ended: the handler failed too often, or without an error has finished. */
  readonly onEnded: (error: unknown) => void;
  readonly observer: HandlerObserver | undefined;
}
