/**
 * Turns what the gate lets in into connections of a route: plain connections, fresh sessions, and sockets that take up a session of
 * before. The route has one acceptor for its lifetime.
 */
import type { AcceptedSession, AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import { Farewell } from "../../transport/farewell.js";
import type { SessionSocketParts } from "../../transport/session-socket.js";
import { SessionTransport } from "../../transport/session-transport.js";
import type { Transport, TransportListener } from "../../transport/transport.js";
import { LiveConnection } from "../connection/connection.js";
import type { ConnectionParts } from "../connection/connection-parts.js";
import type { NamedObject } from "../inspection/mirror.js";
import { Sessions } from "../session/sessions.js";

type Parts = ConnectionParts<LiveConnection> & SessionSocketParts;

export class Acceptor {
  /** Absent without the option `resume`. */
  readonly sessions: Sessions | undefined;
  readonly #parts: Parts;

  /** @param newToken makes the token of a session */
  constructor(parts: Parts, newToken: () => string) {
    const { clock, counters, log, settings, turn } = parts;
    const { resume, closeTimeoutMs } = settings;
    this.#parts = parts;
    if (resume === false) return;
    this.sessions = new Sessions({ clock, counters, log, turn, settings: resume, closeTimeoutMs, newToken });
  }

  accept(socket: Transport, accepted: AcceptedUpgrade): TransportListener {
    const { session } = accepted;
    if (session === undefined) return this.#connect(socket, accepted).receiver;
    const listener = this.sessions?.takeUp(socket, accepted);
    if (listener !== undefined) return listener;
    if (accepted.mayBeFresh) return this.#acceptSession(socket, accepted, session);
    const { clock, settings } = this.#parts;
    return new Farewell(socket, undefined, { clock, closeTimeoutMs: settings.closeTimeoutMs });
  }

  #acceptSession(socket: Transport, accepted: AcceptedUpgrade, { why }: AcceptedSession): TransportListener {
    const session = this.sessions?.create(accepted);
    const transport = new SessionTransport(socket, this.#parts, session);
    const connection = this.#connect(transport, accepted);
    session?.attach(connection, transport);
    return transport.open(connection.receiver, session === undefined ? "off" : why);
  }

  #connect(transport: Transport, accepted: AcceptedUpgrade): LiveConnection {
    const { budget, counters, log, mirror, population, tracing } = this.#parts;
    const connection = new LiveConnection(this.#parts, accepted, transport);
    counters.opened++;
    population.add(connection);
    if (mirror.isOn) for (const [id, half] of halvesOf(connection)) mirror.appear(id, half);
    budget?.register(connection, transport);
    connection.receiver.postOpen();
    const { id: connectionId, path, remoteAddress } = connection;
    log.info({ connection: connectionId, path, remoteAddress }, "connection opened");
    tracing.opened(connection);
    return connection;
  }
}

/** The objects that a mirror shows of a route. */
export function* objectsOf({
  handler,
  population,
}: Pick<Parts, "population"> & { handler: object }): Generator<NamedObject> {
  yield ["handler", handler];
  for (const connection of population.present()) yield* halvesOf(connection);
}

/** The objects that a mirror shows of a connection. */
function* halvesOf(connection: LiveConnection): Generator<NamedObject> {
  yield [`receiver:${connection.id}`, connection.receiver];
  yield [`sender:${connection.id}`, connection.outbox];
}
