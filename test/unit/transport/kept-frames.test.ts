/** Numbers and kept frames of a session, against a plain model: every message ever numbered, and what has become of the message. */
import { setImmediate as nextRound } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeFrame, type Frame } from "../../../src/transport/frame.js";
import { frameListOf } from "../../../src/transport/frame-list.js";
import { KeptFrames, type PeerCount } from "../../../src/transport/kept-frames.js";

const MAX_BYTES = 100;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

type Fate = "kept" | "acknowledged" | "gone" | "told";

/** A frame of so many bytes on the wire. */
function frameOf(bytes: number): Frame {
  return encodeFrame("x".repeat(bytes - 2));
}

/** What has become of each message, the first message first. Knows neither ranges nor sums. */
class Model {
  readonly frames: Frame[] = [];
  readonly fates: Fate[] = [];
  acknowledged = 0;
  /** The highest number that the present socket has got; `undefined` without a socket. */
  written: number | undefined = 0;
  /** Messages that were dropped without a number. */
  unnumbered = 0;

  get numbered(): number {
    return this.frames.length;
  }
  get kept(): number[] {
    return this.#numbersOf("kept");
  }
  get backlog(): number[] {
    return this.kept.filter((number) => number > (this.written ?? 0));
  }
  get total(): number {
    return this.unnumbered + this.#numbersOf("told").length;
  }

  bytesOf(numbers: readonly number[]): number {
    return numbers.reduce((sum, number) => sum + this.frameOf(number).wire.length, 0);
  }
  frameOf(number: number): Frame {
    return this.frames[number - 1] as Frame;
  }

  add(frames: readonly Frame[]): void {
    for (const frame of frames) {
      while (this.bytesOf(this.kept) >= MAX_BYTES) this.dropOldest();
      this.frames.push(frame);
      this.fates.push("kept");
    }
    this.written = this.numbered;
  }
  acknowledge(number: number): boolean {
    if (number < this.acknowledged || number > (this.written ?? 0)) return false;
    this.#forget(number);
    return true;
  }
  dropOldest(): boolean {
    const [oldest] = this.kept;
    if (oldest !== undefined) this.#change(oldest, "gone");
    return oldest !== undefined;
  }
  /** Numbers that a peer with this count misses, and was not told of before. */
  missing({ received }: PeerCount): number[] {
    return this.#numbersOf("gone").filter((number) => number > received);
  }
  isPossible(count: PeerCount): boolean {
    if (count.received < this.acknowledged || count.received > this.numbered) return false;
    return count.lost <= this.total + this.missing(count).length;
  }
  resume(count: PeerCount): { from: number; kept: number; lost: number; missing: number } {
    const missing = this.missing(count);
    for (const number of missing) this.#change(number, "told");
    this.#forget(count.received);
    const { kept } = this;
    this.written = (kept[0] ?? this.numbered + 1) - 1;
    return { from: this.written, kept: kept.length, lost: this.total - count.lost, missing: missing.length };
  }
  take(maxBytes: number): Frame[] {
    const taken: number[] = [];
    for (const number of this.backlog) if (this.bytesOf(taken) < maxBytes) taken.push(number);
    this.written = taken.at(-1) ?? this.written;
    return taken.map((number) => this.frameOf(number));
  }

  #numbersOf(fate: Fate): number[] {
    return this.fates.flatMap((one, i) => (one === fate ? [i + 1] : []));
  }
  #change(number: number, fate: Fate): void {
    this.fates[number - 1] = fate;
  }
  #forget(upTo: number): void {
    for (const number of this.kept) if (number <= upTo) this.#change(number, "acknowledged");
    this.acknowledged = upTo;
  }
}

/** Both at once; each step compares the answers. */
class Pair {
  readonly real = new KeptFrames(MAX_BYTES, { keptBytes: 0 });
  readonly model = new Model();

  /** Everything that can be read. Bytes of a backlog are those of the present socket. */
  check(): void {
    const { real, model } = this;
    expect([real.bytes, real.unacknowledged]).toEqual([model.bytesOf(model.kept), model.numbered - model.acknowledged]);
    if (model.written === undefined) return;
    expect([real.hasBacklog, real.backlogBytes]).toEqual([model.backlog.length > 0, model.bytesOf(model.backlog)]);
  }

  write(frames: readonly Frame[]): void {
    if (this.model.written === undefined || this.model.backlog.length > 0) return;
    this.real.add(frameListOf(frames));
    this.model.add(frames);
  }

  /** @param share of what may be acknowledged; beyond 0 and 1 the number is out of range */
  acknowledge(share: number): void {
    const { real, model } = this;
    if (model.written === undefined) return;
    const number = model.acknowledged + Math.round(share * (model.written - model.acknowledged + 1) - 0.5);
    const range = { from: model.acknowledged, to: model.written };
    const isPossible = model.acknowledge(number);
    expect([number, real.acknowledge(number)]).toEqual([number, isPossible ? undefined : range]);
  }

  drop(): void {
    if (this.model.written !== undefined) this.loseOne();
    else expect(this.real.dropOldest()).toBe(this.model.dropOldest());
  }

  /** A policy drops a message that has no number. */
  loseOne(): void {
    this.real.countDropped();
    this.model.unnumbered++;
  }

  resume(receivedShare: number, lostShare: number): void {
    const { real, model } = this;
    const received = model.acknowledged + Math.round(receivedShare * (model.numbered - model.acknowledged + 1) - 0.5);
    const most = model.total + model.missing({ received, lost: 0 }).length;
    const count = { received, lost: Math.max(0, Math.round(lostShare * (most + 1) - 0.5)) };
    expect([count, real.isPossible(count)]).toEqual([count, model.isPossible(count)]);
    if (model.isPossible(count)) expect([count, real.resume(count)]).toEqual([count, model.resume(count)]);
  }

  take(maxBytes: number): void {
    if (this.model.written === undefined) return;
    const [taken, expected] = [this.real.take(maxBytes), this.model.take(maxBytes)];
    expect(taken.map((frame) => expected.indexOf(frame))).toEqual(expected.map((_frame, i) => i));
  }
}

/** Mostly within 0 and 1, and the ends themselves. */
const share = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1) },
  { weight: 1, arbitrary: fc.double({ min: -0.5, max: 1.5, noNaN: true }) },
);
const frames = fc.array(
  fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 4 }).map((n) => n * 10) }, fc.constant(120)).map(frameOf),
  { maxLength: 40 },
);

const step: fc.Arbitrary<(pair: Pair) => void> = fc.oneof(
  { weight: 4, arbitrary: frames.map((list) => (pair: Pair) => pair.write(list)) },
  { weight: 3, arbitrary: share.map((value) => (pair: Pair) => pair.acknowledge(value)) },
  { weight: 1, arbitrary: fc.constant((pair: Pair) => pair.drop()) },
  { weight: 1, arbitrary: fc.constant((pair: Pair) => pair.loseOne()) },
  {
    weight: 2,
    arbitrary: fc.constant((pair: Pair) => {
      pair.model.written = undefined;
    }),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(share, share).map(
      ([received, lost]) =>
        (pair: Pair) =>
          pair.resume(received, lost),
    ),
  },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 12 }).map((n) => (pair: Pair) => pair.take(n * 10)) },
);

test("kept frames have the numbers, the losses and the bytes that a list of all messages gives, whatever happens", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pair = new Pair();
      for (const run of steps) {
        run(pair);
        pair.check();
      }
    }),
    { numRuns: 1_000 },
  );
});

describe("kept frames", () => {
  test("are let go when maxBytes are kept and another comes, the oldest first", () => {
    const kept = new KeptFrames(MAX_BYTES, { keptBytes: 0 });
    kept.add(frameListOf([40, 40, 40].map(frameOf)));
    expect([kept.bytes, kept.unacknowledged]).toEqual([120, 3]);
    kept.add(frameListOf([40, 10].map(frameOf)));
    expect([kept.bytes, kept.unacknowledged]).toEqual([90, 5]);
    expect(kept.resume({ received: 0, lost: 0 })).toEqual({ from: 2, kept: 3, lost: 2, missing: 2 });
  });

  test("of any size stay until another comes", () => {
    const kept = new KeptFrames(MAX_BYTES, { keptBytes: 0 });
    kept.add(frameListOf([500].map(frameOf)));
    expect(kept.resume({ received: 0, lost: 0 })).toEqual({ from: 0, kept: 1, lost: 0, missing: 0 });
    kept.take(1);
    kept.add(frameListOf([10].map(frameOf)));
    expect(kept.bytes).toBe(10);
  });

  test("that the client had are no loss, though nobody had acknowledged them", () => {
    const kept = new KeptFrames(MAX_BYTES, { keptBytes: 0 });
    kept.add(frameListOf(Array.from({ length: 50 }, () => frameOf(50))));
    expect(kept.resume({ received: 48, lost: 0 })).toEqual({ from: 48, kept: 2, lost: 0, missing: 0 });
    expect(kept.resume({ received: 48, lost: 0 })).toEqual({ from: 48, kept: 2, lost: 0, missing: 0 });
  });

  test("are counted as missing once, and told as lost until the client has been told", () => {
    const kept = new KeptFrames(MAX_BYTES, { keptBytes: 0 });
    kept.add(frameListOf(Array.from({ length: 5 }, () => frameOf(50))));
    expect(kept.resume({ received: 1, lost: 0 })).toEqual({ from: 3, kept: 2, lost: 2, missing: 2 });
    expect(kept.resume({ received: 1, lost: 0 })).toEqual({ from: 3, kept: 2, lost: 2, missing: 0 });
    expect(kept.resume({ received: 3, lost: 2 })).toEqual({ from: 3, kept: 2, lost: 0, missing: 0 });
  });

  test("are free for the garbage collector once they are acknowledged, however many stay", async () => {
    const kept = new KeptFrames(1_000_000, { keptBytes: 0 });
    const add = (count: number): WeakRef<Frame>[] => {
      const list = Array.from({ length: count }, () => frameOf(50));
      kept.add(frameListOf(list));
      return list.map((frame) => new WeakRef(frame));
    };
    const [first, second] = [add(10), add(30)];
    kept.acknowledge(10);
    await nextRound();
    collect();
    expect([first, second].map((list) => list.filter((frame) => frame.deref() !== undefined).length)).toEqual([0, 30]);
  });

  test.each([10, 64, 65, 200])("are free one by one, though %i were written at once", async (count) => {
    const kept = new KeptFrames(1_000_000, { keptBytes: 0 });
    const add = (): WeakRef<Frame>[] => {
      const list = Array.from({ length: count }, () => frameOf(50));
      kept.add(frameListOf(list));
      return list.map((frame) => new WeakRef(frame));
    };
    const frames = add();
    kept.acknowledge(3);
    kept.acknowledge(7);
    // The last list of all sessions is remembered.
    new KeptFrames(1_000, { keptBytes: 0 }).add(frameListOf([frameOf(2), frameOf(3)]));
    await nextRound();
    collect();
    expect(frames.filter((frame) => frame.deref() !== undefined).length).toBe(count - 7);
    expect(kept.bytes).toBe((count - 7) * 50);
  });

  test("of a session that has ended are none", () => {
    const kept = new KeptFrames(MAX_BYTES, { keptBytes: 0 });
    kept.add(frameListOf([frameOf(20), frameOf(20)]));
    kept.resume({ received: 1, lost: 0 });
    kept.clear();
    expect([kept.bytes, kept.backlogBytes, kept.hasBacklog, kept.take(100)]).toEqual([0, 0, false, []]);
  });
});
