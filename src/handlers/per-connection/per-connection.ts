/**
 * `perConnection`: a handler with a small actor for each connection; the runner hands each event to the connection's actor. The bus,
 * the mailbox and the contract are the same as for every handler. An actor handles one event at a time, and the actors run side by
 * side. An actor ends with its connection, the runner with the route or channel.
 */

import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Runner } from "../../actors/route/runner.js";
import type { RunnerHost } from "../../actors/route/runner-host.js";
import { HANDLER_FAILED } from "../../api/close-codes.js";
import type { Connection, ConnectionData, Params } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import type { ShapedHandler } from "../../api/handler.js";
import type { Impossible, ResolvedLast } from "../../api/inference.js";
import { show } from "../../runtime/show.js";
import { SlotMap } from "../../runtime/slot-map.js";
import { RunnerFactory } from "../runner-factory.js";
import type { ConnectionActor } from "./connection-actor.js";
import { type ConnectionLoop, LoopActor } from "./loop.js";
import { type ConnectionModule, ModuleActor } from "./module.js";

type Definition = ConnectionModule | ConnectionLoop;

const SHAPES =
  "perConnection: expected a module { init(connection, bus), handle(message, state, connection, bus), info?, idle?, away?, back?, ping?, pong?, closed? } or a loop async (connection, bus) => { … }";

const CALLBACKS = ["init", "handle", "info", "idle", "away", "back", "ping", "pong", "closed"] as const;

function checkDefinition(definition: unknown): asserts definition is Definition {
  if (typeof definition === "function") return;
  if (typeof definition !== "object" || definition === null)
    throw new SendallError("BAD_HANDLER", `${SHAPES}, got ${show(definition)}`);
  for (const name of CALLBACKS) {
    const callback: unknown = Reflect.get(definition, name);
    const isOptional = name !== "init" && name !== "handle";
    if (typeof callback !== "function" && !(isOptional && callback === undefined))
      throw new SendallError("BAD_HANDLER", `${SHAPES}; ${name} is ${show(callback)}`);
  }
}

class PerConnection<D, P> extends RunnerFactory<D, P> {
  readonly #definition: Definition;

  constructor(definition: Definition) {
    super();
    this.#definition = definition;
  }

  createRunner(host: RunnerHost): Runner {
    return new ConnectionActors(this.#definition, host);
  }
}

class ConnectionActors implements Runner {
  readonly concurrency = "connection";
  readonly hearsPings: boolean;
  readonly tellsEach = true;
  readonly #definition: Definition;
  readonly #host: RunnerHost;
  readonly #actors = new SlotMap<string, ConnectionActor>();

  constructor(definition: Definition, host: RunnerHost) {
    this.#definition = definition;
    this.#host = host;
    this.hearsPings = typeof definition !== "function" && (definition.ping ?? definition.pong) !== undefined;
  }

  init(): void {}
  stop(): void {}

  readonly handle = (event: MailboxEvent): unknown => {
    const { connection } = event;
    if (connection === undefined) return undefined;
    if (event.type === "open") this.#actors.set(connection.id, this.#createActor(connection));
    const actor = this.#actors.get(connection.id);
    if (event.type === "closed") this.#actors.delete(connection.id);
    return actor?.handle(event);
  };

  /** Closes only the failed connection, because the state of its actor is no longer reliable. */
  failed(connection: Connection): true {
    this.#actors.get(connection.id)?.crash();
    connection.close(HANDLER_FAILED.code, HANDLER_FAILED.reason);
    return true;
  }

  #createActor(connection: Connection): ConnectionActor {
    const { bus } = this.#host;
    const definition = this.#definition;
    if (typeof definition !== "function") return new ModuleActor(definition, connection, bus);
    return new LoopActor(definition, connection, bus, (error) => this.#loopFailed(error, connection));
  }

  /** Reports a failure outside any event, which the handler actor does not see. */
  #loopFailed(error: unknown, connection: Connection): void {
    this.#host.failed(error, "loop", connection);
    this.failed(connection);
  }
}

/** @hidden */
export function perConnection<D>(never: Impossible<D>): ResolvedLast<D>;
/**
 * A handler with an actor for each connection, and a state for each actor. The events of different connections are handled side by
 * side, the events of one connection one at a time. The callbacks of a module return what to send: `reply(data, state)`,
 * `noreply(state)` and so on. A loop runs once for each connection and reads the connection's messages; while the connection is away
 * (option `resume`), the loop waits on. The first exception, rejection
 * or timeout (`handlerTimeoutMs`) closes its connection with 1011 "handler failed", and has no effect on the rest.
 *
 * @throws SendallError `BAD_HANDLER` if the definition is neither a module nor a loop
 *
 * @example
 * ```ts
 * import { perConnection, reply, serve } from "sendall";
 *
 * const server = await serve({
 *   port: 8080,
 *   handler: perConnection({
 *     init: () => 0,
 *     handle: (message, count) => reply(`message ${count + 1}: ${message}`, count + 1),
 *   }),
 * });
 * console.log(server.url);
 * ```
 */
export function perConnection<D = ConnectionData, P = Params>(loop: ConnectionLoop<D, P>): ShapedHandler<D, P>;
export function perConnection<S, D = ConnectionData, P = Params>(
  module: ConnectionModule<S, D, P>,
): ShapedHandler<D, P>;
export function perConnection(definition: unknown): unknown {
  checkDefinition(definition);
  return new PerConnection<ConnectionData, Params>(definition);
}
