/**
 * The engine of `workers()`: runs in the primary process and passes packets between the nodes of the workers, by subject. `workers.ts`
 * makes the hub, which lasts as long as the process; a worker is unregistered when its channel closes.
 */
import { type EncodedPacket, isPortMessage, type Port, type PortMessage, TAG } from "./worker-protocol.js";

/** What a worker that reads nothing may keep waiting; further packets for the worker are lost, and counted there as missed. */
const MAX_WAITING_BYTES = 16 * 1_048_576;

/** A node in a worker: each server with `workers()` is a node. */
interface WorkerNode {
  readonly worker: ConnectedWorker;
  readonly id: string;
}

/** A worker process. */
interface ConnectedWorker {
  readonly port: Port;
  readonly nodes: Map<string, WorkerNode>;
  /** Bytes of packets handed to the port and not yet sent. */
  waitingBytes: number;
}

export class WorkerHub {
  readonly #subscribers = new Map<string, Set<WorkerNode>>();

  /** @returns unregisters the worker: MUST be called when its channel has closed */
  add(port: Port): () => void {
    const worker: ConnectedWorker = { port, nodes: new Map(), waitingBytes: 0 };
    const unlisten = port.listen((message) => {
      if (isPortMessage(message)) this.#onMessage(worker, message);
    });
    return () => {
      unlisten();
      for (const node of worker.nodes.values()) this.#unregister(node);
    };
  }

  #onMessage(worker: ConnectedWorker, message: PortMessage): void {
    const [, verb, id] = message;
    const node = worker.nodes.get(id) ?? { worker, id };
    if (verb === "hello") {
      worker.nodes.set(id, node);
      this.#send(worker, [TAG, "welcome", id], 0);
    } else if (verb === "subscribe") {
      const [, , , subjects, round] = message;
      for (const subject of subjects) this.#subscribe(subject, node);
      this.#send(worker, [TAG, "subscribed", id, round], 0);
    } else if (verb === "unsubscribe") for (const subject of message[3]) this.#unsubscribe(subject, node);
    else if (verb === "publish") this.#publish(message[3], node);
    else if (verb === "bye") this.#unregister(node);
  }

  /**
   * Sends each subscriber a single message, with the packets of every subject that the subscriber has asked for. The order in which messages
   * reach the hub is the one order of packets with `echo`.
   */
  #publish(packets: readonly EncodedPacket[], from: WorkerNode): void {
    const batches = new Map<WorkerNode, EncodedPacket[]>();
    for (const packet of packets)
      for (const node of this.#subscribers.get(packet[0]) ?? []) {
        if (node === from && packet[2] !== true) continue;
        const batch = batches.get(node);
        if (batch === undefined) batches.set(node, [packet]);
        else batch.push(packet);
      }
    for (const [{ worker, id }, batch] of batches) {
      const bytes = batch.reduce((sum, [, packet]) => sum + packet.length, 0);
      if (worker.waitingBytes + bytes <= MAX_WAITING_BYTES) this.#send(worker, [TAG, "deliver", id, batch], bytes);
    }
  }

  #send(worker: ConnectedWorker, message: PortMessage, bytes: number): void {
    worker.waitingBytes += bytes;
    worker.port.send(message, () => {
      worker.waitingBytes -= bytes;
    });
  }

  #subscribe(subject: string, node: WorkerNode): void {
    const nodes = this.#subscribers.get(subject);
    if (nodes === undefined) this.#subscribers.set(subject, new Set([node]));
    else nodes.add(node);
  }

  #unsubscribe(subject: string, node: WorkerNode): void {
    const nodes = this.#subscribers.get(subject);
    if (nodes?.delete(node) && nodes.size === 0) this.#subscribers.delete(subject);
  }

  #unregister(node: WorkerNode): void {
    node.worker.nodes.delete(node.id);
    for (const subject of [...this.#subscribers.keys()]) this.#unsubscribe(subject, node);
  }
}
