/** What the mailbox is held against: a model of the order rule (contract 5), and plans that are played on both. */

import fc from "fast-check";
import { expect } from "vitest";
import { type ConnectionQueue, type QueueOwner, SerialGroup } from "../../../src/actors/route/connection-queue.js";
import { Mailbox, type MailboxLimits } from "../../../src/actors/route/mailbox.js";
import type { MailboxEvent } from "../../../src/actors/route/mailbox-event.js";
import type { Connection } from "../../../src/api/connection.js";
import type { ServerEvent } from "../../../src/api/events.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";

export const LIMITS: MailboxLimits = { highWaterEvents: 6, lowWaterEvents: 2, maxBytes: 1_500, maxInfo: 8 };

// No test asks the mailbox for more of a connection than that it is handed through.
export const connection = {} as Connection;

export const message = (text: string): ServerEvent => ({ type: "message", connection, data: text, text });
export const info = (data: string): ServerEvent => ({ type: "info", data });
export const open = (): ServerEvent => ({ type: "open", connection });

export function nameOf(event: MailboxEvent): string {
  if (event.type === "message") return event.text;
  return event.type === "info" ? String(event.data) : event.type;
}

/** A queue's owner that remembers what it was told. */
export class Owner implements QueueOwner {
  isPaused = false;
  readonly isOpen = true;
  /** How often it was told. */
  told = 0;

  pause(): void {
    expect(this.isPaused).toBe(false);
    this.isPaused = true;
    this.told++;
  }
  resume(): void {
    expect(this.isPaused).toBe(true);
    this.isPaused = false;
    this.told++;
  }
  announce(): void {}
  caughtUp(): void {}
  onClosedHandled(): void {}
  readonly leakOwner = { clock: new HandClock(), connection: undefined, leaked() {} };
}

interface Waiting {
  readonly who: number;
  readonly name: string;
  /** Its place: whoever has the smallest goes next. */
  place: number;
}

/** The rule itself, with none of the mailbox's bookkeeping. */
class Model {
  #waiting: Waiting[] = [];
  #places = 0;

  get size(): number {
    return this.#waiting.length;
  }

  /** The names of its events, in order. */
  waitingOf(who: number): string[] {
    return this.#waiting.filter((one) => one.who === who).map(({ name }) => name);
  }

  post(who: number, name: string): void {
    this.#waiting.push({ who, name, place: this.#places++ });
  }

  take(): Waiting | undefined {
    const [next] = [...this.#waiting].sort((a, b) => a.place - b.place);
    if (next === undefined) return undefined;
    const givesWay = this.waitingOf(next.who).length > LIMITS.lowWaterEvents;
    this.remove(next.name);
    if (givesWay) for (const one of this.#waiting) if (one.who === next.who) one.place = this.#places++;
    return next;
  }

  remove(name: string): void {
    this.#waiting = this.#waiting.filter((one) => one.name !== name);
  }

  discard(who: number): void {
    this.#waiting = this.#waiting.filter((one) => one.who !== who);
  }
}

type Step =
  | { readonly do: "post"; readonly who: number; readonly times: number }
  | { readonly do: "take"; readonly times: number }
  | { readonly do: "discard" | "release"; readonly who: number };

const QUEUES = 4;
const who = fc.nat({ max: QUEUES - 1 });
const times = fc.integer({ min: 1, max: 5 });
export const plans: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("post" as const), who, times }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("take" as const), times }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), who }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("discard" as const), who }) },
  ),
  { maxLength: 80, size: "max" },
);

/** Plays a plan on a mailbox; `onTake` gets what came out, or `undefined`, while `model` is still as it was before. */
export class Play {
  readonly mailbox = new Mailbox(LIMITS);
  readonly model = new Model();
  readonly queues: ConnectionQueue[] = Array.from({ length: QUEUES }, () =>
    this.mailbox.createQueue(new Owner(), new SerialGroup()),
  );
  readonly #onTake: (taken: Pick<Waiting, "who" | "name"> | undefined, play: Play) => void;
  #number = 0;

  constructor(onTake: (taken: Pick<Waiting, "who" | "name"> | undefined, play: Play) => void) {
    this.#onTake = onTake;
  }

  run(plan: readonly Step[]): void {
    for (const step of plan)
      for (const one of "times" in step ? Array<Step>(step.times).fill(step) : [step]) this.#once(one);
  }

  /** Takes all, finishing each event at once. */
  drain(): void {
    do {
      this.run(this.queues.map((_, who) => ({ do: "release", who })));
    } while (this.take());
    expect(this.mailbox.size).toBe(0);
  }

  /** @returns whether something came out */
  take(): boolean {
    const taken = this.mailbox.take();
    this.#onTake(taken && { who: this.queues.indexOf(taken.queue), name: nameOf(taken.event) }, this);
    return taken !== undefined;
  }

  queue(who: number): ConnectionQueue {
    const queue = this.queues[who];
    if (queue === undefined) throw new Error(`there is no queue ${who}`);
    return queue;
  }

  #once(step: Step): void {
    if (step.do === "take") this.take();
    else this.#at(step, this.queue(step.who));
    expect(this.mailbox.size).toBe(this.model.size);
  }

  #at({ do: what, who }: Exclude<Step, { do: "take" }>, queue: ConnectionQueue): void {
    if (what === "post") {
      const name = String(this.#number++);
      this.mailbox.post(queue, message(name));
      this.model.post(who, name);
    } else if (what === "discard") {
      this.mailbox.discard(queue);
      this.model.discard(who);
    } else if (queue.group?.isBusy) this.mailbox.release(queue.group);
  }
}
