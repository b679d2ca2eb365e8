/**
 * A server's part in its cluster: hands what its buses send to the other nodes, and what arrives from those to its buses. One envelope
 * for each message, however many it goes to; what one turn sends on a subject is one packet. The server makes it if it has the
 * option `cluster`, starts it first and closes it last.
 */
import { randomBytes } from "node:crypto";
import type { Flushable, Turn } from "../bus/turn.js";
import { type Clock, within } from "../clock.js";
import type { ClusterAdapter, ClusterLink, ClusterNode, Inlet, Logger, Outlet } from "../contracts.js";
import { SendallError } from "../errors.js";
import type { ClusterStats, ConnectionId, Frame } from "../events.js";
import { isPromiseLike } from "../promises.js";
import { encodeFrame } from "../transport/frame.js";
import { type Envelope, packetBytes, readPacket, type Sealed, seal, writePacket } from "./envelope.js";
import { Interest } from "./interest.js";
import type { LinkLife } from "./link.js";
import { Incoming, Outgoing } from "./streams.js";
import { scopeOf, subjectOf, subjectOfNode } from "./subject.js";

export interface RelayParts {
  readonly adapter: ClusterAdapter;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Logger;
  readonly life: LinkLife;
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
/** Missed messages are logged no more often than this. */
const MISSED_MS = 1_000;
/** So many sources of bad packets are logged, each once. */
const MAX_SOURCES = 100;

/** An id that names its node. */
const ID = /^([0-9a-f]{12})\.[!-~]{1,200}$/;

interface Queued {
  readonly subject: string;
  readonly sealed: Sealed;
}

export class Relay implements Flushable {
  /** Names this node. */
  readonly node: string = randomBytes(6).toString("hex");
  readonly #parts: RelayParts;
  readonly #life: LinkLife;
  readonly #interest: Interest;
  readonly #outgoing = new Outgoing();
  readonly #incoming = new Incoming();
  readonly #inlets = new Map<string, Inlet>();
  /** The inlets of routes, without those of channels. */
  readonly #routes: Inlet[] = [];
  #link: ClusterLink | undefined;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #isDirty = false;
  /** Counts how often the link came up or went down: an answer that belongs to the past is not heard. */
  #era = 0;
  #started: { resolve(): void; reject(error: unknown): void } | undefined;
  #lastProblem = "";
  readonly #sources = new Set<string>();
  #missedLogged = { at: Number.NEGATIVE_INFINITY, missed: 0 };
  #published = 0;
  #received = 0;
  #unsent = 0;
  #missed = 0;
  #rejected = 0;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    this.#life = parts.life;
    this.#interest = new Interest(subjectOfNode(this.node), {
      onOver: (subject) => this.#incoming.forget(subject),
      onRefused: (error, subjects) => this.#refused(error, subjects),
    });
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
  outletOf(path: string): Outlet {
    return new RelayOutlet(this, scopeOf(path), (inlet) => this.#routes.push(inlet));
  }

  stats(): ClusterStats {
    const [published, received, unsent, missed] = [this.#published, this.#received, this.#unsent, this.#missed];
    return {
      node: this.node,
      link: this.#life.state,
      subscriptions: this.#interest.confirmed,
      published,
      received,
      unsent,
      missed,
      lost: unsent + missed,
      rejected: this.#rejected,
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

  isElsewhere(id: string): boolean {
    const [, node] = ID.exec(id) ?? [];
    return node !== undefined && node !== this.node;
  }

  attach(scope: string, inlet: Inlet): void {
    this.#inlets.set(scope, inlet);
  }

  want(scope: string, room: string | undefined, inlet: Inlet | undefined): void {
    this.#interest.set(subjectOf(scope, room), inlet && { inlet, room });
    this.#wake();
  }

  /** @param subject absent: that of the node which the target names */
  post(frame: Frame, envelope: Omit<Envelope, "isBinary" | "payload">, subject?: string): 0 | 1 {
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
    this.#parts.turn.dirty(this);
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
          this.#take(subject, packet);
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
    const problem = String(error);
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

  #take(subject: string, bytes: Uint8Array): void {
    if (this.#life.state === "closed") return;
    const packet = readPacket(bytes);
    if ("problem" in packet) {
      const { problem, node, version } = packet;
      this.#reject(problem, subject, problem === "version" ? { node, version } : {});
      return;
    }
    if (packet.node === this.node) return;
    const destination = this.#interest.find(subject);
    const isOwn = subject === subjectOfNode(this.node);
    // The last member has gone while it was on its way.
    if (destination === undefined && !isOwn) return;
    const { envelopes, node } = packet;
    const { known, missed } = this.#incoming.take(subject, packet, envelopes.length);
    if (known > 0) this.#reject("repeated", subject, { node });
    if (missed > 0) this.#miss(missed, node);
    for (const envelope of envelopes.slice(known)) {
      const isGood = destination === undefined ? this.#deliverTo(envelope) : deliver(envelope, destination);
      if (isGood) this.#received++;
      else this.#reject("garbage", subject, { node });
    }
  }

  /** @returns `false` if it is not for one connection of this node */
  #deliverTo(envelope: Envelope): boolean {
    const { target, scope } = envelope;
    if (target === undefined || !target.startsWith(this.node)) return false;
    const frame = frameOf(envelope);
    const inlets = scope === "" ? this.#routes : [this.#inlets.get(scope ?? "")];
    const inlet = inlets.find((one) => one?.has(target)) ?? inlets[0];
    // A connection that has gone, or a route that only others have: both are dead letters.
    inlet?.deliverTo(frame, target);
    return true;
  }

  #miss(missed: number, node: string): void {
    this.#missed += missed;
    const { clock, log } = this.#parts;
    if (clock.now() - this.#missedLogged.at < MISSED_MS) return;
    const since = this.#missed - this.#missedLogged.missed;
    this.#missedLogged = { at: clock.now(), missed: this.#missed };
    log.warn({ from: node, missed: since }, "messages of other nodes were lost on their way");
  }

  #reject(problem: string, subject: string, details: object): void {
    this.#rejected++;
    const source = JSON.stringify([problem, "node" in details ? details.node : subject]);
    if (this.#sources.has(source) || this.#sources.size >= MAX_SOURCES) return;
    this.#sources.add(source);
    const { log } = this.#parts;
    log.warn(
      { subject, problem, ...details },
      "a packet that does not belong here was rejected; more of its kind are counted",
    );
  }
}

/** @returns `false` if it is for one connection */
function deliver(envelope: Envelope, { inlet, room }: { inlet: Inlet; room: string | undefined }): boolean {
  const { target, source, rooms } = envelope;
  if (target !== undefined) return false;
  inlet.deliver(frameOf(envelope), rooms ?? (room === undefined ? undefined : [room]), source);
  return true;
}

/** A string again, so that bytes which are no UTF-8 harm no client. */
function frameOf({ isBinary, payload }: Envelope): Frame {
  return encodeFrame(isBinary ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString());
}

function unavailable(engine: string, error: unknown): SendallError {
  if (error instanceof SendallError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new SendallError("CLUSTER_UNAVAILABLE", `cluster: ${engine} cannot be had: ${why}`, { cause: error });
}

/** The way of one bus. */
class RelayOutlet implements Outlet {
  readonly #relay: Relay;
  readonly #scope: string;
  readonly #onAttached: ((inlet: Inlet) => void) | undefined;
  #inlet: Inlet | undefined;

  constructor(relay: Relay, scope: string, onAttached?: (inlet: Inlet) => void) {
    this.#relay = relay;
    this.#scope = scope;
    this.#onAttached = onAttached;
  }

  attach(inlet: Inlet): void {
    this.#inlet = inlet;
    this.#relay.attach(this.#scope, inlet);
    this.#onAttached?.(inlet);
  }

  isElsewhere(id: string): boolean {
    return this.#relay.isElsewhere(id);
  }

  publish(frame: Frame, rooms: readonly string[] | undefined, except: string | undefined): 0 | 1 {
    if (rooms?.length === 0) return 0;
    // Our own connections are nobody else's to leave out.
    const source = except !== undefined && this.isElsewhere(except) ? except : undefined;
    const [first, second] = rooms ?? [];
    // Several rooms are one envelope, for all nodes that might have members: each member gets it once.
    if (second !== undefined) return this.#relay.post(frame, { source, rooms }, subjectOf(this.#scope, undefined));
    return this.#relay.post(frame, { source }, subjectOf(this.#scope, first));
  }

  unicast(frame: Frame, to: string, anyRoute: boolean): 0 | 1 {
    return this.#relay.post(frame, { target: to, scope: anyRoute ? "" : this.#scope });
  }

  readonly populated = (room: string | undefined, hasMembers: boolean): void => {
    this.#relay.want(this.#scope, room, hasMembers ? this.#inlet : undefined);
  };

  within(name: string): Outlet {
    return new RelayOutlet(this.#relay, scopeOf(name, this.#scope));
  }
}
