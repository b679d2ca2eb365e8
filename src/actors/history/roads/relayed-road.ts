/**
 * The road through a cluster whose adapter orders (`ClusterAdapter.isOrdered`), with a store in memory on each node: a kept message goes to all nodes with
 * members, and is kept and delivered when it comes back. What a node has not heard without a break is forgotten.
 */
import type { Receipt } from "../../../api/bus.js";
import type { KeptListener, OrderedMessage, RemoteBus } from "../../../cluster/remote-bus.js";
import { encodeFrame } from "../../../transport/frame.js";
import { textOf } from "../stamped-frames.js";
import { append, type KeptMessage, type Road, type RoadParts, refuse, SENT_ON } from "./road.js";

export class RelayedRoad implements Road, KeptListener {
  readonly isDelayed = false;
  readonly #parts: RoadParts;
  readonly #remoteBus: RemoteBus;
  /** The rooms with members, which this node hears. */
  readonly #heard = new Set<string>();

  constructor(parts: RoadParts, remoteBus: RemoteBus) {
    this.#parts = parts;
    this.#remoteBus = remoteBus;
  }

  send(message: KeptMessage): Receipt {
    const { plain, room, source, at } = message;
    return this.#remoteBus.publishKept(plain, room, source, at) === 1 ? SENT_ON : refuse(message, this.#parts);
  }

  /** A message has come back, or has come from another node. */
  receiveKept(room: string, { bytes, isBinary, source, at }: OrderedMessage): void {
    const { deliver, frames } = this.#parts;
    const plain = encodeFrame(isBinary ? bytes : textOf(bytes));
    const message = { room, plain, bytes: plain.wire.subarray(plain.wire.length - plain.payloadBytes), source, at };
    const position = append(message, this.#parts);
    deliver(frames.make(plain, message.bytes, position), room, source, position);
  }

  /** Messages of the room, or of every room, may not have come. */
  onBreak(room: string | undefined): void {
    const { rooms } = this.#parts;
    if (room !== undefined) rooms.forget(room);
    else for (const heard of this.#heard) rooms.forget(heard);
  }

  ready(): undefined {}

  onOccupied(room: string): void {
    this.#heard.add(room);
  }

  onEmptied(room: string): void {
    this.#heard.delete(room);
    this.#parts.rooms.forget(room);
  }

  stop(): void {}
}
