/** What a session's client has sent, on its way to a connection that may be full. */
import { expect, test } from "vitest";
import { Inbox } from "../../../src/sockjs/protocol/inbox.js";

function stage(onMessage: (text: string) => void = () => {}) {
  const told: string[] = [];
  const inbox = new Inbox({
    message(data, bytes) {
      told.push(`${data} ${bytes}`);
      onMessage(String(data));
    },
  });
  return { inbox, told, done: (name: string) => () => void told.push(`${name} done`) };
}

test("messages are delivered at once, in order, with their bytes, and then the batch is done", () => {
  const { inbox, told, done } = stage();
  inbox.push(["a", "é"], done("first"));
  inbox.push([], done("empty"));
  inbox.push(["b"]);
  expect(told).toEqual(["a 1", "é 2", "first done", "empty done", "b 1"]);
});

test("a pause in the middle holds the rest, and what comes after it", () => {
  const { inbox, told, done } = stage((text) => {
    if (text === "b") inbox.pause();
  });
  inbox.push(["a", "b", "c"], done("first"));
  inbox.push(["d"], done("second"));
  expect(told.splice(0)).toEqual(["a 1", "b 1"]);
  inbox.resume();
  expect(told).toEqual(["c 1", "first done", "d 1", "second done"]);
});

test("the inbox counts the messages that wait, and none that was delivered or discarded", () => {
  const { inbox } = stage((text) => {
    if (text === "pause") inbox.pause();
  });
  inbox.push(["a"]);
  expect(inbox.waiting).toBe(0);
  inbox.push(["b", "pause", "c", "d"]);
  inbox.push([]);
  inbox.push(["pause", "e"]);
  expect(inbox.waiting).toBe(4);
  inbox.resume();
  expect(inbox.waiting).toBe(1);
  inbox.end();
  inbox.push(["late", "later"]);
  expect(inbox.waiting).toBe(0);
});

test("a message that brings another one does not overtake it", () => {
  const { inbox, told } = stage((text) => {
    if (text === "a") inbox.push(["late"]);
    if (text === "b") inbox.resume();
  });
  inbox.push(["a", "b"]);
  expect(told).toEqual(["a 1", "b 1", "late 4"]);
});

test("at its end the inbox delivers every message that has arrived, although it is paused, and nothing later", () => {
  const { inbox, told, done } = stage(() => inbox.pause());
  inbox.push(["a", "b", "c"], done("first"));
  inbox.push(["d"], done("second"));
  expect(told.splice(0)).toEqual(["a 1"]);
  inbox.end();
  expect(told.splice(0)).toEqual(["b 1", "c 1", "first done", "d 1", "second done"]);
  inbox.push(["late"], done("late"));
  expect(told).toEqual(["late done"]);
});
