/**
 * Connections to NATS, for the adapter `nats()` and the store `jetstream()`. The only file that loads `@nats-io/transport-node`, an optional peer
 * dependency, whose client reconnects and renews subscriptions. The adapter and the store close the connections.
 */
import type { Msg, MsgHdrs, NatsConnection, NodeConnectionOptions, Subscription } from "@nats-io/transport-node";
import { importClient } from "./adapter-setup.js";
import type { SocketTracker } from "./socket-tracker.js";

/** A silent engine is given up after two ping intervals. Attempts to connect, `reconnectTimeWait` apart, never end. */
const DEFAULTS = { pingInterval: 20_000, maxPingOut: 2, maxReconnectAttempts: -1, reconnectTimeWait: 1_000 } as const;
/** A node needs no echo of its own messages, and bad credentials may be good again after a change of the engine's configuration. */
const FIXED = { noEcho: true, reconnect: true, ignoreAuthErrorAbort: true, waitOnFirstConnect: false } as const;
/** The client passes the options for TLS on to Node for each attempt to connect, so that each socket gets a signal of its own. */
function tlsOf({ tls }: NodeConnectionOptions, sockets: SocketTracker): Pick<NodeConnectionOptions, "tls"> {
  if (tls?.handshakeFirst !== true) return {};
  const signalled = {
    ...tls,
    get signal() {
      return sockets.handshakeSignal();
    },
  };
  return { tls: signalled };
}

/** A connection of the package. */
export type NatsClient = NatsConnection;

/** How a connection is made, and the pause after an attempt that has failed. */
export interface NatsDialer {
  readonly retryMs: number;
  dial(sockets: SocketTracker): Promise<NatsClient>;
  newInbox(): string;
  newHeaders(): MsgHdrs;
}

/** Loads the client. @param user who needs the client, and the part of the options where the user stands */
export async function openNats(
  user: string,
  part: "cluster" | "history",
  given: NodeConnectionOptions,
  name: string,
): Promise<NatsDialer> {
  const { connect, createInbox, headers } = await importClient(
    user,
    "@nats-io/transport-node",
    () => import("@nats-io/transport-node"),
    part,
  );
  const connection = { name, ...DEFAULTS, ...given, ...FIXED };
  return {
    retryMs: connection.reconnectTimeWait,
    dial: (sockets) => connect({ ...connection, ...tlsOf(given, sockets) }),
    newInbox: () => createInbox(given.inboxPrefix),
    newHeaders: headers,
  };
}

/** A subscription of the package. */
export type NatsSubscription = Subscription;

/** A message of the package. */
export type NatsMessage = Msg;
