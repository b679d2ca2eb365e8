/** Sequence numbers: each gap is counted once, and no message passes twice. */
import { expect, test } from "vitest";
import { IncomingSequences, OutgoingSequences } from "../../../src/cluster/sequences.js";

const node = "0123456789ab";

test("what is heard first is nobody's loss, and what is missing from then on is counted", () => {
  const incoming = new IncomingSequences();
  expect(incoming.register("s", { node, stream: 1, first: 500 }, 2)).toMatchObject({ known: 0, missed: 0 });
  expect(incoming.register("s", { node, stream: 1, first: 502 }, 1)).toMatchObject({ known: 0, missed: 0 });
  expect(incoming.register("s", { node, stream: 1, first: 510 }, 1)).toEqual({ known: 0, missed: 7, isSure: false });
  expect(incoming.register("s", { node, stream: 1, first: 511 }, 1)).toMatchObject({ known: 0, missed: 0 });
});

test("what comes again, or comes too late, is known", () => {
  const incoming = new IncomingSequences();
  incoming.register("s", { node, stream: 1, first: 0 }, 4);
  expect(incoming.register("s", { node, stream: 1, first: 0 }, 4)).toMatchObject({ known: 4, missed: 0 });
  expect(incoming.register("s", { node, stream: 1, first: 2 }, 3)).toMatchObject({ known: 2, missed: 0 });
  expect(incoming.register("s", { node, stream: 1, first: 5 }, 1)).toMatchObject({ known: 0, missed: 0 });
});

test("whether something may be missing is told: surely nothing after what was heard, or at the beginning of a node's first stream", () => {
  const incoming = new IncomingSequences();
  const isSure = (stream: number, first: number): boolean => incoming.register("s", { node, stream, first }, 1).isSure;
  expect(isSure(1, 0)).toBe(true);
  expect(isSure(1, 1)).toBe(true);
  expect(isSure(1, 3)).toBe(false);
  expect(isSure(1, 4)).toBe(true);
  expect(isSure(1, 0)).toBe(true);
  expect(isSure(2, 0)).toBe(false);
  expect(isSure(2, 1)).toBe(true);
  expect(isSure(1, 9)).toBe(true);
  incoming.unregister("s");
  expect(isSure(2, 2)).toBe(false);
  expect(isSure(2, 3)).toBe(true);
});

test("subjects, nodes and streams are counted apart", () => {
  const incoming = new IncomingSequences();
  incoming.register("s", { node, stream: 1, first: 0 }, 1);
  expect(incoming.register("t", { node, stream: 2, first: 5 }, 1)).toMatchObject({ known: 0, missed: 0 });
  expect(incoming.register("s", { node: "ffffffffffff", stream: 1, first: 9 }, 1)).toMatchObject({
    known: 0,
    missed: 0,
  });
  expect(incoming.register("s", { node, stream: 3, first: 9 }, 1)).toMatchObject({ known: 0, missed: 0 });
  expect(incoming.register("s", { node, stream: 1, first: 1 }, 1)).toMatchObject({ known: 1, missed: 0 });
});

test("what was sent while nobody listened is nobody's loss", () => {
  const incoming = new IncomingSequences();
  incoming.register("s", { node, stream: 1, first: 0 }, 1);
  incoming.unregister("s");
  expect(incoming.register("s", { node, stream: 1, first: 100 }, 1)).toMatchObject({ known: 0, missed: 0 });
});

test("only what was handed over has a number", () => {
  const outgoing = new OutgoingSequences();
  expect(outgoing.next("s")).toEqual({ stream: 1, first: 0 });
  expect(outgoing.next("s")).toEqual({ stream: 1, first: 0 });
  outgoing.advance("s", 3);
  expect(outgoing.next("s")).toEqual({ stream: 1, first: 3 });
  expect(outgoing.next("t")).toEqual({ stream: 2, first: 0 });
});

test("a subject that was silent for long begins a new stream: the number of those that are counted is bounded", () => {
  const outgoing = new OutgoingSequences();
  outgoing.next("s");
  outgoing.advance("s", 3);
  for (let i = 0; i < 10_000; i++) outgoing.next(`other ${i}`);
  const { stream, first } = outgoing.next("s");
  expect(first).toBe(0);
  const incoming = new IncomingSequences();
  incoming.register("s", { node, stream: 1, first: 2 }, 1);
  expect(incoming.register("s", { node, stream, first }, 1)).toMatchObject({ known: 0, missed: 0 });
});
