/** The turn loop: what runs in one turn, and when what was sent is written. */
import { describe, expect, test } from "vitest";
import { type Flushable, LONG_TURN_MS, type Runnable, Turn } from "../../../src/runtime/turn.js";
import { HandClock } from "../../../src/testing/runtime/clock.js";

/** A clock whose steps are run one by one. */
class StepClock extends HandClock {
  readonly steps: (() => void)[] = [];

  override soon(step: () => void): void {
    this.steps.push(step);
  }

  /** Runs what is scheduled now, not what that schedules. */
  step(): void {
    for (const step of this.steps.splice(0)) step();
  }
}

class Scene {
  readonly clock = new StepClock();
  readonly turn = new Turn(this.clock);
  readonly order: string[] = [];

  /** Something that runs; `answers` are what `run` returns in turn, the last one for good. */
  runnable(name: string, ...answers: readonly ("idle" | "more" | "awaiting")[]): Runnable {
    let runs = 0;
    return {
      run: (budget) => {
        this.order.push(`${name} ${budget}`);
        return answers[Math.min(runs++, answers.length - 1)] ?? "idle";
      },
    };
  }

  flushable(name: string, also: () => void = () => {}): Flushable {
    return {
      flush: () => {
        this.order.push(`flush ${name}`);
        also();
      },
    };
  }

  take(): string[] {
    return this.order.splice(0);
  }
}

describe("a turn", () => {
  test("runs what was woken, then flushes what is to be flushed, and ends", () => {
    const scene = new Scene();
    const runnable = scene.runnable("one", "idle");
    scene.turn.flushAtEnd(scene.flushable("a"));
    scene.turn.wake(runnable);
    scene.turn.wake(runnable);
    scene.turn.flushAtEnd(scene.flushable("b"));
    expect([scene.take(), scene.clock.steps.length]).toEqual([[], 1]);
    scene.clock.step();
    expect([scene.take(), scene.clock.steps.length]).toEqual([["one 512", "flush a", "flush b"], 0]);
  });

  test("in which a runnable throws runs and flushes the others, and tells of each failure", () => {
    const clock = new StepClock();
    const told: unknown[] = [];
    const turn = new Turn(clock, (error) => told.push(error));
    const order: string[] = [];
    const thrower = (what: string) => (): never => {
      order.push(`${what} throws`);
      throw what;
    };
    turn.wake({ run: thrower("runnable") });
    turn.wake({
      run: () => {
        order.push("another runs");
        turn.flushAtEnd({ flush: thrower("flushable") });
        turn.flushAtEnd({ flush: () => void order.push("another flushes") });
        return "idle";
      },
    });
    const { number } = turn;
    clock.step();
    expect(order).toEqual(["runnable throws", "another runs", "flushable throws", "another flushes"]);
    expect([told, turn.number]).toEqual([["runnable", "flushable"], number + 1]);
  });

  test("throws an error that nobody is told of in a step of its own, after everything else", () => {
    const scene = new Scene();
    scene.turn.wake({
      run: () => {
        throw new Error("ours");
      },
    });
    scene.turn.flushAtEnd(scene.flushable("a"));
    scene.clock.step();
    expect(scene.take()).toEqual(["flush a"]);
    expect(() => scene.clock.step()).toThrow("ours");
  });

  test("flushes what was sent while it ran", () => {
    const scene = new Scene();
    const sender = scene.flushable("a");
    scene.turn.wake({
      run: () => {
        scene.turn.flushAtEnd(sender);
        return "idle";
      },
    });
    scene.clock.step();
    expect(scene.take()).toEqual(["flush a"]);
    scene.clock.step();
    expect(scene.take()).toEqual([]);
  });

  test("goes on in the next one when more is to be run, with sockets served and frames written in between", () => {
    const scene = new Scene();
    const sender = scene.flushable("a");
    scene.turn.wake(scene.runnable("one", "more", "more", "idle"));
    for (let i = 0; i < 2; i++) {
      scene.turn.flushAtEnd(sender);
      scene.clock.step();
      expect([scene.take(), scene.clock.steps.length]).toEqual([["one 512", "flush a"], 1]);
    }
    scene.clock.step();
    expect([scene.take(), scene.clock.steps.length]).toEqual([["one 512"], 0]);
  });

  test("runs each runnable once before it runs any a second time", () => {
    const scene = new Scene();
    scene.turn.wake(scene.runnable("one", "more", "idle"));
    scene.turn.wake(scene.runnable("two", "more", "idle"));
    scene.clock.step();
    scene.clock.step();
    expect(scene.take()).toEqual(["one 512", "two 512", "one 512", "two 512"]);
  });

  test("flushes in the next turn what a flush has added", () => {
    const scene = new Scene();
    const second = scene.flushable("second");
    scene.turn.flushAtEnd(scene.flushable("first", () => scene.turn.flushAtEnd(second)));
    scene.clock.step();
    expect(scene.take()).toEqual(["flush first"]);
    scene.clock.step();
    expect([scene.take(), scene.clock.steps.length]).toEqual([["flush second"], 0]);
  });
});

describe("a handler that awaits", () => {
  test("holds the turn open for what settles in the same tick, whose sends share its writes", () => {
    const scene = new Scene();
    const handler = scene.runnable("handler", "awaiting", "awaiting", "idle");
    scene.turn.wake(handler);
    scene.turn.flushAtEnd(scene.flushable("a"));
    scene.clock.step();
    expect(scene.take()).toEqual(["handler 512"]);
    scene.turn.settled(handler);
    scene.turn.flushAtEnd(scene.flushable("b"));
    scene.turn.settled(handler);
    expect(scene.take()).toEqual(["handler 512", "handler 512"]);
    scene.clock.step();
    expect([scene.take(), scene.clock.steps.length]).toEqual([["flush a", "flush b"], 0]);
  });

  test("has what it sent before written at the next tick, however long it awaits", () => {
    const scene = new Scene();
    scene.turn.wake(scene.runnable("handler", "awaiting"));
    scene.turn.flushAtEnd(scene.flushable("a"));
    scene.clock.step();
    scene.clock.step();
    expect([scene.take(), scene.clock.steps.length]).toEqual([["handler 512", "flush a"], 0]);
  });

  test("and settles after its turn has ended goes on in a new turn", () => {
    const scene = new Scene();
    const handler = scene.runnable("handler", "awaiting", "idle");
    scene.turn.wake(handler);
    scene.clock.step();
    scene.clock.step();
    scene.take();
    scene.turn.settled(handler);
    scene.turn.flushAtEnd(scene.flushable("a"));
    expect(scene.take()).toEqual([]);
    scene.clock.step();
    expect(scene.take()).toEqual(["handler 512", "flush a"]);
  });

  test("and sends after its turn has ended has its frames written in a new turn", () => {
    const scene = new Scene();
    scene.turn.wake(scene.runnable("handler", "awaiting"));
    scene.clock.step();
    scene.clock.step();
    scene.take();
    scene.turn.flushAtEnd(scene.flushable("a"));
    scene.clock.step();
    expect([scene.take(), scene.clock.steps.length]).toEqual([["flush a"], 0]);
  });

  test("does not hold up others", () => {
    const scene = new Scene();
    scene.turn.wake(scene.runnable("awaits", "awaiting"));
    scene.turn.wake(scene.runnable("other", "more", "idle"));
    scene.clock.step();
    scene.clock.step();
    expect(scene.take()).toEqual(["awaits 512", "other 512", "other 512"]);
  });

  test("goes on at once for one budget only: sockets are served although it never stops settling", () => {
    const scene = new Scene();
    const handler = scene.runnable("handler", "awaiting");
    scene.turn.wake(handler);
    scene.turn.flushAtEnd(scene.flushable("a"));
    scene.clock.step();
    scene.take();
    for (let i = 0; i < 512; i++) scene.turn.settled(handler);
    expect(scene.take().length).toBe(512);
    for (let i = 0; i < 100; i++) scene.turn.settled(handler);
    expect(scene.take()).toEqual([]);
    scene.clock.step();
    expect(scene.take()).toEqual(["flush a", "handler 512"]);
  });

  test("goes on at once for a limited time only", () => {
    const scene = new Scene();
    const handler = scene.runnable("handler", "awaiting");
    scene.turn.wake(handler);
    scene.clock.step();
    scene.clock.pass(LONG_TURN_MS - 1);
    scene.turn.settled(handler);
    expect(scene.take().length).toBe(2);
    scene.clock.pass(1);
    scene.turn.settled(handler);
    expect(scene.take()).toEqual([]);
    scene.clock.step();
    expect(scene.take()).toEqual(["handler 512"]);
  });
});
