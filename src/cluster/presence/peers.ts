/** The other nodes that the presence of a bus has heard of. Belongs to the exchange of the bus; `stop` cancels the timer. */
import type { Clock, Timer } from "../../runtime/clock.js";
import { Peer } from "./peer.js";

/** 30 s, and a second more for the beat that is due by then. */
const UNHEARD_MS = 31_000;
/** As many nodes as the tables of sequence numbers know. */
const MAX_PEERS = 1_000;

export class Peers {
  readonly #clock: Clock;
  /** The node was not heard for 30 s, or has said goodbye. */
  readonly #onGone: (peer: Peer) => void;
  readonly #peers = new Map<string, Peer>();
  #timer: Timer | undefined;

  constructor(clock: Clock, onGone: (peer: Peer) => void) {
    this.#clock = clock;
    this.#onGone = onGone;
  }

  [Symbol.iterator](): Iterator<Peer> {
    return this.#peers.values();
  }

  get(node: string): Peer | undefined {
    return this.#peers.get(node);
  }

  /** A message of the node has come. @returns `undefined` if there are too many nodes */
  hear(node: string): Peer | undefined {
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      if (this.#peers.size >= MAX_PEERS) return undefined;
      peer = new Peer(node, 0);
      this.#peers.set(node, peer);
      this.#timer ??= this.#clock.after(UNHEARD_MS, () => this.#dropUnheard());
    }
    peer.heardAt = this.#clock.now();
    return peer;
  }

  drop(node: string): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    this.#peers.delete(node);
    this.#onGone(peer);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#peers.clear();
  }

  #dropUnheard(): void {
    const now = this.#clock.now();
    this.#timer = undefined;
    for (const { node, heardAt } of [...this.#peers.values()]) if (now - heardAt >= UNHEARD_MS) this.drop(node);
    const next = Math.min(...Array.from(this.#peers.values(), ({ heardAt }) => heardAt)) + UNHEARD_MS;
    if (this.#peers.size > 0) this.#timer = this.#clock.after(next - now, () => this.#dropUnheard());
  }
}
