import { describe, expect, it } from "vitest";
import { ReusedList } from "../../../src/runtime/reused-list.js";

function drained<T>(list: ReusedList<T>): T[] {
  const items: T[] = [];
  list.drain((item) => items.push(item));
  return items;
}

describe("ReusedList", () => {
  it("gives the items in order, once", () => {
    const list = new ReusedList<number>();
    for (const item of [1, 2, 3]) list.push(item);
    expect(drained(list)).toEqual([1, 2, 3]);
    expect(drained(list)).toEqual([]);
  });

  it("gives a shorter second filling without the rest of the first", () => {
    const list = new ReusedList<number>();
    for (const item of [1, 2, 3]) list.push(item);
    drained(list);
    list.push(4);
    expect(drained(list)).toEqual([4]);
  });

  it("puts an item ahead, also where places are free behind", () => {
    const list = new ReusedList<number>();
    for (const item of [1, 2, 3]) list.push(item);
    drained(list);
    list.push(5);
    list.pushFirst(4);
    list.push(6);
    list.pushFirst(3);
    expect(drained(list)).toEqual([3, 4, 5, 6]);
  });

  it("works on after a very long filling", () => {
    const list = new ReusedList<number>();
    for (let item = 0; item < 20_000; item++) list.push(item);
    expect(drained(list)).toHaveLength(20_000);
    list.push(1);
    expect(drained(list)).toEqual([1]);
  });

  it("peeks at each item once, before it is taken, and at few ahead of the others", () => {
    const list = new ReusedList<number>();
    const items = Array.from({ length: 40 }, (_, i) => i);
    for (const item of items) list.push(item);
    const peeked: number[] = [];
    const taken: number[] = [];
    list.drain(
      (item) => {
        expect(peeked).toContain(item);
        taken.push(item);
      },
      (item) => {
        expect(item - taken.length).toBeLessThan(16);
        return peeked.push(item);
      },
    );
    expect([peeked, taken]).toEqual([items, items]);
  });
});
