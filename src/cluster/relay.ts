/**
 * A server's part in its cluster: hands what its buses send to the other nodes, and what arrives from those to its buses. One envelope
 * for each message, however many it goes to; what one turn sends on a subject is one packet. The server makes it if it has the
 * option `cluster`, starts it first and closes it last.
 */
import { randomBytes } from "node:crypto";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../api/cluster-adapter.js";
import type { ConnectionId } from "../api/connection.js";
import { SendallError } from "../api/errors.js";
import type { ClusterStats } from "../api/stats.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { isPromiseLike, within } from "../runtime/promises.js";
import { isError, messageOf } from "../runtime/thrown.js";
import type { Flushable, Turn } from "../runtime/turn.js";
import type { Frame } from "../transport/frame.js";
import { Arrivals } from "./arrivals.js";
import { type Envelope, packetBytes, type Sealed, seal, writePacket } from "./envelope.js";
import { Interest } from "./interest.js";
import type { LinkLife } from "./link.js";
import { type BusRelay, RelayedBus } from "./relayed-bus.js";
import type { LocalBus, RemoteBus } from "./remote-bus.js";
import { Outgoing } from "./streams.js";
import { scopeOf, subjectOf, subjectOfNode } from "./subject.js";

export interface RelayParts {
  readonly adapter: ClusterAdapter;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly life: LinkLife;
  /** What this node is called: 12 hexadecimal digits. Default random. */
  readonly node?: string | undefined;
}

/** Engines that neither answer nor refuse are given up at the start. */
const START_MS = 30_000;
/** An engine that does not let go of us. */
const CLOSE_MS = 2_000;
/** A subscription that the engine has refused is tried again. */
const RETRY_MS = 1_000;
/** A packet takes no more envelopes from this size on. */
const PACKET_BYTES = 65_536;
/** What waits for the end of a turn is sent earlier from this size on. */
const QUEUE_BYTES = 1_048_576;

/** An id that names its node. */
const ID = /^([0-9a-f]{12})\.[!-~]{1,200}$/;

interface Queued {
  readonly subject: string;
  readonly sealed: Sealed;
}

export class Relay implements Flushable, BusRelay {
  /** Names this node. */
  readonly node: string;
  readonly #parts: RelayParts;
  readonly #life: LinkLife;
  readonly #interest: Interest;
  readonly #arrivals: Arrivals;
  readonly #outgoing = new Outgoing();
  #link: ClusterLink | undefined;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #isDirty = false;
  /** Counts how often the link came up or went down: an answer that belongs to the past is not heard. */
  #era = 0;
  #started: { resolve(): void; reject(error: unknown): void } | undefined;
  #lastProblem = "";
  #published = 0;
  #unsent = 0;

  constructor(parts: RelayParts) {
    this.node = parts.node ?? randomBytes(6).toString("hex");
    this.#parts = parts;
    this.#life = parts.life;
    this.#interest = new Interest(subjectOfNode(this.node), {
      onOver: (subject) => this.#arrivals.forget(subject),
      onRefused: (error, subjects) => this.#refused(error, subjects),
    });
    const { clock, log } = parts;
    this.#arrivals = new Arrivals({ node: this.node, clock, log, interest: this.#interest });
  }

  /** Whether messages reach the other nodes. */
  get isUp(): boolean {
    return this.#life.state === "up";
  }

  /** An id for a connection of this node. */
  idOf(id: ConnectionId): ConnectionId {
    return `${this.node}.${id}` as ConnectionId;
  }

  /** The way of a route's bus. */
  busOfRoute(path: string): RemoteBus {
    return new RelayedBus(this, scopeOf(path));
  }

  stats(): ClusterStats {
    const { received, missed, rejected } = this.#arrivals;
    const [published, unsent] = [this.#published, this.#unsent];
    return {
      node: this.node,
      link: this.#life.state,
      subscriptions: this.#interest.confirmed,
      published,
      received,
      unsent,
      missed,
      lost: unsent + missed,
      rejected,
    };
  }

  /** Resolves when the engine has confirmed that we are heard, or at once if the adapter waits. Rejects with `CLUSTER_UNAVAILABLE`. */
  async open(): Promise<void> {
    const { adapter, clock } = this.#parts;
    const tooLate = new Error(`it did not answer within ${START_MS} ms`);
    const timer = clock.after(START_MS, () => this.#started?.reject(tooLate));
    const started = new Promise<void>((resolve, reject) => {
      this.#started = { resolve, reject };
    });
    // It may fail before it is awaited, or never be.
    started.catch(() => {});
    try {
      // The link may come up in the very next step: it is there by then.
      const link = adapter.open(this.#host());
      this.#link = isPromiseLike(link) ? await link : link;
      if (adapter.waitForLink !== true) await started;
    } catch (error) {
      await this.close();
      throw unavailable(adapter.name, error);
    } finally {
      timer.cancel();
    }
  }

  /** Sends what waits and leaves. */
  async close(): Promise<void> {
    this.flush();
    this.#life.tell("close");
    this.#era++;
    this.#interest.lost();
    const link = this.#link;
    this.#link = undefined;
    if (link !== undefined) {
      const closed = link.close().catch((err: unknown) => this.#parts.log.warn({ err }, "the link did not close"));
      await within(this.#parts.clock, CLOSE_MS, closed);
    }
  }

  /** The end of a turn. */
  flush(): void {
    this.#isDirty = false;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    const link = this.#link;
    if (!this.isUp || link === undefined) {
      this.#unsent += queue.length;
      return;
    }
    this.#interest.update(link);
    for (let start = 0; start < queue.length; ) start = this.#publish(link, queue, start);
    if (queue.length > 0) link.flush();
  }

  isRemote(id: string): boolean {
    const [, node] = ID.exec(id) ?? [];
    return node !== undefined && node !== this.node;
  }

  attach(scope: string, inlet: LocalBus): void {
    this.#arrivals.attach(scope, inlet);
  }

  setInterest(scope: string, room: string | undefined, inlet: LocalBus | undefined): void {
    this.#interest.set(subjectOf(scope, room), inlet && { inlet, room });
    this.#wake();
  }

  send(frame: Frame, envelope: Omit<Envelope, "isBinary" | "payload">, subject?: string): 0 | 1 {
    if (!this.isUp) {
      this.#unsent++;
      return 0;
    }
    const { data, wire, payloadBytes } = frame;
    const payload = wire.subarray(wire.length - payloadBytes);
    const sealed = seal({ ...envelope, isBinary: typeof data !== "string", payload });
    if (packetBytes(sealed) > (this.#link?.maxPacketBytes ?? 0)) {
      this.#unsent++;
      const { name } = this.#parts.adapter;
      this.#parts.log.warn({ bytes: payloadBytes }, `a message is too large for ${name}: other nodes do not get it`);
      return 0;
    }
    const [node = ""] = envelope.target?.split(".") ?? [];
    this.#queue.push({ subject: subject ?? subjectOfNode(node), sealed });
    this.#queuedBytes += sealed.bytes;
    if (this.#queuedBytes >= QUEUE_BYTES) this.flush();
    else this.#wake();
    return 1;
  }

  #wake(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#parts.turn.flushAtEnd(this);
  }

  /** Sends one packet: as many of the queue, in its order, as are for the same subject. @returns where the next one begins */
  #publish(link: ClusterLink, queue: readonly Queued[], start: number): number {
    const subject = queue[start]?.subject ?? "";
    const envelopes: Sealed[] = [];
    let bytes = 0;
    const limit = Math.min(PACKET_BYTES, link.maxPacketBytes);
    for (let next = queue[start]; next !== undefined; next = queue[start + envelopes.length]) {
      const isFull = envelopes.length > 0 && bytes + packetBytes(next.sealed) > limit;
      if (next.subject !== subject || isFull) break;
      envelopes.push(next.sealed);
      bytes += next.sealed.bytes;
    }
    const count = envelopes.length;
    const packet = writePacket({ node: this.node, ...this.#outgoing.next(subject) }, envelopes);
    if (link.publish(subject, packet)) {
      this.#outgoing.sent(subject, count);
      this.#published += count;
    } else this.#unsent += count;
    return start + count;
  }

  #host(): ClusterNode {
    const { clock, log } = this.#parts;
    return {
      id: this.node,
      clock,
      log,
      received: (subject, packet) => {
        // An engine's client may be inside its parser: what is thrown at it would end the link.
        try {
          if (this.#life.state !== "closed") this.#arrivals.take(subject, packet);
        } catch (error) {
          log.error({ err: error, subject }, "a packet could not be delivered");
        }
      },
      up: () => this.#up(),
      down: (error) => this.#down(error),
    };
  }

  #up(): void {
    if (this.#life.tell("up") === "subscribing") this.#subscribe();
  }

  #subscribe(): void {
    const link = this.#link;
    if (link === undefined) return;
    const era = ++this.#era;
    this.#interest.renew(link).then(
      () => {
        if (era === this.#era) this.#confirmed();
      },
      (error: unknown) => {
        if (era !== this.#era) return;
        this.#down(error);
        const { clock } = this.#parts;
        const retry = this.#era;
        clock.after(RETRY_MS, () => {
          if (retry === this.#era) this.#up();
        });
      },
    );
  }

  #confirmed(): void {
    this.#life.tell("confirmed");
    this.#lastProblem = "";
    const { adapter, log } = this.#parts;
    log.info({ engine: adapter.name, node: this.node, subscriptions: this.#interest.confirmed }, "cluster link up");
    this.#started?.resolve();
    // What has changed meanwhile.
    this.#wake();
  }

  #down(error: unknown): void {
    const hasChanged = this.#life.tell("down") !== undefined;
    if (this.#life.state === "closed") return;
    this.#era++;
    this.#interest.lost();
    this.#started?.reject(error);
    // An outage may bring the same refusal again and again.
    const problem = messageOf(error);
    if (!hasChanged && problem === this.#lastProblem) return;
    this.#lastProblem = problem;
    const { adapter, log } = this.#parts;
    log.warn({ engine: adapter.name, node: this.node, err: error }, "cluster link down");
  }

  #refused(error: unknown, subjects: readonly string[]): void {
    if (!this.isUp) return;
    const { adapter, log } = this.#parts;
    log.error(
      { engine: adapter.name, subjects, err: error },
      "the engine refuses subscriptions: nothing is heard there",
    );
  }
}

function unavailable(engine: string, error: unknown): SendallError {
  if (isError(error) && error instanceof SendallError) return error;
  const problem = `cluster: ${engine} cannot be had: ${messageOf(error)}`;
  return new SendallError("CLUSTER_UNAVAILABLE", problem, { cause: error });
}
