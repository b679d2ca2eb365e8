/**
 * A node without a server, by which the tests of adapters open links, publish, and see what arrives. Each test opens nodes of its own, and closes
 * the links.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../api/cluster-adapter.js";
import { createLogger } from "../log/log.js";
import { createClock } from "../runtime/clock.js";

/** The subject of the last packet: when that packet arrives, every earlier packet has arrived. */
export const END = "@end";
/** The option of a packet of the one order of its subject. */
export const ECHO = { echo: true } as const;

/** A node without a server: keeps every packet that arrives. */
export class AdapterNode implements ClusterNode {
  readonly id: string = randomBytes(6).toString("hex");
  readonly clock: ClusterNode["clock"] = createClock();
  readonly log: ClusterNode["log"] = createLogger(false, "test");
  readonly calls: string[] = [];
  readonly arrived: { readonly subject: string; readonly packet: Buffer }[] = [];
  link: ClusterLink | undefined;
  /** What the adapter says. */
  isOrdered = false;
  #wake: () => void = () => {};

  received(subject: string, packet: Uint8Array): void {
    this.arrived.push({ subject, packet: Buffer.from(packet) });
    this.#onCall("received");
  }

  up(): void {
    this.#onCall("up");
  }

  down(error: unknown): void {
    this.#onCall(`down: ${error}`);
  }

  /** Resolves when `holds` returns `true`; asks at first, and after each call of the adapter. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  /** The packets before the last packet of each of `nodes`. */
  async untilEnd(nodes = 1): Promise<{ readonly subject: string; readonly packet: Buffer }[]> {
    await this.until(() => this.arrived.filter(({ subject }) => subject === END).length >= nodes);
    return this.arrived.splice(0).filter(({ subject }) => subject !== END);
  }

  async subscribe(...subjects: string[]): Promise<void> {
    await this.#link.subscribe([...subjects, END]);
  }

  publish(subject: string, packet: Uint8Array | string, ...options: readonly (typeof ECHO)[]): void {
    const bytes = typeof packet === "string" ? Buffer.from(packet) : packet;
    assert.equal(this.#link.publish(subject, bytes, ...options), true, "a link that is up takes a packet");
  }

  /** Publishes the last packet, and flushes the link. */
  publishEnd(...options: readonly (typeof ECHO)[]): void {
    this.publish(END, "end", ...options);
    this.#link.flush();
  }

  unsubscribe(...subjects: string[]): void {
    this.#link.unsubscribe(subjects);
  }

  get #link(): ClusterLink {
    assert.ok(this.link, "the node has been opened");
    return this.link;
  }

  #onCall(call: string): void {
    this.calls.push(call);
    this.#wake();
  }
}

export async function openNode(adapter: ClusterAdapter): Promise<AdapterNode> {
  const node = new AdapterNode();
  node.isOrdered = adapter.isOrdered === true;
  node.link = await adapter.open(node);
  assert.deepEqual(node.calls, [], "the node is not called before there is a link");
  await node.until(() => node.calls.length > 0);
  assert.deepEqual(node.calls, ["up"], "an engine that is there is reported as up, once");
  node.calls.length = 0;
  return node;
}

export function texts(arrived: readonly { readonly packet: Buffer }[]): string[] {
  return arrived.map(({ packet }) => packet.toString());
}
