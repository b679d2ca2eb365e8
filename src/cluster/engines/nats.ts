/**
 * The cluster adapter `nats()`, over core publish and subscribe. The only file that loads `@nats-io/transport-node`, an optional peer
 * dependency, whose client reconnects and renews subscriptions. Core NATS keeps the order of each publisher, so the adapter does not say
 * `isOrdered`. The relay of each server opens and closes a link here.
 */
import type { NatsConnection, NodeConnectionOptions, Subscription } from "@nats-io/transport-node";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import { MAX_NATIVE_MS } from "../../options/kinds.js";
import { checkOptionsObject, readSettings } from "../../options/read-options.js";
import type { Timer } from "../../runtime/clock.js";
import { within } from "../../runtime/promises.js";
import { checkOwnSpelling, importClient, linkTable } from "./adapter-setup.js";
import { Backlog } from "./backlog.js";
import { SocketTracker, untracked } from "./socket-tracker.js";

/** What `nats` takes: the connection options of `@nats-io/transport-node`, and two more. */
export interface NatsOptions extends NodeConnectionOptions {
  /** Begins every subject: programs with different prefixes do not hear each other. Default `"sendall"`. */
  readonly prefix?: string;
  /** Whether `serve` resolves before the engine is reached; until then the server is not ready. Default `false`. */
  readonly waitForLink?: boolean;
}

/** A silent engine is given up after two ping intervals. Attempts to connect, `reconnectTimeWait` apart, never end. */
const DEFAULTS = { pingInterval: 20_000, maxPingOut: 2, maxReconnectAttempts: -1, reconnectTimeWait: 1_000 } as const;
/** A node needs no echo of its own messages, and bad credentials may be good again after a change of the engine's configuration. */
const FIXED = { noEcho: true, reconnect: true, ignoreAuthErrorAbort: true, waitOnFirstConnect: false } as const;
/** After each 256 KiB the engine is asked to confirm what was sent. */
const CONFIRM_BYTES = 262_144;
const CLOSE_MS = 1_000;

class NatsLink implements ClusterLink {
  readonly #node: ClusterNode;
  readonly #received: ClusterNode["received"];
  readonly #prefix: string;
  readonly #dial: (sockets: SocketTracker) => Promise<NatsConnection>;
  readonly #retryMs: number;
  readonly #sockets = new SocketTracker();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #refusals = new Map<string, Error>();
  readonly #backlog = new Backlog();
  #connection: NatsConnection | undefined;
  #confirming: Promise<void> | undefined;
  #retryTimer: Timer | undefined;
  #lastError: Error | undefined;
  #isClosed = false;

  constructor(
    node: ClusterNode,
    prefix: string,
    dial: (sockets: SocketTracker) => Promise<NatsConnection>,
    retryMs: number,
  ) {
    this.#node = node;
    this.#received = untracked((subject, packet) => node.received(subject, packet));
    this.#prefix = prefix;
    this.#dial = dial;
    this.#retryMs = retryMs;
  }

  get maxPacketBytes(): number {
    return this.#connection?.info?.max_payload ?? 0;
  }

  /** The client makes a single first attempt, so that the link retries; a client that was connected reconnects without help. */
  async connect(): Promise<void> {
    try {
      const connection = await this.#sockets.track(() => this.#dial(this.#sockets));
      if (this.#isClosed) await connection.close();
      else this.#onConnected(connection);
    } catch (error) {
      this.#sockets.terminate();
      this.#reconnectLater(error);
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

  /** Only asks for a confirmation: the client sends what was published at the end of the tick, in a single write. */
  flush(): void {
    if (this.#confirming !== undefined || this.#backlog.bytes < CONFIRM_BYTES) return;
    const confirmed = this.#backlog.confirmation(this.#backlog.bytes);
    const confirming = this.#connection?.flush();
    this.#confirming = confirming;
    const onSettled = (): void => {
      if (this.#confirming === confirming) this.#confirming = undefined;
    };
    // A confirmation that never comes ends with the connection: see `#onDown`.
    confirming?.then(confirmed, onSettled).then(onSettled);
  }

  async subscribe(subjects: readonly string[]): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("not connected");
    for (const subject of subjects) {
      this.#refusals.delete(subject);
      if (!this.#subscriptions.has(subject)) this.#subscriptions.set(subject, this.#subscribe(connection, subject));
    }
    // The engine sends refusals before the answer to `flush`.
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
    this.#retryTimer?.cancel();
    const connection = this.#connection;
    if (connection !== undefined) {
      // Without a connection `flush` rejects at once, and there is nothing to wait for.
      await within(
        this.#node.clock,
        CLOSE_MS,
        connection.flush().catch(() => {}),
      );
      await connection.close();
    }
    // A socket still connecting would stay open for the client's `timeout`.
    this.#sockets.stop();
  }

  #subscribe(connection: NatsConnection, subject: string): Subscription {
    const callback = (error: Error | null, message: { readonly data: Uint8Array }): void => {
      if (error !== null) {
        this.#refusals.set(subject, error);
        this.#subscriptions.delete(subject);
      } else if (!this.#isClosed) this.#received(subject, message.data);
    };
    return connection.subscribe(`${this.#prefix}.${subject}`, { callback });
  }

  #onConnected(connection: NatsConnection): void {
    this.#connection = connection;
    void this.#followStatus(connection);
    connection.closed().then((error) => {
      // The client has stopped reconnecting; the link goes on with a new client.
      if (!this.#isClosed) this.#reconnectLater(error ?? new Error("the connection was closed"));
    });
    this.#node.up();
  }

  async #followStatus(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#isClosed) return;
      if (status.type === "error") this.#lastError = status.error;
      else if (status.type === "staleConnection") this.#lastError = new Error("it does not answer pings");
      else if (status.type === "disconnect") this.#onDown(this.#lastError ?? new Error("the connection was lost"));
      else if (status.type === "reconnect") {
        this.#lastError = undefined;
        this.#node.up();
      }
    }
  }

  #onDown(error: unknown): void {
    this.#backlog.clear();
    this.#confirming = undefined;
    this.#node.down(error);
  }

  #reconnectLater(error: unknown): void {
    if (this.#isClosed) return;
    this.#connection = undefined;
    this.#subscriptions.clear();
    this.#onDown(error);
    this.#retryTimer = this.#node.clock.after(this.#retryMs, () => void this.connect());
  }
}

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

function areServers(servers: unknown): servers is string | string[] {
  const list: unknown[] = Array.isArray(servers) ? servers : [servers];
  return list.length > 0 && list.every((server) => typeof server === "string" && server.trim() !== "");
}

const natsTable = {
  ...linkTable,
  // Without an address the client would connect to an engine on this machine.
  servers: { expected: "the address of an engine, or a list of them", accepts: areServers, required: true },
  // The waits become native timers of the client.
  pingInterval: { kind: "ms", max: MAX_NATIVE_MS },
  timeout: { kind: "ms", max: MAX_NATIVE_MS },
  reconnectTimeWait: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
  reconnectJitter: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
  reconnectJitterTLS: { kind: "ms", min: 0, max: MAX_NATIVE_MS },
} as const;

/** Options of the client with a row in the table. The client checks further options. */
type ClientOption =
  | "servers"
  | "pingInterval"
  | "timeout"
  | "reconnectTimeWait"
  | "reconnectJitter"
  | "reconnectJitterTLS";
type CheckedOptions = Omit<NatsOptions, Exclude<keyof NodeConnectionOptions, ClientOption>>;

/**
 * Joins servers over NATS (core publish and subscribe; JetStream is not needed): `cluster: nats({ servers: "nats://127.0.0.1:4222" })`.
 * Needs the package `@nats-io/transport-node`, and takes the connection options of the package; reconnecting never ends, unless an option
 * says otherwise. Messages are at most as large as the engine's `max_payload` (1 MB unless configured).
 *
 * @throws SendallError `BAD_OPTION` if the address, a wait, `prefix` or `waitForLink` is invalid; `serve` rejects with
 * `CLUSTER_UNAVAILABLE`
 */
export function nats(options: NatsOptions): ClusterAdapter {
  checkOptionsObject(options);
  checkOwnSpelling(options, ["servers", ...Object.keys(linkTable)]);
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
      const dial = (sockets: SocketTracker) => connect({ ...connection, ...tlsOf(given, sockets) });
      const link = new NatsLink(node, prefix, dial, connection.reconnectTimeWait);
      node.clock.soon(() => void link.connect());
      return link;
    },
  };
}
