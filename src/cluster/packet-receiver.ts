/**
 * The receiving side of the relay: reads each packet, counts losses and rejects, and delivers the messages to the buses of this node.
 * The receiver belongs to the relay, lasts as long as the relay and needs no closing.
 */
import { bufferOf } from "../runtime/buffer-of.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { Frame } from "../transport/frame.js";
import { encodeFrame } from "../transport/frame.js";
import { type ClusterSessions, SESSION_SCOPE } from "./cluster-sessions.js";
import { KEPT, readKept } from "./kept-message.js";
import type { OwnEchoes } from "./own-echoes.js";
import { type Envelope, type Extension, type Packet, plainPacketsOf, readPacket } from "./packet.js";
import { targetOf } from "./presence/exchange.js";
import { PRESENCE } from "./presence/messages.js";
import type { SharedPresences } from "./presence/shared-presences.js";
import type { LocalBus } from "./remote-bus.js";
import { IncomingSequences } from "./sequences.js";
import { isScopeOfRoute, subjectOfNode } from "./subject.js";
import type { Destination, Subscriptions } from "./subscriptions.js";

export interface PacketReceiverParts {
  /** The node's id. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly subscriptions: Subscriptions;
  readonly sessions: Pick<ClusterSessions, "receive">;
  readonly presences: Pick<SharedPresences, "receive">;
  readonly echoes: OwnEchoes;
}

/** Missed messages are logged at most once a second. */
const MISSED_LOG_MS = 1_000;
/** At most 100 sources of bad packets are logged, each source once. */
const MAX_LOGGED_SOURCES = 100;

export class PacketReceiver {
  received = 0;
  missed = 0;
  rejected = 0;
  readonly #parts: PacketReceiverParts;
  readonly #sequences = new IncomingSequences();
  /** By scope: the buses of routes and of channels. */
  readonly #buses = new Map<string, LocalBus>();
  readonly #routeBuses: LocalBus[] = [];
  readonly #loggedSources = new Set<string>();
  readonly #ownSubject: string;
  readonly #isOwnPlain: (bytes: Uint8Array) => boolean;
  #lastMissedLog = { at: Number.NEGATIVE_INFINITY, missed: 0 };

  constructor(parts: PacketReceiverParts) {
    this.#parts = parts;
    this.#ownSubject = subjectOfNode(parts.node);
    this.#isOwnPlain = plainPacketsOf(parts.node);
  }

  attach(scope: string, bus: LocalBus): void {
    this.#buses.set(scope, bus);
    if (isScopeOfRoute(scope)) this.#routeBuses.push(bus);
  }

  onUnsubscribed(subject: string): void {
    this.#sequences.unregister(subject);
    this.#parts.echoes.forget(subject);
  }

  /** Whatever was on its way may be lost. */
  onLinkDown(): void {
    this.#parts.echoes.forgetAll();
    for (const bus of this.#buses.values()) bus.onBreak(undefined);
  }

  /**
   * Delivers the messages of a packet. A packet or message which is repeated, unreadable or misplaced only counts as rejected. Never throws: the
   * engine's client may call from within a parser, where an exception would end the link.
   */
  receive(subject: string, bytes: Uint8Array): void {
    try {
      this.#receive(subject, bytes);
    } catch (error) {
      this.#parts.log.error({ err: error, subject }, "a packet could not be delivered");
    }
  }

  #receive(subject: string, bytes: Uint8Array): void {
    // The engines without `noEcho` hand out each packet of this node to this node, too.
    if (this.#isOwnPlain(bytes)) return;
    const packet = readPacket(bytes);
    if ("problem" in packet) {
      const { problem, node, version } = packet;
      this.#reject(problem, subject, problem === "version" ? { node, version } : {});
      return;
    }
    const isEcho = packet.node === this.#parts.node;
    if (isEcho && !packet.envelopes.some(isKept)) return;
    const destination = this.#parts.subscriptions.find(subject);
    if (destination === undefined && subject !== this.#ownSubject) {
      // The last member left while the packet was on its way. A new member may join before the engine hears of either change,
      // and the packet must not count as missed then.
      this.onUnsubscribed(subject);
      return;
    }
    const { node } = packet;
    const known = this.#register(subject, packet, destination);
    const { envelopes } = packet;
    for (const envelope of known === 0 ? envelopes : envelopes.slice(known)) {
      const isGood = (!isEcho || isKept(envelope)) && this.#receiveEnvelope(node, envelope, destination);
      if (!isGood) this.#reject("garbage", subject, { node });
      else if (!isEcho) this.received++;
    }
  }

  /** Tells the bus if kept messages may be missing. @returns how many messages of the packet arrived before */
  #register(subject: string, packet: Packet, destination: Destination | undefined): number {
    const { node, envelopes } = packet;
    const { known, missed, isSure } = this.#sequences.register(subject, packet, envelopes.length);
    if (known > 0) this.#reject("repeated", subject, { node });
    // Of this node's packets only some come back, with gaps in their numbers.
    const isEcho = node === this.#parts.node;
    const lost = isEcho ? this.#parts.echoes.arrived(subject, packet) : missed;
    if (lost > 0) this.#countMissed(lost, node);
    const isBroken = lost > 0 || (!isEcho && !isSure);
    if (isBroken && destination?.room !== undefined) destination.bus.onBreak(destination.room);
    return known;
  }

  /** @returns `false` for garbage */
  #receiveEnvelope(node: string, envelope: Envelope, destination: Destination | undefined): boolean {
    const { extension } = envelope;
    if (extension !== undefined) return this.#receiveExtension(node, envelope, extension, destination);
    return destination === undefined ? this.#deliverToTarget(envelope) : deliver(envelope, destination);
  }

  /** @returns `false` unless the target is a connection or a session of this node */
  #deliverToTarget(envelope: Envelope): boolean {
    const { target, scope } = envelope;
    if (target === undefined || !target.startsWith(this.#parts.node)) return false;
    if (scope === SESSION_SCOPE) return this.#parts.sessions.receive(target, envelope.payload);
    const frame = frameOf(envelope);
    const buses = scope === "" ? this.#routeBuses : [this.#buses.get(scope ?? "")];
    const bus = buses.find((candidate) => candidate?.has(target)) ?? buses[0];
    // A closed connection, or a route which exists on other nodes only: both are dead letters.
    bus?.deliverTo(frame, target);
    return true;
  }

  /** @returns `false` if the extension cannot be read, or is on the wrong subject; extensions of unknown kinds are skipped */
  #receiveExtension(
    node: string,
    envelope: Envelope,
    { kind, bytes }: Extension,
    to: Destination | undefined,
  ): boolean {
    const { target, scope = "" } = envelope;
    if (to === undefined && target?.startsWith(`${this.#parts.node}.`) !== true) return false;
    if (to !== undefined && target !== undefined) return false;
    if (kind === KEPT) return to !== undefined && deliverKept(envelope, to);
    if (kind !== PRESENCE) return true;
    const { presences } = this.#parts;
    if (to !== undefined)
      return presences.receive(node, to.scope, to.room === undefined ? "bus" : { room: to.room }, bytes);
    return target === targetOf(this.#parts.node) && presences.receive(node, scope, "node", bytes);
  }

  #countMissed(missed: number, node: string): void {
    this.missed += missed;
    const { clock, log } = this.#parts;
    if (clock.now() - this.#lastMissedLog.at < MISSED_LOG_MS) return;
    const since = this.missed - this.#lastMissedLog.missed;
    this.#lastMissedLog = { at: clock.now(), missed: this.missed };
    const whose = node === this.#parts.node ? "kept messages of this node" : "messages of other nodes";
    log.warn({ from: node, missed: since }, `${whose} were lost on their way`);
  }

  #reject(problem: string, subject: string, details: object): void {
    this.rejected++;
    const source = JSON.stringify([problem, "node" in details ? details.node : subject]);
    if (this.#loggedSources.has(source) || this.#loggedSources.size >= MAX_LOGGED_SOURCES) return;
    this.#loggedSources.add(source);
    const { log } = this.#parts;
    log.warn({ subject, problem, ...details }, "an unexpected packet was rejected; further ones are only counted");
  }
}

/** @returns `false` if the envelope names a target, which belongs on the subject of a node */
function deliver(envelope: Envelope, { bus, room }: Destination): boolean {
  const { target, source, rooms } = envelope;
  if (target !== undefined) return false;
  bus.deliver(frameOf(envelope), rooms ?? (room === undefined ? undefined : [room]), source);
  return true;
}

function isKept({ extension }: Envelope): boolean {
  return extension?.kind === KEPT;
}

/** @returns `false` unless a kept message is on the subject of a room */
function deliverKept(envelope: Envelope, { bus, room }: Destination): boolean {
  const message = readKept(envelope);
  if (message === undefined || room === undefined) return false;
  bus.receiveKept(room, message);
  return true;
}

/** Text is decoded and encoded again, so that clients never get bytes which are not valid UTF-8. */
function frameOf({ isBinary, payload }: Envelope): Frame {
  return encodeFrame(isBinary ? payload : bufferOf(payload).toString());
}
