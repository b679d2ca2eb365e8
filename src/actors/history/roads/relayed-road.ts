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
  /** The rooms with members. */
  readonly #occupied = new Set<string>();
  /** What followers wait for, of rooms that are not heard yet. */
  readonly #waiting = new Map<string, { readonly heard: Promise<void>; readonly resolve: () => void }>();

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
    // A message on its way from before the room was empty: others may be missing before the next.
    if (!this.#remoteBus.isHeard(room)) return;
    const { deliver, frames } = this.#parts;
    const plain = encodeFrame(isBinary ? bytes : textOf(bytes));
    const message = { room, plain, bytes: plain.wire.subarray(plain.wire.length - plain.payloadBytes), source, at };
    const position = append(message, this.#parts);
    deliver(frames.make(plain, message.bytes, position), room, source, position);
  }

  /** Messages of the room, or of every room, may not have come. */
  onBreak(room: string | undefined): void {
    const { rooms } = this.#parts;
    for (const broken of room === undefined ? this.#occupied : [room]) {
      rooms.forget(broken);
      this.#endWait(broken);
    }
  }

  ready(room: string): Promise<void> | undefined {
    if (this.#remoteBus.isHeard(room)) return undefined;
    const waiting = this.#waiting.get(room) ?? later();
    this.#waiting.set(room, waiting);
    return waiting.heard;
  }

  onOccupied(room: string): void {
    this.#occupied.add(room);
  }

  onEmptied(room: string): void {
    this.#occupied.delete(room);
    this.#parts.rooms.forget(room);
    this.#waiting.delete(room);
  }

  stop(): void {
    this.#waiting.clear();
  }

  #endWait(room: string): void {
    if (!this.#remoteBus.isHeard(room)) return;
    this.#waiting.get(room)?.resolve();
    this.#waiting.delete(room);
  }
}

function later(): { readonly heard: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {};
  const heard = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { heard, resolve };
}
