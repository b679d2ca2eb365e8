/**
 * Sequence numbers of outgoing and incoming messages, so that losses are counted and no message is delivered twice. A stream is what a
 * node sends on a subject, numbered without gaps; only messages handed to the engine get a number. The sender and the receiver of the
 * relay have a table each, which lasts as long as the relay.
 */
import type { PacketHeader } from "./packet.js";

/** Beyond 10,000 subjects, the subject unused for the longest time loses its position, and its next packet begins a new stream. */
const MAX_SUBJECTS = 10_000;
/** The positions of at most 1,000 nodes are kept for each subject. */
const MAX_NODES = 1_000;

interface Position {
  readonly stream: number;
  /** The number of the next message. */
  next: number;
}

/** Removes the key that was set longest ago if the map is full: a `Map` keeps the order in which its keys were set. */
function setBounded<V>(map: Map<string, V>, key: string, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** The positions of this node's packets. */
export class OutgoingSequences {
  readonly #positions = new Map<string, Position>();
  /** The subject used last, which is in its place in the map. */
  #latest: string | undefined;
  #streams = 0;

  /** The stream and the first number of the next packet on a subject. */
  next(subject: string): { readonly stream: number; readonly first: number } {
    const position = this.#positions.get(subject) ?? { stream: ++this.#streams, next: 0 };
    if (subject !== this.#latest) setBounded(this.#positions, subject, position, MAX_SUBJECTS);
    this.#latest = subject;
    return { stream: position.stream, first: position.next };
  }

  /** The engine took `count` messages. */
  advance(subject: string, count: number): void {
    const position = this.#positions.get(subject);
    if (position !== undefined) position.next += count;
  }
}

/** The positions of other nodes' packets. */
export class IncomingSequences {
  readonly #subjects = new Map<string, Map<string, Position>>();

  /**
   * @returns how many of the packet's `count` messages arrived before, and how many messages are missing ahead of the packet; `isSure`: nothing
   * else can be missing, since the packet continues what was heard, or begins the first stream of its node
   */
  register(
    subject: string,
    { node, stream, first }: PacketHeader,
    count: number,
  ): { readonly known: number; readonly missed: number; readonly isSure: boolean } {
    let nodes = this.#subjects.get(subject);
    if (nodes === undefined) {
      nodes = new Map();
      this.#subjects.set(subject, nodes);
    }
    const position = nodes.get(node);
    // The first packet of a stream to arrive: earlier packets were sent before the node subscribed, and are not missed.
    if (position === undefined || position.stream < stream) {
      setBounded(nodes, node, { stream, next: first + count }, MAX_NODES);
      return { known: 0, missed: 0, isSure: position === undefined && first === 0 };
    }
    if (position.stream > stream) return { known: count, missed: 0, isSure: true };
    const known = Math.min(Math.max(position.next - first, 0), count);
    const missed = Math.max(first - position.next, 0);
    position.next = Math.max(position.next, first + count);
    return { known, missed, isSure: missed === 0 };
  }

  /** Messages sent while the node does not subscribe to the subject are not missed. */
  unregister(subject: string): void {
    this.#subjects.delete(subject);
  }
}
