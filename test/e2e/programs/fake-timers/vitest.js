import { expect, test, vi } from "vitest";
import { closeWhileWaiting, EXPECTED } from "./waiting-client.js";

test("with vitest's fake timers, of microtasks too", async () => {
  const native = queueMicrotask;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "setImmediate", "Date", "queueMicrotask"] });
  try {
    expect(queueMicrotask).not.toBe(native);
    expect(await closeWhileWaiting()).toEqual(EXPECTED);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
