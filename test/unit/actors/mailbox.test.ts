/** The mailbox against a model of the order rule (contract 5), its marks, and what it throws away (contract 11). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SerialGroup } from "../../../src/actors/route/connection-queue.js";
import { Mailbox } from "../../../src/actors/route/mailbox.js";
import type { ServerEvent } from "../../../src/api/events.js";
import { connection, info, LIMITS, message, nameOf, Owner, open, Play, plans } from "./mailbox-model.js";

describe("the order of events", () => {
  test("is that of arrival, and a connection with more than the low-water mark waiting gives way after each event", () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const play = new Play((taken, { model }) => {
          const next = model.take();
          expect(taken).toEqual(next && { who: next.who, name: next.name });
        });
        play.run(plan);
        play.drain();
      }),
      { numRuns: 500 },
    );
  });

  test("with one event at a time for each connection is kept for each, and a connection with too much waiting gives way", () => {
    fc.assert(
      fc.property(plans, (plan) => {
        let last: { readonly who: number; readonly rivals: readonly string[] } | undefined;
        const play = new Play((taken, { model, queues }) => {
          const free = [...queues.keys()].filter((who) => queues[who]?.group?.isBusy === false);
          const next = free.flatMap((who) => model.waitingOf(who)[0] ?? []);
          if (taken === undefined) expect(next).toEqual([]);
          if (taken === undefined) return;
          const waiting = model.waitingOf(taken.who);
          expect(free).toContain(taken.who);
          expect(taken.name).toBe(waiting[0]);
          // Whoever waited when it had to give way has come before it.
          if (last?.who === taken.who) expect(last.rivals.filter((name) => next.includes(name))).toEqual([]);
          const givesWay = waiting.length > LIMITS.lowWaterEvents;
          last = { who: taken.who, rivals: givesWay ? next.filter((name) => name !== taken.name) : [] };
          model.remove(taken.name);
          const queue = queues[taken.who];
          if (queue?.group !== undefined) queue.group.isBusy = true;
        });
        play.run(plan);
        play.drain();
      }),
      { numRuns: 500 },
    );
  });

  test("is that of arrival for a connection with few events, however many events others have", () => {
    const mailbox = new Mailbox(LIMITS);
    const [flood, calm] = [mailbox.createQueue(new Owner()), mailbox.createQueue(new Owner())];
    for (let i = 0; i < 5; i++) mailbox.post(flood, message(`flood ${i}`));
    mailbox.post(calm, message("calm 0"));
    mailbox.post(calm, message("calm 1"));
    expect(takeAll(mailbox)).toEqual(["flood 0", "calm 0", "calm 1", "flood 1", "flood 2", "flood 3", "flood 4"]);
  });
});

function takeAll(mailbox: Mailbox): string[] {
  const names: string[] = [];
  for (let taken = mailbox.take(); taken !== undefined; taken = mailbox.take()) names.push(nameOf(taken.event));
  return names;
}

describe("a connection's marks", () => {
  test("pause it at so many messages or bytes, and resume it when both are down again", () => {
    const change = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant("post" as const), bytes: fc.integer({ min: 0, max: 300 }) }),
      },
      { weight: 3, arbitrary: fc.constant({ do: "take" as const }) },
      { weight: 1, arbitrary: fc.constant({ do: "discard" as const }) },
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60, size: "max" }), (changes) => {
        const mailbox = new Mailbox(LIMITS);
        const owner = new Owner();
        const queue = mailbox.createQueue(owner);
        let waiting: number[] = [];
        let isPaused = false;
        for (const change of changes) {
          if (change.do === "post") {
            waiting.push(change.bytes);
            mailbox.post(queue, message("x"), change.bytes);
          } else if (change.do === "take") {
            waiting.shift();
            mailbox.take();
          } else {
            waiting = [];
            mailbox.discard(queue);
          }
          const bytes = waiting.reduce((sum, one) => sum + one + 128, 0);
          if (waiting.length >= 6 || bytes >= 1_500) isPaused = true;
          // The low-water mark of the bytes stands to theirs as that of the events does.
          else if (waiting.length <= 2 && bytes <= 500) isPaused = false;
          expect(owner.isPaused).toBe(isPaused);
          expect(mailbox.gauges().paused).toBe(isPaused ? 1 : 0);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("pause it exactly at the high-water mark, once", () => {
    const mailbox = new Mailbox(LIMITS);
    const owner = new Owner();
    const queue = mailbox.createQueue(owner);
    for (let i = 0; i < 5; i++) mailbox.post(queue, message("x"));
    expect(owner.isPaused).toBe(false);
    mailbox.post(queue, message("x"));
    expect(owner.isPaused).toBe(true);
    for (let i = 0; i < 50; i++) mailbox.post(queue, message("x"));
    expect(owner.told).toBe(1);
    for (let i = 56; i > 3; i--) mailbox.take();
    expect(owner.isPaused).toBe(true);
    mailbox.take();
    expect([owner.isPaused, owner.told]).toEqual([false, 2]);
  });

  test("count 128 bytes for each message beside its own, also for an empty one and for a ping", () => {
    const data = Buffer.alloc(0);
    for (const event of [message(""), { type: "ping" as const, connection, data }]) {
      const mailbox = new Mailbox({ highWaterEvents: 10_000, lowWaterEvents: 1_000, maxBytes: 12_800, maxInfo: 1 });
      const owner = new Owner();
      const queue = mailbox.createQueue(owner);
      for (let i = 0; i < 99; i++) mailbox.post(queue, event);
      expect(owner.isPaused).toBe(false);
      mailbox.post(queue, event);
      expect(owner.isPaused).toBe(true);
      for (let i = 0; i < 90; i++) mailbox.take();
      // A tenth of the bytes is the low-water mark here, as of the events.
      expect(owner.isPaused).toBe(false);
    }
  });

  test("count only what its peer sent", () => {
    const mailbox = new Mailbox({ ...LIMITS, maxInfo: 100 });
    const owner = new Owner();
    const queue = mailbox.createQueue(owner);
    mailbox.post(queue, open());
    for (let i = 0; i < 20; i++) mailbox.post(queue, info("x"), 1_000);
    mailbox.post(queue, { type: "idle", connection });
    expect(owner.isPaused).toBe(false);
  });

  test("do not concern other connections", () => {
    const mailbox = new Mailbox(LIMITS);
    const [owner, other] = [new Owner(), new Owner()];
    const queue = mailbox.createQueue(owner);
    mailbox.post(mailbox.createQueue(other), message("x"));
    for (let i = 0; i < 6; i++) mailbox.post(queue, message("x"));
    expect([owner.isPaused, other.isPaused, mailbox.gauges().paused]).toEqual([true, false, 1]);
  });

  test("do not count events of no connection", () => {
    const mailbox = new Mailbox({ ...LIMITS, maxInfo: 100 });
    for (let i = 0; i < 50; i++) expect(mailbox.post(mailbox.common, info(String(i)), 1_000)).toBe(true);
    expect(mailbox.gauges().paused).toBe(0);
  });
});

describe("info events", () => {
  test("are refused when maxInfo of them wait, whichever connections they are about", () => {
    const mailbox = new Mailbox(LIMITS);
    const queues = [mailbox.common, mailbox.createQueue(new Owner()), mailbox.createQueue(new Owner())];
    const post = (i: number): boolean => mailbox.post(queues[i % 3] ?? mailbox.common, info(String(i)));
    for (let i = 0; i < 8; i++) expect(post(i)).toBe(true);
    for (let i = 0; i < 3; i++) expect(post(i)).toBe(false);
    expect(mailbox.size).toBe(8);
    mailbox.take();
    expect([post(0), post(1)]).toEqual([true, false]);
  });

  test("that are discarded make room", () => {
    const mailbox = new Mailbox(LIMITS);
    const queue = mailbox.createQueue(new Owner());
    for (let i = 0; i < 8; i++) mailbox.post(queue, info("x"));
    mailbox.discard(queue);
    expect([mailbox.size, mailbox.post(queue, info("x"))]).toEqual([0, true]);
  });

  test("leave room for everything else", () => {
    const mailbox = new Mailbox({ ...LIMITS, maxInfo: 1 });
    mailbox.post(mailbox.common, info("x"));
    expect(mailbox.post(mailbox.createQueue(new Owner()), message("y"))).toBe(true);
  });
});

const away = (): ServerEvent => ({ type: "away", connection });
const back = (replayed: number, lost: number): ServerEvent => ({ type: "back", connection, replayed, lost });

describe("absences that the handler has not been told of", () => {
  /** The events that the handler gets, each as a line. */
  function drain(mailbox: Mailbox): string[] {
    const lines: string[] = [];
    for (let posted = mailbox.take(); posted !== undefined; posted = mailbox.take()) {
      const { event } = posted;
      lines.push(event.type === "back" ? `back ${event.replayed} ${event.lost}` : nameOf(event));
    }
    return lines;
  }

  test("are told as one, with the losses of each, however many there are", () => {
    const mailbox = new Mailbox(LIMITS);
    const queue = mailbox.createQueue(new Owner());
    mailbox.post(queue, message("before"));
    for (let i = 0; i < 1_000; i++) {
      mailbox.post(queue, away());
      mailbox.post(queue, back(i, 2));
    }
    mailbox.post(queue, message("after"));
    expect(mailbox.size).toBe(4);
    expect(drain(mailbox)).toEqual(["before", "away", "back 999 2000", "after"]);
    expect(mailbox.size).toBe(0);
  });

  test("are told apart where something else happens in between", () => {
    const mailbox = new Mailbox(LIMITS);
    const queue = mailbox.createQueue(new Owner());
    for (const event of [away(), back(1, 1), message("hi"), away(), back(2, 0), away(), back(3, 1)])
      mailbox.post(queue, event);
    expect(drain(mailbox)).toEqual(["away", "back 1 1", "hi", "away", "back 3 1"]);
    for (const tell of [() => mailbox.post(queue, info("told")), () => mailbox.forward(queue, info("told"))]) {
      for (const event of [away(), back(1, 1), away()]) mailbox.post(queue, event);
      tell();
      for (const event of [back(2, 0), away(), back(3, 1)]) mailbox.post(queue, event);
      expect(drain(mailbox)).toEqual(["away", "back 1 1", "away", "told", "back 3 1"]);
    }
  });

  test("end with away if nobody has come back, and closed follows", () => {
    const mailbox = new Mailbox(LIMITS);
    const queue = mailbox.createQueue(new Owner());
    for (const event of [away(), back(1, 0), away()]) mailbox.post(queue, event);
    expect(drain(mailbox)).toEqual(["away", "back 1 0", "away"]);
    mailbox.post(queue, back(2, 0));
    mailbox.post(queue, away());
    const ending = { code: 1006, reason: "away too long", wasClean: false, by: "lost", unacknowledged: 0 } as const;
    mailbox.post(queue, { type: "closed", connection, ...ending });
    expect(drain(mailbox)).toEqual(["back 2 0", "away", "closed"]);
  });

  test("of two connections are kept apart, and go with the rest when our side closes", () => {
    const mailbox = new Mailbox(LIMITS);
    const [ann, bob] = [mailbox.createQueue(new Owner()), mailbox.createQueue(new Owner())];
    for (const event of [away(), back(1, 0), away()]) mailbox.post(ann, event);
    for (const event of [away(), back(2, 0), away()]) mailbox.post(bob, event);
    mailbox.discard(ann);
    expect(drain(mailbox)).toEqual(["away", "back 2 0", "away"]);
  });
});

describe("discarding the events of a connection", () => {
  test("leaves no event of that connection, and every event of the others in order", () => {
    const mailbox = new Mailbox(LIMITS);
    const [queue, other] = [mailbox.createQueue(new Owner()), mailbox.createQueue(new Owner())];
    for (let i = 0; i < 2; i++) {
      mailbox.post(queue, message(`gone ${i}`));
      mailbox.post(other, message(`kept ${i}`));
    }
    mailbox.discard(queue);
    const ending = { code: 1000, reason: "", wasClean: true, by: "server", unacknowledged: 0 } as const;
    mailbox.post(queue, { type: "closed", connection, ...ending });
    expect(takeAll(mailbox)).toEqual(["kept 0", "kept 1", "closed"]);
  });

  test("leaves an open that the handler has not seen, so that closed does not come without it", () => {
    const mailbox = new Mailbox(LIMITS);
    const queue = mailbox.createQueue(new Owner());
    mailbox.post(queue, open());
    for (let i = 0; i < 10; i++) mailbox.post(queue, message("x"));
    mailbox.discard(queue);
    expect(mailbox.size).toBe(1);
    expect(takeAll(mailbox)).toEqual(["open"]);
  });

  test("while one of its events is under way leaves no event for afterwards", () => {
    const mailbox = new Mailbox(LIMITS);
    const group = new SerialGroup();
    const queue = mailbox.createQueue(new Owner(), group);
    for (let i = 0; i < 2; i++) mailbox.post(queue, message(String(i)));
    mailbox.take();
    group.isBusy = true;
    expect(mailbox.take()).toBeUndefined();
    mailbox.discard(queue);
    mailbox.release(group);
    expect([mailbox.take(), mailbox.size]).toEqual([undefined, 0]);
  });
});
