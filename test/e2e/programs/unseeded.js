// @ts-check
/**
 * Explores scenarios whose runs depend on something outside of the seed, and prints how each exploration ends: started by
 * `determinism.test.ts`.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { ExploreFailure, explore } from "sendall/testing";

/** @type {Set<string>} */
const taken = new Set();
let requests = 0;
const outside = createServer((_request, response) => response.end(`request ${++requests}`)).listen(0, "127.0.0.1");
await once(outside, "listening");
const address = outside.address();
const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;

/**
 * What the handler answers to a message.
 * @type {Record<string, (text: string) => unknown>}
 */
const answers = {
  seeded: () => "an answer",
  "a table of the module": (text) => (taken.has(text) ? "taken" : taken.add(text) && "yours"),
  "Math.random": () => Math.random(),
  "the time": () => process.hrtime.bigint(),
  "a socket": async () => (await fetch(url)).text(),
};

for (const [name, answer] of Object.entries(answers)) {
  /** @type {import("sendall/testing").Scenario} */
  const scenario = async ({ runtime, seed }) => {
    const chat = runtime({
      async handler(event, bus) {
        if (event.type === "message") bus.unicast(String(await answer(event.text)), event.connection);
      },
    });
    const ann = await chat.connect({ name: "ann" });
    ann.send("neo");
    await chat.settle();
    if (seed === 3) throw new Error(`seed 3 fails`);
  };
  const failure = await explore(scenario, { runs: 5 }).catch((error) => error);
  if (!(failure instanceof ExploreFailure)) throw failure;
  const [line] = failure.message.split("\n");
  console.log(`${name}: ${line}`);
}
outside.close();
outside.closeAllConnections();
