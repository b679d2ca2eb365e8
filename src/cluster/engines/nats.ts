/**
 * The cluster adapter `nats()`, over core publish and subscribe. Core NATS keeps the order of each publisher, so the adapter does not say
 * `isOrdered`. The relay of each server opens and closes a link here.
 */
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import type { Timer } from "../../runtime/clock.js";
import { within } from "../../runtime/promises.js";
import { Backlog } from "./backlog.js";
import { type NatsClient, type NatsSubscription, openNats } from "./nats-connection.js";
import { type NatsOptions, readNatsOptions } from "./nats-options.js";
import { SocketTracker, untracked } from "./socket-tracker.js";

/** After each 256 KiB the engine is asked to confirm what was sent. */
const CONFIRM_BYTES = 262_144;
const CLOSE_MS = 1_000;

class NatsLink implements ClusterLink {
  readonly #node: ClusterNode;
  readonly #received: ClusterNode["received"];
  readonly #prefix: string;
  readonly #dial: (sockets: SocketTracker) => Promise<NatsClient>;
  readonly #retryMs: number;
  readonly #sockets = new SocketTracker();
  readonly #subscriptions = new Map<string, NatsSubscription>();
  readonly #refusals = new Map<string, Error>();
  readonly #backlog = new Backlog();
  #connection: NatsClient | undefined;
  #confirming: Promise<void> | undefined;
  #retryTimer: Timer | undefined;
  #lastError: Error | undefined;
  #isClosed = false;

  constructor(
    node: ClusterNode,
    prefix: string,
    dial: (sockets: SocketTracker) => Promise<NatsClient>,
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

  #subscribe(connection: NatsClient, subject: string): NatsSubscription {
    const callback = (error: Error | null, message: { readonly data: Uint8Array }): void => {
      if (error !== null) {
        this.#refusals.set(subject, error);
        this.#subscriptions.delete(subject);
      } else if (!this.#isClosed) this.#received(subject, message.data);
    };
    return connection.subscribe(`${this.#prefix}.${subject}`, { callback });
  }

  #onConnected(connection: NatsClient): void {
    this.#connection = connection;
    void this.#followStatus(connection);
    connection.closed().then((error) => {
      // The client has stopped reconnecting; the link goes on with a new client.
      if (!this.#isClosed) this.#reconnectLater(error ?? new Error("the connection was closed"));
    });
    this.#node.up();
  }

  async #followStatus(connection: NatsClient): Promise<void> {
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

/**
 * Joins servers over NATS (core publish and subscribe; JetStream is not needed): `cluster: nats({ servers: "nats://127.0.0.1:4222" })`.
 * Needs the package `@nats-io/transport-node`, and takes the connection options of the package; reconnecting never ends, unless an option
 * says otherwise. Messages are at most as large as the engine's `max_payload` (1 MB unless configured).
 *
 * @throws SendallError `BAD_OPTION` if the address, a wait, `prefix` or `waitForLink` is invalid; `serve` rejects with
 * `CLUSTER_UNAVAILABLE`
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { nats } from "sendall/nats";
 *
 * const server = await serve({
 *   port: 8080,
 *   cluster: nats({ servers: "nats://127.0.0.1:4222", waitForLink: true }),
 *   handler(event, bus) {
 *     if (event.type === "message") bus.sendall(event.data); // to the clients of every node
 *   },
 * });
 * console.log(server.url);
 * ```
 */
export function nats(options: NatsOptions): ClusterAdapter {
  const { prefix, waitForLink, given } = readNatsOptions(options);
  return {
    name: "nats",
    waitForLink,
    async open(node) {
      const { dial, retryMs } = await openNats("nats", "cluster", given, `sendall ${node.id}`);
      const link = new NatsLink(node, prefix, dial, retryMs);
      node.clock.soon(() => void link.connect());
      return link;
    },
  };
}
