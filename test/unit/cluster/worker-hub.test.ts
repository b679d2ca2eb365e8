/** The hub of `workers()`: which worker gets which packets, and how much may wait for a worker that reads nothing. */
import { expect, test } from "vitest";
import { WorkerHub } from "../../../src/cluster/engines/worker-hub.js";
import { type Port, type PortMessage, TAG } from "../../../src/cluster/engines/worker-protocol.js";

/** A port to a worker controlled by the test. */
class HandPort implements Port {
  readonly got: PortMessage[] = [];
  readonly waiting: (() => void)[] = [];
  #listener: (message: unknown) => void = () => {};

  send(message: PortMessage, sent: () => void): void {
    this.got.push(message);
    this.waiting.push(sent);
  }
  listen(listener: (message: unknown) => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => {};
    };
  }
  say(message: unknown): void {
    this.#listener(message);
  }
  get packets(): string[] {
    return this.got.flatMap((message) => (message[1] === "deliver" ? message[3].map(([, packet]) => packet) : []));
  }
  get delivered(): string[] {
    return this.got.flatMap((message) => (message[1] === "deliver" ? message[3].map(([subject]) => subject) : []));
  }
}

function join(hub: WorkerHub, node: string, ...subjects: string[]): { port: HandPort; remove: () => void } {
  const port = new HandPort();
  const remove = hub.add(port);
  port.say([TAG, "hello", node]);
  port.say([TAG, "subscribe", node, subjects, 1]);
  return { port, remove };
}

test("a subscriber gets what others publish, one message for each publishing, and nothing of its own", () => {
  const hub = new WorkerHub();
  const [a, b] = [join(hub, "a", "s", "t"), join(hub, "b", "s", "t")];
  a.port.say([
    TAG,
    "publish",
    "a",
    [
      ["s", "1"],
      ["t", "2"],
      ["u", "3"],
    ],
  ]);
  expect(b.port.got.slice(2)).toEqual([
    [
      TAG,
      "deliver",
      "b",
      [
        ["s", "1"],
        ["t", "2"],
      ],
    ],
  ]);
  expect(a.port.delivered).toEqual([]);
});

test("what is published with echo goes to its node, too, in the order in which the hub gets it", () => {
  const hub = new WorkerHub();
  const [a, b] = [join(hub, "a", "s"), join(hub, "b", "s")];
  a.port.say([
    TAG,
    "publish",
    "a",
    [
      ["s", "1"],
      ["s", "2", true],
    ],
  ]);
  b.port.say([TAG, "publish", "b", [["s", "3", true]]]);
  a.port.say([TAG, "publish", "a", [["t", "4", true]]]);
  expect([a.port.packets, b.port.packets]).toEqual([
    ["2", "3"],
    ["1", "2", "3"],
  ]);
});

test("a worker that has gone gets nothing more, nor does one that has said goodbye", () => {
  const hub = new WorkerHub();
  const [a, b, c] = [join(hub, "a"), join(hub, "b", "s"), join(hub, "c", "s")];
  b.remove();
  c.port.say([TAG, "bye", "c"]);
  a.port.say([TAG, "publish", "a", [["s", "1"]]]);
  expect([b.port.delivered, c.port.delivered]).toEqual([[], []]);
});

test("what waits for a worker that takes nothing is bounded, and it gets more once it takes", () => {
  const hub = new WorkerHub();
  const [a, b] = [join(hub, "a"), join(hub, "b", "s")];
  const packet = "x".repeat(1_048_576);
  for (let i = 0; i < 40; i++) a.port.say([TAG, "publish", "a", [["s", packet]]]);
  expect(b.port.delivered).toHaveLength(16);
  for (const sent of b.port.waiting.splice(0)) sent();
  a.port.say([TAG, "publish", "a", [["s", packet]]]);
  expect(b.port.delivered).toHaveLength(17);
});

test("messages of the program itself are left alone", () => {
  const hub = new WorkerHub();
  const { port } = join(hub, "a", "s");
  for (const message of ["hello", null, 5, { sendall: "publish" }, ["other", "hello"]]) port.say(message);
  expect(port.got.map(([, verb]) => verb)).toEqual(["welcome", "subscribed"]);
});
