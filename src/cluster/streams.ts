/**
 * Numbers of what is sent and what arrives, so that losses are counted and nothing is delivered twice. A stream is what one node
 * sends on one subject, numbered without gaps; only what was handed to the engine has a number.
 */
import type { PacketHead } from "./envelope.js";

/** So many subjects are counted on; whoever has been silent for longest is forgotten, and begins a new stream. */
const MAX_SUBJECTS = 10_000;
/** So many nodes are remembered for each subject. */
const MAX_NODES = 1_000;

interface Position {
  readonly stream: number;
  /** The number that comes next. */
  next: number;
}

/** The oldest goes when it is full. A `Map` keeps the order in which its keys were set. */
function keep<V>(map: Map<string, V>, key: string, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** What this node sends. */
export class Outgoing {
  readonly #positions = new Map<string, Position>();
  #streams = 0;

  /** The numbers of the next packet on a subject. */
  next(subject: string): { readonly stream: number; readonly first: number } {
    const position = this.#positions.get(subject) ?? { stream: ++this.#streams, next: 0 };
    keep(this.#positions, subject, position, MAX_SUBJECTS);
    return { stream: position.stream, first: position.next };
  }

  /** So many envelopes are on their way. */
  sent(subject: string, count: number): void {
    const position = this.#positions.get(subject);
    if (position !== undefined) position.next += count;
  }
}

/** What arrives from other nodes. */
export class Incoming {
  readonly #subjects = new Map<string, Map<string, Position>>();

  /** How many envelopes of a packet have been here before, and how many are missing between the last one and it. */
  take(
    subject: string,
    { node, stream, first }: PacketHead,
    count: number,
  ): { readonly known: number; readonly missed: number } {
    let nodes = this.#subjects.get(subject);
    if (nodes === undefined) {
      nodes = new Map();
      this.#subjects.set(subject, nodes);
    }
    const position = nodes.get(node);
    // The first that is heard of a stream: what was sent before is nobody's loss.
    if (position === undefined || position.stream < stream) {
      keep(nodes, node, { stream, next: first + count }, MAX_NODES);
      return { known: 0, missed: 0 };
    }
    if (position.stream > stream) return { known: count, missed: 0 };
    const known = Math.min(Math.max(position.next - first, 0), count);
    const missed = Math.max(first - position.next, 0);
    position.next = Math.max(position.next, first + count);
    return { known, missed };
  }

  /** The subject is not heard any more: whatever is sent on it meanwhile is nobody's loss. */
  forget(subject: string): void {
    this.#subjects.delete(subject);
  }
}
