/** What a server stands in. */

import type { HandlerObserver } from "../actors/route/observer.js";
import type { ConnectionId } from "../api/connection.js";
import type { ServerSettings } from "../options/server-options.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { Listener } from "./listener.js";
import type { ServerActor } from "./server-actor.js";

/** What a server stands in: the real world, or a test. */
export interface Surroundings {
  readonly clock: Clock;
  readonly newId: () => ConnectionId;
  /** Names a node of a cluster with 12 hexadecimal digits; without it they are random. */
  readonly newNode?: (() => string) | undefined;
  /** Watches the handlers. */
  readonly observer?: HandlerObserver | undefined;
  readonly createListener: (settings: ServerSettings, log: Logger, clock: Clock, actor: ServerActor) => Listener;
}
