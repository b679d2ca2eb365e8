/** A worker's link of `workers()`, over a port that leads to the hub in the primary process. */

import type { ClusterAdapter, ClusterLink, ClusterNode } from "../../api/cluster-adapter.js";
import type { Timer } from "../../runtime/clock.js";
import { Backlog } from "./backlog.js";
import { isPortMessage, type Port, type PortMessage, type Post, TAG } from "./worker-hub.js";

const MAX_PACKET_BYTES = 8 * 1_048_576;
/** A primary process that has not answered is asked again. */
const ASK_MS = 1_000;

class WorkerLink implements ClusterLink {
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  readonly #node: ClusterNode;
  readonly #prefix: string;
  readonly #port: Port;
  readonly #unlisten: () => void;
  readonly #backlog = new Backlog();
  readonly #rounds = new Map<number, () => void>();
  #posts: Post[] = [];
  #round = 0;
  #asking: Timer | undefined;
  #isUp = false;
  #isClosed = false;

  constructor(node: ClusterNode, prefix: string, port: Port) {
    this.#node = node;
    this.#prefix = `${prefix}.`;
    this.#port = port;
    this.#unlisten = port.listen((message) => {
      if (isPortMessage(message) && message[2] === node.id && !this.#isClosed) this.#take(message);
    });
    this.#ask();
  }

  publish(subject: string, packet: Uint8Array): boolean {
    if (!this.#isUp || this.#isClosed || this.#backlog.isFull) return false;
    const { buffer, byteOffset, byteLength } = packet;
    this.#posts.push([this.#prefix + subject, Buffer.from(buffer, byteOffset, byteLength).toString("base64")]);
    return true;
  }

  flush(): void {
    if (this.#posts.length === 0) return;
    const posts = this.#posts;
    this.#posts = [];
    const confirm = this.#backlog.add(posts.reduce((sum, [, packet]) => sum + packet.length, 0));
    this.#port.send([TAG, "publish", this.#node.id, posts], confirm);
  }

  subscribe(subjects: readonly string[]): Promise<void> {
    const round = ++this.#round;
    const named = subjects.map((subject) => this.#prefix + subject);
    return new Promise((resolve) => {
      this.#rounds.set(round, resolve);
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
    this.#asking?.cancel();
    this.#unlisten();
    this.#rounds.clear();
    // Resolves when all before it is on its way, so that the process may end.
    await new Promise<void>((sent) => this.#port.send([TAG, "bye", this.#node.id], sent));
  }

  #ask(): void {
    this.#send([TAG, "hello", this.#node.id]);
    this.#asking = this.#node.clock.after(ASK_MS, () => {
      this.#node.down(new Error("the primary process does not answer: it has to call workers(), too"));
      this.#ask();
    });
  }

  #take(message: PortMessage): void {
    if (message[1] === "welcome") this.#welcomed();
    else if (message[1] === "subscribed") {
      this.#rounds.get(message[3])?.();
      this.#rounds.delete(message[3]);
    } else if (message[1] === "deliver")
      for (const [subject, packet] of message[3])
        this.#node.received(subject.slice(this.#prefix.length), Buffer.from(packet, "base64"));
  }

  #welcomed(): void {
    this.#asking?.cancel();
    if (this.#isUp) return;
    this.#isUp = true;
    this.#node.up();
  }

  #send(message: PortMessage): void {
    this.#port.send(message, () => {});
  }
}

/** The adapter over any port. */
export function workersOver(port: Port, prefix: string): ClusterAdapter {
  return { name: "workers", open: (node) => new WorkerLink(node, prefix, port) };
}
