/**
 * Clusters over NATS, by core publish and subscribe. The only file that loads `@nats-io/transport-node`, an optional
 * peer dependency; its client reconnects and renews subscriptions by itself.
 */
import type { NatsConnection, NodeConnectionOptions, Subscription } from "@nats-io/transport-node";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import { MAX_NATIVE_MS } from "../../options/kinds.js";
import { checkOptionsObject, readSettings } from "../../options/read-options.js";
import type { Timer } from "../../runtime/clock.js";
import { within } from "../../runtime/promises.js";
import { Backlog } from "./backlog.js";
import { DialledSockets, unwatched } from "./dialled.js";
import { importClient, linkTable } from "./peer.js";

/** What `nats` takes: the connection options of `@nats-io/transport-node`, and ours. */
export interface NatsOptions extends NodeConnectionOptions {
  /** Stands before all subjects: programs with different prefixes do not hear each other. Default `"sendall"`. */
  readonly prefix?: string;
  /** Whether `serve` resolves without the engine; the server is not ready until it is there. Default `false`. */
  readonly waitForLink?: boolean;
}

/** An engine that falls silent is given up after two of these, and one that is not there is asked again after one of those. */
const DEFAULTS = { pingInterval: 20_000, maxPingOut: 2, maxReconnectAttempts: -1, reconnectTimeWait: 1_000 } as const;
/** Our own messages need not come back, and bad credentials may be good again once they are changed. */
const FIXED = { noEcho: true, reconnect: true, ignoreAuthErrorAbort: true, waitOnFirstConnect: false } as const;
/** So often the engine is asked whether it has what we sent. */
const CONFIRM_BYTES = 262_144;
const CLOSE_MS = 1_000;

class NatsLink implements ClusterLink {
  readonly #node: ClusterNode;
  readonly #received: ClusterNode["received"];
  readonly #prefix: string;
  readonly #connect: (sockets: DialledSockets) => Promise<NatsConnection>;
  readonly #retryMs: number;
  readonly #sockets = new DialledSockets();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #refusals = new Map<string, Error>();
  readonly #backlog = new Backlog();
  #connection: NatsConnection | undefined;
  #confirming: Promise<void> | undefined;
  #retry: Timer | undefined;
  #lastError: Error | undefined;
  #isClosed = false;

  constructor(
    node: ClusterNode,
    prefix: string,
    connect: (sockets: DialledSockets) => Promise<NatsConnection>,
    retryMs: number,
  ) {
    this.#node = node;
    this.#received = unwatched((subject, packet) => node.received(subject, packet));
    this.#prefix = prefix;
    this.#connect = connect;
    this.#retryMs = retryMs;
  }

  get maxPacketBytes(): number {
    return this.#connection?.info?.max_payload ?? 0;
  }

  /** The client tries once at first; from then on it reconnects by itself. */
  async begin(): Promise<void> {
    try {
      const connection = await this.#sockets.watch(() => this.#connect(this.#sockets));
      if (this.#isClosed) await connection.close();
      else this.#use(connection);
    } catch (error) {
      this.#sockets.end();
      this.#failed(error);
    }
  }

  publish(subject: string, packet: Uint8Array): boolean {
    if (this.#isClosed || this.#connection === undefined || this.#backlog.isFull) return false;
    try {
      this.#connection.publish(`${this.#prefix}.${subject}`, packet);
    } catch {
      return false;
    }
    this.#backlog.add(packet.length);
    return true;
  }

  /** The client writes at the end of the tick, once. */
  flush(): void {
    if (this.#confirming !== undefined || this.#backlog.bytes < CONFIRM_BYTES) return;
    const confirm = this.#backlog.confirmation(this.#backlog.bytes);
    const confirming = this.#connection?.flush();
    this.#confirming = confirming;
    const over = (): void => {
      if (this.#confirming === confirming) this.#confirming = undefined;
    };
    // One that is never answered goes with its connection.
    confirming?.then(confirm, over).then(over);
  }

  async subscribe(subjects: readonly string[]): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("not connected");
    for (const subject of subjects) {
      this.#refusals.delete(subject);
      if (!this.#subscriptions.has(subject)) this.#subscriptions.set(subject, this.#listen(connection, subject));
    }
    // What the engine refuses it says before it answers this.
    await connection.flush();
    for (const subject of subjects) {
      const refusal = this.#refusals.get(subject);
      if (refusal !== undefined) throw refusal;
    }
  }

  unsubscribe(subjects: readonly string[]): void {
    for (const subject of subjects) {
      this.#subscriptions.get(subject)?.unsubscribe();
      this.#subscriptions.delete(subject);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#retry?.cancel();
    const connection = this.#connection;
    if (connection !== undefined) {
      // Without a link there is nobody to wait for; the rejection is the answer, too.
      await within(
        this.#node.clock,
        CLOSE_MS,
        connection.flush().catch(() => {}),
      );
      await connection.close();
    }
    // What is still being dialled would go on for the client's `timeout`.
    this.#sockets.close();
  }

  #listen(connection: NatsConnection, subject: string): Subscription {
    const callback = (error: Error | null, message: { readonly data: Uint8Array }): void => {
      if (error !== null) {
        this.#refusals.set(subject, error);
        this.#subscriptions.delete(subject);
      } else if (!this.#isClosed) this.#received(subject, message.data);
    };
    return connection.subscribe(`${this.#prefix}.${subject}`, { callback });
  }

  #use(connection: NatsConnection): void {
    this.#connection = connection;
    void this.#watch(connection);
    connection.closed().then((error) => {
      // The client has given up; we do not.
      if (!this.#isClosed) this.#failed(error ?? new Error("the connection was closed"));
    });
    this.#node.up();
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#isClosed) return;
      if (status.type === "error") this.#lastError = status.error;
      else if (status.type === "staleConnection") this.#lastError = new Error("it does not answer pings");
      else if (status.type === "disconnect") this.#down(this.#lastError ?? new Error("the connection was lost"));
      else if (status.type === "reconnect") {
        this.#lastError = undefined;
        this.#node.up();
      }
    }
  }

  #down(error: unknown): void {
    this.#backlog.clear();
    this.#confirming = undefined;
    this.#node.down(error);
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return;
    this.#connection = undefined;
    this.#subscriptions.clear();
    this.#down(error);
    this.#retry = this.#node.clock.after(this.#retryMs, () => void this.begin());
  }
}

/** The client hands its options for TLS on to Node, each time that it dials. */
function tlsOf({ tls }: NodeConnectionOptions, sockets: DialledSockets): Pick<NodeConnectionOptions, "tls"> {
  if (tls?.handshakeFirst !== true) return {};
  const signalled = {
    ...tls,
    get signal() {
      return sockets.nextSignal();
    },
  };
  return { tls: signalled };
}

function areServers(servers: unknown): servers is string | string[] {
  const list: unknown[] = Array.isArray(servers) ? servers : [servers];
  return list.length > 0 && list.every((server) => typeof server === "string" && server.trim() !== "");
}

const natsTable = {
  ...linkTable,
  // Without servers the client would take the engine of this machine.
  servers: { expected: "the address of an engine, or a list of them", accepts: areServers, required: true },
  // The client makes native timers of the waits.
  pingInterval: { kind: "ms", max: MAX_NATIVE_MS },
  timeout: { kind: "ms", max: MAX_NATIVE_MS },
  reconnectTimeWait: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
  reconnectJitter: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
  reconnectJitterTLS: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
} as const;

/** Options of the client which are checked here. The client checks its further options itself. */
type CheckedByUs =
  | "servers"
  | "pingInterval"
  | "timeout"
  | "reconnectTimeWait"
  | "reconnectJitter"
  | "reconnectJitterTLS";
type CheckedOptions = Omit<NatsOptions, Exclude<keyof NodeConnectionOptions, CheckedByUs>>;

/**
 * Joins servers over NATS (core publish and subscribe; JetStream is not needed): `cluster: nats({ servers: "nats://127.0.0.1:4222" })`.
 * Needs the package `@nats-io/transport-node`, whose connection options it takes; reconnecting never ends, unless you say otherwise.
 * Messages are at most as large as the engine's `max_payload` (1 MB unless configured).
 *
 * @throws SendallError `BAD_OPTION` if an option of ours, the address or a wait is none; `serve` rejects with `CLUSTER_UNAVAILABLE`
 */
export function nats(options: NatsOptions): ClusterAdapter {
  checkOptionsObject(options);
  const { prefix, waitForLink } = readSettings<CheckedOptions, typeof natsTable>(natsTable, { options });
  const { prefix: _prefix, waitForLink: _waitForLink, ...given } = options;
  return {
    name: "nats",
    waitForLink,
    async open(node) {
      const { connect } = await importClient(
        "nats",
        "@nats-io/transport-node",
        () => import("@nats-io/transport-node"),
      );
      const connection = { name: `sendall ${node.id}`, ...DEFAULTS, ...given, ...FIXED };
      const dial = (sockets: DialledSockets) => connect({ ...connection, ...tlsOf(given, sockets) });
      const link = new NatsLink(node, prefix, dial, connection.reconnectTimeWait);
      node.clock.soon(() => void link.begin());
      return link;
    },
  };
}
