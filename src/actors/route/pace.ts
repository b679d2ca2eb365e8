/**
 * The pace of a connection under a budget: which messages of the peer may be handled already, and which wait for tokens. What waits is counted in
 * the mailbox, and comes into its order with the tokens. The route's `Budget` makes a pace for each connection; the pace ends with the connection.
 */

import type { BudgetOptions } from "../../api/budget.js";
import { OVER_BUDGET } from "../../api/close-codes.js";
import type { ConnectionId } from "../../api/connection.js";
import { Fifo } from "../../runtime/fifo.js";
import type { Logger } from "../../runtime/logger.js";
import type { Transport } from "../../transport/transport.js";
import type { Bucket, Rester } from "./bucket.js";
import type { Posted, QueuePace, Verdict } from "./connection-queue.js";
import type { Counters } from "./counters.js";

/** The connection of a pace. */
export interface PacedPeer {
  readonly id: ConnectionId;
  readonly receiver: { onMessage(): void };
  pause(): void;
  resume(): void;
  close(code: number, reason: string): boolean;
}

/** What the paces of a route share. */
export interface PaceHost {
  readonly over: BudgetOptions["over"];
  /** Whether a message waits until the message before is handled: only then is it known what handling has cost. */
  readonly isOneAtATime: boolean;
  readonly counters: Counters;
  readonly log: Logger;
  /** The path of the route. */
  readonly path: string;
  createBucket(): Bucket;
  /** Puts an event that was held into the order of the mailbox. Called before the rest ends. */
  admit(posted: Posted): void;
  /** A connection rests from now on. @param held what the pace holds already */
  beginRest(held: Iterable<Posted>): void;
  endRest(): void;
  /** Takes a dropped event off the counts of the mailbox. */
  drop(posted: Posted): void;
  /** Every message that was let in is handled: `goOn` is called before the next event is taken. */
  onIdle(pace: Pace): void;
}

export class Pace implements QueuePace, Rester {
  isInLine = false;
  #isResting = false;
  readonly #host: PaceHost;
  readonly #peer: PacedPeer;
  readonly #transport: Pick<Transport, "setResting">;
  #bucket: Bucket | undefined;
  /** A message that waits for tokens, and what the peer has caused since, in order. */
  readonly #held = new Fifo<Posted>();
  /** Messages of the peer in the order, or under way; counted only where one waits for the other. */
  #unfinished = 0;
  #hasLogged = false;

  /** @param bucket absent if the bucket is the connection's own, made when needed */
  constructor(host: PaceHost, peer: PacedPeer, transport: Pick<Transport, "setResting">, bucket: Bucket | undefined) {
    this.#host = host;
    this.#peer = peer;
    this.#transport = transport;
    this.#bucket = bucket;
    bucket?.register();
  }

  get isResting(): boolean {
    return this.#isResting;
  }

  get nextBytes(): number | undefined {
    return this.#held.first?.bytes;
  }

  get held(): number {
    return this.#held.size;
  }

  get lastHeld(): Posted | undefined {
    return this.#held.last;
  }

  judge(posted: Posted): Verdict {
    const { type } = posted.event;
    // The peer has gone: nothing is left to slow down.
    if (type === "error" || type === "closed") this.letGo();
    // What the program tells does not wait for the peer's tokens.
    if (type === "info" || (this.#held.size === 0 && this.#mayEnter(posted))) return "enter";
    if (this.#held.size === 0 && !this.#isWaitingForLast && !this.#rest()) {
      if (this.#host.over === "close") this.#host.counters.discarded++;
      return "drop";
    }
    this.#held.push(posted);
    if (this.#isResting && this.#held.size === 1) this.#own.join(this);
    return "hold";
  }

  letGo(): void {
    for (const posted of this.#held.takeAll()) {
      if (posted.event.type === "message") this.#own.take(posted.bytes);
      this.#host.admit(posted);
    }
    this.#bucket?.leave();
    this.#endRest();
  }

  takeHeld(): Posted[] {
    const held = this.#held.takeAll();
    this.#bucket?.leave();
    this.#endRest();
    return held;
  }

  leave(): void {
    this.#bucket?.unregister();
  }

  onEntered(): void {
    if (this.#host.isOneAtATime) this.#unfinished++;
  }

  /** Also messages of a single channel are discarded, after which those of the others go on. */
  onDiscarded(count: number): void {
    this.#unfinished = Math.max(this.#unfinished - count, 0);
    if (count > 0 && this.#unfinished === 0 && this.#held.size > 0) this.#host.onIdle(this);
  }

  /** The handler was busy with an event of the connection. */
  onEnded(isMessage: boolean, busyMs: number): void {
    this.#own.charge(busyMs);
    if (!isMessage) return;
    this.onDiscarded(1);
  }

  onTurn(): void {
    this.#enterFirst();
    if (this.#held.size === 0) this.#endRest();
    // Otherwise `goOn` is called after the message.
    else if (!this.#host.isOneAtATime) this.#own.join(this);
  }

  /** Lets the next message in, if there are tokens. */
  goOn(): void {
    for (let first = this.#held.first; first !== undefined && !this.#isWaitingForLast; first = this.#held.first) {
      if (this.#own.spend(first.bytes)) this.#enterFirst();
      else if (this.#isResting || this.#rest()) {
        this.#own.join(this);
        return;
      } else if (this.#held.first === first) {
        this.#held.shift();
        this.#host.drop(first);
        this.#enterFollowers();
      }
    }
    if (this.#held.size === 0) this.#endRest();
  }

  get #own(): Bucket {
    this.#bucket ??= this.#host.createBucket();
    return this.#bucket;
  }

  get #isWaitingForLast(): boolean {
    return this.#unfinished > 0;
  }

  #mayEnter({ event, bytes }: Posted): boolean {
    return event.type !== "message" || (!this.#isWaitingForLast && this.#own.spend(bytes));
  }

  /** The connection is over its budget. @returns `false` if the message does not wait */
  #rest(): boolean {
    const { counters, log, over, path } = this.#host;
    counters.overBudget++;
    if (!this.#hasLogged) log.warn({ connection: this.#peer.id, route: path, over }, "over budget");
    this.#hasLogged = true;
    if (over === "close") this.#peer.close(OVER_BUDGET.code, OVER_BUDGET.reason);
    if (over !== "pause") return false;
    this.#isResting = true;
    this.#host.beginRest(this.#held);
    this.#transport.setResting?.(true);
    this.#peer.pause();
    return true;
  }

  #endRest(): void {
    if (!this.#isResting) return;
    this.#isResting = false;
    this.#host.endRest();
    // The peer could not send, so its silence begins now.
    this.#peer.receiver.onMessage();
    this.#transport.setResting?.(false);
    this.#peer.resume();
  }

  #enterFirst(): void {
    const first = this.#held.shift();
    if (first !== undefined) this.#host.admit(first);
    this.#enterFollowers();
  }

  /** Only messages need tokens. */
  #enterFollowers(): void {
    for (let next = this.#held.first; next !== undefined && next.event.type !== "message"; next = this.#held.first) {
      this.#held.shift();
      this.#host.admit(next);
    }
  }
}
