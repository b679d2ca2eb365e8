/** How a client in Node notices by pings that a plain server has fallen silent, and which servers it must not drop. */
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchPings } from "../../../src/client/ping-watch.js";

/** The class of `ws`, as far as a watch uses it. */
class PingedSocket extends EventEmitter {
  protocol = "";
  readonly log: string[] = [];
  ping(): void {
    this.log.push("ping");
  }
  terminate(): void {
    this.log.push("terminate");
  }
}

let ws: PingedSocket;
let below: EventEmitter;

beforeEach(() => {
  vi.useFakeTimers();
  ws = new PingedSocket();
  ws.on("error", ({ message }) => ws.log.push(message));
  below = new EventEmitter();
  watchPings(ws, below);
});

afterEach(() => {
  vi.useRealTimers();
});

/** The server pings twice. */
function pingTwice(intervalMs: number): void {
  ws.emit("ping");
  vi.advanceTimersByTime(intervalMs);
  ws.emit("ping");
}

/** How many bytes the system has yet to take. */
function queue(writeQueueSize: number): void {
  Object.assign(below, { _handle: { writeQueueSize } });
}

const SILENT = ["ping", "the server has fallen silent", "terminate"];

test("a server that stops pinging is asked after twice the interval, and dropped 5 s later", () => {
  pingTwice(10_000);
  vi.advanceTimersByTime(19_999);
  expect(ws.log).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(ws.log).toEqual(["ping"]);
  vi.advanceTimersByTime(4_999);
  expect(ws.log).toEqual(["ping"]);
  vi.advanceTimersByTime(1);
  expect(ws.log).toEqual(SILENT);
});

test.each([0, 1, 10_000])("a server with two pings %i ms apart that then only answers pings is kept", (intervalMs) => {
  ws.ping = () => {
    ws.log.push("ping");
    below.emit("data", Buffer.from([0x8a, 0]));
  };
  pingTwice(intervalMs);
  vi.advanceTimersByTime(3_600_000);
  expect(new Set(ws.log)).toEqual(new Set(["ping"]));
  // Not in a hurry, either.
  expect(ws.log.length).toBeLessThanOrEqual(3_600);
});

test("a server with two pings at once is not asked while its messages come", () => {
  pingTwice(0);
  const messages = setInterval(() => below.emit("data", Buffer.from([0x81, 0])), 900);
  vi.advanceTimersByTime(3_600_000);
  clearInterval(messages);
  expect(ws.log).toEqual([]);
});

test("a server that reads what waits ahead of the ping is kept, and dropped when it reads no more", () => {
  pingTwice(0);
  queue(100_000_000);
  const reading = setInterval(
    () => queue(Number(Reflect.get(Reflect.get(below, "_handle"), "writeQueueSize")) - 1),
    4_000,
  );
  vi.advanceTimersByTime(60_000);
  expect(ws.log).toEqual(["ping"]);
  clearInterval(reading);
  vi.advanceTimersByTime(10_000);
  expect(ws.log).toEqual(SILENT);
});

test("a server with pings a month apart costs no timer that rings at once", () => {
  const setTimer = vi.spyOn(globalThis, "setTimeout");
  pingTwice(30 * 86_400_000);
  expect(setTimer.mock.lastCall?.[1]).toBe(2_147_483_647);
  setTimer.mockRestore();
});

test("a server of a session is left to the client, and a watch ends with its connection", () => {
  ws.protocol = "sendall.1";
  pingTwice(10);
  ws.protocol = "";
  expect(vi.getTimerCount()).toBe(0);
  pingTwice(10);
  expect(vi.getTimerCount()).toBe(1);
  ws.emit("close");
  expect(vi.getTimerCount()).toBe(0);
});
