import assert from "node:assert/strict";
import { test } from "node:test";
import { closeWhileWaiting, EXPECTED } from "./waiting-client.js";

test("with the mock timers of node:test", async ({ mock }) => {
  const native = setTimeout;
  mock.timers.enable();
  assert.notEqual(setTimeout, native);
  assert.deepEqual(await closeWhileWaiting(), EXPECTED);
});
