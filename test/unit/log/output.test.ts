/** Lines on their way to standard output or standard error: what becomes of them when nobody takes them. */
import { describe, expect, test } from "vitest";
import { Output } from "../../../src/log/output.js";

/** Somewhere to write to, that takes what the test lets it. */
class Place {
  text = "";
  /** Bytes that it takes before it says no. */
  room = Number.POSITIVE_INFINITY;
  problem = "EAGAIN";
  readonly output: Output;
  readonly waits: number[] = [];
  #again: (() => void)[] = [];

  constructor() {
    this.output = new Output({
      write: (bytes) => {
        if (this.room === 0) throw Object.assign(new Error(this.problem), { code: this.problem });
        const taken = Math.min(bytes.length, this.room);
        this.room -= taken;
        this.text += bytes.toString("latin1", 0, taken);
        return taken;
      },
      schedule: (again, ms) => {
        this.waits.push(ms);
        this.#again.push(again);
      },
      dropNotice: (dropped) => `[${dropped} lost]\n`,
    });
  }

  get hasAlarm(): boolean {
    return this.#again.length > 0;
  }

  ring(): void {
    for (const again of this.#again.splice(0)) again();
  }

  take(): string[] {
    const lines = this.text.split("\n");
    this.text = lines.pop() ?? "";
    return lines;
  }
}

describe("a line", () => {
  test("is written at once, and nothing is set for later", () => {
    const place = new Place();
    place.output.write("one\n");
    place.output.write("two\n");
    expect([place.take(), place.hasAlarm]).toEqual([["one", "two"], false]);
  });

  test("waits while a pipe is full, in order, and is written when somebody has read", () => {
    const place = new Place();
    place.room = 5;
    for (const line of ["one\n", "two\n", "three\n"]) place.output.write(line);
    expect([place.text, place.hasAlarm]).toEqual(["one\nt", true]);
    place.room = 2;
    place.ring();
    expect(place.text).toBe("one\ntwo");
    place.room = 1_000;
    place.output.write("four\n");
    expect(place.take()).toEqual(["one", "two", "three", "four"]);
    place.ring();
    expect(place.hasAlarm).toBe(false);
  });

  test.each(["ENOSPC", "EPIPE", "EIO", "EBADF"])(
    "is lost and counted after %s, and one line says so when writing works",
    (problem) => {
      const place = new Place();
      place.output.write("before\n");
      Object.assign(place, { room: 0, problem });
      for (let i = 0; i < 1_000; i++) place.output.write(`${i}\n`);
      expect(place.hasAlarm).toBe(true);
      for (let i = 0; i < 3; i++) place.ring();
      place.room = 1_000;
      place.output.write("after\n");
      place.output.write("and on\n");
      expect(place.take()).toEqual(["before", "[1000 lost]", "after", "and on"]);
    },
  );

  test("that is lost is told of without another one to come", () => {
    const place = new Place();
    Object.assign(place, { room: 0, problem: "ENOSPC" });
    place.output.write("lost\n");
    place.room = 1_000;
    place.ring();
    expect([place.take(), place.hasAlarm]).toEqual([["[1 lost]"], false]);
  });

  test("that a full disk has cut off is finished before anything else", () => {
    const place = new Place();
    Object.assign(place, { room: 3, problem: "ENOSPC" });
    place.output.write("first\n");
    place.output.write("second\n");
    place.ring();
    place.room = 1_000;
    place.output.write("third\n");
    expect(place.take()).toEqual(["first", "[1 lost]", "third"]);
  });

  test("is lost when 1 MiB waits for a reader, and told of in its place when half of that is read", () => {
    const place = new Place();
    place.room = 0;
    const line = `${"x".repeat(1_023)}\n`;
    for (let i = 0; i < 1_100; i++) place.output.write(line);
    place.room = 400 * 1_024;
    place.output.write("too early\n");
    expect(place.take()).toHaveLength(400);
    place.room = 200 * 1_024;
    place.ring();
    expect(place.take()).toHaveLength(200);
    place.room = 10_000_000;
    place.output.write("last\n");
    expect(place.take().slice(-3)).toEqual([line.trimEnd(), "[77 lost]", "last"]);
  });

  test("that waited for a reader who has gone is lost with the others", () => {
    const place = new Place();
    place.room = 0;
    for (const line of ["one\n", "two\n"]) place.output.write(line);
    place.problem = "EPIPE";
    place.output.write("three\n");
    place.room = 1_000;
    place.ring();
    expect(place.take()).toEqual(["[3 lost]"]);
  });
});

describe("trying to write again", () => {
  test("is soon at first, then less and less often, and soon again once something was written", () => {
    const place = new Place();
    place.room = 0;
    place.output.write("one\n");
    for (let i = 0; i < 10; i++) place.ring();
    expect(place.waits).toEqual([10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000, 1_000]);
    place.room = 1;
    place.ring();
    expect(place.waits.at(-1)).toBe(10);
  });
});

describe("at the exit of the process", () => {
  test("what waits is written while somebody reads", () => {
    const place = new Place();
    place.room = 0;
    place.output.write("one\n");
    place.output.flushAtExit(() => {
      place.room = 1;
    });
    expect(place.take()).toEqual(["one"]);
  });

  test("nobody is waited for in vain", () => {
    const place = new Place();
    place.room = 0;
    place.output.write("one\n");
    let waited = 0;
    place.output.flushAtExit((ms) => {
      waited += ms;
    }, 100);
    expect([waited, place.text]).toEqual([100, ""]);
  });

  test("lost lines are told of if that can be written, and else nothing is waited for", () => {
    const place = new Place();
    Object.assign(place, { room: 0, problem: "ENOSPC" });
    place.output.write("one\n");
    place.room = 1_000;
    place.output.flushAtExit(() => expect.fail());
    expect(place.take()).toEqual(["[1 lost]"]);
    place.room = 0;
    place.output.write("two\n");
    place.output.flushAtExit(() => expect.fail());
  });
});
