/**
 * A server's part in its cluster: publishes what the buses of this node send, and delivers what arrives from the other nodes. However
 * many receivers a message has, it travels as one envelope, and a turn's messages on a subject share a packet. A server with the option
 * `cluster` makes the relay, opens the relay before anything else and closes the relay last.
 */
import { randomBytes } from "node:crypto";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../api/cluster-adapter.js";
import type { ConnectionId } from "../api/connection.js";
import type { ClusterStats } from "../api/stats.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { isPromiseLike, within } from "../runtime/promises.js";
import type { Flushable, Turn } from "../runtime/turn.js";
import type { Frame } from "../transport/frame.js";
import { ClusterSessions } from "./cluster-sessions.js";
import { nodeOfConnection } from "./connection-ids.js";
import { KeptSender } from "./kept-sender.js";
import type { LinkMachine } from "./link.js";
import { LinkLog } from "./link-log.js";
import { Opening } from "./opening.js";
import { OwnEchoes } from "./own-echoes.js";
import type { EnvelopeAddress, Extension, MeasuredEnvelope } from "./packet.js";
import { PacketReceiver } from "./packet-receiver.js";
import { PACKET_BYTES, PacketSender } from "./packet-sender.js";
import type { PresenceRelay } from "./presence/exchange.js";
import type { PresenceOwner, SharedPresence } from "./presence/shared-presence.js";
import { SharedPresences } from "./presence/shared-presences.js";
import type { PacketSizes } from "./presence/writing.js";
import { type BusRelay, RelayedBus } from "./relayed-bus.js";
import type { LocalBus, RemoteBus } from "./remote-bus.js";
import { scopeOf, subjectOf, subjectOfNode } from "./subject.js";
import { type Destination, Subscriptions } from "./subscriptions.js";
import { unavailable } from "./unavailable.js";

export interface RelayParts {
  readonly adapter: ClusterAdapter;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly linkMachine: LinkMachine;
  /** The node's id: 12 hexadecimal digits. Default random. */
  readonly node?: string | undefined;
}

/** The longest time that `close` waits for the engine. */
const CLOSE_MS = 2_000;
/** The pause before a refused subscription is tried again. */
const RETRY_MS = 1_000;

export class Relay implements Flushable, BusRelay, PresenceRelay {
  /** The node's id: 12 hexadecimal digits. */
  readonly node: string;
  readonly sessions: ClusterSessions;
  readonly #parts: RelayParts;
  readonly #linkMachine: LinkMachine;
  readonly #linkLog: LinkLog;
  readonly #subscriptions: Subscriptions;
  readonly #sender: PacketSender;
  readonly #kept: KeptSender;
  readonly #receiver: PacketReceiver;
  readonly #presences: SharedPresences;
  #link: ClusterLink | undefined;
  #isFlushPending = false;
  /** Goes up with each change of the link: an engine's answer to a request of an earlier epoch is ignored. */
  #epoch = 0;
  #opening: Opening | undefined;

  constructor(parts: RelayParts) {
    this.node = parts.node ?? randomBytes(6).toString("hex");
    this.sessions = new ClusterSessions(this);
    this.#parts = parts;
    const { adapter, clock, turn, log } = parts;
    const presences = new SharedPresences({ relay: this, clock, turn });
    this.#presences = presences;
    this.#linkMachine = parts.linkMachine;
    this.#linkLog = new LinkLog({ node: this.node, engine: adapter.name, log });
    this.#subscriptions = new Subscriptions(subjectOfNode(this.node), {
      onConfirmed: (destination) => this.#onHeard(destination),
      onUnsubscribed: (subject) => this.#receiver.onUnsubscribed(subject),
      onRefused: (error, subjects) => this.#onRefused(error, subjects),
    });
    const { node, sessions } = this;
    const [subscriptions, echoes] = [this.#subscriptions, new OwnEchoes()];
    const sender = new PacketSender({ node, engine: adapter.name, log, echoes, subscriptions });
    this.#sender = sender;
    this.#kept = new KeptSender({ sender, subscriptions });
    this.#receiver = new PacketReceiver({ node, clock, log, sessions, presences, echoes, subscriptions });
  }

  /** Whether messages reach the other nodes. */
  get isUp(): boolean {
    return this.#linkMachine.state === "up";
  }

  /** @returns the id of a connection within the cluster */
  idOf(id: ConnectionId): ConnectionId {
    return `${this.node}.${id}` as ConnectionId;
  }

  /** @returns the counterparts of a route's bus */
  busOfRoute(path: string): RemoteBus {
    return new RelayedBus(this, scopeOf(path));
  }

  stats(): ClusterStats {
    const { confirmed: subscriptions } = this.#subscriptions;
    const { published, unsent } = this.#sender;
    const { received, missed, rejected } = this.#receiver;
    const counted = { subscriptions, published, received, unsent, missed, lost: unsent + missed, rejected };
    return { node: this.node, link: this.#linkMachine.state, ...counted };
  }

  /**
   * Resolves when the engine has confirmed the subscriptions, or as soon as there is a link if the adapter has `waitForLink`. Rejects with
   * `CLUSTER_UNAVAILABLE`.
   */
  async open(): Promise<void> {
    const { adapter, clock } = this.#parts;
    const opening = new Opening(clock);
    this.#opening = opening;
    try {
      // A link that is no promise is taken without `await`: the link may come up in the very next step, which needs `#link`.
      const link = adapter.open(this.#host());
      this.#link = isPromiseLike(link) ? await link : link;
      // What was promised may have come up before the promise got here.
      if (this.#linkMachine.state === "subscribing") this.#subscribe();
      if (adapter.waitForLink !== true) await opening.answered;
    } catch (error) {
      await this.close();
      throw unavailable(adapter.name, error);
    } finally {
      opening.end();
    }
  }

  /** Sends the queue, unless the queue is lost with the process, then closes the link. */
  async close(isLost = false): Promise<void> {
    this.#kept.releaseAll();
    if (!isLost) this.flush();
    this.#linkMachine.send("close");
    this.#epoch++;
    this.#subscriptions.onLinkDown();
    const link = this.#link;
    this.#link = undefined;
    const { clock, log } = this.#parts;
    const closed = link?.close().catch((err: unknown) => log.warn({ err }, "the link did not close"));
    if (closed !== undefined) await within(clock, CLOSE_MS, closed);
  }

  flush(): void {
    this.#isFlushPending = false;
    const link = this.isUp ? this.#link : undefined;
    if (link !== undefined) this.#subscriptions.applyChanges(link);
    this.#sender.flush(link);
  }

  isRemote(id: string): boolean {
    const node = nodeOfConnection(id);
    return node !== undefined && node !== this.node;
  }

  attach(scope: string, bus: LocalBus): void {
    this.#receiver.attach(scope, bus);
  }

  setInterest(scope: string, room: string | undefined, bus: LocalBus | undefined): void {
    const subject = subjectOf(scope, room);
    this.#subscriptions.want(subject, bus && { bus, scope, room });
    // A room that has emptied and fills again within a turn keeps its subscription.
    if (bus === undefined) this.#kept.release(subject);
    else if (this.#subscriptions.isConfirmed(subject)) this.#presences.onConfirmed({ scope, room });
    this.#scheduleFlush();
  }

  get isOrdered(): boolean {
    return this.#parts.adapter.isOrdered === true;
  }

  isHeard(subject: string): boolean {
    return this.#subscriptions.isConfirmed(subject);
  }

  sendKept(envelope: MeasuredEnvelope, subject: string): 0 | 1 {
    if (!this.isUp) return this.#sender.lose();
    if (!this.#kept.send(envelope, subject, this.#link?.maxPacketBytes ?? 0)) return 0;
    this.#onQueued();
    return 1;
  }

  send(frame: Frame, address: EnvelopeAddress, subject?: string): 0 | 1 {
    if (!this.isUp) return this.#sender.lose();
    const maxPacketBytes = this.#link?.maxPacketBytes ?? 0;
    const to = subject ?? subjectOfNode(address.target?.split(".", 1)[0] ?? "");
    if (!this.#sender.enqueue(frame, address, to, maxPacketBytes)) return 0;
    this.#onQueued();
    return 1;
  }

  sharePresence(scope: string, owner: PresenceOwner): SharedPresence {
    return this.#presences.share(scope, owner);
  }

  get packetSizes(): PacketSizes {
    return { preferred: PACKET_BYTES, most: this.#link?.maxPacketBytes ?? PACKET_BYTES };
  }

  sendExtension(extension: Extension, address: EnvelopeAddress, subject: string): void {
    if (!this.isUp) return;
    this.#sender.enqueueExtension(extension, address, subject, this.#link?.maxPacketBytes ?? 0);
    this.#onQueued();
  }

  #onQueued(): void {
    if (this.#sender.isFull) this.flush();
    else this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#isFlushPending) return;
    this.#isFlushPending = true;
    // The engine and the other nodes work while this node writes to its own sockets, and the engine has answered by the time that the node looks.
    this.#parts.turn.flushFirst(this);
  }

  /** The node as the adapter sees it. */
  #host(): ClusterNode {
    const { clock, log } = this.#parts;
    return {
      id: this.node,
      clock,
      log,
      received: (subject, packet) => {
        if (this.#linkMachine.state !== "closed") this.#receiver.receive(subject, packet);
      },
      up: () => this.#onUp(),
      down: (error) => this.#onDown(error),
    };
  }

  #onUp(): void {
    if (this.#linkMachine.send("up") === "subscribing") this.#subscribe();
  }

  #subscribe(): void {
    const link = this.#link;
    if (link === undefined) return;
    const epoch = ++this.#epoch;
    this.#subscriptions.resubscribe(link).then(
      () => {
        if (epoch === this.#epoch) this.#onConfirmed();
      },
      (error: unknown) => {
        if (epoch !== this.#epoch) return;
        this.#onDown(error);
        const { clock } = this.#parts;
        const retryEpoch = this.#epoch;
        clock.after(RETRY_MS, () => {
          if (retryEpoch === this.#epoch) this.#onUp();
        });
      },
    );
  }

  #onConfirmed(): void {
    this.#linkMachine.send("confirmed");
    this.#linkLog.up(this.#subscriptions.confirmed);
    this.#opening?.resolve();
    this.#presences.onUp();
    // Subscriptions may have changed while the engine was asked.
    this.#scheduleFlush();
  }

  #onDown(error: unknown): void {
    const hasChanged = this.#linkMachine.send("down") !== undefined;
    if (this.#linkMachine.state === "closed") return;
    this.#epoch++;
    this.#subscriptions.onLinkDown();
    this.#kept.drop();
    if (hasChanged) this.#receiver.onLinkDown();
    this.#opening?.reject(error);
    this.#linkLog.down(error, hasChanged);
  }

  /** From now on the messages of the subject arrive; kept messages of before may have been missed. */
  #onHeard(destination: Destination): void {
    const { bus, scope, room } = destination;
    if (room !== undefined) bus.onBreak(room);
    this.#presences.onConfirmed(destination);
    this.#kept.release(subjectOf(scope, room));
    this.#scheduleFlush();
  }

  #onRefused(error: unknown, subjects: readonly string[]): void {
    if (!this.isUp) return;
    for (const subject of subjects) this.#kept.release(subject);
    this.#scheduleFlush();
    this.#linkLog.refused(error, subjects);
  }
}
