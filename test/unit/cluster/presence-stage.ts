/** The stage of the tests of presence in a cluster: relays over an adapter in memory, with owners of entries in the test's hands, in virtual time. */
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../../src/api/cluster-adapter.js";
import type { Data } from "../../../src/api/connection.js";
import { LinkMachine } from "../../../src/cluster/link.js";
import { readPacket } from "../../../src/cluster/packet.js";
import type { PresenceEntry, PresenceOwner, SharedPresence } from "../../../src/cluster/presence/shared-presence.js";
import { Relay } from "../../../src/cluster/relay.js";
import type { LocalBus, OrderedMessage, RemoteBus } from "../../../src/cluster/remote-bus.js";
import { Turn } from "../../../src/runtime/turn.js";
import { createServerActor } from "../../../src/server/server-actor.js";
import { memory } from "../../../src/testing/memory-cluster.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";
import { encodeFrame } from "../../../src/transport/frame.js";
import { Lines } from "../stage.js";

/** The presence flag of an envelope. */
const EXTENSION = 16;
const HEADER_BYTES = 19;

/** A packet on its way, of presence or of users. */
export interface SentPacket {
  readonly node: string;
  readonly subject: string;
  readonly isPresence: boolean;
  /** Whether the packet was published with `echo`. */
  readonly isEcho: boolean;
  readonly bytes: Uint8Array;
}

/** The messages of presence in a packet. */
export function messagesIn({ bytes }: SentPacket): Record<string, unknown>[] {
  const packet = readPacket(bytes);
  if ("problem" in packet) throw new Error(packet.problem);
  return packet.envelopes.map(({ extension }) => JSON.parse(Buffer.from(extension?.bytes ?? []).toString()));
}

export function typesOf(packets: readonly SentPacket[]): unknown[] {
  return packets.flatMap(messagesIn).map(({ type }) => type);
}

/** The engine between the nodes: counts packets, and loses what the test wants lost. */
export class Wire implements ClusterAdapter {
  readonly name = "memory";
  readonly isOrdered = true;
  readonly sent: SentPacket[] = [];
  readonly #memory = memory();
  readonly #cut = new Map<string, ClusterNode>();
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #maxPacketBytes: number | undefined;
  /** The engine takes what a node subscribes to when the promise has resolved. */
  confirming: Promise<void> = Promise.resolve();
  /** Whether a packet is lost on its way to a node. */
  isLost: (packet: SentPacket, to: string) => boolean = () => false;
  /** The bytes of a packet as a node gets them. */
  change: (packet: SentPacket, to: string) => Uint8Array = ({ bytes }) => bytes;

  constructor(maxPacketBytes?: number) {
    this.#maxPacketBytes = maxPacketBytes;
  }

  open(node: ClusterNode): ClusterLink {
    const seen: ClusterNode = {
      ...node,
      received: (subject, packet) => {
        const sent = this.#read(Buffer.from(packet).toString("hex", 3, 9), subject, packet);
        if (!this.#cut.has(node.id) && !this.isLost(sent, node.id)) node.received(subject, this.change(sent, node.id));
      },
    };
    this.#nodes.set(node.id, node);
    const link = this.#memory.open(seen);
    if ("then" in link) throw new Error("the cluster in memory opens at once");
    return {
      maxPacketBytes: this.#maxPacketBytes ?? link.maxPacketBytes,
      publish: (subject, packet, options) => {
        if (this.#cut.has(node.id)) return false;
        this.sent.push(this.#read(node.id, subject, packet, options?.echo));
        return link.publish(subject, packet, options);
      },
      flush: () => link.flush(),
      subscribe: (subjects) => this.confirming.then(() => link.subscribe(subjects)),
      unsubscribe: (subjects) => link.unsubscribe(subjects),
      close: () => link.close(),
    };
  }

  /** The node neither hears nor is heard. @param isNoticed whether the node is told that the link is down */
  cut(node: string, isNoticed: boolean): void {
    const host = this.#nodes.get(node);
    if (host === undefined) throw new Error("there is no such node");
    this.#cut.set(node, host);
    if (isNoticed) host.down(new Error("cut"));
  }

  mend(node: string): void {
    this.#cut.get(node)?.up();
    this.#cut.delete(node);
  }

  /** A packet arrives at a node, whoever has sent it. */
  inject(node: string, subject: string, packet: Uint8Array): void {
    this.#nodes.get(node)?.received(subject, packet);
  }

  /** The packets of presence since the last call. */
  takePresence(): SentPacket[] {
    const packets = this.sent.filter(({ isPresence }) => isPresence);
    this.sent.length = 0;
    return packets;
  }

  #read(node: string, subject: string, bytes: Uint8Array, isEcho = false): SentPacket {
    return { node, subject, isPresence: ((bytes[HEADER_BYTES] ?? 0) & EXTENSION) !== 0 && !isEcho, isEcho, bytes };
  }
}

/** A call of `onCopiesChanged`. */
interface Change {
  readonly at: number;
  readonly room: string;
  readonly keys: readonly string[];
}

export class StageNode implements PresenceOwner, LocalBus {
  readonly relay: Relay;
  readonly log = new Lines();
  readonly entries = new Map<string, Map<string, PresenceEntry>>();
  readonly members = new Set<string>();
  readonly changes: Change[] = [];
  /** What has arrived in the order of all nodes. */
  readonly kept: { readonly room: string; readonly data: string; readonly at: number; readonly source?: string }[] = [];
  /** Kept messages, and breaks between the messages. */
  readonly events: string[] = [];
  /** What users of other nodes have sent. */
  readonly delivered: string[] = [];
  readonly turn: Turn;
  readonly bus: RemoteBus;
  readonly shared: SharedPresence | undefined;
  readonly #clock: HandClock;

  constructor(adapter: ClusterAdapter, clock: HandClock, node: string, hasPresence: boolean) {
    this.#clock = clock;
    this.turn = new Turn(clock);
    const actor = createServerActor(clock, (error) => {
      throw error;
    });
    const { log, turn } = this;
    this.relay = new Relay({ adapter, clock, turn, log, linkMachine: new LinkMachine(actor), node });
    this.bus = this.relay.busOfRoute("/");
    this.bus.attach(this);
    this.shared = hasPresence ? this.bus.sharePresence(this) : undefined;
  }

  get presence(): SharedPresence {
    if (this.shared === undefined) throw new Error("the node has no presence");
    return this.shared;
  }

  entriesOf(room: string): Iterable<PresenceEntry> {
    return this.entries.get(room)?.values() ?? [];
  }

  follows(room: string): boolean {
    return this.members.has(room);
  }

  rooms(): Iterable<string> {
    return this.members;
  }

  onCopiesChanged(room: string, keys: Iterable<string>): void {
    this.changes.push({ at: this.#clock.now(), room, keys: [...keys].sort() });
  }

  deliver(frame: { readonly data: unknown }): void {
    this.delivered.push(String(frame.data));
  }

  has(): boolean {
    return false;
  }

  deliverTo(): void {}

  receiveKept(room: string, { bytes, isBinary, source, at }: OrderedMessage): void {
    const data = isBinary ? Buffer.from(bytes).toString("hex") : Buffer.from(bytes).toString();
    this.kept.push({ room, data, at, ...(source !== undefined && { source }) });
    this.events.push(data);
  }

  onBreak(room: string | undefined): void {
    this.events.push(`break of ${room ?? "every room"}`);
  }

  /** Sends a message that is kept. */
  keep(room: string, data: Data, { source, at = 0 }: { source?: string; at?: number } = {}): 0 | 1 {
    return this.bus.publishKept(encodeFrame(data), room, source, at);
  }

  /** A first member of the node in the room. */
  enter(room: string): void {
    if (this.members.size === 0) this.bus.onOccupancyChanged(undefined, true);
    this.members.add(room);
    this.shared?.follow(room);
    this.bus.onOccupancyChanged(room, true);
  }

  /** The last member of the node leaves the room. */
  leave(room: string): void {
    this.members.delete(room);
    this.shared?.forget(room);
    this.bus.onOccupancyChanged(room, false);
    if (this.members.size === 0) this.bus.onOccupancyChanged(undefined, false);
  }

  /** Changes entries, and tells the others. */
  change(room: string, ...changes: readonly (PresenceEntry | string)[]): void {
    const entries = this.entries.get(room) ?? new Map<string, PresenceEntry>();
    this.entries.set(room, entries);
    const told = new Map<string, PresenceEntry | undefined>();
    for (const entry of changes) {
      const key = typeof entry === "string" ? entry : entry.key;
      if (typeof entry === "string") entries.delete(key);
      else entries.set(key, entry);
      told.set(key, typeof entry === "string" ? undefined : entry);
    }
    this.shared?.publish(room, told);
  }

  /** What the node knows of the others: node, then the entries by key. */
  copies(room: string): Record<string, Record<string, PresenceEntry>> {
    return Object.fromEntries(
      [...this.presence.copiesOf(room)].map(({ node, entries }) => [node, Object.fromEntries(entries)]),
    );
  }

  /** The keys of the others' entries. */
  keys(room: string): string[] {
    return [...this.presence.copiesOf(room)].flatMap(({ entries }) => [...entries.keys()]).sort();
  }
}

export function entry(key: string, more: Partial<PresenceEntry> = {}): PresenceEntry {
  return { key, info: null, infoAt: 0, isShown: false, since: 0, connections: 1, away: false, ...more };
}

/** Nodes with a common clock. */
export class Stage {
  readonly clock = new HandClock();
  readonly wire: Wire;
  readonly nodes: StageNode[] = [];

  constructor(wire = new Wire()) {
    this.wire = wire;
  }

  static async of(count: number, wire?: Wire): Promise<Stage> {
    const stage = new Stage(wire);
    for (let i = 0; i < count; i++) await stage.add();
    return stage;
  }

  async add(hasPresence = true): Promise<StageNode> {
    const id = (this.nodes.length + 1).toString(16).padStart(12, "0");
    const node = new StageNode(this.wire, this.clock, id, hasPresence);
    this.nodes.push(node);
    const opened = node.relay.open();
    await this.settle();
    await opened;
    return node;
  }

  node(index: number): StageNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error("there is no such node");
    return node;
  }

  /** Runs what is due now. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet++) {
      // What an engine has confirmed goes on in a chain of promises.
      for (let i = 0; i < 10; i++) await undefined;
      if (this.clock.hasSteps) quiet = -1;
      this.clock.runSteps();
    }
  }

  /** Lets time pass, alarm by alarm. */
  async pass(ms: number): Promise<void> {
    const limit = this.clock.now() + ms;
    await this.settle();
    while (this.clock.ringNext(limit)) await this.settle();
  }
}
