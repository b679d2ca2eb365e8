/** What comes from the other nodes: read, checked, counted and handed to the buses that it is for. The relay makes one. */
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { Frame } from "../transport/frame.js";
import { encodeFrame } from "../transport/frame.js";
import { type Envelope, readPacket } from "./envelope.js";
import type { Destination, Interest } from "./interest.js";
import type { LocalBus } from "./remote-bus.js";
import { Incoming } from "./streams.js";
import { isScopeOfRoute, subjectOfNode } from "./subject.js";

export interface ArrivalsParts {
  /** Names this node. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly interest: Interest;
}

/** Missed messages are logged no more often than this. */
const MISSED_MS = 1_000;
/** So many sources of bad packets are logged, each once. */
const MAX_SOURCES = 100;

export class Arrivals {
  received = 0;
  missed = 0;
  rejected = 0;
  readonly #parts: ArrivalsParts;
  readonly #incoming = new Incoming();
  readonly #inlets = new Map<string, LocalBus>();
  /** The inlets of routes, without those of channels. */
  readonly #routes: LocalBus[] = [];
  readonly #sources = new Set<string>();
  #missedLogged = { at: Number.NEGATIVE_INFINITY, missed: 0 };

  constructor(parts: ArrivalsParts) {
    this.#parts = parts;
  }

  attach(scope: string, inlet: LocalBus): void {
    this.#inlets.set(scope, inlet);
    if (isScopeOfRoute(scope)) this.#routes.push(inlet);
  }

  /** A subject is not heard any more. */
  forget(subject: string): void {
    this.#incoming.forget(subject);
  }

  /** Reads a packet and delivers what is in it; what is no good is counted. */
  take(subject: string, bytes: Uint8Array): void {
    const packet = readPacket(bytes);
    if ("problem" in packet) {
      const { problem, node, version } = packet;
      this.#reject(problem, subject, problem === "version" ? { node, version } : {});
      return;
    }
    if (packet.node === this.#parts.node) return;
    const destination = this.#parts.interest.find(subject);
    const isOwn = subject === subjectOfNode(this.#parts.node);
    if (destination === undefined && !isOwn) {
      // The last member has gone while it was on its way. The next one, who may come before the engine is told, misses nothing.
      this.forget(subject);
      return;
    }
    const { envelopes, node } = packet;
    const { known, missed } = this.#incoming.take(subject, packet, envelopes.length);
    if (known > 0) this.#reject("repeated", subject, { node });
    if (missed > 0) this.#miss(missed, node);
    for (const envelope of envelopes.slice(known)) {
      const isGood = destination === undefined ? this.#deliverTo(envelope) : deliver(envelope, destination);
      if (isGood) this.received++;
      else this.#reject("garbage", subject, { node });
    }
  }

  /** @returns `false` if it is not for one connection of this node */
  #deliverTo(envelope: Envelope): boolean {
    const { target, scope } = envelope;
    if (target === undefined || !target.startsWith(this.#parts.node)) return false;
    const frame = frameOf(envelope);
    const inlets = scope === "" ? this.#routes : [this.#inlets.get(scope ?? "")];
    const inlet = inlets.find((one) => one?.has(target)) ?? inlets[0];
    // A connection that has gone, or a route that only others have: both are dead letters.
    inlet?.deliverTo(frame, target);
    return true;
  }

  #miss(missed: number, node: string): void {
    this.missed += missed;
    const { clock, log } = this.#parts;
    if (clock.now() - this.#missedLogged.at < MISSED_MS) return;
    const since = this.missed - this.#missedLogged.missed;
    this.#missedLogged = { at: clock.now(), missed: this.missed };
    log.warn({ from: node, missed: since }, "messages of other nodes were lost on their way");
  }

  #reject(problem: string, subject: string, details: object): void {
    this.rejected++;
    const source = JSON.stringify([problem, "node" in details ? details.node : subject]);
    if (this.#sources.has(source) || this.#sources.size >= MAX_SOURCES) return;
    this.#sources.add(source);
    const { log } = this.#parts;
    log.warn(
      { subject, problem, ...details },
      "a packet that does not belong here was rejected; more of its kind are counted",
    );
  }
}

/** @returns `false` if it is for one connection */
function deliver(envelope: Envelope, { inlet, room }: Destination): boolean {
  const { target, source, rooms } = envelope;
  if (target !== undefined) return false;
  inlet.deliver(frameOf(envelope), rooms ?? (room === undefined ? undefined : [room]), source);
  return true;
}

/** A string again, so that bytes which are no UTF-8 harm no client. */
function frameOf({ isBinary, payload }: Envelope): Frame {
  return encodeFrame(isBinary ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString());
}
