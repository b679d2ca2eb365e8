/**
 * The engine of `workers()`: stands in the primary process and passes packets on between its workers, to those that have asked for
 * the subject. Packets travel as base64, since the channel between processes is JSON unless the program chooses otherwise.
 */

/** One end of the channel between the primary process and a worker. */
export interface Port {
  /** @param sent called when the message is on its way, or lost */
  send(message: PortMessage, sent: () => void): void;
  /** @returns what ends it */
  listen(listener: (message: unknown) => void): () => void;
}

/** A subject and a packet in base64. */
export type Post = readonly [subject: string, packet: string];

/** What goes through a port, both ways; `node` is the node in the worker that it is from or for. */
export type PortMessage =
  | readonly [tag: typeof TAG, verb: "hello" | "welcome" | "bye", node: string]
  | readonly [tag: typeof TAG, verb: "subscribe", node: string, subjects: readonly string[], round: number]
  | readonly [tag: typeof TAG, verb: "subscribed", node: string, round: number]
  | readonly [tag: typeof TAG, verb: "unsubscribe", node: string, subjects: readonly string[]]
  | readonly [tag: typeof TAG, verb: "publish" | "deliver", node: string, posts: readonly Post[]];

/** Tells our messages from the program's own. */
export const TAG = "sendall";
/** A worker that takes nothing is not waited for: what is more is lost to it, and it counts that. */
const MAX_WAITING = 16 * 1_048_576;

export function isPortMessage(message: unknown): message is PortMessage {
  return Array.isArray(message) && message[0] === TAG;
}

/** One node of a worker. */
interface WorkerNode {
  readonly worker: Guesthouse;
  readonly node: string;
}

/** One worker. */
interface Guesthouse {
  readonly port: Port;
  readonly guests: Map<string, WorkerNode>;
  waiting: number;
}

export class Hub {
  readonly #subscribers = new Map<string, Set<WorkerNode>>();

  /** @returns to be called when the worker has gone */
  add(port: Port): () => void {
    const worker: Guesthouse = { port, guests: new Map(), waiting: 0 };
    const unlisten = port.listen((message) => {
      if (isPortMessage(message)) this.#take(worker, message);
    });
    return () => {
      unlisten();
      for (const guest of worker.guests.values()) this.#forget(guest);
    };
  }

  #take(worker: Guesthouse, message: PortMessage): void {
    const [, verb, node] = message;
    const guest = worker.guests.get(node) ?? { worker, node };
    if (verb === "hello") {
      worker.guests.set(node, guest);
      this.#send(worker, [TAG, "welcome", node], 0);
    } else if (verb === "subscribe") {
      const [, , , subjects, round] = message;
      for (const subject of subjects) this.#subscribe(subject, guest);
      this.#send(worker, [TAG, "subscribed", node, round], 0);
    } else if (verb === "unsubscribe") for (const subject of message[3]) this.#unsubscribe(subject, guest);
    else if (verb === "publish") this.#publish(message[3], guest);
    else if (verb === "bye") this.#forget(guest);
  }

  /** One message for each node, with all that it has asked for. */
  #publish(posts: readonly Post[], from: WorkerNode): void {
    const mail = new Map<WorkerNode, Post[]>();
    for (const post of posts)
      for (const guest of this.#subscribers.get(post[0]) ?? []) {
        const letters = mail.get(guest);
        if (guest === from) continue;
        if (letters === undefined) mail.set(guest, [post]);
        else letters.push(post);
      }
    for (const [{ worker, node }, letters] of mail) {
      const bytes = letters.reduce((sum, [, packet]) => sum + packet.length, 0);
      if (worker.waiting + bytes <= MAX_WAITING) this.#send(worker, [TAG, "deliver", node, letters], bytes);
    }
  }

  #send(worker: Guesthouse, message: PortMessage, bytes: number): void {
    worker.waiting += bytes;
    worker.port.send(message, () => {
      worker.waiting -= bytes;
    });
  }

  #subscribe(subject: string, guest: WorkerNode): void {
    const guests = this.#subscribers.get(subject);
    if (guests === undefined) this.#subscribers.set(subject, new Set([guest]));
    else guests.add(guest);
  }

  #unsubscribe(subject: string, guest: WorkerNode): void {
    const guests = this.#subscribers.get(subject);
    if (guests?.delete(guest) && guests.size === 0) this.#subscribers.delete(subject);
  }

  #forget(guest: WorkerNode): void {
    guest.worker.guests.delete(guest.node);
    for (const subject of [...this.#subscribers.keys()]) this.#unsubscribe(subject, guest);
  }
}
