/** The composition root of the test runtime: builds the environment of a server, and what a test drives the server with. */
import type { ConnectionData } from "../../api/connection.js";
import { buildRuntime } from "./build.js";
import type { TestRuntime, TestRuntimeOptions } from "./contracts.js";
import { environmentOf } from "./environment.js";

/**
 * Makes a server inside the test: no port, no timers, no sleeping. The server starts with the first call that
 * needs a running server; if the first `init` throws, that call rejects with the thrown value. Runtimes with the same `cluster` (the same
 * adapter, such as what `memory()` returns) are nodes of a cluster, and share their virtual time.
 *
 * @throws SendallError `BAD_OPTION`
 *
 * @example
 * ```ts
 * import { createTestRuntime } from "sendall/testing";
 * import { expect, test } from "vitest";
 *
 * test("bob reads what ann says", async () => {
 *   await using runtime = createTestRuntime({
 *     handler: (event, bus) => event.type === "message" && bus.broadcast(event.data, event.connection),
 *   });
 *   const ann = await runtime.connect();
 *   const bob = await runtime.connect();
 *   ann.send("hi");
 *   expect(await bob.next()).toBe("hi");
 * });
 * ```
 */
export function createTestRuntime<
  D = ConnectionData,
  S = unknown,
  R = Record<string, ConnectionData>,
  T = Record<string, unknown>,
>(options: TestRuntimeOptions<D, S, R, T>): TestRuntime<D> {
  return buildRuntime(options, 1, environmentOf(Object(options).cluster));
}
