/** The queue against an array. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Fifo } from "../../../src/runtime/fifo.js";

type Step = { readonly do: "push" | "shift"; readonly times: number } | { readonly do: "takeAll" | "clear" };

const times = fc.integer({ min: 1, max: 200 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("push" as const), times }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("shift" as const), times }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("takeAll" as const, "clear" as const) }) },
  ),
  { maxLength: 40, size: "max" },
);

test("a queue gives back what it got, in order", () => {
  fc.assert(
    fc.property(steps, (plan) => {
      const fifo = new Fifo<number>();
      let model: number[] = [];
      let next = 0;
      for (const step of plan) {
        if (step.do === "takeAll") expect(fifo.takeAll()).toEqual(model);
        if (step.do === "clear") fifo.clear();
        if (!("times" in step)) model = [];
        else
          for (let i = 0; i < step.times; i++) {
            if (step.do === "shift") expect(fifo.shift()).toBe(model.shift());
            else {
              fifo.push(next);
              model.push(next++);
            }
          }
        expect([fifo.size, fifo.first, fifo.last]).toEqual([model.length, model[0], model.at(-1)]);
      }
      expect(fifo.takeAll()).toEqual(model);
    }),
    { numRuns: 300 },
  );
});

test("a queue may give its items away: what is pushed later is not among them", () => {
  const fifo = new Fifo<number>();
  fifo.push(1);
  const taken = fifo.takeAll();
  fifo.push(2);
  expect([taken, fifo.takeAll()]).toEqual([[1], [2]]);
});

test("a queue of 0, false and the empty string is no empty queue", () => {
  const fifo = new Fifo<unknown>();
  for (const item of [0, false, "", null]) fifo.push(item);
  expect([fifo.shift(), fifo.shift(), fifo.shift(), fifo.shift(), fifo.size]).toEqual([0, false, "", null, 0]);
});
