/**
 * The kept packets of this node that are to come back from the engine, by subject: what has not come back before a later packet is lost. Packets
 * are awaited on subjects that the node hears. The table belongs to the relay and lasts as long.
 */
import { Fifo } from "../runtime/fifo.js";
import type { PacketHeader } from "./packet.js";

/** Minutes of a busy node. An engine with more packets under way is about to be given up, and gets no further packet. */
const MAX_AWAITED = 100_000;

type Place = Pick<PacketHeader, "stream" | "first">;

interface AwaitedPacket {
  stream: number;
  first: number;
  /** 0 for a packet that the engine has not taken. */
  messages: number;
}

function isBefore(one: Place, other: Place): boolean {
  return one.stream < other.stream || (one.stream === other.stream && one.first < other.first);
}

export class OwnEchoes {
  readonly #subjects = new Map<string, Fifo<AwaitedPacket>>();
  readonly #max: number;
  #size = 0;

  constructor(max: number = MAX_AWAITED) {
    this.#max = max;
  }

  /** MUST be called before the packet is published, since an engine may answer at once. @returns `false` if too many packets are under way */
  expect(subject: string, { stream, first }: Place, messages: number): boolean {
    if (this.#size >= this.#max) return false;
    const awaited = this.#subjects.get(subject) ?? new Fifo<AwaitedPacket>();
    this.#subjects.set(subject, awaited);
    if (awaited.last?.messages === 0) Object.assign(awaited.last, { stream, first, messages });
    else {
      awaited.push({ stream, first, messages });
      this.#size++;
    }
    return true;
  }

  /** The engine has not taken the packet that was expected last. */
  withdraw(subject: string): void {
    const last = this.#subjects.get(subject)?.last;
    if (last !== undefined) last.messages = 0;
  }

  /** A packet has come back. @returns how many messages of earlier packets are lost */
  arrived(subject: string, place: Place): number {
    const awaited = this.#subjects.get(subject);
    if (awaited === undefined) return 0;
    let lost = 0;
    for (let { first } = awaited; first !== undefined && !isBefore(place, first); { first } = awaited) {
      awaited.shift();
      this.#size--;
      if (isBefore(first, place)) lost += first.messages;
      else if (first.messages > 0) break;
    }
    if (awaited.size === 0) this.#subjects.delete(subject);
    return lost;
  }

  /** The node no longer hears the subject. */
  forget(subject: string): void {
    this.#size -= this.#subjects.get(subject)?.size ?? 0;
    this.#subjects.delete(subject);
  }

  forgetAll(): void {
    this.#subjects.clear();
    this.#size = 0;
  }
}
