// @ts-check
// The chat under test, with vitest: npx vitest run --root examples/testing
import { createTestRuntime, ExploreFailure, explore } from "sendall/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createChat, Nicks } from "./chat.js";

/** @type {import("sendall/testing").TestRuntime<import("./chat.js").Person>} */
let runtime;
beforeEach(() => {
  runtime = createTestRuntime({ handler: createChat(new Nicks()) });
});
// Fails if the handler has failed since, or has left a timer running.
afterEach(() => runtime.close());

test("bob reads what ann says, and learns that she has left", async () => {
  const [ann, bob] = [await runtime.connect(), await runtime.connect()];
  ann.send("ann");
  ann.send("hi");
  ann.close();
  await runtime.settle();
  expect(bob.received).toEqual(["ann: hi", "ann left"]);
});

test("a reader that is slow holds nobody up", async () => {
  const [ann, bob, eve] = [await runtime.connect(), await runtime.connect(), await runtime.connect()];
  bob.stall();
  ann.send("ann");
  ann.send("hi");
  await runtime.settle();
  expect([bob.received, eve.received]).toEqual([[], ["ann: hi"]]);
  bob.resume();
  await runtime.settle();
  expect(bob.received).toEqual(["ann: hi"]);
});

test("a client that is silent for a minute is asked, and the test does not wait a minute", async () => {
  const ann = await runtime.connect();
  await runtime.advance(59_999);
  expect(ann.take()).toEqual([]);
  await runtime.advance(1);
  expect(ann.take()).toEqual(["are you there?"]);
});

/** Two who want the same nickname: one of them gets it. */
const wish = async (
  /** @type {import("sendall/testing").Stage} */ { runtime },
  /** @type {"serial" | "connection"} */ concurrency,
) => {
  const chat = runtime({ concurrency, handler: createChat(new Nicks()) });
  const [ann, bob] = [await chat.connect({ name: "ann" }), await chat.connect({ name: "bob" })];
  ann.send("neo");
  bob.send("neo");
  await chat.settle();
  const answers = [...ann.received, ...bob.received].map(String);
  expect(answers.toSorted()).toEqual(["neo is taken", "you are neo"]);
};

test("no order of events gives one nickname to two people", async () => {
  await explore((stage) => wish(stage, "serial"), { runs: 200 });
});

test('with concurrency "connection" two people can get one nickname, and the seed plays that order again', async () => {
  /** @type {unknown} */
  const failure = await explore((stage) => wish(stage, "connection"), { runs: 200 }).catch((error) => error);
  if (!(failure instanceof ExploreFailure)) throw failure;
  // Both messages are handled before either nickname is taken.
  const handled = failure.trace.filter((step) => step.actor === "server").map((step) => step.what);
  expect(handled.includes("message of ann, message of bob")).toBe(true);
  const { seed } = failure;
  const again = await explore((stage) => wish(stage, "connection"), { runs: 1, seed }).catch((error) => error);
  expect(again.trace).toEqual(failure.trace);
});
