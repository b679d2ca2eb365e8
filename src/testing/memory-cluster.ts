/**
 * An engine in memory, for servers that live in one process: tests of programs that run on several nodes. The servers that get the same
 * adapter are one cluster. It takes the same road as a real engine: packets are bytes, and arrive in a step of their own.
 */
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../api/cluster-adapter.js";

const MAX_PACKET_BYTES = 1_048_576;

/** The nodes of one cluster, by the subjects that they have asked for. */
class Switchboard {
  readonly #subscribers = new Map<string, Set<MemoryLink>>();

  publish(subject: string, packet: Uint8Array): void {
    for (const link of this.#subscribers.get(subject) ?? []) link.deliver(subject, packet);
  }

  add(subject: string, link: MemoryLink): void {
    const links = this.#subscribers.get(subject);
    if (links === undefined) this.#subscribers.set(subject, new Set([link]));
    else links.add(link);
  }

  remove(subject: string, link: MemoryLink): void {
    const links = this.#subscribers.get(subject);
    if (links?.delete(link) && links.size === 0) this.#subscribers.delete(subject);
  }

  removeFromAll(link: MemoryLink): void {
    for (const subject of [...this.#subscribers.keys()]) this.remove(subject, link);
  }
}

class MemoryLink implements ClusterLink {
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  readonly #board: Switchboard;
  readonly #node: ClusterNode;
  #isOpen = true;

  constructor(board: Switchboard, node: ClusterNode) {
    this.#board = board;
    this.#node = node;
    this.#soon(() => node.up());
  }

  publish(subject: string, packet: Uint8Array): boolean {
    if (this.#isOpen) this.#board.publish(subject, Uint8Array.from(packet));
    return this.#isOpen;
  }

  flush(): void {}

  subscribe(subjects: readonly string[]): Promise<void> {
    if (this.#isOpen) for (const subject of subjects) this.#board.add(subject, this);
    return new Promise((resolve) => this.#soon(resolve));
  }

  unsubscribe(subjects: readonly string[]): void {
    for (const subject of subjects) this.#board.remove(subject, this);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#board.removeFromAll(this);
  }

  /** In the receiver's time, so that a test decides when. */
  deliver(subject: string, packet: Uint8Array): void {
    this.#soon(() => this.#node.received(subject, packet));
  }

  #soon(step: () => void): void {
    this.#node.clock.soon(() => {
      if (this.#isOpen) step();
    });
  }
}

/**
 * A cluster within one process: give the same adapter to each server (`serve`, or `createTestRuntime`) that belongs to it.
 */
export function memory(): ClusterAdapter {
  const board = new Switchboard();
  return { name: "memory", open: (node) => new MemoryLink(board, node) };
}
