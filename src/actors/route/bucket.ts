/**
 * What a client may ask of the handler (option `budget`), and the line of the connections that wait for more. Without `key` each connection has a
 * bucket of its own, made with its first message; with `key` the connections of a name share a bucket, which the route's `Budget` keeps until
 * the last of these has gone and the bucket is full again.
 */
import { Alarm, type AlarmHeap, type Clock } from "../../runtime/clock.js";
import { Fifo } from "../../runtime/fifo.js";
import { TokenBucket } from "../../runtime/token-bucket.js";

export interface BucketLimits {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly handlerMsPerSecond: number;
  readonly burstSeconds: number;
}

/** A connection in the line of a bucket. */
export interface Rester {
  /** The bytes of the message that waits first; `undefined` if no message waits any more. */
  readonly nextBytes: number | undefined;
  /** Set by the bucket alone. */
  isInLine: boolean;
  /** The first message has its tokens. The connection joins the line again if more wait. */
  onTurn(): void;
}

export interface BucketParts {
  readonly limits: BucketLimits;
  readonly clock: Clock;
  /** Rings the buckets of the route. */
  readonly alarms: AlarmHeap;
}

/** The bucket is itself the alarm for the next tokens, and for the end of a shared bucket. */
export class Bucket extends Alarm {
  readonly #parts: BucketParts;
  readonly #messages: TokenBucket | undefined;
  readonly #bytes: TokenBucket | undefined;
  readonly #handlerMs: TokenBucket | undefined;
  readonly #line = new Fifo<Rester>();
  /** Called when a shared bucket is full, and no connection uses the bucket. */
  readonly #onUnused: (() => void) | undefined;
  #users = 0;
  #isServing = false;

  constructor(parts: BucketParts, onUnused?: () => void) {
    super();
    const { clock, limits } = parts;
    const now = clock.now();
    const tokens = (perSecond: number): TokenBucket | undefined =>
      perSecond > 0 ? new TokenBucket(perSecond, perSecond * limits.burstSeconds, now) : undefined;
    this.#parts = parts;
    this.#onUnused = onUnused;
    this.#messages = tokens(limits.messagesPerSecond);
    this.#bytes = tokens(limits.bytesPerSecond);
    this.#handlerMs = tokens(limits.handlerMsPerSecond);
  }

  /** A connection uses the bucket from now on. */
  register(): void {
    this.#users++;
  }

  /** A connection has ended. What the bucket owes stays. */
  unregister(): void {
    if (--this.#users === 0 && !this.#isSet) this.#expire();
  }

  /** Takes the tokens of a message. @returns `false` if tokens are missing, or others wait */
  spend(bytes: number): boolean {
    if (this.#first !== undefined || this.#waitMs(bytes) > 0) return false;
    this.take(bytes);
    return true;
  }

  /** Takes the tokens of a message that waits for none. */
  take(bytes: number): void {
    const now = this.#parts.clock.now();
    this.#messages?.take(1, now);
    this.#bytes?.take(bytes, now);
  }

  /** The handler was busy. */
  charge(busyMs: number): void {
    this.#handlerMs?.take(busyMs, this.#parts.clock.now());
  }

  /** Puts a connection at the end of the line. */
  join(rester: Rester): void {
    if (rester.isInLine) return;
    const isFirst = this.#first === undefined;
    rester.isInLine = true;
    this.#line.push(rester);
    // The alarm may be set all the same: for the end of a bucket that nobody used.
    if (isFirst && !this.#isServing) this.#wakeFor(rester.nextBytes ?? 0);
  }

  /** A connection that may be in line waits no more. Without the alarm nothing keeps the connection in memory. */
  leave(): void {
    const first = this.#first;
    // The alarm was set for what the connection waited for, which may be more than the next connection needs.
    if (first?.nextBytes !== undefined && !this.#isServing) this.#wakeFor(first.nextBytes);
    else if (first === undefined && this.#onUnused === undefined) this.cancel();
  }

  ring(): void {
    this.#isServing = true;
    try {
      for (let first = this.#first; first?.nextBytes !== undefined; first = this.#first) {
        if (this.#waitMs(first.nextBytes) > 0) {
          this.#wakeFor(first.nextBytes);
          return;
        }
        this.take(first.nextBytes);
        this.#line.shift();
        first.isInLine = false;
        first.onTurn();
      }
    } finally {
      this.#isServing = false;
    }
    if (this.#users === 0) this.#expire();
  }

  get #isSet(): boolean {
    return this.index >= 0;
  }

  /** The first connection in line with a message that waits. */
  get #first(): Rester | undefined {
    for (let first = this.#line.first; first !== undefined; first = this.#line.first) {
      if (first.nextBytes !== undefined) return first;
      this.#line.shift();
      first.isInLine = false;
    }
    return undefined;
  }

  #waitMs(bytes: number): number {
    const now = this.#parts.clock.now();
    return Math.max(
      this.#messages?.waitMs(1, now) ?? 0,
      this.#bytes?.waitMs(bytes, now) ?? 0,
      // What an event will take is not known before.
      this.#handlerMs?.waitMs(0, now) ?? 0,
    );
  }

  #wakeFor(bytes: number): void {
    const { alarms, clock } = this.#parts;
    alarms.set(clock.now() + this.#waitMs(bytes), this);
  }

  #expire(): void {
    if (this.#onUnused === undefined) return;
    const { alarms, clock } = this.#parts;
    const now = clock.now();
    const each = [this.#messages, this.#bytes, this.#handlerMs];
    const fullInMs = Math.max(...each.map((tokens) => tokens?.fullInMs(now) ?? 0));
    if (fullInMs > 0) alarms.set(now + fullInMs, this);
    else this.#onUnused();
  }
}
