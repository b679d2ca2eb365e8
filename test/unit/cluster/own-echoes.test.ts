/** What of this node's packets is to come back: each loss is counted once, and nothing that the engine has not taken. */
import { expect, test } from "vitest";
import { OwnEchoes } from "../../../src/cluster/own-echoes.js";

function place(first: number, stream = 1): { readonly stream: number; readonly first: number } {
  return { stream, first };
}

test("what comes back in order is no loss, and what is skipped is lost once", () => {
  const echoes = new OwnEchoes();
  for (const first of [0, 2, 5, 9]) echoes.expect("s", place(first), 2);
  expect(echoes.arrived("s", place(0))).toBe(0);
  expect(echoes.arrived("s", place(9))).toBe(4);
  expect(echoes.arrived("s", place(9))).toBe(0);
});

test("packets of a later stream come after those of an earlier one", () => {
  const echoes = new OwnEchoes();
  echoes.expect("s", place(7, 1), 1);
  echoes.expect("s", place(0, 2), 1);
  expect(echoes.arrived("s", place(0, 2))).toBe(1);
});

test("a packet that was not expected is no loss, and skips nothing that comes later", () => {
  const echoes = new OwnEchoes();
  expect(echoes.arrived("s", place(3))).toBe(0);
  echoes.expect("s", place(5), 1);
  expect(echoes.arrived("s", place(4))).toBe(0);
  expect(echoes.arrived("t", place(9))).toBe(0);
  expect(echoes.arrived("s", place(6))).toBe(1);
});

test("a packet that the engine has not taken is not awaited, and the next packet has its place", () => {
  const echoes = new OwnEchoes();
  for (let i = 0; i < 3; i++) {
    echoes.expect("s", place(0), 4);
    echoes.withdraw("s");
  }
  echoes.expect("s", place(0), 1);
  echoes.expect("s", place(1), 1);
  echoes.withdraw("s");
  expect(echoes.arrived("s", place(0))).toBe(0);
  expect(echoes.arrived("s", place(7))).toBe(0);
});

test("the packets under way are bounded over all subjects, and those that have come back make room", () => {
  const echoes = new OwnEchoes(3);
  expect(["a", "b", "b", "c"].map((subject, first) => echoes.expect(subject, place(first), 1))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(echoes.arrived("b", place(2))).toBe(1);
  expect([3, 4, 5].map((first) => echoes.expect("c", place(first), 1))).toEqual([true, true, false]);
  echoes.forget("c");
  expect([3, 4, 5].map((first) => echoes.expect("d", place(first), 1))).toEqual([true, true, false]);
  echoes.forgetAll();
  expect(echoes.expect("d", place(9), 1)).toBe(true);
});

test("what was forgotten is not missed", () => {
  const echoes = new OwnEchoes();
  echoes.expect("s", place(0), 1);
  echoes.forget("s");
  expect(echoes.arrived("s", place(9))).toBe(0);
});
