/**
 * The presence of a bus, over the relay: tells the other nodes of this node's entries, and keeps copies of the other nodes' entries for
 * the rooms that this node follows. Each node numbers its own changes; a node that misses a number asks. An exchange is made by
 * `RemoteBus.sharePresence`, and `stop` ends the exchange.
 */
import type { Clock, Timer } from "../../runtime/clock.js";
import type { EnvelopeAddress, Extension } from "../packet.js";
import { subjectOf, subjectOfNode } from "../subject.js";
import { Asks } from "./asks.js";
import type { Answer, Ask, AskAll, Beat, Delta, PresenceMessage, RoomNumber, RoomState } from "./messages.js";
import { PRESENCE, readMessage, UNKNOWN } from "./messages.js";
import { OwnNumbers } from "./own-numbers.js";
import type { Peer } from "./peer.js";
import { Peers } from "./peers.js";
import type { PresenceCopy, PresenceEntry, PresenceOwner, SharedPresence } from "./shared-presence.js";
import type { AnsweredRoom, PacketSizes } from "./writing.js";
import { GOODBYE, splitDelta, writeAnswers, writeAskAll, writeAsks, writeBeats, writeDelta } from "./writing.js";

/** What an exchange needs of the relay. */
export interface PresenceRelay {
  /** The node's id. */
  readonly node: string;
  /** Whether messages reach the other nodes. */
  readonly isUp: boolean;
  readonly packetSizes: PacketSizes;
  /** Does nothing while the link is down. */
  sendExtension(extension: Extension, address: EnvelopeAddress, subject: string): void;
}

export interface PresenceExchangeParts {
  readonly relay: PresenceRelay;
  readonly clock: Clock;
  readonly scope: string;
  readonly owner: PresenceOwner;
}

/** The subject of a message: the node's, the bus's, or the subject of a room. */
export type PresencePlace = "node" | "bus" | { readonly room: string };

const BEAT_MS = 10_000;

/** The target of what is for the presence of a node: no connection has the id. */
export function targetOf(node: string): string {
  return `${node}.presence`;
}

export class PresenceExchange implements SharedPresence {
  readonly #parts: PresenceExchangeParts;
  readonly #own = new OwnNumbers();
  readonly #peers: Peers;
  /** By room: the nodes of which there are copies. Of most rooms that is a small part of the nodes. */
  readonly #present = new Map<string, Set<Peer>>();
  readonly #asks: Asks;
  #beat = 0;
  #answers = 0;
  #beatTimer: Timer | undefined;
  #isStopped = false;

  constructor(parts: PresenceExchangeParts) {
    this.#parts = parts;
    this.#peers = new Peers(parts.clock, (peer) => this.#onGone(peer));
    this.#asks = new Asks(parts.clock, {
      send: (node, rooms) => this.#sendAsk(node, rooms),
      onUnanswered: (node, room) => this.#peers.get(node)?.doubt(room),
    });
  }

  get node(): string {
    return this.#parts.relay.node;
  }

  publish(room: string, changes: ReadonlyMap<string, PresenceEntry | undefined>): void {
    if (this.#isStopped || changes.size === 0) return;
    const { relay, clock, scope, owner } = this.#parts;
    const hasEntries = !isEmpty(owner.entriesOf(room));
    if (!hasEntries && this.#own.of(room) === 0) return;
    const now = clock.now();
    if (relay.isUp) {
      for (const part of splitDelta(changes, relay.packetSizes)) {
        const { from, to } = this.#own.advance(room, now);
        this.#send(writeDelta(from, to, part), subjectOf(scope, room));
      }
    } else this.#own.advance(room, now);
    if (!hasEntries) this.#own.empty(room);
    this.#beatTimer ??= clock.after(BEAT_MS, () => this.#onBeatDue());
  }

  *copiesOf(room: string): Iterable<PresenceCopy> {
    for (const peer of this.#present.get(room) ?? []) yield { node: peer.node, entries: peer.entriesOf(room) };
  }

  follow(room: string): void {
    for (const peer of this.#peers) peer.doubt(room);
  }

  forget(room: string): void {
    for (const peer of this.#peers) peer.forget(room);
    this.#present.delete(room);
    this.#asks.forgetRoom(room);
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (!this.#own.isEmpty) this.#send(GOODBYE, subjectOf(this.#parts.scope, undefined));
    this.#beatTimer?.cancel();
    this.#asks.stop();
    this.#peers.stop();
    this.#present.clear();
  }

  /** From now on the messages on the subject of the room arrive: the nodes with entries are asked. */
  onConfirmed(room: string): void {
    const { owner, scope } = this.#parts;
    if (this.#isStopped || !owner.follows(room)) return;
    const known = new Map<string, number>();
    for (const peer of this.#peers) {
      const number = peer.numberOf(room);
      if (number > 0) known.set(peer.node, number);
    }
    this.#send(writeAskAll(known), subjectOf(scope, room));
  }

  /** The link is up again: the others hear at once that this node is there. */
  onUp(): void {
    if (!this.#isStopped && !this.#own.isEmpty) this.#sendBeats();
  }

  /** @returns `false` for what is no message, or on the wrong subject */
  receive(node: string, place: PresencePlace, bytes: Uint8Array): boolean {
    if (this.#isStopped) return true;
    const message = readMessage(bytes);
    if (message === undefined) return false;
    if (place === "node") return this.#receiveAtNode(node, message);
    return place === "bus" ? this.#receiveAtBus(node, message) : this.#receiveInRoom(node, place.room, message);
  }

  #receiveAtNode(node: string, message: PresenceMessage): boolean {
    if (message.type === "ask") this.#onAsk(node, message);
    else if (message.type === "answer") this.#onAnswer(this.#peers.hear(node), message);
    else return false;
    return true;
  }

  #receiveAtBus(node: string, message: PresenceMessage): boolean {
    if (message.type === "beat") this.#onBeat(this.#peers.hear(node), message);
    else if (message.type === "goodbye") this.#peers.drop(node);
    else return false;
    return true;
  }

  #receiveInRoom(node: string, room: string, message: PresenceMessage): boolean {
    if (message.type === "delta") this.#onDelta(this.#peers.hear(node), room, message);
    else if (message.type === "askAll") this.#onAskAll(node, room, message);
    else return false;
    return true;
  }

  #onDelta(peer: Peer | undefined, room: string, delta: Delta): void {
    if (peer === undefined || !this.#parts.owner.follows(room)) return;
    const keys = peer.applyDelta(room, delta);
    if (keys !== undefined) {
      this.#onApplied(peer, room, keys);
      return;
    }
    peer.doubt(room);
    this.#asks.ask(peer.node, [room]);
  }

  #onAnswer(peer: Peer | undefined, part: Answer): void {
    if (peer === undefined) return;
    const answer = peer.collect(part);
    if (answer === undefined) {
      for (const { room } of part.rooms) this.#asks.postpone(peer.node, room);
      return;
    }
    for (const state of answer.rooms) this.#apply(peer, state, answer.at);
  }

  #onBeat(peer: Peer | undefined, { beat, at, rooms }: Beat): void {
    if (peer === undefined) return;
    const { owner } = this.#parts;
    // Of a node that is new, nothing is certain but the copies.
    if (peer.beat === undefined) for (const room of owner.rooms()) if (peer.numberOf(room) === 0) peer.doubt(room);
    const isMissing = peer.beat !== undefined && beat > peer.beat + 1;
    peer.beat = Math.max(peer.beat ?? 0, beat);
    for (const [room, number] of rooms) {
      if (number === 0) this.#apply(peer, { room, number, entries: [] }, at);
      else if (owner.follows(room) && peer.isOutdated(room, number, at)) peer.doubt(room);
    }
    this.#asks.ask(peer.node, isMissing ? owner.rooms() : peer.unsure());
  }

  #apply(peer: Peer, state: RoomState, at: number): void {
    if (!this.#parts.owner.follows(state.room)) return;
    this.#onApplied(peer, state.room, peer.applyState(state, at));
  }

  #onApplied(peer: Peer, room: string, keys: readonly string[]): void {
    if (peer.numberOf(room) !== UNKNOWN) this.#asks.settle(peer.node, room);
    if (keys.length === 0) return;
    this.#note(peer, room, peer.entriesOf(room).size > 0);
    this.#parts.owner.onCopiesChanged(room, keys);
  }

  /** @param isPresent whether there is a copy of the node's entries in the room */
  #note(peer: Peer, room: string, isPresent: boolean): void {
    const peers = this.#present.get(room) ?? new Set();
    if (isPresent) this.#present.set(room, peers.add(peer));
    else if (peers.delete(peer) && peers.size === 0) this.#present.delete(room);
  }

  #onAsk(node: string, { rooms }: Ask): void {
    this.#answer(
      node,
      rooms.map(([room, known]) => this.#stateOf(room, known)),
    );
  }

  #onAskAll(node: string, room: string, { known }: AskAll): void {
    const number = known.get(this.node) ?? 0;
    if (number !== this.#own.of(room)) this.#answer(node, [this.#stateOf(room, number)]);
  }

  #stateOf(room: string, known: number): AnsweredRoom {
    const number = this.#own.of(room);
    if (number === known) return [room, number];
    return [room, number, number === 0 ? [] : this.#parts.owner.entriesOf(room)];
  }

  #answer(node: string, rooms: readonly AnsweredRoom[]): void {
    const nextId = (): number => ++this.#answers;
    const answers = writeAnswers(nextId, this.#own.counter, rooms, this.#parts.relay.packetSizes);
    for (const part of answers) this.#sendTo(node, part);
  }

  #sendAsk(node: string, rooms: readonly string[]): void {
    const peer = this.#peers.get(node);
    const numbers: RoomNumber[] = rooms.map((room) => [room, peer?.numberOf(room) ?? UNKNOWN]);
    for (const ask of writeAsks(numbers, this.#parts.relay.packetSizes)) this.#sendTo(node, ask);
  }

  #onBeatDue(): void {
    this.#beatTimer = undefined;
    this.#own.forgetOld(this.#parts.clock.now());
    if (this.#own.isEmpty) return;
    this.#sendBeats();
    this.#beatTimer = this.#parts.clock.after(BEAT_MS, () => this.#onBeatDue());
  }

  #sendBeats(): void {
    const { relay, scope } = this.#parts;
    const beats = writeBeats(this.#beat + 1, this.#own.counter, this.#own.recent(), relay.packetSizes);
    // While the link is down, beats count as well: a node that misses a beat asks.
    this.#beat += beats.length;
    for (const beat of beats) this.#send(beat, subjectOf(scope, undefined));
  }

  /** The node's entries have gone. */
  #onGone(peer: Peer): void {
    this.#asks.forgetNode(peer.node);
    for (const room of peer.rooms()) this.#note(peer, room, false);
    for (const room of peer.rooms()) this.#parts.owner.onCopiesChanged(room, peer.entriesOf(room).keys());
  }

  #sendTo(node: string, bytes: Buffer): void {
    const { relay, scope } = this.#parts;
    relay.sendExtension({ kind: PRESENCE, bytes }, { target: targetOf(node), scope }, subjectOfNode(node));
  }

  #send(bytes: Buffer, subject: string): void {
    this.#parts.relay.sendExtension({ kind: PRESENCE, bytes }, {}, subject);
  }
}

function isEmpty(items: Iterable<unknown>): boolean {
  for (const _ of items) return false;
  return true;
}
