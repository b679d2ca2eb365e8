/** Budgets against a model, on transports that bring what a test says whenever the test says, paused or not. */
import fc from "fast-check";
import type { BudgetOptions, ServerEvent } from "sendall";
import { describe, expect, test } from "vitest";
import { HandStage, type HandTransport } from "../stage.js";
import { closeHand } from "./budget-stage.js";

/** A client that sends after a wait: the number of the client, and the bytes of each message. */
interface Burst {
  readonly afterMs: number;
  readonly who: number;
  readonly sizes: readonly number[];
}

const CLIENTS = 3;
// Divisors of a thousand: every token comes at a whole millisecond.
const rate = fc.constantFrom(0, 1, 2, 4, 5, 8, 10, 20, 100);
const bursts: fc.Arbitrary<Burst[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 })),
    who: fc.nat({ max: CLIENTS - 1 }),
    sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
  }),
  { maxLength: 25 },
);
const limits = fc.record({
  messagesPerSecond: rate,
  bytesPerSecond: rate,
  burstSeconds: fc.constantFrom(0, 0.5, 1, 2, 10),
});
type Limits = Pick<BudgetOptions, "messagesPerSecond" | "bytesPerSecond" | "burstSeconds">;

/** Tokens as a number of the time: no buckets, no alarms, no mailbox. */
class ModelBucket {
  readonly #limits: Limits;
  #messages: number;
  #bytes: number;
  #at = 0;

  constructor(given: Limits) {
    this.#limits = given;
    this.#messages = given.messagesPerSecond * given.burstSeconds;
    this.#bytes = given.bytesPerSecond * given.burstSeconds;
  }

  has(bytes: number, at: number): boolean {
    const { messagesPerSecond, bytesPerSecond, burstSeconds } = this.#limits;
    const passed = (at - this.#at) / 1_000;
    this.#at = at;
    this.#messages = Math.min(this.#messages + passed * messagesPerSecond, messagesPerSecond * burstSeconds);
    this.#bytes = Math.min(this.#bytes + passed * bytesPerSecond, bytesPerSecond * burstSeconds);
    const isEnough = (level: number, cost: number, perSecond: number): boolean =>
      perSecond === 0 || level >= Math.min(cost, perSecond * burstSeconds) - 1e-6;
    return isEnough(this.#messages, 1, messagesPerSecond) && isEnough(this.#bytes, bytes, bytesPerSecond);
  }

  take(bytes: number): void {
    this.#messages -= 1;
    this.#bytes -= bytes;
  }
}

/** Counts the messages of a client. */
function numberOf(counts: number[], who: number): number {
  const number = counts[who] ?? 0;
  counts[who] = number + 1;
  return number;
}

const nameOf = (who: number, n: number): string => `${who}.${n}`;

/** Plays the bursts millisecond by millisecond. @returns what is handled, with the time, and how many messages were dropped */
function model(given: Limits, plan: readonly Burst[], over: "pause" | "drop", isShared: boolean) {
  const handled: string[] = [];
  const own = Array.from({ length: CLIENTS }, () => new ModelBucket(given));
  const bucketOf = (who: number): ModelBucket => own[isShared ? 0 : who] as ModelBucket;
  // What waits for each bucket: one list for each connection, in the order of turns.
  const lines = new Map<ModelBucket, { who: number; waiting: { name: string; bytes: number }[] }[]>();
  const counts = Array<number>(CLIENTS).fill(0);
  let dropped = 0;
  const serve = (at: number): void => {
    for (const [bucket, line] of lines)
      for (let first = line[0]; first !== undefined; first = line[0]) {
        const [next] = first.waiting;
        if (next === undefined || !bucket.has(next.bytes, at)) break;
        bucket.take(next.bytes);
        handled.push(`${at} ${next.name}`);
        first.waiting.shift();
        line.shift();
        if (first.waiting.length > 0) line.push(first);
      }
  };
  let at = 0;
  const passUntil = (limit: number): void => {
    for (; at < limit; at++) serve(at);
    serve(at);
  };
  for (const { afterMs, who, sizes } of plan) {
    passUntil(at + afterMs);
    const bucket = bucketOf(who);
    const line = lines.get(bucket) ?? [];
    lines.set(bucket, line);
    for (const bytes of sizes) {
      const name = nameOf(who, numberOf(counts, who));
      const mine = line.find((one) => one.who === who);
      if (mine !== undefined) mine.waiting.push({ name, bytes });
      else if (line.length === 0 && bucket.has(bytes, at)) {
        bucket.take(bytes);
        handled.push(`${at} ${name}`);
      } else if (over === "drop") dropped++;
      else line.push({ who, waiting: [{ name, bytes }] });
    }
  }
  const isEmpty = (): boolean => [...lines.values()].every((line) => line.length === 0);
  while (!isEmpty()) passUntil(at + 1_000);
  return { handled, dropped, endedAt: at };
}

async function play(given: Limits, plan: readonly Burst[], over: "pause" | "drop", isShared: boolean, endedAt: number) {
  const handled: string[] = [];
  const stage: HandStage = await HandStage.open({
    heartbeat: false,
    budget: { ...given, over, ...(isShared && { key: () => "all" }) },
    mailbox: { highWaterEvents: 1_000_000 },
    handler(event: ServerEvent) {
      if (event.type === "message") handled.push(`${stage.clock.now()} ${event.text.trim()}`);
    },
  });
  const peers: HandTransport[] = [];
  for (let who = 0; who < CLIENTS; who++) peers.push(await stage.connect());
  const counts = Array<number>(CLIENTS).fill(0);
  for (const { afterMs, who, sizes } of plan) {
    await stage.advance(afterMs);
    for (const bytes of sizes) peers[who]?.listener.message(nameOf(who, numberOf(counts, who)), bytes);
    await stage.settle();
  }
  await stage.advance(Math.max(endedAt - stage.clock.now(), 0) + 1);
  const stats = stage.server.stats();
  for (const peer of peers) {
    const calls = peer.calls.join();
    // Whoever was paused is read again, and nothing else has happened to the socket.
    expect(calls).toMatch(/^(pause,resume,?)*$/);
    peer.end();
  }
  await closeHand(stage);
  return { handled, stats };
}

const inOrder = (handled: readonly string[]): string[] => [...handled].sort();

describe.each([false, true])("connections with a bucket in common: %s", (isShared) => {
  test.each(["pause", "drop"] as const)(
    'under "%s" each message is handled when the model says, or dropped',
    async (over) => {
      await fc.assert(
        fc.asyncProperty(limits, bursts, async (given, plan) => {
          fc.pre(given.messagesPerSecond + given.bytesPerSecond > 0);
          const wanted = model(given, plan, over, isShared);
          const { handled, stats } = await play(given, plan, over, isShared, wanted.endedAt);
          expect(isShared ? handled : inOrder(handled)).toEqual(isShared ? wanted.handled : inOrder(wanted.handled));
          for (let who = 0; who < CLIENTS; who++) {
            const numbers = handled
              .filter((one) => one.split(" ")[1]?.startsWith(`${who}.`))
              .map((one) => Number(one.split(".")[1]));
            expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
          }
          expect(stats).toMatchObject({
            mailboxEvents: 0,
            resting: 0,
            restingEvents: 0,
            discarded: 0,
            ...(over === "drop" && { overBudget: wanted.dropped }),
          });
          if (over === "pause") expect(handled).toHaveLength(plan.reduce((sum, { sizes }) => sum + sizes.length, 0));
        }),
        { numRuns: 150 },
      );
    },
  );
});
