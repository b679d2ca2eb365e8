/**
 * The environment of a server: the clock, the ids and the listener, from `serve`, `attach` or a test, for the whole life of the
 * server.
 */

import type { HandlerObserver } from "../actors/route/observer.js";
import type { ConnectionId } from "../api/connection.js";
import type { OptionNames } from "../options/read-server-options.js";
import type { ServerSettings } from "../options/server-options.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { Listener } from "./listener.js";
import type { ServerActor } from "./server-actor.js";

/** What a server needs from outside, real or simulated by a test. */
export interface ServerEnvironment {
  readonly clock: Clock;
  readonly newId: () => ConnectionId;
  /** Names a node of a cluster with 12 hexadecimal digits; if absent, the digits are random. */
  readonly newNode?: (() => string) | undefined;
  /** Makes the token of the next session, which nobody can guess; random if missing. */
  readonly newToken?: (() => string) | undefined;
  /** Makes the name of the next epoch of a history; random if missing. */
  readonly newEpoch?: (() => string) | undefined;
  /** Observes the handlers. */
  readonly observer?: HandlerObserver | undefined;
  /** How the names of the program's options differ from the names of `serve`. Default: not at all. */
  readonly optionNames?: OptionNames;
  readonly createListener: (settings: ServerSettings, log: Logger, clock: Clock, actor: ServerActor) => Listener;
}
