/** The queue of inbound messages: order, pauses, and the end of a session. */
import { expect, test } from "vitest";
import { InboundQueue } from "../../../src/sockjs/inbound-queue.js";

function stage(onMessage: (text: string) => void = () => {}) {
  const told: string[] = [];
  const queue = new InboundQueue({
    message(data, bytes) {
      told.push(`${data} ${bytes}`);
      onMessage(String(data));
    },
  });
  return { queue, told, done: (name: string) => () => void told.push(`${name} done`) };
}

test("messages are delivered at once, in order, with their bytes, and then it is done", () => {
  const { queue, told, done } = stage();
  queue.push(["a", "é"], done("first"));
  queue.push([], done("empty"));
  queue.push(["b"]);
  expect(told).toEqual(["a 1", "é 2", "first done", "empty done", "b 1"]);
});

test("a pause in the middle holds the rest, and what comes after it", () => {
  const { queue, told, done } = stage((text) => {
    if (text === "b") queue.pause();
  });
  queue.push(["a", "b", "c"], done("first"));
  queue.push(["d"], done("second"));
  expect(told.splice(0)).toEqual(["a 1", "b 1"]);
  queue.resume();
  expect(told).toEqual(["c 1", "first done", "d 1", "second done"]);
});

test("counts what waits, and nothing that was delivered or given up", () => {
  const { queue } = stage((text) => {
    if (text === "pause") queue.pause();
  });
  queue.push(["a"]);
  expect(queue.waiting).toBe(0);
  queue.push(["b", "pause", "c", "d"]);
  queue.push([]);
  queue.push(["pause", "e"]);
  expect(queue.waiting).toBe(4);
  queue.resume();
  expect(queue.waiting).toBe(1);
  queue.close();
  queue.push(["late", "later"]);
  expect(queue.waiting).toBe(0);
});

test("a message that brings another one does not overtake it", () => {
  const { queue, told } = stage((text) => {
    if (text === "a") queue.push(["late"]);
    if (text === "b") queue.resume();
  });
  queue.push(["a", "b"]);
  expect(told).toEqual(["a 1", "b 1", "late 4"]);
});

test("at the end everything that has arrived is delivered, whoever pauses, and nothing later", () => {
  const { queue, told, done } = stage(() => queue.pause());
  queue.push(["a", "b", "c"], done("first"));
  queue.push(["d"], done("second"));
  expect(told.splice(0)).toEqual(["a 1"]);
  queue.close();
  expect(told.splice(0)).toEqual(["b 1", "c 1", "first done", "d 1", "second done"]);
  queue.push(["late"], done("late"));
  expect(told).toEqual(["late done"]);
});
