/** The shutdown of one route, in steps. `server/shutdown.ts` calls the steps in order, each for every route. */
import type { CloseReason } from "../../api/close-codes.js";
import type { LiveConnection } from "../connection/connection.js";
import type { RouteMirror } from "../inspection/mirror.js";
import type { Sessions } from "../session/sessions.js";
import type { Budget } from "./budget.js";
import type { RouteBus } from "./bus.js";
import type { HandlerActor } from "./handler.js";
import type { Population } from "./population.js";
import type { Restart } from "./restart.js";
import type { Runner } from "./runner.js";
import type { Supervision } from "./supervision.js";

export interface StoppingRoute {
  readonly population: Population<LiveConnection>;
  readonly handler: HandlerActor;
  readonly runner: Runner;
  readonly bus: RouteBus;
  readonly mirror: RouteMirror;
  readonly budget: Budget | undefined;
  readonly supervision: Supervision;
  readonly restart: Restart;
  readonly sessions: Sessions | undefined;
  /** Runs the handler's `stop`, if `init` had succeeded. */
  readonly stopHandler: () => Promise<void>;
}

export class RouteShutdown {
  readonly #route: StoppingRoute;

  constructor(route: StoppingRoute) {
    this.#route = route;
  }

  /** First: accepts the events already in the mailbox, and nothing later. */
  stopReceiving(): void {
    this.#route.supervision.stop();
    this.#route.sessions?.stop();
    for (const connection of this.#route.population.present()) {
      connection.stopReceiving();
      connection.queue.pace?.letGo();
    }
  }

  /** Second: resolves when the handler has emptied the mailbox. */
  finished(): Promise<void> {
    return this.#until(() => !this.#route.handler.isBusy);
  }

  /** Third: sends each connection the waiting messages, then a close frame. Yields after each connection. */
  *closeAll({ code, reason }: CloseReason): Generator<void> {
    const { bus, handler, restart, runner } = this.#route;
    handler.timeOutPending();
    restart.stop();
    // Nobody is told that everybody leaves.
    bus.presence?.stop();
    for (const channel of runner.channels?.() ?? []) channel.stopPresence();
    for (const connection of this.#route.population.present()) {
      connection.close(code, reason);
      yield;
    }
  }

  /** Fourth: resolves when every `closed` has been handled. */
  emptied(): Promise<void> {
    return this.#until(() => this.#route.population.isEmpty && !this.#route.handler.isBusy);
  }

  /** Fifth: terminates every remaining connection, and no longer awaits the handler, which is still told of every end. */
  terminateAll(): void {
    this.#route.handler.skipWaiting();
    for (const connection of this.#route.population.present()) connection.terminate();
  }

  /** Last: stops timers and the handler. */
  async stop(): Promise<void> {
    const { budget, bus, handler, mirror, population, stopHandler, supervision } = this.#route;
    handler.stop();
    bus.stop();
    budget?.stop();
    try {
      await stopHandler();
    } catch (error) {
      supervision.record(error, "stop");
    }
    for (const connection of population.present()) connection.onClosedHandled();
    mirror.stop(handler);
  }

  #until(isSo: () => boolean): Promise<void> {
    const { handler } = this.#route;
    return new Promise((resolve) => {
      handler.onIdle = () => {
        if (!isSo()) return;
        handler.onIdle = undefined;
        resolve();
      };
      handler.onIdle();
    });
  }
}
