/**
 * A node's link to the hub of `workers()`, over a port between the worker and the primary process. The relay of the node's server
 * opens and closes the link.
 */
import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import type { Timer } from "../../runtime/clock.js";
import { Backlog } from "./backlog.js";
import { type EncodedPacket, isPortMessage, type Port, type PortMessage, TAG } from "./worker-protocol.js";

const MAX_PACKET_BYTES = 8 * 1_048_576;
/** A primary process without an answer gets another `hello` after this time. */
const HELLO_MS = 1_000;

class WorkerLink implements ClusterLink {
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  readonly #node: ClusterNode;
  readonly #prefix: string;
  readonly #port: Port;
  readonly #unlisten: () => void;
  readonly #backlog = new Backlog();
  /** By round: resolves a call of `subscribe`. */
  readonly #pendingSubscriptions = new Map<number, () => void>();
  #batch: EncodedPacket[] = [];
  #round = 0;
  #helloTimer: Timer | undefined;
  #isUp = false;
  #isClosed = false;

  constructor(node: ClusterNode, prefix: string, port: Port) {
    this.#node = node;
    this.#prefix = `${prefix}.`;
    this.#port = port;
    this.#unlisten = port.listen((message) => {
      if (isPortMessage(message) && message[2] === node.id && !this.#isClosed) this.#onMessage(message);
    });
    this.#sayHello();
  }

  publish(subject: string, packet: Uint8Array, options?: { readonly echo?: true }): boolean {
    if (!this.#isUp || this.#isClosed || this.#backlog.isFull) return false;
    const { buffer, byteOffset, byteLength } = packet;
    const named = this.#prefix + subject;
    const encoded = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
    this.#batch.push(options?.echo === true ? [named, encoded, true] : [named, encoded]);
    return true;
  }

  flush(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    const confirmed = this.#backlog.add(batch.reduce((sum, [, packet]) => sum + packet.length, 0));
    this.#port.send([TAG, "publish", this.#node.id, batch], confirmed);
  }

  subscribe(subjects: readonly string[]): Promise<void> {
    const round = ++this.#round;
    const named = subjects.map((subject) => this.#prefix + subject);
    return new Promise((resolve) => {
      this.#pendingSubscriptions.set(round, resolve);
      this.#send([TAG, "subscribe", this.#node.id, named, round]);
    });
  }

  unsubscribe(subjects: readonly string[]): void {
    if (this.#isClosed) return;
    const named = subjects.map((subject) => this.#prefix + subject);
    this.#send([TAG, "unsubscribe", this.#node.id, named]);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    this.#helloTimer?.cancel();
    this.#unlisten();
    this.#pendingSubscriptions.clear();
    // `bye` goes out after every earlier message, so that the process may exit when `sent` is called.
    await new Promise<void>((sent) => this.#port.send([TAG, "bye", this.#node.id], sent));
  }

  #sayHello(): void {
    this.#send([TAG, "hello", this.#node.id]);
    this.#helloTimer = this.#node.clock.after(HELLO_MS, () => {
      this.#node.down(new Error("the primary process does not answer: it has to call workers(), too"));
      this.#sayHello();
    });
  }

  #onMessage(message: PortMessage): void {
    if (message[1] === "welcome") this.#onWelcome();
    else if (message[1] === "subscribed") {
      this.#pendingSubscriptions.get(message[3])?.();
      this.#pendingSubscriptions.delete(message[3]);
    } else if (message[1] === "deliver")
      for (const [subject, packet] of message[3])
        this.#node.received(subject.slice(this.#prefix.length), Buffer.from(packet, "base64"));
  }

  #onWelcome(): void {
    this.#helloTimer?.cancel();
    if (this.#isUp) return;
    this.#isUp = true;
    this.#node.up();
  }

  #send(message: PortMessage): void {
    this.#port.send(message, () => {});
  }
}

/** @param port leads to the hub */
export function workersOver(port: Port, prefix: string): ClusterAdapter {
  return { name: "workers", isOrdered: true, open: (node) => new WorkerLink(node, prefix, port) };
}
