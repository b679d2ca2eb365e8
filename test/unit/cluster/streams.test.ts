/** Numbers of what is sent and what arrives: gaps are counted once, and nothing passes twice. */
import { expect, test } from "vitest";
import { Incoming, Outgoing } from "../../../src/cluster/streams.js";

const node = "0123456789ab";

test("the first number of a stream is no loss, and numbers missing from then on are counted", () => {
  const incoming = new Incoming();
  expect(incoming.take("s", { node, stream: 1, first: 500 }, 2)).toEqual({ known: 0, missed: 0 });
  expect(incoming.take("s", { node, stream: 1, first: 502 }, 1)).toEqual({ known: 0, missed: 0 });
  expect(incoming.take("s", { node, stream: 1, first: 510 }, 1)).toEqual({ known: 0, missed: 7 });
  expect(incoming.take("s", { node, stream: 1, first: 511 }, 1)).toEqual({ known: 0, missed: 0 });
});

test("a packet that comes again, or comes too late, is found out", () => {
  const incoming = new Incoming();
  incoming.take("s", { node, stream: 1, first: 0 }, 4);
  expect(incoming.take("s", { node, stream: 1, first: 0 }, 4)).toEqual({ known: 4, missed: 0 });
  expect(incoming.take("s", { node, stream: 1, first: 2 }, 3)).toEqual({ known: 2, missed: 0 });
  expect(incoming.take("s", { node, stream: 1, first: 5 }, 1)).toEqual({ known: 0, missed: 0 });
});

test("subjects, nodes and streams are counted apart", () => {
  const incoming = new Incoming();
  incoming.take("s", { node, stream: 1, first: 0 }, 1);
  expect(incoming.take("t", { node, stream: 2, first: 5 }, 1)).toEqual({ known: 0, missed: 0 });
  expect(incoming.take("s", { node: "ffffffffffff", stream: 1, first: 9 }, 1)).toEqual({ known: 0, missed: 0 });
  expect(incoming.take("s", { node, stream: 3, first: 9 }, 1)).toEqual({ known: 0, missed: 0 });
  expect(incoming.take("s", { node, stream: 1, first: 1 }, 1)).toEqual({ known: 1, missed: 0 });
});

test("packets sent while no node listened are no loss", () => {
  const incoming = new Incoming();
  incoming.take("s", { node, stream: 1, first: 0 }, 1);
  incoming.forget("s");
  expect(incoming.take("s", { node, stream: 1, first: 100 }, 1)).toEqual({ known: 0, missed: 0 });
});

test("only a packet that the engine has taken has a number", () => {
  const outgoing = new Outgoing();
  expect(outgoing.next("s")).toEqual({ stream: 1, first: 0 });
  expect(outgoing.next("s")).toEqual({ stream: 1, first: 0 });
  outgoing.sent("s", 3);
  expect(outgoing.next("s")).toEqual({ stream: 1, first: 3 });
  expect(outgoing.next("t")).toEqual({ stream: 2, first: 0 });
});

test("a subject that was silent for long begins a new stream: the number of counted streams is bounded", () => {
  const outgoing = new Outgoing();
  outgoing.next("s");
  outgoing.sent("s", 3);
  for (let i = 0; i < 10_000; i++) outgoing.next(`other ${i}`);
  const { stream, first } = outgoing.next("s");
  expect(first).toBe(0);
  const incoming = new Incoming();
  incoming.take("s", { node, stream: 1, first: 2 }, 1);
  expect(incoming.take("s", { node, stream, first }, 1)).toEqual({ known: 0, missed: 0 });
});
