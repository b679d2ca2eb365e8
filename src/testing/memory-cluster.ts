/**
 * A cluster engine in memory, for servers of a single process: tests of programs for several nodes. Servers with the same adapter form
 * a cluster. As with a real engine, packets are bytes, and each packet arrives in a separate step of the clock. Every subscriber gets every
 * packet in the order of publishing, the publisher too. A link ends with its server.
 */
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../api/cluster-adapter.js";

const MAX_PACKET_BYTES = 1_048_576;

/** The links of a cluster, by subscribed subject. */
class MemoryBroker {
  readonly #subscribers = new Map<string, Set<MemoryClusterLink>>();

  publish(subject: string, packet: Uint8Array): void {
    for (const link of this.#subscribers.get(subject) ?? []) link.deliver(subject, packet);
  }

  add(subject: string, link: MemoryClusterLink): void {
    const links = this.#subscribers.get(subject);
    if (links === undefined) this.#subscribers.set(subject, new Set([link]));
    else links.add(link);
  }

  remove(subject: string, link: MemoryClusterLink): void {
    const links = this.#subscribers.get(subject);
    if (links?.delete(link) && links.size === 0) this.#subscribers.delete(subject);
  }

  removeLink(link: MemoryClusterLink): void {
    for (const subject of [...this.#subscribers.keys()]) this.remove(subject, link);
  }
}

class MemoryClusterLink implements ClusterLink {
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  readonly #broker: MemoryBroker;
  readonly #node: ClusterNode;
  #isOpen = true;

  constructor(broker: MemoryBroker, node: ClusterNode) {
    this.#broker = broker;
    this.#node = node;
    this.#soon(() => node.up());
  }

  publish(subject: string, packet: Uint8Array): boolean {
    if (this.#isOpen) this.#broker.publish(subject, Uint8Array.from(packet));
    return this.#isOpen;
  }

  flush(): void {}

  subscribe(subjects: readonly string[]): Promise<void> {
    if (this.#isOpen) for (const subject of subjects) this.#broker.add(subject, this);
    return new Promise((resolve) => this.#soon(resolve));
  }

  unsubscribe(subjects: readonly string[]): void {
    for (const subject of subjects) this.#broker.remove(subject, this);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#broker.removeLink(this);
  }

  /** The packet arrives in a step of the receiver's clock, so a test decides when. */
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
 * A cluster within one process: give the same adapter to each server (`serve`, or `createTestRuntime`) of the cluster.
 *
 * @example
 * ```ts
 * import { createTestRuntime } from "sendall/testing";
 * import { memory } from "sendall/testing/cluster-adapter";
 * import { expect, test } from "vitest";
 *
 * test("a message reaches the clients of both nodes", async () => {
 *   const cluster = memory();
 *   await using here = createTestRuntime({ cluster, handler: (event, bus) => event.type === "message" && bus.sendall(event.data) });
 *   await using there = createTestRuntime({ cluster, handler() {} });
 *   const ann = await here.connect();
 *   const bob = await there.connect();
 *   ann.send("hi");
 *   await here.settle();
 *   expect(bob.take()).toEqual(["hi"]);
 * });
 * ```
 */
export function memory(): ClusterAdapter {
  const broker = new MemoryBroker();
  return { name: "memory", isOrdered: true, open: (node) => new MemoryClusterLink(broker, node) };
}
