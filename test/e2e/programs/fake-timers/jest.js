import { expect, jest, test } from "@jest/globals";
import { closeWhileWaiting, EXPECTED } from "./waiting-client.js";

test.each([[{}], [{ legacyFakeTimers: true }]])("with jest's fake timers %j", async (config) => {
  jest.useFakeTimers(config);
  try {
    expect(jest.isMockFunction(setTimeout) || "clock" in setTimeout).toBe(true);
    expect(await closeWhileWaiting()).toEqual(EXPECTED);
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});
